//! Staging: deltas on their way into a commit.
//!
//! Deltas are gathered to parts of bounded size, coded in parallel and appended to the log, while the mirror takes
//! over the new rows. Nothing counts until the commit's record is written; dropping a stage leaves the log as it was
//! and a mirror that will be rebuilt.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, RwLock};

use rayon::prelude::*;

use super::error::{Result, VersionError};
use super::generation::{Generation, row_generations};
use super::mirrors::written_rows;
use super::repository::{CommitIndex, Repository, table_of};
use super::root::state_root;
use super::skip::Skips;
use super::states::{NewStates, prefix};
use crate::delta::{Change, CommitId, DeltaBatch, StateRoot, Table, Timestamp, key_hashes};
use crate::store::{
    BlockKind, BlockRef, CollectionState, CommitBody, CommitRecord, Cost, Counts, GENERATIONS, Measures, Mirror, NOTES,
    PartBlock, PartRow, Payloads, Place, Record, RowGenerations, Skip, SlotGenerations, SlotNotes, Transaction,
    Written, encode_keys, encode_part,
};

/// Rows are coded and written when this many bytes of them were gathered.
const PART_BYTES: usize = 8 << 20;

/// How many rows one task hashes.
const HASHED_ROWS: usize = 256;

/// A row that would cost more to read back than this is written whole: the changes behind it are as large as six rows.
pub const COST_MAX: u8 = 96;

/// What a commit says beside its deltas.
#[derive(Clone, Debug, Default)]
pub struct CommitInfo {
    /// The branch it goes on.
    pub branch: String,
    /// Who makes it.
    pub author: String,
    /// Why.
    pub message: String,
    /// Further keys and values.
    pub metadata: BTreeMap<String, String>,
    /// A second parent, for a merge.
    pub merged: Option<CommitIndex>,
    /// What makes the vectors of a collection from this commit on, by its name.
    pub generations: BTreeMap<String, Generation>,
    /// Whether sources that are not in a new shape of their collection go; otherwise that is an error.
    pub drop_unshaped: bool,
    /// Whether it is an error when rows of an older generation are left.
    pub forbid_mixed: bool,
}

/// A commit that is durable, on its way into the graph: see [`Repository::take`].
#[must_use]
pub struct Staged {
    pub(super) place: Place,
    pub(super) record: Record,
    /// How far each delta moved its source; `None` where there is nothing to compare with.
    pub(super) measures: Option<Vec<Measures>>,
    /// The states to which its deltas lead.
    pub(super) states: Vec<NewStates>,
}

/// A commit in the making.
pub struct Stage<'r> {
    repo: &'r Repository,
    tx: Transaction<'r>,
    /// Memory that parts are coded into, one after another.
    payloads: Payloads,
    base: Base,
    collections: Vec<Collection<'r>>,
    blocks: Vec<BlockRef>,
    counts: Counts,
    l2_max: u64,
}

/// What the new commit builds on.
struct Base {
    head: Option<CommitIndex>,
    parent: Option<CommitId>,
    merged: Option<CommitId>,
    time: Timestamp,
    states: Vec<CollectionState>,
    slots: Vec<u32>,
}

struct Collection<'r> {
    table: Arc<Table>,
    /// Against which earlier rows changes may be coded.
    skips: Skips<'r>,
    mirror: Arc<RwLock<Mirror>>,
    /// The sources that were there in another shape.
    unshaped: Option<RowGenerations>,
    first_new: u32,
    /// How many keys there are with this commit; all that the mirror knows unless somebody says so.
    keys_max: u32,
    pending: Vec<Arc<DeltaBatch>>,
    pending_bytes: usize,
    written: Vec<Written>,
    measures: Measures,
    notes: SlotNotes,
    /// The generations of rows of which somebody said more than that they were written.
    told: BTreeMap<u32, Arc<str>>,
    generations: SlotGenerations,
}

