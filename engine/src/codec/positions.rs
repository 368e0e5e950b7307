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
use super::reader::Reader;
use std::ops::Range;

/// Changed columns, row by row.
#[derive(Debug, Default)]
pub(super) struct Positions {
    columns: Vec<u32>,
    /// For each row where its columns end.
    ends: Vec<u32>,
}

impl Positions {
    /// Collects the positions at which two lists of words differ.
    pub(super) fn of_changes<W: PartialEq>(dims: usize, old: &[W], new: &[W]) -> Self {
        let mut found = Self::default();
        for (old, new) in old.chunks_exact(dims).zip(new.chunks_exact(dims)) {
            if old != new {
                let pairs = old.iter().zip(new).enumerate();
                found.columns.extend(
                    pairs
                        .filter(|(_, (old, new))| old != new)
                        .map(|(column, _)| column as u32),
                );
            }
            found.ends.push(found.columns.len() as u32);
        }
        found
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Returns for each row where its changed cells end in a list of all changed cells.
    pub(super) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Returns the changed columns among `range` of all changed cells.
    pub(super) fn columns(&self, range: Range<usize>) -> &[u32] {
        &self.columns[range]
    }

    /// Returns the words at the positions.
    pub(super) fn pick<W: Copy>(&self, dims: usize, words: &[W]) -> Vec<W> {
        let mut picked = Vec::with_capacity(self.columns.len());
        let mut start = 0;
        for (row, &end) in words.chunks_exact(dims).zip(&self.ends) {
            picked.extend(
                self.columns[start..end as usize]
                    .iter()
                    .map(|&column| row[column as usize]),
            );
            start = end as usize;
        }
        picked
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
