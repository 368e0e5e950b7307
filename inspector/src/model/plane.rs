//! The plane of a projection: two directions through the mean of a sample, and where a row lies on it.
//!
//! Sums go in one order on every machine, so a row has the same place everywhere.

use crate::ask::Axes;

/// How many sums go on side by side.
const LANES: usize = 8;

/// A plane through rows of some width.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    mean: Vec<f64>,
    axes: [Vec<f64>; 2],
}

impl Plane {
    /// Makes the plane; `None` while its axes are not found, or when they contradict each other.
    pub fn of(axes: &Axes) -> Option<Self> {
        let floats = |bits: &[u64]| bits.iter().map(|b| f64::from_bits(*b)).collect::<Vec<f64>>();
        let fits = axes.done && axes.axes.iter().all(|a| a.len() == axes.mean.len());
        fits.then(|| Self { mean: floats(&axes.mean), axes: [floats(&axes.axes[0]), floats(&axes.axes[1])] })
    }

    /// Returns how wide its rows are.
    pub fn dims(&self) -> usize {
        self.mean.len()
    }

    /// Returns a number that tells the plane from others, for people.
    pub fn fingerprint(&self) -> u64 {
        let bits = self.mean.iter().chain(&self.axes[0]).chain(&self.axes[1]).map(|v| v.to_bits());
        // FNV-1a over words, and a last mix so that the highest digits depend on everything.
        let hash = bits.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ b).wrapping_mul(0x0000_0100_0000_01b3));
        (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns the coordinates of a row and its distance off the plane; `None` for another width, and where they are no
    /// numbers that can be drawn.
    pub fn place(&self, row: &[f64]) -> Option<[f32; 3]> {
        if row.len() != self.mean.len() {
            return None;
        }
        let [mut x, mut y, mut square] = [[0.0; LANES]; 3];
        let whole = row.len() / LANES * LANES;
        let mut add = |lane: usize, i: usize| {
            let c = row[i] - self.mean[i];
            x[lane] += c * self.axes[0][i];
            y[lane] += c * self.axes[1][i];
            square[lane] += c * c;
        };
        for i in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                add(lane, i + lane);
            }
        }
        for i in whole..row.len() {
            add(i - whole, i);
        }
        let [x, y, square] = [x, y, square].map(|lanes| lanes.iter().sum::<f64>());
        let off = (square - x * x - y * y).max(0.0).sqrt();
        let place = [x as f32, y as f32, off as f32];
        place.iter().all(|v| v.is_finite()).then_some(place)
    }
}
