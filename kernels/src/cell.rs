//! One component of a row: how its bits become a number.

use crate::Element;

/// A component type as the generic kernels see it.
///
/// Two readings of the same bits: an exact `f64` for statistics, and a signed integer whose
/// order is the order of absolute values (the sign bit cleared), in which NaN is larger than
/// infinity and so cannot vanish in a maximum.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // only AVX2 asks for the type and FMA
pub(crate) trait Cell {
    const ELEMENT: Element;
    /// The little-endian bytes of one component.
    type Bits: Copy + PartialEq + Default;
    /// The bits without sign; never negative.
    type Magnitude: Copy + Ord + Default;
    /// True if the product of two values is exact in `f64`. Then a fused multiply-add rounds
    /// exactly where a multiplication followed by an addition does, and gives the same bits.
    const PRODUCTS_EXACT: bool;
    /// The smallest magnitude that is not finite.
    const INFINITY: Self::Magnitude;

    /// Splits a row into components.
    ///
    /// # Panics
    /// If the length of the row is not a multiple of the component's size.
    fn cells(row: &[u8]) -> &[Self::Bits];
    fn value(bits: Self::Bits) -> f64;
    fn magnitude(bits: Self::Bits) -> Self::Magnitude;
    fn magnitude_value(magnitude: Self::Magnitude) -> f64;
}

pub(crate) struct F32;
pub(crate) struct F64;
pub(crate) struct F16;
pub(crate) struct Bf16;
pub(crate) struct I8;
pub(crate) struct U8;

/// Splits a row into components of `SIZE` bytes.
///
/// # Panics
/// If the length of the row is not a multiple of `SIZE`.
#[inline(always)]
pub(crate) fn split<const SIZE: usize>(row: &[u8]) -> &[[u8; SIZE]] {
    let (cells, rest) = row.as_chunks::<SIZE>();
    assert!(rest.is_empty(), "a row holds whole components");
    cells
}

/// Same as [`split`], for a row that is written to.
#[inline(always)]
pub(crate) fn split_mut<const SIZE: usize>(row: &mut [u8]) -> &mut [[u8; SIZE]] {
    let (cells, rest) = row.as_chunks_mut::<SIZE>();
    assert!(rest.is_empty(), "a row holds whole components");
    cells
}

/// Returns the value with every NaN replaced by the one canonical NaN, because which payload an
/// operation keeps differs between machines.
#[inline(always)]
pub(crate) fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

impl Cell for F32 {
    const ELEMENT: Element = Element::F32;
    type Bits = [u8; 4];
    type Magnitude = i32;
    const PRODUCTS_EXACT: bool = true; // 24 + 24 bits of significand; exponents -298..=256
    const INFINITY: i32 = 0x7f80_0000;

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 4]] {
        split(row)
    }
    #[inline(always)]
    fn value(bits: [u8; 4]) -> f64 {
        f64::from(f32::from_le_bytes(bits))
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 4]) -> i32 {
        i32::from_le_bytes(bits) & i32::MAX
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i32) -> f64 {
        canonical(Self::value(magnitude.to_le_bytes()))
    }
}

impl Cell for F64 {
    const ELEMENT: Element = Element::F64;
    type Bits = [u8; 8];
    type Magnitude = i64;
    const PRODUCTS_EXACT: bool = false;
    const INFINITY: i64 = 0x7ff0_0000_0000_0000;

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 8]] {
        split(row)
    }
    #[inline(always)]
    fn value(bits: [u8; 8]) -> f64 {
        f64::from_le_bytes(bits)
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 8]) -> i64 {
        i64::from_le_bytes(bits) & i64::MAX
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i64) -> f64 {
        canonical(Self::value(magnitude.to_le_bytes()))
    }
}

