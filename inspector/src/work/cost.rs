//! How far back a question has to go.

use vecdelta::version::Repository;

use crate::ask::{Ask, CommitNumber};

/// Returns how many deltas are replayed for a question, and whether a snapshot is where that begins, as far as the
/// question tells: for tables, the commits from the nearest snapshot on.
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
    if let Ask::Drift { before, after, .. } = ask {
        add(*before);
        add(*after);
    }
    (deltas, snapshot)
}
