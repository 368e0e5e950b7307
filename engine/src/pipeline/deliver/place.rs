//! How far a sink is, in hashes: what is done up to a place, and what is done ahead of it.

use std::collections::BTreeMap;

use crate::delta::CommitId;
use crate::route::{Cursor, Position};

/// The commits of what is offered and not done, by number: hash, and the one before.
pub type Commits = BTreeMap<u64, (CommitId, Option<CommitId>)>;

/// Says how far a subscriber is; nothing when none of what was offered is done.
///
/// `earlier` is what earlier runs delivered ahead of a delta that was not done: it was not offered again, so the subscriber
/// does not know of it.
pub fn cursor(
    (low, ahead): (Position, Vec<Position>),
    commits: &Commits,
    earlier: &[(CommitId, u32)],
) -> Option<Cursor> {
    let &(commit, before) = commits.get(&low.commit)?;
    let own = ahead.iter().filter_map(|at| Some((commits.get(&at.commit)?.0, at.row)));
    let ahead = own.chain(left(earlier, commits, low)).collect();
    Some(match low.row {
        u32::MAX => Cursor { ahead, ..Cursor::after(commit) },
        rows => Cursor { after: before, rows, ahead, within: Some(commit) },
    })
}

/// Returns what earlier runs delivered ahead of a place; a commit that was not offered yet is ahead of it.
pub fn left<'a>(
    earlier: &'a [(CommitId, u32)],
    commits: &'a Commits,
    low: Position,
) -> impl Iterator<Item = (CommitId, u32)> + 'a {
    let number = |commit| commits.iter().find(|(_, (own, _))| *own == commit).map(|(number, _)| *number);
    let is_left =
        move |&(commit, row): &(CommitId, u32)| number(commit).is_none_or(|commit| Position { commit, row } >= low);
    earlier.iter().copied().filter(is_left)
}
