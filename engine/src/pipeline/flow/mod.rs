//! The flow thread: capture, route and window, from rows to the deltas of a commit.
//!
//! ```text
//!  rows --> stream.rs  write-ahead log, least interval --> capture --> gather.rs  route, windows --> work
//!             |  ^ clock.rs  in the order of their time       |               ^
//!             |  '- again.rs  dead letters, once more         '- refuse.rs    |
//!             '---------------------- a whole epoch goes straight ------------'
//! ```

mod again;
mod clock;
mod followed;
mod gather;
mod mend;
mod refuse;
mod stream;
mod tell;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::PipelineError;
use super::config::{self, Clock, Late, Source};
use super::feed::{Fate, Refusal, Ticket};
use super::link::{Inlet, Outlet};
use super::metrics::Metrics;
use super::reading::Row;
use super::requests::Unsaid;
use super::turns::{self, Either};
use crate::apply::{Transformer, Validator, transform_each};
use crate::capture::{Capture, CaptureError, Captured, Observer, ObserverStatus, Pace};
use crate::delta::{Element, RowBatch, Table};
use crate::event::{Event, Listener};
use crate::route::Router;
use crate::store::{Disk, LetterBox, Mirror, StoreError, Wal};
use crate::window::{Closed, Reorder, Windows};

/// What the flow tells the version stage.
pub enum Work {
    /// Rows of a collection follow: its mirror is needed.
    Open {
        /// Whose rows.
        input: Arc<InputName>,
        /// The collection's shape as the input has it; width 0 when the input has no rows.
        table: Table,
        /// Whether another shape than the collection's is only answered, and not the end of the run.
        asks: bool,
    },
    /// Deltas that go straight into the commit of the epoch, and how many rows were looked at in vain.
    Deltas(Captured),
    /// The epoch ended: commit.
    EndEpoch(Arc<InputName>),
    /// A window was closed: commit it.
    Closed(Box<ClosedWindow>),
    /// The mirror of a collection is damaged: make it anew from the log.
    Mend(String),
    /// Nothing more will come.
    Failed(PipelineError),
}

/// A window that was closed, and what its commit says.
pub struct ClosedWindow {
    /// Whose rows ended it.
    pub input: Arc<InputName>,
    /// The window.
    pub window: String,
    /// Its deltas.
    pub closed: Closed,
    /// Whether all that the input holds is committed with it.
    pub whole: bool,
    /// How many rows were looked at in vain since the last commit.
    pub unchanged: u64,
    /// The size of the rows that were looked at since the last commit.
    pub raw_bytes: u64,
    /// How many sources of its collection were known when it was closed.
    pub known: u32,
    /// How far outer streams are durable with it.
    pub marks: BTreeMap<String, String>,
}

/// An input, as commits name it.
#[derive(Debug, Default)]
pub struct InputName {
    /// The source.
    pub source: String,
    /// The file, or `-`.
    pub file: String,
    /// What its last commit says, so that it is not read again.
    pub mark: BTreeMap<String, String>,
}

/// What the version stage answers.
pub enum Reply {
    /// The mirror that was asked for.
    Mirror(Arc<RwLock<Mirror>>),
    /// The rows are of another shape than their collection.
    OtherShape(PipelineError),
    /// The mirror is whole again.
    Mended,
    /// The commit is durable and the mirror moved on.
    Committed,
}

