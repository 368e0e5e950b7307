//! One window: deltas of one collection, composed per source as they come.

use std::collections::HashMap;
use std::sync::Arc;

use vecdelta_kernels::{differs, measure, norm_squared};

use super::{CloseReason, WindowPolicy};
use crate::delta::{Change, DeltaBatch, DeltaRow, Keys, Note, Notes, Table};

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
    pub batch: DeltaBatch,
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
    places: HashMap<u32, usize>,
    entries: Vec<Option<Entry>>,
    metrics: WindowMetrics,
}

#[derive(Debug)]
struct Entry {
    slot: u32,
    key: String,
    /// The row before the first delta, if there was one.
    old: Option<Vec<u8>>,
    /// The row after the last delta, if there is one.
    new: Option<Vec<u8>>,
    /// What the last delta brought besides.
    note: Option<Note>,
}

impl Window {
    /// Makes an empty window.
    pub fn new(policy: WindowPolicy, table: Arc<Table>) -> Self {
        Self {
            policy,
            table,
            opened_millis: None,
            last_millis: 0,
            ended: false,
            places: HashMap::new(),
            entries: Vec::new(),
            metrics: WindowMetrics::default(),
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
        self.entries.len() as u64 * 2 * self.table.row_bytes() as u64
    }

    /// Returns the row that a source has within this window: `Some(None)` when it was deleted in it.
    pub fn row(&self, slot: u32) -> Option<Option<&[u8]>> {
        let entry = self.entries[*self.places.get(&slot)?].as_ref()?;
        Some(entry.new.as_deref())
    }

    /// Adds delta `i` of a batch, at a time.
    pub fn add(&mut self, batch: &DeltaBatch, i: usize, now_millis: u64) {
        let delta = &batch.deltas[i];
        let (old, new) = batch.rows(i);
        self.opened_millis.get_or_insert(now_millis);
        self.last_millis = self.last_millis.max(now_millis);
        self.ended |= self.policy.on_meta.as_ref().is_some_and(|name| batch.notes.get(i, name).is_some());
        self.metrics.added += 1;
        self.metrics.bytes += new.len() as u64;
        let new = (delta.change != Change::Delete).then(|| new.to_vec());
        let note = (!batch.notes.is_empty()).then(|| batch.notes.note(i));
        if let Some(entry) = self.places.get(&delta.slot).and_then(|&at| self.entries[at].as_mut()) {
            (entry.new, entry.note) = (new, note);
            return;
        }
        self.places.insert(delta.slot, self.entries.len());
        self.entries.push(Some(Entry {
            slot: delta.slot,
            key: batch.keys.get(i).to_owned(),
            old: (delta.change != Change::Insert).then(|| old.to_vec()),
            new,
            note,
        }));
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

    /// Closes the window and leaves an empty one.
    pub fn close(&mut self, reason: CloseReason) -> Closed {
        let fresh = Window::new(self.policy.clone(), self.table.clone());
        let whole = std::mem::replace(self, fresh);
        let mut entries: Vec<Entry> = whole.entries.into_iter().flatten().filter(Entry::changes).collect();
        entries.sort_unstable_by_key(|e| e.slot);
        let size = whole.table.row_bytes();
        let mut batch = DeltaBatch {
            table: whole.table.clone(),
            keys: Keys::from_texts(entries.iter().map(|e| e.key.as_str())),
            deltas: entries.iter().map(|e| e.delta(&whole.table)).collect(),
            old: Vec::with_capacity(entries.len() * size),
            new: Vec::with_capacity(entries.len() * size),
            notes: Notes::default(),
        };
        if entries.iter().all(|entry| entry.note.is_some()) {
            entries.iter().filter_map(|entry| entry.note.as_ref()).for_each(|note| batch.notes.push_note(note));
        }
        let absent = vec![0; size];
        for entry in &entries {
            batch.old.extend_from_slice(entry.old.as_ref().unwrap_or(&absent));
            batch.new.extend_from_slice(entry.new.as_ref().unwrap_or(&absent));
        }
        Closed { batch, reason, metrics: whole.metrics }
    }
}

impl Entry {
    /// Returns whether the deltas of this source did not cancel each other.
    fn changes(&self) -> bool {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => differs(old, new),
            (None, None) => false,
            _ => true,
        }
    }

    fn delta(&self, table: &Table) -> DeltaRow {
        let element = table.element;
        if let (Some(old), Some(new)) = (&self.old, &self.new) {
            return DeltaRow::update(self.slot, &measure(element, old, new));
        }
        let (change, row) = match &self.new {
            Some(row) => (Change::Insert, row.as_slice()),
            None => (Change::Delete, self.old.as_deref().unwrap_or_default()),
        };
        DeltaRow::whole(
            self.slot,
            change,
            table,
            norm_squared(element, row).sqrt(),
            vecdelta_kernels::max_abs(element, row),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::Element;

    fn table() -> Arc<Table> {
        Arc::new(Table { collection: "c".into(), element: Element::U8, dims: 2 })
    }

    fn batch(deltas: &[(u32, Change, [u8; 2], [u8; 2])]) -> DeltaBatch {
        DeltaBatch {
            table: table(),
            keys: Keys::from_texts(deltas.iter().map(|d| ["a", "b", "c"][d.0 as usize])),
            deltas: deltas.iter().map(|d| DeltaRow::whole(d.0, d.1, &table(), 1.0, 1.0)).collect(),
            old: deltas.iter().flat_map(|d| d.2).collect(),
            new: deltas.iter().flat_map(|d| d.3).collect(),
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
        (0..6).for_each(|i| w.add(&b, i, 0));
        assert_eq!(w.row(2), Some(None));
        assert_eq!(w.held_bytes(), 3 * 2 * 2, "composed deltas take no more room");
        let closed = w.close(CloseReason::Epoch);
        assert_eq!(closed.metrics.added, 6);
        assert_eq!(closed.batch.keys.iter().collect::<Vec<_>>(), ["c"]);
        assert_eq!((closed.batch.deltas[0].change, closed.batch.rows(0)), (Delete, (&[7, 7][..], &[0, 0][..])));
        assert!(w.is_empty());
    }

    #[test]
    fn whichever_trigger_comes_first_closes() {
        let b = batch(&[(0, Change::Update, [1, 1], [2, 2]), (1, Change::Update, [1, 1], [3, 3])]);
        let policy =
            WindowPolicy { after_millis: Some(100), count_max: Some(2), bytes_max: Some(64), ..Default::default() };
        let mut w = window(policy);
        assert_eq!((w.due(u64::MAX), w.deadline()), (None, None), "an empty window has nothing to close");
        w.add(&b, 0, 1_000);
        assert_eq!((w.due(0), w.due(1_099), w.due(1_100)), (None, None, Some(CloseReason::Time)));
        w.add(&b, 1, 500);
        assert_eq!(w.due(500), Some(CloseReason::Count));
    }
}
