//! The mean vector of a table, and the mean length of its rows.

use rayon::prelude::*;
use vecdelta_kernels::{add_finite, norm_squared};

use super::scan::TASK_ROWS;
use crate::delta::Table;

/// Sums over the finite rows of a table.
#[derive(Default)]
pub(super) struct Centroid {
    /// How many rows there are.
    pub rows: u64,
    /// How many of them hold a NaN or an infinity and are left out.
    pub not_finite: u64,
    norms: f64,
    sums: Vec<f64>,
}

impl Centroid {
    /// Adds rows: the sums of tasks of [`TASK_ROWS`] rows, in order.
    pub fn add(&mut self, table: &Table, rows: &[u8]) {
        let tasks: Vec<Self> = rows.par_chunks(TASK_ROWS * table.row_bytes()).map(|r| Self::of(table, r)).collect();
        for task in tasks {
            self.rows += task.rows;
            self.not_finite += task.not_finite;
            self.norms += task.norms;
            self.sums.resize(table.dims as usize, 0.0);
            self.sums.iter_mut().zip(task.sums).for_each(|(sum, s)| *sum += s);
        }
    }

    fn of(table: &Table, rows: &[u8]) -> Self {
        let mut out = Self { sums: vec![0.0; table.dims as usize], ..Self::default() };
        for row in rows.chunks_exact(table.row_bytes()) {
            out.rows += 1;
            if add_finite(table.element, row, &mut out.sums) {
                out.norms += norm_squared(table.element, row).sqrt();
            } else {
                out.not_finite += 1;
            }
        }
        out
    }

    /// Returns the mean length of the finite rows; `None` without any.
    pub fn mean_norm(&self) -> Option<f64> {
        let rows = self.rows - self.not_finite;
        (rows > 0).then(|| self.norms / rows as f64)
    }

    /// Returns the Euclidean distance between two mean vectors; `None` when one of the tables has no finite row.
    pub fn distance(&self, other: &Self) -> Option<f64> {
        let (a, b) = (self.rows - self.not_finite, other.rows - other.not_finite);
        if a == 0 || b == 0 {
            return None;
        }
        let mean = |sum: f64, rows: u64| sum / rows as f64;
        let squares = self.sums.iter().zip(&other.sums).map(|(&x, &y)| (mean(y, b) - mean(x, a)).powi(2));
        Some(squares.sum::<f64>().sqrt())
    }
}
