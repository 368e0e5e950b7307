//! What can be wrong with a payload.

use std::fmt;

/// A payload that cannot be decoded: what is wrong, and at which byte.
///
/// `at` counts bytes from the start of the slice that was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes end before the value does.
    Truncated {
        /// The value being read.
        what: &'static str,
        /// Byte offset.
        at: usize,
    },
    /// A length is larger than the caller allows; nothing was allocated for it.
    TooLong {
        /// The value being read.
        what: &'static str,
        /// The length found.
        len: u64,
        /// The largest length allowed.
        max: u64,
        /// Byte offset.
        at: usize,
    },
    /// The bytes contradict each other.
    Corrupt {
        /// What does not hold.
        what: &'static str,
        /// Byte offset.
        at: usize,
    },
    /// The payload was written in a mode this version does not know.
    UnknownMode {
        /// The mode byte.
        mode: u8,
        /// Byte offset.
        at: usize,
    },
    /// The caller handed in a buffer or row number that does not fit the block.
    Shape {
        /// What was expected.
        what: &'static str,
        /// The number found.
        found: usize,
        /// The number expected, or the bound.
        expected: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { what, at } => write!(f, "payload ends within {what} at byte {at}"),
            Self::TooLong { what, len, max, at } => {
                write!(f, "{what} is {len} long, at most {max} allowed, at byte {at}")
            }
            Self::Corrupt { what, at } => write!(f, "{what}, at byte {at}"),
            Self::UnknownMode { mode, at } => write!(f, "unknown payload mode {mode} at byte {at}"),
            Self::Shape { what, found, expected } => write!(f, "{what}: found {found}, expected {expected}"),
        }
    }
}

impl std::error::Error for CodecError {}
