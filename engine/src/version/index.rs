//! Index: which commits wrote a source, which slot a key has, which commits a word stands in, and which delta led to a
//! state.
//!
//! Files below the cache hold what is known up to some record; what came since is read from the log when it is first
//! asked for. The writer adds a file when it ends, and merges files of similar size, so that there are few of them and
//! each record is written anew only a few times.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rayon::prelude::*;

use super::data::read_parts;
use super::error::Result;
use super::graph::{Entry, Graph, RecordOf};
use super::keys::read_keys_block;
use super::repository::{CommitIndex, Repository};
use super::states::{NewStates, StateDeltas, StatePrefix, StateRow, sort_rows, state_row};
use crate::delta::key_hash;
use crate::store::index_file::{self, Covers, Flaw, IndexFile};
use crate::store::{Action, BlockKind, BlockRef, CommitRecord, Disk, Place, Records, StoreError};

/// A writer that goes on for long adds a file after this many records.
const RECORDS_MAX: usize = 1024;

/// How many files of similar size become one.
const MERGED: usize = 4;

/// A commit that touches at least this many rows, and a sixteenth of its collection, is noted once and not row by row.
const DENSE_ROWS: usize = 4096;

const KEYS: usize = 0;
const TOUCHES: usize = 1;
const WORDS: usize = 2;
const STATES: usize = 3;
const WIDTHS: [usize; 4] = [size_of::<KeyRow>(), size_of::<TouchRow>(), size_of::<WordRow>(), size_of::<StateRow>()];

/// Collection, key hash, record, slot.
type KeyRow = [u8; 2 + 16 + 4 + 4];
/// Collection, slot, record, block, row and what was done to it.
type TouchRow = [u8; 2 + 4 + 4 + 4 + 4];
/// Hash of a word, commit.
type WordRow = [u8; 8 + 4];

/// The slot that stands for all of them, in the touch of a dense commit.
const ALL_SLOTS: u32 = u32::MAX;

type AddWords = fn(&mut Vec<WordRow>, &CommitRecord, CommitIndex);

/// What was done to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was written whole.
    Whole,
    /// It was written against its old bits.
    Change,
    /// It went.
    Delete,
    /// Its commit touched so many rows that its lists tell.
    Dense,
}

/// One place in the log where a row was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    /// The number of the record in the log.
    pub record: u32,
    /// The block among those of the record.
    pub block: u32,
    /// The row in the block.
    pub row: u32,
    /// What was done.
    pub kind: Kind,
}

/// The index of an open repository.
#[derive(Default)]
pub struct Index {
    files: Vec<IndexFile>,
    /// How many collections the graph had at the end of the files.
    collections: usize,
    /// The record up to which the tables in memory go.
    up_to: usize,
    keys: Vec<KeyRow>,
    touches: Vec<TouchRow>,
    words: Vec<WordRow>,
    /// Adds the words of a commit; nothing until they are asked for.
    add_words: Option<AddWords>,
    states: Vec<StateRow>,
    /// The commits behind the files of whose deltas the states are not among those.
    unstated: Vec<CommitIndex>,
    /// The states of files that have none, by the file's name.
    made_up: BTreeMap<String, Vec<StateRow>>,
    sorted: bool,
    /// Whether the log could not be read: then those who ask have to go the long way.
    broken: bool,
    /// Whether a file was damaged: then the next writer makes all of them anew.
    lost: bool,
}

