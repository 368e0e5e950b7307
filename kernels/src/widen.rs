//! Rows as `f64`, which every element type converts to exactly.

use crate::Element;
use crate::cell::{Cell, by_cell};

/// Writes the components of a row as little-endian `f64`; what was in `out` is gone.
///
/// [`measure`](crate::measure()) of two widened rows finds the same sums as of the rows themselves, so a row can be
/// compared with a query of any type.
///
/// # Panics
/// If the length is not a multiple of the element's size.
pub fn widen(element: Element, row: &[u8], out: &mut Vec<u8>) {
    out.clear();
    by_cell!(element, widen_cells(row, out))
}

#[inline(always)]
fn widen_cells<T: Cell>(row: &[u8], out: &mut Vec<u8>) {
    let cells = T::cells(row);
    out.resize(cells.len() * 8, 0);
    for (cell, wide) in cells.iter().zip(out.as_chunks_mut::<8>().0) {
        *wide = T::value(*cell).to_le_bytes();
    }
}
