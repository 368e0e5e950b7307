//! Places that need no system: the history that is built in.

use std::sync::Arc;

use vecdelta::store::{Disk, MemoryDisk};
use vecdelta::version::VersionError;

use crate::ask::Place;

/// Makes the history that is built in, in memory.
///
/// # Errors
/// Never in practice: memory does not refuse.
pub fn demo() -> Result<Arc<dyn Disk>, VersionError> {
    let disk = Arc::new(MemoryDisk::default());
    vecdelta::demo::tell(disk.clone())?;
    Ok(disk)
}

/// Returns the last part of where a repository is, for the head of the window.
pub fn title(place: &Place) -> String {
    let last = |text: &str| {
        let text = text.trim_end_matches(['/', '\\']);
        text.rsplit(['/', '\\']).next().unwrap_or(text).to_owned()
    };
    match place {
        Place::Demo => "demo history".to_owned(),
        Place::Path(path) => last(path),
        Place::Url(url) => last(url.split(['?', '#']).next().unwrap_or(url)),
        Place::File(_, name) => last(name),
    }
}
