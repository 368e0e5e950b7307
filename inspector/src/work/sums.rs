//! Sums of rows, component by component, for the mean vectors of both sides of a comparison.

use vecdelta::delta::Table;
use vecdelta_kernels::{Element, add_finite};

use crate::ask::DriftSlice;

/// The sums of two sides; each adds its rows in their order, so that the last bits do not depend on what else is added.
pub(super) struct Sums {
    element: Element,
    sums: [Vec<f64>; 2],
    rows: [u64; 2],
    not_finite: [u64; 2],
}

impl Sums {
    pub fn new(table: &Table) -> Self {
        let zeros = || vec![0.0; table.dims as usize];
        Self { element: table.element, sums: [zeros(), zeros()], rows: [0; 2], not_finite: [0; 2] }
    }

    /// Adds a row to one side, if it is finite.
    pub fn add(&mut self, side: usize, row: &[u8]) {
        let finite = add_finite(self.element, row, &mut [&mut self.sums[side]]);
        self.count([side], finite);
    }

    /// Adds a row to both sides, if it is finite.
    pub fn add_to_both(&mut self, row: &[u8]) {
        let finite = add_finite(self.element, row, &mut self.sums.each_mut().map(Vec::as_mut_slice));
        self.count([0, 1], finite);
    }

    fn count<const N: usize>(&mut self, sides: [usize; N], finite: bool) {
        for side in sides {
            self.rows[side] += 1;
            self.not_finite[side] += u64::from(!finite);
        }
    }

    /// Hands over what one side came to.
    pub fn finish(&self, side: usize, out: &mut DriftSlice) {
        out.sums[side] = self.sums[side].iter().map(|sum| sum.to_bits()).collect();
        (out.rows[side], out.not_finite[side]) = (self.rows[side], self.not_finite[side]);
    }
}
