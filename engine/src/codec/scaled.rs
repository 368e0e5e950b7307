//! f32 values that are small integers times a scale per row: what dequantised int8 embeddings are.
//!
//! ```text
//! mode 3   flags (1: less the old integers)   4 byte planes of n: the scales as f32, low byte first   bytes n * dims
//! value = fl(q * scale)     old integer = old value / scale, rounded to even, clamped to -128..=127 (0 for NaN)
//! ```
//! The old integers are taken with the *new* scale, so neither the old scale nor exact old integers are needed.

use super::bytes::{encode_bytes, read_bytes_exact};
use super::error::CodecError;
use super::integers::{difference, entropy};
use super::layout::{NEEDS_BASE, Shape, mode};
use super::reader::Reader;
use vecdelta_kernels::Element;

/// Appends a payload if every row of `new` is integers times a scale; returns whether the old rows are needed.
pub(super) fn encode(
    shape: Shape,
    old: Option<&[u8]>,
    new: &[u8],
    out: &mut Vec<u8>,
) -> Option<bool> {
    if shape.element != Element::F32 {
        return None;
    }
    let mut scales = Vec::with_capacity(shape.n_rows);
    let mut integers = Vec::with_capacity(shape.cells);
    for row in new.chunks_exact(shape.row_bytes()) {
        let last = scales.last().copied().unwrap_or(1.0);
        scales.push(find_scale(row, last, &mut integers)?);
    }
    let changes = old.map(|old| difference(&quantise_rows(shape, &scales, old), &integers));
    let changes = changes.filter(|changes| entropy(changes) < entropy(&integers));
    out.extend([mode::SCALED, if changes.is_some() { NEEDS_BASE } else { 0 }]);
    for plane in 0..4 {
        let bytes: Vec<u8> = scales
            .iter()
            .map(|scale| scale.to_le_bytes()[plane])
            .collect();
        encode_bytes(&bytes, out);
    }
    encode_bytes(changes.as_ref().unwrap_or(&integers), out);
    Some(changes.is_some())
}

fn quantise_rows(shape: Shape, scales: &[f32], rows: &[u8]) -> Vec<u8> {
    let rows = rows.chunks_exact(shape.row_bytes()).zip(scales);
    rows.flat_map(|(row, scale)| values(row).map(|v| quantise(v, *scale) as u8))
        .collect()
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
    let ratio = if ratio.is_nan() {
        0.0
    } else {
        ratio.clamp(-128.0, 127.0)
    };
    ((ratio + WHOLE) - WHOLE) as i8
}

/// Finds a scale of which all values of a row are exact multiples, and appends the multiples.
fn find_scale(row: &[u8], last: f32, integers: &mut Vec<u8>) -> Option<f32> {
    let largest = values(row)
        .map(|v| v.to_bits() & 0x7fff_ffff)
        .max()
        .map(f32::from_bits)?;
    if !largest.is_finite() {
        return None;
    }
    let steps = [127u8, 128].into_iter().chain((1..127).rev());
    let guesses = steps.flat_map(|steps| {
        let guess = largest / f32::from(steps);
        [guess, guess.next_up(), guess.next_down()]
    });
    let start = integers.len();
    for scale in std::iter::once(last).chain(guesses) {
        if multiples(row, scale, integers) {
            return Some(scale);
        }
        integers.truncate(start);
    }
    None
}

/// Appends the multiples of `scale`; stops and returns false at the first value that is none.
fn multiples(row: &[u8], scale: f32, integers: &mut Vec<u8>) -> bool {
    values(row).all(|value| {
        let integer = quantise(value, scale);
        integers.push(integer as u8);
        (f32::from(integer) * scale).to_bits() == value.to_bits()
    })
}

/// A parsed payload.
pub(super) struct Scaled {
    pub(super) needs_base: bool,
    dims: usize,
    scales: Vec<f32>,
    plane: Vec<u8>,
}

impl Scaled {
    pub(super) fn read(input: &mut Reader, shape: Shape) -> Result<Self, CodecError> {
        let flags = input.byte("flags")?;
        if flags & !NEEDS_BASE != 0 || shape.element != Element::F32 {
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
            let integer = if self.needs_base {
                (quantise(f32::from_le_bytes(*bytes), scale) as u8).wrapping_add(stored) as i8
            } else {
                stored as i8
            };
            *bytes = (f32::from(integer) * scale).to_le_bytes();
        }
    }
}
