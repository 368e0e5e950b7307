//! All open windows of a pipeline, and the order in which they must be closed.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::{CloseReason, Closed, Closing, Window, WindowPolicy};
use crate::delta::{DeltaBatch, Table};

/// The open windows, by policy and collection.
#[derive(Debug)]
pub struct Windows {
    policies: Vec<(String, WindowPolicy)>,
    open: Vec<Open>,
    /// Those that were closed and are not committed yet, oldest first.
    closing: VecDeque<Shut>,
}

/// A window that was closed and is not committed yet.
#[derive(Debug)]
struct Shut {
    number: WindowNumber,
    oldest: Option<u64>,
    bytes: u64,
    rows: Closing,
}

/// The rows of one collection that are not committed yet.
#[derive(Debug)]
pub struct Pending<'a> {
    open: Vec<&'a Window>,
    /// Newest first.
    closing: Vec<&'a Closing>,
}

impl<'a> Pending<'a> {
    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closing.is_empty()
    }

    /// Returns the row that a source has: `Some(None)` when it was deleted.
    pub fn row(&self, slot: u32) -> Option<Option<&'a [u8]>> {
        let open = self.open.iter().find_map(|window| window.row(slot));
        open.or_else(|| self.closing.iter().find_map(|closing| closing.row(slot)))
    }
}

#[derive(Debug)]
struct Open {
    policy: usize,
    collection: String,
    window: Window,
    /// The ticket of the first row that is in it.
    oldest: Option<u64>,
}

/// The number of an open window; it stays the same.
pub type WindowNumber = usize;

impl Windows {
    /// Makes the windows of these names and policies, none of which holds anything.
    pub fn new(policies: Vec<(String, WindowPolicy)>) -> Self {
        Self { policies, open: Vec::new(), closing: VecDeque::new() }
    }

    /// Returns the policies.
    pub fn policies(&self) -> &[(String, WindowPolicy)] {
        &self.policies
    }

    /// Returns name and policy of an open window.
    pub fn policy(&self, number: WindowNumber) -> (&str, &WindowPolicy) {
        let (name, policy) = &self.policies[self.open[number].policy];
        (name, policy)
    }

    /// Returns the rows of a collection that are not committed yet.
    pub fn pending(&self, collection: &str) -> Pending<'_> {
        let own = |number: WindowNumber| self.open[number].collection == collection;
        let open = self.open.iter().filter(|open| open.collection == collection && !open.window.is_empty());
        let closing = self.closing.iter().rev().filter(|shut| own(shut.number));
        Pending { open: open.map(|open| &open.window).collect(), closing: closing.map(|shut| &shut.rows).collect() }
    }

    /// Returns the open windows of other policies that hold deltas of these sources: their next ones build on those, so
    /// these must be closed before they go into a window of this policy.
    pub fn before(&self, policy: usize, batch: &DeltaBatch, deltas: Range<usize>) -> Vec<WindowNumber> {
        let holds = |open: &Open| {
            let other = open.policy != policy && open.collection == batch.table.collection && !open.window.is_empty();
            other && batch.deltas[deltas.clone()].iter().any(|delta| open.window.row(delta.slot).is_some())
        };
        (0..self.open.len()).filter(|&number| holds(&self.open[number])).collect()
    }

    /// Puts deltas of a batch into the window of a policy, at a time, as many as there is room for before it has to be asked
    /// whether it is [due](Self::due). Returns its number, whether it was empty, and how many deltas went in.
    ///
    /// `adopts` allows that the batch stays in memory as a whole for them.
    pub fn add(
        &mut self,
        policy: usize,
        (batch, deltas): (&DeltaBatch, Range<usize>),
        millis: u64,
        ticket: u64,
        adopts: bool,
    ) -> (WindowNumber, bool, usize) {
        let number = self.number_of(policy, &batch.table);
        let open = &mut self.open[number];
        let first = open.window.is_empty();
        let room = open.window.room(batch, deltas.clone(), millis);
        open.window.add(batch, deltas.start..deltas.start + room, millis, adopts);
        open.oldest.get_or_insert(ticket);
        (number, first, room)
    }

    fn number_of(&mut self, policy: usize, table: &Arc<Table>) -> WindowNumber {
        let own = |open: &Open| open.policy == policy && open.collection == table.collection;
        self.open.iter().position(own).unwrap_or_else(|| {
            let window = Window::new(self.policies[policy].1.clone(), table.clone());
            self.open.push(Open { policy, collection: table.collection.clone(), window, oldest: None });
            self.open.len() - 1
        })
    }

    /// Returns why a window should be closed now, if it should: by the time of arrival, or by that of the rows.
    pub fn due(&self, number: WindowNumber, now: u64, watermark: Option<u64>) -> Option<CloseReason> {
        let event_time = self.policies[self.open[number].policy].1.event_time;
        self.open[number].window.due(if event_time { watermark.unwrap_or(0) } else { now })
    }

    /// Returns the time of arrival at which the next window closes by itself.
    pub fn deadline(&self) -> Option<u64> {
        let own = |open: &&Open| !self.policies[open.policy].1.event_time;
        self.open.iter().filter(own).filter_map(|open| open.window.deadline()).min()
    }

    /// Returns the time of rows at which the next window closes by itself.
    pub fn event_deadline(&self) -> Option<u64> {
        let own = |open: &&Open| self.policies[open.policy].1.event_time;
        self.open.iter().filter(own).filter_map(|open| open.window.deadline()).min()
    }

    /// Returns the numbers of all windows.
    pub fn numbers(&self) -> Range<WindowNumber> {
        0..self.open.len()
    }

    /// Returns the collection of a window.
    pub fn collection(&self, number: WindowNumber) -> &str {
        &self.open[number].collection
    }

    /// Returns whether a window holds nothing.
    pub fn is_empty(&self, number: WindowNumber) -> bool {
        self.open[number].window.is_empty()
    }

    /// Returns the ticket of the oldest row that is in an open window.
    pub fn oldest(&self) -> Option<u64> {
        self.open.iter().filter_map(|open| open.oldest).min()
    }

    /// Returns the ticket of the oldest row that is in a window that was closed and is not committed yet.
    pub fn oldest_closing(&self) -> Option<u64> {
        self.closing.iter().filter_map(|shut| shut.oldest).min()
    }

    /// Returns how many windows were closed and are not committed yet.
    pub fn closing(&self) -> usize {
        self.closing.len()
    }

    /// Returns the bytes that these hold.
    pub fn closing_bytes(&self) -> u64 {
        self.closing.iter().map(|shut| shut.bytes).sum()
    }

    /// Returns the bytes that all windows hold together, but for those of epochs, which are one commit.
    pub fn held_bytes(&self) -> u64 {
        let gathers = |open: &&Open| !self.policies[open.policy].1.epoch;
        self.open.iter().filter(gathers).map(|open| open.window.held_bytes()).sum()
    }

    /// Closes a window and leaves an empty one; its rows are pending until it is [committed](Self::committed).
    pub fn close(&mut self, number: WindowNumber, reason: CloseReason) -> Closed {
        let open = &mut self.open[number];
        let (oldest, bytes) = (open.oldest.take(), open.window.held_bytes());
        let (closed, rows) = open.window.close(reason);
        self.closing.push_back(Shut { number, oldest, bytes, rows });
        closed
    }

    /// Forgets the rows of the window that was closed first: it is committed.
    pub fn committed(&mut self) {
        if let Some(Shut { number, rows, .. }) = self.closing.pop_front() {
            self.open[number].window.reuse(rows);
        }
    }
}
