//! The flow thread: capture, route and window, from rows to the deltas of a commit.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::PipelineError;
use super::config::{self, Source};
use super::link::{Inlet, Outlet};
use super::reading::Row;
use crate::apply::{Transformer, transform_rows};
use crate::capture::{Capture, CaptureError, Captured, Observer, ObserverStatus};
use crate::delta::{DeltaBatch, Element, RowBatch, Table};
use crate::event::{Event, Listener};
use crate::route::Router;
use crate::store::{Disk, Mirror, Recovered, StoreError, Wal};
use crate::window::{CloseReason, Closed, Window, WindowPolicy};

/// What the flow tells the version stage.
pub enum Work {
    /// Rows of a collection follow: its mirror is needed.
    Open {
        /// The collection's shape as the input has it; width 0 when the input has no rows.
        table: Table,
        /// The source's name.
        source: String,
        /// The input's name.
        file: String,
    },
    /// Deltas that go straight into the commit of the epoch, and how many rows were looked at in vain.
    Deltas(Captured),
    /// The epoch ended: commit.
    EndEpoch,
    /// A window was closed: commit it.
    Closed {
        /// The window.
        window: String,
        /// Its deltas.
        closed: Closed,
        /// Whether all that the input holds is committed with it.
        whole: bool,
        /// How many rows were looked at in vain since the last commit.
        unchanged: u64,
        /// The size of the rows that were looked at since the last commit.
        raw_bytes: u64,
    },
    /// Nothing more will come.
    Failed(PipelineError),
}

/// What the version stage answers.
pub enum Reply {
    /// The mirror that was asked for.
    Mirror(Arc<RwLock<Mirror>>),
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
    /// Where deltas go.
    pub router: Router,
    /// The windows by number: name and policy.
    pub windows: Vec<(String, WindowPolicy)>,
    /// Milliseconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Who is told.
    pub listener: Listener<'a>,
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
    /// Where the rows of live sources are kept until they are committed.
    pub disk: Arc<dyn Disk>,
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

/// The input that is being read.
struct Current {
    source: usize,
    file: String,
    collection: String,
    element: Element,
    /// The window of the epoch, when deltas go straight through.
    passing: Option<usize>,
    /// How many went through.
    passed: u64,
}

/// What is kept from input to input.
#[derive(Default)]
struct State {
    captures: BTreeMap<String, Capture>,
    observers: Vec<Observer>,
    /// The source that is read.
    source: usize,
    open: Vec<(usize, String, Window)>,
    /// The write-ahead log of the live source that is being read.
    wal: Option<(Wal, Table)>,
    unchanged: u64,
    raw_bytes: u64,
}

impl Flow<'_> {
    /// Works until the rows end or something fails; returns what is known of each source then.
    pub fn run(mut self) -> Vec<Observer> {
        let mut state = State { observers: std::mem::take(&mut self.observers), ..State::default() };
        match self.work(&mut state) {
            Ok(()) => self.leave(&mut state),
            Err(Stop::Gone) => {}
            Err(Stop::Failed(error)) => {
                let message = error.to_string();
                let observer = &mut state.observers[state.source];
                observer.failed(&message);
                // A damaged mirror is no fault of the source: it is rebuilt, and the source is read again.
                if !matches!(error, PipelineError::Capture { error: CaptureError::Mirror, .. }) {
                    (self.listener)(&Event::ObserverError { source: observer.source.clone(), message });
                }
                self.out.send(Work::Failed(error), 0);
            }
        }
        state.observers
    }

    /// Says of each source whether it has ended.
    fn leave(&self, state: &mut State) {
        let stopped = self.stop.load(Ordering::Relaxed);
        for observer in &mut state.observers {
            observer.status = if stopped { ObserverStatus::Paused } else { ObserverStatus::Terminated };
            if stopped {
                let (source, reason) = (observer.source.clone(), "the run was asked to stop");
                (self.listener)(&Event::ObserverPaused { source, reason });
            }
        }
    }

