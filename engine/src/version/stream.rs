//! The delta stream: what changed from commit to commit, in order.

use super::diff::{Differences, diff};
use super::error::{Result, VersionError};
use super::repository::{CommitIndex, Repository};

/// Returns the commits after `from` (all when it is `None`) up to `to`, oldest first, along first parents.
///
/// # Errors
/// When `from` does not lie on the way to `to`.
pub fn way(repo: &Repository, from: Option<CommitIndex>, to: CommitIndex) -> Result<Vec<CommitIndex>> {
    let mut way: Vec<CommitIndex> = repo.first_parents(to).take_while(|&c| Some(c) != from).collect();
    if let (Some(from), Some(&oldest)) = (from, way.last())
        && repo.entry(oldest).parents.first() != Some(&from)
    {
        let id = |c: CommitIndex| repo.entry(c).id.to_hex()[..12].to_owned();
        return Err(VersionError::Refused(format!("{} is not an ancestor of {}", id(from), id(to))));
    }
    way.reverse();
    Ok(way)
}

/// Hands over the deltas of some commits, piece by piece, in order.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn deltas<E: From<VersionError>>(
    repo: &Repository,
    way: &[CommitIndex],
    only: Option<(&str, Option<&str>)>,
    emit: &mut dyn FnMut(CommitIndex, Differences) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    for &commit in way {
        let parent = repo.entry(commit).parents.first().copied();
        diff(repo, parent, Some(commit), only, &mut |part| emit(commit, part))?;
    }
    Ok(())
}
