//! Rows on their own.

use super::cell_block::Cells;
use super::layout::{Shape, raw_if_smaller};
use super::precision::{self, Narrow};
use super::word::{Format, Word};
use super::{integers, scaled};
use vecdelta_kernels::Element;

/// Appends a payload from which the rows come back without any others.
///
/// `rows` are whole rows of `dims` little-endian elements. The payload is at most one byte longer than the rows.
///
/// # Panics
/// If `dims` is 0, the rows are not whole, or they have 2^32 elements or more.
pub fn encode_fresh(element: Element, dims: usize, rows: &[u8], out: &mut Vec<u8>) {
    let shape = Shape::of_rows(element, dims, rows);
    let start = out.len();
    if scaled::encode(shape, None, rows, out).is_none() {
        let narrow = precision::narrowest(element, rows);
        match Format::new(element, narrow) {
            None => _ = integers::encode(None, rows, out),
            Some(format) if format.width == 64 => encode::<u64>(shape, format, narrow, rows, out),
            Some(format) => encode::<u32>(shape, format, narrow, rows, out),
        }
    }
    raw_if_smaller(start, rows, out);
}

fn encode<W: Word>(shape: Shape, format: Format, narrow: Narrow, rows: &[u8], out: &mut Vec<u8>) {
    let mut new = Vec::<W>::with_capacity(shape.cells);
    W::load(shape.element, narrow, rows, &mut new);
    encode_words(shape, format, narrow, &new, out);
}

pub(super) fn encode_words<W: Word>(
    shape: Shape,
    format: Format,
    narrow: Narrow,
    new: &[W],
    out: &mut Vec<u8>,
) {
    let predicted = &vec![W::default(); new.len()];
    let ends = &shape.row_ends();
    Cells {
        format,
        narrow,
        predicted,
        new,
        ends,
        from_old: false,
    }
    .write(None, out);
}
