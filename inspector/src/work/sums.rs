//! Sums of rows, component by component, for the mean vectors of both sides of a comparison.

use vecdelta::delta::Table;
use vecdelta_kernels::{Element, add_finite};

use crate::ask::DriftSlice;

/// The sums of two sides: rows that both have are added up once, and each side's own rows apart, all in their order.
pub(super) struct Sums {
    element: Element,
    shared: Vec<f64>,
    sums: [Vec<f64>; 2],
    rows: [u64; 2],
    not_finite: [u64; 2],
}

impl Sums {
    pub fn new(table: &Table) -> Self {
        let zeros = || vec![0.0; table.dims as usize];
        Self { element: table.element, shared: zeros(), sums: [zeros(), zeros()], rows: [0; 2], not_finite: [0; 2] }
    }

    /// Adds a row to one side, if it is finite.
    pub fn add(&mut self, side: usize, row: &[u8]) {
        let finite = add_finite(self.element, row, &mut self.sums[side]);
        self.count([side], finite);
    }

    /// Adds a row to both sides, if it is finite.
    pub fn add_to_both(&mut self, row: &[u8]) {
        let finite = add_finite(self.element, row, &mut self.shared);
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
        let sums = self.shared.iter().zip(&self.sums[side]);
        out.sums[side] = sums.map(|(shared, own)| (shared + own).to_bits()).collect();
        (out.rows[side], out.not_finite[side]) = (self.rows[side], self.not_finite[side]);
    }
}
