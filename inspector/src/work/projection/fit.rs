//! The axes of a projection: the two directions in which a sample of rows varies most.
//!
//! The sample is every so many-th slot at one commit. The directions are found by orthogonal iteration on the sample's
//! covariance, from a start that is always the same, with sums in one order: the same bits on every machine. All is done
//! in turns of a few milliseconds.

use std::sync::Arc;

use vecdelta::delta::Table;
use vecdelta::version::{Checkout, Repository, VersionError};

use super::{table_of_collection, widened};
use crate::ask::{Axes, Basis};

/// How many numbers the sample has at most, about.
const SAMPLE_VALUES: usize = 1 << 21;

/// How many rows the sample has at least and at most.
const SAMPLE_ROWS: (usize, usize) = (256, 4096);

/// How many directions are turned together; the two best of them count.
const BLOCK: usize = 6;

/// How many turns are made at most.
const ROUNDS: u32 = 80;

/// How many numbers of the sample one turn goes through, about.
const TURN_VALUES: usize = 1 << 18;

/// How little the variance along the two axes may still change, as a share of all of it.
const SETTLED: f64 = 1e-9;

/// How many bytes of rows one turn reads, about.
const PIECE: usize = 1 << 20;

/// A number above this is not counted: its square is too large.
const LARGEST: f64 = 1e150;

/// The search for the axes of one basis.
pub struct Fit {
    /// What they are made of.
    pub basis: Basis,
    table: Arc<Table>,
    every: u32,
    slots: Vec<u32>,
    read: usize,
    /// The rows of the sample, one after the other; once all are read, without their mean and at most 1 long in any
    /// direction.
    rows: Vec<f64>,
    mean: Vec<f64>,
    /// What the rows were divided by.
    scale: f64,
    block: Vec<Vec<f64>>,
    values: [f64; 2],
    round: u32,
    found: Option<Axes>,
}

impl Fit {
    /// Begins; nothing is read yet.
    pub fn begin(repo: &Repository, basis: &Basis) -> Result<Self, VersionError> {
        let (table, slots) = table_of_collection(repo, basis.commit as usize, &basis.collection)?;
        let dims = table.dims as usize;
        let most = (SAMPLE_VALUES / dims.max(1)).clamp(SAMPLE_ROWS.0, SAMPLE_ROWS.1);
        let every = slots.div_ceil(most as u32).max(1);
        let slots = (0..slots).step_by(every as usize).collect();
        Ok(Self {
            basis: basis.clone(),
            table,
            every,
            slots,
            read: 0,
            rows: Vec::new(),
            mean: Vec::new(),
            scale: 1.0,
            block: Vec::new(),
            values: [0.0; 2],
            round: 0,
            found: None,
        })
    }

    /// Returns the axes, once they are found.
    pub fn found(&self) -> Option<&Axes> {
        self.found.as_ref()
    }

    /// Returns what is known so far.
    pub fn axes(&self) -> Axes {
        let share = if self.mean.is_empty() {
            self.read as f64 / self.slots.len().max(1) as f64 * 50.0
        } else {
            50.0 + f64::from(self.round) / f64::from(ROUNDS) * 50.0
        };
        self.found.clone().unwrap_or_else(|| Axes { percent: share.min(99.0) as u8, ..Axes::default() })
    }

    /// Goes on by one turn.
    pub fn turn(&mut self, repo: &Repository) -> Result<(), VersionError> {
        if self.found.is_some() {
            return Ok(());
        }
        if self.read < self.slots.len() {
            return self.read_some(repo);
        }
        if self.mean.is_empty() {
            return self.center();
        }
        let rounds = (TURN_VALUES / self.rows.len().max(1)).clamp(1, 16);
        for _ in 0..rounds {
            if self.found.is_none() {
                self.round();
            }
        }
        Ok(())
    }

    fn read_some(&mut self, repo: &Repository) -> Result<(), VersionError> {
        let size = self.table.row_bytes();
        let end = self.slots.len().min(self.read + (PIECE / size.max(1)).max(16));
        let checkout = Checkout::new(repo, self.basis.commit as usize, self.table.clone());
        let rows = checkout.list(&self.slots[self.read..end])?;
        let mut wide = Vec::new();
        for (i, _) in rows.alive.iter().enumerate().filter(|(_, alive)| **alive) {
            widened(self.table.element, &rows.data[i * size..(i + 1) * size], &mut wide);
            if wide.iter().all(|v| v.abs() <= LARGEST) {
                self.rows.extend_from_slice(&wide);
            }
        }
        self.read = end;
        Ok(())
    }

    fn dims(&self) -> usize {
        self.table.dims as usize
    }

