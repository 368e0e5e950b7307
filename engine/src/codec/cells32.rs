//! The cell coder for formats of up to 32 bits, in passes that the compiler turns into vector code.
//!
//! Same bytes as [`cells`](super::cells), which stays the definition. What makes it fast: `floor(|v| / cell)` is an exact
//! multiplication by a power of two and a rounding; the exponent of a cell number is that of the number as a float; and
//! the places of a row are read and written in a pass of their own, whose positions depend on nothing but counts.
//! Valid for `k > M`: then every value whose exponent field is 0 lies in a cell at zero.

use super::bits::{BitReader, BitWriter};
use super::cells::{Grid, SAME, UNARY_MAX};
use super::tokens;

/// How many values a vector pass treats at once.
pub(super) const CHUNK: usize = 64;

/// For each count of bits the mask of as many low bits; all for counts above 31, which are not masked.
const MASKS: [u32; 256] = masks();

const fn masks() -> [u32; 256] {
    let mut masks = [u32::MAX; 256];
    let mut count = 0;
    while count < 32 {
        masks[count] = (1 << count) - 1;
        count += 1;
    }
    masks
}

/// Working memory of a row, kept from row to row.
#[derive(Default)]
pub(super) struct Scratch {
    /// For each value how many mantissa bits are its place in the cell; above M for a cell at zero.
    counts: Vec<u8>,
}

/// The constants of a grid of a format with `M` bits of mantissa.
#[derive(Clone, Copy)]
struct Grid32<const M: u32> {
    k: u32,
    /// One over the width of a cell.
    per_unit: f32,
}

/// Returns `a` where the condition holds, else `b`, without a branch.
#[inline(always)]
fn select(condition: bool, a: u32, b: u32) -> u32 {
    let mask = u32::from(condition).wrapping_neg();
    a & mask | b & !mask
}

impl<const M: u32> Grid32<M> {
    const WIDTH: u32 = if M == 23 { 32 } else { 16 };
    const MAGNITUDE: u32 = (1 << (Self::WIDTH - 1)) - 1;
    /// From the exponent fields of the format to those of f32.
    const REBIAS: u32 = if M == 10 { 112 } else { 0 };

    fn new(k: u32) -> Self {
        let per_unit = f32::from_bits((254 + M - Self::REBIAS - k) << 23);
        Self { k, per_unit }
    }

    /// Returns the magnitude of a value, right but for f16 subnormals and what is no finite number.
    #[inline(always)]
    fn magnitude(word: u32) -> f32 {
        f32::from_bits(((word & Self::MAGNITUDE) << (23 - M)) + (Self::REBIAS << 23))
    }

    /// Returns the signed cell number; without `FAR` only of values for which [`is_far`](Self::is_far) is not negative.
    #[inline(always)]
    fn cell<const FAR: bool>(self, word: u32) -> i32 {
        /// From here on neighbouring floats are one apart.
        const WHOLE: f32 = 8_388_608.0;
        let magnitude = word & Self::MAGNITUDE;
        let value = Self::magnitude(word) * self.per_unit;
        let rounded = value + WHOLE;
        let too_high = u32::from(rounded - WHOLE > value);
        let near = rounded.to_bits().wrapping_sub(WHOLE.to_bits() + too_high);
        let far = magnitude.wrapping_sub((self.k - 1) << M);
        let number = if FAR {
            select(magnitude >> M >= self.k, far, near)
        } else {
            near
        };
        number as i32 ^ ((word << (32 - Self::WIDTH)) as i32 >> 31)
    }

    /// Returns the magnitude at the lower end of a cell which is not far, and the count of its place.
    #[inline(always)]
    fn near(self, number: i32) -> (u32, u32) {
        // As a float the number tells its exponent, and its mantissa is in place but for a shift.
        let float = (number as f32).to_bits();
        let magnitude = (float >> (23 - M)).wrapping_add(self.k.wrapping_sub(M + 127) << M);
        (
            select(number == 0, 0, magnitude),
            (M + 127).wrapping_sub(float >> 23),
        )
    }

    /// Returns the sign bit of the values of a cell.
    #[inline(always)]
    fn sign(cell: i32) -> u32 {
        (cell as u32 >> 31) << (Self::WIDTH - 1)
    }

    /// Returns a negative number for a value that is a cell of its own.
    #[inline(always)]
    fn is_far(self, word: u32) -> i32 {
        ((self.k << M) - 1).wrapping_sub(word & Self::MAGNITUDE) as i32
    }

    /// Returns how many bits the place of a value takes, more than M for a cell at zero.
    #[inline(always)]
    fn count<const FAR: bool>(self, word: u32) -> u32 {
        let exponent = (word & Self::MAGNITUDE) >> M;
        let near = self.k.wrapping_sub(exponent);
        if FAR {
            select(exponent < self.k, near, 0)
        } else {
            near
        }
    }
}

