//! The version stage: applies deltas and makes commits, on the caller's thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, RwLock};

use crossbeam_channel::Sender;

use super::PipelineError;
use super::deliver::Committed;
use super::flow::{ClosedWindow, InputName, Reply, Work};
use super::link::Inlet;
use super::metrics::Metrics;
use super::run::Asks;
use super::turns;
use crate::apply::{Validator, validate};
use crate::capture::Captured;
use crate::delta::{BatchChecksum, DeltaBatch, DeltaBatches, Table};
use crate::event::{Event, Listener};
use crate::store::Mirror;
use crate::version::{
    CommitIndex, CommitInfo, Generation, Repository, Stage, Staged, mend_mirror, open_mirror, reshape_mirror, table_of,
};
use crate::window::CloseReason;

/// The stage and what it needs.
pub struct Versioning<'a> {
    /// Where commits go.
    pub repo: &'a mut Repository,
    /// The branch that moves.
    pub branch: String,
    /// Who makes the commits.
    pub author: String,
    /// The message, with `{source}` and `{file}` to be filled in.
    pub message: String,
    /// What every commit says besides.
    pub metadata: BTreeMap<String, String>,
    /// Who is told of each commit with its deltas.
    pub deliver: Option<&'a dyn Fn(Committed)>,
    /// Who counts.
    pub metrics: Arc<Metrics>,
    /// What makes the vectors from here on, by collection.
    pub generations: BTreeMap<String, Generation>,
    /// Whether sources that do not come in a new shape of their collection go.
    pub drop_unshaped: bool,
    /// Whether a commit may leave rows of an older generation behind.
    pub forbid_mixed: bool,
    /// The checks that every delta of an epoch must pass which does not go through a window.
    pub validators: &'a [Validator],
    /// Milliseconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Who is told.
    pub listener: Listener<'a>,
    /// Who is told of each commit.
    pub committed: &'a mut dyn FnMut(&mut Repository, CommitIndex) -> Result<(), PipelineError>,
    /// How many rows were looked at.
    pub rows_read: u64,
    /// The size of the vectors of the deltas since the last commit, in bytes.
    pub batch_bytes: Cell<u64>,
    /// Whether anybody wants the checksums of batches.
    pub checksums: Option<Asks>,
    /// That of the deltas since the last commit.
    pub checksum: RefCell<Option<BatchChecksum>>,
    /// The mirrors in use, by collection.
    pub mirrors: BTreeMap<String, Arc<RwLock<Mirror>>>,
}

