//! A check of the whole history in the background, and its report.

use std::fmt::Write;

use crate::ask::{CommitNumber, NONE, RehashSlice};

/// How many problems a report names.
const NAMED: usize = 1000;

/// A check of the history: how far it is and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    next: Option<u64>,
    /// Whether it ended.
    pub done: bool,
    /// How many records there are.
    pub total: u64,
    /// How many were hashed.
    pub records: u64,
    /// How many bytes were hashed.
    pub bytes: u64,
    /// What is wrong, oldest first, and in which commit; [`NONE`] outside of any.
    pub problems: Vec<(CommitNumber, String)>,
    /// How many problems there are.
    pub found: u64,
}

impl Integrity {
    /// Begins anew.
    pub fn begin(&mut self) {
        *self = Self { next: Some(1), ..Self::default() };
    }

    /// Stops where it is.
    pub fn stop(&mut self) {
        self.next = None;
    }

    /// Ends because something cannot be read.
    pub fn fail(&mut self, text: String) {
        self.next = None;
        self.found += 1;
        self.problems.push((NONE, text));
    }

    /// Returns the record to go on with while it runs.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Returns the share that is done, from 0 to 1.
    pub fn share(&self) -> f32 {
        if self.total == 0 { 0.0 } else { (self.records as f64 / self.total as f64) as f32 }
    }

    /// Takes over a piece; one that was not asked for is left aside.
    pub fn take(&mut self, from: u64, slice: RehashSlice) {
        if self.next != Some(from) {
            return;
        }
        self.total = slice.total;
        self.records += slice.records;
        self.bytes += slice.bytes;
        self.found += slice.problems.len() as u64;
        let room = NAMED.saturating_sub(self.problems.len());
        self.problems.extend(slice.problems.into_iter().take(room));
        // A piece that goes on from where it began would go on for ever.
        self.next = Some(slice.next).filter(|&n| n > from);
        self.done = self.next.is_none();
    }

    /// Returns the first commit in which something is wrong.
    pub fn first_broken(&self) -> Option<CommitNumber> {
        self.problems.iter().map(|p| p.0).find(|&c| c != NONE)
    }

    /// Writes the report. `name` says how people know a commit.
    pub fn report(&self, title: &str, name: impl Fn(CommitNumber) -> String) -> String {
        let mut out = format!("Integrity of {title}\n\n");
        let state = if self.done { "complete" } else { "not complete" };
        let _ =
            writeln!(out, "check: {state}, {} of {} records, {} bytes hashed", self.records, self.total, self.bytes);
        let _ = writeln!(out, "checked: every frame's hash, every record's link, every commit's identity and parents");
        let _ = writeln!(out, "left to `vecdelta verify`: that each table follows from its deltas");
        let _ = writeln!(out, "problems: {}", self.found);
        for (commit, text) in &self.problems {
            let place = if *commit == NONE { "outside of any commit".to_owned() } else { name(*commit) };
            let _ = writeln!(out, "- {place}: {text}");
        }
        if self.found > self.problems.len() as u64 {
            let _ = writeln!(out, "- and {} more", self.found - self.problems.len() as u64);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_and_the_first_broken_commit_is_named() {
        let mut check = Integrity::default();
        check.begin();
        let piece = |next, problems: Vec<(CommitNumber, String)>| RehashSlice {
            next,
            total: 9,
            records: 3,
            bytes: 10,
            problems,
        };
        check.take(1, piece(4, vec![(NONE, "a stray frame".into())]));
        check.take(1, piece(4, Vec::new()));
        check.take(4, piece(7, vec![(5, "hash".into()), (6, "link".into())]));
        assert!(!check.done && check.share() > 0.6);
        check.take(7, piece(0, Vec::new()));
        assert!(check.done && check.next().is_none());
        assert_eq!((check.records, check.bytes, check.found), (9, 30, 3));
        assert_eq!(check.first_broken(), Some(5));
        let report = check.report("shop", |c| format!("commit {c}"));
        assert!(report.contains("complete, 9 of 9 records, 30 bytes"), "{report}");
        assert!(report.contains("- commit 5: hash") && report.contains("- outside of any commit: a stray frame"));
        check.begin();
        check.take(1, piece(1, Vec::new()));
        assert!(check.done, "a piece that does not go on ends the check");
    }
}
