//! A repository: its log, and the graph of commits that the log holds.

use std::sync::{Arc, Mutex, MutexGuard};

use super::error::{Result, VersionError};
use super::graph::{CommitEntry, Composed, Entry, Graph, Operation, Parked};
use super::index::Index;
use super::states::{NewStates, StateRow, find_out_few};
use crate::delta::{CommitId, Element, SortedMap, Table, Timestamp, domain};
use crate::store::{
    Action, BlockRef, CollectionState, CommitRecord, Disk, JOURNALS, Known, Link, Log, OperationRecord, Place, Record,
    StoreError, Transaction, keep_measures, log_start,
};

/// The branch that commands work on unless told otherwise.
pub const MAIN: &str = "main";

/// The widest vector, in components.
const DIMS_MAX: u32 = 1 << 20;

/// The number of a commit in the order of the log.
pub type CommitIndex = usize;

/// An open repository.
pub struct Repository {
    log: Log,
    graph: Graph,
    index: Mutex<Index>,
    writer: Option<Writer>,
}

/// What only a writer has.
struct Writer {
    _lock: Box<dyn Send + Sync>,
    /// Leaves an index for the next one to open. A program that only reads has no code for it.
    leave: fn(&Repository),
}

impl Writer {
    fn of(lock: Box<dyn Send + Sync>) -> Self {
        Self { _lock: lock, leave: Repository::save_index }
    }
}

/// Who does something, and when.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// Who.
    pub author: String,
    /// Milliseconds since 1970 UTC by this machine's clock.
    pub now_millis: u64,
}

