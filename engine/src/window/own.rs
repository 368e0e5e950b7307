//! Rows that a window has copied: small batches, and sources of which several deltas came.

use std::sync::Arc;

use bytes::Bytes;
use vecdelta_kernels::{differs, max_abs, measure, norm_squared};

use crate::capture::Spare;
use crate::delta::{Change, DeltaBatch, DeltaRow, Keys, Note, Notes, Table};

/// Rows that were copied, one entry a source.
#[derive(Debug)]
pub struct Own {
    table: Arc<Table>,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    /// Where each key begins, and the end of the last one.
    key_offsets: Vec<u32>,
    /// The row of each entry before the first delta; zeros when there was none.
    old: Side,
    /// The row of each entry after the last delta; zeros when there is none.
    new: Side,
    /// What the last delta of each entry brought besides, and when it came.
    notes: Vec<(Option<Note>, u64)>,
}

/// What is known of one source beside its rows.
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

/// What is left of rows that were copied when their window is closed.
#[derive(Debug, Default)]
pub struct OwnRows {
    new: Bytes,
    exists: Vec<bool>,
}

impl Own {
    /// Begins with none.
    pub fn new(table: Arc<Table>) -> Self {
        let (old, new) = Default::default();
        Self { table, entries: Vec::new(), keys: Vec::new(), key_offsets: vec![0], old, new, notes: Vec::new() }
    }

    /// Returns how many bytes of rows there are, of both sides.
    pub fn bytes(&self) -> u64 {
        (self.old.len + self.new.len) as u64
    }

    /// Returns the row of an entry; `None` when it was deleted.
    pub fn row(&self, at: u32) -> Option<&[u8]> {
        let (at, size) = (at as usize, self.table.row_bytes());
        self.entries[at].exists.then(|| &self.new.bytes[at * size..(at + 1) * size])
    }

    /// Adds delta `i` of a batch, the first of its source; returns the number of the entry.
    pub fn push(&mut self, batch: &DeltaBatch, i: usize, millis: u64) -> u32 {
        let (delta, (old, new)) = (batch.deltas[i], batch.rows(i));
        let (existed, exists) = (delta.change != Change::Insert, delta.change != Change::Delete);
        self.keys.extend_from_slice(batch.keys.get(i).as_bytes());
        self.key_offsets.push(u32::try_from(self.keys.len()).expect("the keys of a window stay under 4 GiB"));
        self.old.push(old, existed);
        self.new.push(new, exists);
        self.notes.push((note(batch, i), millis));
        self.entries.push(Entry { delta, existed, exists, composed: false });
        self.entries.len() as u32 - 1
    }

    /// Composes delta `i` of a batch with what came before of its source.
    pub fn compose(&mut self, at: u32, batch: &DeltaBatch, i: usize, millis: u64) {
        let at = at as usize;
        let (entry, new) = (&mut self.entries[at], batch.rows(i).1);
        (entry.exists, entry.composed) = (batch.deltas[i].change != Change::Delete, true);
        let row = &mut self.new.bytes[at * new.len()..(at + 1) * new.len()];
        if entry.exists {
            row.copy_from_slice(new)
        } else {
            row.fill(0)
        }
        self.notes[at] = (note(batch, i), millis);
    }

    /// Takes everything out: the deltas without those that cancelled each other, and the rows to look up.
    pub fn take(&mut self) -> (DeltaBatch, OwnRows) {
        let fresh = Self { old: self.old.again(), new: self.new.again(), ..Self::new(self.table.clone()) };
        let Self { table, entries, keys, key_offsets, old, new, notes } = std::mem::replace(self, fresh);
        let (old, new) = (old.into_rows(), new.into_rows());
        let size = table.row_bytes();
        let sides = |at: usize| (&old[at * size..(at + 1) * size], &new[at * size..(at + 1) * size]);
        let stays: Vec<usize> = (0..entries.len()).filter(|&at| entries[at].changes(sides(at))).collect();
        let batch = DeltaBatch {
            keys: Keys::from_parts(keys.into(), key_offsets).expect("they were cut from texts"),
            deltas: entries.iter().enumerate().map(|(at, entry)| entry.delta(&table, sides(at))).collect(),
            notes: joined(&notes),
            old: old.clone(),
            new: new.clone(),
            table,
        };
        let exists = entries.iter().map(|entry| entry.exists).collect();
        let batch = if stays.len() == entries.len() { batch } else { batch.pick(&stays) };
        (batch, OwnRows { new, exists })
    }
}

impl OwnRows {
    /// Returns the row of an entry; `None` when it was deleted.
    pub fn row(&self, at: u32) -> Option<&[u8]> {
        let at = at as usize;
        let size = self.new.len() / self.exists.len().max(1);
        self.exists[at].then(|| &self.new[at * size..(at + 1) * size])
    }
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
        let length = norm_squared(element, row).sqrt();
        DeltaRow::whole(self.delta.slot, change, table, length, max_abs(element, row))
    }
}

fn note(batch: &DeltaBatch, i: usize) -> Option<Note> {
    (!batch.notes.is_empty()).then(|| batch.notes.note(i))
}

/// Joins what was noted of each row: where some brought something, a row that did not has a note without values.
fn joined(notes: &[(Option<Note>, u64)]) -> Notes {
    let mut joined = Notes::default();
    let Some(first) = notes.iter().find_map(|(note, _)| note.as_ref()) else { return joined };
    let mut like = Notes::default();
    like.push_note(first);
    notes.iter().for_each(|(note, millis)| match note {
        Some(note) => joined.push_note(note),
        None => joined.push_note(&like.blank(*millis)),
    });
    joined
}

/// One side of rows that are being gathered, in memory that goes round.
#[derive(Debug, Default)]
struct Side {
    bytes: Vec<u8>,
    len: usize,
    /// How much there was in the window before: the next one is likely to hold about as much.
    usual: usize,
    spare: Spare,
}

impl Side {
    fn push(&mut self, row: &[u8], is_there: bool) {
        let end = self.len + row.len();
        if end > self.bytes.len() {
            let mut larger = self.spare.take(end.max(2 * self.len).max(self.usual));
            larger[..self.len].copy_from_slice(&self.bytes[..self.len]);
            drop(self.spare.lend(std::mem::replace(&mut self.bytes, larger), 0));
        }
        let place = &mut self.bytes[self.len..end];
        if is_there {
            place.copy_from_slice(row)
        } else {
            place.fill(0)
        }
        self.len = end;
    }

    /// Makes an empty side for the next window.
    fn again(&self) -> Self {
        Self { bytes: Vec::new(), len: 0, usual: self.len, spare: self.spare.clone() }
    }

    fn into_rows(self) -> Bytes {
        self.spare.lend(self.bytes, self.len)
    }
}
