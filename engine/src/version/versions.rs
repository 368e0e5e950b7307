//! The versions of one source along first parents, each with its bits.

use super::error::{Result, VersionError};
use super::index::Kind;
use super::keys::find_slot;
use super::repository::{CommitIndex, Repository, table_of};
use super::value::{touches, value};
use super::way::{Written, written};
use crate::delta::{Source, Table};

/// A state of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The commit that made it.
    pub commit: CommitIndex,
    /// The collection's shape there.
    pub table: Table,
    /// Its bits; `None` where the commit deleted it.
    pub row: Option<Vec<u8>>,
}

/// Returns the commits that wrote or deleted a source on the way to a commit, oldest first: along first parents, and past
/// commits that a compaction left out.
///
/// # Errors
/// When a block on the way is damaged.
pub fn versions_of(repo: &Repository, tip: CommitIndex, source: &Source) -> Result<Vec<CommitIndex>> {
    repo.check_held(tip)?;
    if let Some(found) = indexed(repo, tip, source)? {
        return Ok(found.into_iter().map(|w| w.commit).collect());
    }
    let mut commits = Vec::new();
    for commit in repo.bases(tip) {
        if touches(repo, commit, source)? {
            commits.push(commit);
        }
    }
    commits.reverse();
    Ok(commits)
}

/// Hands over the versions of a source with numbers in a range, of those that [`versions_of`] lists; `emit` returns
/// whether to go on.
///
/// Every block on the way is read once: a version is the one before with its change.
///
/// # Errors
/// When a block on the way is damaged.
pub fn read_versions(
    repo: &Repository,
    tip: CommitIndex,
    source: &Source,
    range: std::ops::Range<usize>,
    emit: &mut dyn FnMut(Version) -> bool,
) -> Result<()> {
    repo.check_held(tip)?;
    let Some(ways) = indexed(repo, tip, source)? else {
        for &commit in versions_of(repo, tip, source)?.get(range).unwrap_or_default() {
            if !emit(whole(repo, commit, source)?) {
                break;
            }
        }
        return Ok(());
    };
    let mut before: Option<Version> = None;
    for way in ways.get(range.start..range.end.min(ways.len())).unwrap_or_default() {
        let version = match before.take() {
            // The first of a range, and what follows a gap, is read from where it was written whole.
            Some(last) if way.kind == Kind::Change && !way.skips() => change(repo, way, last, source)?,
            _ => whole(repo, way.commit, source)?,
        };
        before = Some(version.clone());
        if !emit(version) {
            break;
        }
    }
    Ok(())
}

fn indexed(repo: &Repository, tip: CommitIndex, source: &Source) -> Result<Option<Vec<Written>>> {
    let Some(number) = repo.collection_number(&source.collection) else { return Ok(Some(Vec::new())) };
    let Some(slot) = find_slot(repo, tip, &source.collection, &source.key)? else { return Ok(Some(Vec::new())) };
    written(repo, tip, number, slot)
}

fn change(repo: &Repository, way: &Written, last: Version, source: &Source) -> Result<Version> {
    let table = shape(repo, way.commit, source)?;
    let fits = table.element == last.table.element && table.dims == last.table.dims;
    let Some(mut row) = last.row.filter(|_| fits) else { return whole(repo, way.commit, source) };
    way.apply(repo, &table, &mut row)?;
    Ok(Version { commit: way.commit, table, row: Some(row) })
}

fn whole(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Version> {
    match value(repo, commit, source) {
        Ok(value) => Ok(Version { commit, table: value.table, row: Some(value.row) }),
        Err(VersionError::UnknownSource { .. }) => {
            Ok(Version { commit, table: shape(repo, commit, source)?, row: None })
        }
        Err(error) => Err(error),
    }
}

fn shape(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Table> {
    let record = repo.commit(commit)?;
    let state = record.body.collections.iter().find(|c| c.name == source.collection);
    let empty = Table { collection: source.collection.clone(), element: crate::delta::Element::F32, dims: 0 };
    state.map_or(Ok(empty), table_of)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::MemoryDisk;
    use crate::version::{Actor, Keep, compact};

    fn history() -> Repository {
        let disk = Arc::new(MemoryDisk::default());
        crate::demo::tell(disk.clone()).expect("the demo is told");
        Repository::open_writer(disk, None).expect("it opens")
    }

    /// The oracle reads every commit of the way for itself.
    fn check(repo: &Repository, tip: CommitIndex, key: &str) -> usize {
        let source = Source::parse(&format!("products/{key}")).expect("a source");
        let mut expected = Vec::new();
        let mut last = None;
        let mut bases: Vec<CommitIndex> = repo.bases(tip).collect();
        bases.reverse();
        for commit in bases {
            let row = value(repo, commit, &source).ok().map(|v| v.row);
            if row != last {
                expected.push((commit, row.clone()));
            }
            last = row;
        }
        let listed = versions_of(repo, tip, &source).expect("versions");
        let mut all = Vec::new();
        read_versions(repo, tip, &source, 0..usize::MAX, &mut |v| {
            all.push((v.commit, v.row));
            true
        })
        .expect("versions are read");
        assert_eq!(listed, all.iter().map(|v| v.0).collect::<Vec<_>>(), "{key}");
        assert_eq!(all, expected, "{key} at {tip}");
        for from in 0..all.len() {
            let mut one = Vec::new();
            read_versions(repo, tip, &source, from..from + 2, &mut |v| {
                one.push((v.commit, v.row));
                true
            })
            .expect("a range is read");
            assert_eq!(one, all[from..(from + 2).min(all.len())], "{key} from {from}");
        }
        all.len()
    }

    #[test]
    fn versions_are_the_values_at_every_commit_that_changed_them() {
        let mut repo = history();
        for round in 0..2 {
            let mut several = 0;
            for tip in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
                for key in ["lamp-000", "shelf-003", "rug-001", "mirror-002", "chair-011", "not-there"] {
                    several += usize::from(check(&repo, tip, key) > 1);
                }
            }
            assert!(several > 10, "only {several} histories have more than one version");
            if round == 0 {
                let actor = Actor { author: "ana".into(), now_millis: 2_000_000_000_000 };
                compact(&mut repo, Keep { from: 1, every: 3 }, &actor, &mut |_, _| {}).expect("compacts");
            }
        }
    }
}