impl Index {
    /// Reads the files that fit a log, and the graph from them; files that are damaged are left out.
    ///
    /// # Errors
    /// When bytes of a file have not been brought yet.
    pub fn load(disk: &dyn Disk, origin: &[u8; 32], first: u32, sequence: u64) -> Result<(Self, Graph)> {
        let mut names = index_file::list(disk);
        names.sort_unstable_by_key(|&(_, from, to)| (from, std::cmp::Reverse(to)));
        let (mut index, mut graph) = (Self::default(), Graph::default());
        let (mut next, mut before) = (1, [0; 32]);
        for (name, from, to) in names {
            if from != next || to > sequence {
                continue;
            }
            let Some(file) = whole(disk, IndexFile::open(disk, &name))? else { continue };
            let covers = file.covers();
            let own = (covers.origin, covers.first, covers.from, covers.to, covers.before);
            let fits = (0..WIDTHS.len()).all(|table| !file.has(table) || file.width(table) == WIDTHS[table]);
            if own != (*origin, first, from, to, before) || !fits {
                continue;
            }
            match whole(disk, file.graph())?.and_then(|bytes| take_entries(&mut graph, &bytes)) {
                Some(()) if graph.records.len() as u64 == to => {}
                // Part of the file may have been taken over: begin again without it.
                _ => return Ok((Self::default(), Graph::default())),
            }
            (next, before) = (to + 1, covers.last);
            index.files.push(file);
        }
        (index.up_to, index.collections) = (graph.records.len(), graph.collections.len());
        Ok((index, graph))
    }

    /// Notes an entry that was read from the log or was just written; `next` is the number that a commit would get.
    pub fn note(&mut self, entry: &Entry, next: CommitIndex) {
        if matches!(entry, Entry::Commit { .. }) {
            self.unstated.push(next);
        }
    }

    /// Notes that a compaction was taken back: these commits may have been left out when states were found out.
    pub fn note_restored(&mut self, commits: impl Iterator<Item = CommitIndex>) {
        self.unstated.splice(0..0, commits);
    }

    /// Notes to which states the deltas of the commit led that was noted last: slot and hash, by collection.
    pub fn note_states(&mut self, graph: &Graph, states: &[NewStates]) {
        let Some(commit) = self.unstated.pop() else { return };
        for NewStates { collection, rows } in states {
            let Some(number) = graph.collections.iter().position(|c| c == collection) else { continue };
            self.states.extend(rows.iter().map(|(slot, hash)| state_row(number as u16, *slot, hash, commit)));
        }
        self.sorted = false;
    }

    /// Returns how many records the files cover.
    fn covered(&self) -> usize {
        self.files.last().map_or(0, |f| f.covers().to as usize)
    }

    /// Returns whether it is time to add a file.
    pub fn is_due(&self, records: usize) -> bool {
        records - self.covered() >= RECORDS_MAX
    }

    /// Finds the slots that the key of a hash ever had: the record that brought it, and the slot. `None` without an index.
    ///
    /// # Errors
    /// When bytes have not been brought yet; so with all questions.
    pub fn slots_of(&mut self, repo: &Repository, collection: u16, key: &[u8; 16]) -> Result<Option<Vec<(u32, u32)>>> {
        let prefix = [&collection.to_be_bytes()[..], key].concat();
        let mut found = Vec::new();
        let whole = self.find(repo, KEYS, &prefix, &mut |r| found.push((number(&r[18..]), number(&r[22..]))))?;
        Ok(whole.then_some(found))
    }

    /// Finds all places where a row was written, oldest first, among them the dense commits. `None` without an index.
    pub fn touches_of(&mut self, repo: &Repository, collection: u16, slot: u32) -> Result<Option<Vec<Touch>>> {
        let mut found = Vec::new();
        for slot in [slot, ALL_SLOTS] {
            let prefix = [&collection.to_be_bytes()[..], &slot.to_be_bytes()].concat();
            if !self.find(repo, TOUCHES, &prefix, &mut |r| found.push(touch(r)))? {
                return Ok(None);
            }
        }
        found.sort_unstable_by_key(|t| (t.record, t.block));
        Ok(Some(found))
    }

    /// Finds the commits in whose author, message or metadata all of these words may stand. `None` without an index.
    pub fn commits_with(&mut self, repo: &Repository, words: &[String]) -> Result<Option<BTreeSet<CommitIndex>>> {
        if !self.want_words(repo)? {
            return Ok(None);
        }
        let mut all: Option<BTreeSet<CommitIndex>> = None;
        for word in words {
            let mut found = BTreeSet::new();
            let whole = self.find(repo, WORDS, &word_hash(word), &mut |r| {
                found.insert(number(&r[8..]) as CommitIndex);
            })?;
            if !whole {
                return Ok(None);
            }
            all = Some(match all {
                Some(all) => all.intersection(&found).copied().collect(),
                None => found,
            });
        }
        Ok(all)
    }

