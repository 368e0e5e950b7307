//! All open windows of a pipeline, and the order in which they must be closed.

use std::sync::Arc;

use super::{CloseReason, Closed, Window, WindowPolicy};
use crate::delta::{DeltaBatch, Table};

/// The open windows, by policy and collection.
#[derive(Debug)]
pub struct Windows {
    policies: Vec<(String, WindowPolicy)>,
    open: Vec<Open>,
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
        Self { policies, open: Vec::new() }
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

    /// Returns the row that a source has in the open windows: `Some(None)` when it was deleted in one.
    pub fn row(&self, collection: &str, slot: u32) -> Option<Option<&[u8]>> {
        let own = self.open.iter().filter(|open| open.collection == collection);
        own.into_iter().find_map(|open| open.window.row(slot))
    }

    /// Returns the windows of one collection, to look rows up in.
    pub fn of(&self, collection: &str) -> Vec<&Window> {
        self.open.iter().filter(|open| open.collection == collection).map(|open| &open.window).collect()
    }

    /// Returns the open windows of other policies that hold a delta of a source: its next one builds on it, so these
    /// must be closed before it goes into a window of this policy.
    pub fn before(&self, policy: usize, collection: &str, slot: u32) -> Vec<WindowNumber> {
        let holds =
            |open: &Open| open.policy != policy && open.collection == collection && open.window.row(slot).is_some();
        (0..self.open.len()).filter(|&number| holds(&self.open[number])).collect()
    }

    /// Puts delta `i` of a batch into the window of a policy, at a time; returns its number, and whether it was empty.
    pub fn add(
        &mut self,
        policy: usize,
        batch: &DeltaBatch,
        i: usize,
        millis: u64,
        ticket: u64,
    ) -> (WindowNumber, bool) {
        let number = self.number_of(policy, &batch.table);
        let open = &mut self.open[number];
        let first = open.window.is_empty();
        open.window.add(batch, i, millis);
        open.oldest.get_or_insert(ticket);
        (number, first)
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
    pub fn numbers(&self) -> std::ops::Range<WindowNumber> {
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

    /// Returns the ticket of the oldest row that is in a window.
    pub fn oldest(&self) -> Option<u64> {
        self.open.iter().filter_map(|open| open.oldest).min()
    }

    /// Returns the bytes that all windows hold together, but for those of epochs, which are one commit.
    pub fn held_bytes(&self) -> u64 {
        let gathers = |open: &&Open| !self.policies[open.policy].1.epoch;
        self.open.iter().filter(gathers).map(|open| open.window.held_bytes()).sum()
    }

    /// Closes a window and leaves an empty one.
    pub fn close(&mut self, number: WindowNumber, reason: CloseReason) -> Closed {
        let open = &mut self.open[number];
        open.oldest = None;
        open.window.close(reason)
    }
}
