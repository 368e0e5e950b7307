//! What all payload modes share: the mode byte, the flags and the shape of a block.

use super::error::CodecError;
use vecdelta_kernels::Element;

/// The first byte of a payload.
pub(super) mod mode {
    /// Rows as they are.
    pub(in super::super) const RAW: u8 = 0;
    /// Floating-point values on a grid.
    pub(in super::super) const CELLS: u8 = 1;
    /// Single-byte elements.
    pub(in super::super) const INTEGERS: u8 = 2;
    /// f32 values which are small integers times a scale per row.
    pub(in super::super) const SCALED: u8 = 3;
    /// f32 values on their own, exponents and mantissas apart.
    pub(in super::super) const EXPONENTS: u8 = 4;
}

/// Flag: the old rows are needed to decode.
pub(super) const NEEDS_BASE: u8 = 1;
/// Flag: values are predicted by the old ones, else by zero.
pub(super) const FROM_OLD: u8 = 2;
/// Flag: only some values are stored, at listed positions; the others are the old ones.
pub(super) const SPARSE: u8 = 4;
/// Where the two bits of the narrow form begin.
pub(super) const NARROW_SHIFT: u32 = 3;

/// The shape of a block whose sizes are known to fit in memory addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) element: Element,
    pub(super) dims: usize,
    pub(super) n_rows: usize,
    /// `n_rows * dims`.
    pub(super) cells: usize,
    /// `cells * element.size()`.
    pub(super) bytes: usize,
}

impl Shape {
    pub(super) fn new(element: Element, dims: usize, n_rows: usize) -> Result<Self, CodecError> {
        let cells = n_rows.checked_mul(dims);
        let bytes = cells.and_then(|cells| cells.checked_mul(element.size()));
        match (cells, bytes) {
            (Some(cells), Some(bytes)) if dims > 0 && u32::try_from(cells).is_ok() => {
                Ok(Self { element, dims, n_rows, cells, bytes })
            }
            _ => Err(CodecError::Shape { what: "rows times dims out of range", found: n_rows, expected: dims }),
        }
    }

    /// Returns the shape of rows at hand.
    ///
    /// # Panics
    /// If they are not whole rows, or more than 2^32 elements.
    pub(super) fn of_rows(element: Element, dims: usize, rows: &[u8]) -> Self {
        assert!(dims > 0, "a row has at least one dimension");
        assert_eq!(rows.len() % (dims * element.size()), 0, "rows are whole");
        let n_rows = rows.len() / (dims * element.size());
        Self::new(element, dims, n_rows).expect("a block has less than 2^32 elements")
    }

    pub(super) fn row_bytes(self) -> usize {
        self.dims * self.element.size()
    }
}

/// Replaces the payload that begins at `start` by the raw rows unless it is smaller; returns whether it did.
pub(super) fn raw_if_smaller(start: usize, rows: &[u8], out: &mut Vec<u8>) -> bool {
    if out.len() - start <= rows.len() + 1 {
        return false;
    }
    out.truncate(start);
    out.push(mode::RAW);
    out.extend_from_slice(rows);
    true
}
