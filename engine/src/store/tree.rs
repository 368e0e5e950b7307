//! The state tree: a Merkle tree over a collection's keys that does not depend on its history.
//!
//! Entries are sorted by the hash of their key. A node with at most 16 entries below it is a leaf: the hash of those
//! entries. Any other node is the hash of its 16 children, one a value of the next four bits of the key's hash. So the
//! root follows from the set of entries alone, and a change touches one path.
//!
//! In memory the entries are cut into pages by their first bits; each page keeps the hash of its subtree.

use std::sync::LazyLock;

use rayon::prelude::*;

use crate::delta::{RowHash, domain};

/// The most entries of a leaf, and the number of children of a node.
const FAN: usize = 16;

/// The number of 4-bit steps in a key's hash.
const LEVELS: usize = 32;

/// A page is split when the average page is larger than this.
const PAGE_ENTRIES: usize = 256;

static LEAF: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 tree leaf"));
static NODE: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 tree node"));

/// The place of a source in the tree and the hash of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The hash of the key.
    pub key: [u8; 16],
    /// The source's number; not under the hash.
    pub slot: u32,
    /// The hash of key and row.
    pub row: RowHash,
}

/// What becomes of one entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryChange {
    /// The hash of the key.
    pub key: [u8; 16],
    /// The source's number.
    pub slot: u32,
    /// The row's new hash, or `None` when the source is gone.
    pub row: Option<RowHash>,
}

/// The way from a key's place to the root: what shows that an entry is in a tree, or that a key is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreePath {
    /// Key hash and row hash of each entry of the leaf where the key's place is.
    pub leaf: Vec<([u8; 16], RowHash)>,
    /// For each node above the leaf, from the leaf up, the hashes of its 15 other children.
    pub nodes: Vec<[[u8; 32]; FAN - 1]>,
}

impl TreePath {
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
        let entries: Vec<Entry> = self.leaf.iter().map(|&(key, row)| Entry { key, slot: 0, row }).collect();
        let leaf = subtree(&entries, if entries.is_empty() { level } else { LEVELS });
        Ok(self.nodes.iter().zip((0..level).rev()).fold(leaf, |hash, (others, level)| {
            let (before, after) = others.split_at(step(key, level));
            node_hash(before.iter().copied().chain([hash]).chain(after.iter().copied()))
        }))
    }
}

#[derive(Clone, Debug, Default)]
struct Page {
    entries: Vec<Entry>,
    /// The hash of the subtree; `None` after a change.
    hash: Option<[u8; 32]>,
}

/// A state tree with all of its entries in memory.
#[derive(Clone, Debug)]
pub struct StateTree {
    /// How many 4-bit steps of the key's hash choose the page.
    depth: usize,
    pages: Vec<Page>,
    len: usize,
}

impl Default for StateTree {
    fn default() -> Self {
        Self { depth: 0, pages: vec![Page::default()], len: 0 }
    }
}

impl StateTree {
    /// Builds a tree from entries in any order.
    pub fn from_entries(mut entries: Vec<Entry>) -> Self {
        entries.par_sort_unstable_by_key(sort_key);
        let depth = depth_for(entries.len());
        let mut pages = vec![Page::default(); 1 << (4 * depth)];
        let len = entries.len();
        let mut rest = entries.as_slice();
        for (i, page) in pages.iter_mut().enumerate() {
            let count = rest.partition_point(|e| page_of(&e.key, depth) <= i);
            page.entries = rest[..count].to_vec();
            rest = &rest[count..];
        }
        Self { depth, pages, len }
    }

