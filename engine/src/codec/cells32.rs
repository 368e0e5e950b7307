//! The cell coder for formats of up to 32 bits, in passes that the compiler turns into vector code.
//!
//! Same bytes as [`cells`](super::cells), which stays the definition. The places of a row are read and written in a pass of
//! their own, whose positions depend on nothing but counts. Valid for `k > M`, see [`grid32`](super::grid32).

use super::bits::{BitReader, BitWriter};
use super::cells::{Grid, SAME};
use super::grid32::{CHUNK, Grid32, SHORT, padded, place_bits, place_from_bits, select};
use super::hybrids32::{put_hybrids, unfold_exact, unfold_hybrids};
use super::tokens;
use vecdelta_kernels::{or_fields, put_fields};

/// So many values are placed one by one where one of them is in a cell at zero.
const FEW: usize = 8;

/// Working memory of a row, kept from row to row.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each value how many mantissa bits are its place in the cell; above M for a cell at zero.
    counts: Vec<u8>,
}

/// Adds up the exponents of the differences of two rows; returns sum and count of those that are finite and not 0.
///
/// Of long rows it looks at a third.
#[inline(always)]
pub(super) fn exponents<const M: u32>(predicted: &[u32], new: &[u32]) -> (i64, i64) {
    let chunks = predicted.chunks(CHUNK).zip(new.chunks(CHUNK));
    let (mut sum, mut count) = (0i64, 0i64);
    for (predicted, new) in chunks.step_by(if new.len() < 4 * CHUNK { 1 } else { 3 }) {
        let (mut part, mut counted) = (0i32, 0i32);
        for (&new, &old) in new.iter().zip(predicted) {
            let signs = (new ^ old) << (32 - Grid32::<M>::WIDTH) & 0x8000_0000;
            let old = f32::from_bits(Grid32::<M>::magnitude(old).to_bits() | signs);
            let difference = Grid32::<M>::magnitude(new) - old;
            let exponent = (difference.to_bits() >> 23) as i32 & 0xff;
            let counts = i32::from(exponent != 0 && exponent != 0xff);
            part += (exponent - 127) & -counts;
            counted += counts;
        }
        sum += i64::from(part);
        count += i64::from(counted);
    }
    (sum, count)
}

/// Encodes one row like [`cells::encode_row`](super::cells::encode_row).
#[inline(always)]
pub(super) fn encode_row<const M: u32>(
    grid: Grid,
    predicted: &[u32],
    new: &[u32],
    tokens: &mut [u8],
    low: &mut BitWriter,
    scratch: &mut Scratch,
) {
    let grid32 = Grid32::<M>::new(grid.k);
    low.make_room(new.len());
    scratch.counts.resize(new.len(), 0);
    let (new_chunks, new_rest) = new.as_chunks::<CHUNK>();
    let (predicted_chunks, predicted_rest) = predicted.as_chunks();
    let (token_chunks, token_rest) = tokens.as_chunks_mut();
    let (count_chunks, count_rest) = scratch.counts.as_chunks_mut();
    let inputs = new_chunks.iter().zip(predicted_chunks);
    for ((new, predicted), (tokens, counts)) in inputs.zip(token_chunks.iter_mut().zip(count_chunks)) {
        encode_chunk::<M, CHUNK>(grid32, predicted, new, tokens, counts, low);
    }
    for start in (0..new_rest.len()).step_by(SHORT) {
        let some = start..new_rest.len().min(start + SHORT);
        let (mut tokens, mut counts) = ([0; SHORT], [0; SHORT]);
        let (predicted, new) = (padded(&predicted_rest[some.clone()]), padded(&new_rest[some.clone()]));
        encode_chunk(grid32, &predicted, &new, &mut tokens, &mut counts, low);
        token_rest[some.clone()].copy_from_slice(&tokens[..some.len()]);
        count_rest[some.clone()].copy_from_slice(&counts[..some.len()]);
    }
    put_places::<M>(grid, new, &scratch.counts, low);
}

