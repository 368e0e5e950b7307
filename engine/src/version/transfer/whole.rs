//! A whole repository in one file, and as a copy.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::store::{Disk, LivePack, Section, SegmentHashes, copy_log, in_memory, pack_log};
use crate::version::error::{Result, VersionError};
use crate::version::repository::{CommitIndex, Repository, table_of};
use crate::version::state::state_tree;
use crate::version::state_root;

/// Writes a repository, as it was reported when it was opened, into one file; returns how long that is. `seen` is
/// told how many bytes of the log were copied.
///
/// The index comes last, next to the last record, so that whoever reads by ranges has the graph after two or three.
///
/// # Errors
/// When the history is damaged or the disk refuses; then there is no file.
pub fn bundle(repo: &Repository, disk: &dyn Disk, name: &str, seen: &mut dyn FnMut(u64)) -> Result<u64> {
    let index = index_name(repo);
    pack_log(
        repo.log(),
        (disk, name),
        index.as_slice(),
        &mut |pack| match &index {
            None => Ok(()),
            Some(path) => pack.add(|section| write_index(repo, path, section)),
        },
        seen,
    )
}

/// Returns a repository, as it was reported when it was opened, as a bundle that is nowhere on disk.
///
/// Its bytes are those that [`bundle`] writes. The index is in memory: about 20 bytes a delta.
///
/// # Errors
/// When the history is damaged or the disk refuses.
pub fn live_bundle(repo: &Repository, hashes: &mut SegmentHashes) -> Result<LivePack> {
    let mut others = Vec::new();
    if let Some(path) = index_name(repo) {
        let bytes = in_memory(|section| write_index(repo, &path, section))?;
        others.push((path, bytes));
    }
    Ok(LivePack::of(repo.log(), others, hashes)?)
}

/// Returns the name of an index over all records; there is none without records.
fn index_name(repo: &Repository) -> Option<String> {
    let records = repo.graph().records.len();
    (records > 0).then(|| format!("cache/index/{:012}-{records:012}", 1))
}

fn write_index(repo: &Repository, path: &str, section: &Section) -> Result<()> {
    let damaged = || {
        let problem = "it is damaged, or the log cannot be read; `vecdelta reindex REPO` makes it anew";
        VersionError::corrupt(repo.disk().display(path), problem)
    };
    repo.index().write_whole(repo, section).ok_or_else(damaged)
}

/// Copies a repository, as it was reported when it was opened, to an empty disk as another repository of its own
/// origin; `seen` is told how many bytes were copied.
///
/// Records and blocks are the same to the byte, so commits, operations and compactions are. The tables at the heads of
/// all branches are rebuilt from the copy before this returns.
///
/// # Errors
/// When the history is damaged or a disk refuses; what was written is of no use then.
pub fn clone_into(
    repo: &Repository,
    disk: &Arc<dyn Disk>,
    origin: [u8; 32],
    seen: &mut dyn FnMut(u64),
) -> Result<Repository> {
    copy_log(repo.log(), disk.as_ref(), origin, seen)?;
    let copy = Repository::open_writer_checked(disk.clone())?;
    let heads: BTreeSet<CommitIndex> = copy.branches().values().copied().collect();
    for head in heads {
        let id = copy.entry(head).id;
        let wrong = |problem: &str| match VersionError::corrupt(repo.disk().display("log"), problem) {
            VersionError::Store(error) => error.in_commit(id).into(),
            other => other,
        };
        let body = copy.commit(head)?.body;
        if state_root(&body.collections) != body.state_root.0 {
            return Err(wrong("the state root is not that of its collections"));
        }
        for state in &body.collections {
            let mut tree = state_tree(&copy, head, &Arc::new(table_of(state)?), &|_| {})?;
            if (tree.root(), tree.len() as u64) != (state.root, state.rows) {
                return Err(wrong("the table that its deltas rebuild is not the one it names"));
            }
        }
    }
    Ok(copy)
}
