//! How far back a question has to go.

use vecdelta::version::Repository;

use super::history::number;
use crate::ask::{Ask, CommitNumber};

/// Returns how many deltas are replayed for a question, and whether a snapshot is where that begins, as far as the
/// question tells: for tables, the commits from the nearest snapshot on, on every side that is read.
pub fn replayed(repo: &Repository, ask: &Ask) -> (u32, bool) {
    let (mut deltas, mut snapshot) = (0, false);
    let mut add = |commit: CommitNumber| {
        if commit as usize >= repo.len() {
            return;
        }
        for base in repo.bases(commit as usize) {
            if repo.snapshot(base).is_some() {
                snapshot = true;
                break;
            }
            deltas += 1;
        }
    };
    let parent = |commit: CommitNumber| repo.bases(commit as usize).nth(1).map(number);
    match ask {
        Ask::Drift { before, after, .. } => [*before, *after].into_iter().for_each(add),
        Ask::Points { commit, .. } | Ask::Key { commit, .. } => add(*commit),
        Ask::Axes { basis, .. } => add(basis.commit),
        Ask::Versions { tip, .. } => add(*tip),
        Ask::Export { what, .. } => [Some(what.commit), what.since].into_iter().flatten().for_each(add),
        // Without kept measures both tables are compared.
        Ask::Changes { commit } | Ask::Shifts { commit, .. } if (*commit as usize) < repo.len() => {
            [Some(*commit), parent(*commit)].into_iter().flatten().for_each(add);
        }
        Ask::Merge { ours, theirs, .. } | Ask::Conflict { ours, theirs, .. } => {
            [ours, theirs].into_iter().filter_map(|branch| repo.head(branch)).map(number).for_each(add);
        }
        _ => {}
    }
    (deltas, snapshot)
}
