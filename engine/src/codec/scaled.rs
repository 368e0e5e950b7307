//! f32 values that are small integers times a scale per row: what dequantised int8 embeddings are.
//!
//! ```text
//! mode 3   flags (1: less the old integers; 2: -128 means -0.0)
//!          4 byte planes of n: the scales as f32, low byte first   bytes n * dims: the integers
//! value = fl(q * scale)     old integer = old value / scale, rounded to even, clamped to -128..=127 (0 for NaN);
//!                           with flag 2, -128 for -0.0
//! ```
//! The old integers are taken with the *new* scale, so neither the old scale nor exact old integers are needed.

use super::bytes::{encode_bytes, read_bytes_exact};
use super::error::CodecError;
use super::integers::{difference, entropy};
use super::layout::{NEEDS_BASE, Shape, mode};
use super::reader::Reader;
use vecdelta_kernels::Element;

/// Flag: the integer -128 stands for -0.0.
const WITH_MINUS_ZERO: u8 = 2;
const MINUS_ZERO: u32 = 0x8000_0000;
/// The byte of -128.
const LOWEST: u8 = 0x80;
/// How many values are tried before all of a row.
const PROBE: usize = 8;
/// Shorter rows are multiples of something by chance, and their scales would weigh too much.
const DIMS_MIN: usize = 16;

/// Appends a payload if every row of `new` is integers times a scale; returns whether the old rows are needed.
pub(super) fn encode(shape: Shape, old: Option<&[u8]>, new: &[u8], out: &mut Vec<u8>) -> Option<bool> {
    if shape.element != Element::F32 || shape.dims < DIMS_MIN {
        return None;
    }
    let mut scales = Vec::with_capacity(shape.n_rows);
    let mut integers = Vec::with_capacity(shape.cells);
    for row in new.chunks_exact(shape.row_bytes()) {
        let last = scales.last().copied().unwrap_or(1.0);
        scales.push(find_scale(row, last, &mut integers)?);
    }
    let minus_zeros = values(new).filter(|v| v.to_bits() == MINUS_ZERO).count();
    let lowest = integers.iter().filter(|q| **q == LOWEST).count();
    if minus_zeros > 0 && lowest > minus_zeros {
        return None;
    }
    let form = Form { minus_zero: minus_zeros > 0 };
    let changes = old.map(|old| difference(&form.quantise_rows(shape, &scales, old), &integers));
    let changes = changes.filter(|changes| entropy(changes) < entropy(&integers));
    let flags = if changes.is_some() { NEEDS_BASE } else { 0 };
    out.extend([mode::SCALED, flags | if form.minus_zero { WITH_MINUS_ZERO } else { 0 }]);
    for plane in 0..4 {
        let bytes: Vec<u8> = scales.iter().map(|scale| scale.to_le_bytes()[plane]).collect();
        encode_bytes(&bytes, out);
    }
    encode_bytes(changes.as_ref().unwrap_or(&integers), out);
    Some(changes.is_some())
}

/// What the integers mean.
#[derive(Clone, Copy)]
struct Form {
    /// Whether -128 stands for -0.0.
    minus_zero: bool,
}

impl Form {
    #[inline(always)]
    fn value(self, integer: u8, scale: f32) -> f32 {
        if self.minus_zero && integer == LOWEST { -0.0 } else { f32::from(integer as i8) * scale }
    }

    #[inline(always)]
    fn quantise(self, value: f32, scale: f32) -> u8 {
        if self.minus_zero && value.to_bits() == MINUS_ZERO { LOWEST } else { quantise(value, scale) as u8 }
    }

    fn quantise_rows(self, shape: Shape, scales: &[f32], rows: &[u8]) -> Vec<u8> {
        let mut integers = Vec::with_capacity(shape.cells);
        for (row, scale) in rows.chunks_exact(shape.row_bytes()).zip(scales) {
            integers.extend(values(row).map(|v| self.quantise(v, *scale)));
        }
        integers
    }
}

fn values(row: &[u8]) -> impl Iterator<Item = f32> {
    row.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))
}

