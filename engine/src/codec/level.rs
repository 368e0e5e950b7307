//! How large the differences of a row are, as a typical exponent; from it follows the grid.
//!
//! The mean of exponents, not of sizes, so that a few wild values (or NaN) do not move the grid of all others.

use super::cells::Grid;
use super::word::{Format, Word};

/// Fractions of an octave in which levels are counted.
const PARTS: i64 = 16;
/// Rows whose level is less than this away from that of the block share its grid (three quarters of an octave).
const STRAY: i64 = 12;
/// From the mean exponent of Gaussian differences to a cell of 0.22 to 0.43 standard deviations.
const CELL_PARTS: i64 = -5;
/// The cells of values without a prediction are so many octaves finer, so that few fall into the slow cells at zero.
pub(super) const FINER_FRESH: i64 = 3;
/// The same where few values are stored: more tokens would cost more in the table than they save.
pub(super) const FINER_FEW: i64 = 2;

/// The exponents of the differences of one row or many, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Level {
    sum: i64,
    count: i64,
}

impl Level {
    /// Measures the differences between two rows.
    pub(super) fn of<W: Word>(format: Format, predicted: &[W], new: &[W]) -> Self {
        let (sum, count) = W::exponents(format, predicted, new);
        Self { sum, count }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// Returns whether these differences are so many octaves smaller than those, and not more of them.
    pub(super) fn is_below(self, other: Self, octaves: u32) -> bool {
        let gap = self.mean().zip(other.mean()).map_or(0, |(own, other)| other - own);
        self.count <= other.count && gap >= i64::from(octaves) * PARTS
    }

    /// Returns the mean exponent in sixteenths of an octave; `None` without a finite difference.
    fn mean(self) -> Option<i64> {
        (self.count > 0).then(|| (self.sum * PARTS).div_euclid(self.count))
    }
}

/// Returns the grid exponent of a block whose cells are so many octaves finer than others.
pub(super) fn block_exponent(format: Format, level: Level, finer: i64) -> u32 {
    let Some(mean) = level.mean() else {
        return 0;
    };
    let cell = (mean + CELL_PARTS - finer * PARTS + PARTS / 2).div_euclid(PARTS);
    let exponent = cell + i64::from(format.bias() + format.mantissa);
    exponent.clamp(1, i64::from(format.exponent_max() - 1)) as u32
}

/// Returns the grid exponent of a row of that block.
pub(super) fn row_exponent(grid: Grid, block: Level, row: Level) -> u32 {
    let (Some(block), Some(row)) = (block.mean(), row.mean()) else {
        return grid.k;
    };
    let away = row - block;
    if grid.k == 0 || away.abs() < STRAY {
        return grid.k;
    }
    let octaves = (away + PARTS / 2).div_euclid(PARTS).clamp(-127, 127);
    (i64::from(grid.k) + octaves).clamp(1, i64::from(grid.format.exponent_max() - 1)) as u32
}
