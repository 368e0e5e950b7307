//! Bit fields of different lengths behind each other, least significant bit first: the reverse of [`or_fields`](crate::or_fields).

use std::hint::select_unpredictable;

use crate::dispatch::dispatch_512;

/// Where bit fields are written, by value, so that a loop keeps it in registers.
#[derive(Debug)]
pub struct BitPen<'a> {
    /// Longer than what is written, so that eight bytes can be stored at any time.
    bytes: &'a mut [u8],
    at: usize,
    word: u64,
}

impl<'a> BitPen<'a> {
    /// Goes on at a bit; `word` are those behind the last whole word of 64.
    #[inline(always)]
    pub fn new(bytes: &'a mut [u8], at: usize, word: u64) -> Self {
        Self { bytes, at, word }
    }

    /// Appends a field of up to 64 bits; above its `count` bits there are zeros.
    ///
    /// What the next field has to wait for is two instructions: the word so far, or what did not fit into it.
    ///
    /// # Panics
    /// If there are no eight bytes left from the last whole word on.
    #[inline(always)]
    pub fn put(&mut self, field: u64, count: u32) {
        let shift = self.at as u32 % u64::BITS;
        let word = self.word | field << shift;
        self.store(word);
        let rest = (field >> 1) >> (u64::BITS - 1 - shift);
        let next = self.at + count as usize;
        self.word = select_unpredictable((self.at ^ next) & u64::BITS as usize == 0, word, rest);
        self.at = next;
    }

    /// Returns how many bits there are, and those behind the last whole word.
    #[inline(always)]
    pub fn end(mut self) -> (usize, u64) {
        self.store(self.word);
        (self.at, self.word)
    }

    /// Returns a pen at the same place, whose state is not kept in memory; [`go_on`](Self::go_on) where it is then.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn copy(&mut self) -> BitPen<'_> {
        BitPen { bytes: self.bytes, at: self.at, word: self.word }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn state(&self) -> (usize, u64) {
        (self.at, self.word)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn go_on(&mut self, state: (usize, u64)) {
        (self.at, self.word) = state;
    }

    #[inline(always)]
    fn store(&mut self, word: u64) {
        let start = self.at / 64 * 8;
        self.bytes[start..start + 8].copy_from_slice(&word.to_le_bytes());
    }
}

/// Appends the low bits of words, of each as many as its count, up to one whose count is above `most`, which is at most 31.
///
/// Returns how many words that are: it stops up to a word earlier.
///
/// # Panics
/// If there is no room.
pub fn put_fields(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    dispatch_512!(put_fields(words, counts, most, pen))
}

/// See [`put_fields`].
#[inline(always)]
pub(crate) fn put_pairs(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    let (words, counts) = (words.as_chunks::<2>(), counts.as_chunks::<2>());
    let mut done = 0;
    for (&[first, second], &[a, b]) in words.0.iter().zip(counts.0) {
        if a.max(b) > most {
            break;
        }
        let low = |word: u32, count: u8| u64::from(word) & ((1 << count) - 1);
        pen.put(low(first, a) | low(second, b) << a, u32::from(a) + u32::from(b));
        done += 2;
    }
    done
}
