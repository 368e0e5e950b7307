//! The one door to the disk: a small set of operations with a local and an in-memory implementation.
//!
//! Paths are relative to the repository and use `/`. What is assumed of a disk: a synced file keeps its bytes, a
//! synced directory keeps its entries, and a write of 512 aligned bytes is never torn.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::segment::SEGMENT_BYTES;

/// A directory that holds one repository.
pub trait Disk: Send + Sync {
    /// Opens a file for reading, or for reading and writing (then it is created when absent).
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>>;
    /// Returns the length of a file, or `None` when there is none.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&self, path: &str) -> io::Result<Option<u64>>;
    /// Lists the names in a directory in ascending order; empty when there is none.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;
    /// Creates a directory and those above it.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir(&self, dir: &str) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;
    /// Renames a file over another one.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file, or a directory with all that is in it; nothing happens when it is absent.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove(&self, path: &str) -> io::Result<()>;
    /// Takes the exclusive lock that a file stands for; it ends with the returned value.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] with the holder's process id when another writer has it.
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>>;
    /// Returns the path to name in messages.
    fn display(&self, path: &str) -> String;
    /// Returns whether nothing on it ever changes and a look at it may take long: then nothing is read before it is needed.
    fn is_fixed(&self) -> bool {
        false
    }
    /// Returns the length from which on a segment of the log is followed by the next one.
    fn segment_bytes(&self) -> u64 {
        SEGMENT_BYTES
    }
}

/// An open file: positioned reads and writes, from any thread. What changes a file refuses, unless the kind of file allows it.
#[allow(clippy::len_without_is_empty)]
pub trait DiskFile: Send + Sync {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Tells that a range will probably be read soon, so that a file that lies elsewhere can bring several at once.
    fn will_read(&self, _offset: u64, _len: u64) {}
    /// Writes all of the data at `offset`, growing the file where needed.
    ///
    /// # Errors
    /// As the operating system says; part of the data may then have been written.
    fn write_at(&self, _data: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    /// Writes two pieces one behind the other at `offset`, without joining them in memory first where that can be.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    fn write_both_at(&self, first: &[u8], second: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(&[first, second].concat(), offset)
    }
    /// Tells that what was written in a range will be synced soon, so that the writing can begin meanwhile.
    fn will_sync(&self, _offset: u64, _len: u64) {}
    /// Returns the length in bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or grows the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    /// As the operating system says; then nothing that was written since the last sync can be relied on.
    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// A directory of the local file system.
pub struct LocalDisk {
    root: PathBuf,
}

impl LocalDisk {
    /// Stands for a directory, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, path: &str) -> PathBuf {
        if path.is_empty() {
            return self.root.clone();
        }
        self.root.join(path)
    }
}

impl Disk for LocalDisk {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(write).create(write);
        Ok(Box::new(LocalFile(options.open(self.path(path))?)))
    }

    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(path)) {
            Ok(m) => Ok(Some(m.len())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(dir)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut names =
            entries.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned())).collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir(&self, dir: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(dir))
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        if dir.is_empty() {
            // The repository's own name is an entry of the directory above.
            let root = std::path::absolute(&self.root)?;
            root.parent().map_or(Ok(()), sync_dir)?;
        }
        sync_dir(&self.path(dir))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        let result = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match result {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        super::lock::lock_file(&self.path(path))
    }

    fn display(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }
}

/// Makes the entries of a directory durable, where the system can.
///
/// # Errors
/// As the operating system says.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(path)?.sync_all()?;
    }
    Ok(())
}

struct LocalFile(fs::File);

impl DiskFile for LocalFile {
    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(not(unix))]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        use std::io::{Read, Seek};
        let mut file = self.0.try_clone()?;
        file.seek(io::SeekFrom::Start(offset))?;
        file.read_exact(buffer)
    }

    #[cfg(unix)]
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, data, offset)
    }

    #[cfg(not(unix))]
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        use std::io::{Seek, Write};
        let mut file = self.0.try_clone()?;
        file.seek(io::SeekFrom::Start(offset))?;
        file.write_all(data)
    }

    #[cfg(all(target_os = "linux", feature = "native"))]
    fn write_both_at(&self, first: &[u8], second: &[u8], offset: u64) -> io::Result<()> {
        let parts = [io::IoSlice::new(first), io::IoSlice::new(second)];
        let written = rustix::io::retry_on_intr(|| rustix::io::pwritev(&self.0, &parts, offset))?;
        // Regular files take all at once but for a full disk or a signal.
        let rest = [&first[written.min(first.len())..], &second[written.saturating_sub(first.len())..]].concat();
        if rest.is_empty() { Ok(()) } else { self.write_at(&rest, offset + written as u64) }
    }

    #[cfg(all(target_os = "linux", feature = "native"))]
    fn will_sync(&self, offset: u64, len: u64) {
        use rustix::fs::{Advice, fadvise};
        // "Not needed" starts the writing of what is only in memory; what comes of it shows in the sync.
        let _ = fadvise(&self.0, offset, std::num::NonZeroU64::new(len), Advice::DontNeed);
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
