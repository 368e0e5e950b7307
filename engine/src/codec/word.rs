//! Bit patterns of floating-point values, and how rows become lists of them.

use super::precision::{self, Narrow};
use vecdelta_kernels::Element;

/// The layout of a floating-point format: sign, exponent field, mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Bits in all.
    pub(super) width: u32,
    /// Bits of the mantissa, the leading one not counted.
    pub(super) mantissa: u32,
}

impl Format {
    const F64: Self = Self {
        width: 64,
        mantissa: 52,
    };
    const F32: Self = Self {
        width: 32,
        mantissa: 23,
    };
    const F16: Self = Self {
        width: 16,
        mantissa: 10,
    };
    const BF16: Self = Self {
        width: 16,
        mantissa: 7,
    };

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
pub(super) trait Word: Copy + Default + PartialEq {
    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
    /// Wraps a difference to the size of the word, as a signed number.
    fn wrap(difference: i64) -> i64;
    /// Reads one element of a row.
    fn load(element: Element, narrow: Narrow, bytes: &[u8]) -> Self;
    /// Writes one element of a row.
    fn store(self, element: Element, narrow: Narrow, bytes: &mut [u8]);
    /// Returns the value, for estimates.
    fn value(self, format: Format) -> f64;
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

    fn load(_: Element, _: Narrow, bytes: &[u8]) -> Self {
        bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }

    fn store(self, _: Element, _: Narrow, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.to_le_bytes());
    }

    fn value(self, _: Format) -> f64 {
        f64::from_bits(self)
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

    #[inline(always)]
    fn load(element: Element, narrow: Narrow, bytes: &[u8]) -> Self {
        match element {
            Element::F64 => {
                let wide = bytes.first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
                precision::narrow(narrow, precision::f32_from_f64(wide))
            }
            Element::F32 => {
                let wide = bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b));
                precision::narrow(narrow, wide)
            }
            _ => bytes
                .first_chunk()
                .map_or(0, |b| u32::from(u16::from_le_bytes(*b))),
        }
    }

    #[inline(always)]
    fn store(self, element: Element, narrow: Narrow, bytes: &mut [u8]) {
        match element {
            Element::F64 => {
                let wide = precision::f64_from_f32(precision::widen(narrow, self));
                bytes.copy_from_slice(&wide.to_le_bytes());
            }
            Element::F32 => bytes.copy_from_slice(&precision::widen(narrow, self).to_le_bytes()),
            _ => bytes.copy_from_slice(&(self as u16).to_le_bytes()),
        }
    }

    fn value(self, format: Format) -> f64 {
        let form = match (format.width, format.mantissa) {
            (16, 10) => Narrow::F16,
            (16, _) => Narrow::Bf16,
            _ => Narrow::None,
        };
        f64::from(f32::from_bits(precision::widen(form, self)))
    }
}

/// Returns the bit patterns of rows.
pub(super) fn load<W: Word>(element: Element, narrow: Narrow, rows: &[u8]) -> Vec<W> {
    let cells = rows.chunks_exact(element.size());
    cells.map(|bytes| W::load(element, narrow, bytes)).collect()
}

/// Writes bit patterns back into rows.
pub(super) fn store<W: Word>(element: Element, narrow: Narrow, words: &[W], rows: &mut [u8]) {
    for (word, bytes) in words.iter().zip(rows.chunks_exact_mut(element.size())) {
        word.store(element, narrow, bytes);
    }
}
