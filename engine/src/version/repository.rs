//! A repository: its log, and the graph of commits that the log holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::error::{Result, VersionError};
use crate::delta::{CommitId, Element, Table, Timestamp, domain};
use crate::store::{
    Action, BlockKind, BlockRef, CollectionState, CommitRecord, Disk, KEYS_PER_BLOCK, Log, OperationRecord, Place,
    Record, StoreError, Transaction, keep_measures,
};

/// The branch that commands work on unless told otherwise.
pub const MAIN: &str = "main";

/// The widest vector, in components.
const DIMS_MAX: u32 = 1 << 20;

/// The number of a commit in the order of the log.
pub type CommitIndex = usize;

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
    pub slots: Vec<(u16, u32)>,
}

/// The whole state of a commit, written down so that reading starts there.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where the operation is that ends its data.
    pub place: Place,
    /// The blocks before it.
    pub blocks: Arc<Vec<BlockRef>>,
}

/// An open repository.
pub struct Repository {
    log: Log,
    graph: Graph,
    _lock: Option<Box<dyn Send + Sync>>,
}

/// The delta graph, its names and its operations.
#[derive(Default)]
pub(super) struct Graph {
    pub commits: Vec<CommitEntry>,
    pub by_id: HashMap<CommitId, CommitIndex>,
    pub branches: BTreeMap<String, CommitIndex>,
    pub tags: BTreeMap<String, CommitIndex>,
    pub snapshots: HashMap<CommitIndex, Snapshot>,
    pub records: Vec<[u8; 32]>,
    collections: Vec<String>,
    time: Timestamp,
}

impl Repository {
    /// Opens a repository for reading, as far as it was reported.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self> {
        let mut graph = Graph::default();
        let log = Log::open(disk.clone(), false, &mut |place, record| {
            graph.take(place, record).map_err(|p| misfit(&disk, place, p))
        })?;
        Ok(Self { log, graph, _lock: None })
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
        let mut graph = Graph::default();
        let log = Log::open(disk.clone(), true, &mut |place, record| {
            graph.take(place, record).map_err(|p| misfit(&disk, place, p))
        })?;
        Ok(Self { log, graph, _lock: Some(lock) })
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
        self.graph.by_id.get(id).copied()
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

    /// Returns the branches and the commits they point at.
    pub fn branches(&self) -> &BTreeMap<String, CommitIndex> {
        &self.graph.branches
    }

    /// Returns the tags and the commits they point at.
    pub fn tags(&self) -> &BTreeMap<String, CommitIndex> {
        &self.graph.tags
    }

    /// Returns the commit a branch points at.
    pub fn head(&self, branch: &str) -> Option<CommitIndex> {
        self.graph.branches.get(branch).copied()
    }

    /// Returns the snapshot of a commit, if there is one.
    pub fn snapshot(&self, commit: CommitIndex) -> Option<&Snapshot> {
        self.graph.snapshots.get(&commit)
    }

    /// Goes from a commit to its first parent and so on to the root.
    pub fn first_parents(&self, from: CommitIndex) -> impl Iterator<Item = CommitIndex> {
        std::iter::successors(Some(from), |&c| self.graph.commits[c].parents.first().copied())
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
        self.written(staged.place, staged.record)?;
        let commit = self.len() - 1;
        keep_measures(self.disk().as_ref(), self.entry(commit).id, &staged.measures);
        Ok(commit)
    }

    /// Takes a record over into the graph after it was written.
    pub(super) fn written(&mut self, place: Place, record: Record) -> Result<()> {
        let disk = self.disk().clone();
        Ok(self.graph.take(place, record).map_err(|p| misfit(&disk, place, p))?)
    }

    /// Writes an operation that has no data.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn operate(&mut self, now_millis: u64, action: Action) -> Result<()> {
        let time = self.next_time(now_millis)?;
        let tx = self.begin()?;
        let link = tx.link();
        let record = Record::Operation(OperationRecord { link, time, action });
        let place = tx.finish(&record)?;
        self.written(place, record)
    }
}

impl Graph {
    /// Takes over one record; an error says why it does not fit.
    fn take(&mut self, place: Place, record: Record) -> std::result::Result<(), String> {
        match record {
            Record::Commit(record) => self.take_commit(place, record)?,
            Record::Operation(record) => {
                self.take_operation(place, record.action)?;
                self.time = self.time.max(record.time);
            }
        }
        self.records.push(place.hash);
        Ok(())
    }

