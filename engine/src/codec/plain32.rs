//! The cell coder for formats of up to 32 bits with a cell per value (`k = 0`): differences of order-preserving integers.
//!
//! Right for changes of a few units in the last place, which grow with the value. Same bytes as [`cells`](super::cells).

use super::bits::{BitReader, BitWriter};
use super::cells::SAME;
use super::grid32::{CHUNK, padded};
use super::hybrids32::{put_hybrids, unfold_exact, unfold_hybrids};
use super::tokens;
use super::word::Format;

/// Encodes one row like [`cells::encode_row`](super::cells::encode_row).
#[inline(always)]
pub(super) fn encode_row(format: Format, predicted: &[u32], new: &[u32], tokens: &mut [u8], low: &mut BitWriter) {
    low.make_room(new.len());
    for (i, tokens) in tokens.chunks_mut(CHUNK).enumerate() {
        let range = i * CHUNK..i * CHUNK + tokens.len();
        let (predicted, new): ([_; CHUNK], [_; CHUNK]) = (padded(&predicted[range.clone()]), padded(&new[range]));
        let (mut folded, mut coded) = ([0; CHUNK], [0; CHUNK]);
        for i in 0..CHUNK {
            let distance = ordered(format, new[i]).wrapping_sub(ordered(format, predicted[i]));
            folded[i] = ((distance << 1) ^ (distance >> 31)) as u32;
            let changed = u32::from(distance == 0).wrapping_sub(1);
            coded[i] = (folded[i].wrapping_add(1) & changed & 0xff) as u8;
        }
        let any = folded.iter().fold(0, |any, folded| any | folded);
        if u64::from(any) >= tokens::EXACT {
            put_hybrids(&folded, any, &mut coded, low);
        }
        tokens.copy_from_slice(&coded[..tokens.len()]);
    }
}

/// Decodes one row like [`cells::decode_row`](super::cells::decode_row), but `low` may go on after the row's `len` bytes.
#[inline(always)]
pub(super) fn decode_row(format: Format, tokens: &[u8], low: &[u8], len: usize, words: &mut [u32]) -> Option<()> {
    let mut low = BitReader::new(low);
    let mut all = 0;
    for (words, tokens) in words.chunks_mut(CHUNK).zip(tokens.chunks(CHUNK)) {
        let tokens: [u8; CHUNK] = padded(tokens);
        let most = tokens.iter().fold(0, |most, &token| most.max(token));
        let exact = u64::from(most) <= tokens::EXACT;
        let distances = if exact { unfold_exact(&tokens) } else { unfold_hybrids(&tokens, most, &mut low) };
        let mut placed: [_; CHUNK] = padded(words);
        for i in 0..CHUNK {
            let changed = u32::from(tokens[i] == SAME).wrapping_sub(1);
            let number = ordered(format, placed[i]).wrapping_add(distances[i] & changed as i32);
            let magnitude = (number ^ (number >> 31)) as u32;
            all |= magnitude;
            placed[i] = magnitude | (number as u32 >> 31) << (format.width - 1);
        }
        words.copy_from_slice(&placed[..words.len()]);
    }
    let valid = all & !(format.magnitude_mask() as u32) == 0;
    (valid && low.at().div_ceil(8) == len).then_some(())
}

/// Returns the integer that orders bit patterns as their values.
#[inline(always)]
fn ordered(format: Format, word: u32) -> i32 {
    let magnitude = word & format.magnitude_mask() as u32;
    magnitude as i32 ^ ((word << (32 - format.width)) as i32 >> 31)
}
