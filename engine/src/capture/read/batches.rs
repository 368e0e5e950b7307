//! Decoded Arrow columns, handed on in batches of rows.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;

use super::columns::Columns;
use super::error::Fault;
use super::ids;
use super::vectors::Shape;
use crate::delta::{Notes, RowBatch};

/// The most rows of one batch.
pub(super) const BATCH_ROWS_MAX: usize = 4_096;

/// The most bytes of vectors in one batch, unless a single row is longer.
const BATCH_BYTES_MAX: usize = 32 << 20;

/// Returns how many rows of a size make a batch.
pub(super) fn batch_rows(row_bytes: usize) -> usize {
    (BATCH_BYTES_MAX / row_bytes.max(1)).clamp(1, BATCH_ROWS_MAX)
}

/// The id and vector columns that were decoded last, and how far they have been handed on.
pub(super) struct Batches {
    shape: Shape,
    /// Ids and vectors, equally long.
    decoded: Option<(ArrayRef, ArrayRef)>,
    /// The columns of metadata beside them.
    meta: Vec<ArrayRef>,
    meta_names: Arc<[String]>,
    /// The rows of `decoded` that have been handed on.
    taken: usize,
    /// Before this row of `decoded` rows are handed on one by one, because one of them is at fault.
    single_until: usize,
    /// The number within the file of row 0 of `decoded`.
    first_row: u64,
}

impl Batches {
    /// Starts with no rows.
    pub fn new(columns: &Columns) -> Self {
        Self {
            shape: Shape { element: columns.element, dims: columns.dims },
            decoded: None,
            meta: Vec::new(),
            meta_names: columns.meta_names.clone(),
            taken: 0,
            single_until: 0,
            first_row: 0,
        }
    }

    /// Says which width the vectors must have.
    pub fn expect_dims(&mut self, dims: Option<u32>) {
        self.shape.dims = self.shape.dims.or(dims);
    }

    /// Returns the width, as soon as it is known.
    pub fn dims(&self) -> Option<u32> {
        self.shape.dims
    }

    /// Returns the number within the file of the next row that `push` would add.
    pub fn next_row(&self) -> u64 {
        self.first_row + self.decoded.as_ref().map_or(0, |(ids, _)| ids.len() as u64)
    }

    /// Returns the number within the file of the next row that `take` would return.
    pub fn taken_row(&self) -> u64 {
        self.first_row + self.taken as u64
    }

    /// Returns how much of what was decoded has been handed on, from 0 to 1.
    pub fn taken_share(&self) -> f64 {
        let decoded = self.decoded.as_ref().map_or(0, |(ids, _)| ids.len());
        self.taken as f64 / decoded.max(1) as f64
    }

    /// Adds decoded columns; those before must have been taken.
    pub fn push(&mut self, ids: ArrayRef, vectors: ArrayRef, meta: Vec<ArrayRef>) -> Result<(), Fault> {
        if ids.len() != vectors.len() {
            let message = format!("{} ids and {} vectors lie side by side", ids.len(), vectors.len());
            return Err(Fault::row(self.next_row(), message));
        }
        self.first_row = self.next_row();
        (self.taken, self.single_until) = (0, 0);
        self.decoded = Some((ids, vectors));
        self.meta = meta;
        Ok(())
    }

    /// Returns the next rows that were decoded, or nothing when more must be decoded first.
    pub fn take(&mut self) -> Result<Option<RowBatch>, Fault> {
        let Some((ids, vectors)) = &self.decoded else {
            return Ok(None);
        };
        let left = ids.len() - self.taken;
        if left == 0 {
            return Ok(None);
        }
        let range = self.taken..self.taken + self.piece(left);
        let batch = RowBatch {
            keys: ids::keys(ids, range.clone(), self.first_row)?,
            rows: self.shape.rows(vectors, range.clone(), self.first_row)?,
            first_row: self.first_row + range.start as u64,
            notes: self.notes(range.clone())?,
        };
        self.taken = range.end;
        Ok(Some(batch))
    }

    /// Returns how many rows are handed on at once.
    fn piece(&self, left: usize) -> usize {
        match self.shape.dims {
            Some(dims) if self.taken >= self.single_until => {
                left.min(batch_rows(dims as usize * self.shape.element.size()))
            }
            // Before the first row a list column has no width yet: that row goes alone.
            _ => 1,
        }
    }

    /// Returns the next rows as [`take`](Self::take) does, without those that are at fault: `refuse` is told of them by
    /// their number among the decoded rows.
    pub fn take_sound(
        &mut self,
        refuse: &mut dyn FnMut(usize, Fault) -> Result<(), Fault>,
    ) -> Result<Option<RowBatch>, Fault> {
        loop {
            let (left, dims) = (self.decoded.as_ref().map_or(0, |(ids, _)| ids.len()) - self.taken, self.shape.dims);
            let piece = self.piece(left);
            match self.take() {
                Err(fault) if piece == 1 => {
                    refuse(self.taken, fault)?;
                    self.taken += 1;
                }
                Err(_) => self.single_until = self.taken + piece,
                rows => return rows,
            }
            self.shape.dims = dims;
        }
    }

    fn notes(&self, range: Range<usize>) -> Result<Notes, Fault> {
        let mut notes = Notes::new(self.meta_names.clone());
        if self.meta_names.is_empty() {
            return Ok(notes);
        }
        for row in range {
            let cells = self.meta.iter().map(|column| super::meta::cell(column, row));
            notes.push(cells.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(notes)
    }
}
