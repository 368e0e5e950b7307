//! Find: the deltas of a history, by identity, source, time, state, parent, metadata and text.
//!
//! What is narrow is looked up in the index: a source in the places where it was written, a state among the hashes of
//! rows, an identity in the graph and the keys. What remains is then read and compared in full.

use std::sync::Arc;

use super::VersionError;
use super::diff::{Difference, difference};
use super::error::Result;
use super::index::words_of;
use super::keys::{find_slot_of, read_keys};
use super::repository::{CommitIndex, Repository};
use super::states::{deltas_to, held_by};
use super::stream::{Leg, deltas};
use super::transfer::ancestors;
use super::value::{held, last_writer};
use super::way::{commits_with, writers_of};
use crate::delta::{DeltaId, RowHash, Source, Table, key_hash, row_hash};
use crate::store::CommitBody;

/// What a commit did to a source.
#[derive(Clone, Debug)]
pub struct HeldDelta {
    /// The commit.
    pub commit: CommitIndex,
    /// The source.
    pub source: Source,
    /// The collection's shape at the commit, or before it when the collection is gone.
    pub table: Arc<Table>,
    /// How its bits differ from those before.
    pub difference: Difference,
    /// The state before; `None` for an insert.
    pub base: Option<RowHash>,
    /// The state since; `None` for a delete.
    pub result: Option<RowHash>,
}

impl HeldDelta {
    fn new(commit: CommitIndex, table: Arc<Table>, old: &Table, difference: Difference) -> Self {
        let hash = |table: &Table, row: &[u8]| (!row.is_empty()).then(|| row_hash(&difference.key, table.element, row));
        let (base, result) = (hash(old, &difference.old), hash(&table, &difference.new));
        let source = Source { collection: table.collection.clone(), key: difference.key.clone() };
        Self { commit, source, table, difference, base, result }
    }

    /// Returns its identity.
    pub fn id(&self, repo: &Repository) -> DeltaId {
        DeltaId::in_commit(&repo.entry(self.commit).id, &self.source)
    }
}

/// What a delta must be to be found; each field that is set narrows.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The source.
    pub source: Option<Source>,
    /// The collection.
    pub collection: Option<String>,
    /// Made at this time or later, in milliseconds since 1970 UTC.
    pub since: Option<u64>,
    /// Made at this time or earlier.
    pub until: Option<u64>,
    /// The state that it began with.
    pub base: Option<RowHash>,
    /// The state that it led to.
    pub result: Option<RowHash>,
    /// The delta of the same source before it.
    pub parent: Option<DeltaId>,
    /// Keys of its commit's metadata, with their values where those matter.
    pub metadata: Vec<(String, Option<String>)>,
    /// Words that all stand in its commit's author, message or metadata.
    pub text: String,
    /// A commit that it leads to: itself, or one of which its commit is an ancestor.
    pub at: Option<CommitIndex>,
}

/// Finds a delta by its identity.
///
/// # Errors
/// When its commit was compacted away, or the history is damaged.
pub fn find_delta(repo: &Repository, id: &DeltaId) -> Result<Option<HeldDelta>> {
    let Some(commit) = repo.graph().find_half(&id.commit_half()) else { return Ok(None) };
    for state in repo.commit(commit)?.body.collections.iter().chain(&before(repo, commit)?) {
        let hash = id.key_in(&state.name);
        let Some(slot) = find_slot_of(repo, commit, &state.name, &hash)? else { continue };
        let key = read_keys(repo, commit, &state.name, slot..slot + 1)?.get(0).to_owned();
        if key_hash(&key) == hash {
            let source = Source { collection: state.name.clone(), key };
            return delta_of(repo, commit, &source);
        }
    }
    Ok(None)
}

/// Returns the collections of the commit before.
fn before(repo: &Repository, commit: CommitIndex) -> Result<Vec<crate::store::CollectionState>> {
    let parent = repo.entry(commit).parents.first();
    parent.map_or(Ok(Vec::new()), |&p| Ok(repo.commit(p)?.body.collections))
}

