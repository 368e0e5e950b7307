//! Undo: takes the last operation back, by another operation.

use std::collections::HashSet;

use super::error::{Result, VersionError};
use super::graph::{Operation, RecordOf};
use super::repository::{Actor, CommitIndex, Repository};
use crate::delta::Timestamp;
use crate::store::Action;

/// What was taken back, in words.
pub type Undone = String;

/// Takes back the last operation that is neither taken back already nor taking another one back.
///
/// A commit that is taken back stays in the log, without a branch that points at it.
///
/// # Errors
/// When there is nothing to take back, or what it needs is gone.
pub fn undo(repo: &mut Repository, actor: &Actor) -> Result<Undone> {
    let Some((sequence, record)) = last_effective(repo) else {
        return Err(VersionError::Refused("there is no operation to take back".to_owned()));
    };
    let (action, text) = match record {
        RecordOf::Commit(c) => take_commit_back(repo, c),
        RecordOf::Operation(o) => take_back(repo, &repo.operations()[o].clone())?,
    };
    repo.operate(actor, sequence, action)?;
    Ok(text)
}

/// Something that was done to a repository.
#[derive(Clone, Debug)]
pub struct Done {
    /// The number of its record in the log.
    pub sequence: u64,
    /// When.
    pub time: Timestamp,
    /// Who did it; of a commit its record tells.
    pub author: String,
    /// The record that it takes back; 0 for none.
    pub undoes: u64,
    /// The commit, if it was one; then the action is what became of its branch.
    pub commit: Option<CommitIndex>,
    /// What it did.
    pub action: Action,
}

/// Returns what was done, newest first.
pub fn history(repo: &Repository) -> impl Iterator<Item = Done> {
    repo.graph().records.iter().rev().filter_map(|record| match *record {
        RecordOf::Commit(c) => {
            let (moved, entry) = (repo.graph().move_of(c)?, repo.entry(c));
            let from = moved.from.map(|f| repo.entry(f).id);
            let action = Action::Branch { name: moved.name, from, to: Some(entry.id) };
            let (sequence, time) = (entry.sequence, entry.time);
            Some(Done { sequence, time, author: String::new(), undoes: 0, commit: Some(c), action })
        }
        RecordOf::Operation(o) => {
            let Operation { sequence, time, author, undoes, action, .. } = repo.operations()[o].clone();
            Some(Done { sequence, time, author, undoes, commit: None, action })
        }
    })
}

/// Returns the number and the kind of the record that `undo` would take back.
fn last_effective(repo: &Repository) -> Option<(u64, RecordOf)> {
    let mut undone = HashSet::new();
    for (i, &record) in repo.graph().records.iter().enumerate().rev() {
        let sequence = i as u64 + 1;
        let counts = match record {
            // One that only arrived from another repository moved nothing.
            RecordOf::Commit(c) => repo.graph().move_of(c).is_some(),
            RecordOf::Operation(o) => {
                let undoes = repo.operations()[o].undoes;
                undone.extend((undoes != 0).then_some(undoes));
                undoes == 0
            }
        };
        if counts && !undone.contains(&sequence) {
            return Some((sequence, record));
        }
    }
    None
}

fn take_commit_back(repo: &Repository, commit: CommitIndex) -> (Action, Undone) {
    let moved = repo.graph().move_of(commit).expect("only commits that moved a branch are taken back");
    let id = |c: CommitIndex| repo.entry(c).id;
    let (to, name) = (moved.from.map(id), moved.name);
    let back = match to {
        Some(to) => format!("is at {} again", &to.to_hex()[..12]),
        None => "is gone again".to_owned(),
    };
    let text = format!("took back the commit {}: branch {name} {back}", &id(commit).to_hex()[..12]);
    (Action::Branch { name, from: Some(id(commit)), to }, text)
}

fn take_back(repo: &Repository, operation: &Operation) -> Result<(Action, Undone)> {
    let word = |from: &Option<_>, to: &Option<_>| match (from, to) {
        (None, _) => "making",
        (_, None) => "deleting",
        _ => "moving",
    };
    let refused = |text: &str| Err(VersionError::Refused(text.to_owned()));
    Ok(match operation.action.clone() {
        Action::Branch { name, from, to } => {
            let text = format!("took back {} the branch {name}", word(&from, &to));
            (Action::Branch { name, from: to, to: from }, text)
        }
        Action::Tag { name, from, to } => {
            let text = format!("took back {} the tag {name}", word(&from, &to));
            (Action::Tag { name, from: to, to: from }, text)
        }
        Action::Rename { tag, name, new, at } => {
            let what = if tag { "tag" } else { "branch" };
            let text = format!("took back the name {new}: the {what} is {name} again");
            (Action::Rename { tag, name: new, new: name, at }, text)
        }
        Action::Snapshot { commit, .. } => {
            let text = format!("took back the snapshot of {}", &commit.to_hex()[..12]);
            (Action::Unsnapshot { commits: vec![commit] }, text)
        }
        Action::Compact { spans, .. } => {
            let named = spans.iter().flat_map(|s| s.stands_for.iter().chain([&s.commit]));
            let mut named = named.filter_map(|id| repo.find(id));
            if named.any(|c| repo.entry(c).place.bare && !repo.graph().is_composed_without(c, operation.sequence)) {
                return refused("the last operation is a compaction, and `gc` has collected what it left out since");
            }
            (Action::Uncompact { sequence: operation.sequence }, "took back the compaction".to_owned())
        }
        Action::Park { branch, .. } => {
            let text = format!("took back parking the merge into {branch}");
            (Action::Abandon { branch }, text)
        }
        Action::Resolve { .. } => return refused("the last operation resolved a conflict: resolve it anew instead"),
        Action::Abandon { .. } => return refused("the last operation gave up a merge: merge again instead"),
        Action::Unsnapshot { .. } => return refused("the last operation removed snapshots: take them anew instead"),
        Action::Uncompact { .. } => return refused("the last operation took a compaction back: compact anew instead"),
    })
}
