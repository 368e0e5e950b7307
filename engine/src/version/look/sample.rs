//! A sample of sources that is the same whatever the order in which they come.

use std::collections::{BTreeMap, BinaryHeap};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The sources whose keys have the smallest hashes under a seed, with their rows.
///
/// As good as a random choice, and found in one pass: the sample of a part of the sources holds every source of that
/// part that is in the sample of all of them.
pub(super) struct Sample {
    size: usize,
    seed: u64,
    /// The largest hash is on top.
    heap: BinaryHeap<(u64, String, Vec<u8>)>,
}

impl Sample {
    pub fn new(size: usize, seed: u64) -> Self {
        Self { size, seed, heap: BinaryHeap::new() }
    }

    /// Takes a source, if its hash is among the smallest so far.
    pub fn offer(&mut self, key: &str, row: &[u8]) {
        let hash = xxh3_64_with_seed(key.as_bytes(), self.seed);
        if self.heap.len() == self.size {
            if self.heap.peek().is_none_or(|(h, k, _)| (hash, key) >= (*h, k.as_str())) {
                return;
            }
            self.heap.pop();
        }
        self.heap.push((hash, key.to_owned(), row.to_vec()));
    }

    /// Returns the rows by key.
    pub fn into_rows(self) -> BTreeMap<String, Vec<u8>> {
        self.heap.into_iter().map(|(_, key, row)| (key, row)).collect()
    }
}
