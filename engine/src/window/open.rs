//! One window: deltas of one collection, and when they end.

use std::ops::Range;
use std::sync::Arc;

use super::gathered::{Closing, Gathered};
use super::{CloseReason, WindowPolicy};
use crate::delta::{DeltaBatch, DeltaBatches, Table};

/// What a window has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowMetrics {
    /// Deltas that were added.
    pub added: u64,
    /// Bytes of the vectors that are held.
    pub bytes: u64,
}

/// A window that was closed: at most one delta a source.
#[derive(Debug)]
pub struct Closed {
    /// The deltas.
    pub deltas: DeltaBatches,
    /// What closed it.
    pub reason: CloseReason,
    /// What it has seen.
    pub metrics: WindowMetrics,
}

/// An open window.
///
/// It never waits for input to close: [`deadline`](Self::deadline) tells the engine when to ask.
#[derive(Debug)]
pub struct Window {
    policy: WindowPolicy,
    table: Arc<Table>,
    opened_millis: Option<u64>,
    last_millis: u64,
    /// A row said that it is the last one.
    ended: bool,
    gathered: Gathered,
    metrics: WindowMetrics,
}

impl Window {
    /// Makes an empty window.
    pub fn new(policy: WindowPolicy, table: Arc<Table>) -> Self {
        Self {
            policy,
            opened_millis: None,
            last_millis: 0,
            ended: false,
            gathered: Gathered::new(table.clone()),
            metrics: WindowMetrics::default(),
            table,
        }
    }

