//! Absolute values of a row: the largest, and whether all are finite.

use crate::Element;
use crate::cell::{Cell, F64};
use crate::dispatch::dispatch;
use crate::widen::Chunks;

/// Returns whether a row holds neither NaN nor infinity. Rows of integers always do.
///
/// # Panics
/// If the length is not a multiple of the element's size.
pub fn all_finite(element: Element, row: &[u8]) -> bool {
    dispatch!(all_finite(element, row))
}

/// Returns the largest absolute value of a row, NaN if it holds one, 0 if it is empty.
///
/// # Panics
/// If the length is not a multiple of the element's size.
pub fn max_abs(element: Element, row: &[u8]) -> f64 {
    dispatch!(max_abs(element, row))
}

/// Whether every magnitude is below infinity. The maximum of all rather than a search for the
/// first that is not: rows are expected to be finite, and a maximum vectorises.
#[inline(always)]
pub(crate) fn finite_cells<T: Cell>(row: &[u8]) -> bool {
    largest::<T>(row) < T::INFINITY
}

#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // only AVX2 has it for each type
#[inline(always)]
pub(crate) fn max_abs_cells<T: Cell>(row: &[u8]) -> f64 {
    T::magnitude_value(largest::<T>(row))
}

/// The largest absolute value by way of `f64`, which every component converts to exactly: compiled once for all types.
pub(crate) fn max_abs_wide(element: Element, row: &[u8]) -> f64 {
    let mut chunks = Chunks::new(element, row);
    let mut largest = <F64 as Cell>::Magnitude::default();
    while let Some((_, blocks)) = chunks.next() {
        largest = blocks.as_flattened().iter().map(|&bits| F64::magnitude(bits)).fold(largest, Ord::max);
    }
    F64::magnitude_value(largest)
}

/// The largest magnitude as an integer, in which NaN is larger than infinity.
#[inline(always)]
fn largest<T: Cell>(row: &[u8]) -> T::Magnitude {
    let magnitudes = T::cells(row).iter().map(|&bits| T::magnitude(bits));
    magnitudes.fold(T::Magnitude::default(), Ord::max)
}
