//! The cell coder: a new value as its distance from a predicted one on a grid, and its place within the grid cell.
//!
//! A row has a grid exponent `k`, chosen so that a cell is about a third of the typical change. Cells are those of a
//! number format whose subnormals begin below exponent field `k`: equally wide (the distance of neighbouring values at
//! exponent `k`) for small values, one value each from exponent `k` on. Noise that does not depend on the value thus has
//! one distribution of distances, at every magnitude, across changes of exponent and sign; that distribution goes
//! through the entropy coder. A cell lies within one exponent, so the place in it is a fixed number of mantissa bits,
//! equally likely, stored as they are. Only the two cells around zero hold many exponents; there the exponent is unary,
//! which is its entropy.
//!
//! ```text
//! cell number     q = floor(|v| / cell)      s = q, or -1 - q if the sign bit is set
//! token           0: same bits as predicted;  else 1 + token of fold(s_new - s_predicted)
//! low bits of a row, two parts:  low bits of the tokens, value by value
//!                                place in the cell, value by value:
//!   q >= 2^M         nothing (one value a cell)
//!   0 < q < 2^M      the low M - log2(q) bits of the mantissa
//!   q = 0            j zeros and a one, then the mantissa: exponent field max(k - M - 1, 0) - j;
//!                    or 16 zeros, then all bits but the sign
//! ```
//! M = bits of the mantissa. With k = 0 every value is a cell of its own.
//! Source: own; the idea of shifting by the class of the old value (see docs) taken to its end.

use super::bits::{BitReader, BitWriter};
use super::tokens;
use super::word::{Format, Word};

/// From this distance of exponents on, a value near zero is stored whole.
pub(super) const UNARY_MAX: u32 = 16;
/// The token of an unchanged value; the others are shifted by one.
pub(super) const SAME: u8 = 0;

/// A grid: a format and where its cells stop growing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) format: Format,
    /// Exponent field up to which all cells are equally wide; 0 for a cell per value.
    pub(super) k: u32,
}

/// Where in its cell a value is.
enum Place {
    /// Low mantissa bits, so many.
    Low(u32),
    /// In a cell at zero.
    Zero,
}

impl Grid {
    /// Returns the signed cell number of a bit pattern.
    #[inline(always)]
    fn cell(self, word: u64) -> i64 {
        let Format { width, mantissa } = self.format;
        let magnitude = word & self.format.magnitude_mask();
        let exponent = (magnitude >> mantissa) as u32;
        let number = if self.k == 0 {
            magnitude
        } else if exponent > self.k {
            magnitude - (u64::from(self.k - 1) << mantissa)
        } else if exponent == 0 || self.k - exponent > mantissa {
            0
        } else {
            (magnitude & self.format.mantissa_mask() | 1 << mantissa) >> (self.k - exponent)
        };
        let sign = -((word >> (width - 1)) as i64);
        number as i64 ^ sign
    }

    #[inline(always)]
    fn place(self, number: u64) -> Place {
        let mantissa = self.format.mantissa;
        if self.k == 0 || number >> mantissa != 0 {
            Place::Low(0)
        } else if number == 0 {
            Place::Zero
        } else {
            Place::Low(mantissa - number.ilog2())
        }
    }

    /// Returns the exponent field at the top of the cells at zero.
    pub(super) fn zero_top(self) -> u32 {
        self.k.saturating_sub(self.format.mantissa + 1)
    }

    /// Appends the place of a value in its cell.
    #[inline(always)]
    fn put_place(self, word: u64, out: &mut BitWriter) {
        let cell = self.cell(word);
        match self.place((cell ^ (cell >> 63)) as u64) {
            Place::Low(count) => out.put(word & ((1 << count) - 1), count),
            Place::Zero => self.put_zero_place(word, out),
        }
    }

    /// Appends the place of a value in a cell at zero.
    fn put_zero_place(self, word: u64, out: &mut BitWriter) {
        let Format { width, mantissa } = self.format;
        let magnitude = word & self.format.magnitude_mask();
        let below = self.zero_top() - (magnitude >> mantissa) as u32;
        if below < UNARY_MAX {
            out.put(1 << below, below + 1);
            out.put(magnitude & self.format.mantissa_mask(), mantissa);
        } else {
            out.put(0, UNARY_MAX);
            out.put(magnitude, width - 1);
        }
    }

    /// Returns the magnitude bits of the value at its place in cell `number`.
    #[inline(always)]
    fn take_place(self, number: u64, input: &mut BitReader) -> Option<u64> {
        let mantissa = self.format.mantissa;
        match self.place(number) {
            Place::Zero => self.take_zero_place(input),
            Place::Low(0) => {
                let skipped = u64::from(self.k.saturating_sub(1)) << mantissa;
                let magnitude = number.checked_add(skipped)?;
                (magnitude <= self.format.magnitude_mask()).then_some(magnitude)
            }
            Place::Low(count) => {
                let exponent = self.k.checked_sub(count).filter(|e| *e > 0)?;
                let top = (number << count) & self.format.mantissa_mask();
                Some(u64::from(exponent) << mantissa | top | input.take_wide(count))
            }
        }
    }

