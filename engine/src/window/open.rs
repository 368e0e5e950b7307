//! One window: deltas of one collection, composed per source as they come.

use std::sync::Arc;

use hashbrown::HashMap;
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
/// It never waits for input to close: [`deadline`](Self::deadline) tells the engine when to ask. Rows lie one behind the other
/// as they will in the closed batch, which takes them over where the sources came in order.
#[derive(Debug)]
pub struct Window {
    policy: WindowPolicy,
    table: Arc<Table>,
    opened_millis: Option<u64>,
    last_millis: u64,
    /// A row said that it is the last one.
    ended: bool,
    /// The number of the entry of each source.
    places: HashMap<u32, u32>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    /// Where each key begins, and the end of the last one.
    key_offsets: Vec<u32>,
    /// The row of each entry before the first delta; zeros when there was none.
    old: Vec<u8>,
    /// The row of each entry after the last delta; zeros when there is none.
    new: Vec<u8>,
    /// What the last delta of each entry brought besides; empty while no row has brought anything.
    notes: Vec<Option<Note>>,
    metrics: WindowMetrics,
}

/// What a window knows of one source beside its rows.
#[derive(Clone, Debug)]
struct Entry {
    /// The first delta, as it was measured.
    delta: DeltaRow,
    /// Whether it was there before the first delta.
    existed: bool,
    /// Whether it is there after the last one.
    exists: bool,
    /// Whether others came behind the first one.
    composed: bool,
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
            keys: Vec::new(),
            key_offsets: vec![0],
            old: Vec::new(),
            new: Vec::new(),
            notes: Vec::new(),
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
        (self.old.len() + self.new.len()) as u64
    }

    /// Returns the row that a source has within this window: `Some(None)` when it was deleted in it.
    pub fn row(&self, slot: u32) -> Option<Option<&[u8]>> {
        if self.entries.is_empty() {
            return None;
        }
        let at = *self.places.get(&slot)? as usize;
        let size = self.table.row_bytes();
        Some(self.entries[at].exists.then(|| &self.new[at * size..(at + 1) * size]))
    }

    /// Adds delta `i` of a batch, at a time.
    pub fn add(&mut self, batch: &DeltaBatch, i: usize, now_millis: u64) {
        let delta = batch.deltas[i];
        let (old, new) = batch.rows(i);
        self.opened_millis.get_or_insert(now_millis);
        self.last_millis = self.last_millis.max(now_millis);
        self.ended |= self.policy.on_meta.as_ref().is_some_and(|name| batch.notes.get(i, name).is_some());
        self.metrics.added += 1;
        self.metrics.bytes += new.len() as u64;
        let (existed, exists) = (delta.change != Change::Insert, delta.change != Change::Delete);
        let next = self.entries.len();
        let at = *self.places.entry(delta.slot).or_insert(next as u32) as usize;
        if at == next {
            self.keys.extend_from_slice(batch.keys.get(i).as_bytes());
            self.key_offsets.push(u32::try_from(self.keys.len()).expect("the keys of a window stay under 4 GiB"));
            push_row(&mut self.old, old, existed);
            push_row(&mut self.new, new, exists);
            self.entries.push(Entry { delta, existed, exists, composed: false });
        } else {
            let entry = &mut self.entries[at];
            (entry.exists, entry.composed) = (exists, true);
            let row = &mut self.new[at * new.len()..(at + 1) * new.len()];
            if exists { row.copy_from_slice(new) } else { row.fill(0) }
        }
        if !batch.notes.is_empty() || !self.notes.is_empty() {
            self.notes.resize(self.entries.len(), None);
            self.notes[at] = (!batch.notes.is_empty()).then(|| batch.notes.note(i));
        }
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
        let mut fresh = Window::new(self.policy.clone(), self.table.clone());
        // The next one is likely to hold about as much; room that is not used costs nothing.
        fresh.old.reserve(self.old.len());
        fresh.new.reserve(self.new.len());
        let mut whole = std::mem::replace(self, fresh);
        std::mem::swap(&mut self.places, &mut whole.places);
        self.places.clear();
        let metrics = whole.metrics;
        Closed { batch: whole.into_batch(), reason, metrics }
    }

    /// Returns what is held, in the order of the sources and without what cancelled out.
    fn into_batch(self) -> DeltaBatch {
        let size = self.table.row_bytes();
        let sides = |at: usize| (&self.old[at * size..(at + 1) * size], &self.new[at * size..(at + 1) * size]);
        let changes = |&at: &u32| self.entries[at as usize].changes(sides(at as usize));
        let mut order: Vec<u32> = (0..self.entries.len() as u32).filter(changes).collect();
        let slot = |&at: &u32| self.entries[at as usize].delta.slot;
        let in_order = order.len() == self.entries.len() && order.is_sorted_by_key(slot);
        order.sort_unstable_by_key(slot);
        let rows = || order.iter().map(|&at| at as usize);
        let deltas = rows().map(|at| self.entries[at].delta(&self.table, sides(at))).collect();
        let mut notes = Notes::default();
        if self.notes.len() == self.entries.len() && rows().all(|at| self.notes[at].is_some()) {
            rows().filter_map(|at| self.notes[at].as_ref()).for_each(|note| notes.push_note(note));
        }
        if in_order {
            let keys = Keys::from_parts(self.keys.into(), self.key_offsets).expect("they were cut from texts");
            return DeltaBatch { table: self.table, keys, deltas, old: self.old.into(), new: self.new.into(), notes };
        }
        let text = |at: usize| {
            let range = self.key_offsets[at] as usize..self.key_offsets[at + 1] as usize;
            std::str::from_utf8(&self.keys[range]).expect("it was cut from a text")
        };
        let gather = |from: &[u8]| {
            let mut side = Vec::with_capacity(order.len() * size);
            rows().for_each(|at| side.extend_from_slice(&from[at * size..(at + 1) * size]));
            side
        };
        let (old, new) = rayon::join(|| gather(&self.old), || gather(&self.new));
        DeltaBatch {
            keys: Keys::from_texts(rows().map(text)),
            deltas,
            old: old.into(),
            new: new.into(),
            notes,
            table: self.table,
        }
    }
}

fn push_row(rows: &mut Vec<u8>, row: &[u8], is_there: bool) {
    if is_there { rows.extend_from_slice(row) } else { rows.resize(rows.len() + row.len(), 0) }
}

impl Entry {
    /// Returns whether the deltas of this source did not cancel each other.
    fn changes(&self, (old, new): (&[u8], &[u8])) -> bool {
        match (self.existed, self.exists) {
            (true, true) => !self.composed || differs(old, new),
            (false, false) => false,
            _ => true,
        }
    }

    /// Measures what all its deltas come to.
    fn delta(&self, table: &Table, (old, new): (&[u8], &[u8])) -> DeltaRow {
        let element = table.element;
        if !self.composed {
            return self.delta;
        }
        if self.existed && self.exists {
            return DeltaRow::update(self.delta.slot, &measure(element, old, new));
        }
        let (change, row) = if self.exists { (Change::Insert, new) } else { (Change::Delete, old) };
        let (length, max_abs) = (norm_squared(element, row).sqrt(), vecdelta_kernels::max_abs(element, row));
        DeltaRow::whole(self.delta.slot, change, table, length, max_abs)
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
