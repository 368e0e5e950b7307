//! Ancestry over all parents: who comes before whom, and where two histories part.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use super::repository::{CommitIndex, Repository};
use crate::delta::{CommitId, Timestamp};

const OURS: u8 = 1;
const THEIRS: u8 = 2;
const BELOW: u8 = 4;

/// Returns whether `older` is `newer` or one of its ancestors, over all parents.
pub fn is_ancestor(repo: &Repository, older: CommitIndex, newer: CommitIndex) -> bool {
    let (mut open, mut seen) = (vec![newer], HashSet::new());
    while let Some(c) = open.pop() {
        if c == older {
            return true;
        }
        // A parent has a lower number than its child.
        if c > older && seen.insert(c) {
            open.extend(&repo.entry(c).parents);
        }
    }
    false
}

/// Returns the common ancestors of two commits that are ancestors of no other common ancestor, in ascending order.
///
/// Several mean that the histories were merged into each other crosswise.
pub fn merge_bases(repo: &Repository, ours: CommitIndex, theirs: CommitIndex) -> Vec<CommitIndex> {
    let mut marks: BTreeMap<CommitIndex, u8> = BTreeMap::new();
    *marks.entry(ours).or_default() |= OURS;
    *marks.entry(theirs).or_default() |= THEIRS;
    let mut bases = Vec::new();
    // The highest number first: all children of a commit were looked at before it.
    while marks.values().any(|m| m & BELOW == 0) {
        let Some((c, mark)) = marks.pop_last() else { break };
        let common = mark & (OURS | THEIRS) == OURS | THEIRS;
        if common && mark & BELOW == 0 {
            bases.push(c);
        }
        let below = if common { mark | BELOW } else { mark };
        for &p in &repo.entry(c).parents {
            *marks.entry(p).or_default() |= below;
        }
    }
    bases.reverse();
    bases
}

/// Returns the common ancestor that a merge starts from: of several the latest in time, so that every repository with
/// these commits chooses the same; `None` when the histories have nothing in common.
pub fn merge_base(repo: &Repository, ours: CommitIndex, theirs: CommitIndex) -> Option<CommitIndex> {
    merge_bases(repo, ours, theirs).into_iter().max_by_key(|&c| age(repo, c))
}

/// Returns the commits from which some heads can be reached, oldest first: each after its parents, and among those that
/// are free to come the earliest in time.
///
/// Source: Kahn, "Topological sorting of large networks" (1962).
pub fn topological(repo: &Repository, heads: &[CommitIndex]) -> Vec<CommitIndex> {
    let mut waiting: HashMap<CommitIndex, usize> = HashMap::new();
    let mut children: HashMap<CommitIndex, Vec<CommitIndex>> = HashMap::new();
    let mut open = heads.to_vec();
    while let Some(c) = open.pop() {
        if waiting.contains_key(&c) {
            continue;
        }
        let parents = &repo.entry(c).parents;
        waiting.insert(c, parents.len());
        for &p in parents {
            children.entry(p).or_default().push(c);
            open.push(p);
        }
    }
    let free = waiting.iter().filter(|(_, n)| **n == 0).map(|(&c, _)| Reverse((age(repo, c), c)));
    let mut free: BinaryHeap<_> = free.collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(Reverse((_, c))) = free.pop() {
        order.push(c);
        for child in children.remove(&c).unwrap_or_default() {
            let left = waiting.get_mut(&child).expect("a child was counted");
            *left -= 1;
            if *left == 0 {
                free.push(Reverse((age(repo, child), child)));
            }
        }
    }
    order
}

fn age(repo: &Repository, commit: CommitIndex) -> (Timestamp, CommitId) {
    (repo.entry(commit).time, repo.entry(commit).id)
}
