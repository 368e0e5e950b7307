//! What travels between the stages: rows as they were read, then the deltas found in them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Element, Keys};

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
    /// The source's number in its collection; inserts of a new key have none yet.
    pub slot: Option<u32>,
    /// What happened.
    pub change: Change,
    /// How many components differ in their bits.
    pub changed_dims: u32,
    /// The Euclidean length of the difference, in f64; the length of the row for inserts and deletes.
    pub l2: f64,
}

/// Deltas of one collection, column by column.
#[derive(Clone, Debug)]
pub struct DeltaBatch {
    /// The shape they share.
    pub table: Arc<Table>,
    /// One source key a delta.
    pub keys: Keys,
    /// One entry a delta.
    pub deltas: Vec<DeltaRow>,
    /// The rows before, one a delta; zeros for inserts.
    pub old: Vec<u8>,
    /// The rows after, one a delta; zeros for deletes.
    pub new: Vec<u8>,
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
}
