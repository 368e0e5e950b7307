//! The writer's lock: an operating-system lock on a file that names its holder.

use std::fs;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Takes the lock, or says who has it.
///
/// The lock ends with the process, however it ends. The file stays: removing it would let two writers in.
pub(super) fn lock_file(path: &Path) -> io::Result<Box<dyn Send + Sync>> {
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())?;
            Ok(Box::new(file))
        }
        Err(fs::TryLockError::WouldBlock) => Err(io::Error::new(io::ErrorKind::WouldBlock, holder(&mut file)?)),
        Err(fs::TryLockError::Error(e)) => Err(e),
    }
}

/// Reads who has the lock; a holder that only just took it gets a moment to write its name.
fn holder(file: &mut fs::File) -> io::Result<String> {
    let mut holder = String::new();
    for _ in 0..1_000 {
        file.rewind()?;
        holder.clear();
        file.take(32).read_to_string(&mut holder)?;
        if !holder.is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Ok(holder)
}
