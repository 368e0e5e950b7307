//! Audit paths over the records of a log: that one is among them, and that a longer log continues a shorter one.
//!
//! Source: RFC 6962, "Certificate Transparency", sections 2.1.1 and 2.1.2, with BLAKE3 in two domains.

use crate::version::proof::{leaf_hash, log_root, node_hash};

type Hash = [u8; 32];

/// Returns the hashes beside the way from a record, counted from 0, to the root, from the leaf up.
///
/// # Panics
/// If there is no such record.
pub fn path(records: &[Hash], record: usize) -> Vec<Hash> {
    if records.len() == 1 {
        return Vec::new();
    }
    let (left, right) = halves(records);
    let (mut path, other) = match record.checked_sub(left.len()) {
        None => (path(left, record), right),
        Some(record) => (path(right, record), left),
    };
    path.push(log_root(other));
    path
}

/// Returns the root that a path leads to from a record of a log of `size` records; `None` for a path of another length.
pub fn root_from(frame: &Hash, record: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if record >= size {
        return None;
    }
    if size == 1 {
        return path.is_empty().then(|| leaf_hash(frame));
    }
    let (other, rest) = path.split_last()?;
    let left = left_of(size);
    Some(match record.checked_sub(left) {
        None => node_hash(&root_from(frame, record, left, rest)?, other),
        Some(record) => node_hash(other, &root_from(frame, record, size - left, rest)?),
    })
}

/// Returns the hashes that show that these records continue the first `then` of them, which are at least one and not
/// all.
pub fn continuation(records: &[Hash], then: usize) -> Vec<Hash> {
    subproof(records, then, true)
}

fn subproof(records: &[Hash], then: usize, known: bool) -> Vec<Hash> {
    if then == records.len() {
        return if known { Vec::new() } else { vec![log_root(records)] };
    }
    let (left, right) = halves(records);
    let (mut proof, other) = match then.checked_sub(left.len()) {
        None | Some(0) => (subproof(left, then, known), right),
        Some(then) => (subproof(right, then, false), left),
    };
    proof.push(log_root(other));
    proof
}

/// Returns the roots of the shorter and of the longer log that a proof leads to; `None` for a proof of another length.
///
/// `root` is the root of the shorter log, which need not be in the proof where it is a subtree of the longer one.
pub fn roots_from(then: u64, size: u64, root: &Hash, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if then == 0 || then >= size {
        return None;
    }
    folded(then, size, Some(root), proof)
}

fn folded(then: u64, size: u64, known: Option<&Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if then == size {
        let root = match (known, proof) {
            (Some(root), []) => root,
            (None, [root]) => root,
            _ => return None,
        };
        return Some((*root, *root));
    }
    let (other, rest) = proof.split_last()?;
    let left = left_of(size);
    if then <= left {
        let (old, new) = folded(then, left, known, rest)?;
        return Some((old, node_hash(&new, other)));
    }
    let (old, new) = folded(then - left, size - left, None, rest)?;
    Some((node_hash(other, &old), node_hash(other, &new)))
}

/// Returns the size of the left side of two records or more: the largest power of two that leaves something for the
/// right.
fn left_of(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

fn halves(records: &[Hash]) -> (&[Hash], &[Hash]) {
    records.split_at(left_of(records.len() as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record of every size, and every pair of sizes; what is changed leads elsewhere.
    #[test]
    fn paths_lead_to_the_root_and_nowhere_else() {
        let records: Vec<Hash> = (0..40u8).map(|i| [i; 32]).collect();
        for size in 1..=records.len() {
            let (own, root) = (&records[..size], log_root(&records[..size]));
            for record in 0..size {
                let way = path(own, record);
                let lead = |at: usize, way: &[Hash]| root_from(&own[record], at as u64, size as u64, way);
                assert_eq!(lead(record, &way), Some(root), "{record} of {size}");
                (0..size).filter(|&at| at != record).for_each(|at| assert_ne!(lead(at, &way), Some(root)));
                for i in 0..way.len() {
                    let mut other = way.clone();
                    other[i][31] ^= 1;
                    assert_ne!(lead(record, &other), Some(root));
                    other.truncate(i);
                    assert_ne!(lead(record, &other), Some(root));
                }
                assert_eq!(lead(record, &[way, vec![root]].concat()), None);
            }
            for then in 1..size {
                let (old, proof) = (log_root(&records[..then]), continuation(own, then));
                let lead = |then: usize, proof: &[Hash]| roots_from(then as u64, size as u64, &old, proof);
                assert_eq!(lead(then, &proof), Some((old, root)), "{then} of {size}");
                for i in 0..proof.len() {
                    let mut other = proof.clone();
                    other[i][0] ^= 128;
                    assert_ne!(lead(then, &other), Some((old, root)));
                    other.truncate(i);
                    assert_ne!(lead(then, &other), Some((old, root)));
                }
            }
        }
    }

    #[test]
    fn no_size_is_too_large_to_be_refused() {
        for size in [0, 1, 2, 3, u64::MAX / 2 + 1, u64::MAX] {
            for at in [0, 1, size / 2, size - size.min(1), u64::MAX] {
                for len in [0, 1, 63, 64, 65, 1_000] {
                    let proof = vec![[7; 32]; len];
                    assert_ne!(root_from(&[1; 32], at, size, &proof), Some([7; 32]));
                    assert_ne!(roots_from(at, size, &[1; 32], &proof), Some(([1; 32], [7; 32])));
                }
            }
        }
    }
}