impl Repository {
    /// Opens a repository for reading, as far as it was reported.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self> {
        Self::load(&disk, None, true)
    }

    /// Opens a repository for reading, with every record read from the log and compared with its hash.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open_checked(disk: Arc<dyn Disk>) -> Result<Self> {
        Self::load(&disk, None, false)
    }

    /// Opens a repository for writing, after repairing what a crash left; makes one when `origin` is given.
    ///
    /// # Errors
    /// When another writer has it, there is none, or it is damaged.
    pub fn open_writer(disk: Arc<dyn Disk>, origin: Option<[u8; 32]>) -> Result<Self> {
        let exists = Log::exists(disk.as_ref())?;
        if !exists && origin.is_none() {
            return Err(StoreError::NoRepository { path: disk.display("") }.into());
        }
        if !exists {
            check_place(disk.as_ref())?;
        }
        let lock = take_lock(disk.as_ref())?;
        // Another writer may have made it while this one waited for the lock.
        if let Some(origin) = origin.filter(|_| !exists)
            && !Log::exists(disk.as_ref())?
        {
            Log::create(disk.as_ref(), origin)?;
        }
        Self::load(&disk, Some(Writer::of(lock)), true)?.with_words()
    }

    /// Opens a repository for writing with every record read from the log; its index is made anew.
    ///
    /// # Errors
    /// When another writer has it, there is none, or it is damaged.
    pub fn open_writer_checked(disk: Arc<dyn Disk>) -> Result<Self> {
        if !Log::exists(disk.as_ref())? {
            return Err(StoreError::NoRepository { path: disk.display("") }.into());
        }
        let lock = take_lock(disk.as_ref())?;
        Self::load(&disk, Some(Writer::of(lock)), false)?.with_words()
    }

    /// A writer notes the words of commits while it reads their records.
    fn with_words(self) -> Result<Self> {
        self.index().want_words(&self)?;
        Ok(self)
    }

    /// Opens the log behind what index files tell, or all of it.
    fn load(disk: &Arc<dyn Disk>, writer: Option<Writer>, trust: bool) -> Result<Self> {
        let start = log_start(disk.as_ref())?;
        let known = start.filter(|_| trust);
        if let Some((origin, first, sequence)) = known {
            let (index, graph) = Index::load(disk.as_ref(), &origin, first, sequence)?;
            if !graph.records.is_empty() {
                match scan(disk, writer.is_some(), graph, index, first) {
                    Ok(scanned) => return Ok(Self::of(scanned, writer)),
                    Err(error) if error.is_waiting() => return Err(error),
                    Err(_) => {}
                }
            }
        }
        // Either there is no index, or the log is not the one it is of, or it is damaged.
        match scan(disk, writer.is_some(), Graph::default(), Index::default(), 0) {
            Ok(scanned) => Ok(Self::of(scanned, writer)),
            // The log may have been written anew between a look at its head and one at its segments.
            Err(error) if error.is_waiting() => Err(error),
            Err(_) if log_start(disk.as_ref())?.map(|s| s.1) != start.map(|s| s.1) => Self::load(disk, writer, trust),
            Err(error) => Err(error),
        }
    }

    fn of((log, graph, index): (Log, Graph, Index), writer: Option<Writer>) -> Self {
        Self { log, graph, index: Mutex::new(index), writer }
    }

    /// Returns the disk below.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        self.log.disk()
    }

    /// Returns the log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the hash that tells this repository from others.
    pub fn origin(&self) -> &[u8; 32] {
        self.log.origin()
    }

    /// Returns how many commits there are.
    pub fn len(&self) -> usize {
        self.graph.commits.len()
    }

    /// Returns whether there is no commit yet.
    pub fn is_empty(&self) -> bool {
        self.graph.commits.is_empty()
    }

    /// Returns what is known of a commit without reading.
    ///
    /// # Panics
    /// If there is no such commit.
    pub fn entry(&self, commit: CommitIndex) -> &CommitEntry {
        &self.graph.commits[commit]
    }

    /// Returns the commit with an identity.
    pub fn find(&self, id: &CommitId) -> Option<CommitIndex> {
        self.graph.find(id)
    }

    /// Returns the branch that a commit moved, without reading; `None` for one that only arrived from elsewhere.
    pub fn branch_of(&self, commit: CommitIndex) -> Option<&str> {
        self.graph().branch_of(commit)
    }

    /// Reads a commit's record.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn commit(&self, commit: CommitIndex) -> Result<CommitRecord> {
        let entry = self.entry(commit);
        match self.log.record(entry.place).map_err(|e| e.in_commit(entry.id))? {
            Record::Commit(record) => Ok(record),
            Record::Operation(_) => {
                Err(VersionError::corrupt(self.disk().display("log"), "an operation stands where a commit was"))
            }
        }
    }

    /// Reads which blocks an operation has.
    ///
    /// # Errors
    /// When its record is damaged.
    pub(super) fn blocks_of(&self, place: Place) -> Result<Vec<BlockRef>> {
        match self.log.record(place)? {
            Record::Operation(record) => Ok(record.blocks().to_vec()),
            Record::Commit(record) => Ok(record.blocks),
        }
    }

    /// Returns the index, for one question.
    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().expect("no thread panics with it")
    }

    /// Returns all operations, oldest first.
    pub fn operations(&self) -> &[Operation] {
        &self.graph.operations
    }

    /// Returns the merges that wait for their conflicts to be resolved, by branch.
    pub fn parked(&self) -> &SortedMap<String, Parked> {
        &self.graph.parked
    }

    /// Returns the branches and the commits they point at.
    pub fn branches(&self) -> &SortedMap<String, CommitIndex> {
        &self.graph.branches
    }

    /// Returns the tags and the commits they point at.
    pub fn tags(&self) -> &SortedMap<String, CommitIndex> {
        &self.graph.tags
    }

    /// Returns the commit a branch points at.
    pub fn head(&self, branch: &str) -> Option<CommitIndex> {
        self.graph.branches.get(branch).copied()
    }

    /// Returns where the snapshot of a commit is, if there is one.
    pub fn snapshot(&self, commit: CommitIndex) -> Option<Place> {
        self.graph.snapshots.get(commit).map(|(_, place)| *place)
    }

    /// Returns the operation that wrote the snapshot of a commit, if there is one.
    pub fn snapshot_operation(&self, commit: CommitIndex) -> Option<&Operation> {
        let (sequence, _) = self.graph.snapshots.get(commit)?;
        let at = self.graph.operations.partition_point(|o| o.sequence < *sequence);
        self.graph.operations.get(at).filter(|o| o.sequence == *sequence)
    }

    /// Returns the way that a compaction made shorter, if one ends at a commit.
    pub fn composed(&self, commit: CommitIndex) -> Option<&Composed> {
        self.graph.composed.get(commit)
    }

    /// Returns the commit whose composed deltas stand for a commit, if there is one.
    pub fn stands_for(&self, commit: CommitIndex) -> Option<CommitIndex> {
        self.graph.dropped.get(commit).copied()
    }

    /// Checks that the table of a commit can be read.
    ///
    /// # Errors
    /// When a compaction left only its record.
    pub fn check_held(&self, commit: CommitIndex) -> Result<()> {
        let short = |c: CommitIndex| self.entry(c).id.to_hex()[..12].to_owned();
        match self.stands_for(commit) {
            None => Ok(()),
            Some(by) => Err(VersionError::Compacted { revision: short(commit), next: short(by) }),
        }
    }

    /// Goes from a commit to its first parent and so on to the root.
    pub fn first_parents(&self, from: CommitIndex) -> impl Iterator<Item = CommitIndex> {
        std::iter::successors(Some(from), |&c| self.graph.commits[c].parents.first().copied())
    }

    /// Goes from a commit to the one its data are based on and so on to the root: along first parents, but past
    /// commits that a compaction left out.
    pub fn bases(&self, from: CommitIndex) -> impl Iterator<Item = CommitIndex> {
        std::iter::successors(Some(from), |&c| match self.composed(c) {
            Some(composed) => composed.base,
            None => self.graph.commits[c].parents.first().copied(),
        })
    }

    /// Returns the commit against whose rows some blocks of a commit are coded, past those between; `None` when the way
    /// to it was composed.
    pub fn skip_of(&self, commit: CommitIndex, collection: u16) -> Option<CommitIndex> {
        let skips = &self.graph.commits[commit].skips;
        let (_, to) = skips.iter().find(|(c, _)| *c == collection).filter(|_| self.composed(commit).is_none())?;
        Some(*to as CommitIndex)
    }

    /// Returns whether `older` is `newer` or lies before it along first parents.
    pub fn is_before(&self, older: CommitIndex, newer: CommitIndex) -> bool {
        self.graph.is_before(older, newer)
    }

    /// Returns the number that stands for a collection's name in this process.
    pub fn collection_number(&self, name: &str) -> Option<u16> {
        self.graph.collections.iter().position(|c| c == name).map(|i| i as u16)
    }

    /// Returns how many slots a collection has at a commit.
    pub fn slots(&self, commit: CommitIndex, collection: u16) -> u32 {
        let slots = &self.graph.commits[commit].slots;
        slots.iter().find(|(c, _)| *c == collection).map_or(0, |(_, s)| *s)
    }

    /// Returns the timestamp for what is done at `now_millis`.
    ///
    /// # Errors
    /// When time cannot go on.
    pub fn next_time(&self, now_millis: u64) -> Result<Timestamp> {
        Ok(self.graph.time.tick(now_millis)?)
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When an earlier write failed.
    pub(super) fn begin(&self) -> Result<Transaction<'_>> {
        Ok(self.log.begin()?)
    }

    /// Takes a commit over into the graph after it was written; returns its number.
    ///
    /// # Errors
    /// When it does not fit the graph, which means a bug of ours.
    pub fn take(&mut self, staged: super::Staged) -> Result<CommitIndex> {
        self.enter(staged.place, staged.record, Some(&staged.states))?;
        let commit = self.len() - 1;
        if let Some(measures) = &staged.measures {
            keep_measures(self.disk().as_ref(), self.entry(commit).id, measures);
        }
        Ok(commit)
    }

    /// Takes a record over into the graph after it was written.
    pub(super) fn written(&mut self, place: Place, record: Record) -> Result<()> {
        self.enter(place, record, None)
    }

    fn enter(&mut self, place: Place, record: Record, states: Option<&[NewStates]>) -> Result<()> {
        let misfit = |p| misfit(self.log.disk(), place, p);
        let entry = self.graph.entry(place, record).map_err(misfit)?;
        let index = self.index.get_mut().expect("no thread panics with it");
        take_noted(&mut self.graph, index, entry).map_err(misfit)?;
        if let Some(states) = states {
            index.note_states(&self.graph, states);
        }
        if self.index().is_due(self.graph.records.len()) {
            self.save_index();
        }
        Ok(())
    }

    /// Saves the index, so that the next process need not read the log; nothing is lost if that fails.
    pub fn save_index(&self) {
        find_out_few(self);
        self.index().save(self);
    }

    /// Opens the log again after it was written anew; its index takes over the states that its rows led to.
    pub(super) fn open_again(&mut self, states: Option<Vec<StateRow>>) -> Result<()> {
        let disk = self.disk().clone();
        let (log, graph, mut index) = scan(&disk, true, Graph::default(), Index::default(), 0)?;
        if let Some(states) = states {
            index.make_up(None, states);
        }
        (self.log, self.graph) = (log, graph);
        *self.index.get_mut().expect("no thread panics with it") = index;
        self.index().want_words(self)?;
        Ok(())
    }

    /// Writes an operation that has no data.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn operate(&mut self, actor: &Actor, undoes: u64, action: Action) -> Result<()> {
        let time = self.next_time(actor.now_millis)?;
        let tx = self.begin()?;
        let record = operation(tx.link(), time, actor, undoes, action);
        let place = tx.finish(&record)?;
        self.written(place, record)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            (writer.leave)(self);
        }
    }
}

