//! Bodies of requests, kept until they are read.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// A body that has arrived whole, in a temporary file.
pub struct Spooled {
    folder: PathBuf,
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
        let folder = std::env::temp_dir().join(format!("vecdelta-post-{}-{number}", std::process::id()));
        let failed = |e: &io::Error| Response::error(507, format!("the body cannot be kept: {e}"));
        // One that is there already is of a process that is gone, whose number has come round again.
        let _ = std::fs::remove_dir_all(&folder);
        private_folder(&folder).map_err(|e| failed(&e))?;
        let mut spooled = Self { path: folder.join(format!("body.{extension}")), folder, hash: blake3::hash(b"") };
        let file = File::options().write(true).create_new(true).open(&spooled.path).map_err(|e| failed(&e))?;
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