    /// Finds the deltas that may have led to a state, among those whose states are known; see [`super::states`].
    ///
    /// # Errors
    /// When bytes have not been brought yet.
    pub fn deltas_to(&mut self, repo: &Repository, state: &StatePrefix) -> Result<Option<StateDeltas>> {
        let mut found = Vec::new();
        let whole = self.find(repo, STATES, state, &mut |r| {
            found.push((u16::from_be_bytes([r[8], r[9]]), number(&r[10..]), number(&r[14..]) as CommitIndex));
        })?;
        found.sort_unstable_by_key(|f: &(u16, u32, CommitIndex)| f.2);
        Ok(whole.then_some(found))
    }

    /// Returns the commits behind the files of whose deltas nobody noted the states.
    pub fn unstated(&self) -> Vec<CommitIndex> {
        self.unstated.clone()
    }

    /// Returns the files that were written without states, and the commits that they cover.
    pub fn unstated_files(&self, repo: &Repository) -> Vec<(String, Vec<CommitIndex>)> {
        let lacking = self.files.iter().filter(|f| !f.has(STATES) && !self.made_up.contains_key(f.name()));
        let commits = |f: &IndexFile| {
            let records = &repo.graph().records[f.covers().from as usize - 1..f.covers().to as usize];
            let commit = |r: &RecordOf| if let RecordOf::Commit(c) = r { Some(*c) } else { None };
            (f.name().to_owned(), records.iter().filter_map(commit).collect())
        };
        lacking.map(commits).collect()
    }

    /// Takes over states that were found out: of a file, or of the commits behind the files.
    pub fn make_up(&mut self, file: Option<String>, mut rows: Vec<StateRow>) {
        match file {
            Some(file) => {
                sort_rows(&mut rows);
                self.made_up.insert(file, rows);
            }
            None => {
                self.unstated.clear();
                self.states.extend(rows);
                self.sorted = false;
            }
        }
    }

    /// Returns all states that are known; `None` when those of some commits are not.
    pub fn all_states(&self) -> Option<Vec<StateRow>> {
        let mut all: Vec<StateRow> = self.made_up.values().flatten().chain(&self.states).copied().collect();
        for file in self.files.iter().filter(|f| !self.made_up.contains_key(f.name())) {
            let mut records = file.has(STATES).then(|| file.records(STATES))?;
            while let Some(row) = records.next() {
                all.push(row.try_into().ok()?);
            }
            if records.is_damaged() {
                return None;
            }
        }
        self.unstated.is_empty().then_some(all)
    }

