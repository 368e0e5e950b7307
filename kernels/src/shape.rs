//! The error of kernels whose input comes from outside.

use std::fmt;

/// Indices and bits which do not describe a row.
///
/// Whoever receives it has a damaged delta, or a delta for a row of another shape; nothing was
/// written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapeError {
    /// The bytes given are not as many as the indices or the row ask for.
    Length {
        /// Bytes the shape asks for.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// An index points behind the end of the row.
    Index {
        /// The largest index given.
        index: u32,
        /// Components of the row.
        dims: usize,
    },
    /// The indices do not ascend strictly: one is smaller than, or the same as, the one before.
    Order {
        /// Place in the list of the first index that does not ascend.
        position: usize,
    },
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShapeError::Length { expected, found } => {
                write!(f, "the shape asks for {expected} bytes, found {found}")
            }
            ShapeError::Index { index, dims } => {
                write!(f, "component index {index} is outside a row of {dims}")
            }
            ShapeError::Order { position } => {
                write!(f, "component indices do not ascend at position {position}")
            }
        }
    }
}

impl std::error::Error for ShapeError {}

/// Checks that `found` bytes are as many as expected.
pub(crate) fn check_length(expected: usize, found: usize) -> Result<(), ShapeError> {
    if expected == found { Ok(()) } else { Err(ShapeError::Length { expected, found }) }
}

/// Checks that there are as many components as indices.
pub(crate) fn check_bits(size: usize, indices: &[u32], bits: &[u8]) -> Result<(), ShapeError> {
    check_length(indices.len().saturating_mul(size), bits.len())
}

/// Checks that a sparse row is made of as many components as indices, all within `dims`.
pub(crate) fn check_sparse(size: usize, dims: usize, indices: &[u32], bits: &[u8]) -> Result<(), ShapeError> {
    check_bits(size, indices, bits)?;
    // The maximum of all rather than a search for the first: it vectorises.
    match indices.iter().copied().max() {
        Some(index) if index as usize >= dims => Err(ShapeError::Index { index, dims }),
        _ => Ok(()),
    }
}

/// Checks that indices ascend strictly.
pub(crate) fn check_order(indices: &[u32]) -> Result<(), ShapeError> {
    match indices.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(before) => Err(ShapeError::Order { position: before + 1 }),
        None => Ok(()),
    }
}