    /// Returns whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.metrics.added == 0
    }

    /// Returns what it has seen.
    pub fn metrics(&self) -> WindowMetrics {
        self.metrics
    }

    /// Returns how many bytes of rows it holds: of each source one before its first delta and one after its last.
    pub fn held_bytes(&self) -> u64 {
        self.gathered.held_bytes()
    }

    /// Returns the row that a source has within this window: `Some(None)` when it was deleted in it.
    pub fn row(&self, slot: u32) -> Option<Option<&[u8]>> {
        if self.is_empty() { None } else { self.gathered.row(slot) }
    }

    /// Returns how many deltas of a batch, at least one and at most all of these, may be added at a time before somebody has to
    /// ask whether the window is [due](Self::due).
    pub fn room(&self, batch: &DeltaBatch, deltas: Range<usize>, now_millis: u64) -> usize {
        let (first, last) = (self.opened_millis.unwrap_or(now_millis), self.last_millis.max(now_millis));
        if self.policy.deadline(first, last).is_some_and(|deadline| deadline <= now_millis) {
            return 1;
        }
        let count = self.policy.count_max.map(|max| max.saturating_sub(self.metrics.added));
        let row_bytes = self.table.row_bytes().max(1) as u64;
        let bytes = self.policy.bytes_max.map(|max| max.saturating_sub(self.metrics.bytes).div_ceil(row_bytes));
        let says_last = |name: &String| deltas.clone().position(|i| batch.notes.get(i, name).is_some());
        let noted = self.policy.on_meta.as_ref().filter(|_| !batch.notes.is_empty()).and_then(says_last);
        let least = count.into_iter().chain(bytes).map(|n| usize::try_from(n).unwrap_or(usize::MAX)).min();
        least.unwrap_or(usize::MAX).clamp(1, deltas.len().max(1)).min(noted.map_or(usize::MAX, |at| at + 1))
    }

    /// Adds deltas of a batch at a time, no more than there is [room](Self::room) for. `adopts` allows that the batch stays in
    /// memory as a whole for them.
    pub fn add(&mut self, batch: &DeltaBatch, deltas: Range<usize>, now_millis: u64, adopts: bool) {
        self.opened_millis.get_or_insert(now_millis);
        self.last_millis = self.last_millis.max(now_millis);
        if let Some(name) = self.policy.on_meta.as_ref().filter(|_| !batch.notes.is_empty()) {
            self.ended |= deltas.clone().any(|i| batch.notes.get(i, name).is_some());
        }
        self.metrics.added += deltas.len() as u64;
        self.metrics.bytes += (deltas.len() * self.table.row_bytes()) as u64;
        self.gathered.add(batch, deltas, now_millis, adopts);
    }

    /// Returns the time at which the window closes by itself.
    pub fn deadline(&self) -> Option<u64> {
        self.policy.deadline(self.opened_millis?, self.last_millis)
    }

    /// Returns why the window should close now, if it should.
    pub fn due(&self, now_millis: u64) -> Option<CloseReason> {
        if self.ended {
            return Some(CloseReason::Meta);
        }
        let reached = |max: Option<u64>, value: u64| max.is_some_and(|max| value >= max);
        if reached(self.policy.count_max, self.metrics.added) {
            return Some(CloseReason::Count);
        }
        if reached(self.policy.bytes_max, self.metrics.bytes) {
            return Some(CloseReason::Bytes);
        }
        // A clock that steps back keeps the window open; it cannot close it early.
        let first = self.opened_millis?;
        self.deadline()
            .filter(|&deadline| now_millis >= deadline)
            .map(|_| self.policy.deadline_reason(first, self.last_millis))
    }

    /// Closes the window and leaves an empty one; what was in it can be looked up in what is returned beside it.
    pub fn close(&mut self, reason: CloseReason) -> (Closed, Closing) {
        let (deltas, closing) = self.gathered.take();
        (self.opened_millis, self.last_millis, self.ended) = (None, 0, false);
        (Closed { deltas, reason, metrics: std::mem::take(&mut self.metrics) }, closing)
    }

    /// Takes the memory of an earlier window to use it again.
    pub fn reuse(&mut self, closing: Closing) {
        self.gathered.reuse(closing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::{Change, DeltaRow, Element, Keys, Notes};

    fn table() -> Arc<Table> {
        Arc::new(Table { collection: "c".into(), element: Element::U8, dims: 2 })
    }

    fn batch(deltas: &[(u32, Change, [u8; 2], [u8; 2])]) -> DeltaBatch {
        DeltaBatch {
            table: table(),
            keys: Keys::from_texts(deltas.iter().map(|d| ["a", "b", "c"][d.0 as usize])),
            deltas: deltas.iter().map(|d| DeltaRow::whole(d.0, d.1, &table(), 1.0, 1.0)).collect(),
            old: deltas.iter().flat_map(|d| d.2).collect::<Vec<_>>().into(),
            new: deltas.iter().flat_map(|d| d.3).collect::<Vec<_>>().into(),
            notes: Notes::default(),
        }
    }

    fn window(policy: WindowPolicy) -> Window {
        Window::new(policy, table())
    }

    #[test]
    fn deltas_of_one_source_are_composed_and_those_that_cancel_vanish() {
        use Change::{Delete, Insert, Update};
        let mut w = window(WindowPolicy::epoch());
        let b = batch(&[
            (0, Update, [1, 1], [2, 1]),
            (1, Insert, [0, 0], [5, 5]),
            (2, Update, [7, 7], [8, 8]),
            (0, Update, [2, 1], [1, 1]),
            (1, Delete, [5, 5], [0, 0]),
            (2, Delete, [8, 8], [0, 0]),
        ]);
        (0..2).for_each(|half| w.add(&b, half * 3..half * 3 + 3, 0, true));
        assert_eq!(w.row(2), Some(None));
        assert_eq!(w.held_bytes(), 3 * 2 * 2, "composed deltas take no more room");
        let (closed, closing) = w.close(CloseReason::Epoch);
        assert_eq!(closed.metrics.added, 6);
        let left = &closed.deltas.batches()[0];
        assert_eq!(left.keys.iter().collect::<Vec<_>>(), ["c"]);
        assert_eq!((left.deltas[0].change, left.rows(0)), (Delete, (&[7, 7][..], &[0, 0][..])));
        assert_eq!((closing.row(0), closing.row(2), closing.row(7)), (Some(Some(&[1, 1][..])), Some(None), None));
        assert!(w.is_empty());
    }

    #[test]
    fn whichever_trigger_comes_first_closes() {
        let b = batch(&[(0, Change::Update, [1, 1], [2, 2]), (1, Change::Update, [1, 1], [3, 3])]);
        let policy =
            WindowPolicy { after_millis: Some(100), count_max: Some(2), bytes_max: Some(64), ..Default::default() };
        let mut w = window(policy);
        assert_eq!((w.due(u64::MAX), w.deadline()), (None, None), "an empty window has nothing to close");
        w.add(&b, 0..1, 1_000, true);
        assert_eq!((w.due(0), w.due(1_099), w.due(1_100)), (None, None, Some(CloseReason::Time)));
        w.add(&b, 1..2, 500, true);
        assert_eq!(w.due(500), Some(CloseReason::Count));
    }

    #[test]
    fn what_rows_brought_is_kept_for_each_of_them() {
        let mut w = window(WindowPolicy::epoch());
        let mut noted = batch(&[(0, Change::Insert, [0, 0], [1, 1]), (1, Change::Insert, [0, 0], [2, 2])]);
        let mut notes = Notes::new(["lang".to_owned()].into());
        notes.push([Some("de".into())]);
        notes.push([Some("fr".into())]);
        noted.notes = notes;
        w.add(&noted, 0..2, 0, true);
        w.add(&batch(&[(1, Change::Delete, [2, 2], [0, 0]), (2, Change::Insert, [0, 0], [3, 3])]), 0..2, 0, true);
        let (closed, _) = w.close(CloseReason::Epoch);
        let left = &closed.deltas.batches()[0];
        let langs: Vec<_> = (0..left.deltas.len()).map(|i| (left.keys.get(i), left.notes.get(i, "lang"))).collect();
        assert_eq!(langs, [("a", Some("de")), ("c", None)]);
    }

    /// A batch that is large enough is held as it came; what comes again of it is copied, and the rest is left as it is.
    #[test]
    fn large_batches_are_not_copied() {
        let table = Arc::new(Table { collection: "c".into(), element: Element::U8, dims: 1024 });
        let batch = |slots: Range<u32>, value: u8| DeltaBatch {
            table: table.clone(),
            keys: Keys::from_texts(slots.clone().map(|slot| ["a", "b", "c", "d"][slot as usize % 4])),
            deltas: slots.clone().map(|slot| DeltaRow::whole(slot, Change::Update, &table, 1.0, 1.0)).collect(),
            old: vec![value - 1; slots.len() * 1024].into(),
            new: vec![value; slots.len() * 1024].into(),
            notes: Notes::default(),
        };
        let mut w = Window::new(WindowPolicy::epoch(), table.clone());
        let (first, second) = (batch(100..150, 1), batch(130..170, 2));
        w.add(&first, 0..50, 0, true);
        let held = w.held_bytes();
        w.add(&second, 0..40, 0, true);
        assert_eq!((held, w.held_bytes()), (2 * 50 * 1024, 2 * (50 + 20 + 20) * 1024));
        assert_eq!(w.row(120), Some(Some(&[1; 1024][..])));
        assert_eq!((w.row(140), w.row(99)), (Some(Some(&[2; 1024][..])), None));
        let (closed, closing) = w.close(CloseReason::Epoch);
        assert_eq!((w.row(120), closing.row(169)), (None, Some(Some(&[2; 1024][..]))));
        let batches = closed.deltas.batches();
        let lens: Vec<usize> = batches.iter().map(|batch| batch.deltas.len()).collect();
        assert_eq!(lens, [30, 20, 20], "what is left of the first, the end of the second, what came twice");
        assert_eq!(batches[1].new.as_ptr(), second.new[20 * 1024..].as_ptr(), "it is where it was");
        assert!(batches[2].rows(0) == (&[0; 1024][..], &[2; 1024][..]));
        let slots = closed.deltas.runs().flat_map(|(b, run)| batches[b].deltas[run].iter().map(|d| d.slot));
        assert!(slots.eq(100..170));
    }
}
