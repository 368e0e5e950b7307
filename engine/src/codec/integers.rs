//! Integer elements: one plane of bytes, as they are or less the old ones (wrapping).
//!
//! ```text
//! mode 2   flags (1: less the old bytes)   bytes n * dims
//! ```

use super::bytes::{encode_bytes, read_bytes_exact};
use super::error::CodecError;
use super::frequencies;
use super::layout::{NEEDS_BASE, Shape, mode};
use super::reader::Reader;

/// Appends a payload of single-byte elements; `old` is used where it helps. Returns whether it was.
pub(super) fn encode(old: Option<&[u8]>, new: &[u8], out: &mut Vec<u8>) -> bool {
    let changes = old.map(|old| difference(old, new)).filter(|changes| entropy(changes) < entropy(new));
    out.extend([mode::INTEGERS, if changes.is_some() { NEEDS_BASE } else { 0 }]);
    encode_bytes(changes.as_deref().unwrap_or(new), out);
    changes.is_some()
}

pub(super) fn difference(old: &[u8], new: &[u8]) -> Vec<u8> {
    new.iter().zip(old).map(|(new, old)| new.wrapping_sub(*old)).collect()
}

/// Returns the size of a byte string when entropy coded, tables apart, in 4096ths of a bit.
pub(super) fn entropy(data: &[u8]) -> u64 {
    let counts = frequencies::count(data);
    if counts.iter().filter(|c| **c > 0).count() < 2 {
        return 0;
    }
    frequencies::cost(&counts, &frequencies::normalise(&counts))
}

/// A parsed payload.
pub(super) struct Integers {
    pub(super) needs_base: bool,
    plane: Vec<u8>,
}

impl Integers {
    pub(super) fn read(input: &mut Reader, shape: Shape) -> Result<Self, CodecError> {
        let flags = input.byte("flags")?;
        if flags & !NEEDS_BASE != 0 || shape.element.size() != 1 {
            return input.corrupt("flags do not fit the mode");
        }
        let plane = read_bytes_exact(input, shape.cells, "plane does not match the block")?;
        Ok(Self { needs_base: flags & NEEDS_BASE != 0, plane })
    }

    /// Decodes the cells from `first` on into `row`.
    pub(super) fn apply(&self, first: usize, row: &mut [u8]) {
        let plane = &self.plane[first..first + row.len()];
        if !self.needs_base {
            row.copy_from_slice(plane);
            return;
        }
        for (byte, change) in row.iter_mut().zip(plane) {
            *byte = byte.wrapping_add(*change);
        }
    }
}