/// Adds up the exponents of the differences of two rows; returns sum and count of those that are finite and not 0.
///
/// Of long rows it looks at a third.
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
    for ((new, predicted), (tokens, counts)) in
        inputs.zip(token_chunks.iter_mut().zip(count_chunks))
    {
        encode_chunk(grid32, predicted, new, tokens, counts, low);
    }
    if !new_rest.is_empty() {
        let (mut tokens, mut counts) = ([0; CHUNK], [0; CHUNK]);
        let (predicted, new) = (padded(predicted_rest), padded(new_rest));
        encode_chunk(grid32, &predicted, &new, &mut tokens, &mut counts, low);
        token_rest.copy_from_slice(&tokens[..new_rest.len()]);
        count_rest.copy_from_slice(&counts[..new_rest.len()]);
    }
    put_places::<M>(grid, new, &scratch.counts, low);
}

/// Fills a chunk up with zeros.
pub(super) fn padded<T: Copy + Default>(values: &[T]) -> [T; CHUNK] {
    let mut chunk = [T::default(); CHUNK];
    chunk[..values.len()].copy_from_slice(values);
    chunk
}

/// Fills tokens and counts, and appends the low bits of the tokens.
fn encode_chunk<const M: u32>(
    grid: Grid32<M>,
    predicted: &[u32; CHUNK],
    new: &[u32; CHUNK],
    tokens: &mut [u8; CHUNK],
    counts: &mut [u8; CHUNK],
    low: &mut BitWriter,
) {
    let mut folded = [0u32; CHUNK];
    let pairs = predicted.iter().zip(new);
    let some_far = pairs.fold(0, |all, (&old, &new)| {
        all | grid.is_far(old) | grid.is_far(new)
    }) < 0;
    let any = if some_far {
        fold_chunk::<M, true>(grid, predicted, new, &mut folded, tokens, counts)
    } else {
        fold_chunk::<M, false>(grid, predicted, new, &mut folded, tokens, counts)
    };
    if u64::from(any) >= tokens::EXACT {
        put_hybrids(&folded, tokens, low);
    }
}

/// Fills tokens (right where the folded distance is below 32) and counts; returns all folded distances or-ed.
#[inline(always)]
fn fold_chunk<const M: u32, const FAR: bool>(
    grid: Grid32<M>,
    predicted: &[u32; CHUNK],
    new: &[u32; CHUNK],
    folded: &mut [u32; CHUNK],
    tokens: &mut [u8; CHUNK],
    counts: &mut [u8; CHUNK],
) -> u32 {
    let mut any = 0;
    for i in 0..CHUNK {
        let distance = grid
            .cell::<FAR>(new[i])
            .wrapping_sub(grid.cell::<FAR>(predicted[i]));
        let fold = ((distance << 1) ^ (distance >> 31)) as u32;
        let changed = u32::from(new[i] == predicted[i]).wrapping_sub(1);
        folded[i] = fold & changed;
        any |= fold & changed;
        tokens[i] = (fold.wrapping_add(1) & changed & 0xff) as u8;
        counts[i] = (grid.count::<FAR>(new[i]) & changed & 0xff) as u8;
    }
    any
}

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

fn put_places<const M: u32>(grid: Grid, new: &[u32], counts: &[u8], low: &mut BitWriter) {
    low.with_pen(|mut pen| {
        let (words, counts) = (new.as_chunks::<2>(), counts.as_chunks::<2>());
        for (&[first, second], &[a, b]) in words.0.iter().zip(counts.0) {
            if u32::from(a.max(b)) <= M {
                let first = u64::from(first & MASKS[usize::from(a)]);
                let second = u64::from(second & MASKS[usize::from(b)]);
                pen.put(first | second << a, u32::from(a) + u32::from(b));
            } else {
                let (first, a) = place_bits::<M>(grid, first, a);
                pen.put(first, a);
                let (second, b) = place_bits::<M>(grid, second, b);
                pen.put(second, b);
            }
        }
        for (&word, &count) in words.1.iter().zip(counts.1) {
            let (bits, count) = place_bits::<M>(grid, word, count);
            pen.put(bits, count);
        }
        pen
    });
}

/// Returns the place of a value as bits, and how many.
#[inline(always)]
fn place_bits<const M: u32>(grid: Grid, word: u32, count: u8) -> (u64, u32) {
    if u32::from(count) <= M {
        return (
            u64::from(word & MASKS[usize::from(count)]),
            u32::from(count),
        );
    }
    let magnitude = word & Grid32::<M>::MAGNITUDE;
    let below = grid.zero_top() - (magnitude >> M);
    if below < UNARY_MAX {
        let mantissa = u64::from(magnitude & ((1 << M) - 1));
        ((mantissa << 1 | 1) << below, below + 1 + M)
    } else {
        (
            u64::from(magnitude) << UNARY_MAX,
            UNARY_MAX + Grid32::<M>::WIDTH - 1,
        )
    }
}

