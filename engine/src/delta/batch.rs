//! What travels between the stages: rows as they were read, then the deltas found in them.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use vecdelta_kernels::RowChange;

use super::{Element, Keys, Notes};

/// The shape of a collection: its name, element type and width.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    /// The collection's name.
    pub collection: String,
    /// The type of each component.
    pub element: Element,
    /// The number of components of each vector.
    pub dims: u32,
}

impl Table {
    /// Returns the size of one row in bytes.
    pub fn row_bytes(&self) -> usize {
        self.dims as usize * self.element.size()
    }
}

/// Rows as a reader found them: ids and little-endian vectors, in file order.
#[derive(Clone, Debug)]
pub struct RowBatch {
    /// One id a row.
    pub keys: Keys,
    /// `keys.len()` rows of `row_bytes` each, shared with the file where possible.
    pub rows: Bytes,
    /// The number of the first row within its file, from 0.
    pub first_row: u64,
    /// What the rows bring besides.
    pub notes: Notes,
}

impl RowBatch {
    /// Returns some of the rows; the bytes stay shared.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let size = self.rows.len() / self.keys.len().max(1);
        Self {
            keys: self.keys.slice(range.clone()),
            rows: self.rows.slice(range.start * size..range.end * size),
            first_row: self.first_row + range.start as u64,
            notes: self.notes.pick(range),
        }
    }

    /// Returns the rows of these numbers, in this order.
    ///
    /// # Panics
    /// If a number is out of bounds.
    pub fn pick(&self, rows: &[usize]) -> Self {
        let size = self.rows.len() / self.keys.len().max(1);
        Self {
            keys: Keys::from_texts(rows.iter().map(|&row| self.keys.get(row))),
            rows: rows.iter().flat_map(|&row| &self.rows[row * size..(row + 1) * size]).copied().collect(),
            first_row: self.first_row,
            notes: self.notes.pick(rows.iter().copied()),
        }
    }
}

/// What happened to a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// The source was not there before.
    Insert,
    /// Some bits differ.
    Update,
    /// The source is gone.
    Delete,
}

impl Change {
    /// Returns the word which the command line and files use.
    pub const fn name(self) -> &'static str {
        match self {
            Change::Insert => "insert",
            Change::Update => "update",
            Change::Delete => "delete",
        }
    }
}

/// One delta of a [`DeltaBatch`]: everything but its bits.
#[derive(Clone, Copy, Debug)]
pub struct DeltaRow {
    /// The source's number in its collection.
    pub slot: u32,
    /// What happened.
    pub change: Change,
    /// How many components differ in their bits.
    pub changed_dims: u32,
    /// The Euclidean length of the difference; the length of the row for inserts and deletes.
    pub l2: f64,
    /// The largest difference of a component.
    pub max_abs: f64,
    /// The cosine between the rows before and after; `None` where it is not defined.
    pub cosine: Option<f64>,
    /// The Euclidean length of the row after the change, or of the deleted row.
    pub length: f64,
}

impl DeltaRow {
    /// Describes an update by its measures.
    pub fn update(slot: u32, change: &RowChange) -> Self {
        Self {
            slot,
            change: Change::Update,
            changed_dims: change.changed,
            l2: change.l2(),
            max_abs: change.max_abs,
            cosine: change.cosine(),
            length: change.new_squared.sqrt(),
        }
    }

    /// Describes a row that came or went, by its length and its largest component.
    pub fn whole(slot: u32, change: Change, table: &Table, length: f64, max_abs: f64) -> Self {
        Self { slot, change, changed_dims: table.dims, l2: length, max_abs, cosine: None, length }
    }
}

/// Deltas of one collection, column by column; a clone shares their bits.
#[derive(Clone, Debug)]
pub struct DeltaBatch {
    /// The shape they share.
    pub table: Arc<Table>,
    /// One source key a delta.
    pub keys: Keys,
    /// One entry a delta.
    pub deltas: Vec<DeltaRow>,
    /// The rows before, one a delta; zeros for inserts.
    pub old: Bytes,
    /// The rows after, one a delta; zeros for deletes.
    pub new: Bytes,
    /// What the rows brought besides; none for deletes that an epoch implies.
    pub notes: Notes,
}

impl DeltaBatch {
    /// Returns the bits of delta `i` before and after it.
    ///
    /// # Panics
    /// If `i` is out of bounds.
    pub fn rows(&self, i: usize) -> (&[u8], &[u8]) {
        let size = self.table.row_bytes();
        (&self.old[i * size..][..size], &self.new[i * size..][..size])
    }

    /// Returns the deltas of these numbers, in this order.
    ///
    /// # Panics
    /// If a number is out of bounds.
    #[must_use]
    pub fn pick(&self, deltas: &[usize]) -> Self {
        let size = self.table.row_bytes();
        let gather = |side: &[u8]| {
            let mut rows = Vec::with_capacity(deltas.len() * size);
            deltas.iter().for_each(|&i| rows.extend_from_slice(&side[i * size..][..size]));
            Bytes::from(rows)
        };
        Self {
            table: self.table.clone(),
            keys: Keys::from_texts(deltas.iter().map(|&i| self.keys.get(i))),
            deltas: deltas.iter().map(|&i| self.deltas[i]).collect(),
            old: gather(&self.old),
            new: gather(&self.new),
            notes: self.notes.pick(deltas.iter().copied()),
        }
    }

    /// Returns some of the deltas; their bits stay shared.
    ///
    /// # Panics
    /// If the range is out of bounds.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let size = self.table.row_bytes();
        let bytes = range.start * size..range.end * size;
        Self {
            table: self.table.clone(),
            keys: self.keys.slice(range.clone()),
            deltas: self.deltas[range.clone()].to_vec(),
            old: self.old.slice(bytes.clone()),
            new: self.new.slice(bytes),
            notes: self.notes.pick(range),
        }
    }
}
