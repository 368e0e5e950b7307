//! Which cells of a block changed: an ascending list of `row * dims + column`, as in `numbers.rs`.

use super::block::Run;
use super::error::CodecError;
use super::layout::Shape;
use super::numbers::{encode_sorted, read_sorted};
use super::reader::Reader;
use std::ops::Range;
use vecdelta_kernels::{extract, xor_into};

/// Changed columns, row by row.
#[derive(Debug, Default)]
pub(super) struct Positions {
    columns: Vec<u32>,
    /// For each row where its columns end.
    ends: Vec<u32>,
}

impl Positions {
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns how many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.ends.len()
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

    /// Replaces `cells` by those of the rows of some runs at their columns.
    pub(super) fn gather(&self, size: usize, dims: usize, runs: &[Run<'_>], cells: &mut Vec<u8>) {
        cells.clear();
        for run in runs {
            for (r, row) in (run.first..).zip(run.rows.chunks_exact(dims * size)) {
                gather(size, row, self.columns(self.range(r)), cells);
            }
        }
    }

    /// Puts cells back to where [`gather`](Self::gather) found them.
    pub(super) fn scatter(&self, size: usize, dims: usize, mut cells: &[u8], runs: &mut [Run<'_>]) {
        for run in runs {
            for (r, row) in (run.first..).zip(run.rows.chunks_exact_mut(dims * size)) {
                let columns = self.columns(self.range(r));
                scatter(size, cells, columns, row);
                cells = &cells[columns.len() * size..];
            }
        }
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

/// The changed cells of a block, without the others.
#[derive(Debug, Default)]
pub(super) struct Few {
    pub(super) positions: Positions,
    /// Their old bits, row by row, as many bytes a cell as an element has.
    pub(super) old: Vec<u8>,
    /// Their new bits.
    pub(super) new: Vec<u8>,
}

impl Few {
    /// Collects the cells at which two blocks differ.
    pub(super) fn of(shape: Shape, old: &[u8], new: &[u8]) -> Self {
        let mut few = Self::default();
        let (size, row) = (shape.element.size(), shape.row_bytes());
        for (old, new) in old.chunks_exact(row).zip(new.chunks_exact(row)) {
            let first = few.positions.columns.len();
            // What is collected of a cell at first is how its bits differ.
            extract(shape.element, old, new, &mut few.positions.columns, &mut few.new);
            few.positions.ends.push(few.positions.columns.len() as u32);
            gather(size, old, few.positions.columns(first..few.positions.columns.len()), &mut few.old);
        }
        xor_into(&mut few.new, &few.old);
        few
    }

    /// Takes one row in so many.
    pub(super) fn every(&self, nth: usize, size: usize) -> Self {
        let mut some = Self::default();
        for r in (0..self.positions.ends.len()).step_by(nth) {
            let range = self.positions.range(r);
            some.positions.columns.extend_from_slice(self.positions.columns(range.clone()));
            some.positions.ends.push(some.positions.columns.len() as u32);
            let bytes = range.start * size..range.end * size;
            some.old.extend_from_slice(&self.old[bytes.clone()]);
            some.new.extend_from_slice(&self.new[bytes]);
        }
        some
    }
}

/// Appends the cells of a row at some columns; single bytes are coded in other ways.
fn gather(size: usize, row: &[u8], columns: &[u32], cells: &mut Vec<u8>) {
    match size {
        8 => gather_as::<8>(row, columns, cells),
        4 => gather_as::<4>(row, columns, cells),
        _ => gather_as::<2>(row, columns, cells),
    }
}

fn gather_as<const SIZE: usize>(row: &[u8], columns: &[u32], cells: &mut Vec<u8>) {
    let (row, held) = (row.as_chunks::<SIZE>().0, cells.len());
    cells.resize(held + columns.len() * SIZE, 0);
    let cells = cells[held..].as_chunks_mut::<SIZE>().0;
    cells.iter_mut().zip(columns).for_each(|(cell, &column)| *cell = row[column as usize]);
}

/// Puts cells back to where [`gather`] found them.
fn scatter(size: usize, cells: &[u8], columns: &[u32], row: &mut [u8]) {
    match size {
        8 => scatter_as::<8>(cells, columns, row),
        4 => scatter_as::<4>(cells, columns, row),
        _ => scatter_as::<2>(cells, columns, row),
    }
}

fn scatter_as<const SIZE: usize>(cells: &[u8], columns: &[u32], row: &mut [u8]) {
    let (cells, row) = (cells.as_chunks::<SIZE>().0, row.as_chunks_mut::<SIZE>().0);
    columns.iter().zip(cells).for_each(|(&column, cell)| row[column as usize] = *cell);
}
