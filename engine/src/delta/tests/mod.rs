//! What single deltas promise.

mod chain;
mod defects;
mod hostile;
mod properties;
mod sizes;

use super::{Delta, DeltaInfo, DeltaVector, Element, Table, Timestamp};

/// Numbers that only look random.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn row(&mut self, bytes: usize) -> Vec<u8> {
        (0..bytes).map(|_| self.next() as u8).collect()
    }

    /// Returns the row with about `share` of 64 of its components replaced.
    pub fn edit(&mut self, row: &[u8], size: usize, share: u64) -> Vec<u8> {
        let mut row = row.to_vec();
        for cell in row.chunks_exact_mut(size) {
            if self.next() % 64 < share {
                cell.copy_from_slice(&self.next().to_le_bytes()[..size]);
            }
        }
        row
    }
}

pub fn f32_row(row: &[f32]) -> Vec<u8> {
    row.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Compares two rows of f32.
pub fn f32_change(old: &[f32], new: &[f32]) -> DeltaVector {
    let (a, b) = (f32_row(old), f32_row(new));
    DeltaVector::between(Element::F32, old.len() as u32, Some(&a), Some(&b)).unwrap()
}

pub fn table(dims: u32) -> Table {
    Table { collection: "docs".into(), element: Element::F32, dims }
}

pub fn at(millis: u64, parent: Option<&Delta>) -> DeltaInfo {
    let time = Timestamp { physical_millis: millis, logical: 0, node: 1 };
    DeltaInfo { time, parent: parent.map(Delta::id), ..DeltaInfo::default() }
}