    /// Hands over the rows that begin with some bytes; `false` without an index.
    fn find(&mut self, repo: &Repository, table: usize, prefix: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool> {
        if !self.catch_up(repo)? {
            return Ok(false);
        }
        let mut hits = Vec::new();
        let asked = self.files.iter().try_for_each(|f| f.find(table, prefix, &mut |r| hits.extend_from_slice(r)));
        if whole(repo.disk().as_ref(), asked)?.is_none() {
            // A file is damaged: what it said is read from the log instead.
            let (unstated, add_words) = ((0..repo.len()).collect(), self.add_words);
            *self = Self { lost: true, unstated, add_words, ..Self::default() };
            if !self.catch_up(repo)? {
                return Ok(false);
            }
            hits.clear();
        }
        match table {
            KEYS => pick(&self.keys, prefix, &mut hits),
            TOUCHES => pick(&self.touches, prefix, &mut hits),
            WORDS => pick(&self.words, prefix, &mut hits),
            _ => self.made_up.values().chain([&self.states]).for_each(|rows| pick(rows, prefix, &mut hits)),
        }
        hits.chunks_exact(WIDTHS[table]).for_each(found);
        Ok(true)
    }

    /// Reads what came since the tables were last brought up to date; `false` when the log cannot be read.
    fn catch_up(&mut self, repo: &Repository) -> Result<bool> {
        if self.broken {
            return Ok(false);
        }
        let records = &repo.graph().records;
        while self.up_to < records.len() {
            let number = self.up_to as u32 + 1;
            let before = (self.keys.len(), self.touches.len(), self.words.len());
            self.sorted = false;
            match self.add(repo, records[self.up_to], number) {
                Ok(()) => self.up_to += 1,
                Err(e) if e.is_waiting() => {
                    // It comes again as a whole.
                    self.keys.truncate(before.0);
                    self.touches.truncate(before.1);
                    self.words.truncate(before.2);
                    return Err(e);
                }
                Err(_) => {
                    self.broken = true;
                    return Ok(false);
                }
            }
        }
        if !self.sorted {
            sort_rows(&mut self.keys);
            sort_rows(&mut self.touches);
            self.words.sort_unstable();
            sort_rows(&mut self.states);
            self.sorted = true;
        }
        Ok(true)
    }

    /// Brings all tables up to date, those of words too.
    fn catch_up_whole(&mut self, repo: &Repository) -> bool {
        self.want_words(repo).and_then(|words| Ok(words && self.catch_up(repo)?)).unwrap_or(false)
    }

    fn add(&mut self, repo: &Repository, record: RecordOf, number: u32) -> Result<()> {
        match record {
            RecordOf::Commit(c) => {
                let record = repo.commit(c)?;
                if let Some(add) = self.add_words {
                    add(&mut self.words, &record, c);
                }
                self.add_keys(repo, c, &record, number)?;
                let place = repo.entry(c).place;
                if !place.bare {
                    self.add_touches(repo, c, number, place, &record.blocks, 0..record.blocks.len())?;
                }
            }
            RecordOf::Operation(o) => {
                let operation = &repo.graph().operations[o];
                if let Action::Compact { spans, .. } = &operation.action
                    && !operation.place.bare
                {
                    let blocks = repo.blocks_of(operation.place)?;
                    let mut first = 0;
                    for span in spans {
                        let Some(c) = repo.find(&span.commit) else { continue };
                        let own = first..first + span.blocks as usize;
                        self.add_touches(repo, c, number, operation.place, &blocks, own.clone())?;
                        first = own.end;
                    }
                }
            }
        }
        Ok(())
    }

    fn add_keys(&mut self, repo: &Repository, c: CommitIndex, record: &CommitRecord, number: u32) -> Result<()> {
        let place = repo.entry(c).place;
        for (i, block) in record.blocks.iter().enumerate().filter(|(_, b)| b.kind == BlockKind::Keys) {
            let keys = read_keys_block(repo, place, &record.blocks, i)?;
            let collection = repo.entry(c).slots[usize::from(block.collection)].0;
            let first = block.first_slot;
            self.keys.par_extend((0..keys.len()).into_par_iter().map(|k| {
                let mut row = KeyRow::default();
                row[..2].copy_from_slice(&collection.to_be_bytes());
                row[2..18].copy_from_slice(&key_hash(keys.get(k)));
                row[18..22].copy_from_slice(&number.to_be_bytes());
                row[22..].copy_from_slice(&(first + k as u32).to_be_bytes());
                row
            }));
        }
        Ok(())
    }

    fn add_touches(
        &mut self,
        repo: &Repository,
        c: CommitIndex,
        number: u32,
        place: Place,
        blocks: &[BlockRef],
        range: Range<usize>,
    ) -> Result<()> {
        for (own, &(collection, slots)) in (0u16..).zip(repo.entry(c).slots.iter()) {
            let parts = read_parts(repo, place, blocks, range.clone(), own)?;
            let rows: usize = parts.iter().map(|p| p.lists.len()).sum();
            if rows >= DENSE_ROWS.max(slots as usize / 16) {
                let touch = Touch { record: number, block: range.start as u32, row: 0, kind: Kind::Dense };
                self.touches.push(touch_row(collection, ALL_SLOTS, touch));
                continue;
            }
            for part in &parts {
                for (slot, block, row, kind) in part.rows(blocks) {
                    let touch = Touch { record: number, block, row, kind };
                    self.touches.push(touch_row(collection, slot, touch));
                }
            }
        }
        Ok(())
    }

    /// Notes the words of commits from now on, and those of the commits whose records were read without.
    ///
    /// # Errors
    /// When bytes have not been brought yet. `false` when the log cannot be read.
    pub fn want_words(&mut self, repo: &Repository) -> Result<bool> {
        if self.add_words.is_none() {
            let mut words = Vec::new();
            for record in &repo.graph().records[self.covered()..self.up_to] {
                let RecordOf::Commit(c) = *record else { continue };
                match repo.commit(c) {
                    Ok(record) => add_words(&mut words, &record, c),
                    Err(e) if e.is_waiting() => return Err(e),
                    Err(_) => return Ok(false),
                }
            }
            (self.words, self.sorted) = (words, false);
            self.add_words = Some(add_words);
        }
        Ok(true)
    }

    /// Writes what the files do not cover yet into a new one, and merges files of similar size.
    ///
    /// A file that cannot be written is not missed: the next reader reads the log instead.
    pub fn save(&mut self, repo: &Repository) {
        if self.lost {
            return self.remove_others(repo.disk().as_ref());
        }
        let (from, to) = (self.covered() as u64 + 1, repo.graph().records.len() as u64);
        if from > to || !self.catch_up_whole(repo) {
            return;
        }
        let stated = self.unstated.is_empty();
        let graph = repo.graph();
        let hash = |record: u64| record.checked_sub(1).map_or([0; 32], |r| *graph.record_hash(r as usize));
        let covers = Covers {
            origin: *repo.origin(),
            first: repo.log().first(),
            from,
            to,
            before: hash(from - 1),
            last: hash(to),
        };
        let states = if stated { Records::of(&self.states) } else { Records::left_out() };
        let tables = [Records::of(&self.keys), Records::of(&self.touches), Records::of(&self.words), states];
        let disk = repo.disk().as_ref();
        let name = index_file::write(disk, covers, &self.recent(graph), tables);
        let Some(file) = name.and_then(|n| IndexFile::open(disk, &n).ok()) else { return };
        self.files.push(file);
        self.collections = graph.collections.len();
        (self.keys, self.touches, self.words, self.states, self.unstated) = Default::default();
        while self.merge_last(disk).is_some() {}
        self.remove_others(disk);
    }

    /// Returns the entries of the graph behind the files.
    fn recent(&self, graph: &Graph) -> Vec<u8> {
        let (mut out, mut collections) = (Vec::new(), self.collections);
        for &record in &graph.records[self.covered()..] {
            let entry = graph.entry_of(record, &mut collections);
            borsh::to_writer(&mut out, &entry).expect("writing to memory cannot fail");
        }
        out
    }

    /// Writes one file that covers all records to another disk; `None` when a file is damaged or the disk refuses.
    pub fn write_whole(&mut self, repo: &Repository, disk: &dyn Disk) -> Option<()> {
        self.catch_up_whole(repo).then_some(())?;
        let (graph, to) = (repo.graph(), repo.graph().records.len());
        let last = *graph.record_hash(to.checked_sub(1)?);
        let (origin, first) = (*repo.origin(), repo.log().first());
        let covers = Covers { origin, first, from: 1, to: to as u64, before: [0; 32], last };
        let held: Vec<Vec<u8>> = self.files.iter().map(IndexFile::graph).collect::<index_file::Answer<_>>().ok()?;
        let entries = [held.concat(), self.recent(graph)].concat();
        let stated = self.unstated.is_empty() && self.files.iter().all(|f| f.has(STATES));
        let states = if stated { Records::of(&self.states) } else { Records::left_out() };
        let own = [Records::of(&self.keys), Records::of(&self.touches), Records::of(&self.words), states];
        let mut numbers = 0..own.len();
        let tables = own.map(|rows| match (numbers.next(), rows.width()) {
            (Some(table), 1..) => self.files.iter().fold(rows, |rows, file| rows.and(file.records(table))),
            _ => rows,
        });
        index_file::write(disk, covers, &entries, tables).map(|_| ())
    }

    /// Merges the newest files when they are of similar size: so a record is written anew once for every four times as many.
    fn merge_last(&mut self, disk: &dyn Disk) -> Option<()> {
        let kept = self.files.len().checked_sub(MERGED)?;
        let (first, others) = self.files[kept..].split_first()?;
        let largest = others.iter().map(IndexFile::weight).max()?;
        // One with states and one without stay apart, or the states of both were lost.
        let alike = others.iter().all(|f| f.has(STATES) == first.has(STATES));
        (first.weight() < 2 * largest && alike).then_some(())?;
        let last = others.last()?.covers().clone();
        let covers = Covers { from: first.covers().from, before: first.covers().before, ..last };
        let mut graph = first.graph().ok()?;
        for file in others {
            graph.extend(file.graph().ok()?);
        }
        let table = |t: usize| match first.has(t) {
            true => others.iter().fold(first.records(t), |records, file| records.and(file.records(t))),
            false => Records::left_out(),
        };
        let name = index_file::write(disk, covers, &graph, [table(KEYS), table(TOUCHES), table(WORDS), table(STATES)])?;
        let file = IndexFile::open(disk, &name).ok()?;
        self.files.truncate(kept);
        self.files.push(file);
        Some(())
    }

    /// Removes files that are no longer needed; a reader that has one open goes on with it.
    fn remove_others(&self, disk: &dyn Disk) {
        let own: BTreeSet<&str> = self.files.iter().map(IndexFile::name).collect();
        let others = index_file::list(disk).into_iter().filter(|(name, ..)| !own.contains(name.as_str()));
        others.for_each(|(name, ..)| index_file::remove(disk, &name));
    }
}

/// Tells a file that is damaged, which the log stands in for, from one whose bytes are still to come.
fn whole<T>(disk: &dyn Disk, answer: index_file::Answer<T>) -> Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(Flaw::Damaged) => Ok(None),
        Err(Flaw::Waiting(error)) => Err(StoreError::io("read", disk.display(index_file::INDEX))(error).into()),
    }
}

