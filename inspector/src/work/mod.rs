//! The worker: it owns the repository and answers one question after the other.
//!
//! It knows no thread, no clock and no window, so that the same code runs in a thread and in the browser's worker.

mod beside;
mod changes;
mod commit;
mod cost;
mod count;
mod drift;
mod export;
mod history;
mod merge;
mod place;
mod projection;
mod rehash;
mod spread;
mod sums;
mod trouble;
mod versions;

use std::sync::Arc;

use vecdelta::store::Disk;
use vecdelta::version::{Actor, Repository, VersionError};

use count::{Counting, Counts};
use export::Exporting;
use projection::Fits;

use crate::ask::{Answer, Ask, Chosen, CommitNumber, Cost, Opened, Place, Reply, Request, Stages};

pub use place::demo;
pub use trouble::trouble;

/// Finds the disk that a place stands for, and tells whether reading it is dear.
pub type Opener = Box<dyn FnMut(&Place) -> Result<(Arc<dyn Disk>, bool), VersionError> + Send>;

/// Asks a pipeline what it does, or reads the record of one.
pub type Watcher = Box<dyn FnMut(&str) -> Result<Stages, VersionError> + Send>;

/// Finds where a place is written, and who writes there; nothing for a place that can only be read.
pub type Writer = Box<dyn FnMut(&Place) -> Option<(Arc<dyn Disk>, Actor)> + Send>;

/// The worker's state: at most one open repository.
pub struct Worker {
    open: Opener,
    write: Writer,
    repo: Option<Repository>,
    place: Option<Place>,
    counts: Arc<Counts>,
    clock: Clock,
    desk: Desk,
    watch: Watcher,
}

/// What the worker keeps between two questions.
#[derive(Default)]
struct Desk {
    drift: beside::Kept,
    fits: Fits,
    export: Option<Exporting>,
}

/// Tells microseconds since some moment.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

impl Worker {
    /// Makes a worker that finds repositories with `open`.
    pub fn new(open: Opener) -> Self {
        Self {
            open,
            write: Box::new(|_| None),
            repo: None,
            place: None,
            counts: Arc::default(),
            clock: Box::new(|| 0),
            desk: Desk::default(),
            watch: Box::new(nobody),
        }
    }

    /// Sets who asks pipelines.
    #[must_use]
    pub fn with_watcher(mut self, watch: Watcher) -> Self {
        self.watch = watch;
        self
    }

    /// Sets who finds where merges are written.
    #[must_use]
    pub fn with_writer(mut self, write: Writer) -> Self {
        self.write = write;
        self
    }

    /// Sets the clock that says what answers take.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Answers a request; `None` when bytes have to be fetched first: then the same request is to be given again.
    pub fn answer(&mut self, request: &Request) -> Option<Reply> {
        let began = (self.clock)();
        let result = match &request.ask {
            Ask::Open(place) => self.open(place).map(Answer::Opened),
            Ask::Stages { of, .. } => (self.watch)(of).map(Answer::Stages),
            Ask::MergeNow(chosen) => self.merge(chosen).map(Answer::Merged),
            ask => match &self.repo {
                Some(repo) => answer_with(repo, &mut self.desk, ask),
                None => Err(VersionError::Refused("no repository is open".to_owned())),
            },
        };
        match result {
            Err(error) if trouble::waits(&error) => None,
            result => {
                let (bytes, reads) = self.counts.take();
                let micros = (self.clock)().saturating_sub(began);
                let (deltas, snapshot) = self.repo.as_ref().map_or((0, false), |r| cost::replayed(r, &request.ask));
                let cost = Cost { bytes, reads, deltas, snapshot, micros };
                Some(Reply { number: request.number, result: result.map_err(|e| trouble(&e)), cost })
            }
        }
    }

    fn open(&mut self, place: &Place) -> Result<Opened, VersionError> {
        self.repo = None;
        self.desk = Desk::default();
        let (disk, distant) = (self.open)(place)?;
        let repo = Repository::open(Arc::new(Counting::new(disk, self.counts.clone())))?;
        let writable = (self.write)(place).is_some();
        let opened = history::opened(&repo, place.title(), [distant, writable])?;
        (self.repo, self.place) = (Some(repo), Some(place.clone()));
        Ok(opened)
    }

