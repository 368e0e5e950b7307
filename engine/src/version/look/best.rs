//! The first few of many, in an order that has no ties.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Keeps the `size` entries of smallest rank; among equal ranks those whose keys come first.
///
/// What is kept does not depend on the order in which entries are offered.
pub(super) struct Best<T> {
    size: usize,
    /// The worst entry is on top.
    heap: BinaryHeap<Entry<T>>,
}

struct Entry<T> {
    rank: f64,
    key: String,
    value: T,
}

impl<T> Best<T> {
    pub fn new(size: usize) -> Self {
        Self { size, heap: BinaryHeap::new() }
    }

    /// Returns whether an entry of this rank may get in: the cheap question that most entries fail.
    pub fn admits(&self, rank: f64) -> bool {
        self.heap.len() < self.size || self.heap.peek().is_some_and(|worst| order(rank, worst.rank).is_le())
    }

    /// Takes an entry, if it is among the first so far. A rank that is NaN comes after all numbers.
    pub fn offer(&mut self, rank: f64, key: &str, value: T) {
        if self.heap.len() == self.size {
            let after = |worst: &Entry<T>| order(rank, worst.rank).then_with(|| key.cmp(&worst.key)).is_ge();
            if self.heap.peek().is_none_or(after) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push(Entry { rank, key: key.to_owned(), value });
    }

    /// Takes over what another one kept.
    pub fn merge(&mut self, other: Self) {
        other.heap.into_iter().for_each(|e| self.offer(e.rank, &e.key, e.value));
    }

    /// Returns keys and values, the first one first.
    pub fn into_sorted(self) -> Vec<(String, T)> {
        self.heap.into_sorted_vec().into_iter().map(|e| (e.key, e.value)).collect()
    }
}

/// Orders ranks: zeros of both signs are equal, and every NaN comes last.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self.rank, other.rank).then_with(|| self.key.cmp(&other.key))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranks() -> impl Strategy<Value = Vec<f64>> {
        let rank = prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(f64::NAN),
            Just(-f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            -2.0..2.0f64,
        ];
        prop::collection::vec(rank, 0..40)
    }

    proptest! {
        /// Sorting everything is what keeping a few must agree with, whatever the order and the pieces.
        #[test]
        fn it_keeps_what_sorting_puts_first(ranks in ranks(), size in 0usize..12, cut in 0usize..40) {
            let class = |r: f64| (r.is_nan(), if r.is_nan() { 0.0 } else { r + 0.0 });
            let mut all: Vec<(f64, String)> =
                ranks.iter().enumerate().map(|(i, &r)| (r, format!("{}", (i * 7) % 40))).collect();
            let (mut one, mut two) = (Best::new(size), Best::new(size));
            for (i, (rank, key)) in all.iter().enumerate() {
                let target = if i < cut { &mut one } else { &mut two };
                let admitted = target.admits(*rank);
                let before = target.heap.len();
                target.offer(*rank, key, ());
                prop_assert!(admitted || before == target.heap.len());
            }
            two.merge(one);
            let found: Vec<String> = two.into_sorted().into_iter().map(|e| e.0).collect();
            all.sort_by(|a, b| class(a.0).partial_cmp(&class(b.0)).unwrap().then(a.1.cmp(&b.1)));
            let expected: Vec<String> = all.into_iter().take(size).map(|e| e.1).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