    /// Takes the mean out of the sample and brings it to one scale.
    fn center(&mut self) -> Result<(), VersionError> {
        let dims = self.dims();
        if self.rows.is_empty() {
            let text = format!("`{}` has no row with finite numbers at this commit", self.basis.collection);
            return Err(VersionError::Refused(text));
        }
        let n = (self.rows.len() / dims) as f64;
        let mut mean = vec![0.0; dims];
        for row in self.rows.chunks_exact(dims) {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / n);
        }
        let mut largest = 0.0_f64;
        for row in self.rows.chunks_exact_mut(dims) {
            for (v, m) in row.iter_mut().zip(&mean) {
                *v -= m;
                largest = largest.max(v.abs());
            }
        }
        if largest > 0.0 {
            self.rows.iter_mut().for_each(|v| *v /= largest);
            self.scale = largest;
        }
        self.mean = mean;
        self.block = (0..BLOCK.min(dims)).map(|k| start(k, dims)).collect();
        orthonormal(&mut self.block);
        Ok(())
    }

    /// Turns the block of directions towards those of most variance.
    fn round(&mut self) {
        let dims = self.dims();
        let mut turned = vec![vec![0.0; dims]; self.block.len()];
        let mut total = 0.0;
        for row in self.rows.chunks_exact(dims) {
            total += dot(row, row);
            for (direction, turned) in self.block.iter().zip(&mut turned) {
                let along = dot(row, direction);
                turned.iter_mut().zip(row).for_each(|(t, v)| *t += along * v);
            }
        }
        let mut products: Vec<Vec<f64>> =
            self.block.iter().map(|a| turned.iter().map(|b| dot(a, b)).collect()).collect();
        let mixed = diagonalize(&mut products);
        let mut order: Vec<usize> = (0..self.block.len()).collect();
        order.sort_by(|&a, &b| products[b][b].total_cmp(&products[a][a]));
        let along = |k: usize| order.get(k).map_or(0.0, |&i| products[i][i].max(0.0));
        let values = [along(0), along(1)];
        let settled = (0..2).all(|i| (values[i] - self.values[i]).abs() <= SETTLED * total);
        (self.values, self.round) = (values, self.round + 1);
        if settled || self.round >= ROUNDS {
            let best = combined(&self.block, &mixed, &order);
            self.finish(best, total);
        } else {
            self.block = combined(&turned, &mixed, &order);
            orthonormal(&mut self.block);
        }
    }

    fn finish(&mut self, mut best: Vec<Vec<f64>>, total: f64) {
        orthonormal(&mut best);
        best.resize(2, vec![0.0; self.dims()]);
        best.iter_mut().for_each(|axis| point_up(axis));
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
        let share = |value: f64| if total > 0.0 { (value / total).min(1.0) } else { 0.0 }.to_bits();
        let mut axes = Axes {
            done: true,
            percent: 100,
            sample: (self.rows.len() / self.dims()) as u32,
            every: self.every,
            mean: bits(&self.mean),
            axes: [bits(&best[0]), bits(&best[1])],
            shares: self.values.map(share),
            extent: [[0; 2]; 2],
        };
        axes.extent = self.extent(&axes).map(|range| range.map(f64::to_bits));
        self.rows = Vec::new();
        self.block = Vec::new();
        self.found = Some(axes);
    }

    /// Returns the least and the largest coordinate on either axis, in the scale of the rows.
    fn extent(&self, axes: &Axes) -> [[f64; 2]; 2] {
        let mut extent = [[0.0_f64; 2]; 2];
        for row in self.rows.chunks_exact(self.dims()) {
            for (axis, range) in axes.axes.iter().zip(&mut extent) {
                let along: f64 = row.iter().zip(axis).map(|(v, a)| v * f64::from_bits(*a)).sum();
                *range = [range[0].min(along * self.scale), range[1].max(along * self.scale)];
            }
        }
        extent
    }
}

/// Returns the beginning of a direction: numbers that look like chance and are always the same.
fn start(k: usize, dims: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(k as u64 + 1);
    let next = |_| {
        // SplitMix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    (0..dims).map(next).collect()
}

/// Returns the sum of products, in an order that is always the same.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a8, b8) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a8.0.iter().zip(b8.0) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a8.1.iter().zip(b8.1).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Makes directions of length 1 at right angles, by Gram and Schmidt, twice over; one that has nothing of its own is zero.
fn orthonormal(block: &mut [Vec<f64>]) {
    for k in 0..block.len() {
        let (before, rest) = block.split_at_mut(k);
        let own = &mut rest[0];
        let length = dot(own, own).sqrt();
        for _ in 0..2 {
            for other in before.iter() {
                let along = dot(own, other);
                own.iter_mut().zip(other).for_each(|(v, o)| *v -= along * o);
            }
        }
        let left = dot(own, own).sqrt();
        let keep = left > 1e-12 * length && left > 0.0;
        own.iter_mut().for_each(|v| *v = if keep { *v / left } else { 0.0 });
    }
}

/// Turns a symmetric matrix until it is diagonal, by Jacobi's rotations; returns the directions as columns.
fn diagonalize(m: &mut [Vec<f64>]) -> Vec<Vec<f64>> {
    let n = m.len();
    let mut turned: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                if m[p][q].abs() <= 1e-300 {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for row in m.iter_mut() {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                for k in 0..n {
                    (m[p][k], m[q][k]) = (c * m[p][k] - s * m[q][k], s * m[p][k] + c * m[q][k]);
                    (turned[k][p], turned[k][q]) =
                        (c * turned[k][p] - s * turned[k][q], s * turned[k][p] + c * turned[k][q]);
                }
            }
        }
    }
    turned
}

/// Returns the sums of directions that a matrix says by its columns, in an order of these.
fn combined(block: &[Vec<f64>], mixed: &[Vec<f64>], order: &[usize]) -> Vec<Vec<f64>> {
    let sum = |column: usize| {
        let mut out = vec![0.0; block[0].len()];
        for (direction, row) in block.iter().zip(mixed) {
            out.iter_mut().zip(direction).for_each(|(o, v)| *o += row[column] * v);
        }
        out
    };
    order.iter().map(|&column| sum(column)).collect()
}

/// Turns a direction so that its largest component is positive: either sign would be as good, and one must be chosen.
fn point_up(axis: &mut [f64]) {
    let largest = axis.iter().copied().fold(0.0_f64, |m, v| if v.abs() > m.abs() { v } else { m });
    if largest < 0.0 {
        axis.iter_mut().for_each(|v| *v = -*v);
    }
}
