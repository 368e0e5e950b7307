//! Rows of f32 on their own: the exponents in pairs, entropy coded; sign and mantissa as they are.
//!
//! ```text
//! mode 4   top
//! bytes ceil(n * dims / 2)   two values a byte, the first in the high half: top less the exponent field, 15 for another one
//! bytes                      those other exponent fields
//! each row                   dims u16: the low half of each value     dims bytes: its sign and the 7 bits above that half
//! ```
//!
//! Of a value without a prediction all but the exponent is nearly random. So little is lost (0.3 % of a Gaussian row
//! against cells) by what makes this three times as fast: one entropy-coded symbol for two values, and a fixed place for
//! the rest, so that rows become values in vector code without a single branch.

use super::bytes::{encode_bytes, read_bytes_exact};
use super::error::CodecError;
use super::frequencies;
use super::layout::{Shape, mode};
use super::precision::Narrow;
use super::reader::Reader;
use super::source::Source;
use super::spare::SpareVec;
use vecdelta_kernels::{Element, Widest, widest};

/// The half byte of an exponent that is too far from the others.
const OTHER: u8 = 15;
/// The bits of a value that are stored as they are.
pub(super) const PLAIN_BITS: u64 = 24;
/// Bytes of a value that are stored as they are.
const PLAIN: usize = PLAIN_BITS as usize / 8;

/// Pairs that are looked through at once.
const CHUNK: usize = 16;

/// Returns whether the values of a source without old rows can be written this way.
pub(super) fn fits(source: Source) -> bool {
    source.shape.element == Element::F32 && source.narrow == Narrow::None
}

/// Appends the payload of rows of f32.
pub(super) fn write(shape: Shape, rows: &[u8], out: &mut Vec<u8>) {
    let (words, _) = rows.as_chunks::<4>();
    let mut exponents = vec![0; words.len()];
    widest(TakeExponents { words, exponents: &mut exponents });
    let top = top(&frequencies::count(&exponents));
    let mut pairs = vec![0; words.len().div_ceil(2)];
    widest(Pair { exponents: &exponents, top, pairs: &mut pairs });
    let others: Vec<u8> = exponents.iter().copied().filter(|&e| top.wrapping_sub(e) >= OTHER).collect();
    out.extend([mode::EXPONENTS, top]);
    encode_bytes(&pairs, out);
    encode_bytes(&others, out);
    let start = out.len();
    out.resize(start + PLAIN * words.len(), 0);
    let plain = out[start..].chunks_exact_mut(PLAIN * shape.dims);
    plain.zip(words.chunks_exact(shape.dims)).for_each(|(plain, words)| widest(PutPlain { words, plain }));
}

/// Returns about the size of some values in 4096ths of a bit, tables apart.
pub(super) fn cost(rows: &[u8]) -> u64 {
    let (words, _) = rows.as_chunks::<4>();
    let mut exponents = vec![0; words.len()];
    widest(TakeExponents { words, exponents: &mut exponents });
    let counts = frequencies::count(&exponents);
    let top = top(&counts);
    let mut halves = [0; 256];
    (0..=u8::MAX).for_each(|e| halves[usize::from(top.wrapping_sub(e).min(OTHER))] += counts[usize::from(e)]);
    let others = u64::from(halves[usize::from(OTHER)]);
    let coded = match halves.iter().filter(|&&c| c > 0).count() {
        0 | 1 => 0,
        _ => frequencies::cost(&halves, &frequencies::normalise(&halves)),
    };
    coded + frequencies::COST_PARTS * (PLAIN_BITS * words.len() as u64 + 8 * others)
}

/// Returns the largest of those fifteen neighbouring exponents among which most values are.
fn top(counts: &frequencies::Counts) -> u8 {
    let among = |top: u8| (0..OTHER).map(|n| counts[usize::from(top.wrapping_sub(n))]).sum::<u32>();
    (0..=u8::MAX).max_by_key(|&top| among(top)).unwrap_or(0)
}

/// A parsed payload.
pub(super) struct Exponents<'a> {
    dims: usize,
    top: u8,
    pairs: Vec<u8>,
    /// Which values have an exponent that is not in the pairs, ascending, and the exponent.
    others: Vec<(u32, u8)>,
    plain: &'a [u8],
}

impl<'a> Exponents<'a> {
    pub(super) fn read(input: &mut Reader<'a>, shape: Shape) -> Result<Self, CodecError> {
        if shape.element != Element::F32 {
            return input.corrupt("the mode is of f32 alone");
        }
        let top = input.byte("largest exponent")?;
        let pairs = read_bytes_exact(input, shape.cells.div_ceil(2), "exponents do not match the block")?;
        if shape.cells % 2 == 1 && pairs.last().is_some_and(|pair| pair & OTHER != 0) {
            return input.corrupt("there is an exponent without a value");
        }
        let places = places_of_others(&pairs);
        let others = read_bytes_exact(input, places.len(), "other exponents do not match the block")?;
        let plain = input.take(PLAIN * shape.cells, "signs and mantissas")?;
        Ok(Self { dims: shape.dims, top, pairs, others: places.into_iter().zip(others).collect(), plain })
    }