/// Decodes one row like [`cells::decode_row`](super::cells::decode_row), but `low` may go on after the row's `len` bytes.
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
        valid &= decode_chunk(grid32, tokens, words, counts, &mut low);
    }
    if !word_rest.is_empty() {
        let (tokens, mut words, mut counts) = (padded(token_rest), padded(word_rest), [0; CHUNK]);
        valid &= decode_chunk(grid32, &tokens, &mut words, &mut counts, &mut low);
        word_rest.copy_from_slice(&words[..word_rest.len()]);
        count_rest.copy_from_slice(&counts[..word_rest.len()]);
    }
    if !valid {
        return None;
    }
    let end = take_places::<M>(grid, words, &scratch.counts, low)?;
    (end.div_ceil(8) == len).then_some(())
}

/// Replaces predicted words by the lower ends of the new cells; returns whether these are values of the format.
fn decode_chunk<const M: u32>(
    grid: Grid32<M>,
    tokens: &[u8; CHUNK],
    words: &mut [u32; CHUNK],
    counts: &mut [u8; CHUNK],
    low: &mut BitReader,
) -> bool {
    let bounds = |(least, most): (u8, u8), &token: &u8| (least.min(token), most.max(token));
    let (least, most) = tokens.iter().fold((u8::MAX, 0), bounds);
    let distances = if u64::from(most) <= tokens::EXACT {
        unfold_exact(tokens)
    } else {
        unfold_hybrids(tokens, low)
    };
    least > SAME && place_usual(grid, &distances, words, counts)
        || place_any(grid, tokens, &distances, words, counts)
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

/// Places a chunk of changed values none of which is or becomes far; otherwise returns false and leaves the words.
#[inline(always)]
fn place_usual<const M: u32>(
    grid: Grid32<M>,
    distances: &[i32; CHUNK],
    words: &mut [u32; CHUNK],
    counts: &mut [u8; CHUNK],
) -> bool {
    let mut placed = [0; CHUNK];
    let (mut far, mut numbers) = (0, 0);
    for i in 0..CHUNK {
        let cell = grid.cell::<false>(words[i]).wrapping_add(distances[i]);
        let number = cell ^ (cell >> 31);
        far |= grid.is_far(words[i]);
        numbers |= number;
        let (near, count) = grid.near(number);
        counts[i] = (count & 0xff) as u8;
        placed[i] = near | Grid32::<M>::sign(cell);
    }
    let usual = far >= 0 && numbers >> M == 0;
    if usual {
        *words = placed;
    }
    usual
}

/// Places any chunk; returns whether all magnitudes are values of the format.
#[inline(never)]
fn place_any<const M: u32>(
    grid: Grid32<M>,
    tokens: &[u8; CHUNK],
    distances: &[i32; CHUNK],
    words: &mut [u32; CHUNK],
    counts: &mut [u8; CHUNK],
) -> bool {
    let mut all = 0;
    for i in 0..CHUNK {
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

fn take_places<const M: u32>(
    grid: Grid,
    words: &mut [u32],
    counts: &[u8],
    mut low: BitReader,
) -> Option<usize> {
    let (pairs, rest) = words.as_chunks_mut::<2>();
    let counts = counts.as_chunks::<2>();
    for ([first, second], &[a, b]) in pairs.iter_mut().zip(counts.0) {
        let bits = low.peek();
        if u32::from(a.max(b)) <= M {
            *first |= bits as u32 & MASKS[usize::from(a)];
            *second |= (bits >> a) as u32 & MASKS[usize::from(b)];
            low.skip(u32::from(a) + u32::from(b));
        } else {
            let (place, a) = place_from_bits::<M>(grid, bits, a)?;
            *first |= place;
            low.skip(a);
            let (place, b) = place_from_bits::<M>(grid, low.peek(), b)?;
            *second |= place;
            low.skip(b);
        }
    }
    for (word, &count) in rest.iter_mut().zip(counts.1) {
        let (place, count) = place_from_bits::<M>(grid, low.peek(), count)?;
        *word |= place;
        low.skip(count);
    }
    Some(low.at())
}

/// Returns what the place adds to the magnitude, and how many bits it took.
#[inline(always)]
fn place_from_bits<const M: u32>(grid: Grid, bits: u64, count: u8) -> Option<(u32, u32)> {
    if u32::from(count) <= M {
        return Some((bits as u32 & MASKS[usize::from(count)], u32::from(count)));
    }
    let below = bits.trailing_zeros();
    if below >= UNARY_MAX {
        let magnitude = (bits >> UNARY_MAX) as u32 & Grid32::<M>::MAGNITUDE;
        return Some((magnitude, UNARY_MAX + Grid32::<M>::WIDTH - 1));
    }
    let exponent = grid.zero_top().checked_sub(below)?;
    let mantissa = (bits >> (below + 1)) as u32 & ((1 << M) - 1);
    Some((exponent << M | mantissa, below + 1 + M))
}
