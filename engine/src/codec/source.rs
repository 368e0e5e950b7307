//! The values to encode, row by row: all of them or the changed ones, with what predicts them.

use super::layout::Shape;
use super::positions::Positions;
use super::precision::Narrow;
use super::word::{Format, Word};
use std::ops::Range;

/// Rows at hand, and how they are to be read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) shape: Shape,
    pub(super) format: Format,
    pub(super) narrow: Narrow,
    /// Rows that predict the new ones; zeros without them.
    pub(super) old: Option<&'a [u8]>,
    /// Whole rows, or of each only the cells at its positions; so with the old ones.
    pub(super) new: &'a [u8],
    /// The cells to encode, if not all.
    pub(super) positions: Option<&'a Positions>,
}

impl Source<'_> {
    /// Returns how many values are encoded.
    pub(super) fn len(&self) -> usize {
        self.positions.map_or(self.shape.cells, Positions::len)
    }

    /// Returns where the values of row `r` are among all values.
    pub(super) fn range(&self, r: usize) -> Range<usize> {
        match self.positions {
            Some(positions) => positions.range(r),
            None => r * self.shape.dims..(r + 1) * self.shape.dims,
        }
    }

    /// Fills in the values of row `r`.
    pub(super) fn row<W: Word>(&self, r: usize, predicted: &mut Vec<W>, new: &mut Vec<W>) {
        self.words(r, self.new, new);
        match self.old {
            Some(old) => self.words(r, old, predicted),
            None => {
                predicted.clear();
                predicted.resize(new.len(), W::default());
            }
        }
    }

    fn words<W: Word>(&self, r: usize, rows: &[u8], words: &mut Vec<W>) {
        let (range, size) = (self.range(r), self.shape.element.size());
        words.clear();
        W::load(self.shape.element, self.narrow, &rows[range.start * size..range.end * size], words);
    }
}
