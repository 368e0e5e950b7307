//! Checking what arrives before anything of it is written: every new commit's table is rebuilt, from the table that is
//! held here and the blocks that are offered, and its root compared with the one that the commit names.
//!
//! A commit's identity does not cover its slots and blocks, so a sender could offer the same commits with other rows
//! behind them. What is rebuilt here is what will be read here.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rayon::prelude::*;

use super::offer::{Offered, Sender, not_taken};
use super::rebuild::Rebuild;
use crate::delta::{CommitId, check_key};
use crate::store::{BlockKind, CollectionState, CommitRecord, KeyTable, Place, Record, StateTree};
use crate::version::checkout::Checkout;
use crate::version::data::{damaged_in, read_parts_in};
use crate::version::error::{Result, VersionError};
use crate::version::fit::check_record;
use crate::version::keys::{hashes_of, read_keys, read_keys_in};
use crate::version::noted::check_noted;
use crate::version::replay::Needed;
use crate::version::repository::{CommitIndex, Repository, table_of};
use crate::version::state_root;

/// A commit that arrives.
pub struct Incoming {
    /// Its identity.
    pub id: CommitId,
    /// Its record as the sender has it.
    pub record: CommitRecord,
    /// Where that is in the sender's log.
    pub place: Place,
    base: Base,
}

/// What a commit's data are based on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Nothing,
    /// A commit that is held.
    Held(CommitIndex),
    /// A commit that arrives before it.
    New(usize),
}

/// Reads the records of new commits, given parents first, and checks them and every table that they make.
///
/// # Errors
/// When a record or a block does not fit, or a table is not the one that its commit names.
pub fn check(
    repo: &Repository,
    sender: &Sender<'_>,
    new: &[usize],
    seen: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Incoming>> {
    let mut all: Vec<Incoming> = Vec::with_capacity(new.len());
    let mut numbers = HashMap::new();
    for &offered in new {
        let commit = read(repo, sender, offered, &all, &numbers)?;
        numbers.insert(commit.id, all.len());
        all.push(commit);
    }
    let mut leaf = vec![true; all.len()];
    for commit in &all {
        if let Base::New(base) = commit.base {
            leaf[base] = false;
        }
    }
    let trees = RefCell::new(HashMap::new());
    for end in (0..all.len()).filter(|&c| leaf[c]) {
        let mut way = vec![&all[end]];
        while let Base::New(base) = way[way.len() - 1].base {
            way.push(&all[base]);
        }
        way.reverse();
        Way { repo, sender, way: &way, trees: &trees }.check(seen)?;
    }
    Ok(all)
}

/// Reads a record, and checks it as the graph will.
fn read(
    repo: &Repository,
    sender: &Sender<'_>,
    offered: usize,
    all: &[Incoming],
    numbers: &HashMap<CommitId, usize>,
) -> Result<Incoming> {
    let offered = &sender.offer.commits[offered];
    let wrong = |problem: &str| wrong(sender, offered.id, offered.place, problem);
    let Record::Commit(record) = sender.log.record(offered.place)? else {
        return Err(wrong("an operation stands where a commit was"));
    };
    let body = &record.body;
    if body.id() != offered.id || body.parents != offered.parents {
        return Err(wrong("the record is not the one of this commit"));
    }
    if body.parents.len() > 2 || (body.parents.len() == 2 && body.parents[0] == body.parents[1]) {
        return Err(wrong("it has more parents than a merge"));
    }
    if !body.collections.is_sorted_by(|a, b| a.name < b.name) || state_root(&body.collections) != body.state_root.0 {
        return Err(wrong("the state root is not that of its collections"));
    }
    let base_of = |id: &CommitId| match (repo.find(id), numbers.get(id)) {
        (Some(held), _) => Ok(Base::Held(held)),
        (None, Some(&new)) => Ok(Base::New(new)),
        (None, None) => Err(wrong("its parent is unknown")),
    };
    let bases: Vec<Base> = body.parents.iter().map(base_of).collect::<Result<_>>()?;
    let base = bases.first().copied().unwrap_or(Base::Nothing);
    if let Base::Held(held) = base {
        check_held(repo, offered, held)?;
    }
    let before = |name: &str| match base {
        Base::Nothing => 0,
        Base::Held(c) => repo.collection_number(name).map_or(0, |number| repo.slots(c, number)),
        Base::New(c) => slots_of(&all[c].record, name),
    };
    check_record(&record, &before).map_err(|problem| wrong(&problem))?;
    let lies_before = |id: &CommitId| {
        let mut at = base;
        while let Base::New(c) = at {
            // What one on the way is coded against was looked for when that one came.
            if all[c].id == *id || all[c].record.skips.iter().any(|skip| skip.commit == *id) {
                return Ok(true);
            }
            at = all[c].base;
        }
        let (Base::Held(held), Some(earlier)) = (at, repo.find(id)) else { return Ok(false) };
        check_held(repo, offered, earlier).map(|()| repo.is_before(earlier, held))
    };
    for skip in &record.skips {
        if !lies_before(&skip.commit)? {
            return Err(wrong("its rows are coded against a commit that does not lie before it"));
        }
    }
    check_noted(sender.log, offered.place, &record).map_err(|error| in_commit(error, offered.id))?;
    Ok(Incoming { id: offered.id, place: offered.place, base, record })
}

/// Checks that the table of a commit is held here that one which is offered builds on.
fn check_held(repo: &Repository, offered: &Offered, held: CommitIndex) -> Result<()> {
    if repo.check_held(held).is_ok() {
        return Ok(());
    }
    let (id, base) = (offered.id.to_hex(), repo.entry(held).id.to_hex());
    Err(not_taken(
        format!("commit {} builds on {}, whose table was compacted away here", &id[..12], &base[..12]),
        "`vecdelta undo` takes a compaction back until `vecdelta gc`; `vecdelta clone` takes all",
    ))
}

fn wrong(sender: &Sender<'_>, id: CommitId, place: Place, problem: &str) -> VersionError {
    in_commit(damaged_in(sender.log, place, problem), id)
}

fn in_commit(error: VersionError, id: CommitId) -> VersionError {
    match error {
        VersionError::Store(error) => error.in_commit(id).into(),
        other => other,
    }
}

fn slots_of(record: &CommitRecord, name: &str) -> u32 {
    let at = record.body.collections.iter().position(|c| c.name == name);
    at.map_or(0, |at| record.slots[at])
}

fn number_of(record: &CommitRecord, name: &str) -> Option<u16> {
    record.body.collections.iter().position(|c| c.name == name).map(|at| at as u16)
}

fn state_of<'r>(record: &'r CommitRecord, name: &str) -> Option<&'r CollectionState> {
    record.body.collections.iter().find(|c| c.name == name)
}

