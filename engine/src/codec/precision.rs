//! The true precision of values: which ones are really f16, bf16, f32 or small integers times a scale.
//!
//! Everything works on bit patterns. A narrow form counts as exact only if widening returns the very bits, so NaN
//! payloads, infinities, subnormals and -0.0 are covered without a special case.

use vecdelta_kernels::Element;

/// The narrower form in which values are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Narrow {
    /// As they are.
    None = 0,
    F16 = 1,
    Bf16 = 2,
    F32 = 3,
}

impl Narrow {
    pub(super) fn from_code(code: u8) -> Self {
        [Self::None, Self::F16, Self::Bf16, Self::F32][usize::from(code & 3)]
    }

    /// Returns whether values of this element type can be wider than the narrow form.
    pub(super) fn fits(self, element: Element) -> bool {
        match self {
            Self::None => true,
            Self::F16 | Self::Bf16 => matches!(element, Element::F32 | Element::F64),
            Self::F32 => element == Element::F64,
        }
    }
}

/// Returns the narrowest form which holds every value of `rows` exactly.
pub(super) fn narrowest(element: Element, rows: &[u8]) -> Narrow {
    let forms = [Narrow::Bf16, Narrow::F16, Narrow::F32];
    let exact = |form: &Narrow| *form != Narrow::None && form.fits(element) && is_exact(element, *form, rows);
    forms.into_iter().find(exact).unwrap_or(Narrow::None)
}

/// Returns whether every value of `rows` is one of the narrow form.
pub(super) fn is_exact(element: Element, form: Narrow, rows: &[u8]) -> bool {
    match element {
        _ if form == Narrow::None => true,
        Element::F32 => rows.as_chunks().0.iter().all(|b| {
            let bits = u32::from_le_bytes(*b);
            widen(form, narrow(form, bits)) == bits
        }),
        Element::F64 => rows.as_chunks().0.iter().all(|b| {
            let bits = u64::from_le_bytes(*b);
            f64_from_f32(widen(form, narrow(form, f32_from_f64(bits)))) == bits
        }),
        _ => false,
    }
}

/// Rounds the bits of an f32 to the nearest value of the form, ties to even; keeps the top of NaN payloads.
#[inline]
pub(super) fn narrow(form: Narrow, bits: u32) -> u32 {
    match form {
        Narrow::None | Narrow::F32 => bits,
        Narrow::F16 => f16_from_f32(bits),
        Narrow::Bf16 => bf16_from_f32(bits),
    }
}

/// Returns the f32 bits of a value of the form.
#[inline]
pub(super) fn widen(form: Narrow, bits: u32) -> u32 {
    match form {
        Narrow::None | Narrow::F32 => bits,
        Narrow::F16 => f32_from_f16(bits),
        Narrow::Bf16 => bits << 16,
    }
}

const F32_INFINITY: u32 = 0x7f80_0000;

#[inline(always)]
pub(super) fn bf16_from_f32(bits: u32) -> u32 {
    if bits & 0x7fff_ffff > F32_INFINITY {
        let quiet = if bits & 0x7f_0000 == 0 { 0x40 } else { 0 };
        return bits >> 16 | quiet;
    }
    (bits + 0x7fff + (bits >> 16 & 1)) >> 16
}

#[inline(always)]
pub(super) fn f16_from_f32(bits: u32) -> u32 {
    const OVERFLOW: u32 = 0x477f_f000; // 65520, which rounds to infinity
    const NORMAL_MIN: u32 = 0x3880_0000; // 2^-14
    let (sign, magnitude) = (bits >> 16 & 0x8000, bits & 0x7fff_ffff);
    sign | if magnitude > F32_INFINITY {
        let payload = magnitude >> 13 & 0x3ff;
        0x7c00 | if payload == 0 { 0x200 } else { payload }
    } else if magnitude >= OVERFLOW {
        0x7c00
    } else if magnitude >= NORMAL_MIN {
        let rebased = magnitude - 0x3800_0000;
        (rebased + 0xfff + (rebased >> 13 & 1)) >> 13
    } else {
        // Adding 0.5 makes the hardware round to multiples of 2^-24, the f16 subnormals.
        (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5f32.to_bits()
    }
}

#[inline(always)]
pub(super) fn f32_from_f16(bits: u32) -> u32 {
    let (sign, magnitude) = ((bits & 0x8000) << 16, bits & 0x7fff);
    sign | if magnitude >= 0x7c00 {
        F32_INFINITY | (magnitude & 0x3ff) << 13
    } else if magnitude >= 0x400 {
        (magnitude << 13) + 0x3800_0000
    } else {
        (magnitude as f32 * f32::from_bits(0x3380_0000)).to_bits() // 2^-24
    }
}

/// Rounds the bits of an f64 to an f32, like [`narrow`].
pub(super) fn f32_from_f64(bits: u64) -> u32 {
    let value = f64::from_bits(bits);
    if value.is_nan() {
        let payload = (bits >> 29) as u32 & 0x7f_ffff;
        let sign = (bits >> 32) as u32 & 0x8000_0000;
        return sign | F32_INFINITY | if payload == 0 { 0x40_0000 } else { payload };
    }
    (value as f32).to_bits()
}

/// Returns the f64 bits of an f32.
pub(super) fn f64_from_f32(bits: u32) -> u64 {
    let value = f32::from_bits(bits);
    if value.is_nan() {
        let sign = u64::from(bits & 0x8000_0000) << 32;
        return sign | 0x7ff0_0000_0000_0000 | u64::from(bits & 0x7f_ffff) << 29;
    }
    f64::from(value).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_16_bit_pattern_comes_back() {
        for form in [Narrow::F16, Narrow::Bf16] {
            for bits in 0..=0xffff {
                let wide = widen(form, bits);
                assert_eq!(narrow(form, wide), bits);
                assert_eq!(f32_from_f64(f64_from_f32(wide)), wide);
            }
        }
    }

    #[test]
    fn rounding_agrees_with_the_half_crate() {
        let mut state = 1u32;
        for _ in 0..1_000_000 {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            let value = f32::from_bits(state);
            if !value.is_nan() {
                assert_eq!(narrow(Narrow::F16, state), u32::from(half::f16::from_f32(value).to_bits()));
                assert_eq!(narrow(Narrow::Bf16, state), u32::from(half::bf16::from_f32(value).to_bits()));
            }
        }
    }
}