/// Makes the record of an operation.
pub(super) fn operation(link: Link, time: Timestamp, actor: &Actor, undoes: u64, action: Action) -> Record {
    Record::Operation(OperationRecord { link, time, author: actor.author.clone(), undoes, action })
}

/// Reads the log behind what is known.
fn scan(
    disk: &Arc<dyn Disk>,
    writable: bool,
    mut graph: Graph,
    mut index: Index,
    first: u32,
) -> Result<(Log, Graph, Index)> {
    let sequence = graph.records.len() as u64;
    let known = graph.place(sequence).map(|place| Known { first, sequence, place });
    let log = Log::open(disk.clone(), writable, known, &mut |place, record| {
        let entry = graph.entry(place, record).map_err(|p| misfit(disk, place, p))?;
        take_noted(&mut graph, &mut index, entry).map_err(|p| misfit(disk, place, p))
    })?;
    graph.check_collected().map_err(|p| StoreError::corrupt(disk.display("log"), None, p))?;
    // Times made here are told from those of other repositories by the node.
    graph.time.node = u32::from_le_bytes(std::array::from_fn(|i| log.origin()[i]));
    Ok((log, graph, index))
}

/// Takes an entry over into the graph and the index.
fn take_noted(graph: &mut Graph, index: &mut Index, entry: Entry) -> std::result::Result<(), String> {
    index.note(&entry, graph.commits.len());
    let taken_back = matches!(&entry, Entry::Operation { action: Action::Uncompact { .. }, .. });
    let dropped: Vec<CommitIndex> = graph.dropped.iter().map(|(c, _)| c).filter(|_| taken_back).collect();
    graph.take(entry)?;
    index.note_restored(dropped.into_iter().filter(|&c| graph.dropped.get(c).is_none()));
    Ok(())
}