fn take_entries(graph: &mut Graph, mut bytes: &[u8]) -> Option<()> {
    while !bytes.is_empty() {
        let entry: Entry = borsh::BorshDeserialize::deserialize(&mut bytes).ok()?;
        graph.take(entry).ok()?;
    }
    Some(())
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(std::array::from_fn(|i| bytes[i]))
}

fn touch_row(collection: u16, slot: u32, touch: Touch) -> TouchRow {
    let mut row = TouchRow::default();
    row[..2].copy_from_slice(&collection.to_be_bytes());
    row[2..6].copy_from_slice(&slot.to_be_bytes());
    row[6..10].copy_from_slice(&touch.record.to_be_bytes());
    row[10..14].copy_from_slice(&touch.block.to_be_bytes());
    row[14..].copy_from_slice(&(touch.row << 2 | touch.kind as u32).to_be_bytes());
    row
}

fn touch(row: &[u8]) -> Touch {
    let last = number(&row[14..]);
    let kind = [Kind::Whole, Kind::Change, Kind::Delete, Kind::Dense][last as usize & 3];
    Touch { record: number(&row[6..]), block: number(&row[10..]), row: last >> 2, kind }
}

fn add_words(rows: &mut Vec<WordRow>, record: &CommitRecord, commit: CommitIndex) {
    let mut words = BTreeSet::new();
    let body = &record.body;
    words.extend(words_of(&body.author).chain(words_of(&body.message)));
    for (key, value) in &body.metadata {
        words.extend(words_of(key).chain(words_of(value)));
    }
    for word in words {
        let mut row = WordRow::default();
        row[..8].copy_from_slice(&word_hash(&word));
        row[8..].copy_from_slice(&(commit as u32).to_be_bytes());
        rows.push(row);
    }
}

/// Returns the words of a text: runs of letters and digits, in lower case.
pub fn words_of(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase)
}

fn word_hash(word: &str) -> [u8; 8] {
    xxhash_rust::xxh3::xxh3_64(word.as_bytes()).to_be_bytes()
}

/// Adds the rows that begin with some bytes, from sorted rows in memory.
fn pick<const N: usize>(rows: &[[u8; N]], prefix: &[u8], hits: &mut Vec<u8>) {
    let from = rows.partition_point(|r| &r[..prefix.len()] < prefix);
    rows[from..].iter().take_while(|r| r.starts_with(prefix)).for_each(|r| hits.extend_from_slice(r));
}
