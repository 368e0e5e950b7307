//! Rows on their own.

use super::cell_block::{self, Steps};
use super::layout::{Shape, raw_if_smaller};
use super::precision;
use super::source::Source;
use super::word::Format;
use super::{exponents, integers, scaled, trial};
use vecdelta_kernels::Element;

/// Blocks of fewer values are written both ways: tables count there, which a trial on some values does not see.
const TRIED_MIN: usize = 8192;

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
            Some(format) => write_alone(Source { shape, format, narrow, old: None, new: rows, positions: None }, out),
        }
    }
    raw_if_smaller(start, rows, out);
}

/// Appends a source without old rows and positions.
pub(super) fn write_alone(source: Source, out: &mut Vec<u8>) {
    let apart = exponents::fits(source);
    if apart && source.shape.cells >= TRIED_MIN && trial::apart_is_better(source) {
        return exponents::write(source.shape, source.new, out);
    }
    let start = out.len();
    if source.format.width == 64 {
        cell_block::write::<u64>(source, Steps::Even, out);
    } else {
        cell_block::write::<u32>(source, Steps::Even, out);
    }
    if apart && source.shape.cells < TRIED_MIN {
        let mut other = Vec::new();
        exponents::write(source.shape, source.new, &mut other);
        if other.len() < out.len() - start {
            out.truncate(start);
            out.append(&mut other);
        }
    }
}