    fn work(&self, state: &mut State) -> Result<(), Stop> {
        let mut current: Option<Current> = None;
        while let Some(row) = self.next(state, current.as_ref())? {
            match row {
                Row::Begin { source, item, element, dims, rows_hint } => {
                    state.source = source;
                    let collection = self.sources[source].collection.clone();
                    let table = Table { collection, element, dims };
                    current = Some(self.begin_live(state, source, item.name(), table, rows_hint)?);
                }
                Row::Rows(batch) => {
                    let at = current.as_mut().expect("rows follow their beginning");
                    if let Some((wal, table)) = &mut state.wal {
                        wal.append(table, &batch).map_err(store_failed)?;
                    }
                    self.rows(state, at, &batch)?;
                    forget_committed(state)?;
                }
                Row::End => {
                    let mut at = current.take().expect("an end follows its beginning");
                    self.end(state, &mut at)?;
                }
                Row::Failed { source, error } => {
                    state.source = source;
                    return Err(Stop::Failed(error.into()));
                }
            }
        }
        self.close_all(state, current.as_ref())?;
        forget_committed(state)
    }

    /// Waits for rows, and closes windows whose time is over in the meantime.
    fn next(&self, state: &mut State, current: Option<&Current>) -> Result<Option<Row>, Stop> {
        loop {
            let now = (self.now)();
            let deadline = state.open.iter().filter_map(|(_, _, w)| w.deadline()).min();
            let wait = deadline.map(|d| Duration::from_millis(d.saturating_sub(now)));
            let timeout = wait.into_iter().chain(self.capture.heartbeat).min();
            let received = match timeout {
                None => return Ok(self.rows.receive().map(super::link::Loaded::into_inner)),
                Some(timeout) => self.rows.receive_timeout(timeout),
            };
            match received {
                Ok(row) => return Ok(Some(row.into_inner())),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    if let (Some(_), Some(at)) = (self.capture.heartbeat, current) {
                        let source = self.sources[at.source].name.clone();
                        (self.listener)(&Event::Heartbeat { source });
                    }
                    self.close_due(state)?;
                    forget_committed(state)?;
                }
            }
        }
    }

    /// Begins an input; a live one with the rows that a crash kept from being committed.
    fn begin_live(
        &self,
        state: &mut State,
        source: usize,
        file: String,
        mut table: Table,
        rows: Option<u64>,
    ) -> Result<Current, Stop> {
        if !self.sources[source].live() || self.sources[source].epoch {
            return self.begin(state, source, file, table, rows);
        }
        let (wal, recovered) = Wal::open(&self.disk, &self.sources[source].name).map_err(store_failed)?;
        if let Some(first) = recovered.first().filter(|_| table.dims == 0) {
            table = first.table.clone();
        }
        let mut current = self.begin(state, source, file, table.clone(), rows)?;
        for Recovered { table: shape, rows } in &recovered {
            if *shape != table {
                return Err(Stop::Failed(PipelineError::OtherShape {
                    file: current.file,
                    collection: table.collection,
                    have: format!("rows of an earlier run that are {} x {}", shape.dims, shape.element.name()),
                    got: format!("{} x {}", table.dims, table.element.name()),
                }));
            }
            self.rows(state, &mut current, rows)?;
        }
        state.wal = Some((wal, table));
        forget_committed(state)?;
        Ok(current)
    }

    fn begin(
        &self,
        state: &mut State,
        source: usize,
        file: String,
        table: Table,
        rows: Option<u64>,
    ) -> Result<Current, Stop> {
        let settings = &self.sources[source];
        (self.listener)(&Event::SourceOpened { source: settings.name.clone(), file: file.clone(), rows });
        let collection = table.collection.clone();
        self.send(Work::Open { table, source: settings.name.clone(), file: file.clone() }, 0)?;
        let Ok(Reply::Mirror(mirror)) = self.replies.recv() else {
            return Err(Stop::Gone);
        };
        let element = mirror.read().expect("no thread panics with it").table().element;
        let policy = self.capture.policy(settings.missing);
        state.captures.insert(collection.clone(), Capture::new(mirror, policy));
        let only = self.router.only_window().filter(|&w| self.windows[w].1.epoch);
        let passing = only.filter(|_| settings.epoch && self.windows.len() == 1);
        if let Some(window) = passing {
            let (window, collection) = (self.windows[window].0.clone(), collection.clone());
            (self.listener)(&Event::WindowOpened { window, collection });
        }
        Ok(Current { source, file, collection, element, passing, passed: 0 })
    }

    fn rows(&self, state: &mut State, at: &mut Current, batch: &RowBatch) -> Result<(), Stop> {
        let file = at.file.clone();
        let fail = |error| Stop::Failed(PipelineError::Capture { file: file.clone(), error });
        let batch = &transform_rows(self.transformers, at.element, batch.clone()).map_err(|rejection| {
            let (target, reason) = (format!("{}/{}", at.collection, rejection.key), rejection.reason.clone());
            (self.listener)(&Event::DeltaRejected { target, reason });
            Stop::Failed(PipelineError::Rejected { file: at.file.clone(), rejection })
        })?;
        if self.sources[at.source].epoch {
            let capture = state.captures.get_mut(&at.collection).expect("made at the beginning");
            let captured = capture.step(batch).map_err(fail)?;
            return self.captured(state, at, captured, batch.keys.len());
        }
        for run in runs_without_repeats(batch) {
            let captured = {
                let State { captures, open, .. } = state;
                let windows: Vec<&Window> =
                    open.iter().filter(|(_, c, _)| *c == at.collection).map(|(_, _, w)| w).collect();
                let pending = |slot: u32| windows.iter().find_map(|w| w.row(slot));
                let capture = captures.get_mut(&at.collection).expect("made at the beginning");
                capture.step_stream(&batch.slice(run.clone()), &pending).map_err(&fail)?
            };
            self.captured(state, at, captured, run.len())?;
        }
        Ok(())
    }

    fn end(&self, state: &mut State, at: &mut Current) -> Result<(), Stop> {
        let file = at.file.clone();
        let fail = |error| Stop::Failed(PipelineError::Capture { file, error });
        if self.sources[at.source].epoch {
            let capture = state.captures.get_mut(&at.collection).expect("made at the beginning");
            for batch in capture.end_epoch().map_err(fail)? {
                let captured = Captured { batch, unchanged: 0, raw_bytes: 0 };
                self.captured(state, at, captured, 0)?;
            }
        }
        if let Some(window) = at.passing {
            let (window, reason) = (self.windows[window].0.clone(), CloseReason::Epoch.name());
            (self.listener)(&Event::WindowClosed { window, deltas: at.passed, reason });
            self.send(Work::EndEpoch, 0)?;
            return Ok(self.committed()?);
        }
        // The next epoch is compared with the table, so every window of this one is closed, whatever its policy.
        let all = self.sources[at.source].epoch;
        let own: Vec<usize> = (0..state.open.len()).filter(|&i| state.open[i].1 == at.collection).collect();
        let (closing, left): (Vec<usize>, Vec<usize>) =
            own.into_iter().partition(|&i| all || self.windows[state.open[i].0].1.epoch);
        let left = left.into_iter().any(|i| !state.open[i].2.is_empty());
        for (n, &i) in closing.iter().enumerate() {
            let whole = !left && n + 1 == closing.len();
            self.close_with(state, i, CloseReason::Epoch, whole)?;
        }
        Ok(())
    }

    /// Tells what was captured from so many rows, and sends it on: straight through, or into windows.
    fn captured(&self, state: &mut State, at: &mut Current, captured: Captured, rows: usize) -> Result<(), Stop> {
        state.observers[at.source].captured(&captured, rows as u64, (self.now)());
        self.tell_captured(&self.sources[at.source].name, &captured, rows as u64);
        let Some(window) = at.passing else {
            return self.window(state, at, captured);
        };
        let (deltas, bytes) = (captured.batch.deltas.len() as u64, captured.batch.new.len() as u64);
        at.passed += deltas;
        if deltas > 0 {
            let route = self.router.routes()[0].name.clone();
            (self.listener)(&Event::DeltaRouted { route, deltas });
            self.tell_flushed(window, deltas, bytes);
        }
        Ok(self.send(Work::Deltas(captured), bytes)?)
    }

    /// Routes deltas into windows, and closes those that are full.
    fn window(&self, state: &mut State, at: &Current, captured: Captured) -> Result<(), Stop> {
        state.unchanged += captured.unchanged;
        state.raw_bytes += captured.raw_bytes;
        let batch = captured.batch;
        let mut routed = vec![0u64; self.router.routes().len()];
        let mut unrouted = 0;
        for (i, delta) in batch.deltas.iter().enumerate() {
            let Some(decision) = self.router.route(&at.collection, batch.keys.get(i), delta) else {
                unrouted += 1;
                continue;
            };
            decision.routes.iter().for_each(|&r| routed[r] += 1);
            self.close_others(state, decision.window, &at.collection, delta.slot)?;
            let place = self.window_of(state, decision.window, &batch);
            if state.open[place].2.is_empty() {
                let (window, collection) = (self.windows[decision.window].0.clone(), at.collection.clone());
                (self.listener)(&Event::WindowOpened { window, collection });
            }
            state.open[place].2.add(&batch, i, (self.now)());
            if let Some(reason) = state.open[place].2.due((self.now)()) {
                self.close(state, place, reason)?;
            }
            self.close_full(state)?;
        }
        for (route, deltas) in self.router.routes().iter().zip(routed).filter(|(_, n)| *n > 0) {
            let route = route.name.clone();
            (self.listener)(&Event::DeltaRouted { route, deltas });
        }
        if unrouted > 0 {
            (self.listener)(&Event::DeltaUnrouted { deltas: unrouted });
        }
        self.close_due(state)
    }

    fn window_of(&self, state: &mut State, window: usize, batch: &DeltaBatch) -> usize {
        let collection = &batch.table.collection;
        let known = state.open.iter().position(|(w, c, _)| *w == window && c == collection);
        known.unwrap_or_else(|| {
            let open = Window::new(self.windows[window].1.clone(), batch.table.clone());
            state.open.push((window, collection.clone(), open));
            state.open.len() - 1
        })
    }

    /// Closes the other windows that hold a delta of a source: its next one builds on it, so it must not overtake it.
    fn close_others(&self, state: &mut State, window: usize, collection: &str, slot: u32) -> Result<(), Stop> {
        for i in 0..state.open.len() {
            let (other, of, open) = &state.open[i];
            if *other != window && of == collection && open.row(slot).is_some() {
                self.close(state, i, CloseReason::Order)?;
            }
        }
        Ok(())
    }

    /// Closes all windows but those of epochs when they hold too much together.
    fn close_full(&self, state: &mut State) -> Result<(), Stop> {
        let gathers = |window: &usize| !self.windows[*window].1.epoch;
        let held = state.open.iter().filter(|(w, _, _)| gathers(w)).map(|(_, _, open)| open.held_bytes());
        if held.sum::<u64>() < self.buffer_bytes {
            return Ok(());
        }
        for i in 0..state.open.len() {
            if gathers(&state.open[i].0) {
                self.close(state, i, CloseReason::Memory)?;
            }
        }
        Ok(())
    }

    fn close_due(&self, state: &mut State) -> Result<(), Stop> {
        for i in 0..state.open.len() {
            if let Some(reason) = state.open[i].2.due((self.now)()) {
                self.close(state, i, reason)?;
            }
        }
        Ok(())
    }

    /// Closes what is open when the rows end; what was seen of an epoch without an end is left out.
    fn close_all(&self, state: &mut State, current: Option<&Current>) -> Result<(), Stop> {
        let half = current.filter(|at| self.sources[at.source].epoch).map(|at| at.collection.as_str());
        for i in 0..state.open.len() {
            if half != Some(state.open[i].1.as_str()) {
                self.close(state, i, CloseReason::Drain)?;
            }
        }
        Ok(())
    }

    /// Closes a window and waits until it is committed, so that later rows are compared with what it left.
    fn close(&self, state: &mut State, i: usize, reason: CloseReason) -> Result<(), Stop> {
        self.close_with(state, i, reason, false)
    }

    /// Closes a window; `whole` says that with it all of its input is committed.
    fn close_with(&self, state: &mut State, i: usize, reason: CloseReason, whole: bool) -> Result<(), Stop> {
        let (window, _, open) = &mut state.open[i];
        if open.is_empty() && reason != CloseReason::Epoch {
            return Ok(());
        }
        let closed = open.close(reason);
        let number = *window;
        let name = self.windows[number].0.clone();
        let (before, after) = (closed.metrics.added, closed.batch.deltas.len() as u64);
        if after < before {
            let window = name.clone();
            (self.listener)(&Event::WindowCompacted { window, before, after });
        }
        (self.listener)(&Event::WindowClosed { window: name.clone(), deltas: after, reason: reason.name() });
        let bytes = closed.batch.new.len() as u64;
        self.tell_flushed(number, after, bytes);
        let work = Work::Closed {
            window: name,
            closed,
            whole,
            unchanged: std::mem::take(&mut state.unchanged),
            raw_bytes: std::mem::take(&mut state.raw_bytes),
        };
        self.send(work, bytes)?;
        Ok(self.committed()?)
    }

    fn tell_captured(&self, source: &str, captured: &Captured, rows: u64) {
        let source = || source.to_owned();
        let batch = &captured.batch;
        let deltas = batch.deltas.len() as u64;
        (self.listener)(&Event::ChangeDetected { source: source(), rows, changed: deltas });
        if captured.unchanged > 0 {
            (self.listener)(&Event::DeltaFiltered { source: source(), rows: captured.unchanged });
        }
        if deltas > 0 {
            let l2_max = batch.deltas.iter().map(|delta| delta.l2).fold(0.0, f64::max);
            (self.listener)(&Event::DeltaExtracted { source: source(), deltas, l2_max });
            let bytes = batch.new.len() as u64;
            (self.listener)(&Event::DeltaCaptured { source: source(), deltas, bytes });
        }
    }

    fn tell_flushed(&self, window: usize, deltas: u64, bytes: u64) {
        let window = self.windows[window].0.clone();
        (self.listener)(&Event::CaptureBufferFlushed { window, deltas, bytes });
    }

    fn send(&self, work: Work, bytes: u64) -> Result<(), Gone> {
        if self.out.send(work, bytes) { Ok(()) } else { Err(Gone) }
    }

    fn committed(&self) -> Result<(), Gone> {
        match self.replies.recv() {
            Ok(Reply::Committed) => Ok(()),
            _ => Err(Gone),
        }
    }
}

/// Empties the write-ahead log when no window holds anything.
fn forget_committed(state: &mut State) -> Result<(), Stop> {
    match &mut state.wal {
        Some((wal, _)) if state.open.iter().all(|(_, _, w)| w.is_empty()) => wal.clear().map_err(store_failed),
        _ => Ok(()),
    }
}

fn store_failed(error: StoreError) -> Stop {
    Stop::Failed(error.into())
}

/// Cuts a batch where an id comes again, so that each piece has every id once.
fn runs_without_repeats(batch: &RowBatch) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut seen = HashSet::new();
    let mut start = 0;
    for (i, key) in batch.keys.iter().enumerate() {
        if !seen.insert(key) {
            runs.push(start..i);
            start = i;
            seen.clear();
            seen.insert(key);
        }
    }
    runs.push(start..batch.keys.len());
    runs
}
