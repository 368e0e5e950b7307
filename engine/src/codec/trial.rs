//! What predicts values better, the old ones or nothing: tried on some of them.

use super::cell_block::{Steps, code};
use super::exponents;
use super::frequencies::COST_PARTS;
use super::integers::entropy;
use super::layout::Shape;
use super::level::Level;
use super::positions::Few;
use super::source::{Source, Values};
use super::word::Word;

/// How many values to be encoded are looked at, about.
const SAMPLE: usize = 2048;
/// Into how many pieces the sample is cut at least, if there are as many rows.
const PIECES: usize = 8;

/// Differences so many octaves below the values are certain to cost less.
const CLEAR_OCTAVES: u32 = 2;
/// Differences that are at least so many octaves above the last places are not tried in steps of values.
const VALUES_OCTAVES: u32 = 4;

/// How to code the values of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Best {
    /// As changes of the old ones.
    Old(Steps),
    /// On their own.
    Alone,
}

/// Finds out how the values of a source with old rows cost least; `few` are its cells where it does not have all.
pub(super) fn best<W: Word>(source: Source, few: Option<&Few>) -> Best {
    match (few, source.old) {
        (Some(few), _) => {
            let size = source.shape.element.size();
            let some = few.every(few.positions.len().div_ceil(SAMPLE).max(1), size);
            let shape = Shape { n_rows: some.positions.rows(), ..source.shape };
            let (old, new) = (Some(&*some.old), &*some.new);
            compare::<W>(Source { shape, old, new, positions: Some(&some.positions), ..source })
        }
        (None, Some(old)) => {
            let (shape, old) = sample(source.shape, SAMPLE, old);
            let (_, new) = sample(source.shape, SAMPLE, source.new);
            compare::<W>(Source { shape, old: Some(&old), new: &new, ..source })
        }
        (None, None) => Best::Alone,
    }
}

fn compare<W: Word>(change: Source) -> Best {
    let alone = Source { old: None, ..change };
    let moved = change.values::<W>();
    let whole = moved.alone();
    let level = |values: &Values<W>| {
        let mut level = Level::default();
        (0..change.shape.n_rows).for_each(|r| level.add(values.level(change.format, change.range(r))));
        level
    };
    let (small, large) = (level(&moved), level(&whole));
    let mut steps = Steps::Even;
    let last_places = change.format.mantissa.saturating_sub(VALUES_OCTAVES);
    if small.is_below(large, last_places) && cost(change, &moved, Steps::Values) < cost(change, &moved, Steps::Even) {
        steps = Steps::Values;
    }
    if small.is_below(large, CLEAR_OCTAVES) || cost(change, &moved, steps) < cost(alone, &whole, Steps::Even) {
        return Best::Old(steps);
    }
    Best::Alone
}

/// Of a block that is so much faster to read, one part in so many may be larger.
const SPEED_PART: u64 = 128;

/// Finds out whether values without old rows should have their exponents apart.
pub(super) fn apart_is_better(source: Source) -> bool {
    let (shape, new) = sample(source.shape, SAMPLE, source.new);
    let source = Source { shape, new: &new, ..source };
    let cells = cost(source, &source.values::<u32>(), Steps::Even);
    exponents::cost(&new) <= cells + cells / SPEED_PART
}

/// Cuts pieces of rows out of a block, about so many cells in all.
fn sample(shape: Shape, cells: usize, rows: &[u8]) -> (Shape, Vec<u8>) {
    let pieces = (cells / shape.dims).max(PIECES).min(shape.n_rows);
    let dims = (cells / pieces.max(1)).clamp(1, shape.dims);
    let mut sample = Vec::with_capacity(pieces * dims * shape.element.size());
    for i in 0..pieces {
        let start = i * shape.n_rows / pieces * shape.row_bytes();
        sample.extend_from_slice(&rows[start..start + dims * shape.element.size()]);
    }
    (Shape::of_rows(shape.element, dims, &sample), sample)
}

/// Returns the size of coded values, tables apart, in 4096ths of a bit.
fn cost<W: Word>(source: Source, values: &Values<W>, steps: Steps) -> u64 {
    let coded = code(source, values, steps);
    entropy(&coded.tokens) + 8 * COST_PARTS * coded.low.bytes().len() as u64
}
