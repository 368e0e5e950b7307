//! The head: a witness beside the log of how far it was reported.
//!
//! Two slots of 512 bytes, written in turn. Without it, a log whose end was cut off would look like one whose last
//! write was torn by a crash.
//!
//! ```text
//!  0          8          16        20      24       32             64       96        104     480       512
//!  | VDHEAD04 | sequence | segment | first | length | last record  | origin | version | 0 ... | BLAKE3  |
//! ```

use std::sync::LazyLock;

use super::disk::Disk;
use super::error::{Result, StoreError};
use super::format::{VERSION, magic, other_format, refuse};
use crate::delta::domain;

/// The head's file name.
pub const HEAD: &str = "head";

const NAME: &str = "VDHEAD";
const MAGIC: [u8; 8] = magic(NAME);
const SLOT: usize = 512;

static DOMAIN: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 head"));

/// How far the log was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many transactions the log holds.
    pub sequence: u64,
    /// The segment that the last one ends in.
    pub segment: u32,
    /// The segment that the log begins with.
    pub first: u32,
    /// Where in that segment it ends.
    pub length: u64,
    /// The hash of the last transaction's closing frame; zeros for an empty log.
    pub last: [u8; 32],
    /// The repository's origin.
    pub origin: [u8; 32],
}

impl Head {
    /// Returns the bytes of a new file: the same in both slots.
    pub fn file(self) -> [u8; 2 * SLOT] {
        let mut out = [0; 2 * SLOT];
        out[..SLOT].copy_from_slice(&self.to_bytes());
        out[SLOT..].copy_from_slice(&self.to_bytes());
        out
    }

    fn to_bytes(self) -> [u8; SLOT] {
        let mut out = [0; SLOT];
        out[..8].copy_from_slice(&MAGIC);
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..20].copy_from_slice(&self.segment.to_le_bytes());
        out[20..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..32].copy_from_slice(&self.length.to_le_bytes());
        out[32..64].copy_from_slice(&self.last);
        out[64..96].copy_from_slice(&self.origin);
        out[96..104].copy_from_slice(&VERSION);
        let hash = blake3::keyed_hash(&DOMAIN, &out[..480]);
        out[480..].copy_from_slice(hash.as_bytes());
        out
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes[..8] != MAGIC || !is_whole(bytes) {
            return None;
        }
        Some(Self {
            sequence: u64::from_le_bytes(bytes[8..16].try_into().ok()?),
            segment: u32::from_le_bytes(bytes[16..20].try_into().ok()?),
            first: u32::from_le_bytes(bytes[20..24].try_into().ok()?),
            length: u64::from_le_bytes(bytes[24..32].try_into().ok()?),
            last: bytes[32..64].try_into().ok()?,
            origin: bytes[64..96].try_into().ok()?,
        })
    }
}

fn is_whole(slot: &[u8]) -> bool {
    slot[480..] == *blake3::keyed_hash(&DOMAIN, &slot[..480]).as_bytes()
}

/// Both slots of a head as they were found.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    slots: [Option<Head>; 2],
    /// Whether the file has another size than it should.
    pub odd_size: bool,
}

impl Slots {
    /// Returns the newest slot that is whole.
    pub fn newest(&self) -> Option<Head> {
        self.slots.iter().flatten().copied().max_by_key(|h| h.sequence)
    }

    /// Returns the offsets of the slots that are damaged.
    pub fn damaged(&self) -> impl Iterator<Item = u64> {
        let slots = self.slots;
        (0..2).filter(move |&i| slots[i].is_none()).map(|i| (i * SLOT) as u64)
    }
}

/// Reads the head, or `None` when there is no such file.
///
/// # Errors
/// When the file cannot be read, or is of another format.
pub fn read(disk: &dyn Disk) -> Result<Option<Slots>> {
    let display = disk.display(HEAD);
    let Some(len) = disk.len(HEAD).map_err(StoreError::io("look at", &display))? else {
        return Ok(None);
    };
    let mut bytes = vec![0; (len as usize).min(2 * SLOT)];
    disk.open(HEAD, false).and_then(|f| f.read_at(&mut bytes, 0)).map_err(StoreError::io("read", &display))?;
    bytes.resize(2 * SLOT, 0);
    let slots = [Head::parse(&bytes[..SLOT]), Head::parse(&bytes[SLOT..])];
    if slots == [None, None] {
        let mut other = bytes.chunks_exact(SLOT).filter(|slot| is_whole(slot));
        if let Some((slot, format)) = other.find_map(|slot| Some((slot, other_format(slot, NAME)?))) {
            return Err(refuse(display, format, &slot[96..104]));
        }
    }
    Ok(Some(Slots { slots, odd_size: len != 2 * SLOT as u64 }))
}

/// Returns origin, first segment and number of transactions of a log whose head is whole.
///
/// # Errors
/// When bytes of the head have not been brought yet.
pub fn log_start(disk: &dyn Disk) -> Result<Option<([u8; 32], u32, u64)>> {
    let slots = match read(disk) {
        Ok(Some(slots)) => slots,
        Err(error) if error.is_waiting() => return Err(error),
        Ok(None) | Err(_) => return Ok(None),
    };
    let head = slots.newest().filter(|_| !slots.odd_size && slots.damaged().next().is_none());
    Ok(head.map(|head| (head.origin, head.first, head.sequence)))
}

/// Writes one slot and makes it durable: the moment at which a transaction is committed.
///
/// # Errors
/// When the disk refuses; the other slot is as before.
pub fn write(disk: &dyn Disk, head: Head) -> Result<()> {
    let slot = (head.sequence % 2) * SLOT as u64;
    let display = disk.display(HEAD);
    let file = disk.open(HEAD, true).map_err(StoreError::io("open", &display))?;
    file.write_at(&head.to_bytes(), slot).and_then(|()| file.sync()).map_err(StoreError::io("write", &display))
}

/// Writes both slots of a head that is new, cut or damaged, under another name first.
///
/// # Errors
/// When the disk refuses; an existing head is as before.
pub fn create(disk: &dyn Disk, head: Head) -> Result<()> {
    let display = disk.display(HEAD);
    let write = || {
        let file = disk.open("head.new", true)?;
        file.set_len(0)?;
        file.write_at(&head.file(), 0)?;
        file.sync()?;
        disk.rename("head.new", HEAD)?;
        disk.sync_dir("")
    };
    write().map_err(StoreError::io("create", display))
}
