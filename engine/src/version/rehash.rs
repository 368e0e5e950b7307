//! Hashing a history again, piece by piece: for those who watch, and want to go on meanwhile.
//!
//! Every frame against its hash, every record against the one before, every commit against its identity and its parents'.
//! That the tables follow from the deltas is left to [`verify`](super::verify()), which reads everything at once.

use super::error::{Result, VersionError};
use super::graph::RecordOf;
use super::repository::{CommitIndex, Repository};
use crate::store::{BlockKind, Damage, Place, Record, StoreError};

/// What a piece of the log is like.
#[derive(Clone, Debug, Default)]
pub struct Rehashed {
    /// The number of the record to go on with; `None` at the end.
    pub next: Option<u64>,
    /// How many records were hashed.
    pub records: u64,
    /// How many bytes were hashed.
    pub bytes: u64,
    /// What is wrong, and the commit that it is part of.
    pub problems: Vec<(Option<CommitIndex>, Damage)>,
}

/// Hashes records from a number on, the first being 1, until at least `budget` bytes were hashed.
///
/// # Errors
/// When the disk cannot be read; damage is no error, it is in the answer.
pub fn rehash(repo: &Repository, from: u64, budget: u64) -> Result<Rehashed> {
    let mut out = Rehashed::default();
    let last = repo.graph().records.len() as u64;
    for sequence in from.max(1)..=last {
        if out.bytes >= budget {
            out.next = Some(sequence);
            break;
        }
        let Some(place) = repo.graph().place(sequence) else { continue };
        let commit = match repo.graph().records[sequence as usize - 1] {
            RecordOf::Commit(commit) => Some(commit),
            RecordOf::Operation(_) => None,
        };
        match check(repo, sequence, place, commit, &mut out.bytes) {
            Ok(()) => {}
            Err(VersionError::Store(StoreError::Corrupt(damage))) => out.problems.push((commit, *damage)),
            Err(error) => return Err(error),
        }
        out.records += 1;
    }
    Ok(out)
}

/// Returns how many records the log has.
pub fn record_count(repo: &Repository) -> u64 {
    repo.graph().records.len() as u64
}

fn check(repo: &Repository, sequence: u64, place: Place, commit: Option<CommitIndex>, bytes: &mut u64) -> Result<()> {
    *bytes += place.len;
    let record = repo.log().record(place)?;
    let link = record.link();
    let before = sequence.checked_sub(1).and_then(|s| repo.graph().place(s)).map(|p| p.hash);
    if link.sequence != sequence || before.is_some_and(|hash| hash != link.previous) {
        return Err(super::data::damaged(repo, place, "the record does not follow on the one before it"));
    }
    if let (Record::Commit(record), Some(commit)) = (&record, commit) {
        let entry = repo.entry(commit);
        let parents: Vec<_> = entry.parents.iter().map(|&p| repo.entry(p).id).collect();
        if record.body.id() != entry.id || record.body.parents != parents {
            return Err(super::data::damaged(repo, place, "the commit is not the one its identity names"));
        }
        if super::root::state_root(&record.body.collections) != record.body.state_root.0 {
            return Err(super::data::damaged(repo, place, "the state root is not that of its collections"));
        }
    }
    let blocks = record.blocks();
    for (i, block) in blocks.iter().enumerate() {
        // The rows of collected commits are gone by intent.
        if place.bare && block.kind != BlockKind::Keys {
            continue;
        }
        *bytes += u64::from(block.len);
        repo.log().block(place, blocks, i)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::{Disk, MemoryDisk};

    fn all(repo: &Repository, budget: u64) -> Rehashed {
        let (mut sum, mut from) = (Rehashed::default(), Some(1));
        while let Some(next) = from {
            let part = rehash(repo, next, budget).expect("it is read");
            from = part.next;
            assert!(from.is_none_or(|n| n > next), "it goes on");
            sum.records += part.records;
            sum.bytes += part.bytes;
            sum.problems.extend(part.problems);
        }
        sum
    }

    #[test]
    fn pieces_of_any_size_hash_everything_and_find_every_flipped_byte() {
        let disk = Arc::new(MemoryDisk::default());
        crate::demo::tell(disk.clone()).expect("the demo is told");
        let repo = Repository::open(disk.clone()).expect("it opens");
        let whole = all(&repo, u64::MAX);
        assert!(whole.problems.is_empty(), "{:?}", whole.problems);
        assert_eq!(whole.records, record_count(&repo));
        for budget in [1, 4_000, 100_000] {
            let parts = all(&repo, budget);
            assert_eq!((parts.records, parts.bytes), (whole.records, whole.bytes));
        }
        let path = "log/00000001.vdlog";
        let path = if disk.files().contains_key(path) {
            path.to_owned()
        } else {
            disk.files().keys().find(|k| k.starts_with("log/")).expect("a segment").clone()
        };
        let sound = disk.files()[&path].clone();
        let header = sound.len() - whole.bytes as usize;
        let (mut found, mut tried) = (0, 0);
        for at in (header.min(4096)..sound.len()).step_by(997) {
            let mut bytes = sound.clone();
            bytes[at] ^= 0x10;
            disk.put(&path, bytes);
            tried += 1;
            found += usize::from(!all(&repo, 50_000).problems.is_empty());
        }
        assert_eq!(found, tried);
        assert!(disk.len(&path).expect("it is there").is_some());
    }
}
