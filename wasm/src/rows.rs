//! Rows as JavaScript has them, and as the engine has them.

use vecdelta::delta::{Element, Timestamp};

use crate::error::{Failure, Result};

/// The largest whole number that a JavaScript number holds exactly.
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

/// Returns the little-endian bytes of f32 values; every bit pattern is kept.
pub fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_bits().to_le_bytes()).collect()
}

/// Returns the f32 values of little-endian bytes.
pub fn floats_of(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}

/// Returns the width of a row of f32 values.
///
/// # Errors
/// When there are more than a width can be.
pub fn dims_of(values: &[f32]) -> Result<u32> {
    u32::try_from(values.len()).map_err(|_| Failure::new("length", "a vector has less than 2^32 components"))
}

/// Finds an element type by its name.
///
/// # Errors
/// When there is none of that name.
pub fn element_of(name: &str) -> Result<Element> {
    let unknown = || Failure::argument(format!("`{name}` is not an element: f32, f64, f16, bf16, i8 or u8"));
    Element::from_name(name).ok_or_else(unknown)
}

/// Takes milliseconds since 1970 over from JavaScript.
///
/// # Errors
/// When it is no whole number from 0 to 2^53 - 1.
pub fn time_of(millis: f64) -> Result<Timestamp> {
    if !(0.0..=WHOLE_MAX).contains(&millis) || millis.fract() != 0.0 {
        return Err(Failure::argument("a time is milliseconds since 1970, a whole number"));
    }
    Ok(Timestamp { physical_millis: millis as u64, ..Timestamp::default() })
}
