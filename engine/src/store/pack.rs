//! Packs: several files of a repository in one that is read by ranges, drawn in docs/bundle.md.
//!
//! ```text
//!  0          8      12           16      24        32                       64
//!  | VDPACK04 | kind | directory  | bytes | version | BLAKE3 of 0..32 and    | directory | file | file | ...
//!  |          | u32  | length u32 | u64   | 8 bytes | of the directory       |           |      |      |
//! ```

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use borsh::{BorshDeserialize, BorshSerialize};

use super::copy::{Extent, copy_segment};
use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::format::{VERSION, magic, other_format};
use super::head::HEAD;
use super::log::Log;
use super::segment;
use crate::delta::domain;

/// The size of the header in bytes.
pub const PACK_HEADER: usize = 64;

/// The largest directory, which bounds what a length field may make a reader allocate.
pub const DIRECTORY_MAX: u32 = 16 << 20;

const NAME: &str = "VDPACK";
const MAGIC: [u8; 8] = magic(NAME);
const COPY: usize = 1 << 20;

static PACK: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 pack"));
static FILE: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 pack file"));

/// A file in a pack.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackEntry {
    /// Its path in the repository.
    pub name: String,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
    /// The hash of its bytes.
    pub hash: [u8; 32],
}

/// The front of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// Whether it holds only what came after some commits.
    pub thin: bool,
    /// How long the whole pack is.
    pub bytes: u64,
    /// Its files, in their order.
    pub directory: Vec<PackEntry>,
}

impl Front {
    /// Returns the hash of header and directory, and so of all files in the pack.
    pub fn hash(&self) -> [u8; 32] {
        let bytes = self.to_bytes();
        std::array::from_fn(|i| bytes[PACK_HEADER - 32 + i])
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let directory = borsh::to_vec(&self.directory).expect("writing to memory cannot fail");
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&u32::from(self.thin).to_le_bytes());
        out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&VERSION);
        let hash = *blake3::Hasher::new_keyed(&PACK).update(&out).update(&directory).finalize().as_bytes();
        out.extend_from_slice(&hash);
        out.extend_from_slice(&directory);
        out
    }

    /// Returns the length of the directory that a header names.
    ///
    /// # Errors
    /// Says what is not as a header should be.
    pub fn directory_len(header: &[u8; PACK_HEADER], bytes: u64) -> std::result::Result<usize, &'static str> {
        let len = u32::from_le_bytes(header[12..16].try_into().expect("4 bytes"));
        if header[..8] != MAGIC && other_format(header, NAME).is_none() {
            return Err("it is no bundle");
        }
        if header[16..24] != bytes.to_le_bytes() {
            return Err("it is shorter or longer than it was written");
        }
        if len > DIRECTORY_MAX || PACK_HEADER as u64 + u64::from(len) > bytes {
            return Err("its directory is beyond the limit");
        }
        Ok(len as usize)
    }

    /// Returns the number of the format and the version of the program that wrote a front which is whole and of another
    /// format than this one's.
    pub fn other_format<'h>(header: &'h [u8; PACK_HEADER], directory: &[u8]) -> Option<(u32, &'h [u8])> {
        let format = other_format(header, NAME).filter(|_| is_whole(header, directory))?;
        Some((format, &header[24..32]))
    }

    /// Reads the front of a pack of some length from its header and its directory.
    ///
    /// # Errors
    /// Says what is not as it should be.
    pub fn parse(header: &[u8; PACK_HEADER], directory: &[u8], bytes: u64) -> std::result::Result<Self, &'static str> {
        if !is_whole(header, directory) {
            return Err("its header or directory does not match its hash");
        }
        if header[..8] != MAGIC {
            return Err("it is of another format");
        }
        let thin = match header[8..12] {
            [0, 0, 0, 0] => false,
            [1, 0, 0, 0] => true,
            _ => return Err("it is of an unknown kind"),
        };
        let entries: Vec<PackEntry> = borsh::from_slice(directory).map_err(|_| "its directory cannot be read")?;
        let mut at = (PACK_HEADER + directory.len()) as u64;
        for entry in &entries {
            if entry.offset != at {
                return Err("its files do not follow each other");
            }
            at = at.checked_add(entry.len).ok_or("a file in it is too long")?;
        }
        if at != bytes {
            return Err("its files do not fill it");
        }
        Ok(Self { thin, bytes, directory: entries })
    }
}

fn is_whole(header: &[u8; PACK_HEADER], directory: &[u8]) -> bool {
    let hash = blake3::Hasher::new_keyed(&PACK).update(&header[..32]).update(directory).finalize();
    header[32..] == *hash.as_bytes()
}

/// Returns what hashes a file in a pack.
pub(super) fn file_hasher() -> blake3::Hasher {
    blake3::Hasher::new_keyed(&FILE)
}

/// Returns the hash of a file in a pack.
///
/// # Errors
/// When it cannot be read.
pub fn hash_file(file: &dyn DiskFile, offset: u64, len: u64) -> io::Result<[u8; 32]> {
    let (mut hasher, mut buffer) = (file_hasher(), vec![0; (len as usize).min(COPY)]);
    let mut at = 0;
    while at < len {
        let piece = &mut buffer[..((len - at) as usize).min(COPY)];
        file.read_at(piece, offset + at)?;
        hasher.update(piece);
        at += piece.len() as u64;
    }
    Ok(*hasher.finalize().as_bytes())
}

