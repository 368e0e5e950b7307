//! Carry a change into a row, in place.

use crate::Element;
use crate::cell::{by_size, split, split_mut};
use crate::dispatch::dispatch;
use crate::shape::{ShapeError, check_sparse};

/// Flips in `target` every bit that is set in `delta`; a second time undoes it.
///
/// # Panics
/// If the two differ in length.
pub fn xor_into(target: &mut [u8], delta: &[u8]) {
    dispatch!(xor_into(target, delta))
}

#[inline(always)]
pub(crate) fn xor_bytes(target: &mut [u8], delta: &[u8]) {
    assert_eq!(target.len(), delta.len(), "a dense delta covers its row");
    for (target, delta) in target.iter_mut().zip(delta) {
        *target ^= delta;
    }
}

/// Flips in `target` the bits of a sparse row; a second time undoes it.
///
/// `bits` holds `element.size()` little-endian bytes per index. The order of indices does not
/// matter, and an index that comes twice is flipped twice.
///
/// # Errors
/// If `bits` is not as long as `indices` asks for, or an index is outside the row. Then nothing
/// was written.
///
/// # Panics
/// If the length of `target` is not a multiple of the element's size.
pub fn scatter_xor(element: Element, target: &mut [u8], indices: &[u32], bits: &[u8]) -> Result<(), ShapeError> {
    let dims = target.len() / element.size();
    check_sparse(element.size(), dims, indices, bits)?;
    by_size!(element, scatter(target, indices, bits));
    Ok(())
}

/// Scatters a sparse row that was checked.
pub(crate) fn scatter<const SIZE: usize>(target: &mut [u8], indices: &[u32], bits: &[u8]) {
    let target = split_mut::<SIZE>(target);
    for (&index, bits) in indices.iter().zip(split::<SIZE>(bits)) {
        let cell = &mut target[index as usize];
        *cell = std::array::from_fn(|byte| cell[byte] ^ bits[byte]);
    }
}
