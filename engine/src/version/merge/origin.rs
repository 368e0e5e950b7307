//! Which generation a merged row stems from: one that is taken over as it is keeps its own, and one that is made of two
//! that differ has none that anybody knows.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Conflict;
use crate::version::error::Result;
use crate::version::generation::{Generation, KeyGenerations, only_generation};
use crate::version::repository::{CommitIndex, Repository};

/// What is known of the generations on both sides of a merge.
pub struct Origins<'r> {
    repo: &'r Repository,
    ours: CommitIndex,
    theirs: CommitIndex,
    /// What only they declared.
    declared: BTreeMap<String, Generation>,
    /// By collection; `None` where every row stems from the generation in force.
    sides: BTreeMap<String, Option<Sides>>,
}

/// The generations of a collection's sources.
pub struct Sides {
    in_force: String,
    ours: KeyGenerations,
    theirs: KeyGenerations,
}

impl<'r> Origins<'r> {
    /// Begins with what the merge declares.
    pub fn new(
        repo: &'r Repository,
        ours: CommitIndex,
        theirs: CommitIndex,
        declared: BTreeMap<String, Generation>,
    ) -> Self {
        Self { repo, ours, theirs, declared, sides: BTreeMap::new() }
    }

    /// Returns what is known of a collection; `None` where every row stems from the generation in force.
    ///
    /// # Errors
    /// When a record, a list or keys are damaged.
    pub fn of(&mut self, collection: &str) -> Result<Option<&Sides>> {
        let sides = match self.sides.entry(collection.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let sides = sides(self.repo, (self.ours, self.theirs), collection, self.declared.get(collection))?;
                unknown.insert(sides)
            }
        };
        Ok(sides.as_ref())
    }
}

fn sides(
    repo: &Repository,
    (ours, theirs): (CommitIndex, CommitIndex),
    collection: &str,
    declared: Option<&Generation>,
) -> Result<Option<Sides>> {
    let state =
        |commit| -> Result<_> { Ok(repo.commit(commit)?.body.collections.into_iter().find(|s| s.name == collection)) };
    let states = [state(ours)?, state(theirs)?];
    let held = states[0].as_ref().map(|s| s.generation.clone());
    let in_force = declared.map(|g| g.name.clone()).or(held).unwrap_or_default();
    if states.iter().flatten().all(|s| only_generation(s) == Some(&in_force)) {
        return Ok(None);
    }
    let (ours, theirs) = (KeyGenerations::at(repo, ours, collection)?, KeyGenerations::at(repo, theirs, collection)?);
    Ok(Some(Sides { in_force, ours, theirs }))
}

impl Sides {
    /// Returns the generation of what a merge made of a source, when it is another one than that in force.
    pub fn of(&self, merged: &Conflict, result: &[u8]) -> Option<&str> {
        let (ours, theirs) = (self.ours.of(&merged.key), self.theirs.of(&merged.key));
        let stems = match (ours, theirs) {
            (_, Some(theirs)) if merged.theirs.as_deref() == Some(result) => theirs,
            (Some(a), Some(b)) if a == b => a,
            (Some(_), Some(_)) => "",
            (one, other) => one.or(other)?,
        };
        (stems != self.in_force).then_some(stems)
    }
}