impl<'r> Stage<'r> {
    /// Begins a commit on a branch.
    ///
    /// # Errors
    /// When an earlier write failed or the branch's head cannot be read, or the metadata have a name that is not free.
    pub fn begin(repo: &'r Repository, info: &CommitInfo, now_millis: u64) -> Result<Self> {
        if let Some(name) = [NOTES, GENERATIONS].into_iter().find(|name| info.metadata.contains_key(*name)) {
            let text =
                format!("metadata `{name}`: the name is kept for what a commit holds beside its rows; choose another");
            return Err(VersionError::Refused(text));
        }
        let head = repo.head(&info.branch);
        let (states, slots) = match head {
            Some(head) => {
                let record = repo.commit(head)?;
                (record.body.collections, record.slots)
            }
            None => (Vec::new(), Vec::new()),
        };
        let base = Base {
            head,
            parent: head.map(|h| repo.entry(h).id),
            merged: info.merged.map(|m| repo.entry(m).id),
            time: repo.next_time(now_millis)?,
            states,
            slots,
        };
        Ok(Self {
            repo,
            tx: repo.begin()?,
            payloads: Payloads::default(),
            base,
            collections: Vec::new(),
            blocks: Vec::new(),
            counts: Counts::default(),
            l2_max: 0,
        })
    }

    /// Adds a collection that this commit may change; `slots` is how many it had before new keys were added.
    ///
    /// # Errors
    /// When the collection has another shape.
    pub fn add_collection(&mut self, mirror: Arc<RwLock<Mirror>>) -> Result<usize> {
        let table = mirror.read().expect("no thread panics with it").table().clone();
        let known = self.base.states.iter().position(|s| s.name == table.collection);
        let first_new = known.map_or(0, |i| self.base.slots[i]);
        let other = known.map(|i| table_of(&self.base.states[i])).transpose()?.is_some_and(|old| old != *table);
        let unshaped = match self.base.head.filter(|_| other) {
            Some(head) => Some(row_generations(self.repo, head, &table.collection)?),
            None => None,
        };
        let skips = Skips::new(self.repo, self.base.head, table.clone());
        self.collections.push(Collection {
            table,
            skips,
            mirror,
            unshaped,
            first_new,
            keys_max: u32::MAX,
            pending: Vec::new(),
            pending_bytes: 0,
            written: Vec::new(),
            measures: Measures::default(),
            notes: SlotNotes::default(),
            told: BTreeMap::new(),
            generations: SlotGenerations::default(),
        });
        Ok(self.collections.len() - 1)
    }

    /// Says that keys which the mirror got behind the first so many are left to a later commit.
    pub fn keep_keys(&mut self, collection: usize, count: u32) {
        self.collections[collection].keys_max = count;
    }

    /// Says which generations sources stem from, whether this commit writes them or not; by the generations' names.
    ///
    /// # Errors
    /// When there is no such source.
    pub fn tell_generations(&mut self, collection: usize, generations: &BTreeMap<String, Vec<String>>) -> Result<()> {
        let own = &mut self.collections[collection];
        let mirror = own.mirror.read().expect("no thread panics with it");
        for (name, keys) in generations {
            let name: Arc<str> = name.as_str().into();
            for key in keys {
                let Some(slot) = mirror.keys().find(key) else {
                    let name = format!("{}/{key}", own.table.collection);
                    return Err(VersionError::UnknownSource { name, revision: "this commit".to_owned() });
                };
                own.told.insert(slot, name.clone());
            }
        }
        Ok(())
    }

    /// Counts rows that were looked at, changed or not.
    pub fn count(&mut self, unchanged: u64, raw_bytes: u64) {
        self.counts.unchanged += unchanged;
        self.counts.raw_bytes += raw_bytes;
    }

