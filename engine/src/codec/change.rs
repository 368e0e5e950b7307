//! Rows as a change of old ones.

use super::cell_block::Cells;
use super::fresh::encode_words;
use super::integers;
use super::layout::{Shape, raw_if_smaller};
use super::positions::Positions;
use super::precision::{self, Narrow};
use super::word::{Format, Word};
use super::{scaled, trial};
use vecdelta_kernels::Element;

/// Below one changed cell in so many, only the changed ones are stored.
const SPARSE_PART: usize = 4;
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
    let cells = |predicted, new, ends, from_old| Cells {
        format,
        narrow,
        predicted,
        new,
        ends,
        from_old,
    };
    let changed = old.iter().zip(&new).filter(|(old, new)| old != new).count();
    if may_skip && changed < shape.cells / SPARSE_PART {
        let positions = Positions::of_changes(shape.dims, &old, &new);
        let (old, new) = (
            positions.pick(shape.dims, &old),
            positions.pick(shape.dims, &new),
        );
        let from_old = trial::old_predicts_better(format, &old, &new);
        let predicted = if from_old {
            old
        } else {
            vec![W::default(); new.len()]
        };
        cells(&predicted, &new, positions.ends(), from_old).write(Some(&positions), out);
        return true;
    }
    let from_old = trial::old_predicts_better(format, &old, &new);
    if from_old {
        cells(&old, &new, &shape.row_ends(), true).write(None, out);
    } else {
        encode_words(shape, format, narrow, &new, out);
    }
    from_old
}