    /// Goes over all entries in the order of their keys' hashes.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.pages.iter().flat_map(|p| &p.entries)
    }

    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Inserts, replaces and removes entries.
    pub fn apply(&mut self, mut changes: Vec<EntryChange>) {
        changes.par_sort_unstable_by_key(|c| (c.key, c.slot));
        let depth = self.depth;
        let mut groups: Vec<(usize, &[EntryChange])> = Vec::new();
        let mut rest = changes.as_slice();
        while let Some(first) = rest.first() {
            let page = page_of(&first.key, depth);
            let count = rest.partition_point(|c| page_of(&c.key, depth) <= page);
            groups.push((page, &rest[..count]));
            rest = &rest[count..];
        }
        let mut touched: Vec<(&mut Page, &[EntryChange])> = Vec::with_capacity(groups.len());
        let mut pages = self.pages.as_mut_slice();
        let mut base = 0;
        for (page, group) in groups {
            let (head, tail) = pages.split_at_mut(page + 1 - base);
            touched.push((&mut head[page - base], group));
            pages = tail;
            base = page + 1;
        }
        touched.into_par_iter().for_each(|(page, group)| page.apply(group));
        self.len = self.pages.iter().map(|p| p.entries.len()).sum();
        if depth_for(self.len) > self.depth {
            *self = Self::from_entries(self.entries().copied().collect());
        }
    }

    /// Returns the way from the place of a key to the root; every hash beside it is made anew.
    pub fn path(&self, key: &[u8; 16]) -> TreePath {
        let all: Vec<Entry> = self.entries().copied().collect();
        let (mut entries, mut nodes) = (all.as_slice(), Vec::new());
        while entries.len() > FAN && nodes.len() < LEVELS {
            let level = nodes.len();
            let mut children = entries.chunk_by(|a, b| step(&a.key, level) == step(&b.key, level));
            let mut by_step = [&[] as &[Entry]; FAN];
            children.by_ref().for_each(|c| by_step[step(&c[0].key, level)] = c);
            let own = step(key, level);
            entries = by_step[own];
            let hashes: Vec<[u8; 32]> = by_step.into_par_iter().map(|c| subtree(c, level + 1)).collect();
            let mut others = hashes.into_iter().enumerate().filter(|(i, _)| *i != own).map(|(_, hash)| hash);
            nodes.push(std::array::from_fn(|_| others.next().expect("15 of 16 are left")));
        }
        nodes.reverse();
        TreePath { leaf: entries.iter().map(|e| (e.key, e.row)).collect(), nodes }
    }

    /// Returns the root.
    pub fn root(&mut self) -> [u8; 32] {
        let depth = self.depth;
        self.pages.par_iter_mut().filter(|p| p.hash.is_none()).for_each(|p| p.hash = Some(subtree(&p.entries, depth)));
        self.node(0, 0)
    }

    /// Returns the hash of the node at `level` whose first bits are `prefix`.
    fn node(&self, level: usize, prefix: usize) -> [u8; 32] {
        let width = 1 << (4 * (self.depth - level));
        let pages = &self.pages[prefix * width..(prefix + 1) * width];
        let count: usize = pages.iter().map(|p| p.entries.len()).sum();
        if level == self.depth {
            return pages[0].hash.expect("every page was hashed before");
        }
        if count <= FAN {
            let entries: Vec<Entry> = pages.iter().flat_map(|p| p.entries.iter().copied()).collect();
            return subtree(&entries, level);
        }
        node_hash((0..FAN).map(|child| self.node(level + 1, prefix * FAN + child)))
    }
}

impl Page {
    fn apply(&mut self, changes: &[EntryChange]) {
        self.hash = None;
        for change in changes {
            let range = self.entries.partition_point(|e| e.key < change.key)
                ..self.entries.partition_point(|e| e.key <= change.key);
            let found = self.entries[range.clone()].iter().position(|e| e.slot == change.slot);
            if let Some(i) = found {
                self.entries.remove(range.start + i);
            }
            if let Some(row) = change.row {
                let entry = Entry { key: change.key, slot: change.slot, row };
                let at = self.entries.partition_point(|e| sort_key(e) < sort_key(&entry));
                self.entries.insert(at, entry);
            }
        }
    }
}

/// Entries are in the order of what is hashed, so that slots leave no trace.
fn sort_key(entry: &Entry) -> ([u8; 16], RowHash) {
    (entry.key, entry.row)
}

fn depth_for(len: usize) -> usize {
    let mut depth = 0;
    while depth < 5 && len >> (4 * depth) > PAGE_ENTRIES {
        depth += 1;
    }
    depth
}

/// Returns the page of a key: the number that its first `depth` steps make.
fn page_of(key: &[u8; 16], depth: usize) -> usize {
    (0..depth).fold(0, |page, level| page * FAN + step(key, level))
}

