//! Grids of formats of up to 32 bits, without branches, so that loops over them become vector code.
//!
//! `floor(|v| / cell)` is an exact multiplication by a power of two and a rounding; the exponent of a cell number is that of
//! the number as a float. Valid for `k > M`: then every value whose exponent field is 0 lies in a cell at zero.

use super::cells::{Grid, UNARY_MAX};

/// How many values a vector pass treats at once.
pub(super) const CHUNK: usize = 64;
/// How many of the last ones of a row: rows of which few cells changed are shorter than a chunk. In a browser code has to be fetched, so there
/// is one size there.
pub(super) const SHORT: usize = if cfg!(target_arch = "wasm32") { CHUNK } else { 16 };

/// Returns the low `count` bits, fewer than 64.
#[inline(always)]
pub(super) fn mask(bits: u64, count: u8) -> u64 {
    bits & ((1 << count) - 1)
}

/// Fills a chunk up with zeros.
pub(super) fn padded<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    let mut chunk = [T::default(); N];
    chunk[..values.len()].copy_from_slice(values);
    chunk
}

/// The constants of a grid of a format with `M` bits of mantissa.
#[derive(Clone, Copy)]
pub(super) struct Grid32<const M: u32> {
    pub(super) k: u32,
    /// One over the width of a cell.
    pub(super) per_unit: f32,
}

/// Returns `a` where the condition holds, else `b`, without a branch.
#[inline(always)]
pub(super) fn select(condition: bool, a: u32, b: u32) -> u32 {
    let mask = u32::from(condition).wrapping_neg();
    a & mask | b & !mask
}

impl<const M: u32> Grid32<M> {
    pub(super) const WIDTH: u32 = if M == 23 { 32 } else { 16 };
    pub(super) const MAGNITUDE: u32 = (1 << (Self::WIDTH - 1)) - 1;
    /// From the exponent fields of the format to those of f32.
    pub(super) const REBIAS: u32 = if M == 10 { 112 } else { 0 };

    pub(super) fn new(k: u32) -> Self {
        let per_unit = f32::from_bits((254 + M - Self::REBIAS - k) << 23);
        Self { k, per_unit }
    }

    /// Returns the magnitude of a value, right but for f16 subnormals and what is no finite number.
    #[inline(always)]
    pub(super) fn magnitude(word: u32) -> f32 {
        f32::from_bits(((word & Self::MAGNITUDE) << (23 - M)) + (Self::REBIAS << 23))
    }

    /// Returns the signed cell number; without `FAR` only of values for which [`is_far`](Self::is_far) is not negative.
    #[inline(always)]
    pub(super) fn cell<const FAR: bool>(self, word: u32) -> i32 {
        /// From here on neighbouring floats are one apart.
        const WHOLE: f32 = 8_388_608.0;
        let magnitude = word & Self::MAGNITUDE;
        let value = Self::magnitude(word) * self.per_unit;
        let rounded = value + WHOLE;
        let too_high = u32::from(rounded - WHOLE > value);
        let near = rounded.to_bits().wrapping_sub(WHOLE.to_bits() + too_high);
        let far = magnitude.wrapping_sub((self.k - 1) << M);
        let number = if FAR { select(magnitude >> M >= self.k, far, near) } else { near };
        number as i32 ^ ((word << (32 - Self::WIDTH)) as i32 >> 31)
    }

    /// Returns the magnitude at the lower end of a cell which is not far, and the count of its place.
    #[inline(always)]
    pub(super) fn near(self, number: i32) -> (u32, u32) {
        // As a float the number tells its exponent, and its mantissa is in place but for a shift.
        let float = (number as f32).to_bits();
        let magnitude = (float >> (23 - M)).wrapping_add(self.k.wrapping_sub(M + 127) << M);
        (select(number == 0, 0, magnitude), (M + 127).wrapping_sub(float >> 23))
    }

    /// Returns the sign bit of the values of a cell.
    #[inline(always)]
    pub(super) fn sign(cell: i32) -> u32 {
        (cell as u32 >> 31) << (Self::WIDTH - 1)
    }

    /// Returns a negative number for a value that is a cell of its own.
    #[inline(always)]
    pub(super) fn is_far(self, word: u32) -> i32 {
        ((self.k << M) - 1).wrapping_sub(word & Self::MAGNITUDE) as i32
    }

    /// Returns how many bits the place of a value takes, more than M for a cell at zero.
    #[inline(always)]
    pub(super) fn count<const FAR: bool>(self, word: u32) -> u32 {
        let exponent = (word & Self::MAGNITUDE) >> M;
        let near = self.k.wrapping_sub(exponent);
        if FAR { select(exponent < self.k, near, 0) } else { near }
    }
}

/// Returns the place of a value as bits, and how many.
#[inline(always)]
pub(super) fn place_bits<const M: u32>(grid: Grid, word: u32, count: u8) -> (u64, u32) {
    if u32::from(count) <= M {
        return (mask(u64::from(word), count), u32::from(count));
    }
    let magnitude = word & Grid32::<M>::MAGNITUDE;
    let below = grid.zero_top() - (magnitude >> M);
    if below < UNARY_MAX {
        let mantissa = u64::from(magnitude & ((1 << M) - 1));
        ((mantissa << 1 | 1) << below, below + 1 + M)
    } else {
        (u64::from(magnitude) << UNARY_MAX, UNARY_MAX + Grid32::<M>::WIDTH - 1)
    }
}

/// Returns what the place adds to the magnitude, and how many bits it took.
#[inline(always)]
pub(super) fn place_from_bits<const M: u32>(grid: Grid, bits: u64, count: u8) -> Option<(u32, u32)> {
    if u32::from(count) <= M {
        return Some((mask(bits, count) as u32, u32::from(count)));
    }
    let below = bits.trailing_zeros();
    if below >= UNARY_MAX {
        let magnitude = (bits >> UNARY_MAX) as u32 & Grid32::<M>::MAGNITUDE;
        return Some((magnitude, UNARY_MAX + Grid32::<M>::WIDTH - 1));
    }
    let exponent = grid.zero_top().checked_sub(below)?;
    let mantissa = (bits >> (below + 1)) as u32 & ((1 << M) - 1);
    Some((exponent << M | mantissa, below + 1 + M))
}