    /// Decodes row `first` and following ones into `rows`.
    pub(super) fn apply(&self, first: usize, rows: &mut [u8]) {
        let dims = self.dims;
        // A row of odd length may begin or end within a pair.
        let mut exponents = SpareVec::with_room(dims + 2);
        if exponents.len() < dims + 2 {
            exponents.resize(dims + 2, 0);
        }
        for (r, row) in (first..).zip(rows.chunks_exact_mut(4 * dims)) {
            let (start, end) = (r * dims, (r + 1) * dims);
            widest(Unpair { pairs: &self.pairs[start / 2..end.div_ceil(2)], top: self.top, exponents: &mut exponents });
            let exponents = &mut exponents[start % 2..][..dims];
            let from = self.others.partition_point(|&(at, _)| (at as usize) < start);
            let own = self.others[from..].iter().take_while(|(at, _)| (*at as usize) < end);
            own.for_each(|&(at, exponent)| exponents[at as usize - start] = exponent);
            widest(Assemble { exponents, plain: &self.plain[PLAIN * start..PLAIN * end], row });
        }
    }
}

/// Returns the numbers of the values whose exponents are not in the pairs.
fn places_of_others(pairs: &[u8]) -> Vec<u32> {
    let mut found = vec![false; pairs.len().div_ceil(CHUNK)];
    widest(FindOthers { pairs, found: &mut found });
    let mut places = Vec::new();
    for (c, _) in found.iter().enumerate().filter(|(_, found)| **found) {
        for (i, &pair) in pairs.iter().enumerate().skip(c * CHUNK).take(CHUNK) {
            let halves = [(pair >> 4, 2 * i), (pair & OTHER, 2 * i + 1)];
            halves.iter().filter(|half| half.0 == OTHER).for_each(|half| places.push(half.1 as u32));
        }
    }
    places
}

/// Copies the exponent fields of values.
struct TakeExponents<'a> {
    words: &'a [[u8; 4]],
    exponents: &'a mut [u8],
}

impl Widest for TakeExponents<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (exponent, word) in self.exponents.iter_mut().zip(self.words) {
            *exponent = (u32::from_le_bytes(*word) >> 23) as u8;
        }
    }
}

/// Puts two exponents into a byte, as distances from the top.
struct Pair<'a> {
    exponents: &'a [u8],
    top: u8,
    pairs: &'a mut [u8],
}

impl Widest for Pair<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let half = |exponent: u8| self.top.wrapping_sub(exponent).min(OTHER);
        let (twos, last) = self.exponents.as_chunks::<2>();
        for (pair, &[first, second]) in self.pairs.iter_mut().zip(twos) {
            *pair = half(first) << 4 | half(second);
        }
        if let (&[alone], Some(pair)) = (last, self.pairs.last_mut()) {
            *pair = half(alone) << 4;
        }
    }
}

/// Tells of each chunk whether a value in it has an exponent that is not in the pairs.
struct FindOthers<'a> {
    pairs: &'a [u8],
    found: &'a mut [bool],
}

impl Widest for FindOthers<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let is_other = |pair: u8| u8::from(pair >> 4 == OTHER) | u8::from(pair & OTHER == OTHER);
        let (chunks, rest) = self.pairs.as_chunks::<CHUNK>();
        for (found, chunk) in self.found.iter_mut().zip(chunks) {
            *found = chunk.iter().fold(0, |any, &pair| any | is_other(pair)) != 0;
        }
        if let (Some(found), [_, ..]) = (self.found.last_mut(), rest) {
            *found = rest.iter().any(|&pair| is_other(pair) != 0);
        }
    }
}

/// Undoes [`Pair`]; an exponent that is not in the pairs becomes `top - 15`.
struct Unpair<'a> {
    pairs: &'a [u8],
    top: u8,
    exponents: &'a mut [u8],
}

impl Widest for Unpair<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (two, &pair) in self.exponents.as_chunks_mut::<2>().0.iter_mut().zip(self.pairs) {
            *two = [self.top.wrapping_sub(pair >> 4), self.top.wrapping_sub(pair & 15)];
        }
    }
}

/// Splits the values of a row into low halves and, but for the exponents, high ones.
struct PutPlain<'a> {
    words: &'a [[u8; 4]],
    plain: &'a mut [u8],
}

impl Widest for PutPlain<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (low, high) = self.plain.split_at_mut(2 * self.words.len());
        for (low, word) in low.as_chunks_mut().0.iter_mut().zip(self.words) {
            *low = (u32::from_le_bytes(*word) as u16).to_le_bytes();
        }
        for (high, word) in high.iter_mut().zip(self.words) {
            let word = u32::from_le_bytes(*word);
            *high = (word >> 16 & 0x7f | word >> 24 & 0x80) as u8;
        }
    }
}

/// Puts the values of a row together.
struct Assemble<'a> {
    exponents: &'a [u8],
    plain: &'a [u8],
    row: &'a mut [u8],
}

impl Widest for Assemble<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let (low, high) = self.plain.split_at(2 * self.exponents.len());
        let parts = low.as_chunks().0.iter().zip(high).zip(self.exponents);
        for (word, ((low, &high), &exponent)) in self.row.as_chunks_mut().0.iter_mut().zip(parts) {
            let (high, exponent) = (u32::from(high), u32::from(exponent));
            let bits = u32::from(u16::from_le_bytes(*low)) | (high & 0x7f) << 16 | exponent << 23 | (high & 0x80) << 24;
            *word = bits.to_le_bytes();
        }
    }
}
