//! Numbers of text as the bits of an element type.

use half::{bf16, f16};

use crate::delta::Element;

/// Adds a finite number in an element type: rounded once, to nearest, ties to even; integers must fit exactly.
///
/// # Errors
/// Says why the number does not fit; the caller says which it is.
pub(super) fn push_number(out: &mut Vec<u8>, element: Element, number: f64) -> Result<(), String> {
    let too_large = || format!("is {number:?}, too large for {}", element.name());
    match element {
        Element::F64 => out.extend_from_slice(&number.to_le_bytes()),
        Element::F32 => {
            let rounded = number as f32;
            if rounded.is_infinite() {
                return Err(too_large());
            }
            out.extend_from_slice(&rounded.to_le_bytes());
        }
        Element::F16 => {
            let rounded = f16::from_f64(number);
            if rounded.is_infinite() {
                return Err(too_large());
            }
            out.extend_from_slice(&rounded.to_le_bytes());
        }
        Element::Bf16 => {
            let rounded = bf16::from_f64(number);
            if rounded.is_infinite() {
                return Err(too_large());
            }
            out.extend_from_slice(&rounded.to_le_bytes());
        }
        Element::I8 | Element::U8 => out.push(byte(element, number)?),
    }
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