    fn take_commit(&mut self, place: Place, record: CommitRecord) -> std::result::Result<(), String> {
        let id = record.body.id();
        let known = |p: &CommitId| self.by_id.get(p).copied().ok_or_else(|| "its parent is unknown".to_owned());
        let parents: Vec<CommitIndex> = record.body.parents.iter().map(known).collect::<std::result::Result<_, _>>()?;
        if self.by_id.contains_key(&id) {
            return Err("the same commit comes twice".to_owned());
        }
        if record.slots.len() != record.body.collections.len() {
            return Err("the record's lists differ in length".to_owned());
        }
        self.check_slots(&record, &parents)?;
        let names = record.body.collections.iter().map(|c| c.name.as_str());
        let numbers: Vec<u16> = names.map(|n| intern(&mut self.collections, n)).collect();
        let slots = numbers.into_iter().zip(record.slots).collect();
        let index = self.commits.len();
        self.commits.push(CommitEntry { id, parents, time: record.body.time, place, slots });
        self.by_id.insert(id, index);
        self.time = self.time.max(record.body.time);
        self.branches.insert(record.body.branch, index);
        Ok(())
    }

    /// Checks that a commit has the slots of its parent and those of its new keys: what is allocated to read it goes
    /// by its slots, so a record must not be able to name more of them than there are keys.
    fn check_slots(&self, record: &CommitRecord, parents: &[CommitIndex]) -> std::result::Result<(), String> {
        check_blocks(&record.blocks, &record.slots)?;
        for (number, (state, &slots)) in record.body.collections.iter().zip(&record.slots).enumerate() {
            let own = self.collections.iter().position(|c| *c == state.name);
            let before = parents.first().and_then(|&p| {
                let held = &self.commits[p].slots;
                held.iter().find(|(c, _)| Some(usize::from(*c)) == own).map(|(_, s)| u64::from(*s))
            });
            let keys =
                record.blocks.iter().filter(|b| b.kind == BlockKind::Keys && usize::from(b.collection) == number);
            let mut next = before.unwrap_or(0);
            for block in keys {
                let end = next + u64::from(block.rows);
                if u64::from(block.first_slot) != next || u64::from(block.last_slot) + 1 != end {
                    return Err("the keys of a record are not those of the next slots".to_owned());
                }
                next = end;
            }
            if next != u64::from(slots) {
                return Err("the record names other slots than its keys make".to_owned());
            }
        }
        Ok(())
    }

    fn take_operation(&mut self, place: Place, action: Action) -> std::result::Result<(), String> {
        let find = |id: &CommitId| self.by_id.get(id).copied().ok_or_else(|| "it names an unknown commit".to_owned());
        match action {
            Action::Branch { name, to, .. } => set(&mut self.branches, name, to.as_ref().map(find).transpose()?),
            Action::Tag { name, to, .. } => set(&mut self.tags, name, to.as_ref().map(find).transpose()?),
            Action::Snapshot { commit, blocks } => {
                let commit = find(&commit)?;
                let slots: Vec<u32> = self.commits[commit].slots.iter().map(|(_, s)| *s).collect();
                check_blocks(&blocks, &slots)?;
                let blocks = Arc::new(blocks);
                self.snapshots.insert(commit, Snapshot { place, blocks });
            }
        }
        Ok(())
    }
}

/// Checks that no block claims more rows than its collection has slots, or more keys than a block holds.
fn check_blocks(blocks: &[BlockRef], slots: &[u32]) -> std::result::Result<(), String> {
    for block in blocks {
        let slots = *slots.get(usize::from(block.collection)).ok_or("a block is of no collection of its record")?;
        let most = if block.kind == BlockKind::Keys { slots.min(KEYS_PER_BLOCK as u32) } else { slots };
        if block.rows > most {
            return Err("a block claims more rows than there can be".to_owned());
        }
    }
    Ok(())
}

fn set(names: &mut BTreeMap<String, CommitIndex>, name: String, to: Option<CommitIndex>) {
    match to {
        Some(to) => names.insert(name, to),
        None => names.remove(&name),
    };
}

fn intern(names: &mut Vec<String>, name: &str) -> u16 {
    let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    at as u16
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
    if names.iter().any(|n| !["cache", "log", "wal", "head.new"].contains(&n.as_str())) {
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
