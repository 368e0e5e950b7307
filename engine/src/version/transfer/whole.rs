//! A whole repository in one file.

use crate::store::{Disk, pack_log};
use crate::version::error::{Result, VersionError};
use crate::version::repository::Repository;

/// Writes a repository, as it was reported when it was opened, into one file; returns how long that is. `seen` is
/// told how many bytes of the log were copied.
///
/// The index comes first, so that whoever reads by ranges has the graph after two or three.
///
/// # Errors
/// When the history is damaged or the disk refuses; then there is no file.
pub fn bundle(repo: &Repository, disk: &dyn Disk, name: &str, seen: &mut dyn FnMut(u64)) -> Result<u64> {
    let records = repo.graph().records.len();
    let index = (records > 0).then(|| format!("cache/index/{:012}-{records:012}", 1));
    pack_log(
        repo.log(),
        (disk, name),
        index.as_slice(),
        &mut |pack| match &index {
            None => Ok(()),
            Some(path) => pack.add(|section| {
                let damaged = || {
                    let problem = "it is damaged, or the log cannot be read; `vecdelta reindex REPO` makes it anew";
                    VersionError::corrupt(repo.disk().display(path), problem)
                };
                repo.index().write_whole(repo, section).ok_or_else(damaged)
            }),
        },
        seen,
    )
}
