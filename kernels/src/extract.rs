//! What exactly changed: the sparse form of a change.

use crate::Element;
use crate::cell::split;
use crate::dispatch::dispatch;

/// Components looked at together.
pub(crate) const GROUP: usize = 8;

/// Appends the index and the XOR of the bits of every component that changed, ascending.
///
/// Each change adds one index and `element.size()` little-endian bytes. The XOR is its own
/// inverse: the same sparse row turns `old` into `new` and `new` into `old`. Both vectors grow to
/// have room for a change of the whole row.
///
/// # Panics
/// If the rows differ in length, the length is not a multiple of the element's size, or a row has
/// more than `u32::MAX` components.
pub fn extract(element: Element, old: &[u8], new: &[u8], indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
    dispatch!(extract(element, old, new, indices, bits))
}

/// Checks the preconditions and returns the number of components.
#[inline(always)]
pub(crate) fn check_rows<const SIZE: usize>(old: &[u8], new: &[u8]) -> usize {
    assert_eq!(old.len(), new.len(), "rows of one table have one length");
    let dims = split::<SIZE>(old).len();
    assert!(u32::try_from(dims).is_ok(), "a component's index is a u32");
    dims
}

/// Extracts from component `first` on: skips groups that are equal, then collects a group
/// without branches on single components, which are as good as random.
#[inline(always)]
pub(crate) fn extract_from<const SIZE: usize>(
    first: usize,
    old: &[u8],
    new: &[u8],
    indices: &mut Vec<u32>,
    bits: &mut Vec<u8>,
) {
    let (old, old_rest) = split::<SIZE>(old)[first..].as_chunks::<GROUP>();
    let (new, new_rest) = split::<SIZE>(new)[first..].as_chunks::<GROUP>();
    let mut at = first;
    for (old, new) in old.iter().zip(new) {
        if old.as_flattened() != new.as_flattened() {
            append(at, old, new, indices, bits);
        }
        at += GROUP;
    }
    append(at, old_rest, new_rest, indices, bits);
}

#[inline(always)]
fn append<const SIZE: usize>(
    first: usize,
    old: &[[u8; SIZE]],
    new: &[[u8; SIZE]],
    indices: &mut Vec<u32>,
    bits: &mut Vec<u8>,
) {
    let mut found = 0;
    let mut lanes = [0; GROUP];
    let mut changes = [[0; SIZE]; GROUP];
    for (lane, (old, new)) in old.iter().zip(new).enumerate() {
        lanes[found] = (first + lane) as u32;
        changes[found] = std::array::from_fn(|byte| old[byte] ^ new[byte]);
        found += usize::from(old != new);
    }
    indices.extend_from_slice(&lanes[..found]);
    bits.extend_from_slice(changes[..found].as_flattened());
}

pub(crate) fn extract_portable<const SIZE: usize>(old: &[u8], new: &[u8], indices: &mut Vec<u32>, bits: &mut Vec<u8>) {
    check_rows::<SIZE>(old, new);
    extract_from::<SIZE>(0, old, new, indices, bits);
}