/// Fills tokens and counts, and appends the low bits of the tokens.
#[inline(always)]
fn encode_chunk<const M: u32, const N: usize>(
    grid: Grid32<M>,
    predicted: &[u32; N],
    new: &[u32; N],
    tokens: &mut [u8; N],
    counts: &mut [u8; N],
    low: &mut BitWriter,
) {
    let mut folded = [0u32; N];
    let pairs = predicted.iter().zip(new);
    let some_far = pairs.fold(0, |all, (&old, &new)| all | grid.is_far(old) | grid.is_far(new)) < 0;
    let any = if some_far {
        fold_chunk::<M, N, true>(grid, predicted, new, &mut folded, tokens, counts)
    } else {
        fold_chunk::<M, N, false>(grid, predicted, new, &mut folded, tokens, counts)
    };
    if u64::from(any) >= tokens::EXACT {
        put_hybrids(&folded, any, tokens, low);
    }
}

/// Fills tokens (right where the folded distance is below 32) and counts; returns all folded distances or-ed.
#[inline(always)]
fn fold_chunk<const M: u32, const N: usize, const FAR: bool>(
    grid: Grid32<M>,
    predicted: &[u32; N],
    new: &[u32; N],
    folded: &mut [u32; N],
    tokens: &mut [u8; N],
    counts: &mut [u8; N],
) -> u32 {
    let mut any = 0;
    for i in 0..N {
        let distance = grid.cell::<FAR>(new[i]).wrapping_sub(grid.cell::<FAR>(predicted[i]));
        let fold = ((distance << 1) ^ (distance >> 31)) as u32;
        let changed = u32::from(new[i] == predicted[i]).wrapping_sub(1);
        folded[i] = fold & changed;
        any |= fold & changed;
        tokens[i] = (fold.wrapping_add(1) & changed & 0xff) as u8;
        counts[i] = (grid.count::<FAR>(new[i]) & changed & 0xff) as u8;
    }
    any
}

#[inline(always)]
fn put_places<const M: u32>(grid: Grid, new: &[u32], counts: &[u8], low: &mut BitWriter) {
    let mut pen = low.pen();
    let mut done = 0;
    loop {
        done += put_fields(&new[done..], &counts[done..], M as u8, &mut pen);
        let some = done..new.len().min(done + 2);
        done = some.end;
        if some.is_empty() {
            break;
        }
        for (&word, &count) in new[some.clone()].iter().zip(&counts[some]) {
            let (bits, count) = place_bits::<M>(grid, word, count);
            pen.put(bits, count);
        }
    }
    let end = pen.end();
    low.take_back(end);
}

/// Decodes one row like [`cells::decode_row`](super::cells::decode_row), but `low` may go on after the row's `len` bytes.
#[inline(always)]
pub(super) fn decode_row<const M: u32>(
    grid: Grid,
    tokens: &[u8],
    low: &[u8],
    len: usize,
    words: &mut [u32],
    scratch: &mut Scratch,
) -> Option<()> {
    let grid32 = Grid32::<M>::new(grid.k);
    scratch.counts.resize(words.len(), 0);
    let mut low = BitReader::new(low);
    let mut valid = true;
    let (token_chunks, token_rest) = tokens.as_chunks();
    let (word_chunks, word_rest) = words.as_chunks_mut();
    let (count_chunks, count_rest) = scratch.counts.as_chunks_mut();
    for ((tokens, words), counts) in token_chunks.iter().zip(word_chunks).zip(count_chunks) {
        valid &= decode_chunk::<M, CHUNK>(grid32, tokens, words, counts, &mut low);
    }
    for start in (0..word_rest.len()).step_by(SHORT) {
        let some = start..word_rest.len().min(start + SHORT);
        let (tokens, mut words, mut counts) =
            (padded(&token_rest[some.clone()]), padded(&word_rest[some.clone()]), [0; SHORT]);
        valid &= decode_chunk(grid32, &tokens, &mut words, &mut counts, &mut low);
        word_rest[some.clone()].copy_from_slice(&words[..some.len()]);
        count_rest[some.clone()].copy_from_slice(&counts[..some.len()]);
    }
    if !valid {
        return None;
    }
    let end = take_places::<M>(grid, words, &scratch.counts, low)?;
    (end.div_ceil(8) == len).then_some(())
}