/// Returns the integer nearest to `value / scale`.
#[inline(always)]
fn quantise(value: f32, scale: f32) -> i8 {
    /// 1.5 * 2^23: adding it leaves no bits behind the point.
    const WHOLE: f32 = 12_582_912.0;
    let ratio = value / scale;
    let ratio = if ratio.is_nan() { 0.0 } else { ratio.clamp(-128.0, 127.0) };
    ((ratio + WHOLE) - WHOLE) as i8
}

/// Finds a scale of which all values of a row are exact multiples, and appends the multiples.
fn find_scale(row: &[u8], last: f32, integers: &mut Vec<u8>) -> Option<f32> {
    let largest = values(row).map(|v| v.to_bits() & 0x7fff_ffff).max().map(f32::from_bits)?;
    if !largest.is_finite() {
        return None;
    }
    let steps = [127u8, 128].into_iter().chain((1..127).rev());
    let guesses = steps.flat_map(|steps| {
        let guess = largest / f32::from(steps);
        [guess, guess.next_up(), guess.next_down()]
    });
    // Zeros are multiples of everything: most guesses fail at the first other values.
    let mut probe = [0.0; PROBE];
    probe.iter_mut().zip(values(row).filter(|v| *v != 0.0)).for_each(|(slot, value)| *slot = value);
    let start = integers.len();
    for scale in std::iter::once(last).chain(guesses) {
        if multiples(probe.into_iter(), scale, integers) {
            integers.truncate(start);
            if multiples(values(row), scale, integers) {
                return Some(scale);
            }
        }
        integers.truncate(start);
    }
    None
}

/// Appends the multiples of `scale`, -128 for -0.0; stops and returns false at the first value that is none.
fn multiples(mut values: impl Iterator<Item = f32>, scale: f32, integers: &mut Vec<u8>) -> bool {
    let form = Form { minus_zero: false };
    values.all(|value| {
        if value.to_bits() == MINUS_ZERO {
            integers.push(LOWEST);
            return true;
        }
        let integer = form.quantise(value, scale);
        integers.push(integer);
        form.value(integer, scale).to_bits() == value.to_bits()
    })
}

/// A parsed payload.
pub(super) struct Scaled {
    pub(super) needs_base: bool,
    form: Form,
    dims: usize,
    scales: Vec<f32>,
    plane: Vec<u8>,
}

impl Scaled {
    pub(super) fn read(input: &mut Reader, shape: Shape) -> Result<Self, CodecError> {
        let flags = input.byte("flags")?;
        if flags & !(NEEDS_BASE | WITH_MINUS_ZERO) != 0 || shape.element != Element::F32 {
            return input.corrupt("flags do not fit the mode");
        }
        let mut scales = vec![0u32; shape.n_rows];
        for plane in 0..4 {
            let bytes = read_bytes_exact(input, shape.n_rows, "scales do not match the block")?;
            for (scale, byte) in scales.iter_mut().zip(bytes) {
                *scale |= u32::from(byte) << (8 * plane);
            }
        }
        let plane = read_bytes_exact(input, shape.cells, "plane does not match the block")?;
        let scales = scales.into_iter().map(f32::from_bits).collect();
        Ok(Self {
            needs_base: flags & NEEDS_BASE != 0,
            form: Form { minus_zero: flags & WITH_MINUS_ZERO != 0 },
            dims: shape.dims,
            scales,
            plane,
        })
    }

    /// Decodes row `r`.
    pub(super) fn apply(&self, r: usize, row: &mut [u8]) {
        let scale = self.scales[r];
        let plane = &self.plane[r * self.dims..][..self.dims];
        for (bytes, &stored) in row.as_chunks_mut::<4>().0.iter_mut().zip(plane) {
            let old = f32::from_le_bytes(*bytes);
            let base = if self.needs_base { self.form.quantise(old, scale) } else { 0 };
            *bytes = self.form.value(base.wrapping_add(stored), scale).to_le_bytes();
        }
    }
}