/// Returns what a commit did to a source; `None` when it left it as it was.
///
/// Of a commit that a compaction composed it is what all commits did for which that one stands.
///
/// # Errors
/// When the commit was compacted away, or the history is damaged.
pub fn delta_of(repo: &Repository, commit: CommitIndex, source: &Source) -> Result<Option<HeldDelta>> {
    let new = held(repo, commit, source)?;
    let old = repo.bases(commit).nth(1).map_or(Ok(None), |base| held(repo, base, source))?;
    let Some(table) = new.as_ref().or(old.as_ref()).map(|v| Arc::new(v.table.clone())) else { return Ok(None) };
    let before = old.as_ref().map_or_else(|| table.clone(), |v| Arc::new(v.table.clone()));
    let same_shape = (before.element, before.dims) == (table.element, table.dims);
    let (old, new) = (old.map(|v| v.row), new.map(|v| v.row));
    let found = difference(&table, &source.key, old.as_deref(), new.as_deref(), same_shape);
    Ok(found.map(|d| HeldDelta::new(commit, table, &before, d)))
}

/// Returns the delta of the same source before a delta; `None` for the first.
///
/// # Errors
/// When the history is damaged.
pub fn parent_of(repo: &Repository, delta: &HeldDelta) -> Result<Option<DeltaId>> {
    let base = repo.bases(delta.commit).nth(1);
    let by = base.map_or(Ok(None), |base| last_writer(repo, base, &delta.table, &delta.source.key))?;
    Ok(by.map(|by| DeltaId::in_commit(&repo.entry(by).id, &delta.source)))
}

/// Returns the deltas of the same source that go on from a delta: one, or one on each branch; oldest first.
///
/// # Errors
/// When the history is damaged.
pub fn children_of(repo: &Repository, delta: &HeldDelta) -> Result<Vec<HeldDelta>> {
    let id = delta.id(repo);
    let mut found = Vec::new();
    for commit in writers(repo, &delta.source)? {
        if commit <= delta.commit || !repo.is_before(delta.commit, commit) {
            continue;
        }
        let Some(child) = delta_of(repo, commit, &delta.source)? else { continue };
        if parent_of(repo, &child)? == Some(id) {
            found.push(child);
        }
    }
    Ok(found)
}

/// Returns the commits that wrote a source and can be read, oldest first.
fn writers(repo: &Repository, source: &Source) -> Result<Vec<CommitIndex>> {
    let known = writers_of(repo, &source.collection, &source.key)?;
    let all = known.unwrap_or_else(|| (0..repo.len()).collect());
    Ok(all.into_iter().filter(|&c| repo.stands_for(c).is_none()).collect())
}

/// Hands over the deltas that fit, newest commit first, until `emit` says that it has enough.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn find<E: From<VersionError>>(
    repo: &Repository,
    lookup: &Lookup,
    emit: &mut dyn FnMut(HeldDelta) -> std::result::Result<bool, E>,
) -> std::result::Result<(), E> {
    let search = Search { repo, lookup, within: lookup.at.map(|at| ancestors(repo, &[at])) };
    if let Some(mut found) = search.narrow()? {
        found.sort_by(|a, b| (b.commit, &a.source).cmp(&(a.commit, &b.source)));
        for delta in found {
            if search.fits_commit(delta.commit)? && search.fits(&delta)? && !emit(delta)? {
                break;
            }
        }
        return Ok(());
    }
    search.commits(emit)
}

struct Search<'s> {
    repo: &'s Repository,
    lookup: &'s Lookup,
    within: Option<Vec<bool>>,
}

