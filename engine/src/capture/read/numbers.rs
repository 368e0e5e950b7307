//! Numbers of text as the bits of an element type.

use crate::delta::{Element, round_to};

/// Adds a finite number in an element type: rounded once, to nearest, ties to even; integers must fit exactly.
///
/// # Errors
/// Says why the number does not fit; the caller says which it is.
pub(super) fn push_number(out: &mut Vec<u8>, element: Element, number: f64) -> Result<(), String> {
    if matches!(element, Element::I8 | Element::U8) {
        out.push(byte(element, number)?);
        return Ok(());
    }
    let mut cell = [0; 8];
    let cell = &mut cell[..element.size()];
    if !round_to(element, number, cell) {
        return Err(format!("is {number:?}, too large for {}", element.name()));
    }
    out.extend_from_slice(cell);
    Ok(())
}

fn byte(element: Element, number: f64) -> Result<u8, String> {
    let (low, high) = if element == Element::I8 { (-128.0, 127.0) } else { (0.0, 255.0) };
    if number.fract() != 0.0 || !(low..=high).contains(&number) {
        return Err(format!("is {number:?}, not an integer from {low} to {high}"));
    }
    // Two's complement: both types in range keep their low eight bits.
    Ok((number as i16).to_le_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beside_a_tie_is_rounded_once() {
        let bits = |element, number| {
            let mut out = Vec::new();
            push_number(&mut out, element, number).map(|()| out)
        };
        let tie = 1.0 + 2f64.powi(-11);
        assert_eq!(bits(Element::F16, tie), Ok(0x3c00u16.to_le_bytes().to_vec()));
        assert_eq!(bits(Element::F16, tie + 2f64.powi(-40)), Ok(0x3c01u16.to_le_bytes().to_vec()));
        assert_eq!(bits(Element::Bf16, 1.0 + 2f64.powi(-8) + 2f64.powi(-40)), Ok(0x3f81u16.to_le_bytes().to_vec()));
        assert!(bits(Element::F16, 65_520.0).unwrap_err().contains("too large for"));
        assert!(bits(Element::F32, 1e39).unwrap_err().contains("too large for"));
    }
}