/// A pack in the making, under another name until it is whole.
pub struct PackWriter<'d> {
    disk: &'d dyn Disk,
    name: String,
    file: Arc<dyn DiskFile>,
    front: Front,
    next: usize,
    at: u64,
}

impl<'d> PackWriter<'d> {
    /// Begins a pack with files of these names, in their order.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(disk: &'d dyn Disk, name: &str, thin: bool, files: &[String]) -> Result<Self> {
        let entry = |name: &String| PackEntry { name: name.clone(), offset: 0, len: 0, hash: [0; 32] };
        let front = Front { thin, bytes: 0, directory: files.iter().map(entry).collect() };
        let new = new_name(name);
        let open = || {
            let file = disk.open(&new, true)?;
            file.set_len(0)?;
            Ok(file)
        };
        let file: Box<dyn DiskFile> = open().map_err(StoreError::io("create", disk.display(&new)))?;
        // The names and the width of the numbers are known, and so is the length of the directory.
        let at = front.to_bytes().len() as u64;
        Ok(Self { disk, name: name.to_owned(), file: file.into(), front, next: 0, at })
    }

    /// Adds the next file: `write` puts its bytes behind each other into the section that it is given.
    ///
    /// # Errors
    /// When `write` fails or the disk refuses.
    pub fn add<E: From<StoreError>>(
        &mut self,
        write: impl FnOnce(&Section) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        let section = Section { file: self.file.clone(), base: self.at, len: Arc::default() };
        write(&section)?;
        let len = section.len.load(Ordering::Relaxed);
        let hash = hash_file(self.file.as_ref(), self.at, len).map_err(self.failed("read back"))?;
        let entry = &mut self.front.directory[self.next];
        (entry.offset, entry.len, entry.hash) = (self.at, len, hash);
        self.next += 1;
        self.at += len;
        Ok(())
    }

    /// Ends the pack: it is whole and durable under its name when this returns its length.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<u64> {
        self.front.bytes = self.at;
        let end = || {
            self.file.write_at(&self.front.to_bytes(), 0)?;
            self.file.sync()?;
            self.disk.rename(&new_name(&self.name), &self.name)?;
            self.disk.sync_dir("")
        };
        end().map_err(self.failed("write"))?;
        Ok(self.at)
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreError + use<> {
        StoreError::io(action, self.disk.display(&new_name(&self.name)))
    }

    /// Removes what was written of a pack that will not be whole.
    pub fn abandon(disk: &dyn Disk, name: &str) {
        // It is under no name that counts: one that stays does no harm.
        let _ = disk.remove(&new_name(name));
    }
}

fn new_name(name: &str) -> String {
    format!("{name}.new")
}

/// A file in a pack in the making; it also stands for a disk on which there is room for this one file.
pub struct Section {
    file: Arc<dyn DiskFile>,
    base: u64,
    len: Arc<AtomicU64>,
}

impl Section {
    /// Stands for a file that is a pack of its own.
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Self {
        Self { file, base: 0, len: Arc::default() }
    }

    /// Returns the file, to be written.
    pub fn file(&self) -> Box<dyn DiskFile> {
        Box::new(Self { file: self.file.clone(), base: self.base, len: self.len.clone() })
    }
}

impl DiskFile for Section {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, self.base + offset)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.len.fetch_max(offset + data.len() as u64, Ordering::Relaxed);
        self.file.write_at(data, self.base + offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len.load(Ordering::Relaxed))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.len.store(len, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Section {
    fn open(&self, _path: &str, _write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.file())
    }

    fn len(&self, _path: &str) -> io::Result<Option<u64>> {
        DiskFile::len(self).map(Some)
    }

    fn list(&self, _dir: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _path: &str) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(()))
    }

    fn display(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Packs a log as it was reported, its head first, and then other files that `after` adds; returns how long the pack is.
///
/// # Errors
/// When a frame is damaged or the disk refuses; then nothing is under the name.
pub fn pack_log<E: From<StoreError>>(
    log: &Log,
    (disk, name): (&dyn Disk, &str),
    others: &[String],
    after: &mut dyn FnMut(&mut PackWriter<'_>) -> std::result::Result<(), E>,
    seen: &mut dyn FnMut(u64),
) -> std::result::Result<u64, E> {
    let extent = Extent::of(log)?;
    let segments = extent.segments.iter().map(|(number, ..)| segment::path(*number));
    let names: Vec<String> = [HEAD.to_owned()].into_iter().chain(segments).chain(others.iter().cloned()).collect();
    let mut write = || {
        let mut pack = PackWriter::begin(disk, name, false, &names)?;
        let failed = |e| StoreError::io("write", disk.display(name))(e);
        pack.add(|section| DiskFile::write_at(section, &extent.head.file(), 0).map_err(failed))?;
        for (number, segment, end) in &extent.segments {
            let header = segment::header(*number, extent.head.first, &extent.head.origin);
            pack.add(|section| copy_segment(segment, *end, &header, section, 0, seen))?;
        }
        after(&mut pack)?;
        Ok(pack.finish()?)
    };
    let written = write();
    if written.is_err() {
        PackWriter::abandon(disk, name);
    }
    written
}
