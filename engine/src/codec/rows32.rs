//! Rows of formats of up to 32 bits, coded in the best instructions that the machine has.

use super::bits::BitWriter;
use super::cells::Grid;
use super::cells32::{self, Scratch};
use super::plain32;
use super::word::Format;
use vecdelta_kernels::Widest;

/// The arguments of [`cells32::exponents`].
pub(super) struct Exponents<'a> {
    pub(super) format: Format,
    pub(super) predicted: &'a [u32],
    pub(super) new: &'a [u32],
}

impl Widest for Exponents<'_> {
    type Output = (i64, i64);

    #[inline(always)]
    fn run(self) -> (i64, i64) {
        match self.format.mantissa {
            23 => cells32::exponents::<23>(self.predicted, self.new),
            10 => cells32::exponents::<10>(self.predicted, self.new),
            _ => cells32::exponents::<7>(self.predicted, self.new),
        }
    }
}

/// The arguments of [`cells32::encode_row`].
pub(super) struct EncodeRow<'a> {
    pub(super) grid: Grid,
    pub(super) predicted: &'a [u32],
    pub(super) new: &'a [u32],
    pub(super) tokens: &'a mut [u8],
    pub(super) low: &'a mut BitWriter,
    pub(super) scratch: &'a mut Scratch,
}

impl Widest for EncodeRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { grid, predicted, new, tokens, low, scratch } = self;
        match grid.format.mantissa {
            _ if grid.k == 0 => plain32::encode_row(grid.format, predicted, new, tokens, low),
            23 => cells32::encode_row::<23>(grid, predicted, new, tokens, low, scratch),
            10 => cells32::encode_row::<10>(grid, predicted, new, tokens, low, scratch),
            _ => cells32::encode_row::<7>(grid, predicted, new, tokens, low, scratch),
        }
    }
}

/// The arguments of [`cells32::decode_row`].
pub(super) struct DecodeRow<'a> {
    pub(super) grid: Grid,
    pub(super) tokens: &'a [u8],
    pub(super) low: &'a [u8],
    pub(super) len: usize,
    pub(super) words: &'a mut [u32],
    pub(super) scratch: &'a mut Scratch,
}

impl Widest for DecodeRow<'_> {
    type Output = Option<()>;

    #[inline(always)]
    fn run(self) -> Option<()> {
        let Self { grid, tokens, low, len, words, scratch } = self;
        match grid.format.mantissa {
            _ if grid.k == 0 => plain32::decode_row(grid.format, tokens, low, len, words),
            23 => cells32::decode_row::<23>(grid, tokens, low, len, words, scratch),
            10 => cells32::decode_row::<10>(grid, tokens, low, len, words, scratch),
            _ => cells32::decode_row::<7>(grid, tokens, low, len, words, scratch),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::codec::precision::Narrow;
    use proptest::prelude::*;
    use vecdelta_kernels::{Element, widest};

    /// Returns tokens and low bits of a row, coded in the best instructions or in those of every machine.
    fn coded(grid: Grid, old: &[u32], new: &[u32], best: bool) -> (Vec<u8>, Vec<u8>) {
        let (mut tokens, mut low, mut scratch) = (vec![0; new.len()], BitWriter::default(), Scratch::default());
        let row = EncodeRow { grid, predicted: old, new, tokens: &mut tokens, low: &mut low, scratch: &mut scratch };
        if best {
            widest(row)
        } else {
            row.run()
        }
        low.align();
        (tokens, low.bytes().to_vec())
    }

    fn decoded(grid: Grid, old: &[u32], tokens: &[u8], low: &[u8], best: bool) -> Option<Vec<u32>> {
        let (mut words, mut scratch) = (old.to_vec(), Scratch::default());
        let row = DecodeRow { grid, tokens, low, len: low.len(), words: &mut words, scratch: &mut scratch };
        let valid = if best { widest(row) } else { row.run() };
        valid.map(|()| words)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        /// What is compiled for every machine and for this one: the same sizes, bytes, values and refusals.
        #[test]
        fn both_forms_do_the_same(
            element in prop::sample::select(vec![Element::F32, Element::F16, Element::Bf16]),
            pairs in prop::collection::vec((any::<u32>(), any::<u32>(), 0u32..33), 1..200),
            k in any::<u32>(),
            forged in any::<(u16, u8)>(),
        ) {
            let format = Format::new(element, Narrow::None).unwrap();
            let cut = |word: u32| word & (u32::MAX >> (32 - format.width));
            let old: Vec<u32> = pairs.iter().map(|p| cut(p.0)).collect();
            // Differences of every size, and none.
            let new: Vec<u32> = pairs.iter().map(|p| cut(p.0 ^ p.1.checked_shr(p.2).unwrap_or(0))).collect();
            let exponents = || Exponents { format, predicted: &old, new: &new };
            prop_assert_eq!(exponents().run(), widest(exponents()));
            // Only grids of equal values, and of cells above the subnormal ones, come here.
            let cells = format.mantissa + 1 + k % (format.exponent_max() - format.mantissa - 1);
            let grid = Grid { format, k: if k % 4 == 0 { 0 } else { cells } };
            let (mut tokens, low) = coded(grid, &old, &new, false);
            prop_assert_eq!(&(tokens.clone(), low.clone()), &coded(grid, &old, &new, true));
            prop_assert_eq!(decoded(grid, &old, &tokens, &low, false), Some(new));
            for forge in [false, true] {
                if forge {
                    let at = usize::from(forged.0) % tokens.len();
                    tokens[at] = forged.1 % 254;
                }
                let portable = decoded(grid, &old, &tokens, &low, false);
                prop_assert_eq!(portable, decoded(grid, &old, &tokens, &low, true));
            }
        }
    }
}
