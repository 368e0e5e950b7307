//! The kernels without run-time dispatch: what machines without AVX2 run.
//!
//! Same functions, same bits as at the top of the crate. They are public so that a test on an
//! AVX2 machine can compare the two.

use crate::cell::{by_cell, by_size};
use crate::{
    BitPen, Element, Message, RansSteps, RansTable, RowChange, Widest, add, apply, dots as products,
    extract as extraction, fields, magnitude, measure as statistics, pen, push, rans,
};

/// See [`measure`](crate::measure()).
pub fn measure(element: Element, old: &[u8], new: &[u8]) -> RowChange {
    statistics::measure_wide(element, old, new)
}

/// See [`norm_squared`](crate::norm_squared).
pub fn norm_squared(element: Element, row: &[u8]) -> f64 {
    statistics::norm_wide(element, row)
}

/// See [`dots`](crate::dots()).
pub fn dots(row: &[u8], others: [&[u8]; 4]) -> [f64; 4] {
    products::dots_lanes(row, others)
}

/// See [`all_finite`](crate::all_finite).
pub fn all_finite(element: Element, row: &[u8]) -> bool {
    by_cell!(element, magnitude::finite_cells(row))
}

/// See [`add_finite`](crate::add_finite).
pub fn add_finite(element: Element, row: &[u8], sums: &mut [f64]) -> bool {
    add::AddFinite { element, row, sums }.run()
}

/// See [`max_abs`](crate::max_abs).
pub fn max_abs(element: Element, row: &[u8]) -> f64 {
    magnitude::max_abs_wide(element, row)
}

/// See [`extract`](crate::extract()).
pub fn extract(element: Element, old: &[u8], new: &[u8], indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
    by_size!(element, extraction::extract_portable(old, new, indices, bits))
}

/// See [`or_fields`](crate::or_fields).
pub fn or_fields(words: &mut [u32], counts: &[u8], most: u8, bits: &[u8], at: usize) -> (usize, usize) {
    fields::or_fields_plain(words, counts, most, bits, at)
}

/// See [`xor_into`](crate::xor_into).
pub fn xor_into(target: &mut [u8], delta: &[u8]) {
    apply::xor_bytes(target, delta)
}

/// See [`keyed_hashes`](crate::keyed_hashes).
pub fn keyed_hashes(key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
    crate::hashes::keyed_hashes_in::<wide::u32x8, 8>(key, messages, hashes)
}

/// See [`put_fields`](crate::put_fields).
pub fn put_fields(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    pen::put_pairs(words, counts, most, pen)
}

/// See [`push_symbols`](crate::push_symbols).
pub fn push_symbols<const L: usize>(
    symbols: &[u8],
    states: &mut [u32; L],
    steps: &RansSteps,
    words: &mut [[u8; 2]],
) -> usize {
    push::push_plain(symbols, states, steps, words)
}

/// See [`pop_symbols`](crate::pop_symbols).
pub fn pop_symbols<const L: usize>(
    symbols: &mut [u8],
    states: &mut [u32; L],
    table: &RansTable,
    words: &[[u8; 2]],
) -> usize {
    rans::pop_plain(symbols, states, table, words, 0)
}

/// See [`widest`](crate::widest()).
#[inline]
pub fn widest<L: Widest>(work: L) -> L::Output {
    work.run()
}
