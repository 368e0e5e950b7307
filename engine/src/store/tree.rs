//! The state tree: a Merkle tree over a collection's keys that does not depend on its history.
//!
//! Entries are sorted by the hash of their key. A node with at most 16 entries below it is a leaf: the hash of those
//! entries. Any other node is the hash of its 16 children, one a value of the next four bits of the key's hash. So the
//! root follows from the set of entries alone, and a change touches one path.
//!
//! In memory the entries are cut into pages by their first bits; each page keeps the hash of its subtree, and its
//! entries as they are hashed and saved, so that a tree that was saved is there without a look at each entry.

use std::sync::LazyLock;

use bytes::Bytes;
use rayon::prelude::*;

use vecdelta_kernels::Message;

use crate::delta::{RowHash, domain, hash_side_by_side};

/// The most entries of a leaf, and the number of children of a node.
pub(super) const FAN: usize = 16;

/// A key hash has so many steps.
pub(super) const LEVELS: usize = 32;

/// A page is split when the average page is larger than this.
const PAGE_ENTRIES: usize = 256;

/// Pages are cut by this many steps at most.
const DEPTH_MAX: usize = 5;

/// How many pages' hashes one task makes, side by side.
const HASHED_PAGES: usize = 64;

static LEAF: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 tree leaf"));
static NODE: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 tree node"));

/// The size of what is hashed of an entry: the hash of the key and the hash of the row.
pub const PAIR: usize = 48;

/// The size of what is not hashed of an entry: its slot.
pub const SLOT: usize = 4;

/// The place of a source in the tree and the hash of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// The hash of the key, and then that of key and row.
    pair: [u8; PAIR],
    /// The source's number; not under the hash.
    slot: u32,
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

/// The entries whose key hashes begin alike, in the order of what is hashed, so that slots leave no trace.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What is hashed of each entry.
    pub pairs: Bytes,
    /// The slot of each entry, as a little-endian `u32`.
    pub slots: Bytes,
    /// The hash of the subtree; `None` after a change.
    pub hash: Option<[u8; 32]>,
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
    /// Takes over the pages of a tree that was saved; returns `None` unless there are as many as some depth has.
    pub fn from_pages(pages: Vec<Page>) -> Option<Self> {
        let depth = (0..=DEPTH_MAX).find(|d| pages.len() == 1 << (4 * d))?;
        let len = pages.iter().map(Page::len).sum();
        Some(Self { depth, pages, len })
    }

    /// Returns the pages, in the order of their keys' hashes.
    pub fn pages(&self) -> &[Page] {
        &self.pages
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
        changes.par_sort_unstable_by_key(|c| (number(&c.key), c.slot));
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
        self.len = self.pages.iter().map(Page::len).sum();
        if depth_for(self.len) > self.depth {
            self.deepen();
        }
    }

    /// Cuts the entries into smaller pages.
    fn deepen(&mut self) {
        let join = |part: fn(&Page) -> &Bytes| match self.pages.as_slice() {
            [one] => part(one).clone(),
            pages => pages.iter().map(|p| &part(p)[..]).collect::<Vec<_>>().concat().into(),
        };
        let (mut pairs, mut slots) = (join(|p| &p.pairs), join(|p| &p.slots));
        self.depth = depth_for(self.len);
        let next = |page| {
            let count = pairs.as_chunks::<PAIR>().0.partition_point(|pair| page_of(pair, self.depth) <= page);
            Page { pairs: pairs.split_to(count * PAIR), slots: slots.split_to(count * SLOT), hash: None }
        };
        self.pages = (0..1 << (4 * self.depth)).map(next).collect();
    }

    /// Returns the root.
    pub fn root(&mut self) -> [u8; 32] {
        let depth = self.depth;
        let mut changed: Vec<&mut Page> = self.pages.iter_mut().filter(|p| p.hash.is_none()).collect();
        changed.par_chunks_mut(HASHED_PAGES).for_each(|pages| hash_pages(pages, depth));
        self.node(0, 0)
    }

    /// Returns the hash of the node at `level` whose first bits are `prefix`.
    fn node(&self, level: usize, prefix: usize) -> [u8; 32] {
        let width = 1 << (4 * (self.depth - level));
        let pages = &self.pages[prefix * width..(prefix + 1) * width];
        let count: usize = pages.iter().map(Page::len).sum();
        if level == self.depth {
            return pages[0].hash.expect("every page was hashed before");
        }
        if count <= FAN {
            let pairs: Vec<[u8; PAIR]> = pages.iter().flat_map(|p| p.pairs().iter().copied()).collect();
            return subtree(&pairs, level);
        }
        node_hash((0..FAN).map(|child| self.node(level + 1, prefix * FAN + child)))
    }
}

