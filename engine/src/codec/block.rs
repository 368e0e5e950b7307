//! A payload, parsed.

use super::cell_block::CellBlock;
use super::error::CodecError;
use super::exponents::Exponents;
use super::integers::Integers;
use super::layout::{Shape, mode};
use super::reader::Reader;
use super::scaled::Scaled;
use vecdelta_kernels::Element;

/// A parsed payload: the planes are decoded, the rows can be had one by one in any order.
pub struct Block<'a> {
    shape: Shape,
    body: Body<'a>,
}

/// Neighbouring rows of a block: the number of the first, and the bits of all, which are decoded in place.
pub struct Run<'d> {
    /// The first row.
    pub first: usize,
    /// Whole rows one after another.
    pub rows: &'d mut [u8],
}

enum Body<'a> {
    Raw(&'a [u8]),
    Cells(CellBlock<'a>),
    Integers(Integers),
    Scaled(Scaled),
    Exponents(Exponents<'a>),
}

impl<'a> Block<'a> {
    /// Parses the payload of a block of `n_rows` rows of `dims` elements; memory is bounded by a few times those rows.
    ///
    /// # Errors
    /// If the payload ends early, goes on too long, contradicts the shape or itself, or has an unknown mode.
    pub fn parse(element: Element, dims: usize, n_rows: usize, payload: &'a [u8]) -> Result<Self, CodecError> {
        let shape = Shape::new(element, dims, n_rows)?;
        let mut input = Reader::new(payload);
        let body = match input.byte("payload mode")? {
            mode::RAW => Body::Raw(input.take(shape.bytes, "rows")?),
            mode::CELLS => Body::Cells(CellBlock::read(&mut input, shape)?),
            mode::INTEGERS => Body::Integers(Integers::read(&mut input, shape)?),
            mode::SCALED => Body::Scaled(Scaled::read(&mut input, shape)?),
            mode::EXPONENTS => Body::Exponents(Exponents::read(&mut input, shape)?),
            mode => return Err(CodecError::UnknownMode { mode, at: 0 }),
        };
        if !input.rest().is_empty() {
            return input.corrupt("bytes left over after the payload");
        }
        Ok(Self { shape, body })
    }

    /// Returns whether a row must hold its old bits before it is decoded.
    pub fn needs_base(&self) -> bool {
        match &self.body {
            Body::Raw(_) | Body::Exponents(_) => false,
            Body::Cells(cells) => cells.needs_base,
            Body::Integers(integers) => integers.needs_base,
            Body::Scaled(scaled) => scaled.needs_base,
        }
    }

    /// Decodes row `r` into `row`, which holds the old bits of the row if [`needs_base`](Self::needs_base), else anything.
    ///
    /// # Errors
    /// If there is no row `r`, `row` is not one row long, or the payload contradicts itself; the contents of `row` are then
    /// unspecified.
    pub fn apply_row(&self, r: usize, row: &mut [u8]) -> Result<(), CodecError> {
        self.check_len(row, self.shape.row_bytes())?;
        self.apply_runs(&mut [Run { first: r, rows: row }])
    }

    /// Decodes all rows in place, each as [`apply_row`](Self::apply_row) does.
    ///
    /// # Errors
    /// If `rows` are not as long as the block, or the payload contradicts itself; the contents of `rows` are then unspecified.
    pub fn apply_all(&self, rows: &mut [u8]) -> Result<(), CodecError> {
        self.check_len(rows, self.shape.bytes)?;
        self.apply_runs(&mut [Run { first: 0, rows }])
    }

    /// Decodes some rows in place, each as [`apply_row`](Self::apply_row) does.
    ///
    /// # Errors
    /// If the block has not so many rows, a run does not end with a row, or the payload contradicts itself; the contents
    /// of the rows are then unspecified.
    pub fn apply_runs(&self, runs: &mut [Run<'_>]) -> Result<(), CodecError> {
        for run in runs.iter() {
            self.check(run)?;
        }
        let size = self.shape.row_bytes();
        match &self.body {
            Body::Cells(cells) => return cells.apply(runs),
            Body::Raw(raw) => {
                for run in runs {
                    run.rows.copy_from_slice(&raw[run.first * size..][..run.rows.len()]);
                }
            }
            Body::Integers(integers) => {
                for run in runs {
                    integers.apply(run.first * size, run.rows);
                }
            }
            Body::Exponents(exponents) => {
                for run in runs {
                    exponents.apply(run.first, run.rows);
                }
            }
            Body::Scaled(scaled) => {
                for run in runs {
                    (run.first..).zip(run.rows.chunks_exact_mut(size)).for_each(|(r, row)| scaled.apply(r, row));
                }
            }
        }
        Ok(())
    }

    fn check(&self, run: &Run<'_>) -> Result<(), CodecError> {
        let size = self.shape.row_bytes();
        let count = run.rows.len() / size;
        self.check_len(run.rows, count * size)?;
        if run.first.saturating_add(count) <= self.shape.n_rows {
            return Ok(());
        }
        let found = run.first.saturating_add(count.saturating_sub(1));
        Err(CodecError::Shape { what: "row number beyond the block", found, expected: self.shape.n_rows })
    }

    fn check_len(&self, buffer: &[u8], expected: usize) -> Result<(), CodecError> {
        if buffer.len() == expected {
            return Ok(());
        }
        Err(CodecError::Shape { what: "buffer length in bytes", found: buffer.len(), expected })
    }
}
