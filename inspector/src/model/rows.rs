//! Which rows the graph shows: every commit, or long quiet stretches folded into one row each.

use std::collections::BTreeSet;
use std::ops::Range;

use super::history::History;
use crate::ask::CommitNumber;

/// The height of a row as it begins, in points.
pub const NORMAL: f64 = 26.0;

/// The shortest stretch that is folded.
pub const FOLD_MIN: u32 = 5;

/// The rows of the graph, by runs of commits that are shown one by one and runs that are folded.
#[derive(Default)]
pub struct Rows {
    runs: Vec<Run>,
    len: u32,
}

/// What stands in one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A commit.
    Commit(CommitNumber),
    /// Commits in a line on one branch, without names: the newest and the oldest of them.
    Folded(CommitNumber, CommitNumber),
}

#[derive(Clone, Copy)]
struct Run {
    /// The row at which it begins.
    row: u32,
    /// The newest commit in it.
    newest: CommitNumber,
    commits: u32,
    folded: bool,
}

impl Rows {
    /// Returns a row for each of `n` commits.
    pub fn all(n: u32) -> Self {
        let run = Run { row: 0, newest: n.wrapping_sub(1), commits: n, folded: false };
        Self { runs: if n == 0 { Vec::new() } else { vec![run] }, len: n }
    }

    /// Folds stretches of a history; those with a commit of `open` stay open.
    pub fn folded(history: &History, open: &BTreeSet<CommitNumber>) -> Self {
        let mut rows = Self::default();
        let mut newest = history.len();
        while newest > 0 {
            newest -= 1;
            let mut oldest = newest;
            while oldest > 0 && is_quiet(history, oldest) && follows(history, oldest) {
                oldest -= 1;
            }
            // The oldest of a stretch is where something happens; it is shown by itself.
            let quiet = newest - oldest;
            let is_open = quiet > 0 && open.range(oldest + 1..=newest).next().is_some();
            if quiet >= FOLD_MIN && !is_open {
                rows.push(newest, quiet, true);
                newest = oldest + 1;
            } else {
                rows.push(newest, quiet + 1, false);
                newest = oldest;
            }
        }
        rows
    }

    fn push(&mut self, newest: CommitNumber, commits: u32, folded: bool) {
        match self.runs.last_mut() {
            Some(last) if !last.folded && !folded => last.commits += commits,
            _ => self.runs.push(Run { row: self.len, newest, commits, folded }),
        }
        self.len += if folded { 1 } else { commits };
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns whether anything is folded.
    pub fn is_folded(&self) -> bool {
        self.runs.iter().any(|r| r.folded)
    }

    /// Returns what stands in a row.
    pub fn item(&self, row: u32) -> Option<Item> {
        let run = self.runs.get(self.runs.partition_point(|r| r.row <= row).checked_sub(1)?)?;
        if row >= self.len {
            return None;
        }
        Some(match run.folded {
            true => Item::Folded(run.newest, run.newest + 1 - run.commits),
            false => Item::Commit(run.newest - (row - run.row)),
        })
    }

    /// Returns the row in which a commit stands.
    pub fn row_of(&self, commit: CommitNumber) -> Option<u32> {
        let run = self.runs.get(self.runs.partition_point(|r| r.newest >= commit).checked_sub(1)?)?;
        let below = run.newest - commit;
        (below < run.commits).then(|| if run.folded { run.row } else { run.row + below })
    }

    /// Returns the commits of a range of rows, the newest excluded from above as a half-open range.
    pub fn commits(&self, rows: Range<u32>) -> Range<CommitNumber> {
        let newest = self.item(rows.start).map_or(0, |item| item.newest() + 1);
        let oldest = rows.end.checked_sub(1).and_then(|r| self.item(r.min(self.len.wrapping_sub(1))));
        oldest.map_or(0, |item| item.oldest())..newest
    }
}

impl Item {
    /// Returns the newest commit in it.
    pub fn newest(&self) -> CommitNumber {
        match *self {
            Item::Commit(commit) | Item::Folded(commit, _) => commit,
        }
    }

    /// Returns the oldest commit in it.
    pub fn oldest(&self) -> CommitNumber {
        match *self {
            Item::Commit(commit) | Item::Folded(_, commit) => commit,
        }
    }
}

/// Returns whether nothing happens at a commit but its own change: one parent, one child, no name.
fn is_quiet(history: &History, commit: CommitNumber) -> bool {
    let [first, second] = history.parents(commit);
    first != crate::ask::NONE
        && second == crate::ask::NONE
        && history.children(commit).len() == 1
        && history.labels(commit).is_empty()
}

/// Returns whether the commit below in the list is the parent, on the same branch.
fn follows(history: &History, commit: CommitNumber) -> bool {
    history.parent(commit) == Some(commit - 1) && history.branch(commit) == history.branch(commit - 1)
}
