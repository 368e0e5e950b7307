//! Collection of what compactions and dropped snapshots left behind.

use std::collections::HashSet;

use super::error::Result;
use super::graph::RecordOf;
use super::repository::{CommitIndex, Repository};
use super::states::find_out_all;
use crate::store::{self, Action};

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many records lost their rows.
    pub records: u64,
    /// The size of the log before, in bytes.
    pub before: u64,
    /// Its size afterwards.
    pub after: u64,
}

/// Writes the log anew without the rows that no commit needs that is kept; there is no way back.
///
/// # Errors
/// When the history is damaged or the disk refuses; then all is as before.
pub fn collect(repo: &mut Repository) -> Result<Collected> {
    let before = repo.log().bytes()?;
    let bare: Vec<bool> = repo.graph().records.iter().map(|&r| is_needless(repo, r)).collect();
    let place = |r: usize| repo.graph().place(r as u64 + 1).expect("a record of the log");
    let records =
        bare.iter().enumerate().filter(|&(r, &bare)| bare && !place(r).bare && has_rows(repo, r)).count() as u64;
    if records == 0 {
        return Ok(Collected { records, before, after: before });
    }
    // A row leads to the same state afterwards. If some cannot be read, whoever asks for a state will say so.
    let states = find_out_all(repo).ok().and_then(|()| repo.index().all_states());
    let copied = store::collect(repo.log(), bare.iter().enumerate().map(|(r, &bare)| (place(r), bare)));
    match copied.map_err(Into::into).and_then(|after| repo.open_again(states).map(|()| after)) {
        Ok(after) => Ok(Collected { records, before, after }),
        Err(error) => {
            repo.log().poison();
            Err(error)
        }
    }
}

fn has_rows(repo: &Repository, record: usize) -> bool {
    match repo.graph().records[record] {
        RecordOf::Commit(_) => true,
        RecordOf::Operation(o) => {
            matches!(repo.operations()[o].action, Action::Snapshot { .. } | Action::Compact { .. })
        }
    }
}

/// Returns whether nothing that is kept needs the rows of a record.
fn is_needless(repo: &Repository, record: RecordOf) -> bool {
    match record {
        RecordOf::Commit(c) => repo.composed(c).is_some() || repo.stands_for(c).is_some(),
        RecordOf::Operation(o) => {
            let operation = &repo.operations()[o];
            match &operation.action {
                Action::Snapshot { commit, .. } => {
                    let kept =
                        |c: CommitIndex| repo.stands_for(c).is_none() && repo.snapshot(c) == Some(operation.place);
                    !repo.find(commit).is_some_and(kept)
                }
                Action::Compact { .. } => {
                    let used: HashSet<u64> = repo.graph().composed.iter().map(|(_, c)| c.sequence).collect();
                    !used.contains(&operation.sequence)
                }
                _ => false,
            }
        }
    }
}
