//! Sums of rows, component by component, for the mean vectors of both sides of a comparison.

use vecdelta::delta::Table;
use vecdelta_kernels::{Element, all_finite, widen};

use crate::ask::DriftSlice;

/// The sums of two sides; each adds its rows in their order, so that the last bits do not depend on what else is added.
pub(super) struct Sums {
    element: Element,
    sums: [Vec<f64>; 2],
    rows: [u64; 2],
    not_finite: [u64; 2],
    wide: Vec<u8>,
}

impl Sums {
    pub fn new(table: &Table) -> Self {
        let zeros = || vec![0.0; table.dims as usize];
        Self { element: table.element, sums: [zeros(), zeros()], rows: [0; 2], not_finite: [0; 2], wide: Vec::new() }
    }

    /// Adds a row to one side or to both, if it is finite.
    pub fn add<const N: usize>(&mut self, sides: [usize; N], row: &[u8]) {
        sides.iter().for_each(|&side| self.rows[side] += 1);
        if !all_finite(self.element, row) {
            sides.iter().for_each(|&side| self.not_finite[side] += 1);
            return;
        }
        widen(self.element, row, &mut self.wide);
        let values = self.wide.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b));
        if let [_, _] = sides[..] {
            let [before, after] = &mut self.sums;
            for ((value, before), after) in values.zip(before).zip(after) {
                *before += value;
                *after += value;
            }
        } else if let [side] = sides[..] {
            self.sums[side].iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    /// Hands over what one side came to.
    pub fn finish(&self, side: usize, out: &mut DriftSlice) {
        out.sums[side] = self.sums[side].iter().map(|sum| sum.to_bits()).collect();
        (out.rows[side], out.not_finite[side]) = (self.rows[side], self.not_finite[side]);
    }
}