/// New commits that follow each other, and what they are based on.
struct Way<'w> {
    repo: &'w Repository,
    sender: &'w Sender<'w>,
    way: &'w [&'w Incoming],
    /// The state trees of tables that are held, once one was read; several ways may begin there.
    trees: &'w RefCell<HashMap<(CommitIndex, String), StateTree>>,
}

impl Way<'_> {
    fn check(&self, seen: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let all = self.way.iter().flat_map(|c| &c.record.body.collections);
        let names: BTreeSet<&str> = all.map(|c| c.name.as_str()).collect();
        for name in names {
            // Rows of another shape are no base: the commit that changes the shape writes every row anew.
            let shape = |c: &Incoming| state_of(&c.record, name).map(|s| (s.element, s.dims));
            let mut from = 0;
            for run in self.way.chunk_by(|a, b| shape(a) == shape(b)) {
                if shape(run[0]).is_some() {
                    self.check_run(name, from..from + run.len(), seen)?;
                }
                from += run.len();
            }
        }
        Ok(())
    }

    /// Returns the commit that is held on which the way is based, with the state of a collection.
    fn held(&self, name: &str) -> Result<Option<(CommitIndex, CollectionState)>> {
        let Base::Held(base) = self.way[0].base else { return Ok(None) };
        Ok(state_of(&self.repo.commit(base)?, name).map(|state| (base, state.clone())))
    }

    fn check_run(&self, name: &str, run: std::ops::Range<usize>, seen: &(dyn Fn(u64) + Sync)) -> Result<()> {
        let steps = &self.way[run.clone()];
        let last = steps[steps.len() - 1];
        let table = Arc::new(table_of(state_of(&last.record, name).expect("a run has its collection"))?);
        let fits = |s: &CollectionState| (s.element, s.dims) == (table.element.code(), table.dims);
        let held = self.held(name)?.filter(|(_, state)| run.start == 0 && fits(state));
        let untouched = |c: &&Incoming| {
            let number = number_of(&c.record, name);
            c.record.blocks.iter().all(|b| Some(b.collection) != number)
        };
        let same = |c: &&Incoming| {
            let state = state_of(&c.record, name);
            held.as_ref().is_some_and(|(_, h)| state.is_some_and(|s| (s.root, s.rows) == (h.root, h.rows)))
        };
        if steps.iter().all(|c| untouched(c) && same(c)) {
            return Ok(());
        }
        let keys = self.keys(name, run.end)?;
        let hashes = hashes_of(&keys);
        let parts = |c: &&Incoming| match number_of(&c.record, name) {
            Some(own) => read_parts_in(self.sender.log, c.place, &c.record.blocks, 0..c.record.blocks.len(), own),
            None => Ok(Vec::new()),
        };
        let parts = steps.iter().map(parts).collect::<Result<_>>()?;
        let skip = |c: &&Incoming| {
            let number = number_of(&c.record, name);
            c.record.skips.iter().find(|s| Some(s.collection) == number).map(|s| s.commit)
        };
        let skips = Needed::new(steps.iter().map(skip).collect());
        let at = held.map(|(base, _)| base);
        let base = at.map(|base| Checkout::new(self.repo, base, table.clone()));
        let mut earlier = Vec::new();
        for id in skips.earlier() {
            // A table of another shape is none that rows could be coded against.
            let Some(commit) = self.repo.find(id).filter(|_| at.is_some()) else { continue };
            if state_of(&self.repo.commit(commit)?, name).is_some_and(fits) {
                earlier.push((*id, Checkout::new(self.repo, commit, table.clone())));
            }
        }
        let log = self.sender.log;
        self.compare((name, at), &Rebuild { log, steps, parts, base, earlier, skips, table, keys, hashes }, seen)
    }

    /// Reads the keys of all slots up to a commit of the way.
    fn keys(&self, name: &str, end: usize) -> Result<KeyTable> {
        let mut keys = match self.held(name)? {
            Some((base, _)) => {
                let number = self.repo.collection_number(name).expect("it is held");
                read_keys(self.repo, base, name, 0..self.repo.slots(base, number))?
            }
            None => KeyTable::default(),
        };
        for commit in &self.way[..end] {
            let (blocks, number) = (&commit.record.blocks, number_of(&commit.record, name));
            for (i, _) in
                blocks.iter().enumerate().filter(|(_, b)| b.kind == BlockKind::Keys && Some(b.collection) == number)
            {
                let new = read_keys_in(self.sender.log, commit.place, blocks, i)?;
                if new.iter().any(|key| check_key(key).is_err()) {
                    return Err(wrong(self.sender, commit.id, commit.place, "a key is empty or too long"));
                }
                keys.extend(&new);
            }
        }
        let mut hashes = hashes_of(&keys);
        hashes.par_sort_unstable();
        let last = self.way[end - 1];
        if keys.len() != slots_of(&last.record, name) || hashes.windows(2).any(|w| w[0] == w[1]) {
            return Err(wrong(self.sender, last.id, last.place, "a key comes twice or is missing"));
        }
        Ok(keys)
    }

    /// Rebuilds the tables of commits and compares each root with the one that its commit names.
    fn compare(
        &self,
        (name, base): (&str, Option<CommitIndex>),
        rebuild: &Rebuild<'_>,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let base = base.map(|base| (base, name.to_owned()));
        let known = base.as_ref().and_then(|base| self.trees.borrow().get(base).cloned());
        let mut whole = known.is_none();
        let mut tree = known.unwrap_or_default();
        for window in rebuild.windows() {
            let (held, changes) = rebuild.pass(window.clone(), whole, seen)?;
            if std::mem::take(&mut whole) {
                tree.apply(held);
                if let Some(base) = &base {
                    self.trees.borrow_mut().insert(base.clone(), tree.clone());
                }
            }
            for (commit, changes) in rebuild.steps[window].iter().zip(changes) {
                let mut slots: Vec<u32> = changes.iter().map(|c| c.slot).collect();
                slots.par_sort_unstable();
                if slots.windows(2).any(|w| w[0] == w[1]) {
                    return Err(wrong(self.sender, commit.id, commit.place, "it writes a source twice"));
                }
                tree.apply(changes);
                let state = state_of(&commit.record, name).expect("a run has its collection");
                if (state.root, state.rows) != (tree.root(), tree.len() as u64) {
                    let problem = "the table that its deltas rebuild is not the one it names";
                    return Err(wrong(self.sender, commit.id, commit.place, problem));
                }
            }
        }
        Ok(())
    }
}
