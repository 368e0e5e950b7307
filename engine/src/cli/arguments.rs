//! Arguments that are more than text.

use crate::delta::read_moment;

/// Parses a number of at least 1.
pub fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "give a number of at least 1".to_owned())?;
    if number == 0 { Err("it is at least 1".to_owned()) } else { Ok(number) }
}

/// Parses a time in RFC 3339 into milliseconds since 1970; what lies before is 0.
pub fn millis(text: &str) -> Result<u64, String> {
    let time = read_moment(text).ok_or("a time is written like 2026-03-01T12:00:00Z")?;
    Ok(u64::try_from(time).unwrap_or(0))
}
