//! Graph: the commits of a repository, the names that point at them, and what was done to both.
//!
//! Each record of the log becomes an [`Entry`], whether it is read from the log or from an index file, and every entry
//! passes the same checks. A commit always comes after its parents, so a parent has a lower number than its child.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use hashbrown::HashTable;

use super::by_commit::ByCommit;
use super::fit::{check_blocks, check_record};
use super::reading::NOT_ON_THE_WAY;
use super::repository::CommitIndex;
use crate::delta::{CommitId, SortedMap, Timestamp};
use crate::store::{Action, CommitRecord, OperationRecord, Place, Record, Resolution, Span};

/// What is kept in memory of each commit.
#[derive(Clone, Debug)]
pub struct CommitEntry {
    /// Its identity.
    pub id: CommitId,
    /// The commits it builds on.
    pub parents: Vec<CommitIndex>,
    /// When it was made.
    pub time: Timestamp,
    /// Where its record is.
    pub place: Place,
    /// How many slots each collection has, by the collection's number in the repository.
    pub slots: Arc<[(u16, u32)]>,
    /// The commits against whose rows some of its blocks are coded, by the collection's number in the repository.
    pub skips: Box<[(u16, u32)]>,
    /// How many commits lie before it along first parents.
    pub depth: u32,
    /// A commit further back along first parents, so that any of them is found in a few steps.
    pub jump: u32,
    /// The number of its record in the log.
    pub sequence: u64,
}

/// A branch or tag that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Whether it is a tag.
    pub tag: bool,
    /// Its name.
    pub name: String,
    /// Where it pointed.
    pub from: Option<CommitIndex>,
    /// Where it points since.
    pub to: Option<CommitIndex>,
}

/// An operation, without the references to its data.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The number of its record in the log.
    pub sequence: u64,
    /// Where its record is.
    pub place: Place,
    /// When it was done.
    pub time: Timestamp,
    /// Who did it.
    pub author: String,
    /// The record that it takes back; 0 for none.
    pub undoes: u64,
    /// What it did.
    pub action: Action,
}

/// What a record of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOf {
    /// A commit, by its number.
    Commit(CommitIndex),
    /// An operation, by its number among operations.
    Operation(usize),
}

/// A way that a compaction made shorter.
#[derive(Clone, Copy, Debug)]
pub struct Composed {
    /// Where the way goes on; `None` at its root.
    pub base: Option<CommitIndex>,
    /// Where the compaction's record is.
    pub place: Place,
    /// The number of that record.
    pub sequence: u64,
    /// The first of the compaction's blocks that belong to it.
    pub first_block: u32,
    /// How many do.
    pub blocks: u32,
}

/// A merge that waits for its conflicts to be resolved.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The head of the branch when it was parked.
    pub ours: CommitIndex,
    /// What is merged.
    pub theirs: CommitIndex,
    /// The merge policy, as text.
    pub policy: String,
    /// The sources that were resolved, and how.
    pub resolved: Vec<(Vec<String>, Resolution)>,
}

/// The delta graph, its names and its operations.
#[derive(Default)]
pub struct Graph {
    pub(super) commits: Vec<CommitEntry>,
    by_id: HashTable<u32>,
    pub(super) branches: SortedMap<String, CommitIndex>,
    pub(super) tags: SortedMap<String, CommitIndex>,
    pub(super) snapshots: ByCommit<(u64, Place)>,
    pub(super) operations: Vec<Operation>,
    pub(super) records: Vec<RecordOf>,
    /// Where the branch of each commit pointed before; absent for those that moved none.
    pub(super) moved: Vec<Option<(u32, Option<u32>)>>,
    branch_names: Vec<String>,
    branch_numbers: SortedMap<String, u32>,
    pub(super) collections: Vec<String>,
    /// The active ways by the commit at their end, and the commits that they stand for.
    pub(super) composed: ByCommit<Composed>,
    pub(super) dropped: ByCommit<CommitIndex>,
    compactions: Vec<u64>,
    pub(super) parked: SortedMap<String, Parked>,
    pub(super) time: Timestamp,
}

