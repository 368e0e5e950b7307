//! Bodies of requests, kept until they are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::http::{Request, Response};
use crate::answer::Failure;

/// Types that a body may have, and the extension of such a file; without a type its first bytes tell.
const TYPES: [(&str, &str); 7] = [
    ("application/x-ndjson", "jsonl"),
    ("application/jsonl", "jsonl"),
    ("application/json", "jsonl"),
    ("application/vnd.apache.arrow.stream", "arrow"),
    ("application/vnd.apache.arrow.file", "arrow"),
    ("application/vnd.apache.parquet", "parquet"),
    ("application/octet-stream", "rows"),
];

/// Tells the bodies of one process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// What the folders of bodies begin with.
const FOLDER: &str = "vecdelta-post-";

/// A folder is not cleared away before this age: its file may be about to be made.
const FRESH: Duration = Duration::from_secs(2);

/// Removes the bodies of servers that were killed; called when one starts. Whose server lives still has its file locked.
pub fn clear_spool() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
        if entry.file_name().to_string_lossy().starts_with(FOLDER) && age.is_some_and(|age| age >= FRESH) {
            let Ok(files) = std::fs::read_dir(entry.path()) else { continue };
            let free = |path: PathBuf| File::open(path).is_ok_and(|file| file.try_lock().is_ok());
            if files.flatten().all(|file| free(file.path())) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// A body that has arrived whole, in a temporary file.
pub struct Spooled {
    folder: PathBuf,
    /// The file, locked while the body is needed.
    _file: File,
    /// The file.
    pub path: PathBuf,
    /// The hash of its bytes.
    pub hash: blake3::Hash,
}

impl Spooled {
    /// Keeps the body of a request, once all of it is there.
    ///
    /// # Errors
    /// The answer when it is empty, of a type that is not read, or does not arrive.
    pub fn of(request: &mut Request<'_>) -> Result<Self, Response> {
        let kind = request.head.header("content-type").unwrap_or("application/octet-stream");
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A form's type is what some clients send when nothing is said: the bytes tell.
        let extension = match TYPES.iter().find(|(name, _)| *name == kind) {
            Some((_, extension)) => *extension,
            None if kind == "application/x-www-form-urlencoded" => "rows",
            None => {
                let known: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
                let text = format!("a body of type `{kind}` is not taken");
                return Err(Response::refused(415, &text, &format!("there is {}", known.join(", "))));
            }
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("{FOLDER}{}-{number}", std::process::id()));
        let failed = |e: &io::Error| Response::error(507, format!("the body cannot be kept: {e}"));
        // One that is there already is of a process that is gone, whose number has come round again.
        let _ = std::fs::remove_dir_all(&folder);
        private_folder(&folder).map_err(|e| failed(&e))?;
        let path = folder.join(format!("body.{extension}"));
        let made = File::options().write(true).create_new(true).open(&path).and_then(|f| Ok((f.try_clone()?, f)));
        let (file, kept) = made.map_err(|e| failed(&e))?;
        // Only whoever clears away what killed servers left asks for the lock.
        let _ = kept.try_lock();
        let mut spooled = Self { path, folder, _file: kept, hash: blake3::hash(b"") };
        let mut out = Hashing { out: BufWriter::with_capacity(1 << 18, file), hasher: blake3::Hasher::new() };
        if request.body.copy_to(&mut out)? == 0 {
            return Err(Response::refused(400, "the body is empty", "send JSON lines, Arrow IPC or Parquet"));
        }
        out.out.flush().map_err(|e| failed(&e))?;
        spooled.hash = out.hasher.finalize();
        Ok(spooled)
    }

    /// Makes a failure speak of the body, not of the file that it is kept in.
    #[must_use]
    pub fn blamed(&self, mut failure: Failure) -> Failure {
        failure.message = failure.message.replace(&self.path.display().to_string(), "the body");
        failure
    }
}

/// Makes a folder that nobody else can look into, where the system knows such.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

impl Drop for Spooled {
    fn drop(&mut self) {
        // One that stays is in a place where such files are cleared away.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Writes on and hashes what is written.
struct Hashing {
    out: BufWriter<File>,
    hasher: blake3::Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
