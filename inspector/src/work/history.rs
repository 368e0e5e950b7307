//! The graph and the records of commits.

use std::collections::HashMap;

use vecdelta::delta::SortedMap;
use vecdelta::store::{CommitRecord, StoreError};
use vecdelta::version::{Repository, VersionError};

use crate::ask::{CommitNumber, GRAPH_SLICE, GraphSlice, NONE, Opened, Record, RecordSlice};

/// Describes a repository that was just opened.
pub fn opened(repo: &Repository, title: String, [distant, writable]: [bool; 2]) -> Result<Opened, VersionError> {
    let commits = u32::try_from(repo.len()).ok().filter(|&n| n < NONE);
    let commits = commits.ok_or_else(|| VersionError::Refused("more commits than can be shown".to_owned()))?;
    let names =
        |names: &SortedMap<String, usize>| names.iter().map(|(name, &commit)| (name.clone(), number(commit))).collect();
    Ok(Opened { title, commits, branches: names(repo.branches()), tags: names(repo.tags()), distant, writable })
}

/// Returns the shape of the graph from a commit on.
pub fn graph(repo: &Repository, from: CommitNumber) -> GraphSlice {
    let end = repo.len().min(from.saturating_add(GRAPH_SLICE) as usize);
    let mut slice = GraphSlice { from, ..GraphSlice::default() };
    let mut names: HashMap<&str, u16> = HashMap::new();
    for commit in from as usize..end {
        let entry = repo.entry(commit);
        let first = entry.id.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        let parent = |i: usize| entry.parents.get(i).map_or(NONE, |&p| number(p));
        slice.ids.push(first);
        slice.times.push(entry.time.physical_millis);
        slice.parents.push([parent(0), parent(1)]);
        let name = repo.branch_of(commit).and_then(|name| {
            let next = u16::try_from(names.len()).ok().filter(|&n| n < u16::MAX);
            names.get(name).copied().or_else(|| {
                let next = next?;
                names.insert(name, next);
                slice.branches.push(name.to_owned());
                Some(next)
            })
        });
        slice.branch.push(name.unwrap_or(u16::MAX));
    }
    slice
}

/// Returns the records of a few commits.
pub fn records(repo: &Repository, from: CommitNumber, count: u32) -> Result<RecordSlice, VersionError> {
    let end = repo.len().min(from.saturating_add(count) as usize);
    let records = (from as usize..end).map(|commit| match repo.commit(commit) {
        Ok(read) => Ok(record(&read, repo.snapshot(commit).is_some())),
        // One damaged record does not hide the others.
        Err(error @ VersionError::Store(StoreError::Corrupt(_))) => {
            Ok(Record { damage: error.to_string(), ..Record::default() })
        }
        Err(error) => Err(error),
    });
    Ok(RecordSlice { from, records: records.collect::<Result<_, VersionError>>()? })
}

/// Returns what a list shows of a commit.
pub fn record(record: &CommitRecord, snapshot: bool) -> Record {
    let body = &record.body;
    let counts = &body.counts;
    Record {
        author: body.author.clone(),
        message: body.message.clone(),
        changed: [counts.inserted, counts.updated, counts.deleted],
        stored: record.blocks.iter().map(|b| u64::from(b.len)).sum(),
        raw: counts.raw_bytes,
        l2_max: record.l2_max,
        snapshot,
        damage: String::new(),
    }
}

/// Returns a commit's number as it travels.
pub fn number(commit: usize) -> CommitNumber {
    u32::try_from(commit).unwrap_or(NONE)
}
