//! The way from a key's place in a state tree to the root: what shows that an entry is there, or that a key is not.

use rayon::prelude::*;

use super::tree::{FAN, LEVELS, PAIR, StateTree, node_hash, step, subtree};
use crate::delta::RowHash;

/// A way from a leaf to the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePath {
    /// Key hash and row hash of each entry of the leaf where the key's place is.
    pub leaf: Vec<([u8; 16], RowHash)>,
    /// For each node above the leaf, from the leaf up, the hashes of its 15 other children.
    pub nodes: Vec<[[u8; 32]; FAN - 1]>,
}

impl TreePath {
    /// Finds the way from the place of a key; every hash beside it is made anew.
    pub fn of(tree: &StateTree, key: &[u8; 16]) -> Self {
        let all: Vec<[u8; PAIR]> = tree.pages().iter().flat_map(|p| p.pairs().iter().copied()).collect();
        let (mut pairs, mut nodes) = (all.as_slice(), Vec::new());
        while pairs.len() > FAN && nodes.len() < LEVELS {
            let level = nodes.len();
            let mut by_step = [&[] as &[[u8; PAIR]]; FAN];
            pairs.chunk_by(|a, b| step(a, level) == step(b, level)).for_each(|c| by_step[step(&c[0], level)] = c);
            let own = step(key, level);
            pairs = by_step[own];
            let hashes: Vec<[u8; 32]> = by_step.into_par_iter().map(|c| subtree(c, level + 1)).collect();
            let mut others = hashes.into_iter().enumerate().filter(|(i, _)| *i != own).map(|(_, hash)| hash);
            nodes.push(std::array::from_fn(|_| others.next().expect("15 of 16 are left")));
        }
        nodes.reverse();
        let entry = |pair: &[u8; PAIR]| {
            let (key, row) = (std::array::from_fn(|i| pair[i]), std::array::from_fn(|i| pair[16 + i]));
            (key, RowHash(row))
        };
        Self { leaf: pairs.iter().map(entry).collect(), nodes }
    }

    /// Returns the root that the way leads to from the place of a key; an error says why there can be no such way.
    pub fn root(&self, key: &[u8; 16]) -> Result<[u8; 32], String> {
        let level = self.nodes.len();
        if level > LEVELS || (self.leaf.len() > FAN && level < LEVELS) {
            return Err("a tree has no such leaf".to_owned());
        }
        if !self.leaf.is_sorted() {
            return Err("the entries of the leaf are not in order".to_owned());
        }
        if self.leaf.iter().any(|(k, _)| (0..level).any(|l| step(k, l) != step(key, l))) {
            return Err("an entry of the leaf is not in its place".to_owned());
        }
        let pair =
            |(key, row): &([u8; 16], RowHash)| std::array::from_fn(|i| if i < 16 { key[i] } else { row.0[i - 16] });
        let pairs: Vec<[u8; PAIR]> = self.leaf.iter().map(pair).collect();
        let leaf = subtree(&pairs, if pairs.is_empty() { level } else { LEVELS });
        Ok(self.nodes.iter().zip((0..level).rev()).fold(leaf, |hash, (others, level)| {
            let (before, after) = others.split_at(step(key, level));
            node_hash(before.iter().copied().chain([hash]).chain(after.iter().copied()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::key_hash;
    use crate::store::EntryChange;

    #[test]
    fn a_path_leads_to_the_root_from_every_place() {
        let entry = |i: u32| {
            let row = RowHash(*blake3::hash(&i.to_le_bytes()).as_bytes());
            EntryChange { key: key_hash(&format!("key-{i}")), slot: i, row: Some(row) }
        };
        for n in [0, 1, 16, 17, 300, 5_000] {
            let mut tree = StateTree::default();
            tree.apply((0..n).map(entry).collect());
            let root = tree.root();
            for i in (0..n + 40).step_by(n as usize / 40 + 1) {
                let (key, row) = (entry(i).key, entry(i).row.unwrap());
                let path = TreePath::of(&tree, &key);
                assert_eq!(path.root(&key), Ok(root), "{i} of {n}");
                assert_eq!(path.leaf.contains(&(key, row)), i < n);
                let other = TreePath { leaf: path.leaf.iter().skip(1).copied().collect(), ..path.clone() };
                assert!(path.leaf.is_empty() || other.root(&key) != Ok(root));
            }
        }
    }
}
