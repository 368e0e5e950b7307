//! Rows as a change of old ones.

use super::cell_block::{self, Steps};
use super::fresh::write_alone;
use super::integers;
use super::layout::{Shape, raw_if_smaller};
use super::positions::Few;
use super::precision;
use super::scaled;
use super::source::Source;
use super::trial::{self, Best};
use super::word::{Format, Word};
use vecdelta_kernels::{Element, Widest, widest};

/// Below one changed cell in so many, only the changed ones are stored.
const SPARSE_PART: usize = 4;
/// So many bytes of rows are looked at for changed cells at once.
const COUNTED: usize = 4096;
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
pub fn encode_change(element: Element, dims: usize, old: &[u8], new: &[u8], out: &mut Vec<u8>) -> Base {
    assert_eq!(old.len(), new.len(), "a change has as many old rows as new ones");
    let shape = Shape::of_rows(element, dims, new);
    let start = out.len();
    let needed = scaled::encode(shape, Some(old), new, out).unwrap_or_else(|| {
        let narrow = precision::narrowest(element, new);
        match Format::new(element, narrow) {
            None => integers::encode(Some(old), new, out),
            Some(format) => {
                let source = Source { shape, format, narrow, old: Some(old), new, positions: None };
                if format.width == 64 { encode::<u64>(source, old, out) } else { encode::<u32>(source, old, out) }
            }
        }
    });
    let raw = raw_if_smaller(start, new, out);
    Base::needed(needed && !raw)
}

/// Appends a change, or the new rows on their own; returns whether the old ones are needed.
fn encode<W: Word>(source: Source, old: &[u8], out: &mut Vec<u8>) -> bool {
    let Source { shape, narrow, new, .. } = source;
    // A cell that is not stored keeps its old bits, so these must be the ones which the narrow form stands for.
    let few = is_less_changed(shape.element.size(), old, new, shape.cells / SPARSE_PART);
    let sparse = few && precision::is_exact(shape.element, narrow, old);
    let few = sparse.then(|| Few::of(shape, old, new));
    let change = match &few {
        Some(few) => Source { old: Some(&few.old), new: &few.new, positions: Some(&few.positions), ..source },
        None => source,
    };
    match trial::best::<W>(change, few.as_ref()) {
        Best::Old(steps) => {
            cell_block::write::<W>(change, steps, out);
            true
        }
        Best::Alone if !sparse => {
            write_alone(Source { old: None, ..source }, out);
            false
        }
        Best::Alone => {
            cell_block::write::<W>(Source { old: None, ..change }, Steps::Even, out);
            true
        }
    }
}

/// Returns whether fewer cells changed than so many; looks no further than that is open.
fn is_less_changed(size: usize, old: &[u8], new: &[u8], most: usize) -> bool {
    let mut changed = 0;
    old.chunks(COUNTED).zip(new.chunks(COUNTED)).all(|(old, new)| {
        changed += widest(ChangedCells { size, old, new });
        changed < most
    })
}

/// Counts the cells that changed.
struct ChangedCells<'a> {
    size: usize,
    old: &'a [u8],
    new: &'a [u8],
}

impl Widest for ChangedCells<'_> {
    type Output = usize;

    #[inline(always)]
    fn run(self) -> usize {
        match self.size {
            8 => changed::<8, u64>(self.old, self.new, u64::from_le_bytes),
            4 => changed::<4, u32>(self.old, self.new, u32::from_le_bytes),
            _ => changed::<2, u16>(self.old, self.new, u16::from_le_bytes),
        }
    }
}

#[inline(always)]
fn changed<const SIZE: usize, T: PartialEq>(old: &[u8], new: &[u8], cell: impl Fn([u8; SIZE]) -> T) -> usize {
    let mut count = 0u32;
    for (old, new) in old.as_chunks().0.iter().zip(new.as_chunks().0) {
        count += u32::from(cell(*old) != cell(*new));
    }
    count as usize
}
