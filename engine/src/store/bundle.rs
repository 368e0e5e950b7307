//! A bundle: a pack that is read as if it were a repository's directory.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::{Damage, Result, StoreError};
use super::format::refuse;
use super::pack::{Front, PACK_HEADER, PackEntry, hash_file};

/// An open bundle; nothing in it can be written.
pub struct Bundle {
    file: Arc<dyn DiskFile>,
    display: String,
    front: Front,
}

impl Bundle {
    /// Opens a bundle from a file that is read by ranges; `display` names it in messages.
    ///
    /// # Errors
    /// When it is no bundle, of another format, or its front is damaged.
    pub fn open(file: Box<dyn DiskFile>, display: impl Into<String>) -> Result<Self> {
        let display = display.into();
        let corrupt = |problem: &str| StoreError::corrupt(display.clone(), Some(0), problem);
        let bytes = file.len().map_err(StoreError::io("look at", &display))?;
        if bytes < PACK_HEADER as u64 {
            return Err(corrupt("it is no bundle: it ends within its header"));
        }
        let mut header = [0; PACK_HEADER];
        file.read_at(&mut header, 0).map_err(StoreError::io("read", &display))?;
        let mut directory = vec![0; Front::directory_len(&header, bytes).map_err(corrupt)?];
        file.read_at(&mut directory, PACK_HEADER as u64).map_err(StoreError::io("read", &display))?;
        if let Some((format, version)) = Front::other_format(&header, &directory) {
            return Err(refuse(&display, format, version));
        }
        let front = Front::parse(&header, &directory, bytes).map_err(corrupt)?;
        Ok(Self { file: file.into(), display, front })
    }

    /// Returns the file that it is, its length, and the hash of its front, which covers all of it.
    pub fn whole(&self) -> (Arc<dyn DiskFile>, u64, [u8; 32]) {
        (self.file.clone(), self.front.bytes, self.front.hash())
    }

    /// Returns whether it holds only what came after some commits, so that it cannot be read by itself.
    pub fn is_thin(&self) -> bool {
        self.front.thin
    }

    /// Compares every file in it with its hash; returns what is wrong.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn check(&self) -> Result<Vec<Damage>> {
        let mut problems = Vec::new();
        for entry in &self.front.directory {
            let hash = hash_file(self.file.as_ref(), entry.offset, entry.len);
            if hash.map_err(StoreError::io("read", self.display(&entry.name)))? != entry.hash {
                problems.push(Damage {
                    path: self.display(&entry.name),
                    offset: None,
                    commit: None,
                    problem: "the file does not match the hash that the bundle has of it".to_owned(),
                });
            }
        }
        Ok(problems)
    }

    fn find(&self, path: &str) -> Option<&PackEntry> {
        self.front.directory.iter().find(|e| e.name == path)
    }
}

impl Disk for Bundle {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        if write {
            return Err(read_only());
        }
        let entry = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Part { file: self.file.clone(), base: entry.offset, len: entry.len }))
    }

    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        Ok(self.find(path).map(|e| e.len))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let below = |e: &PackEntry| {
            let rest = if dir.is_empty() { &e.name } else { e.name.strip_prefix(dir)?.strip_prefix('/')? };
            rest.split('/').next().map(str::to_owned)
        };
        let mut names: Vec<String> = self.front.directory.iter().filter_map(below).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn create_dir(&self, _dir: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn sync_dir(&self, _dir: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn rename(&self, _from: &str, _to: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn remove(&self, _path: &str) -> io::Result<()> {
        Err(read_only())
    }

    fn lock(&self, _path: &str) -> io::Result<Box<dyn Send + Sync>> {
        Err(read_only())
    }

    fn display(&self, path: &str) -> String {
        if path.is_empty() { self.display.clone() } else { format!("{}: {path}", self.display) }
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

fn read_only() -> io::Error {
    io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "a bundle is never changed")
}

/// A file in a bundle.
struct Part {
    file: Arc<dyn DiskFile>,
    base: u64,
    len: u64,
}

impl DiskFile for Part {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.len => self.file.read_at(buffer, self.base + offset),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn will_read(&self, offset: u64, len: u64) {
        if offset.checked_add(len).is_some_and(|end| end <= self.len) {
            self.file.will_read(self.base + offset, len);
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}