impl Versioning<'_> {
    /// Works until nothing more comes.
    ///
    /// # Errors
    /// The first failure of any stage; what was committed before stays.
    pub fn run(&mut self, work: &Inlet<Work>, replies: &Sender<Reply>) -> Result<(), PipelineError> {
        let mut input = Arc::new(InputName::default());
        let mut collection = String::new();
        while let Some(item) = work.receive() {
            match item.into_inner() {
                Work::Open { input: from, table, asks } => {
                    let name = table.collection.clone();
                    let reply = match self.open(table, &from.file) {
                        Ok(mirror) => Reply::Mirror(mirror),
                        Err(error @ PipelineError::OtherShape { .. }) if asks => Reply::OtherShape(error),
                        Err(error) => return Err(error),
                    };
                    (input, collection) = (from, name);
                    if !turns::send(replies, reply) {
                        return Ok(());
                    }
                }
                Work::Deltas(captured) => {
                    let info = self.info(&input, CloseReason::Epoch, true);
                    let staged = self.epoch(work, info, &input.file, &collection, Some(captured))?;
                    self.commit(staged, None, replies)?;
                }
                Work::EndEpoch(input) => {
                    let info = self.info(&input, CloseReason::Epoch, true);
                    let staged = self.epoch(work, info, &input.file, &collection, None)?;
                    self.commit(staged, None, replies)?;
                }
                Work::Closed(closed) => self.closed(*closed, replies)?,
                Work::Mend(collection) => {
                    mend_mirror(self.repo, &self.branch, &self.mirrors[&collection])?;
                    (self.listener)(&Event::TargetStateCorrupted { collection });
                    if !turns::send(replies, Reply::Mended) {
                        return Ok(());
                    }
                }
                Work::Failed(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Finds the mirror of a collection, whose shape must be that of the input.
    fn open(&mut self, mut table: Table, file: &str) -> Result<Arc<RwLock<Mirror>>, PipelineError> {
        let state = match self.repo.head(&self.branch) {
            Some(head) => {
                let states = self.repo.commit(head)?.body.collections;
                states.into_iter().find(|s| s.name == table.collection)
            }
            None => None,
        };
        let known = state.as_ref().map(table_of).transpose()?;
        let generation = state.map(|s| s.generation);
        if let Some(known) = known {
            if table.dims == 0 {
                table = known.clone();
            }
            let declared = self.generations.get(&table.collection);
            let new = declared.is_some_and(|g| Some(&g.name) != generation.as_ref());
            if known != table && new && !self.mirrors.contains_key(&table.collection) {
                let name = table.collection.clone();
                let mirror = reshape_mirror(self.repo, &self.branch, Arc::new(table))?;
                self.mirrors.insert(name, mirror.clone());
                return Ok(mirror);
            }
            if known != table {
                let shape = |t: &Table| format!("{} x {}", t.dims, t.element.name());
                return Err(PipelineError::OtherShape {
                    file: file.to_owned(),
                    collection: table.collection.clone(),
                    have: shape(&known),
                    got: shape(&table),
                });
            }
        }
        if let Some(mirror) = self.mirrors.get(&table.collection) {
            return Ok(mirror.clone());
        }
        let name = table.collection.clone();
        let mirror = open_mirror(self.repo, &self.branch, Arc::new(table))?;
        self.mirrors.insert(name, mirror.clone());
        Ok(mirror)
    }

    /// Gathers the deltas of an epoch as they come and makes its commit at its end.
    fn epoch(
        &mut self,
        work: &Inlet<Work>,
        info: CommitInfo,
        file: &str,
        collection: &str,
        first: Option<Captured>,
    ) -> Result<Option<Staged>, PipelineError> {
        self.begin_checksum();
        let mut stage = Stage::begin(self.repo, &info, (self.now)())?;
        let number = stage.add_collection(self.mirrors[collection].clone())?;
        let mut next = first;
        let mut ended = next.is_none();
        let mut rows = 0;
        loop {
            if let Some(captured) = next.take() {
                rows += captured.unchanged;
                stage.count(captured.unchanged, captured.raw_bytes);
                let deltas = captured.deltas() as u64;
                for batch in captured.batches {
                    rows += not_deleted(&batch);
                    self.check(file, &batch)?;
                    if let Some(checksum) = self.checksum.borrow_mut().as_mut() {
                        checksum.add(&batch, 0..batch.deltas.len());
                    }
                    self.metrics.busy("apply", || self.add(&mut stage, number, Arc::new(batch)))?;
                }
                self.tell_applied(collection, deltas);
            }
            if ended {
                break;
            }
            match work.receive().map(super::link::Loaded::into_inner) {
                Some(Work::Deltas(captured)) => next = Some(captured),
                Some(Work::EndEpoch(_)) => ended = true,
                Some(Work::Failed(error)) => return Err(error),
                // The flow ended within an epoch: it is left out.
                _ => return Ok(None),
            }
        }
        let staged = self.metrics.busy("version", || stage.finish(info))?;
        self.rows_read += rows;
        Ok(Some(staged))
    }

    /// Commits a window that was closed.
    fn closed(&mut self, work: ClosedWindow, replies: &Sender<Reply>) -> Result<(), PipelineError> {
        let ClosedWindow { input, window, closed, whole, unchanged, raw_bytes, known, marks } = work;
        let mut info = self.info(&input, closed.reason, whole);
        info.metadata.insert("window".to_owned(), window);
        info.metadata.extend(marks);
        // An id that came several times within the window was read as often.
        let deltas = closed.deltas;
        let composed = closed.metrics.added.saturating_sub(deltas.len() as u64);
        let left: u64 = deltas.batches().iter().map(|batch| not_deleted(batch)).sum();
        let mirror = self.mirrors[&deltas.table().collection].clone();
        let metrics = self.metrics.clone();
        self.begin_checksum();
        let stage = metrics.busy("apply", || {
            let mut stage = Stage::begin(self.repo, &info, (self.now)())?;
            let number = stage.add_collection(mirror)?;
            // Sources that came behind the window are those of a later one.
            stage.keep_keys(number, known);
            stage.count(unchanged, raw_bytes);
            if let Some(checksum) = self.checksum.borrow_mut().as_mut() {
                deltas.runs().for_each(|(batch, run)| checksum.add(&deltas.batches()[batch], run));
            }
            // Whatever entered a window was checked before.
            deltas.batches().iter().try_for_each(|batch| self.add(&mut stage, number, batch.clone()))?;
            self.tell_applied(&deltas.table().collection, deltas.len() as u64);
            Ok::<_, PipelineError>(stage)
        })?;
        let staged = metrics.busy("version", || stage.finish(info))?;
        self.rows_read += unchanged + left + composed;
        self.commit(Some(staged), Some(deltas), replies)
    }

    fn begin_checksum(&self) {
        let is_wanted = self.checksums.as_ref().is_some_and(|asks| asks());
        self.checksum.replace(is_wanted.then(BatchChecksum::default));
    }

    /// Refuses deltas that break a rule.
    fn check(&self, file: &str, batch: &DeltaBatch) -> Result<(), PipelineError> {
        let Err(rejection) = validate(self.validators, batch) else { return Ok(()) };
        let target = format!("{}/{}", batch.table.collection, rejection.key);
        (self.listener)(&Event::DeltaRejected { target, reason: rejection.reason.clone() });
        Err(PipelineError::Rejected { file: file.to_owned(), rejection })
    }

    fn add(&self, stage: &mut Stage<'_>, number: usize, batch: Arc<DeltaBatch>) -> Result<(), PipelineError> {
        self.batch_bytes.set(self.batch_bytes.get() + batch.new.len() as u64);
        Ok(stage.add(number, batch)?)
    }

    fn tell_applied(&self, target: &str, deltas: u64) {
        if deltas > 0 {
            (self.listener)(&Event::DeltaApplied { target: target.to_owned(), deltas });
        }
    }

    /// Takes a commit over, and tells who waits for it; `deltas` is all that it changed, where that is at hand.
    fn commit(
        &mut self,
        staged: Option<Staged>,
        deltas: Option<DeltaBatches>,
        replies: &Sender<Reply>,
    ) -> Result<(), PipelineError> {
        let Some(staged) = staged else { return Ok(()) };
        let first = self.repo.head(&self.branch).is_none();
        let commit = self.repo.take(staged)?;
        self.tell_versioned(commit, first)?;
        (self.committed)(self.repo, commit)?;
        // The flow may have ended: then nobody waits for the answer.
        let _ = turns::send(replies, Reply::Committed);
        self.deliver(commit, deltas)
    }

    /// Hands the commit to the sinks.
    fn deliver(&self, commit: CommitIndex, changed: Option<DeltaBatches>) -> Result<(), PipelineError> {
        let counts = self.repo.commit(commit)?.body.counts;
        let deltas = counts.inserted + counts.updated + counts.deleted;
        let now = (self.now)();
        self.metrics.update(|f| {
            f.commits = (f.commits.0 + 1, f.commits.1 + deltas);
            f.durable_millis = now;
        });
        let Some(deliver) = self.deliver else { return Ok(()) };
        let entry = self.repo.entry(commit);
        // A change of shape deletes more than the window says.
        let changed = changed.filter(|changed| changed.len() as u64 == deltas);
        let committed = Committed::new(commit, entry.id, entry.time.physical_millis, changed);
        self.metrics.blocked("apply", "sinks", || deliver(committed));
        Ok(())
    }

    fn tell_versioned(&self, commit: CommitIndex, first: bool) -> Result<(), PipelineError> {
        let record = self.repo.commit(commit)?;
        let counts = &record.body.counts;
        let deltas = counts.inserted + counts.updated + counts.deleted;
        let hash = self.repo.entry(commit).id.to_hex();
        let checksum = self.checksum.take().map(|checksum| checksum.finish());
        (self.listener)(&Event::BatchCreated { deltas, state_root: record.body.state_root.to_hex(), checksum });
        let original_bytes = self.batch_bytes.take();
        let compressed_bytes = record.blocks.iter().map(|block| u64::from(block.len)).sum();
        (self.listener)(&Event::BatchCompressed { original_bytes, compressed_bytes });
        (self.listener)(&Event::DeltaVersioned { commit: hash.clone(), branch: self.branch.clone(), deltas });
        if first {
            (self.listener)(&Event::BranchCreated { branch: self.branch.clone(), commit: hash });
        }
        Ok(())
    }

    /// Says of a commit where it comes from; the mark by which a file is passed over stands on its last commit.
    fn info(&self, input: &InputName, reason: CloseReason, whole: bool) -> CommitInfo {
        let (source, file) = (&input.source, input.file.as_str());
        let name = Path::new(file).file_name().map_or(file.into(), |n| n.to_string_lossy());
        let mut metadata = self.metadata.clone();
        metadata.insert("file".to_owned(), name.to_string());
        metadata.insert("closed_by".to_owned(), reason.name().to_owned());
        if whole {
            metadata.extend(input.mark.clone());
        }
        CommitInfo {
            branch: self.branch.clone(),
            author: self.author.clone(),
            message: self.message.replace("{source}", source).replace("{file}", &name),
            metadata,
            generations: self.generations.clone(),
            drop_unshaped: self.drop_unshaped,
            forbid_mixed: self.forbid_mixed,
            merged: None,
        }
    }
}

fn not_deleted(batch: &DeltaBatch) -> u64 {
    let deleted = |d: &&crate::delta::DeltaRow| d.change == crate::delta::Change::Delete;
    (batch.deltas.len() - batch.deltas.iter().filter(deleted).count()) as u64
}
