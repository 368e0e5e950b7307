//! Rows as `f64`, which every element type converts to exactly.

use crate::Element;
use crate::cell::{Cell, by_cell};
use crate::measure::LANES;

/// Writes the components of a row as little-endian `f64`; what was in `out` is gone.
///
/// [`measure`](crate::measure()) of two widened rows finds the same sums as of the rows themselves, so a row can be
/// compared with a query of any type.
///
/// # Panics
/// If the length is not a multiple of the element's size.
pub fn widen(element: Element, row: &[u8], out: &mut Vec<u8>) {
    let cells = row.len() / element.size();
    assert_eq!(row.len(), cells * element.size(), "a row holds whole components");
    out.clear();
    out.resize(cells * 8, 0);
    by_cell!(element, widen_cells(row, out))
}

#[inline(always)]
fn widen_cells<T: Cell>(row: &[u8], out: &mut [u8]) {
    for (cell, wide) in T::cells(row).iter().zip(out.as_chunks_mut::<8>().0) {
        *wide = T::value(*cell).to_le_bytes();
    }
}

/// Components that are widened together.
const CHUNK: usize = 64;

/// The next components of a row: their bytes, and their values in blocks.
pub(crate) type Chunk<'r, 'w> = (&'r [u8], &'w [[[u8; 8]; LANES]]);

/// The components of a row as blocks of `f64`, some at a time; what fills up the last block is +0.0.
///
/// One loop for each element type writes them, so that what is done with them is compiled once and not six times.
pub(crate) struct Chunks<'r> {
    element: Element,
    rest: &'r [u8],
    wide: [u8; CHUNK * 8],
}

impl<'r> Chunks<'r> {
    pub(crate) fn new(element: Element, row: &'r [u8]) -> Self {
        assert!(row.len().is_multiple_of(element.size()), "a row holds whole components");
        Self { element, rest: row, wide: [0; CHUNK * 8] }
    }

    /// Returns the bytes of the next components, and their values.
    pub(crate) fn next(&mut self) -> Option<Chunk<'r, '_>> {
        let size = self.element.size();
        let (cells, rest) = self.rest.split_at(self.rest.len().min(CHUNK * size));
        self.rest = rest;
        let count = cells.len() / size;
        if count == 0 {
            return None;
        }
        by_cell!(self.element, widen_cells(cells, &mut self.wide));
        let blocks = count.div_ceil(LANES);
        self.wide[count * 8..blocks * LANES * 8].fill(0);
        let (values, _) = self.wide.as_chunks::<8>();
        Some((cells, &values.as_chunks::<LANES>().0[..blocks]))
    }
}