    /// Takes deltas of a collection; each source at most once in a commit.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn add(&mut self, collection: usize, batch: impl Into<Arc<DeltaBatch>>) -> Result<()> {
        let batch: Arc<DeltaBatch> = batch.into();
        for (i, delta) in batch.deltas.iter().enumerate() {
            // A first commit has no neighbour to be compared with.
            if self.base.parent.is_some() {
                self.collections[collection].measures.push(batch.keys.get(i), delta);
            }
            match delta.change {
                // It was there in another shape.
                Change::Insert if self.collections[collection].was_unshaped(delta.slot) => self.counts.updated += 1,
                Change::Insert => self.counts.inserted += 1,
                Change::Delete => self.counts.deleted += 1,
                Change::Update => {
                    self.counts.updated += 1;
                    let max = f64::from_bits(self.l2_max);
                    if delta.l2 > max {
                        self.l2_max = delta.l2.to_bits();
                    }
                }
            }
        }
        let own = &mut self.collections[collection];
        if !batch.notes.is_empty() {
            own.notes.add(batch.deltas.iter().map(|delta| delta.slot), &batch.notes);
        }
        own.pending_bytes += batch.new.len();
        own.pending.push(batch);
        if own.pending_bytes >= PART_BYTES {
            self.flush(collection)?;
        }
        Ok(())
    }

    /// Returns what the commit does so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Codes and writes what was gathered of a collection.
    fn flush(&mut self, collection: usize) -> Result<()> {
        let own = &mut self.collections[collection];
        let batches = std::mem::take(&mut own.pending);
        own.pending_bytes = 0;
        if batches.iter().all(|b| b.deltas.is_empty()) {
            return Ok(());
        }
        own.mirror.write().expect("no thread panics with it").begin()?;
        // Who compares rows of other sources meanwhile need not wait.
        let mirror = own.mirror.read().expect("no thread panics with it");
        let sorted = Sorted::of(&batches, &mirror);
        let number = collection as u16;
        let earlier = |rows: &[PartRow<'_>]| own.skips.rows(&mirror, rows);
        let Sorted { fresh, change, deleted } = &sorted;
        let blocks = encode_part(number, &own.table, fresh, change, deleted, &earlier, &self.payloads);
        let costs = sorted.costs(&blocks, &own.table, &mirror);
        // Writers of one file wait for each other: this thread writes the log, another one the mirror, and the rest hash.
        let (mut mirrored, mut written) = (Ok(()), Vec::new());
        let appended = rayon::in_place_scope(|scope| {
            scope.spawn(|_| mirrored = sorted.mirror(&mirror));
            scope.spawn(|_| written = sorted.written(&own.table, &mirror, &costs));
            append(&mut self.tx, &mut self.blocks, &blocks)
        });
        own.written.extend(written);
        self.payloads.give(blocks);
        appended.and(mirrored)
    }

    /// Ends the commit: it is durable and part of the graph when this returns.
    ///
    /// # Errors
    /// When the disk refuses; then nothing of it counts.
    pub fn finish(mut self, mut info: CommitInfo) -> Result<Staged> {
        for i in 0..self.collections.len() {
            self.flush(i)?;
            self.drop_unshaped(i, info.drop_unshaped)?;
        }
        let mut states = std::mem::take(&mut self.base.states);
        let mut slots = std::mem::take(&mut self.base.slots);
        let mut order = Vec::new();
        for i in 0..self.collections.len() {
            let (state, count) = self.close_collection(i, &info, &states)?;
            match states.iter().position(|s| s.name == state.name) {
                Some(at) => (states[at], slots[at]) = (state.clone(), count),
                None => {
                    let at = states.partition_point(|s| s.name < state.name);
                    states.insert(at, state.clone());
                    slots.insert(at, count);
                }
            }
            order.push(state.name);
        }
        for (key, hashes) in [(NOTES, self.write_notes()?), (GENERATIONS, self.write_generations()?)] {
            if !hashes.is_empty() {
                info.metadata.insert(key.to_owned(), hashes.join(" "));
            }
        }
        let place_of = |name: &String| states.iter().position(|s| s.name == *name).expect("it was put there");
        let renumbered: Vec<u16> = order.iter().map(|n| place_of(n) as u16).collect();
        for block in &mut self.blocks {
            block.collection = renumbered[usize::from(block.collection)];
        }
        let take = |(own, &collection): (&mut Collection<'_>, &u16)| {
            own.measures.collection = collection;
            std::mem::take(&mut own.measures)
        };
        // Between two shapes there is no measure, and before a first commit nothing; whoever asks compares rows.
        let measured = self.base.parent.is_some() && self.collections.iter().all(|c| c.unshaped.is_none());
        let measures = measured.then(|| self.collections.iter_mut().zip(&renumbered).map(take).collect());
        let new_states = self.collections.iter().map(Collection::new_states).collect();
        let branch = info.branch.clone();
        let body = CommitBody {
            parents: self.base.parent.into_iter().chain(self.base.merged).collect(),
            branch: info.branch,
            time: self.base.time,
            author: info.author,
            message: info.message,
            metadata: info.metadata.into(),
            counts: self.counts,
            state_root: StateRoot(state_root(&states)),
            collections: states,
        };
        let record = Record::Commit(CommitRecord {
            link: self.tx.link(),
            body,
            slots,
            skips: skips(self.repo, &self.collections, &renumbered, &self.blocks),
            blocks: self.blocks,
            l2_max: self.l2_max,
            moves: Some(branch),
        });
        let place = self.tx.finish(&record)?;
        Ok(Staged { place, record, measures, states: new_states })
    }

    /// Writes what rows brought besides their vectors; returns the hashes.
    fn write_notes(&mut self) -> Result<Vec<String>> {
        let mut hashes = Vec::new();
        for (i, own) in self.collections.iter().enumerate() {
            if let Some((entry, block, hash)) = own.notes.encode(i as u16) {
                append(&mut self.tx, &mut self.blocks, &[(entry, block)])?;
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Writes which generations rows stem from, where that is not the one in force; returns the hashes.
    fn write_generations(&mut self) -> Result<Vec<String>> {
        let mut hashes = Vec::new();
        for (i, own) in self.collections.iter().enumerate() {
            if let Some((block, hash)) = own.generations.encode(i as u16) {
                append(&mut self.tx, &mut self.blocks, &[block])?;
                hashes.push(hash);
            }
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    /// Deletes the sources that were there in another shape and did not come in the new one.
    fn drop_unshaped(&mut self, i: usize, allowed: bool) -> Result<()> {
        let own = &mut self.collections[i];
        let Some(unshaped) = &own.unshaped else { return Ok(()) };
        let written: HashSet<u32> = own.written.iter().map(|w| w.slot).collect();
        let left: Vec<u32> = unshaped.alive().filter(|slot| !written.contains(slot)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if !allowed {
            let (sources, collection) = (left.len() as u64, own.table.collection.clone());
            return Err(VersionError::Unshaped { collection, sources, dims: own.table.dims });
        }
        self.counts.deleted += left.len() as u64;
        let blocks = encode_part(i as u16, &own.table, &[], &[], &left, &|_| None, &self.payloads);
        append(&mut self.tx, &mut self.blocks, &blocks)?;
        let mirror = own.mirror.read().expect("no thread panics with it");
        let keys = key_hashes(left.iter().map(|&slot| mirror.keys().get(slot)));
        own.written.extend(left.iter().zip(keys).map(|(&slot, key)| Written {
            slot,
            key,
            row: None,
            sum: 0,
            cost: Cost::default(),
        }));
        Ok(())
    }

    /// Writes new keys and returns the collection's state after this commit.
    fn close_collection(
        &mut self,
        i: usize,
        info: &CommitInfo,
        before: &[CollectionState],
    ) -> Result<(CollectionState, u32)> {
        let (repo, head) = (self.repo, self.base.head);
        let own = &mut self.collections[i];
        let mut mirror = own.mirror.write().expect("no thread panics with it");
        let slots = mirror.keys().len().min(own.keys_max).max(own.first_new);
        if slots > own.first_new {
            // New keys change the mirror even when none of their rows is taken.
            mirror.begin()?;
            let keys = mirror.keys().between(own.first_new..slots);
            let blocks = encode_keys(i as u16, own.first_new, &keys);
            append(&mut self.tx, &mut self.blocks, &blocks)?;
        }
        mirror.apply(&own.written, slots);
        let name = own.table.collection.clone();
        let before = before.iter().find(|s| s.name == name);
        let generation = match (info.generations.get(&name), before) {
            (Some(declared), _) => declared.clone(),
            (None, Some(s)) => Generation { name: s.generation.clone(), made_by: s.made_by.clone() },
            (None, None) => Generation::default(),
        };
        let asked = !generation.name.is_empty()
            || !own.told.is_empty()
            || before.is_some_and(|s| !s.older.is_empty() || !s.generation.is_empty());
        let older = if asked {
            let find = || head.map_or_else(|| Ok(RowGenerations::default()), |h| row_generations(repo, h, &name));
            let rows = mirror.generations(find)?;
            own.written.iter().for_each(|w| rows.set(w.slot, w.row.map(|_| generation.name.as_str())));
            let told = std::mem::take(&mut own.told);
            own.generations = told_anew(rows, &told);
            rows.older(&generation.name)
        } else {
            Vec::new()
        };
        if !own.generations.0.is_empty() {
            // The mirror stands at the newest commit that has a block of the collection.
            mirror.begin()?;
        }
        if info.forbid_mixed && !older.is_empty() {
            let rows = older.iter().map(|o| o.rows).sum();
            return Err(VersionError::Mixed { collection: name, generation: generation.name, rows });
        }
        let state = CollectionState {
            name,
            element: own.table.element.code(),
            dims: own.table.dims,
            generation: generation.name,
            made_by: generation.made_by,
            older,
            rows: mirror.len(),
            root: mirror.root(),
        };
        Ok((state, slots))
    }
}

impl Collection<'_> {
    fn new_states(&self) -> NewStates {
        let row = |w: &Written| Some((w.slot, prefix(&w.row?)));
        NewStates { collection: self.table.collection.clone(), rows: self.written.iter().filter_map(row).collect() }
    }

    fn was_unshaped(&self, slot: u32) -> bool {
        self.unshaped.as_ref().is_some_and(|rows| rows.is_alive(slot))
    }
}

/// Returns whether a row is worth coding against its old bits: few components changed, or it did not move far.
pub fn is_related(table: &Table, changed_dims: u32, l2: f64, length: f64) -> bool {
    changed_dims * 2 < table.dims || l2 < 0.6 * length
}

/// Takes over what was told of the generations of rows; returns what was not so before.
fn told_anew(rows: &mut RowGenerations, told: &BTreeMap<u32, Arc<str>>) -> SlotGenerations {
    let mut anew = SlotGenerations::default();
    for (&slot, name) in told {
        if rows.get(slot).is_some_and(|held| held != &**name) {
            rows.set(slot, Some(name));
            anew.0.get_or_insert(name.to_string(), Vec::new).push(slot);
        }
    }
    anew
}

/// Returns the commits against whose rows blocks are coded.
fn skips(repo: &Repository, collections: &[Collection<'_>], numbers: &[u16], blocks: &[BlockRef]) -> Vec<Skip> {
    let used = |number: u16| blocks.iter().any(|b| b.collection == number && b.kind == BlockKind::Skip);
    let skip = |(own, &collection): (&Collection<'_>, &u16)| {
        let commit = own.skips.commit().filter(|_| used(collection))?;
        Some(Skip { collection, commit: repo.entry(commit).id })
    };
    let mut skips: Vec<Skip> = collections.iter().zip(numbers).filter_map(skip).collect();
    skips.sort_by_key(|s| s.collection);
    skips
}

fn append(tx: &mut Transaction<'_>, refs: &mut Vec<BlockRef>, blocks: &[PartBlock]) -> Result<()> {
    for (entry, block) in blocks {
        tx.append(block)?;
        refs.push(*entry);
    }
    Ok(())
}

/// Deltas in slot order, by how they are written.
struct Sorted<'b> {
    fresh: Vec<PartRow<'b>>,
    change: Vec<PartRow<'b>>,
    deleted: Vec<u32>,
}

impl<'b> Sorted<'b> {
    fn of(batches: &'b [Arc<DeltaBatch>], mirror: &Mirror) -> Self {
        let mut out = Self { fresh: Vec::new(), change: Vec::new(), deleted: Vec::new() };
        for batch in batches {
            for (i, delta) in batch.deltas.iter().enumerate() {
                let row = |old| PartRow { slot: delta.slot, old, new: &batch.new, at: i };
                let related = is_related(&batch.table, delta.changed_dims, delta.l2, delta.length);
                match delta.change {
                    Change::Delete => out.deleted.push(delta.slot),
                    Change::Update if related && mirror.cost(delta.slot).bytes < COST_MAX => {
                        out.change.push(row(Some(&batch.old)))
                    }
                    Change::Update | Change::Insert => out.fresh.push(row(None)),
                }
            }
        }
        out.fresh.sort_unstable_by_key(|r| r.slot);
        out.change.sort_unstable_by_key(|r| r.slot);
        out.deleted.sort_unstable();
        out
    }

    /// Writes the new rows into the mirror.
    fn mirror(&self, mirror: &Mirror) -> Result<()> {
        let mut rows = [self.fresh.as_slice(), &self.change].concat();
        rows.sort_by_key(|r| r.slot);
        Ok(mirror.write_rows(&rows)?)
    }

    /// Returns what reading each changed row back will cost, in the order of `change`.
    fn costs(&self, blocks: &[PartBlock], table: &Table, mirror: &Mirror) -> Vec<Cost> {
        let mut costs = Vec::with_capacity(self.change.len());
        let mut rows = blocks[1..].iter().map(|(entry, _)| entry);
        let mut held = 0;
        while held < self.fresh.len() {
            held += rows.next().map_or(self.fresh.len(), |b| b.rows as usize);
        }
        for block in rows {
            for row in &self.change[costs.len()..][..block.rows as usize] {
                // What is coded against an earlier commit is coded against rows that were written whole there.
                let base = if block.kind == BlockKind::Skip { Cost::default() } else { mirror.cost(row.slot) };
                costs.push(base.after(block, table.row_bytes()));
            }
        }
        costs
    }

    fn written(&self, table: &Table, mirror: &Mirror, costs: &[Cost]) -> Vec<Written> {
        let size = table.row_bytes();
        let fresh = self.fresh.iter().map(|r| (r.slot, r.row(size), Cost::default()));
        let change = self.change.iter().zip(costs).map(|(r, &cost)| (r.slot, r.row(size), cost));
        let rows: Vec<(u32, &[u8], Cost)> = fresh.chain(change).collect();
        let mut out = Vec::with_capacity(rows.len() + self.deleted.len());
        out.par_extend(rows.par_chunks(HASHED_ROWS).flat_map_iter(|rows| written_rows(table, mirror, rows)));
        let keys = key_hashes(self.deleted.iter().map(|&slot| mirror.keys().get(slot)));
        out.extend(self.deleted.iter().zip(keys).map(|(&slot, key)| Written {
            slot,
            key,
            row: None,
            sum: 0,
            cost: Cost::default(),
        }));
        out
    }
}
