//! Which cells of a block changed: an ascending list of `row * dims + column`, as in `numbers.rs`.

use super::error::CodecError;
use super::layout::Shape;
use super::numbers::{encode_sorted, read_sorted};
use super::precision::Narrow;
use super::reader::Reader;
use super::word::Word;
use std::ops::Range;

/// Changed columns, row by row.
#[derive(Debug, Default)]
pub(super) struct Positions {
    columns: Vec<u32>,
    /// For each row where its columns end.
    ends: Vec<u32>,
}

impl Positions {
    /// Collects the positions at which the values of two blocks differ.
    pub(super) fn of_changes<W: Word>(shape: Shape, narrow: Narrow, old: &[u8], new: &[u8]) -> Self {
        let mut found = Self::default();
        let (mut old_words, mut new_words) = (Vec::<W>::new(), Vec::new());
        let row = shape.row_bytes();
        for (old, new) in old.chunks_exact(row).zip(new.chunks_exact(row)) {
            if old != new {
                old_words.clear();
                new_words.clear();
                W::load(shape.element, narrow, old, &mut old_words);
                W::load(shape.element, narrow, new, &mut new_words);
                found.push_changes(&old_words, &new_words);
            }
            found.ends.push(found.columns.len() as u32);
        }
        found
    }

    fn push_changes<W: Word>(&mut self, old: &[W], new: &[W]) {
        for (column, (old, new)) in old.iter().zip(new).enumerate() {
            if old != new {
                self.columns.push(column as u32);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns where the changed cells of row `r` are among all changed cells.
    pub(super) fn range(&self, r: usize) -> Range<usize> {
        let start = if r == 0 { 0 } else { self.ends[r - 1] as usize };
        start..self.ends[r] as usize
    }

    /// Returns the changed columns among `range` of all changed cells.
    pub(super) fn columns(&self, range: Range<usize>) -> &[u32] {
        &self.columns[range]
    }

    /// Reduces row `r` to its changed cells.
    pub(super) fn pick<W: Copy>(&self, r: usize, row: &mut Vec<W>) {
        let columns = self.columns(self.range(r));
        for (i, &column) in columns.iter().enumerate() {
            row[i] = row[column as usize];
        }
        row.truncate(columns.len());
    }

    pub(super) fn write(&self, dims: usize, out: &mut Vec<u8>) {
        let mut cells = Vec::with_capacity(self.columns.len());
        for r in 0..self.ends.len() {
            let first = (r * dims) as u32;
            cells.extend(self.columns(self.range(r)).iter().map(|column| first + column));
        }
        encode_sorted(&cells, out);
    }

    pub(super) fn read(input: &mut Reader, shape: Shape) -> Result<Self, CodecError> {
        let mut columns = read_sorted(input, shape.cells)?;
        if columns.last().is_some_and(|last| *last as usize >= shape.cells) {
            return input.corrupt("changed cell beyond the block");
        }
        let mut ends = Vec::with_capacity(shape.n_rows);
        let mut at = 0;
        for r in 0..shape.n_rows {
            let first = (r * shape.dims) as u32;
            while let Some(cell) = columns.get_mut(at).filter(|cell| **cell - first < shape.dims as u32) {
                *cell -= first;
                at += 1;
            }
            ends.push(at as u32);
        }
        Ok(Self { columns, ends })
    }
}