/// What an index file keeps of one record of the log.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum Entry {
    /// A commit.
    Commit {
        /// Its identity.
        id: CommitId,
        /// The commits it builds on.
        parents: Vec<u32>,
        /// When it was made.
        time: Timestamp,
        /// Where its record is.
        place: Place,
        /// How many slots each collection has, by the collection's number in the repository.
        slots: Vec<(u16, u32)>,
        /// The commits against whose rows some of its blocks are coded, by the collection's number in the repository.
        skips: Vec<(u16, u32)>,
        /// The names of collections that come for the first time.
        collections: Vec<String>,
        /// The branch that it moves.
        moves: Option<String>,
    },
    /// An operation.
    Operation {
        /// Where its record is.
        place: Place,
        /// When it was done.
        time: Timestamp,
        /// Who did it.
        author: String,
        /// The record that it takes back; 0 for none.
        undoes: u64,
        /// What it did, without the references to its data.
        action: Action,
    },
}

type Fit<T> = Result<T, String>;

impl Graph {
    /// Returns the commit with an identity.
    pub fn find(&self, id: &CommitId) -> Option<CommitIndex> {
        let found = self.by_id.find(id_hash(id), |&c| self.commits[c as usize].id == *id);
        found.map(|&c| c as CommitIndex)
    }

    fn known(&self, id: &CommitId) -> Fit<CommitIndex> {
        self.find(id).ok_or_else(|| "it names an unknown commit".to_owned())
    }

    /// Returns the commit whose identity begins with these bytes.
    pub fn find_half(&self, half: &[u8; 16]) -> Option<CommitIndex> {
        let whole = CommitId(std::array::from_fn(|i| *half.get(i).unwrap_or(&0)));
        let found = self.by_id.find(id_hash(&whole), |&c| self.commits[c as usize].id.0[..16] == *half);
        found.map(|&c| c as CommitIndex)
    }

    /// Returns the frame hash of a record, by its place in the log counted from 0.
    pub fn record_hash(&self, record: usize) -> &[u8; 32] {
        match self.records[record] {
            RecordOf::Commit(c) => &self.commits[c].place.hash,
            RecordOf::Operation(o) => &self.operations[o].place.hash,
        }
    }

    /// Returns where a record of the log stands, by its number from 1.
    pub fn place(&self, sequence: u64) -> Option<Place> {
        let record = self.records.get(usize::try_from(sequence.checked_sub(1)?).ok()?)?;
        Some(match *record {
            RecordOf::Commit(c) => self.commits[c].place,
            RecordOf::Operation(o) => self.operations[o].place,
        })
    }

    /// Makes the entry of a record that was read from the log; an error says why it does not fit.
    pub fn entry(&self, place: Place, record: Record) -> Fit<Entry> {
        match record {
            Record::Commit(record) => self.commit_entry(place, record),
            Record::Operation(OperationRecord { time, author, undoes, mut action, .. }) => {
                self.check_data(&mut action)?;
                Ok(Entry::Operation { place, time, author, undoes, action })
            }
        }
    }

    /// Makes the entry of a record again that was taken over; `collections` counts those that came with earlier ones.
    pub fn entry_of(&self, record: RecordOf, collections: &mut usize) -> Entry {
        match record {
            RecordOf::Commit(c) => {
                let CommitEntry { id, parents, time, place, slots, skips, .. } = &self.commits[c];
                let known = *collections;
                let all = slots.iter().map(|(number, _)| usize::from(*number) + 1).max();
                *collections = known.max(all.unwrap_or(0));
                Entry::Commit {
                    id: *id,
                    parents: parents.iter().map(|&p| p as u32).collect(),
                    time: *time,
                    place: *place,
                    slots: slots.to_vec(),
                    skips: skips.to_vec(),
                    collections: self.collections[known..*collections].to_vec(),
                    moves: self.branch_of(c).map(str::to_owned),
                }
            }
            RecordOf::Operation(o) => {
                let Operation { place, time, author, undoes, action, .. } = self.operations[o].clone();
                Entry::Operation { place, time, author, undoes, action }
            }
        }
    }

