//! Numbers sorted into a few ranges.

/// How many ranges there are, at most.
const BINS: usize = 8;
/// From this ratio on between the ends, every range covers the same ratio instead of the same length.
const RATIO: f64 = 30.0;

/// How many numbers lie between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The lower end.
    pub from: f64,
    /// The upper end; it belongs to the next range, except for the last one.
    pub to: f64,
    /// How many numbers.
    pub count: u64,
}

/// Sorts ascending numbers into ranges of equal length; of equal ratio when they go from small to very large.
pub fn bins(ascending: &[f64]) -> Vec<Bin> {
    let (Some(&least), Some(&most)) = (ascending.first(), ascending.last()) else {
        return Vec::new();
    };
    if least == most {
        return vec![Bin { from: least, to: most, count: ascending.len() as u64 }];
    }
    let by_ratio = least > 0.0 && most / least >= RATIO;
    let edge = |i: usize| match (i, by_ratio) {
        (0, _) => least,
        (BINS, _) => most,
        (_, true) => least * (most / least).powf(i as f64 / BINS as f64),
        (_, false) => least + (most - least) * (i as f64 / BINS as f64),
    };
    let below = |edge: f64| ascending.partition_point(|&x| x < edge);
    let bin = |i: usize| {
        let end = if i + 1 == BINS { ascending.len() } else { below(edge(i + 1)) };
        Bin { from: edge(i), to: edge(i + 1), count: end.saturating_sub(below(edge(i))) as u64 }
    };
    (0..BINS).map(bin).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every number is in exactly one range, the one between whose ends it lies.
        #[test]
        fn every_number_is_counted_once(mut numbers in prop::collection::vec(1e-6..1e3f64, 0..200)) {
            numbers.sort_by(f64::total_cmp);
            let bins = bins(&numbers);
            prop_assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), numbers.len() as u64);
            for (i, bin) in bins.iter().enumerate() {
                let last = i + 1 == bins.len();
                let inside = numbers.iter().filter(|&&x| bin.from <= x && (x < bin.to || last)).count();
                prop_assert_eq!(bin.count, inside as u64);
            }
        }
    }
}