impl Page {
    /// Returns how many entries there are.
    pub fn len(&self) -> usize {
        self.pairs.len() / PAIR
    }

    pub(super) fn pairs(&self) -> &[[u8; PAIR]] {
        self.pairs.as_chunks().0
    }

    /// Takes over changes, which are sorted by key and slot.
    fn apply(&mut self, changes: &[EntryChange]) {
        let slots = self.slots.as_chunks().0.iter().map(|s| u32::from_le_bytes(*s));
        let old = self.pairs().iter().zip(slots).map(|(&pair, slot)| Entry { pair, slot });
        let stays =
            |e: &Entry| changes.binary_search_by_key(&(number(e.key()), e.slot), |c| (number(&c.key), c.slot)).is_err();
        let mut entries: Vec<Entry> = old.filter(stays).chain(changes.iter().filter_map(Entry::of)).collect();
        entries.sort_unstable_by(|a, b| number(a.key()).cmp(&number(b.key())).then_with(|| a.pair.cmp(&b.pair)));
        let (mut pairs, mut slots) =
            (Vec::with_capacity(entries.len() * PAIR), Vec::with_capacity(entries.len() * SLOT));
        for entry in &entries {
            pairs.extend_from_slice(&entry.pair);
            slots.extend_from_slice(&entry.slot.to_le_bytes());
        }
        (self.pairs, self.slots, self.hash) = (pairs.into(), slots.into(), None);
    }
}

impl Entry {
    /// Returns what a change leaves, if it leaves anything.
    fn of(change: &EntryChange) -> Option<Self> {
        let mut pair = [0; PAIR];
        pair[..16].copy_from_slice(&change.key);
        pair[16..].copy_from_slice(&change.row?.0);
        Some(Self { pair, slot: change.slot })
    }

    fn key(&self) -> &[u8; 16] {
        self.pair.first_chunk().expect("a pair begins with a key")
    }
}

/// Returns the hash of a key as a number, which is compared faster.
fn number(key: &[u8; 16]) -> u128 {
    u128::from_be_bytes(*key)
}

fn depth_for(len: usize) -> usize {
    let mut depth = 0;
    while depth < DEPTH_MAX && len >> (4 * depth) > PAGE_ENTRIES {
        depth += 1;
    }
    depth
}

/// Returns the page of a key: the number that its first `depth` steps make.
fn page_of(key: &[u8], depth: usize) -> usize {
    (0..depth).fold(0, |page, level| page * FAN + step(key, level))
}