impl Search<'_> {
    /// Returns the deltas that the narrowest of the conditions leaves, if one of them is narrow.
    fn narrow(&self) -> Result<Option<Vec<HeldDelta>>> {
        let lookup = self.lookup;
        if let Some(parent) = &lookup.parent {
            let delta = find_delta(self.repo, parent)?;
            return delta.map_or(Ok(Some(Vec::new())), |d| children_of(self.repo, &d).map(Some));
        }
        if let Some(result) = &lookup.result {
            return self.leading_to(result).map(Some);
        }
        if let Some(base) = &lookup.base {
            let mut found = Vec::new();
            for delta in self.leading_to(base)? {
                found.extend(children_of(self.repo, &delta)?);
            }
            return Ok(Some(found));
        }
        let Some(source) = &lookup.source else { return Ok(None) };
        let mut found = Vec::new();
        for commit in writers(self.repo, source)? {
            if self.fits_commit(commit)? {
                found.extend(delta_of(self.repo, commit, source)?);
            }
        }
        Ok(Some(found))
    }

    /// Returns the deltas that led to a state.
    fn leading_to(&self, state: &RowHash) -> Result<Vec<HeldDelta>> {
        let repo = self.repo;
        let mut places = Vec::new();
        match deltas_to(repo, state)? {
            Some(found) => places.extend(found),
            None => return Err(VersionError::Refused("the index cannot be read; see `vecdelta verify`".to_owned())),
        }
        let mut found: Vec<HeldDelta> = Vec::new();
        for (number, slot, commit) in places {
            // What was compacted away is in the commit that stands for it, if it lasted until there.
            let commit = held_by(repo, commit);
            let name = &repo.graph().collections[usize::from(number)];
            let key = read_keys(repo, commit, name, slot..slot + 1)?.get(0).to_owned();
            let delta = delta_of(repo, commit, &Source { collection: name.clone(), key })?;
            let fits = |d: &HeldDelta| {
                d.result == Some(*state) && !found.iter().any(|f| (f.commit, &f.source) == (d.commit, &d.source))
            };
            found.extend(delta.filter(fits));
        }
        Ok(found)
    }

    /// Goes through whole commits, those that the words of the index leave.
    fn commits<E: From<VersionError>>(
        &self,
        emit: &mut dyn FnMut(HeldDelta) -> std::result::Result<bool, E>,
    ) -> std::result::Result<(), E> {
        let (repo, lookup) = (self.repo, self.lookup);
        let entries = lookup.metadata.iter().flat_map(|(key, value)| [key.as_str(), value.as_deref().unwrap_or("")]);
        let texts: Vec<&str> = entries.chain([lookup.text.as_str()]).collect();
        let named = texts.iter().any(|t| words_of(t).next().is_some());
        let candidates = if named { commits_with(repo, &texts)? } else { None };
        let all: Vec<CommitIndex> = candidates.map_or_else(|| (0..repo.len()).collect(), |c| c.into_iter().collect());
        for commit in all.into_iter().rev().filter(|&c| repo.stands_for(c).is_none()) {
            if !self.fits_commit(commit)? {
                continue;
            }
            let leg = Leg { from: repo.bases(commit).nth(1), to: commit };
            let only = lookup.collection.as_deref().map(|name| (name, None));
            let mut more = true;
            deltas(repo, &[leg], only, &mut |commit, part| {
                for d in part.sources {
                    if !more {
                        break;
                    }
                    let same_shape = d.measures.is_some() || d.old.is_empty() || d.new.is_empty();
                    let old = if same_shape { None } else { self.shape_before(leg.from, &part.table)? };
                    let old = old.unwrap_or_else(|| (*part.table).clone());
                    more = emit(HeldDelta::new(commit, part.table.clone(), &old, d))?;
                }
                Ok::<_, E>(())
            })?;
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn shape_before(&self, from: Option<CommitIndex>, table: &Table) -> Result<Option<Table>> {
        let Some(from) = from else { return Ok(None) };
        super::table::table(self.repo, from, Some(&table.collection)).map(Some)
    }

    /// Returns whether a commit fits; its record is read only if that matters.
    fn fits_commit(&self, commit: CommitIndex) -> Result<bool> {
        let (lookup, time) = (self.lookup, self.repo.entry(commit).time.physical_millis);
        let in_time = lookup.since.is_none_or(|t| t <= time) && lookup.until.is_none_or(|t| time <= t);
        if !in_time || self.within.as_ref().is_some_and(|w| !w[commit]) {
            return Ok(false);
        }
        if lookup.metadata.is_empty() && lookup.text.is_empty() {
            return Ok(true);
        }
        let body = self.repo.commit(commit)?.body;
        let entry = |(key, value): &(String, Option<String>)| {
            body.metadata.get(key).is_some_and(|held| value.as_ref().is_none_or(|value| value == held))
        };
        Ok(lookup.metadata.iter().all(entry) && has_words(&body, &lookup.text))
    }

    fn fits(&self, delta: &HeldDelta) -> Result<bool> {
        let lookup = self.lookup;
        let named = lookup.source.as_ref().is_none_or(|s| *s == delta.source)
            && lookup.collection.as_ref().is_none_or(|c| *c == delta.source.collection);
        let states =
            lookup.base.is_none_or(|b| delta.base == Some(b)) && lookup.result.is_none_or(|r| delta.result == Some(r));
        let parent = match &lookup.parent {
            Some(parent) if named && states => parent_of(self.repo, delta)? == Some(*parent),
            _ => true,
        };
        Ok(named && states && parent)
    }
}

/// Returns whether all words of a text stand in a commit's author, message or metadata.
fn has_words(body: &CommitBody, text: &str) -> bool {
    let entries = body.metadata.iter().flat_map(|(key, value)| [key, value]);
    let held: Vec<String> =
        [&body.author, &body.message].into_iter().chain(entries).flat_map(|t| words_of(t)).collect();
    words_of(text).all(|word| held.contains(&word))
}
