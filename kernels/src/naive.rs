//! The kernels one component at a time: what the fast ones are compared with.

use crate::{Element, RowChange};

fn cells(element: Element, row: &[u8]) -> Vec<&[u8]> {
    row.chunks(element.size()).collect()
}

fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}

/// Sums in eight virtual lanes, halved three times.
fn lane_sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut lanes = vec![0.0; 8];
    for (i, term) in terms.enumerate() {
        lanes[i % 8] += term;
    }
    while lanes.len() > 1 {
        let half = lanes.split_off(lanes.len() / 2);
        for (lane, other) in lanes.iter_mut().zip(half) {
            *lane += other;
        }
    }
    canonical(lanes[0])
}

pub(crate) fn measure(element: Element, old: &[u8], new: &[u8]) -> RowChange {
    let bits = cells(element, old).into_iter().zip(cells(element, new));
    let changed = bits.filter(|(o, n)| o != n).count() as u32;
    let values = |row| -> Vec<f64> {
        let cells = cells(element, row).into_iter();
        cells.map(|bits| element.to_f64(bits)).collect()
    };
    let (old, new) = (values(old), values(new));
    let pairs = || old.iter().zip(&new);
    let mut max_abs = 0.0f64;
    for difference in pairs().map(|(o, n)| n - o) {
        max_abs = match max_abs.is_nan() || difference.is_nan() {
            true => f64::NAN,
            false => max_abs.max(difference.abs()),
        };
    }
    RowChange {
        changed,
        l2_squared: lane_sum(pairs().map(|(o, n)| (n - o) * (n - o))),
        max_abs,
        dot: lane_sum(pairs().map(|(o, n)| o * n)),
        old_squared: lane_sum(old.iter().map(|o| o * o)),
        new_squared: lane_sum(new.iter().map(|n| n * n)),
    }
}

pub(crate) fn all_finite(element: Element, row: &[u8]) -> bool {
    let mut cells = cells(element, row).into_iter();
    cells.all(|bits| element.to_f64(bits).is_finite())
}

pub(crate) fn max_abs(element: Element, row: &[u8]) -> f64 {
    let mut max = 0.0;
    for bits in cells(element, row) {
        let value = element.to_f64(bits);
        if value.is_nan() {
            return f64::NAN;
        }
        if value.abs() > max {
            max = value.abs();
        }
    }
    max
}

pub(crate) fn extract(element: Element, old: &[u8], new: &[u8]) -> (Vec<u32>, Vec<u8>) {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    let pairs = cells(element, old).into_iter().zip(cells(element, new));
    for (i, (old, new)) in pairs.enumerate() {
        if old != new {
            indices.push(i as u32);
            bits.extend(old.iter().zip(new).map(|(o, n)| o ^ n));
        }
    }
    (indices, bits)
}

/// Turns a sparse row into a dense one.
pub(crate) fn expand(element: Element, dims: usize, indices: &[u32], bits: &[u8]) -> Vec<u8> {
    let mut row = vec![0; dims * element.size()];
    for (&index, bits) in indices.iter().zip(bits.chunks(element.size())) {
        for (byte, bit) in bits.iter().enumerate() {
            row[index as usize * element.size() + byte] ^= bit;
        }
    }
    row
}
