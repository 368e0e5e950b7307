//! Hybrid integers of 32-bit distances, a chunk at a time, without a branch that depends on a value.

use super::bits::{BitReader, BitWriter};
use super::grid32::{CHUNK, MASKS, select};
use super::tokens;

/// Corrects the tokens and appends their low bits, without a branch that depends on a value.
#[inline(never)]
pub(super) fn put_hybrids(folded: &[u32; CHUNK], tokens: &mut [u8; CHUNK], low: &mut BitWriter) {
    low.with_pen(|mut pen| {
        for (token, &folded) in tokens.iter_mut().zip(folded) {
            let octave = 31 - (folded | 1).leading_zeros();
            let top = folded >> octave.saturating_sub(2) & 3;
            let large = 4 * octave + top + (tokens::EXACT as u32 - 20);
            let is_large = u64::from(folded) >= tokens::EXACT;
            let plain = select(is_large, large, folded) as u8;
            *token = select(is_large, large + 1, u32::from(*token)) as u8;
            let first = tokens::FIRST[usize::from(plain)] as u32;
            let count = u32::from(tokens::LOW_BITS[usize::from(plain)]);
            pen.put(u64::from(folded - first), count);
        }
        pen
    });
}

/// Returns the signed distances of tokens without low bits.
#[inline(always)]
pub(super) fn unfold_exact(tokens: &[u8; CHUNK]) -> [i32; CHUNK] {
    tokens.map(|token| {
        let folded = u32::from(token).wrapping_sub(1);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    })
}

/// Returns the signed distances; takes the low bits of tokens that have some.
#[inline(never)]
pub(super) fn unfold_hybrids(tokens: &[u8; CHUNK], low: &mut BitReader) -> [i32; CHUNK] {
    let mut reader = *low;
    let distances = tokens.map(|token| {
        let plain = usize::from(token.saturating_sub(1));
        // No token of 32-bit distances has more than 31 low bits; a forged one ends up in a wrong value or length.
        let count = tokens::LOW_BITS[plain].min(31);
        let more = reader.peek() as u32 & MASKS[usize::from(count)];
        reader.skip(u32::from(count));
        tokens::unfold(tokens::FIRST[plain].wrapping_add(u64::from(more))) as i32
    });
    *low = reader;
    distances
}
