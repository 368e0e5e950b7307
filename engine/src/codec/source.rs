//! The values to encode, row by row: all of them or the changed ones, with what predicts them.

use super::layout::Shape;
use super::level::Level;
use super::positions::Positions;
use super::precision::Narrow;
use super::spare::SpareVec;
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

    /// Returns all values with what predicts each.
    pub(super) fn values<W: Word>(&self) -> Values<W> {
        let load = |rows: &[u8]| {
            let mut words = SpareVec::empty(self.len());
            W::load(self.shape.element, self.narrow, rows, &mut words);
            words
        };
        let new = load(self.new);
        let predicted = self.old.map_or_else(|| zeros(new.len()), load);
        Values { predicted, new }
    }
}

fn zeros<W: Word>(len: usize) -> SpareVec<W> {
    let mut words = SpareVec::empty(len);
    words.resize(len, W::default());
    words
}

/// Values to encode and what predicts each, row by row.
pub(super) struct Values<W: Word> {
    pub(super) predicted: SpareVec<W>,
    pub(super) new: SpareVec<W>,
}

impl<W: Word> Values<W> {
    /// Returns the same values without a prediction.
    pub(super) fn alone(&self) -> Self {
        let mut new = SpareVec::empty(self.new.len());
        new.extend_from_slice(&self.new);
        Self { predicted: zeros(new.len()), new }
    }

    /// Measures the differences of some of them.
    pub(super) fn level(&self, format: Format, range: Range<usize>) -> Level {
        Level::of(format, &self.predicted[range.clone()], &self.new[range])
    }
}