pub(super) fn step(key: &[u8], level: usize) -> usize {
    let byte = key[level / 2];
    usize::from(if level.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// Hashes pages that agree in their first `depth` steps each: what is a leaf one step further down side by side, then the nodes.
fn hash_pages(pages: &mut [&mut Page], depth: usize) {
    let mut children: Vec<[[u8; 32]; FAN]> = vec![[[0; 32]; FAN]; pages.len()];
    let mut leaves: Vec<(usize, usize, &[[u8; PAIR]])> = Vec::new();
    let is_node = |page: &Page| page.len() > FAN;
    for (i, page) in pages.iter().enumerate().filter(|(_, page)| is_node(page)) {
        for (child, pairs) in (0..).zip(fan(page.pairs(), depth)) {
            match pairs.len() {
                0 => {}
                1..=FAN => leaves.push((i, child, pairs)),
                _ => children[i][child] = subtree(pairs, depth + 1),
            }
        }
    }
    // Neighbours of one length are hashed fastest.
    leaves.sort_unstable_by_key(|(_, _, pairs)| pairs.len());
    let mut hashes = Vec::with_capacity(leaves.len().max(pages.len()));
    hash_side_by_side(&LEAF, leaves.iter().map(|(_, _, pairs)| message(pairs.as_flattened())), &mut hashes);
    for ((i, child, _), hash) in leaves.into_iter().zip(hashes.drain(..)) {
        children[i][child] = hash;
    }
    hash_side_by_side(&NODE, children.iter().map(|hashes| message(hashes.as_flattened())), &mut hashes);
    for (page, node) in pages.iter_mut().zip(hashes) {
        page.hash = Some(if is_node(page) { node } else { subtree(page.pairs(), depth) });
    }
}

fn message(body: &[u8]) -> Message<'_> {
    Message { head: &[], body }
}

/// Cuts sorted entries by their step at a level.
fn fan(pairs: &[[u8; PAIR]], level: usize) -> impl Iterator<Item = &[[u8; PAIR]]> {
    let mut rest = pairs;
    (0..FAN).map(move |child| {
        let count = rest.partition_point(|pair| step(pair, level) <= child);
        let (mine, others) = rest.split_at(count);
        rest = others;
        mine
    })
}

/// Returns the hash of sorted entries that agree in their first `level` steps.
pub(super) fn subtree(pairs: &[[u8; PAIR]], level: usize) -> [u8; 32] {
    if pairs.is_empty() && level > 0 {
        return [0; 32];
    }
    if pairs.len() <= FAN || level == LEVELS {
        return *blake3::keyed_hash(&LEAF, pairs.as_flattened()).as_bytes();
    }
    node_hash(fan(pairs, level).map(|mine| subtree(mine, level + 1)))
}

pub(super) fn node_hash(children: impl Iterator<Item = [u8; 32]>) -> [u8; 32] {
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

    fn entry(i: u32, value: u32) -> EntryChange {
        let row = RowHash(*blake3::hash(&value.to_le_bytes()).as_bytes());
        EntryChange { key: key_hash(&format!("key-{i}")), slot: i, row: Some(row) }
    }

    fn tree(entries: &[EntryChange]) -> StateTree {
        let mut tree = StateTree::default();
        tree.apply(entries.to_vec());
        tree
    }

    fn fresh_root(entries: &[EntryChange]) -> [u8; 32] {
        let mut sorted: Vec<[u8; PAIR]> = entries.iter().filter_map(Entry::of).map(|e| e.pair).collect();
        sorted.sort_unstable();
        subtree(&sorted, 0)
    }

    #[test]
    fn the_root_follows_from_the_set_alone() {
        for n in [0, 1, 15, 16, 17, 100, 255, 257, 5_000] {
            let entries: Vec<EntryChange> = (0..n).map(|i| entry(i, i)).collect();
            let want = fresh_root(&entries);
            assert_eq!(tree(&entries).root(), want, "{n} at once");
            let mut grown = StateTree::default();
            for part in entries.chunks(37) {
                grown.apply(part.to_vec());
                grown.root();
            }
            assert_eq!(grown.root(), want, "{n} in steps");
            let mut saved = StateTree::from_pages(grown.pages().to_vec()).unwrap();
            assert_eq!((saved.root(), saved.len()), (want, n as usize), "{n} saved");
        }
        assert!(StateTree::from_pages(vec![Page::default(); 17]).is_none());
    }

    #[test]
    fn updates_and_removals_lead_to_the_root_of_what_is_left() {
        let mut tree = tree(&(0..3_000).map(|i| entry(i, i)).collect::<Vec<_>>());
        tree.root();
        let changes = (0..3_000).filter(|i| i % 3 != 0).map(|i| {
            let e = entry(i, i + 1);
            EntryChange { row: e.row.filter(|_| i % 3 == 1), ..e }
        });
        tree.apply(changes.collect());
        let left: Vec<EntryChange> =
            (0..3_000).filter(|i| i % 3 != 2).map(|i| entry(i, if i % 3 == 0 { i } else { i + 1 })).collect();
        assert_eq!(tree.root(), fresh_root(&left));
        assert_eq!(tree.len(), 2_000);
    }

    #[test]
    fn slots_leave_no_trace() {
        let entries: Vec<EntryChange> = (0..100).map(|i| entry(i, i)).collect();
        let shifted: Vec<EntryChange> = entries.iter().map(|e| EntryChange { slot: 999 - e.slot, ..*e }).collect();
        assert_eq!(tree(&shifted).root(), tree(&entries).root());
    }

    #[test]
    fn sources_whose_keys_hash_alike_are_told_apart_by_their_slots() {
        let twin = |slot, value| EntryChange { key: [7; 16], slot, ..entry(0, value) };
        let mut tree = tree(&[twin(1, 1), twin(2, 2)]);
        tree.apply(vec![twin(1, 3)]);
        assert_eq!(tree.root(), fresh_root(&[twin(2, 2), twin(1, 3)]));
        tree.apply(vec![EntryChange { row: None, ..twin(2, 0) }]);
        assert_eq!((tree.root(), tree.len()), (fresh_root(&[twin(1, 3)]), 1));
    }
}