fn misfit(disk: &Arc<dyn Disk>, place: Place, problem: String) -> StoreError {
    let path = disk.display(&format!("log/{:08}.vdlog", place.segment));
    StoreError::corrupt(path, Some(place.offset), problem)
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn Send + Sync>> {
    let path = disk.display("cache/lock");
    disk.create_dir("cache").map_err(StoreError::io("create", disk.display("cache")))?;
    disk.lock("cache/lock").map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock => StoreError::Locked { path, holder: error.to_string() }.into(),
        _ => StoreError::io("lock", path)(error).into(),
    })
}

/// Refuses a directory that holds other things.
fn check_place(disk: &dyn Disk) -> Result<()> {
    let names = disk.list("").map_err(StoreError::io("list", disk.display("")))?;
    let known = |n: &str| ["cache", "log", "head.new"].contains(&n) || JOURNALS.contains(&n);
    if names.iter().any(|n| !known(n)) {
        return Err(StoreError::NotARepository { path: disk.display("") }.into());
    }
    Ok(())
}

/// Returns the shape of a collection.
///
/// # Errors
/// When its element type is unknown: the record is damaged or of a later version.
pub fn table_of(state: &CollectionState) -> Result<Table> {
    if state.dims > DIMS_MAX {
        return Err(VersionError::corrupt("log", format!("a width of {} is beyond the limit", state.dims)));
    }
    let element = Element::from_code(state.element)
        .ok_or_else(|| VersionError::corrupt("log", format!("element type {} is unknown", state.element)))?;
    Ok(Table { collection: state.name.clone(), element, dims: state.dims })
}

/// Returns the origin of a repository that is made at a time by a process.
pub fn new_origin(now_millis: u64, salt: u64) -> [u8; 32] {
    let mut bytes = now_millis.to_le_bytes().to_vec();
    bytes.extend_from_slice(&salt.to_le_bytes());
    *blake3::keyed_hash(&domain("vecdelta v1 origin"), &bytes).as_bytes()
}