/// The stages of this thread and what they need.
pub struct Flow<'a> {
    /// The sources by number.
    pub sources: &'a [Source],
    /// What is captured.
    pub capture: &'a config::Capture,
    /// What every vector goes through before it is compared.
    pub transformers: &'a [Transformer],
    /// The checks that every delta must pass before it enters a window.
    pub validators: &'a [Validator],
    /// Where deltas go.
    pub router: Router,
    /// The windows.
    pub windows: Windows,
    /// The clock of events, where a window runs by it, and what becomes of what is late.
    pub clock: Option<(Clock, Late)>,
    /// The columns of metadata of all sources, where there are any.
    pub meta: Arc<[String]>,
    /// Milliseconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Who is told.
    pub listener: Listener<'a>,
    /// Who counts.
    pub metrics: Arc<Metrics>,
    /// Whether the run was asked to stop.
    pub stop: &'a AtomicBool,
    /// What is known of each source, by number.
    pub observers: Vec<Observer>,
    /// How many bytes of rows open windows may hold together.
    pub buffer_bytes: u64,
    /// Rows come from here.
    pub rows: Inlet<Row>,
    /// Deltas go there.
    pub out: Outlet<Work>,
    /// Answers come from there.
    pub replies: Receiver<Reply>,
    /// The shapes that collections have at the beginning.
    pub tables: BTreeMap<String, Table>,
    /// Where the rows of live sources are kept until they are committed.
    pub disk: Arc<dyn Disk>,
    /// Where what is late goes.
    pub letters: LetterBox,
    /// What is kept from input to input.
    pub state: State,
}

/// The version stage has stopped: so does the flow.
struct Gone;

enum Stop {
    Gone,
    Failed(PipelineError),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Stop::Gone
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Failed(error.into())
    }
}

/// An input that is being read.
struct Current {
    input: Arc<InputName>,
    table: Table,
    element: Element,
    /// The window of the epoch, when deltas go straight through.
    passing: Option<usize>,
    /// How many went through.
    passed: u64,
    wal: Option<Wal>,
    clock: Option<Reorder>,
    pace: Option<Pace>,
}

/// What is to be done when a batch of a stream is durable.
struct Waiting {
    source: usize,
    ticket: u64,
    /// Who is told.
    told: Option<Ticket>,
    /// How far it leads in an outer stream.
    mark: Option<String>,
    /// The dead letters that it was.
    letters: Vec<String>,
    /// What of it was refused.
    refused: Vec<Refusal>,
}

impl Waiting {
    fn new(source: usize, ticket: u64) -> Self {
        Self { source, ticket, told: None, mark: None, letters: Vec::new(), refused: Vec::new() }
    }
}

/// What is kept from input to input.
#[derive(Default)]
pub struct State {
    captures: BTreeMap<String, Capture>,
    current: BTreeMap<usize, Current>,
    /// The source whose rows are worked on.
    source: usize,
    /// The number of the next batch of a stream.
    ticket: u64,
    /// The numbers of what is on its way into windows: a window may close in the midst of it.
    taking: Vec<u64>,
    /// Batches of streams of which something is to be done when they are durable, in order.
    waiting: VecDeque<Waiting>,
    /// Whether the rows that are worked on came before, to an earlier run.
    replaying: bool,
    /// Whether windows stay open until the end of the batch that is worked on.
    holding: bool,
    marks: BTreeMap<String, String>,
    /// Requests that are done and made no commit.
    unsaid: Unsaid,
    unchanged: u64,
    raw_bytes: u64,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Flow<'_> {
    /// Works until the rows end or something fails; returns what is known of each source then.
    pub fn run(mut self) -> Vec<Observer> {
        match self.work() {
            Ok(()) => self.leave(),
            Err(Stop::Gone) => {}
            Err(Stop::Failed(error)) => {
                // What is on its way to be committed is told of as such.
                if self.all_committed().is_ok() {
                    let _ = self.settle();
                }
                let message = error.to_string();
                let observer = &mut self.observers[self.state.source];
                observer.failed(&message);
                // A damaged mirror is no fault of the source: it is rebuilt, and the source is read again.
                if !matches!(error, PipelineError::Capture { error: CaptureError::Mirror, .. }) {
                    (self.listener)(&Event::ObserverError { source: observer.source.clone(), message });
                }
                self.out.send(Work::Failed(error), 0);
            }
        }
        self.state.waiting.drain(..).for_each(|w| w.told.iter().for_each(|t| t.tell(Fate::Ended)));
        self.observers
    }