/// Replaces predicted words by the lower ends of the new cells; returns whether these are values of the format.
#[inline(always)]
fn decode_chunk<const M: u32, const N: usize>(
    grid: Grid32<M>,
    tokens: &[u8; N],
    words: &mut [u32; N],
    counts: &mut [u8; N],
    low: &mut BitReader,
) -> bool {
    let bounds = |(least, most): (u8, u8), &token: &u8| (least.min(token), most.max(token));
    let (least, most) = tokens.iter().fold((u8::MAX, 0), bounds);
    let distances =
        if u64::from(most) <= tokens::EXACT { unfold_exact(tokens) } else { unfold_hybrids(tokens, most, low) };
    let usual = if least > SAME {
        place_usual::<M, N, false>(grid, tokens, &distances, words, counts)
    } else {
        place_usual::<M, N, true>(grid, tokens, &distances, words, counts)
    };
    usual || place_any(grid, tokens, &distances, words, counts)
}

/// Places a chunk of values none of which is or becomes far; otherwise returns false and leaves the words. Some may be `SAME`.
#[inline(always)]
fn place_usual<const M: u32, const N: usize, const SOME_SAME: bool>(
    grid: Grid32<M>,
    tokens: &[u8; N],
    distances: &[i32; N],
    words: &mut [u32; N],
    counts: &mut [u8; N],
) -> bool {
    let mut placed = [0; N];
    let (mut far, mut numbers) = (0, 0);
    for i in 0..N {
        let cell = grid.cell::<false>(words[i]).wrapping_add(distances[i]);
        let number = cell ^ (cell >> 31);
        let changed = if SOME_SAME { u32::from(tokens[i] == SAME).wrapping_sub(1) } else { u32::MAX };
        far |= grid.is_far(words[i]) & changed as i32;
        numbers |= number & changed as i32;
        let (near, count) = grid.near(number);
        counts[i] = (count & changed & 0xff) as u8;
        placed[i] = (near | Grid32::<M>::sign(cell)) & changed | words[i] & !changed;
    }
    let usual = far >= 0 && numbers >> M == 0;
    if usual {
        *words = placed;
    }
    usual
}

/// Places any chunk; returns whether all magnitudes are values of the format.
#[inline(never)]
fn place_any<const M: u32, const N: usize>(
    grid: Grid32<M>,
    tokens: &[u8; N],
    distances: &[i32; N],
    words: &mut [u32; N],
    counts: &mut [u8; N],
) -> bool {
    let mut all = 0;
    for i in 0..N {
        let changed = u32::from(tokens[i] == SAME).wrapping_sub(1);
        let cell = grid.cell::<true>(words[i]).wrapping_add(distances[i]);
        let number = cell ^ (cell >> 31);
        let is_far = number >= 1 << M;
        let far = (number as u32).wrapping_add((grid.k - 1) << M);
        let (near, count) = grid.near(number);
        let magnitude = select(is_far, far, near);
        all |= magnitude & changed;
        counts[i] = (select(is_far, 0, count) & changed & 0xff) as u8;
        words[i] = (magnitude | Grid32::<M>::sign(cell)) & changed | words[i] & !changed;
    }
    all & !Grid32::<M>::MAGNITUDE == 0
}

#[inline(always)]
fn take_places<const M: u32>(grid: Grid, words: &mut [u32], counts: &[u8], mut low: BitReader) -> Option<usize> {
    let mut done = 0;
    loop {
        let (more, end) = or_fields(&mut words[done..], &counts[done..], M as u8, low.bytes(), low.at());
        done += more;
        low.skip_to(end);
        let some = done..words.len().min(done + FEW);
        done = some.end;
        if some.is_empty() {
            return Some(low.at());
        }
        for (word, &count) in words[some.clone()].iter_mut().zip(&counts[some]) {
            let (place, count) = place_from_bits::<M>(grid, low.peek(), count)?;
            *word |= place;
            low.skip(count);
        }
    }
}