    fn commit_entry(&self, place: Place, record: CommitRecord) -> Fit<Entry> {
        let id = record.body.id();
        let parents: Vec<CommitIndex> = record.body.parents.iter().map(|p| self.known(p)).collect::<Fit<_>>()?;
        if parents.len() > 2 || (parents.len() == 2 && parents[0] == parents[1]) {
            return Err("it has more parents than a merge".to_owned());
        }
        self.check_slots(&record, &parents)?;
        let (mut slots, mut collections) = (Vec::with_capacity(record.slots.len()), Vec::new());
        for (state, count) in record.body.collections.iter().zip(&record.slots) {
            let number = match self.collections.iter().position(|n| *n == state.name) {
                Some(number) => number,
                None => {
                    collections.push(state.name.clone());
                    self.collections.len() + collections.len() - 1
                }
            };
            slots.push((u16::try_from(number).map_err(|_| "there are too many collections")?, *count));
        }
        let mut skips = Vec::new();
        for skip in &record.skips {
            skips.push((slots[usize::from(skip.collection)].0, self.known(&skip.commit)? as u32));
        }
        let parents = parents.into_iter().map(|p| p as u32).collect();
        Ok(Entry::Commit { id, parents, time: record.body.time, place, slots, skips, collections, moves: record.moves })
    }

    /// Checks that a commit has the slots of its parent and those of its new keys.
    fn check_slots(&self, record: &CommitRecord, parents: &[CommitIndex]) -> Fit<()> {
        check_record(record, &|name| {
            let own = self.collections.iter().position(|c| c == name);
            let held = parents.first().map(|&p| &self.commits[p].slots);
            held.and_then(|h| h.iter().find(|(c, _)| Some(usize::from(*c)) == own)).map_or(0, |(_, s)| *s)
        })
    }

    /// Checks the references of an operation to its data, and leaves them out.
    fn check_data(&self, action: &mut Action) -> Fit<()> {
        let find = |id: &CommitId| self.known(id);
        let slots = |c: CommitIndex| self.commits[c].slots.iter().map(|(_, s)| *s).collect::<Vec<u32>>();
        match action {
            Action::Snapshot { commit, blocks } => {
                let blocks = std::mem::take(blocks);
                check_blocks(&blocks, &slots(find(commit)?), &[])
            }
            Action::Compact { spans, blocks } => {
                let blocks = std::mem::take(blocks);
                let mut rest = blocks.as_slice();
                for span in spans {
                    let (own, others) = rest
                        .split_at_checked(span.blocks as usize)
                        .ok_or_else(|| "a way has more blocks than there are".to_owned())?;
                    check_blocks(own, &slots(find(&span.commit)?), &[])?;
                    rest = others;
                }
                if rest.is_empty() { Ok(()) } else { Err("blocks are of no way".to_owned()) }
            }
            _ => Ok(()),
        }
    }

    /// Takes over one entry; an error says why it does not fit.
    pub fn take(&mut self, entry: Entry) -> Fit<()> {
        let sequence = self.records.len() as u64 + 1;
        match entry {
            Entry::Commit { id, parents, time, place, slots, skips, collections, moves } => {
                self.collections.extend(collections);
                let below = |p: &u32| (*p as usize) < self.commits.len();
                let numbered = |s: &(u16, u32)| usize::from(s.0) < self.collections.len();
                if !parents.iter().all(below) || !slots.iter().all(numbered) {
                    return Err("it names what is not there".to_owned());
                }
                let parents: Vec<CommitIndex> = parents.into_iter().map(|p| p as CommitIndex).collect();
                let behind = |&(_, c): &(u16, u32)| {
                    let parent = parents.first().filter(|_| (c as usize) < self.commits.len());
                    parent.is_some_and(|&parent| self.is_before(c as CommitIndex, parent))
                };
                if !skips.iter().all(|s| numbered(s) && behind(s)) {
                    return Err(NOT_ON_THE_WAY.to_owned());
                }
                let (depth, jump) = self.way_back(parents.first().copied());
                self.records.push(RecordOf::Commit(self.commits.len()));
                let same = parents.first().map(|&p| &self.commits[p].slots).filter(|s| ***s == slots[..]);
                let slots = same.cloned().unwrap_or_else(|| slots.into());
                let entry = CommitEntry { id, parents, time, place, slots, skips: skips.into(), depth, jump, sequence };
                self.take_commit(entry, moves)?;
                self.time = later(self.time, time);
            }
            Entry::Operation { place, time, author, undoes, action } => {
                self.take_action(&action, place, sequence)?;
                self.records.push(RecordOf::Operation(self.operations.len()));
                self.operations.push(Operation { sequence, place, time, author, undoes, action });
                self.time = later(self.time, time);
            }
        }
        Ok(())
    }

