//! The delta stream: what changed from commit to commit, in order.

use super::diff::{Differences, diff};
use super::error::{Result, VersionError};
use super::repository::{CommitIndex, Repository};

/// One leg of a way: a commit, and the one before it on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The commit before; `None` for the empty table.
    pub from: Option<CommitIndex>,
    /// The commit.
    pub to: CommitIndex,
}

/// Returns the legs from one commit (the empty table when it is `None`) to a descendant, oldest first.
///
/// The way keeps to first parents where it can, and goes through the other parent of a merge where `from` lies there.
/// Commits that a compaction left out are passed over.
///
/// # Errors
/// When `from` is no ancestor of `to`, or has no table.
pub fn way(repo: &Repository, from: Option<CommitIndex>, to: CommitIndex) -> Result<Vec<Leg>> {
    let mut commits = match from {
        Some(from) => {
            repo.check_held(from)?;
            between(repo, from, to)?
        }
        None => repo.first_parents(to).collect(),
    };
    repo.check_held(to)?;
    commits.retain(|&c| repo.stands_for(c).is_none());
    commits.reverse();
    let before = from.into_iter().chain(commits.iter().copied()).map(Some);
    let before: Vec<_> = if from.is_none() { [None].into_iter().chain(before).collect() } else { before.collect() };
    Ok(before.into_iter().zip(commits).map(|(from, to)| Leg { from, to }).collect())
}

/// Returns the legs through several commits in turn.
///
/// # Errors
/// When one of them is no ancestor of the next, or has no table.
pub fn way_through(repo: &Repository, from: Option<CommitIndex>, stops: &[CommitIndex]) -> Result<Vec<Leg>> {
    let (mut steps, mut from) = (Vec::new(), from);
    for &stop in stops {
        steps.extend(way(repo, from, stop)?);
        from = Some(stop);
    }
    Ok(steps)
}

/// Returns the commits from `to` back to the one before which `from` stands, newest first.
fn between(repo: &Repository, from: CommitIndex, to: CommitIndex) -> Result<Vec<CommitIndex>> {
    // A child has a higher number than its parents, so one look at each commit tells who descends from `from`.
    let mut descends = vec![false; (to + 1).saturating_sub(from)];
    for c in from..=to {
        let below = |&p: &CommitIndex| p >= from && descends[p - from];
        descends[c - from] = c == from || repo.entry(c).parents.iter().any(below);
    }
    if !descends.last().copied().unwrap_or(false) {
        let id = |c: CommitIndex| repo.entry(c).id.to_hex()[..12].to_owned();
        return Err(VersionError::Refused(format!("{} is not an ancestor of {}", id(from), id(to))));
    }
    let mut commits = Vec::new();
    let mut at = to;
    while at != from {
        commits.push(at);
        let parents = repo.entry(at).parents.iter();
        at = *parents.into_iter().find(|&&p| p >= from && descends[p - from]).expect("one of them descends from it");
    }
    Ok(commits)
}

/// Hands over the deltas of a way, piece by piece, in order.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn deltas<E: From<VersionError>>(
    repo: &Repository,
    way: &[Leg],
    only: Option<(&str, Option<&str>)>,
    emit: &mut dyn FnMut(CommitIndex, Differences) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    for step in way {
        diff(repo, step.from, Some(step.to), only, &mut |part| emit(step.to, part))?;
    }
    Ok(())
}
