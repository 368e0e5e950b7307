//! The size of a change, in one pass over the row pair.
//!
//! Sums are the same bits on every machine. Component `i` adds to virtual lane `i mod 8`, lanes
//! are added in one fixed tree, and rounding happens where the definition below rounds:
//!
//! ```text
//! d = new[i] - old[i]                 in f64; the conversion is exact
//! l2[i mod 8]  = l2[i mod 8]  + d * d
//! dot[i mod 8] = dot[i mod 8] + old[i] * new[i]        and the two norms alike
//! sum = ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7))
//! ```
//!
//! Eight lanes, because five sums of eight `f64` are ten AVX2 registers. With 32 lanes they are
//! forty, of which 24 and more live in memory, and the pass is 3.4 times slower.

use crate::Element;
use crate::cell::{Cell, by_size, canonical, split};
use crate::dispatch::dispatch;
use crate::widen::Chunks;
use wide::f64x4;

/// Virtual lanes of every sum.
pub(crate) const LANES: usize = 8;

/// What changed between two rows, and how much.
///
/// Every NaN in it is the canonical one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowChange {
    /// Number of components whose bits differ.
    pub changed: u32,
    /// Squared Euclidean length of `new - old`.
    pub l2_squared: f64,
    /// Largest absolute difference of a component; NaN if any difference is NaN.
    pub max_abs: f64,
    /// Dot product of `old` and `new`.
    pub dot: f64,
    /// Squared Euclidean length of `old`.
    pub old_squared: f64,
    /// Squared Euclidean length of `new`.
    pub new_squared: f64,
}

impl RowChange {
    /// Returns the Euclidean length of `new - old`.
    pub fn l2(&self) -> f64 {
        self.l2_squared.sqrt()
    }

    /// Returns the cosine of the angle between `old` and `new`, from -1 to 1, or `None` if one
    /// of them has no direction: its length is 0 or not finite.
    pub fn cosine(&self) -> Option<f64> {
        let old = self.old_squared.sqrt();
        let new = self.new_squared.sqrt();
        let directed = |length: f64| length > 0.0 && length.is_finite();
        (directed(old) && directed(new)).then(|| (self.dot / old / new).clamp(-1.0, 1.0))
    }
}

/// Returns the statistics of a change from `old` to `new`.
///
/// `changed` counts components whose bits differ; all else is computed in `f64` as the module
/// defines it, with identical bits on every machine. Integers are taken as numbers.
///
/// # Panics
/// If the rows differ in length, or the length is not a multiple of the element's size.
pub fn measure(element: Element, old: &[u8], new: &[u8]) -> RowChange {
    dispatch!(measure(element, old, new))
}

/// Returns the squared Euclidean length of a row, the same bits as [`measure`] finds.
///
/// # Panics
/// If the length is not a multiple of the element's size.
pub fn norm_squared(element: Element, row: &[u8]) -> f64 {
    dispatch!(norm_squared(element, row))
}

/// Adds lanes in the fixed tree.
#[inline(always)]
pub(crate) fn fold(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    canonical(((a + e) + (c + g)) + ((b + f) + (d + h)))
}

/// Splits a row into blocks of one component per lane. The last block is filled up with zero
/// bits, which add +0.0 to every sum and so leave it as it is.
#[inline(always)]
pub(crate) fn blocks<T: Cell>(row: &[u8]) -> (&[[T::Bits; LANES]], [T::Bits; LANES]) {
    let (blocks, rest) = T::cells(row).as_chunks::<LANES>();
    let mut last = [T::Bits::default(); LANES];
    last[..rest.len()].copy_from_slice(rest);
    (blocks, last)
}

/// Folds the lanes of one pass.
#[inline(always)]
pub(crate) fn finish(
    changed: u32,
    l2: [f64; LANES],
    max: [f64; LANES],
    dot: [f64; LANES],
    old: [f64; LANES],
    new: [f64; LANES],
) -> RowChange {
    let l2_squared = fold(l2);
    let max_abs = max.into_iter().fold(0.0, |max, m| if m > max { m } else { max });
    RowChange {
        changed,
        l2_squared,
        // A difference that is NaN makes the sum of squares NaN, and nothing else does (they are
        // never negative), so the maximum of a lane need not look for NaN.
        max_abs: if l2_squared.is_nan() { f64::NAN } else { max_abs },
        dot: fold(dot),
        old_squared: fold(old),
        new_squared: fold(new),
    }
}

/// Eight lanes as two portable vectors.
type Wide = [f64x4; 2];

#[inline(always)]
fn load(block: &[[u8; 8]; LANES]) -> Wide {
    let [a, b, c, d, e, f, g, h] = block.map(f64::from_le_bytes);
    [f64x4::new([a, b, c, d]), f64x4::new([e, f, g, h])]
}

#[inline(always)]
fn array([low, high]: Wide) -> [f64; LANES] {
    let ([a, b, c, d], [e, f, g, h]) = (low.to_array(), high.to_array());
    [a, b, c, d, e, f, g, h]
}

/// The pass in portable vectors: what runs without AVX2, on NEON and in wasm.
pub(crate) fn measure_wide(element: Element, old: &[u8], new: &[u8]) -> RowChange {
    assert_eq!(old.len(), new.len(), "rows of one table have one length");
    let (mut old_chunks, mut new_chunks) = (Chunks::new(element, old), Chunks::new(element, new));
    let mut changed = 0;
    let [mut l2, mut max, mut dot, mut old_sum, mut new_sum] = [[f64x4::ZERO; 2]; 5];
    while let (Some((old, old_blocks)), Some((new, new_blocks))) = (old_chunks.next(), new_chunks.next()) {
        changed += by_size!(element, differing(old, new));
        for (old, new) in old_blocks.iter().zip(new_blocks) {
            let (a, b) = (load(old), load(new));
            for i in 0..2 {
                let difference = b[i] - a[i];
                l2[i] += difference * difference;
                max[i] = difference.abs().fast_max(max[i]);
                dot[i] += a[i] * b[i];
                old_sum[i] += a[i] * a[i];
                new_sum[i] += b[i] * b[i];
            }
        }
    }
    let [l2, max, dot, old_sum, new_sum] = [l2, max, dot, old_sum, new_sum].map(array);
    finish(changed, l2, max, dot, old_sum, new_sum)
}

/// Counts the components whose bits differ.
#[inline(always)]
fn differing<const SIZE: usize>(old: &[u8], new: &[u8]) -> u32 {
    split::<SIZE>(old).iter().zip(split::<SIZE>(new)).filter(|(o, n)| o != n).count() as u32
}

/// The norm in portable vectors.
pub(crate) fn norm_wide(element: Element, row: &[u8]) -> f64 {
    let mut chunks = Chunks::new(element, row);
    let mut sum = [f64x4::ZERO; 2];
    while let Some((_, blocks)) = chunks.next() {
        for block in blocks {
            for (sum, value) in sum.iter_mut().zip(load(block)) {
                *sum += value * value;
            }
        }
    }
    fold(array(sum))
}
