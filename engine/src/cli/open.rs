//! Opening what a command line names.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::error::CliError;
pub use crate::answer::commit;
use crate::serve::{Url, open_bundle};
use crate::store::{Bundle, Disk, LocalDisk, StoreError, disk_at};
use crate::version::{Actor, Checkpoint, Repository, new_origin};

/// Returns milliseconds since 1970 by the system's clock.
pub fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns who makes commits: VECDELTA_AUTHOR, or the user's name.
pub fn author() -> String {
    let named = ["VECDELTA_AUTHOR", "USER", "LOGNAME"].into_iter();
    named.filter_map(|name| std::env::var(name).ok()).find(|v| !v.is_empty()).unwrap_or_else(|| "vecdelta".to_owned())
}

/// Returns who does something now.
pub fn actor() -> Actor {
    Actor { author: author(), now_millis: now_millis() }
}

/// Returns whether a path is meant as the address of a server.
pub fn is_url(path: &Path) -> bool {
    path.to_str().is_some_and(Url::is_url)
}

/// Returns the token that servers ask for, if the environment has one.
pub fn token() -> Option<String> {
    std::env::var("VECDELTA_TOKEN").ok().filter(|token| !token.is_empty())
}

/// Returns what a repository is read from: a directory, a database, a file that is a bundle, or a server.
pub fn disk(path: &Path) -> Result<Arc<dyn Disk>, CliError> {
    if is_url(path) {
        return Ok(Arc::new(open_bundle(&path.to_string_lossy(), token())?));
    }
    let Some(bundle) = bundle(path)? else { return Ok(disk_at(path)?) };
    if bundle.is_thin() {
        let shown = path.display();
        let text = format!("{shown} holds only what came after some commits, so it cannot be read by itself");
        return Err(CliError::new(2, text).hint(format!("`vecdelta pull REPO {shown}` takes it over")));
    }
    Ok(Arc::new(bundle))
}

/// Opens the bundle at a path; `None` where there is no file.
pub fn bundle(path: &Path) -> Result<Option<Bundle>, CliError> {
    let (Some(dir), Some(name)) = (path.parent().filter(|_| path.is_file()), path.file_name()) else {
        return Ok(None);
    };
    let shown = path.display().to_string();
    let file = LocalDisk::new(dir).open(&name.to_string_lossy(), false);
    Ok(Some(Bundle::open(file.map_err(StoreError::io("open", &shown))?, shown)?))
}

/// Returns the directory or database of a repository that is to be written.
fn writable(path: &Path) -> Result<Arc<dyn Disk>, CliError> {
    if is_url(path) {
        let shown = path.display();
        return Err(CliError::new(2, format!("{shown} is served, and can only be read from here")).hint(format!(
            "`vecdelta clone {shown} NAME.vd` makes a repository of it; pull from there the other way"
        )));
    }
    if path.is_file() {
        let shown = path.display();
        return Err(CliError::new(2, format!("{shown} is a file, and a bundle is never changed"))
            .hint(format!("`vecdelta clone {shown} NAME.vd` makes a repository of it")));
    }
    Ok(disk_at(path)?)
}

/// Opens a repository for reading.
pub fn reader(path: &Path) -> Result<Repository, CliError> {
    Ok(Repository::open(disk(path)?)?)
}

/// Opens a repository for writing.
pub fn writer(path: &Path) -> Result<Repository, CliError> {
    Ok(Repository::open_writer(writable(path)?, None)?)
}

/// Opens a repository for writing, with nothing taken from its cache.
pub fn checked_writer(path: &Path) -> Result<Repository, CliError> {
    Ok(Repository::open_writer_checked(writable(path)?)?)
}

/// Returns the origin of a repository that is made now.
pub fn own_origin() -> [u8; 32] {
    new_origin(now_millis(), u64::from(std::process::id()))
}

/// Opens a repository for writing, or makes one.
pub fn writer_or_new(path: &Path) -> Result<Repository, CliError> {
    Ok(Repository::open_writer(writable(path)?, Some(own_origin()))?)
}

/// Reads a checkpoint: the line, or a file that holds it.
pub fn pinned_line(text: &str) -> Result<Checkpoint, CliError> {
    let line = std::fs::read_to_string(text).unwrap_or_else(|_| text.to_owned());
    Checkpoint::parse(line.trim()).map_err(|e| CliError::new(2, e))
}
