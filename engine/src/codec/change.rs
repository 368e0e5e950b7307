//! Rows as a change of old ones.

use super::cell_block::Cells;
use super::fresh::encode_words;
use super::integers::{self, entropy};
use super::layout::{Shape, raw_if_smaller};
use super::positions::Positions;
use super::precision::{self, Narrow};
use super::scaled;
use super::word::{Format, Word};
use vecdelta_kernels::Element;

/// Below one changed cell in so many, only the changed ones are stored.
const SPARSE_PART: usize = 4;
/// How many cells are coded on trial to decide what predicts them better.
const SAMPLE_CELLS: usize = 2048;
/// Into how many pieces the sample is cut, spread over the block.
const SAMPLE_PIECES: usize = 8;

/// Whether a payload needs the old rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The old rows are needed to decode.
    Needed,
    /// The rows were smaller on their own; the old ones are not needed.
    Dropped,
}

impl Base {
    fn needed(needed: bool) -> Self {
        if needed { Self::Needed } else { Self::Dropped }
    }
}

/// Appends a payload from which `new` comes back, given `old`, or without it if that is smaller.
///
/// Both are whole rows of `dims` little-endian elements, as many of one as of the other. The payload is at most one byte
/// longer than the rows.
///
/// # Panics
/// If the rows differ in length, `dims` is 0, the rows are not whole, or they have 2^32 elements or more.
pub fn encode_change(
    element: Element,
    dims: usize,
    old: &[u8],
    new: &[u8],
    out: &mut Vec<u8>,
) -> Base {
    assert_eq!(
        old.len(),
        new.len(),
        "a change has as many old rows as new ones"
    );
    let shape = Shape::of_rows(element, dims, new);
    let start = out.len();
    let needed = scaled::encode(shape, Some(old), new, out).unwrap_or_else(|| {
        let narrow = precision::narrowest(element, new);
        match Format::new(element, narrow) {
            None => integers::encode(Some(old), new, out),
            Some(format) if format.width == 64 => {
                encode::<u64>(shape, format, narrow, old, new, out)
            }
            Some(format) => encode::<u32>(shape, format, narrow, old, new, out),
        }
    });
    let raw = raw_if_smaller(start, new, out);
    Base::needed(needed && !raw)
}

fn encode<W: Word>(
    shape: Shape,
    format: Format,
    narrow: Narrow,
    old: &[u8],
    new: &[u8],
    out: &mut Vec<u8>,
) -> bool {
    // A cell that is not stored keeps its old bits, so these must be the ones which the narrow form stands for.
    let may_skip = precision::is_exact(shape.element, narrow, old);
    let load = |rows| {
        let mut words = Vec::<W>::with_capacity(shape.cells);
        W::load(shape.element, narrow, rows, &mut words);
        words
    };
    let (old, new) = (load(old), load(new));
    let zeros = vec![W::default(); new.len()];
    let changed = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    let cells = |predicted, new, ends, from_old| Cells {
        format,
        narrow,
        predicted,
        new,
        ends,
        from_old,
    };
    if may_skip && changed < shape.cells / SPARSE_PART {
        let positions = Positions::of_changes(shape.dims, &old, &new);
        let (old, new) = (
            positions.pick(shape.dims, &old),
            positions.pick(shape.dims, &new),
        );
        let zeros = &zeros[..new.len()];
        let ends = positions.ends();
        let from_old =
            sample_bits(format, &old, &new, true) < sample_bits(format, zeros, &new, false);
        cells(if from_old { &old } else { zeros }, &new, ends, from_old)
            .write(Some(&positions), out);
        return true;
    }
    if sample_bits(format, &old, &new, true) < sample_bits(format, &zeros, &new, false) {
        cells(&old, &new, &shape.row_ends(), true).write(None, out);
        return true;
    }
    encode_words(shape, format, narrow, &new, out);
    false
}

/// Estimates the size of cells in bits from some of them.
fn sample_bits<W: Word>(format: Format, predicted: &[W], new: &[W], from_old: bool) -> f64 {
    let piece = (SAMPLE_CELLS / SAMPLE_PIECES).min(new.len().div_ceil(SAMPLE_PIECES));
    let stride = new.len() / SAMPLE_PIECES;
    let pieces = (0..SAMPLE_PIECES).map(|i| i * stride..(i * stride + piece).min(new.len()));
    let pick = |words: &[W]| {
        pieces
            .clone()
            .flat_map(|range| words[range].to_vec())
            .collect::<Vec<W>>()
    };
    let (predicted, new) = (pick(predicted), pick(new));
    let ends = &[new.len() as u32];
    let cells = Cells {
        format,
        narrow: Narrow::None,
        predicted: &predicted,
        new: &new,
        ends,
        from_old,
    };
    let coded = cells.code();
    entropy(&coded.tokens) + 8.0 * coded.low.bytes().len() as f64
}
