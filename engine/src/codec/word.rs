//! Bit patterns of floating-point values, and how rows become lists of them.

use super::bits::BitWriter;
use super::cells::{self, Grid};
use super::cells32::Scratch;
use super::precision::{self, Narrow, bf16_from_f32, f16_from_f32, f32_from_f16, f32_from_f64, f64_from_f32, widen};
use super::rows32::{DecodeRow, EncodeRow, Exponents};
use super::spare::Kept;
use vecdelta_kernels::{Element, widest};

/// The layout of a floating-point format: sign, exponent field, mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits in all.
    pub(super) width: u32,
    /// Bits of the mantissa, the leading one not counted.
    pub(super) mantissa: u32,
}

impl Format {
    const F64: Self = Self { width: 64, mantissa: 52 };
    const F32: Self = Self { width: 32, mantissa: 23 };
    const F16: Self = Self { width: 16, mantissa: 10 };
    const BF16: Self = Self { width: 16, mantissa: 7 };

    /// Returns the format in which values are coded; `None` for integers.
    pub(super) fn new(element: Element, narrow: Narrow) -> Option<Self> {
        Some(match (narrow, element) {
            (_, Element::I8 | Element::U8) => return None,
            (Narrow::F16, _) | (_, Element::F16) => Self::F16,
            (Narrow::Bf16, _) | (_, Element::Bf16) => Self::BF16,
            (Narrow::F32, _) | (_, Element::F32) => Self::F32,
            (Narrow::None, Element::F64) => Self::F64,
        })
    }

    /// Returns the mask of all bits but the sign.
    pub(super) fn magnitude_mask(self) -> u64 {
        (1 << (self.width - 1)) - 1
    }

    /// Returns the mask of the mantissa.
    pub(super) fn mantissa_mask(self) -> u64 {
        (1 << self.mantissa) - 1
    }

    /// Returns the largest exponent field, that of infinity.
    pub(super) fn exponent_max(self) -> u32 {
        (1 << (self.width - 1 - self.mantissa)) - 1
    }

    /// Returns the exponent field of 1.0.
    pub(super) fn bias(self) -> u32 {
        self.exponent_max() / 2
    }
}

/// A bit pattern in memory: u64 for f64, u32 for all narrower formats.
pub(super) trait Word: Copy + Default + PartialEq + Kept {
    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
    /// Wraps a difference to the size of the word, as a signed number.
    fn wrap(difference: i64) -> i64;
    /// Appends the bit patterns of elements.
    fn load(element: Element, narrow: Narrow, rows: &[u8], words: &mut Vec<Self>);
    /// Writes bit patterns back into elements.
    fn store(element: Element, narrow: Narrow, words: &[Self], rows: &mut [u8]);
    /// Adds up the exponents of the differences of two rows; returns sum and count of those that are finite and not 0.
    fn exponents(format: Format, predicted: &[Self], new: &[Self]) -> (i64, i64);
    /// Encodes a row; see [`cells::encode_row`].
    fn encode_row(
        grid: Grid,
        predicted: &[Self],
        new: &[Self],
        tokens: &mut [u8],
        low: &mut BitWriter,
        scratch: &mut Scratch,
    );
    /// Decodes a row, whose low bits are the first `len` bytes of `low`; see [`cells::decode_row`].
    fn decode_row(
        grid: Grid,
        tokens: &[u8],
        low: &[u8],
        len: usize,
        words: &mut [Self],
        scratch: &mut Scratch,
    ) -> Option<()>;
}

