//! Has a row changed at all?

/// Returns whether any bit of two rows differs, at the speed of `memcmp`.
///
/// Bits are compared, not numbers: 0.0 and -0.0 differ, and a NaN is the same as itself. It is
/// the first step of a change scan; the other kernels are only worth calling after it.
///
/// # Panics
/// If the rows differ in length.
#[inline]
pub fn differs(old: &[u8], new: &[u8]) -> bool {
    assert_eq!(old.len(), new.len(), "rows of one table have one length");
    old != new
}
