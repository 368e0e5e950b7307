//! A stream of bit fields, least significant bit first.

use super::spare::SpareVec;
use vecdelta_kernels::BitPen;

/// The most bits one value of a block may take: token, unary exponent, and all of an f64.
const VALUE_BYTES_MAX: usize = 24;

/// Collects bit fields into bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    /// Longer than what is written, so that eight bytes can be stored at any time.
    bytes: SpareVec<u8>,
    /// How many bits there are.
    at: usize,
    /// Those behind the last whole word of 64.
    word: u64,
}

impl BitWriter {
    /// Returns a writer with room for about so many bytes.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { bytes: SpareVec::with_room(bytes), ..Self::default() }
    }

    /// Makes room for so many values; must come before they are put.
    pub(super) fn make_room(&mut self, values: usize) {
        let len = self.at / 8 + VALUE_BYTES_MAX * values + 16;
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
    }

    /// Lends out a pen, whose state a loop keeps in registers; [`take_back`](Self::take_back) comes next.
    #[inline(always)]
    pub(super) fn pen(&mut self) -> BitPen<'_> {
        BitPen::new(&mut self.bytes, self.at, self.word)
    }

    /// Makes what was written with a pen part of the writer: where it ended.
    #[inline(always)]
    pub(super) fn take_back(&mut self, end: (usize, u64)) {
        (self.at, self.word) = end;
    }

    /// Appends the low `count` bits of `value`, up to 64; the bits above are zero.
    pub(super) fn put(&mut self, value: u64, count: u32) {
        let mut pen = self.pen();
        pen.put(value, count);
        let end = pen.end();
        self.take_back(end);
    }

    /// Fills up to a whole byte; returns how many bytes there are so far.
    pub(super) fn align(&mut self) -> usize {
        let end = self.at.next_multiple_of(8);
        if end.is_multiple_of(64) && end > self.at {
            self.word = 0;
        }
        self.at = end;
        end / 8
    }

    /// Returns the bytes written; the writer must be aligned.
    pub(super) fn bytes(&self) -> &[u8] {
        debug_assert_eq!(self.at % 8, 0);
        &self.bytes[..self.at / 8]
    }
}

/// Reads bit fields; beyond the end it reads zeros, and the caller compares [`at`](Self::at) with the length afterwards.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Returns all the bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the position in bits.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns at least 57 bits from the current position on.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        let byte = self.at / 8;
        let word = match self.bytes.get(byte..byte + 8).map(TryInto::try_into) {
            Some(Ok(chunk)) => u64::from_le_bytes(chunk),
            _ => self.peek_end(byte),
        };
        word >> (self.at % 8)
    }

    #[cold]
    fn peek_end(&self, byte: usize) -> u64 {
        let mut chunk = [0; 8];
        let rest = self.bytes.get(byte..).unwrap_or_default();
        let len = rest.len().min(8);
        chunk[..len].copy_from_slice(&rest[..len]);
        u64::from_le_bytes(chunk)
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.at += count as usize;
    }

    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes `count` bits, at most 56.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u64 {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count);
        value
    }

    /// Takes `count` bits, up to 64.
    pub(super) fn take_wide(&mut self, count: u32) -> u64 {
        if count <= 32 {
            return self.take(count);
        }
        let low = self.take(32);
        low | self.take(count - 32) << 32
    }
}
