//! Checkpoints: one line that pins a whole history.
//!
//! The root is the Merkle tree hash of RFC 6962 over the records of the log, with BLAKE3 in two domains.

use std::sync::LazyLock;

use super::repository::Repository;
use crate::delta::domain;

static LEAF: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 log leaf"));
static NODE: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 log node"));

/// A pinned state of a repository's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which repository.
    pub origin: [u8; 32],
    /// How many records its log had.
    pub size: u64,
    /// The root over them.
    pub root: [u8; 32],
}

impl std::fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hex = |bytes: [u8; 32]| blake3::Hash::from_bytes(bytes).to_hex();
        write!(f, "{} {} {}", hex(self.origin), self.size, hex(self.root))
    }
}

impl Checkpoint {
    /// Reads the line that a checkpoint prints.
    ///
    /// # Errors
    /// Says what the line should look like.
    pub fn parse(line: &str) -> Result<Self, String> {
        let wrong = || "a checkpoint is one line: origin, size and root, with spaces between".to_owned();
        let mut words = line.split_whitespace();
        let hash = |word: Option<&str>| {
            let hash = blake3::Hash::from_hex(word.ok_or_else(wrong)?).map_err(|_| wrong())?;
            Ok::<_, String>(*hash.as_bytes())
        };
        let origin = hash(words.next())?;
        let size = words.next().and_then(|w| w.parse().ok()).ok_or_else(wrong)?;
        let root = hash(words.next())?;
        match words.next() {
            None => Ok(Self { origin, size, root }),
            Some(_) => Err(wrong()),
        }
    }
}

/// Returns the checkpoint of a repository as it stands.
pub fn checkpoint(repo: &Repository) -> Checkpoint {
    let records = record_hashes(repo);
    Checkpoint { origin: *repo.origin(), size: records.len() as u64, root: log_root(&records) }
}

/// Checks that a repository's history continues a pinned one.
///
/// # Errors
/// Says how it does not.
pub fn check_since(repo: &Repository, pinned: &Checkpoint) -> Result<(), String> {
    let records = record_hashes(repo);
    if pinned.origin != *repo.origin() {
        return Err("the checkpoint is of another repository".to_owned());
    }
    let size = usize::try_from(pinned.size).unwrap_or(usize::MAX);
    let Some(then) = records.get(..size) else {
        return Err(format!(
            "the history has {} records, fewer than the {} of the checkpoint: its end was cut off",
            records.len(),
            pinned.size
        ));
    };
    if log_root(then) != pinned.root {
        return Err("the history up to the checkpoint is not the one that was pinned: it was rewritten".to_owned());
    }
    Ok(())
}

pub(super) fn record_hashes(repo: &Repository) -> Vec<[u8; 32]> {
    (0..repo.graph().records.len()).map(|r| *repo.graph().record_hash(r)).collect()
}

/// Returns the hash of a record in the tree, from the hash of its frame.
pub(super) fn leaf_hash(frame: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(&LEAF, frame).as_bytes()
}

/// Returns the hash of two sides of the tree.
pub(super) fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(&NODE, &[*left, *right].concat()).as_bytes()
}

/// Returns the root over the frame hashes of records.
pub(super) fn log_root(records: &[[u8; 32]]) -> [u8; 32] {
    match records {
        [] => *blake3::keyed_hash(&LEAF, b"").as_bytes(),
        [one] => leaf_hash(one),
        many => {
            // The left side is the largest power of two that leaves something for the right.
            let left = many.len().next_power_of_two() / 2;
            node_hash(&log_root(&many[..left]), &log_root(&many[left..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_the_records_changes_the_root() {
        let records: Vec<[u8; 32]> = (0..9u8).map(|i| [i; 32]).collect();
        let mut roots: Vec<_> = (0..=9).map(|n| log_root(&records[..n])).collect();
        let mut swapped = records.clone();
        swapped.swap(0, 8);
        roots.push(log_root(&swapped));
        let distinct: std::collections::BTreeSet<_> = roots.iter().collect();
        assert_eq!(distinct.len(), roots.len());
    }

    #[test]
    fn a_line_reads_back() {
        let c = Checkpoint { origin: [1; 32], size: 7, root: [2; 32] };
        assert_eq!(Checkpoint::parse(&c.to_string()), Ok(c));
        assert!(Checkpoint::parse("x 1 y").is_err() && Checkpoint::parse(&format!("{c} more")).is_err());
    }
}