impl Word for u64 {
    #[inline(always)]
    fn bits(self) -> u64 {
        self
    }

    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        bits
    }

    #[inline(always)]
    fn wrap(difference: i64) -> i64 {
        difference
    }

    fn load(_: Element, _: Narrow, rows: &[u8], words: &mut Vec<Self>) {
        words.extend(rows.as_chunks().0.iter().map(|b| Self::from_le_bytes(*b)));
    }

    fn store(_: Element, _: Narrow, words: &[Self], rows: &mut [u8]) {
        put(words, rows, Self::to_le_bytes);
    }

    fn exponents(_: Format, predicted: &[Self], new: &[Self]) -> (i64, i64) {
        let (mut sum, mut count) = (0, 0);
        for (new, old) in new.iter().zip(predicted) {
            let difference = f64::from_bits(*new) - f64::from_bits(*old);
            let exponent = (difference.to_bits() >> 52) as i64 & 0x7ff;
            let counts = i64::from(exponent != 0 && exponent != 0x7ff);
            sum += (exponent - 1023) * counts;
            count += counts;
        }
        (sum, count)
    }

    fn encode_row(
        grid: Grid,
        predicted: &[Self],
        new: &[Self],
        tokens: &mut [u8],
        low: &mut BitWriter,
        _: &mut Scratch,
    ) {
        cells::encode_row(grid, predicted, new, tokens, low);
    }

    fn decode_row(
        grid: Grid,
        tokens: &[u8],
        low: &[u8],
        len: usize,
        words: &mut [Self],
        _: &mut Scratch,
    ) -> Option<()> {
        cells::decode_row(grid, tokens, &low[..len], words)
    }
}

impl Word for u32 {
    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self)
    }

    #[inline(always)]
    fn from_bits(bits: u64) -> Self {
        bits as u32
    }

    #[inline(always)]
    fn wrap(difference: i64) -> i64 {
        i64::from(difference as i32)
    }

    fn load(element: Element, narrow: Narrow, rows: &[u8], words: &mut Vec<Self>) {
        let eights = rows.as_chunks().0.iter().map(|b| f32_from_f64(u64::from_le_bytes(*b)));
        let fours = rows.as_chunks().0.iter().map(|b| Self::from_le_bytes(*b));
        let twos = rows.as_chunks().0.iter().map(|b| Self::from(u16::from_le_bytes(*b)));
        match (element, narrow) {
            (Element::F64, _) => words.extend(eights.map(|bits| precision::narrow(narrow, bits))),
            (Element::F32, Narrow::F16) => words.extend(fours.map(f16_from_f32)),
            (Element::F32, Narrow::Bf16) => words.extend(fours.map(bf16_from_f32)),
            (Element::F32, _) => words.extend(fours),
            _ => words.extend(twos),
        }
    }

    fn store(element: Element, narrow: Narrow, words: &[Self], rows: &mut [u8]) {
        match (element, narrow) {
            (Element::F64, _) => put(words, rows, |w| f64_from_f32(widen(narrow, w)).to_le_bytes()),
            (Element::F32, Narrow::F16) => put(words, rows, |w| f32_from_f16(w).to_le_bytes()),
            (Element::F32, Narrow::Bf16) => put(words, rows, |w| (w << 16).to_le_bytes()),
            (Element::F32, _) => put(words, rows, Self::to_le_bytes),
            _ => put(words, rows, |w| (w as u16).to_le_bytes()),
        }
    }

    fn exponents(format: Format, predicted: &[Self], new: &[Self]) -> (i64, i64) {
        widest(Exponents { format, predicted, new })
    }

    fn encode_row(
        grid: Grid,
        predicted: &[Self],
        new: &[Self],
        tokens: &mut [u8],
        low: &mut BitWriter,
        scratch: &mut Scratch,
    ) {
        if (1..=grid.format.mantissa).contains(&grid.k) {
            return cells::encode_row(grid, predicted, new, tokens, low);
        }
        widest(EncodeRow { grid, predicted, new, tokens, low, scratch });
    }

    fn decode_row(
        grid: Grid,
        tokens: &[u8],
        low: &[u8],
        len: usize,
        words: &mut [Self],
        scratch: &mut Scratch,
    ) -> Option<()> {
        // In a browser code has to be fetched: only f32 has loops of its own there.
        let own = !cfg!(target_arch = "wasm32") || grid.format == Format::F32;
        if !own || (1..=grid.format.mantissa).contains(&grid.k) {
            return cells::decode_row(grid, tokens, &low[..len], words);
        }
        widest(DecodeRow { grid, tokens, low, len, words, scratch })
    }
}

fn put<W: Copy, const SIZE: usize>(words: &[W], rows: &mut [u8], form: impl Fn(W) -> [u8; SIZE]) {
    for (bytes, &word) in rows.as_chunks_mut::<SIZE>().0.iter_mut().zip(words) {
        *bytes = form(word);
    }
}
