//! Hashing the history again, a piece at a time.

use vecdelta::version::{Repository, VersionError, record_count, rehash as hash};

use super::history::number;
use crate::ask::{NONE, RehashSlice};

/// How many bytes one piece has, about: a few milliseconds' work.
const PIECE: u64 = 4 << 20;

/// Hashes a piece of the log from a record on.
pub fn rehash(repo: &Repository, from: u64) -> Result<RehashSlice, VersionError> {
    let done = hash(repo, from, PIECE)?;
    let problems = done.problems.into_iter().map(|(commit, damage)| (commit.map_or(NONE, number), damage.to_string()));
    Ok(RehashSlice {
        next: done.next.unwrap_or(0),
        total: record_count(repo),
        records: done.records,
        bytes: done.bytes,
        problems: problems.collect(),
    })
}