    /// Says of each source whether it has ended.
    fn leave(&mut self) {
        let stopped = self.stop.load(Ordering::Relaxed);
        for observer in &mut self.observers {
            observer.status = if stopped { ObserverStatus::Paused } else { ObserverStatus::Terminated };
            if stopped {
                let (source, reason) = (observer.source.clone(), "the run was asked to stop");
                (self.listener)(&Event::ObserverPaused { source, reason });
            }
        }
    }

    fn work(&mut self) -> Result<(), Stop> {
        self.begin_again()?;
        while let Some(row) = self.next()? {
            match row {
                Row::Begin { source, item, element, dims, rows_hint, mark } => {
                    self.state.source = source;
                    let table = Table { collection: self.sources[source].collection.clone(), element, dims };
                    let name = self.sources[source].name.clone();
                    let input = InputName { source: name, file: item.name(), mark };
                    self.begin(source, input, table, rows_hint)?;
                }
                Row::Rows(source, batch) => {
                    self.state.source = source;
                    self.arrived(source, batch, None, None)?;
                }
                Row::Gone(source, ids) => {
                    self.state.source = source;
                    self.gone(source, &ids)?;
                }
                Row::Fed(source, mut pushed) => {
                    self.state.source = source;
                    if !pushed.refused.is_empty() {
                        let told = self.unread(source, std::mem::take(&mut pushed.refused))?;
                        if let Some(ticket) = &pushed.owed {
                            ticket.take_part().iter().for_each(|part| part.refused(&told));
                            ticket.tell(Fate::Partly(told.clone()));
                        }
                        continue;
                    }
                    match self.begin_fed(source, pushed.element, pushed.dims)? {
                        None => {
                            let (owed, mark) = (pushed.owed.take(), pushed.mark.take());
                            self.arrived(source, pushed.batch.clone(), owed, mark)?;
                        }
                        Some(refusal) => pushed.owed.iter().for_each(|t| t.tell(Fate::Refused(refusal.clone()))),
                    }
                }
                Row::Followed(source, changes) => {
                    self.state.source = source;
                    self.followed(source, *changes)?;
                }
                Row::Refused(source, row) => {
                    self.unread(source, vec![*row])?;
                }
                Row::End { source, last } => {
                    self.state.source = source;
                    self.end(source, last)?;
                }
                Row::Failed { source, error } => {
                    self.state.source = source;
                    return Err(Stop::Failed(error));
                }
            }
        }
        self.release_all()?;
        self.close_all()?;
        self.all_committed()?;
        self.settle()
    }

    /// Waits for rows, and closes windows whose time is over in the meantime.
    fn next(&mut self) -> Result<Option<Row>, Stop> {
        loop {
            let now = (self.now)();
            let wait = self.deadline().map(|deadline| Duration::from_millis(deadline.saturating_sub(now)));
            let timeout = wait.into_iter().chain(self.capture.heartbeat).min();
            let closing = self.windows.closing() > 0;
            let received = self.metrics.blocked("capture", "rows", || match closing {
                true => self.rows.receive_or(&self.replies, timeout),
                false => self.rows.receive_within(timeout).map(Either::Left),
            });
            let waited = (self.now)().saturating_sub(now);
            match received {
                Ok(Either::Left(row)) => {
                    let row = row.into_inner();
                    self.quiet(waited, Some(row.source()));
                    return Ok(Some(row));
                }
                Ok(Either::Right(reply)) => {
                    self.is_committed(reply)?;
                    self.settle()?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    let timeout = timeout.unwrap_or_default();
                    self.beat(timeout);
                    self.quiet(waited.max(millis(timeout)).max(1), None);
                    self.release()?;
                    self.close_due()?;
                    self.settle()?;
                }
            }
        }
    }