impl Cell for F16 {
    const ELEMENT: Element = Element::F16;
    type Bits = [u8; 2];
    type Magnitude = i16;
    const PRODUCTS_EXACT: bool = true;
    const INFINITY: i16 = 0x7c00;

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 2]] {
        split(row)
    }

    /// Converts without branches, so that a loop over it vectorises. Exponent and significand
    /// are moved to their place in a binary32, and a multiplication by 2^112 corrects the bias
    /// exactly, for subnormals too; what was the largest exponent becomes infinity or NaN.
    #[inline(always)]
    fn value(bits: [u8; 2]) -> f64 {
        const BIAS: f32 = f32::from_bits((127 + 112) << 23);
        let bits = u32::from(u16::from_le_bytes(bits));
        let scaled = f32::from_bits((bits & 0x7fff) << 13) * BIAS;
        let special = if scaled >= 65536.0 { 0x7f80_0000 } else { 0 };
        let sign = (bits & 0x8000) << 16;
        f64::from(f32::from_bits(scaled.to_bits() | special | sign))
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 2]) -> i16 {
        i16::from_le_bytes(bits) & i16::MAX
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i16) -> f64 {
        canonical(Self::value(magnitude.to_le_bytes()))
    }
}

impl Cell for Bf16 {
    const ELEMENT: Element = Element::Bf16;
    type Bits = [u8; 2];
    type Magnitude = i16;
    const PRODUCTS_EXACT: bool = true;
    const INFINITY: i16 = 0x7f80;

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 2]] {
        split(row)
    }
    #[inline(always)]
    fn value(bits: [u8; 2]) -> f64 {
        f64::from(f32::from_bits(u32::from(u16::from_le_bytes(bits)) << 16))
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 2]) -> i16 {
        i16::from_le_bytes(bits) & i16::MAX
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i16) -> f64 {
        canonical(Self::value(magnitude.to_le_bytes()))
    }
}

impl Cell for I8 {
    const ELEMENT: Element = Element::I8;
    type Bits = [u8; 1];
    type Magnitude = i16;
    const PRODUCTS_EXACT: bool = true;
    const INFINITY: i16 = i16::MAX; // beyond every value

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 1]] {
        split(row)
    }
    #[inline(always)]
    fn value(bits: [u8; 1]) -> f64 {
        f64::from(i8::from_le_bytes(bits))
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 1]) -> i16 {
        i16::from(i8::from_le_bytes(bits)).abs()
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i16) -> f64 {
        f64::from(magnitude)
    }
}

impl Cell for U8 {
    const ELEMENT: Element = Element::U8;
    type Bits = [u8; 1];
    type Magnitude = i16;
    const PRODUCTS_EXACT: bool = true;
    const INFINITY: i16 = i16::MAX;

    #[inline(always)]
    fn cells(row: &[u8]) -> &[[u8; 1]] {
        split(row)
    }
    #[inline(always)]
    fn value(bits: [u8; 1]) -> f64 {
        f64::from(bits[0])
    }
    #[inline(always)]
    fn magnitude(bits: [u8; 1]) -> i16 {
        i16::from(bits[0])
    }
    #[inline(always)]
    fn magnitude_value(magnitude: i16) -> f64 {
        f64::from(magnitude)
    }
}

/// Calls a function that is generic over [`Cell`] with the type an [`Element`]
/// names.
macro_rules! by_cell {
    ($element:expr, $($function:ident)::+ ($($argument:expr),*)) => {
        match $element {
            $crate::Element::F32 => $($function)::+::<$crate::cell::F32>($($argument),*),
            $crate::Element::F64 => $($function)::+::<$crate::cell::F64>($($argument),*),
            $crate::Element::F16 => $($function)::+::<$crate::cell::F16>($($argument),*),
            $crate::Element::Bf16 => $($function)::+::<$crate::cell::Bf16>($($argument),*),
            $crate::Element::I8 => $($function)::+::<$crate::cell::I8>($($argument),*),
            $crate::Element::U8 => $($function)::+::<$crate::cell::U8>($($argument),*),
        }
    };
}

/// Calls a function that is generic over the size of a component with the size an
/// [`Element`] has.
macro_rules! by_size {
    ($element:expr, $($function:ident)::+ ($($argument:expr),*)) => {
        match $element {
            $crate::Element::F64 => $($function)::+::<8>($($argument),*),
            $crate::Element::F32 => $($function)::+::<4>($($argument),*),
            $crate::Element::F16 | $crate::Element::Bf16 => $($function)::+::<2>($($argument),*),
            $crate::Element::I8 | $crate::Element::U8 => $($function)::+::<1>($($argument),*),
        }
    };
}

pub(crate) use {by_cell, by_size};