    fn take_commit(&mut self, entry: CommitEntry, moves: Option<String>) -> Fit<()> {
        let (id, index) = (entry.id, self.commits.len() as u32);
        if self.find(&id).is_some() {
            return Err("the same commit comes twice".to_owned());
        }
        if let [ours, theirs] = entry.parents[..]
            && let Some(name) = &moves
            && self.parked.get(name).is_some_and(|p| p.ours == ours && p.theirs == theirs)
        {
            self.parked.remove(name);
        }
        self.commits.push(entry);
        let commits = &self.commits;
        let rehash: &dyn Fn(&u32) -> u64 = &|&c| id_hash(&commits[c as usize].id);
        self.by_id.insert_unique(id_hash(&id), index, rehash);
        let moved = moves.map(|name| {
            let number = self.branch_number(&name);
            let from = match self.branches.get_mut(&name) {
                Some(head) => Some(std::mem::replace(head, index as CommitIndex)),
                None => self.branches.insert(name, index as CommitIndex),
            };
            (number, from.map(|f| f as u32))
        });
        self.moved.push(moved);
        Ok(())
    }

    fn branch_number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.branch_numbers.get(name) {
            return number;
        }
        let number = self.branch_names.len() as u32;
        self.branch_names.push(name.to_owned());
        self.branch_numbers.insert(name.to_owned(), number);
        number
    }

    /// Returns the depth of a commit with this first parent, and where its jump goes.
    ///
    /// Source: Myers, "An applicative random-access stack" (1983): jumps of the lengths of skew-binary digits.
    fn way_back(&self, parent: Option<CommitIndex>) -> (u32, u32) {
        let Some(p) = parent else { return (0, self.commits.len() as u32) };
        let parent = &self.commits[p];
        let near = &self.commits[parent.jump as usize];
        let far = &self.commits[near.jump as usize];
        let equal = parent.depth - near.depth == near.depth - far.depth;
        (parent.depth + 1, if equal { near.jump } else { p as u32 })
    }

    /// Returns whether `older` is `newer` or lies before it along first parents.
    pub fn is_before(&self, older: CommitIndex, newer: CommitIndex) -> bool {
        let depth = self.commits[older].depth;
        let mut at = newer;
        while self.commits[at].depth > depth {
            let jump = self.commits[at].jump as CommitIndex;
            at = if self.commits[jump].depth >= depth { jump } else { self.commits[at].parents[0] };
        }
        at == older
    }

    /// Returns the branch that a commit moved.
    pub fn branch_of(&self, commit: CommitIndex) -> Option<&str> {
        let (name, _) = self.moved[commit]?;
        Some(&self.branch_names[name as usize])
    }

    /// Returns the branch that a commit moved, and from where.
    pub fn move_of(&self, commit: CommitIndex) -> Option<Move> {
        let (_, from) = self.moved[commit]?;
        let name = self.branch_of(commit)?.to_owned();
        Some(Move { tag: false, name, from: from.map(|f| f as CommitIndex), to: Some(commit) })
    }

    fn take_action(&mut self, action: &Action, place: Place, sequence: u64) -> Fit<()> {
        let find = |id: &CommitId| self.known(id);
        match action {
            Action::Branch { name, to, .. } => {
                let to = to.as_ref().map(find).transpose()?;
                set(&mut self.branches, name, to);
            }
            Action::Tag { name, to, .. } => {
                let to = to.as_ref().map(find).transpose()?;
                set(&mut self.tags, name, to);
            }
            Action::Rename { tag, name, new, at } => {
                let at = find(at)?;
                let names = if *tag { &mut self.tags } else { &mut self.branches };
                if names.remove(name) != Some(at) || names.insert(new.clone(), at).is_some() {
                    return Err("it renames what is not there, or to a name that is".to_owned());
                }
                if let Some(parked) = self.parked.remove(name).filter(|_| !tag) {
                    self.parked.insert(new.clone(), parked);
                }
            }
            Action::Snapshot { commit, .. } => {
                let commit = find(commit)?;
                self.snapshots.insert(commit, (sequence, place));
            }
            Action::Unsnapshot { commits } => {
                for commit in commits.iter().map(find).collect::<Fit<Vec<_>>>()? {
                    self.snapshots.remove(commit);
                }
            }
            Action::Compact { spans, .. } => {
                self.compose_all(spans, place, sequence)?;
                self.compactions.push(sequence);
            }
            Action::Uncompact { sequence } => {
                self.compactions.retain(|s| s != sequence);
                self.compose_again()?;
            }
            Action::Park { branch, ours, theirs, policy } => {
                let (ours, theirs) = (find(ours)?, find(theirs)?);
                let parked = Parked { ours, theirs, policy: policy.clone(), resolved: Vec::new() };
                self.parked.insert(branch.clone(), parked);
            }
            Action::Resolve { branch, sources, resolution } => {
                let parked = self.parked.get_mut(branch).ok_or_else(|| "it resolves no merge".to_owned())?;
                parked.resolved.push((sources.clone(), resolution.clone()));
            }
            Action::Abandon { branch } => {
                self.parked.remove(branch);
            }
        }
        Ok(())
    }

    fn compose_all(&mut self, spans: &[Span], place: Place, sequence: u64) -> Fit<()> {
        let mut first_block = 0;
        for span in spans {
            self.compose(span, Composed { base: None, place, sequence, first_block, blocks: span.blocks })?;
            first_block += span.blocks;
        }
        Ok(())
    }

    fn compose(&mut self, span: &Span, composed: Composed) -> Fit<()> {
        let find = |id: &CommitId| self.known(id);
        let (commit, base) = (find(&span.commit)?, span.base.as_ref().map(find).transpose()?);
        let between = span.stands_for.iter().map(find).collect::<Fit<Vec<_>>>()?;
        let mut before = base;
        for &c in between.iter().chain([&commit]) {
            if self.commits[c].parents.first().copied() != before {
                return Err("the commits of a way do not follow each other".to_owned());
            }
            before = Some(c);
        }
        for c in between {
            self.composed.remove(c);
            self.dropped.insert(c, commit);
        }
        self.composed.insert(commit, Composed { base, ..composed });
        Ok(())
    }

    /// Makes the ways of all compactions that still count anew.
    fn compose_again(&mut self) -> Fit<()> {
        self.composed.clear();
        self.dropped.clear();
        for sequence in self.compactions.clone() {
            let Some(RecordOf::Operation(o)) = self.records.get(sequence as usize - 1).copied() else { continue };
            let Operation { place, action: Action::Compact { spans, .. }, .. } = self.operations[o].clone() else {
                continue;
            };
            self.compose_all(&spans, place, sequence)?;
        }
        Ok(())
    }

    /// Returns whether a compaction still counts.
    pub fn is_compaction(&self, sequence: u64) -> bool {
        self.compactions.contains(&sequence)
    }

    /// Returns whether another compaction than this one still stands for a commit, with its rows.
    pub fn is_composed_without(&self, commit: CommitIndex, sequence: u64) -> bool {
        let id = self.commits[commit].id;
        self.compactions.iter().filter(|s| **s != sequence).any(|&s| {
            let Some(RecordOf::Operation(o)) = self.records.get(s as usize - 1) else { return false };
            let Operation { place, action: Action::Compact { spans, .. }, .. } = &self.operations[*o] else {
                return false;
            };
            !place.bare && spans.iter().any(|s| s.commit == id || s.stands_for.contains(&id))
        })
    }

    /// Checks that rows were collected only where something stands for them.
    pub fn check_collected(&self) -> Fit<()> {
        for (c, entry) in self.commits.iter().enumerate().filter(|(_, e)| e.place.bare) {
            if self.composed.get(c).is_none() && self.dropped.get(c).is_none() {
                return Err(format!("the rows of commit {} are missing", entry.id.to_hex()));
            }
        }
        let snapshot = self.snapshots.iter().any(|(c, (_, place))| place.bare && self.dropped.get(c).is_none());
        if snapshot || self.composed.iter().any(|(_, composed)| composed.place.bare) {
            return Err("the rows of a snapshot or a compaction are missing".to_owned());
        }
        Ok(())
    }
}

/// The clock goes on from the latest time, whoever's it was.
fn later(own: Timestamp, other: Timestamp) -> Timestamp {
    own.max(Timestamp { node: own.node, ..other })
}

fn set(names: &mut SortedMap<String, CommitIndex>, name: &str, to: Option<CommitIndex>) {
    match to {
        Some(to) => names.insert(name.to_owned(), to),
        None => names.remove(name),
    };
}

/// An identity is a hash already.
fn id_hash(id: &CommitId) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| id.0[i]))
}
