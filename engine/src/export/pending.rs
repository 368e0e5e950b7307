//! A file that appears under its name only when it is whole and on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

/// The system is asked to begin with the way to the disk after so many bytes, so that little is left to wait for in the end.
const BEHIND_BYTES: u64 = 8 << 20;

/// Where a table goes: into a file, or piece by piece to whoever takes them.
#[derive(Debug)]
pub(super) enum Out {
    File(Pending),
    Pieces(Vec<u8>),
}

impl Out {
    /// Returns the name which a file will have; what is handed out in pieces has none.
    pub fn path(&self) -> &Path {
        match self {
            Out::File(file) => file.path(),
            Out::Pieces(_) => Path::new("the table"),
        }
    }

    /// Passes on what was written since the last time; nothing of a file.
    pub fn pour(&mut self, to: &mut dyn Write) -> io::Result<()> {
        if let Out::Pieces(bytes) = self {
            to.write_all(bytes)?;
            bytes.clear();
        }
        Ok(())
    }

    /// Makes a file durable and gives it its name; returns what nobody has taken yet.
    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        match self {
            Out::File(file) => file.finish().map(|()| Vec::new()),
            Out::Pieces(bytes) => Ok(bytes),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::File(file) => file.write(bytes),
            Out::Pieces(pieces) => pieces.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::File(file) => file.flush(),
            Out::Pieces(_) => Ok(()),
        }
    }
}

/// A file being written as `PATH.tmp-PID`; dropping it removes that.
#[derive(Debug)]
pub struct Pending {
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    /// How much was written, and of that, how much is on its way to the disk.
    written: u64,
    on_its_way: u64,
    finished: bool,
}

impl Pending {
    /// Creates the temporary file beside `path`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".tmp-{}", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
        Ok(Self {
            file: file.map_err(|error| ExportError::create(path, error))?,
            path: path.to_owned(),
            temporary,
            written: 0,
            on_its_way: 0,
            finished: false,
        })
    }

    /// Returns the name which the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Overwrites the first bytes.
    pub(super) fn rewrite_start(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::End(0)).map(drop)
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// When that fails; the temporary file is then removed.
    pub fn finish(mut self) -> Result<(), ExportError> {
        let done = self.file.sync_all().and_then(|()| fs::rename(&self.temporary, &self.path));
        done.map_err(|error| ExportError::io(&self.path, error))?;
        self.finished = true;
        sync_directory(&self.path).map_err(|error| ExportError::io(&self.path, error))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.written += written as u64;
        if self.written - self.on_its_way >= BEHIND_BYTES {
            write_behind(&self.file, self.on_its_way, self.written);
            self.on_its_way = self.written;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Asks the system to begin writing a stretch of a file to the disk, and does not wait for it.
#[cfg(target_os = "linux")]
fn write_behind(file: &File, from: u64, to: u64) {
    use rustix::fs::{Advice, fadvise};
    // "Not needed" starts the writing of what is only in memory; what comes of it shows in the sync at the end.
    let _ = fadvise(file, from, std::num::NonZeroU64::new(to - from), Advice::DontNeed);
}

#[cfg(not(target_os = "linux"))]
fn write_behind(_: &File, _: u64, _: u64) {}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing can be done about a temporary file that cannot be removed; its name says what it is.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes the new name durable, where directories can be synced.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match cfg!(unix) {
        true => File::open(parent)?.sync_all(),
        false => Ok(()),
    }
}
