//! Generations: what makes the vectors of a collection, and which rows still stem from something else.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::change::generations_of;
use super::data::data_of;
use super::error::{Result, VersionError};
use super::keys::read_keys;
use super::noted::generations_told;
use super::repository::{CommitIndex, Repository};
use crate::delta::SortedMap;
use crate::store::{CollectionState, KeyTable, RowGenerations};

/// The words for what a generation is, as they are shown and compared.
pub const MADE_BY: [&str; 6] = ["provider", "model", "revision", "normalisation", "preprocessing", "quantisation"];

/// What makes the vectors of a collection from a commit on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// Its name.
    pub name: String,
    /// Provider, model, revision, normalisation, preprocessing digest, quantisation; see [`MADE_BY`].
    pub made_by: SortedMap<String, String>,
}

/// Checks that generations which are declared for collections do not contradict those in force on a branch that have
/// the same names, and completes them by what is known of those.
///
/// # Errors
/// When one name would stand for two things, or a record is damaged.
pub fn declared_generations(
    repo: &Repository,
    branch: &str,
    mut declared: BTreeMap<String, Generation>,
) -> Result<BTreeMap<String, Generation>> {
    let known = repo.head(branch).map_or_else(|| Ok(BTreeMap::new()), |head| generations_of(repo, head))?;
    for (collection, new) in &mut declared {
        if let Some(known) = known.get(collection).filter(|known| known.name == new.name) {
            new.complete(collection, known)?;
        }
    }
    Ok(declared)
}

impl Generation {
    /// Adds what is known of the generation.
    fn complete(&mut self, collection: &str, known: &Self) -> Result<()> {
        for (word, held) in &known.made_by {
            let text = self.made_by.get_or_insert(word.clone(), || held.clone());
            if text != held {
                return Err(VersionError::Refused(format!(
                    "generation `{}` of `{collection}` is known with {word} `{held}`, so it cannot have {word} `{text}`; \
                     another model is another generation, with another name",
                    known.name
                )));
            }
        }
        Ok(())
    }
}

/// Returns the names of the generations that the rows of a collection stem from: that in force, then those of older rows.
///
/// One whose name is empty is not known.
///
/// # Errors
/// When the commit's record is damaged.
pub fn generations_at(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Vec<String>> {
    let states = repo.commit(commit)?.body.collections;
    let Some(state) = states.into_iter().find(|s| s.name == collection) else { return Ok(Vec::new()) };
    let older: u64 = state.older.iter().map(|o| o.rows).sum();
    let current = (older < state.rows).then_some(state.generation);
    Ok(current.into_iter().chain(state.older.into_iter().map(|o| o.generation)).collect())
}

/// Returns the generation that all rows of a collection stem from; `None` when they stem from several.
pub fn only_generation(state: &CollectionState) -> Option<&str> {
    match state.older.as_slice() {
        [] => Some(&state.generation),
        [one] if one.rows == state.rows => Some(&one.generation),
        _ => None,
    }
}

/// Finds out which generation each row of a collection at a commit stems from: the one that the last commit which spoke of
/// it told, and where none did, that in force when the row was last written.
///
/// Only lists of slots are read, no rows. A compaction never composes across a change of generations.
///
/// # Errors
/// When a record or a list is damaged.
pub fn row_generations(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<RowGenerations> {
    let mut found = RowGenerations::default();
    let Some(number) = repo.collection_number(collection) else { return Ok(found) };
    let mut known = vec![false; repo.slots(commit, number) as usize];
    let mut open = known.len();
    let mut told: HashMap<u32, Arc<str>> = HashMap::new();
    for c in repo.bases(commit) {
        let collections = repo.commit(c)?.body.collections;
        let state = collections.into_iter().find(|s| s.name == collection);
        let Some(state) = state.filter(|_| open > 0) else { break };
        let data = data_of(repo, c)?;
        for (name, slots) in generations_told(repo, c, &data, collection)?.0 {
            let name: Arc<str> = name.into();
            for slot in slots {
                if known.get(slot as usize) == Some(&false) {
                    told.entry(slot).or_insert_with(|| name.clone());
                }
            }
        }
        for part in data.parts(repo, c, collection)? {
            let written =
                part.lists.fresh.iter().chain(&part.lists.change).map(|&s| (s, Some(state.generation.as_str())));
            for (slot, name) in written.chain(part.lists.deleted.iter().map(|&s| (s, None))) {
                if let Some(known) = known.get_mut(slot as usize).filter(|k| !**k) {
                    *known = true;
                    open -= 1;
                    let told = told.remove(&slot);
                    found.set(slot, name.map(|name| told.as_deref().unwrap_or(name)));
                }
            }
        }
    }
    Ok(found)
}

/// Which generation each source of a collection stems from at a commit, by its key.
#[derive(Default)]
pub struct KeyGenerations {
    keys: KeyTable,
    rows: RowGenerations,
}

impl KeyGenerations {
    /// Finds them out.
    ///
    /// # Errors
    /// When a record, a list or keys are damaged.
    pub fn at(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Self> {
        let Some(number) = repo.collection_number(collection) else { return Ok(Self::default()) };
        let mut keys = read_keys(repo, commit, collection, 0..repo.slots(commit, number))?;
        keys.index();
        Ok(Self { keys, rows: row_generations(repo, commit, collection)? })
    }

    /// Returns the generation of a source that is there.
    pub fn of(&self, key: &str) -> Option<&str> {
        self.rows.get(self.keys.find(key)?)
    }

    /// Returns every source that is there, with its generation.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows.alive().filter_map(|slot| Some((self.keys.get(slot), self.rows.get(slot)?)))
    }
}
