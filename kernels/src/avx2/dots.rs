//! Four dot products in two registers each.

use crate::cell::F64;
use crate::measure::{LANES, blocks, fold};
use std::arch::x86_64::*;

/// Eight components as bits.
type Block = [[u8; 8]; LANES];

/// See [`dots`](crate::dots()).
#[target_feature(enable = "avx2,f16c")]
pub(super) fn dots(row: &[u8], others: [&[u8]; 4]) -> [f64; 4] {
    let (row_blocks, row_last) = blocks::<F64>(row);
    let [a, b, c, d] = others.map(blocks::<F64>);
    let mut sums = [[_mm256_setzero_pd(); 2]; 4];
    let four = a.0.iter().zip(b.0).zip(c.0.iter().zip(d.0));
    for (row, ((a, b), (c, d))) in row_blocks.iter().zip(four) {
        add(&mut sums, row, [a, b, c, d]);
    }
    add(&mut sums, &row_last, [&a.1, &b.1, &c.1, &d.1]);
    sums.map(|lanes| fold(super::sums::array(lanes)))
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn add(sums: &mut [[__m256d; 2]; 4], row: &Block, others: [&Block; 4]) {
    let row = super::sums::load::<F64>(row);
    for (sum, other) in sums.iter_mut().zip(others) {
        let other = super::sums::load::<F64>(other);
        for i in 0..2 {
            // Not fused: the product of two `f64` is rounded before it is added, as in the definition.
            sum[i] = _mm256_add_pd(sum[i], _mm256_mul_pd(row[i], other[i]));
        }
    }
}
