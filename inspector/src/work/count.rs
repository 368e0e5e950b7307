//! A disk that counts what is read from it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vecdelta::store::{Disk, DiskFile};

/// How much was read, from any thread.
#[derive(Default)]
pub struct Counts {
    bytes: AtomicU64,
    reads: AtomicU64,
}

impl Counts {
    /// Returns bytes and reads since the last call.
    pub fn take(&self) -> (u64, u64) {
        (self.bytes.swap(0, Ordering::Relaxed), self.reads.swap(0, Ordering::Relaxed))
    }
}

/// The disk below, counted.
pub struct Counting {
    disk: Arc<dyn Disk>,
    counts: Arc<Counts>,
}

impl Counting {
    /// Counts what is read from a disk.
    pub fn new(disk: Arc<dyn Disk>, counts: Arc<Counts>) -> Self {
        Self { disk, counts }
    }
}

struct CountingFile {
    file: Box<dyn DiskFile>,
    counts: Arc<Counts>,
}

impl Disk for Counting {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile { file: self.disk.open(path, write)?, counts: self.counts.clone() }))
    }

    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        self.disk.len(path)
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.disk.list(dir)
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.create_dir(dir)
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }

    fn display(&self, path: &str) -> String {
        self.disk.display(path)
    }

    fn is_fixed(&self) -> bool {
        self.disk.is_fixed()
    }

    fn segment_bytes(&self) -> u64 {
        self.disk.segment_bytes()
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(buffer, offset)?;
        self.counts.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn will_read(&self, offset: u64, len: u64) {
        self.file.will_read(offset, len);
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(data, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
