//! How far two commits lie apart, as it is put together from pieces.

use vecdelta::version::percentile;

use crate::ask::DriftSlice;

/// How many of the sources that moved farthest are kept.
const FARTHEST: usize = 32;

/// What is known of a comparison so far.
#[derive(Clone, Debug, Default)]
pub struct Drift {
    next: Option<u32>,
    begun: bool,
    slots: u32,
    /// Sources that came, changed and went.
    pub counts: [u64; 3],
    /// How many rows either side has.
    pub rows: [u64; 2],
    /// How many of them hold a NaN or an infinity.
    pub not_finite: [u64; 2],
    /// The sources that moved farthest.
    pub farthest: Vec<(String, f64)>,
    l2: Vec<f64>,
    cosine: Vec<f64>,
    sums: [Vec<f64>; 2],
    sorted: bool,
}

impl Drift {
    /// Returns the slot to ask for next; `None` when it is complete.
    pub fn next(&self) -> Option<u32> {
        if self.begun { self.next } else { Some(0) }
    }

    /// Returns the share that is done, from 0 to 1.
    pub fn share(&self) -> f32 {
        match (self.begun, self.next) {
            (false, _) => 0.0,
            (true, None) => 1.0,
            (true, Some(next)) => next as f32 / self.slots.max(1) as f32,
        }
    }

    /// Takes over the piece that begins at a slot; one that was not asked for is left aside.
    pub fn take(&mut self, from: u32, slice: &DriftSlice) {
        if self.next() != Some(from) {
            return;
        }
        (self.begun, self.slots, self.sorted) = (true, slice.slots, false);
        self.next = Some(slice.next).filter(|&n| n > from);
        for i in 0..3 {
            self.counts[i] += slice.counts[i];
        }
        for i in 0..2 {
            self.rows[i] += slice.rows[i];
            self.not_finite[i] += slice.not_finite[i];
            self.sums[i].resize(slice.sums[i].len().max(self.sums[i].len()), 0.0);
            self.sums[i].iter_mut().zip(&slice.sums[i]).for_each(|(sum, s)| *sum += f64::from_bits(*s));
        }
        self.l2.extend(slice.l2.iter().map(|b| f64::from_bits(*b)));
        self.cosine.extend(slice.cosine.iter().map(|b| f64::from_bits(*b)));
        self.farthest.extend(slice.farthest.iter().map(|(key, l2)| (key.clone(), f64::from_bits(*l2))));
        self.farthest.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        self.farthest.truncate(FARTHEST);
        if self.next.is_none() {
            self.l2.sort_unstable_by(f64::total_cmp);
            self.cosine.sort_unstable_by(f64::total_cmp);
            self.sorted = true;
        }
    }

    /// Returns a percentile of the lengths of the moves, once all are here.
    pub fn l2(&self, percent: usize) -> Option<f64> {
        percentile(&self.l2, percent).filter(|_| self.sorted)
    }

    /// Returns a percentile of the cosines of the moves, once all are here; 0 is the smallest.
    pub fn cosine(&self, percent: usize) -> Option<f64> {
        percentile(&self.cosine, percent).filter(|_| self.sorted)
    }

    /// Returns the distance between the mean vectors of both sides, over their finite rows, once all are here.
    pub fn centroid_shift(&self) -> Option<f64> {
        let n = [0, 1].map(|i| (self.rows[i] - self.not_finite[i]) as f64);
        if !self.sorted || n.contains(&0.0) || self.sums[0].len() != self.sums[1].len() {
            return None;
        }
        let squares = self.sums[0].iter().zip(&self.sums[1]).map(|(a, b)| (b / n[1] - a / n[0]).powi(2));
        Some(squares.sum::<f64>().sqrt())
    }
}