    /// Returns the magnitude bits of the value at its place in a cell at zero.
    fn take_zero_place(self, input: &mut BitReader) -> Option<u64> {
        let Format { width, mantissa } = self.format;
        let below = input.peek().trailing_zeros().min(UNARY_MAX);
        if below == UNARY_MAX {
            input.skip(UNARY_MAX);
            return Some(input.take_wide(width - 1));
        }
        input.skip(below + 1);
        let exponent = self.zero_top().checked_sub(below)?;
        Some(u64::from(exponent) << mantissa | input.take_wide(mantissa))
    }
}

/// Encodes one row: a token for each value into `tokens`, the low bits into `low` (not aligned).
///
/// All three slices have the same length.
pub(super) fn encode_row<W: Word>(grid: Grid, predicted: &[W], new: &[W], tokens: &mut [u8], low: &mut BitWriter) {
    low.make_room(new.len());
    for ((token, &new), &predicted) in tokens.iter_mut().zip(new).zip(predicted) {
        if new == predicted {
            *token = SAME;
            continue;
        }
        let distance = W::wrap(grid.cell(new.bits()).wrapping_sub(grid.cell(predicted.bits())));
        let folded = tokens::fold(distance);
        let plain = tokens::token(folded);
        *token = plain + 1;
        if folded >= tokens::EXACT {
            low.put(tokens::low(folded, plain), u32::from(tokens::LOW_BITS[usize::from(plain)]));
        }
    }
    if grid.k > 0 {
        for (_, new) in tokens.iter().zip(new).filter(|(token, _)| **token != SAME) {
            grid.put_place(new.bits(), low);
        }
    }
}

/// Decodes one row: `words` holds the predicted values and then the new ones. `low` are the row's low bits.
///
/// Returns `None` if they contradict each other.
pub(super) fn decode_row<W: Word>(grid: Grid, tokens: &[u8], low: &[u8], words: &mut [W]) -> Option<()> {
    let mut first = BitReader::new(low);
    let mut second = first;
    second.skip_to(low_bits(tokens));
    for (&token, word) in tokens.iter().zip(words) {
        if token == SAME {
            continue;
        }
        let plain = usize::from(token - 1);
        let folded = tokens::FIRST[plain].wrapping_add(first.take_wide(u32::from(tokens::LOW_BITS[plain])));
        let cell = W::wrap(grid.cell(word.bits()).wrapping_add(tokens::unfold(folded)));
        let sign = (cell >> 63) as u64;
        let magnitude = grid.take_place(cell as u64 ^ sign, &mut second)?;
        *word = W::from_bits(magnitude | (sign & 1) << (grid.format.width - 1));
    }
    (second.at().div_ceil(8) == low.len()).then_some(())
}

/// Returns how many low bits belong to the tokens of a row.
fn low_bits(tokens: &[u8]) -> usize {
    let of = |token: &u8| usize::from(tokens::LOW_BITS[usize::from(token.saturating_sub(1))]);
    tokens.iter().map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::super::cells32::Scratch;
    use super::super::precision::Narrow;
    use super::*;
    use vecdelta_kernels::Element;

    /// The vector passes write and read the very bytes which this file defines.
    #[test]
    fn fast_passes_agree_with_the_definition() {
        let mut state = 1u32;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state
        };
        for element in [Element::F32, Element::F16, Element::Bf16] {
            let format = Format::new(element, Narrow::None).unwrap_or(Format { width: 0, mantissa: 0 });
            for _ in 0..3000 {
                let k = next() % format.exponent_max();
                let mask = ((2u64 << (format.width - 1)) - 1) as u32;
                let near = next() % format.width;
                let predicted: Vec<u32> = (0..next() % 200).map(|_| next() & mask).collect();
                let new: Vec<u32> =
                    predicted.iter().map(|p| (p ^ ((next() >> (next() % 32)) >> near)) & mask).collect();
                let grid = Grid { format, k };
                let (mut tokens, mut fast_tokens) = (vec![0; new.len()], vec![0; new.len()]);
                let (mut low, mut fast_low) = (BitWriter::default(), BitWriter::default());
                encode_row(grid, &predicted, &new, &mut tokens, &mut low);
                u32::encode_row(grid, &predicted, &new, &mut fast_tokens, &mut fast_low, &mut Scratch::default());
                low.align();
                fast_low.align();
                assert_eq!(tokens, fast_tokens, "{element:?} k {k}");
                assert!(low.bytes() == fast_low.bytes(), "{element:?} k {k}");
                let (mut words, mut fast_words) = (predicted.clone(), predicted.clone());
                let (bytes, scratch) = (low.bytes(), &mut Scratch::default());
                assert!(decode_row(grid, &tokens, bytes, &mut words).is_some());
                assert!(u32::decode_row(grid, &tokens, bytes, bytes.len(), &mut fast_words, scratch).is_some());
                assert!(words == new && fast_words == new, "{element:?} k {k}");
            }
        }
    }
}