    /// Says of the live sources that they are quiet.
    fn beat(&self, waited: Duration) {
        if self.capture.heartbeat.is_some_and(|heartbeat| waited >= heartbeat) {
            for &source in self.state.current.keys() {
                (self.listener)(&Event::Heartbeat { source: self.sources[source].name.clone() });
            }
        }
    }

    /// Begins an input.
    fn begin(&mut self, source: usize, input: InputName, mut table: Table, rows: Option<u64>) -> Result<(), Stop> {
        let settings = &self.sources[source];
        let (name, file) = (settings.name.clone(), input.file.clone());
        (self.listener)(&Event::SourceOpened { source: name, file, rows });
        let (wal, recovered) = self.recover(source, &mut table)?;
        let input = Arc::new(input);
        let mirror = self.mirror_for(source, &input, &mut table)?;
        self.open(source, input, table, mirror, wal);
        self.replay(source, recovered)?;
        self.again(source)
    }

    /// Asks for the mirror of an input. One without rows has the shape of its collection, or of what is tried again.
    fn mirror_for(
        &mut self,
        source: usize,
        input: &Arc<InputName>,
        table: &mut Table,
    ) -> Result<Arc<RwLock<Mirror>>, Stop> {
        self.all_committed()?;
        let ask = |table: &Table, asks: bool| {
            self.send(Work::Open { input: input.clone(), table: table.clone(), asks }, 0)?;
            match turns::receive(&self.replies) {
                Some(Reply::Mirror(mirror)) => Ok(Ok(mirror)),
                Some(Reply::OtherShape(error)) => Ok(Err(error)),
                _ => Err(Stop::Gone),
            }
        };
        let again = if table.dims == 0 { self.shape_to_try_again(source)? } else { None };
        if let Some(shape) = again
            && let Ok(mirror) = ask(&shape, true)?
        {
            *table = shape;
            return Ok(mirror);
        }
        let mirror = ask(table, false)?.map_err(Stop::Failed)?;
        if table.dims == 0 {
            *table = Table::clone(mirror.read().expect("no thread panics with it").table());
        }
        Ok(mirror)
    }

    fn open(
        &mut self,
        source: usize,
        input: Arc<InputName>,
        table: Table,
        mirror: Arc<RwLock<Mirror>>,
        wal: Option<Wal>,
    ) {
        let settings = &self.sources[source];
        let element = mirror.read().expect("no thread panics with it").table().element;
        let policy = self.capture.policy(settings.missing);
        self.state.captures.insert(table.collection.clone(), Capture::new(mirror, policy));
        let policies = self.windows.policies();
        let only = self.router.only_window().filter(|&window| policies[window].1.epoch);
        let passing = only.filter(|_| settings.epoch && policies.len() == 1);
        if let Some(window) = passing {
            let (window, collection) = (policies[window].0.clone(), table.collection.clone());
            (self.listener)(&Event::WindowOpened { window, collection });
        }
        // The clock of a stream goes on from file to file.
        let before = self.state.current.remove(&source).filter(|_| !settings.epoch);
        let (clock, pace) = match before {
            _ if settings.epoch => (None, None),
            Some(before) => (before.clock, before.pace),
            None => self.stream_clocks(),
        };
        self.observers[source].status = ObserverStatus::Active;
        self.state.current.insert(source, Current { input, table, element, passing, passed: 0, wal, clock, pace });
    }

    /// Compares rows, and sends what they change into windows.
    fn rows(&mut self, source: usize, batch: &RowBatch, ticket: u64, millis: Option<u64>) -> Result<(), Stop> {
        self.state.taking.push(ticket);
        self.compare(source, batch, ticket, millis)?;
        self.state.taking.pop();
        Ok(())
    }

