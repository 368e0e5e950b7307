//! A cursor over a payload that knows how far it is, for error messages.

use super::error::CodecError;

/// Reads a payload from front to back; never past its end.
pub(super) struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Returns the offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns what is left without moving.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.data.get(self.at..).unwrap_or_default()
    }

    /// Takes the next `len` bytes.
    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], CodecError> {
        let taken = self.rest().get(..len).ok_or(CodecError::Truncated { what, at: self.at })?;
        self.at += len;
        Ok(taken)
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, CodecError> {
        Ok(self.take(1, what)?[0])
    }

    /// Reads a LEB128 number; refuses overlong forms and more than 64 bits.
    pub(super) fn varint(&mut self, what: &'static str) -> Result<u64, CodecError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let at = self.at;
            let byte = self.byte(what)?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                return Err(CodecError::Corrupt { what: "varint exceeds 64 bits", at });
            }
            value |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(CodecError::Corrupt { what: "overlong varint", at });
                }
                return Ok(value);
            }
        }
        Err(CodecError::Corrupt { what: "varint exceeds 64 bits", at: self.at })
    }

    /// Reads a varint length and refuses it when above `max`.
    pub(super) fn length(&mut self, max: usize, what: &'static str) -> Result<usize, CodecError> {
        let at = self.at;
        let len = self.varint(what)?;
        match usize::try_from(len) {
            Ok(len) if len <= max => Ok(len),
            _ => Err(CodecError::TooLong { what, len, max: max as u64, at }),
        }
    }

    /// Returns an error at the current offset.
    pub(super) fn corrupt<T>(&self, what: &'static str) -> Result<T, CodecError> {
        Err(CodecError::Corrupt { what, at: self.at })
    }
}