fn step(key: &[u8; 16], level: usize) -> usize {
    let byte = key[level / 2];
    usize::from(if level.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// Returns the hash of sorted entries that agree in their first `level` steps.
fn subtree(entries: &[Entry], level: usize) -> [u8; 32] {
    if entries.is_empty() && level > 0 {
        return [0; 32];
    }
    if entries.len() <= FAN || level == LEVELS {
        return leaf_hash(entries);
    }
    let mut rest = entries;
    node_hash((0..FAN).map(|child| {
        let count = rest.partition_point(|e| step(&e.key, level) <= child);
        let (mine, others) = rest.split_at(count);
        rest = others;
        subtree(mine, level + 1)
    }))
}

fn leaf_hash(entries: &[Entry]) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(entries.len() * 48);
    for entry in entries {
        bytes.extend_from_slice(&entry.key);
        bytes.extend_from_slice(&entry.row.0);
    }
    *blake3::keyed_hash(&LEAF, &bytes).as_bytes()
}

fn node_hash(children: impl Iterator<Item = [u8; 32]>) -> [u8; 32] {
    let mut bytes = [0; FAN * 32];
    for (place, child) in bytes.chunks_exact_mut(32).zip(children) {
        place.copy_from_slice(&child);
    }
    *blake3::keyed_hash(&NODE, &bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::key_hash;

    fn entry(i: u32, value: u32) -> Entry {
        Entry {
            key: key_hash(&format!("key-{i}")),
            slot: i,
            row: RowHash(*blake3::hash(&value.to_le_bytes()).as_bytes()),
        }
    }

    fn fresh_root(entries: &[Entry]) -> [u8; 32] {
        let mut sorted = entries.to_vec();
        sorted.sort_unstable_by_key(sort_key);
        subtree(&sorted, 0)
    }

    #[test]
    fn the_root_follows_from_the_set_alone() {
        for n in [0, 1, 15, 16, 17, 100, 255, 257, 5_000] {
            let entries: Vec<Entry> = (0..n).map(|i| entry(i, i)).collect();
            let want = fresh_root(&entries);
            assert_eq!(StateTree::from_entries(entries.clone()).root(), want, "{n} at once");
            let mut grown = StateTree::default();
            for part in entries.chunks(37) {
                let changes = part.iter().map(|e| EntryChange { key: e.key, slot: e.slot, row: Some(e.row) });
                grown.apply(changes.collect());
                grown.root();
            }
            assert_eq!(grown.root(), want, "{n} in steps");
        }
    }

    #[test]
    fn updates_and_removals_lead_to_the_root_of_what_is_left() {
        let mut tree = StateTree::from_entries((0..3_000).map(|i| entry(i, i)).collect());
        tree.root();
        let changes = (0..3_000).filter(|i| i % 3 != 0).map(|i| {
            let e = entry(i, i + 1);
            EntryChange { key: e.key, slot: e.slot, row: (i % 3 == 1).then_some(e.row) }
        });
        tree.apply(changes.collect());
        let left: Vec<Entry> =
            (0..3_000).filter(|i| i % 3 != 2).map(|i| entry(i, if i % 3 == 0 { i } else { i + 1 })).collect();
        assert_eq!(tree.root(), fresh_root(&left));
        assert_eq!(tree.len(), 2_000);
    }

    #[test]
    fn a_path_leads_to_the_root_from_every_place() {
        for n in [0, 1, 16, 17, 300, 5_000] {
            let mut tree = StateTree::from_entries((0..n).map(|i| entry(i, i)).collect());
            let root = tree.root();
            for i in (0..n + 40).step_by(n as usize / 40 + 1) {
                let path = tree.path(&entry(i, i).key);
                assert_eq!(path.root(&entry(i, i).key), Ok(root), "{i} of {n}");
                assert_eq!(path.leaf.contains(&(entry(i, i).key, entry(i, i).row)), i < n);
                let other = TreePath { leaf: path.leaf.iter().skip(1).copied().collect(), ..path.clone() };
                assert!(path.leaf.is_empty() || other.root(&entry(i, i).key) != Ok(root));
            }
        }
    }

    #[test]
    fn slots_leave_no_trace() {
        let one = StateTree::from_entries((0..100).map(|i| entry(i, i)).collect()).root();
        let shifted = (0..100).map(|i| Entry { slot: 999 - i, ..entry(i, i) });
        assert_eq!(StateTree::from_entries(shifted.collect()).root(), one);
    }
}