    /// Writes a merge into the open repository.
    fn merge(&mut self, chosen: &Chosen) -> Result<u64, VersionError> {
        let refused = || VersionError::Refused("what is open here can only be read".to_owned());
        let (repo, place) = self.repo.as_ref().zip(self.place.as_ref()).ok_or_else(refused)?;
        let (disk, actor) = (self.write)(place).ok_or_else(refused)?;
        merge::make(repo, disk, &actor, chosen)
    }
}

/// Answers a question about a repository.
///
/// # Errors
/// When the commit does not exist, or its data are damaged.
pub fn answer(repo: &Repository, ask: &Ask) -> Result<Answer, VersionError> {
    answer_with(repo, &mut Desk::default(), ask)
}

/// Answers with what is kept between two questions.
fn answer_with(repo: &Repository, desk: &mut Desk, ask: &Ask) -> Result<Answer, VersionError> {
    match ask {
        Ask::Stages { of, .. } => nobody(of).map(Answer::Stages),
        Ask::Open(_) | Ask::MergeNow(_) => Err(VersionError::Refused("only a worker of its own does this".to_owned())),
        Ask::Graph { from } => Ok(Answer::Graph(history::graph(repo, *from))),
        Ask::Records { from, count } => Ok(Answer::Records(history::records(repo, *from, *count)?)),
        Ask::Commit { commit } => Ok(Answer::Commit(Box::new(commit::commit(repo, checked(repo, *commit)?)?))),
        Ask::Changes { commit } => Ok(Answer::Changes(changes::changes(repo, checked(repo, *commit)?)?)),
        Ask::Versions { tip, source, from } => {
            Ok(Answer::Versions(versions::versions(repo, checked(repo, *tip)?, source, *from)?))
        }
        Ask::Drift { before, after, collection, from } => {
            let sides = [checked(repo, *before)?, checked(repo, *after)?];
            Ok(Answer::Drift(Box::new(drift::drift(repo, &mut desk.drift, sides, collection, *from)?)))
        }
        Ask::Spread { from, count } => Ok(Answer::Spread(spread::spread(repo, *from, *count))),
        Ask::Merge { ours, theirs, strategy, rows } => {
            Ok(Answer::Merge(merge::preview(repo, [ours, theirs], strategy, rows)?))
        }
        Ask::Conflict { ours, theirs, strategy, source } => {
            Ok(Answer::Conflict(merge::conflict(repo, [ours, theirs], strategy, source)?))
        }
        Ask::Axes { basis, .. } => {
            checked(repo, basis.commit)?;
            Ok(Answer::Axes(Box::new(desk.fits.axes(repo, basis)?)))
        }
        Ask::Points { basis, commit, from, every } => {
            checked(repo, basis.commit)?;
            Ok(Answer::Points(desk.fits.points(repo, basis, checked(repo, *commit)?, *from, *every)?))
        }
        Ask::Shifts { basis, commit, from, every } => {
            checked(repo, basis.commit)?;
            Ok(Answer::Shifts(desk.fits.shifts(repo, basis, checked(repo, *commit)?, *from, *every)?))
        }
        Ask::Key { commit, collection, slot } => {
            Ok(Answer::Key(projection::key(repo, checked(repo, *commit)?, collection, *slot)?))
        }
        Ask::Generations { commit, collection } => {
            Ok(Answer::Generations(projection::generations(repo, checked(repo, *commit)?, collection)?))
        }
        Ask::Export { what, turn } => {
            checked(repo, what.commit)?;
            what.since.map(|c| checked(repo, c)).transpose()?;
            Ok(Answer::Export(Exporting::piece(&mut desk.export, repo, what, *turn)?))
        }
        Ask::Rehash { from } => Ok(Answer::Rehash(rehash::rehash(repo, *from)?)),
    }
}

fn nobody(of: &str) -> Result<Stages, VersionError> {
    Err(VersionError::Refused(format!("{of} cannot be asked from here")))
}

/// Returns a commit's number in the engine.
fn checked(repo: &Repository, commit: CommitNumber) -> Result<usize, VersionError> {
    let number = commit as usize;
    if number < repo.len() {
        return Ok(number);
    }
    Err(VersionError::Refused(format!("there is no commit with number {commit}: the history has {}", repo.len())))
}