    fn compare(&mut self, source: usize, batch: &RowBatch, ticket: u64, millis: Option<u64>) -> Result<(), Stop> {
        let at = &self.state.current[&source];
        let file = at.input.file.clone();
        let fail = |error| Stop::Failed(PipelineError::Capture { file: file.clone(), error });
        let (transformed, refused) = transform_each(self.transformers, at.element, batch.clone());
        let (kept, transformed) = self.leave_out(source, (batch, transformed), refused, ticket)?;
        let came = kept.as_ref().unwrap_or(batch);
        let mut batch = transformed;
        let rows = batch.keys.len();
        if !self.meta.is_empty() {
            batch.notes = batch.notes.with_columns(&self.meta, rows);
        }
        if self.router.asks_time() {
            batch.notes.stamp(rows, millis.unwrap_or_else(|| (self.now)()));
        }
        let at = &self.state.current[&source];
        let (collection, passing) = (at.table.collection.clone(), at.passing.is_some());
        if self.sources[source].epoch {
            // An epoch is compared with the table alone.
            self.all_committed()?;
            let capture = self.state.captures.get_mut(&collection).expect("made at the beginning");
            let mut captured = self.metrics.busy("capture", || capture.step(&batch)).map_err(fail)?;
            if !passing {
                captured = self.admit(source, (came, 0..rows), captured, ticket)?;
            }
            return self.captured(source, captured, rows, ticket, millis);
        }
        let mut from = 0;
        while from < rows {
            let captured = self.look(source, |capture, held| capture.step_stream(&batch, from, held))?;
            let run = from..from + captured.rows();
            from = run.end;
            let captured = self.admit(source, (came, run.clone()), captured, ticket)?;
            self.captured(source, captured, run.len(), ticket, millis)?;
        }
        Ok(())
    }

    /// Ends an input; `last` says that no other one of its source follows.
    fn end(&mut self, source: usize, last: bool) -> Result<(), Stop> {
        if !self.sources[source].epoch {
            self.end_clock(source, last);
            self.release()?;
            self.release_held_back(source, true)?;
            self.end_stream_file(source)?;
            return self.settle();
        }
        self.all_committed()?;
        let at = self.state.current.get(&source).expect("an end follows its beginning");
        let (file, collection) = (at.input.file.clone(), at.table.collection.clone());
        let capture = self.state.captures.get_mut(&collection).expect("made at the beginning");
        let deletes = capture.end_epoch();
        for batch in deletes.map_err(|error| Stop::Failed(PipelineError::Capture { file, error }))? {
            let captured = Captured { batches: vec![batch], unchanged: 0, raw_bytes: 0 };
            let ticket = self.state.ticket;
            self.captured(source, captured, 0, ticket, None)?;
        }
        let at = self.state.current.get(&source).expect("an end follows its beginning");
        if let Some(window) = at.passing {
            let (input, deltas) = (at.input.clone(), at.passed);
            self.tell_closed(window, deltas, "epoch");
            self.send(Work::EndEpoch(input), 0)?;
            self.committed()?;
        } else {
            self.close_epoch(source, &collection)?;
        }
        self.state.current.remove(&source);
        Ok(())
    }

    fn send(&self, work: Work, bytes: u64) -> Result<(), Gone> {
        let sent = self.metrics.blocked("capture", "apply", || self.out.send(work, bytes));
        if sent { Ok(()) } else { Err(Gone) }
    }

    /// Waits for the answer that an epoch is committed.
    fn committed(&self) -> Result<(), Gone> {
        match self.metrics.blocked("capture", "commit", || turns::receive(&self.replies)) {
            Some(Reply::Committed) => Ok(()),
            _ => Err(Gone),
        }
    }

    /// Waits until every window that was closed is committed.
    fn all_committed(&mut self) -> Result<(), Gone> {
        while self.windows.closing() > 0 {
            self.committed()?;
            self.windows.committed();
        }
        Ok(())
    }

    /// Takes notice of an answer that came by itself.
    fn is_committed(&mut self, reply: Reply) -> Result<(), Gone> {
        match reply {
            Reply::Committed => self.windows.committed(),
            Reply::Mirror(_) | Reply::OtherShape(_) | Reply::Mended => return Err(Gone),
        }
        Ok(())
    }
}
