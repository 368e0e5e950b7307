//! Which cells of a block changed: a count and the gaps, row by row.
//!
//! ```text
//! lengths  n      changed cells of each row
//! bytes    gaps   cells skipped before each changed one, beginning anew in each row;
//!                 255 stands for "255 and what follows"
//! ```

use super::bytes::{encode_bytes, read_bytes};
use super::error::CodecError;
use super::layout::Shape;
use super::numbers::{encode_lengths, read_lengths};
use super::precision::Narrow;
use super::reader::Reader;
use super::word::Word;
use std::ops::Range;

/// Changed columns, row by row.
#[derive(Debug, Default)]
pub(super) struct Positions {
    columns: Vec<u32>,
    /// For each row where its columns end.
    ends: Vec<u32>,
}

impl Positions {
    /// Collects the positions at which the values of two blocks differ.
    pub(super) fn of_changes<W: Word>(
        shape: Shape,
        narrow: Narrow,
        old: &[u8],
        new: &[u8],
    ) -> Self {
        let mut found = Self::default();
        let (mut old_words, mut new_words) = (Vec::<W>::new(), Vec::new());
        let row = shape.row_bytes();
        for (old, new) in old.chunks_exact(row).zip(new.chunks_exact(row)) {
            if old != new {
                old_words.clear();
                new_words.clear();
                W::load(shape.element, narrow, old, &mut old_words);
                W::load(shape.element, narrow, new, &mut new_words);
                found.push_changes(&old_words, &new_words);
            }
            found.ends.push(found.columns.len() as u32);
        }
        found
    }

    fn push_changes<W: Word>(&mut self, old: &[W], new: &[W]) {
        for (column, (old, new)) in old.iter().zip(new).enumerate() {
            if old != new {
                self.columns.push(column as u32);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns where the changed cells of row `r` are among all changed cells.
    pub(super) fn range(&self, r: usize) -> Range<usize> {
        let start = if r == 0 { 0 } else { self.ends[r - 1] as usize };
        start..self.ends[r] as usize
    }

    /// Returns the changed columns among `range` of all changed cells.
    pub(super) fn columns(&self, range: Range<usize>) -> &[u32] {
        &self.columns[range]
    }

    /// Reduces row `r` to its changed cells.
    pub(super) fn pick<W: Copy>(&self, r: usize, row: &mut Vec<W>) {
        let columns = self.columns(self.range(r));
        for (i, &column) in columns.iter().enumerate() {
            row[i] = row[column as usize];
        }
        row.truncate(columns.len());
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let (mut counts, mut gaps) = (
            Vec::with_capacity(self.ends.len()),
            Vec::with_capacity(self.columns.len()),
        );
        let mut start = 0;
        for &end in &self.ends {
            counts.push(end - start);
            let mut next = 0;
            for &column in &self.columns[start as usize..end as usize] {
                let mut gap = column - next;
                while gap >= 255 {
                    gaps.push(255);
                    gap -= 255;
                }
                gaps.push(gap as u8);
                next = column + 1;
            }
            start = end;
        }
        encode_lengths(&counts, out);
        encode_bytes(&gaps, out);
    }

    pub(super) fn read(input: &mut Reader, shape: Shape) -> Result<Self, CodecError> {
        let counts = read_lengths(input, shape.n_rows, "counts of changed cells")?;
        let at = input.at();
        let gaps_max = shape
            .cells
            .saturating_add(shape.n_rows.saturating_mul(shape.dims / 255));
        let gaps = read_bytes(input, gaps_max)?;
        let corrupt = CodecError::Corrupt {
            what: "positions of changed cells contradict the block",
            at,
        };
        let mut gaps = gaps.iter();
        let mut found = Self {
            columns: Vec::new(),
            ends: Vec::with_capacity(shape.n_rows),
        };
        for count in counts {
            if count as usize > gaps.len() {
                return Err(corrupt);
            }
            let mut next = 0;
            for _ in 0..count {
                let column = next + gap(&mut gaps).ok_or(corrupt)?;
                if column >= shape.dims {
                    return Err(corrupt);
                }
                found.columns.push(column as u32);
                next = column + 1;
            }
            found.ends.push(found.columns.len() as u32);
        }
        if gaps.next().is_some() {
            Err(corrupt)
        } else {
            Ok(found)
        }
    }
}

fn gap(gaps: &mut std::slice::Iter<u8>) -> Option<usize> {
    let mut gap = 0;
    loop {
        let byte = *gaps.next()?;
        gap += usize::from(byte);
        if byte < 255 {
            return Some(gap);
        }
    }
}
