//! A stream of bit fields, least significant bit first.

/// Collects bit fields into bytes.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    fill: u32,
}

impl BitWriter {
    /// Appends the low `count` bits of `value`; `count` is at most 32 and the bits above it are zero.
    #[inline(always)]
    pub(super) fn put(&mut self, value: u64, count: u32) {
        self.pending |= value << self.fill;
        self.fill += count;
        if self.fill >= 32 {
            self.spill();
        }
    }

    /// Appends the low `count` bits of `value`, up to 64.
    pub(super) fn put_wide(&mut self, value: u64, count: u32) {
        if count <= 24 {
            self.put(value, count);
        } else {
            self.put(value & 0xff_ffff, 24);
            self.put_wide(value >> 24, count - 24);
        }
    }

    #[inline(always)]
    fn spill(&mut self) {
        self.bytes
            .extend_from_slice(&(self.pending as u32).to_le_bytes());
        self.pending >>= 32;
        self.fill -= 32;
    }

    /// Fills up to a whole byte; returns how many bytes there are so far.
    pub(super) fn align(&mut self) -> usize {
        while self.fill > 0 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.fill = self.fill.saturating_sub(8);
        }
        self.bytes.len()
    }

    /// Returns the bytes written; the writer must be aligned.
    pub(super) fn bytes(&self) -> &[u8] {
        debug_assert_eq!(self.fill, 0);
        &self.bytes
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

    /// Returns the position in bits.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns at least 57 bits from the current position on.
    #[inline(always)]
    pub(super) fn peek(&self) -> u64 {
        let byte = self.at / 8;
        let word = match self.bytes.get(byte..).and_then(|rest| rest.first_chunk()) {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.peek_end(byte),
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
