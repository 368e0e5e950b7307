//! Hybrid integers of 32-bit distances, a chunk at a time, without a branch that depends on a value.
//!
//! What a token has to do with its number is arithmetic that the compiler turns into vector code. The low bits are moved
//! by fours, as far as four of them fit into what is written or read at once.

use super::bits::{BitReader, BitWriter};
use super::grid32::select;
use super::tokens;

/// The low bits of four numbers below this fit into 57 bits.
const FOURS_BELOW: u32 = 1 << 17;
/// The token of the first such number that does not, as it is stored.
const FOURS_TOKEN: u8 = 1 + 80;
const EXACT: u32 = tokens::EXACT as u32;

/// Corrects the tokens and appends their low bits; `any` is all folded distances or-ed.
#[inline(always)]
pub(super) fn put_hybrids<const N: usize>(folded: &[u32; N], any: u32, tokens: &mut [u8; N], writer: &mut BitWriter) {
    let (mut counts, mut bits) = ([0u32; N], [0u32; N]);
    for i in 0..N {
        let octave = if any >> 31 == 0 { octave(folded[i]) } else { 31 - (folded[i] | 1).leading_zeros() };
        let count = octave.wrapping_sub(2) & 31;
        let large = 4 * octave + (folded[i] >> count & 3) + (EXACT - 20);
        let is_large = folded[i] >= EXACT;
        tokens[i] = select(is_large, large + 1, u32::from(tokens[i])) as u8;
        counts[i] = select(is_large, count, 0);
        bits[i] = folded[i] & ((1 << counts[i]) - 1);
    }
    let mut pen = writer.pen();
    if any < FOURS_BELOW {
        for (bits, counts) in bits.as_chunks::<4>().0.iter().zip(counts.as_chunks::<4>().0) {
            let [a, b, c, d] = bits.map(u64::from);
            let two = counts[0] + counts[1];
            let (low, high) = (a | b << counts[0], c | d << counts[2]);
            pen.put(low | high << two, two + counts[2] + counts[3]);
        }
    } else {
        for (&bits, &count) in bits.iter().zip(&counts) {
            pen.put(u64::from(bits), count);
        }
    }
    let end = pen.end();
    writer.take_back(end);
}

/// Returns the place of the leading one of a number below 2^31; that of 0 is of no use, but the same everywhere.
#[inline(always)]
fn octave(number: u32) -> u32 {
    // Without the bit behind the leading one the conversion cannot round up to the next octave.
    let float = ((number & !(number >> 1)) as i32 as f32).to_bits();
    (float >> 23).wrapping_sub(127) & 31
}

/// Returns the signed distances of tokens without low bits.
#[inline(always)]
pub(super) fn unfold_exact<const N: usize>(tokens: &[u8; N]) -> [i32; N] {
    tokens.map(|token| unfold(u32::from(token).wrapping_sub(1)))
}

/// Returns the signed distances; takes the low bits of tokens that have some. `most` is the largest token.
#[inline(always)]
pub(super) fn unfold_hybrids<const N: usize>(tokens: &[u8; N], most: u8, low: &mut BitReader) -> [i32; N] {
    let (mut counts, mut folded) = ([0u32; N], [0u32; N]);
    for i in 0..N {
        let plain = u32::from(tokens[i].saturating_sub(1));
        let large = plain.wrapping_sub(EXACT);
        // No token of 32-bit distances has more than 31 low bits; a forged one ends up in a wrong value or length.
        let count = (3 + (large >> 2)).min(31);
        counts[i] = select(plain >= EXACT, count, 0);
        folded[i] = select(plain >= EXACT, (4 + (large & 3)) << count, plain);
    }
    let mut reader = *low;
    if most < FOURS_TOKEN {
        for (folded, counts) in folded.as_chunks_mut::<4>().0.iter_mut().zip(counts.as_chunks::<4>().0) {
            let mut bits = reader.peek();
            for (folded, &count) in folded.iter_mut().zip(counts) {
                *folded |= bits as u32 & ((1 << count) - 1);
                bits >>= count;
            }
            reader.skip(counts.iter().sum());
        }
    } else {
        for (folded, &count) in folded.iter_mut().zip(&counts) {
            *folded |= reader.peek() as u32 & ((1 << count) - 1);
            reader.skip(count);
        }
    }
    *low = reader;
    folded.map(unfold)
}

/// Undoes the folding of a 32-bit distance.
#[inline(always)]
fn unfold(folded: u32) -> i32 {
    (folded >> 1) as i32 ^ -((folded & 1) as i32)
}
