//! A real number as the bits of an element type, rounded once.

use half::{bf16, f16};
use vecdelta_kernels::Element;

/// Writes a number in an element type: rounded once, to nearest, ties to even. NaN becomes the type's usual quiet NaN.
///
/// Returns whether the number fits. A finite number that is too large for the type does not; integers hold neither NaN
/// nor infinity. Then nothing is written.
///
/// # Panics
/// If `bits` is not one element long.
pub fn round_to(element: Element, number: f64, bits: &mut [u8]) -> bool {
    let mut cell = [0; 8];
    let cell = &mut cell[..element.size()];
    let near = if number.is_nan() { f32::NAN } else { number as f32 };
    match element {
        Element::F64 if number.is_nan() => cell.copy_from_slice(&f64::NAN.to_le_bytes()),
        Element::F64 => cell.copy_from_slice(&number.to_le_bytes()),
        Element::F32 => cell.copy_from_slice(&near.to_le_bytes()),
        Element::F16 => cell.copy_from_slice(&f16::from_f32(to_odd(number, near)).to_le_bytes()),
        Element::Bf16 => cell.copy_from_slice(&bf16::from_f32(to_odd(number, near)).to_le_bytes()),
        Element::I8 | Element::U8 => {
            let whole = number.round_ties_even();
            let (low, high) = if element == Element::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
            if !(low..=high).contains(&whole) {
                return false;
            }
            // Both types in range keep their low eight bits.
            cell[0] = (whole as i16).to_le_bytes()[0];
        }
    }
    let fits = !number.is_finite() || element.to_f64(cell).is_finite();
    if fits {
        bits.copy_from_slice(cell);
    }
    fits
}

/// Rounds to f32 so that a second rounding, to a type with at least two bits less, comes out as if it were the only one.
///
/// What is not exact gets an odd last bit: Boldo and Melquiond, "When double rounding is odd" (2005).
fn to_odd(number: f64, near: f32) -> f32 {
    if number.is_nan() || f64::from(near) == number {
        return near;
    }
    let away = f64::from(near).abs() > number.abs();
    f32::from_bits((near.to_bits() - u32::from(away)) | 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rounded(element: Element, number: f64) -> Option<f64> {
        let mut bits = vec![0; element.size()];
        round_to(element, number, &mut bits).then(|| element.to_f64(&bits))
    }

    /// Rounds by looking at the neighbours of a 16-bit pattern.
    fn naive(element: Element, number: f64) -> Option<f64> {
        let all = (0..=u16::MAX).map(|bits| (bits, element.to_f64(&bits.to_le_bytes())));
        let finite =
            all.filter(|(_, value)| value.is_finite() && value.is_sign_negative() == number.is_sign_negative());
        // Differences of a double and a 16-bit value of the same size are exact; an even pattern wins a tie.
        let nearest = finite.min_by(|a, b| {
            let far = |value: f64| (value - number).abs();
            far(a.1).total_cmp(&far(b.1)).then((a.0 & 1).cmp(&(b.0 & 1)))
        });
        let (bits, value) = nearest?;
        let last = !element.to_f64(&(bits + 1).to_le_bytes()).is_finite();
        let half_step = || (value - element.to_f64(&(bits - 1).to_le_bytes())) / 2.0;
        let overflows = last && number.abs() - value.abs() >= half_step().abs();
        (!overflows).then_some(value)
    }

    #[test]
    fn a_number_beside_a_tie_is_not_taken_for_the_tie() {
        let tie = 1.0 + 2f64.powi(-11);
        assert_eq!(rounded(Element::F16, tie), Some(1.0));
        assert_eq!(rounded(Element::F16, tie + 2f64.powi(-40)), Some(1.0 + 2f64.powi(-10)));
        assert_eq!(rounded(Element::Bf16, 1.0 + 2f64.powi(-8) + 2f64.powi(-40)), Some(1.0 + 2f64.powi(-7)));
        assert_eq!(rounded(Element::F16, 2f64.powi(-25) + 2f64.powi(-60)), Some(2f64.powi(-24)), "subnormal");
        assert_eq!((rounded(Element::F16, 65_519.99), rounded(Element::F16, 65_520.0)), (Some(65_504.0), None));
        assert_eq!((rounded(Element::F32, 1e39), rounded(Element::F32, f64::INFINITY)), (None, Some(f64::INFINITY)));
        assert_eq!((rounded(Element::I8, 2.5), rounded(Element::I8, 127.5)), (Some(2.0), None));
        assert_eq!((rounded(Element::U8, -0.4), rounded(Element::U8, f64::NAN)), (Some(0.0), None));
        assert!(rounded(Element::Bf16, f64::NAN).unwrap().is_nan());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sixteen_bits_are_the_nearest_ones(bits in any::<u64>(), exponent in -30i32..17, narrow in any::<bool>()) {
            let number = f64::from_bits((bits >> 12) | 1.0f64.to_bits()) * 2f64.powi(exponent);
            let number = if bits & 1 == 1 { -number } else { number };
            let element = if narrow { Element::F16 } else { Element::Bf16 };
            prop_assert_eq!(rounded(element, number), naive(element, number), "{} {:e}", element.name(), number);
        }
    }
}
