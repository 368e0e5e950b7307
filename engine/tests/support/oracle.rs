//! The oracle: a table as plain maps, and the same read from a repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecdelta::delta::{Change, Element, SortedMap, Table};
use vecdelta::version::{CommitIndex, Repository, VersionError, diff, read_table, tables};

/// One collection: its shape and its rows by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collection {
    pub element: Element,
    pub dims: u32,
    pub rows: BTreeMap<String, Vec<u8>>,
}

/// Every collection that has rows.
pub type Tables = BTreeMap<String, Collection>;

/// What differs: collection and key, the kind, the bits before and after.
pub type Changes = BTreeMap<(String, String), (Change, Vec<u8>, Vec<u8>)>;

/// Returns branches or tags as a tree.
pub fn names(of: &SortedMap<String, CommitIndex>) -> BTreeMap<String, CommitIndex> {
    of.iter().map(|(name, &commit)| (name.clone(), commit)).collect()
}

/// Reads the table of a commit; a key that comes twice panics.
pub fn read(repo: &Repository, commit: CommitIndex) -> Result<Tables, VersionError> {
    let mut out = Tables::new();
    for table in tables(repo, commit)? {
        let table = Arc::new(table);
        let mut rows = BTreeMap::new();
        read_table(repo, commit, &table, &mut |keys, data| {
            for (i, key) in keys.iter().enumerate() {
                let row = data[i * table.row_bytes()..(i + 1) * table.row_bytes()].to_vec();
                assert!(rows.insert(key.to_owned(), row).is_none(), "`{key}` comes twice");
            }
            Ok::<_, VersionError>(())
        })?;
        if !rows.is_empty() {
            let Table { element, dims, .. } = *table;
            out.insert(table.collection.clone(), Collection { element, dims, rows });
        }
    }
    Ok(out)
}

/// Reads the table of a commit; `None` when a compaction left it out.
pub fn read_held(repo: &Repository, commit: CommitIndex) -> Result<Option<Tables>, VersionError> {
    match read(repo, commit) {
        Ok(tables) => Ok(Some(tables)),
        Err(VersionError::Compacted { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks the repository what differs between two commits.
pub fn differences(
    repo: &Repository,
    from: Option<CommitIndex>,
    to: Option<CommitIndex>,
) -> Result<Changes, VersionError> {
    let mut out = Changes::new();
    diff(repo, from, to, None, &mut |part| {
        for d in part.sources {
            let name = (part.table.collection.clone(), d.key);
            assert!(out.insert(name, (d.change, d.old, d.new)).is_none(), "a source comes twice");
        }
        Ok::<_, VersionError>(())
    })?;
    Ok(out)
}

/// Says what differs between two oracles.
pub fn compare(from: &Tables, to: &Tables) -> Changes {
    let flat = |tables: &Tables| -> BTreeMap<(String, String), Vec<u8>> {
        let rows = |(name, c): (&String, &Collection)| {
            let name = name.clone();
            let own: Vec<_> = c.rows.iter().map(|(k, r)| ((name.clone(), k.clone()), r.clone())).collect();
            own
        };
        tables.iter().flat_map(rows).collect()
    };
    let (old, new) = (flat(from), flat(to));
    let mut out = Changes::new();
    for (key, row) in &new {
        match old.get(key) {
            None => out.insert(key.clone(), (Change::Insert, Vec::new(), row.clone())),
            Some(was) if was != row => out.insert(key.clone(), (Change::Update, was.clone(), row.clone())),
            Some(_) => None,
        };
    }
    for (key, row) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
        out.insert(key.clone(), (Change::Delete, row.clone(), Vec::new()));
    }
    out
}
