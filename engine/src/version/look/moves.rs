//! How far the changed sources of two commits moved: lengths, angles, and who and what moved most.

use rayon::prelude::*;
use vecdelta_kernels::widen;

use super::super::diff::{Difference, Differences};
use super::best::Best;
use super::scan::{TASK_ROWS, values};
use crate::delta::{Change, Table};

/// How far the changed sources moved that are on both sides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// The Euclidean length of each move, ascending; one that is not finite is left out.
    pub l2: Vec<f64>,
    /// The cosine between before and after, ascending; left out where there is none.
    pub cosine: Vec<f64>,
    /// How many moves have no finite length.
    pub not_finite: u64,
    /// How many moves have no cosine: a side of length 0, or not finite.
    pub no_direction: u64,
    /// The sources that moved farthest, farthest first; ties in the order of their keys.
    pub sources: Vec<SourceMove>,
    /// The components that moved most, by their root mean square; ties by number.
    pub dims: Vec<DimMove>,
}

/// One of the sources that moved farthest.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceMove {
    /// Its key.
    pub key: String,
    /// The Euclidean length of its move.
    pub l2: f64,
    /// The cosine between before and after, where there is one.
    pub cosine: Option<f64>,
}

/// How far one component moved, over all moves of finite length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DimMove {
    /// The component's number.
    pub dim: u32,
    /// The root mean square of its differences.
    pub rms: f64,
    /// The mean of its differences.
    pub mean: f64,
}

/// Returns the nearest-rank percentile of ascending numbers: the smallest one that at least `percent` of them do not
/// exceed; `None` without numbers.
pub fn percentile(ascending: &[f64], percent: usize) -> Option<f64> {
    let rank = (ascending.len() * percent).div_ceil(100).max(1);
    ascending.get(rank - 1).copied()
}

/// Moves on their way into [`Moves`].
pub(super) struct Gathering {
    moves: Moves,
    farthest: Best<(f64, Option<f64>)>,
    sums: DimSums,
    top: usize,
}

/// Sums over moves, one a component: the differences, and their squares.
struct DimSums {
    plain: Vec<f64>,
    squares: Vec<f64>,
}

impl Gathering {
    pub fn new(dims: usize, top: usize) -> Self {
        Self { moves: Moves::default(), farthest: Best::new(top), sums: DimSums::new(dims), top }
    }

    /// Takes updates of equal shape over; everything else is passed by.
    pub fn add(&mut self, part: &Differences) {
        for d in &part.sources {
            let Some(measures) = &d.measures else { continue };
            let cosine = measures.cosine();
            match cosine {
                Some(cosine) => self.moves.cosine.push(cosine),
                None => self.moves.no_direction += 1,
            }
            if !d.l2.is_finite() {
                self.moves.not_finite += 1;
                continue;
            }
            self.moves.l2.push(d.l2);
            if self.farthest.admits(-d.l2) {
                self.farthest.offer(-d.l2, &d.key, (d.l2, cosine));
            }
        }
        let tasks: Vec<DimSums> = part.sources.par_chunks(TASK_ROWS).map(|s| DimSums::of(&part.table, s)).collect();
        tasks.into_iter().for_each(|task| self.sums.add(&task));
    }

    pub fn finish(self) -> Moves {
        let mut moves = self.moves;
        moves.l2.par_sort_unstable_by(f64::total_cmp);
        moves.cosine.par_sort_unstable_by(f64::total_cmp);
        let source = |(key, (l2, cosine))| SourceMove { key, l2, cosine };
        moves.sources = self.farthest.into_sorted().into_iter().map(source).collect();
        moves.dims = self.sums.most(moves.l2.len(), self.top);
        moves
    }
}

impl DimSums {
    fn new(dims: usize) -> Self {
        Self { plain: vec![0.0; dims], squares: vec![0.0; dims] }
    }

    fn of(table: &Table, sources: &[Difference]) -> Self {
        let mut sums = Self::new(table.dims as usize);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let moved = |d: &&Difference| d.change == Change::Update && d.measures.is_some() && d.l2.is_finite();
        for d in sources.iter().filter(moved) {
            widen(table.element, &d.old, &mut old);
            widen(table.element, &d.new, &mut new);
            let pairs = values(&old).zip(values(&new));
            for ((plain, squares), (old, new)) in sums.plain.iter_mut().zip(&mut sums.squares).zip(pairs) {
                *plain += new - old;
                *squares += (new - old) * (new - old);
            }
        }
        sums
    }

    fn add(&mut self, other: &Self) {
        self.plain.iter_mut().zip(&other.plain).for_each(|(sum, s)| *sum += s);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, s)| *sum += s);
    }

    /// Returns the components that moved most, leaving out those that did not move.
    fn most(&self, moves: usize, top: usize) -> Vec<DimMove> {
        let n = moves.max(1) as f64;
        let sums = self.plain.iter().zip(&self.squares).zip(0..);
        let mut dims: Vec<DimMove> =
            sums.map(|((plain, squares), dim)| DimMove { dim, rms: (squares / n).sqrt(), mean: plain / n }).collect();
        dims.retain(|d| d.rms > 0.0);
        dims.sort_by(|a, b| b.rms.total_cmp(&a.rms).then(a.dim.cmp(&b.dim)));
        dims.truncate(top);
        dims
    }
}
