//! A map of few entries: keys in order, and a value for each.
//!
//! A tree is made for many; where a repository has dozens of names, two vectors are found through as fast and are a
//! tenth of its code, of which each pair of types gets a copy.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use borsh::io::{self, Read, Write};
use borsh::{BorshDeserialize, BorshSerialize};

/// A map in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new() }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.keys.binary_search_by(|k| k.borrow().cmp(key))
    }

    /// Returns the value of a key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &self.values[at])
    }

    /// Returns the value of a key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.find(key).ok().map(|at| &mut self.values[at])
    }

    /// Returns whether there is a key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Sets the value of a key; returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.values[at], value)),
            Err(at) => {
                self.keys.insert(at, key);
                self.values.insert(at, value);
                None
            }
        }
    }

    /// Returns the value of a key, to be changed; one that is not there is given this value.
    pub fn get_or_insert(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.keys.insert(at, key);
            self.values.insert(at, value());
            at
        });
        &mut self.values[at]
    }

    /// Removes a key; returns its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.keys.remove(at);
        Some(self.values.remove(at))
    }

    /// Returns the entries from a key on, in order.
    pub fn from<Q: Ord + ?Sized>(&self, key: &Q) -> impl Iterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.iter().skip(self.find(key).unwrap_or_else(|at| at))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Returns the keys in order.
    pub fn keys(&self) -> std::slice::Iter<'_, K> {
        self.keys.iter()
    }

    /// Returns the values in the order of their keys.
    pub fn values(&self) -> std::slice::Iter<'_, V> {
        self.values.iter()
    }

    /// Returns keys and values in order.
    pub fn iter(&self) -> std::iter::Zip<std::slice::Iter<'_, K>, std::slice::Iter<'_, V>> {
        self.keys.iter().zip(&self.values)
    }
}

impl<'m, K: Ord, V> IntoIterator for &'m SortedMap<K, V> {
    type Item = (&'m K, &'m V);
    type IntoIter = std::iter::Zip<std::slice::Iter<'m, K>, std::slice::Iter<'m, V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::iter::Zip<std::vec::IntoIter<K>, std::vec::IntoIter<V>>;

    fn into_iter(self) -> Self::IntoIter {
        self.keys.into_iter().zip(self.values)
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        entries.into_iter().for_each(|(key, value)| drop(map.insert(key, value)));
        map
    }
}

impl<K, V> From<BTreeMap<K, V>> for SortedMap<K, V> {
    fn from(tree: BTreeMap<K, V>) -> Self {
        let (keys, values) = tree.into_iter().unzip();
        Self { keys, values }
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for SortedMap<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: BorshSerialize, V: BorshSerialize> BorshSerialize for SortedMap<K, V> {
    /// Writes the same as a tree.
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        (self.keys.len() as u32).serialize(writer)?;
        for (key, value) in self.keys.iter().zip(&self.values) {
            key.serialize(writer)?;
            value.serialize(writer)?;
        }
        Ok(())
    }
}

impl<K: BorshDeserialize + Ord, V: BorshDeserialize> BorshDeserialize for SortedMap<K, V> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let (mut map, len) = (Self::default(), u32::deserialize_reader(reader)?);
        for _ in 0..len {
            let key = K::deserialize_reader(reader)?;
            if map.keys.last().is_some_and(|last| *last >= key) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the keys of a map are not in order"));
            }
            map.keys.push(key);
            map.values.push(V::deserialize_reader(reader)?);
        }
        Ok(map)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::SortedMap;

    proptest! {
        #[test]
        fn it_answers_like_a_tree(steps in prop::collection::vec((any::<bool>(), 0u8..12, any::<u8>()), 0..200)) {
            let (mut map, mut tree) = (SortedMap::default(), BTreeMap::new());
            for (add, key, value) in steps {
                match add {
                    true => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                    false => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                }
                if let (Some(own), Some(other)) = (map.get_mut(&value), tree.get_mut(&value)) {
                    *own ^= 1;
                    *other ^= 1;
                }
                prop_assert_eq!((map.get(&value), map.contains_key(&key)), (tree.get(&value), tree.contains_key(&key)));
                prop_assert!(map.iter().eq(&tree) && map.len() == tree.len() && map.is_empty() == tree.is_empty());
                prop_assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
            }
        }
    }
}
