//! The keys of a collection's slots, both ways: slot to key and key to slot.

use std::ops::Range;

use hashbrown::HashTable;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::delta::Keys;

/// Keys by slot, with an index that is built on the first look-up that needs it.
#[derive(Clone, Default)]
pub struct KeyTable {
    text: String,
    /// Where each key ends.
    ends: Vec<u64>,
    index: HashTable<u32>,
}

impl KeyTable {
    /// Returns how many slots have keys.
    pub fn len(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Returns whether no slot has one.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns the key of a slot.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn get(&self, slot: u32) -> &str {
        &self.text[self.place(slot)]
    }

    fn raw(&self, slot: u32) -> &[u8] {
        &self.text.as_bytes()[self.place(slot)]
    }

    fn place(&self, slot: u32) -> Range<usize> {
        let i = slot as usize;
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        start as usize..self.ends[i] as usize
    }

    /// Adds the key of the next slot, without a look whether it is there already.
    pub fn push(&mut self, key: &str) -> u32 {
        let slot = self.len();
        self.text.push_str(key);
        self.ends.push(self.text.len() as u64);
        if !self.index.is_empty() {
            self.insert(slot);
        }
        slot
    }

    /// Adds the keys of the next slots.
    pub fn extend(&mut self, keys: &Keys) {
        keys.iter().for_each(|k| {
            self.push(k);
        });
    }

    /// Returns whether a slot has this key: the cheap way when files keep their order.
    pub fn is(&self, slot: u32, key: &str) -> bool {
        slot < self.len() && self.raw(slot) == key.as_bytes()
    }

    /// Returns the slot of a key; call [`index`](Self::index) first.
    pub fn find(&self, key: &str) -> Option<u32> {
        let hash = xxh3_64(key.as_bytes());
        let equal = |slot: &u32| self.raw(*slot) == key.as_bytes();
        self.index.find(hash, equal).copied()
    }

    /// Builds the index if there is none.
    pub fn index(&mut self) {
        if self.index.is_empty() {
            let hashes: Vec<u64> = (0..self.len()).into_par_iter().map(|slot| xxh3_64(self.raw(slot))).collect();
            // One type of hasher for all tables of numbers: each makes a copy of how a table grows.
            let hash: &dyn Fn(&u32) -> u64 = &|slot| hashes[*slot as usize];
            self.index.reserve(hashes.len() + 1, hash);
            (0..self.len()).for_each(|slot| {
                self.index.insert_unique(hashes[slot as usize], slot, hash);
            });
        }
    }

    fn insert(&mut self, slot: u32) {
        let hash = xxh3_64(self.raw(slot));
        let mut index = std::mem::take(&mut self.index);
        let rehash: &dyn Fn(&u32) -> u64 = &|s| xxh3_64(self.raw(*s));
        index.insert_unique(hash, slot, rehash);
        self.index = index;
    }

    /// Returns the keys of some slots.
    ///
    /// # Panics
    /// If there is no such slot.
    pub fn between(&self, slots: Range<u32>) -> Keys {
        Keys::from_texts(slots.map(|slot| self.get(slot)))
    }

    /// Returns the bytes and the ends, as they are stored.
    pub fn parts(&self) -> (&[u8], &[u64]) {
        (self.text.as_bytes(), &self.ends)
    }

    /// Takes over stored bytes and ends; returns `None` unless they cut the bytes into texts.
    pub fn from_parts(bytes: Vec<u8>, ends: Vec<u64>) -> Option<Self> {
        let text = String::from_utf8(bytes).ok()?;
        let rising = ends.windows(2).all(|w| w[0] <= w[1]);
        let cut = ends.iter().all(|&e| usize::try_from(e).is_ok_and(|e| text.is_char_boundary(e)));
        let whole = ends.last().copied().unwrap_or(0) == text.len() as u64;
        (rising && cut && whole).then(|| Self { text, ends, index: HashTable::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_both_ways_before_and_after_the_index_is_built() {
        let mut table = KeyTable::default();
        let keys: Vec<String> = (0..5_000).map(|i| format!("ключ-{i}")).collect();
        keys[..4_000].iter().for_each(|k| {
            table.push(k);
        });
        table.index();
        keys[4_000..].iter().for_each(|k| {
            table.push(k);
        });
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(table.find(key), Some(i as u32));
            assert_eq!(table.get(i as u32), key);
            assert!(table.is(i as u32, key) && !table.is(i as u32 + 1, key));
        }
        assert_eq!(table.find("other"), None);
    }
}
