//! The readers' threads: one opens each file in turn, and each source that may wait has one of its own.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::config::{Input, OnReject, Source, SourceKind};
use super::controls::{Controls, TOLD_TO_WAIT};
use super::feed::{FeedEnd, Pushed};
use super::follow::{Changes, Doors};
use super::input::{Item, SizeAndTime, items};
use super::link::Outlet;
use super::metrics::Metrics;
use super::resume::{self, Marks};
use super::stdin::{Framing, with_stdin};
use super::turns::{self, Started};
use crate::capture::ObserverStatus;
use crate::capture::read::{self, ReadError, ReadOptions, Reader, RefusedRow, Refuser};
use crate::delta::{Element, RowBatch};
use crate::event::{Event, Listener};
use crate::pipeline::PipelineError;

/// How often a watched directory is looked at, and the wish to stop.
const LOOK: Duration = Duration::from_millis(100);

/// A file that so many looks find the same is whole: half a second.
const SETTLED: u32 = 5;

/// What a reader tells the flow.
pub enum Row {
    /// An input was opened; its rows follow.
    Begin {
        /// The number of its source.
        source: usize,
        /// Which input.
        item: Item,
        /// The type of its components.
        element: Element,
        /// Its width; 0 when it has no rows.
        dims: u32,
        /// How many rows it says it has.
        rows_hint: Option<u64>,
        /// What its last commit is to say, so that it is not read again.
        mark: BTreeMap<String, String>,
    },
    /// Some of its rows.
    Rows(usize, RowBatch),
    /// Ids that an epoch says are gone.
    Gone(usize, Vec<String>),
    /// Rows that were handed in.
    Fed(usize, Box<Pushed>),
    /// What a server brought.
    Followed(usize, Box<Changes>),
    /// A row that cannot be read, and is not to end the input.
    Refused(usize, Box<RefusedRow>),
    /// The input ended.
    End {
        /// The number of its source.
        source: usize,
        /// Whether no other input of the source follows.
        last: bool,
    },
    /// The input cannot be read on.
    Failed {
        /// The number of its source.
        source: usize,
        /// Why.
        error: PipelineError,
    },
}

impl Row {
    /// Returns the number of the source that it is of.
    pub fn source(&self) -> usize {
        match self {
            Row::Begin { source, .. } | Row::End { source, .. } | Row::Failed { source, .. } => *source,
            Row::Rows(source, _)
            | Row::Gone(source, _)
            | Row::Fed(source, _)
            | Row::Followed(source, _)
            | Row::Refused(source, _) => *source,
        }
    }
}

/// What the readers share.
pub struct Reading<'a> {
    /// The sources by number.
    pub sources: &'a [Source],
    /// The files that are there at the beginning, in order.
    pub inputs: &'a [(usize, Item)],
    /// What is to be said of each of them.
    pub marks: &'a BTreeMap<String, BTreeMap<String, String>>,
    /// The files that were committed by earlier runs.
    pub known: &'a Marks,
    /// The widths of the collections that cannot change in this run.
    pub widths: &'a BTreeMap<String, u32>,
    /// The feeds by source.
    pub feeds: &'a BTreeMap<String, FeedEnd>,
    /// Who is told to wait.
    pub controls: &'a Controls,
    /// Who is told what happens.
    pub listener: Listener<'a>,
    /// Who counts.
    pub metrics: &'a Metrics,
    /// Whether the run was asked to stop.
    pub stop: &'a AtomicBool,
    /// Whether another run goes on behind this one.
    pub handover: &'a AtomicBool,
    /// Whether nobody listens any more.
    pub ended: AtomicBool,
    /// How far the sources on servers are committed, by name.
    pub places: &'a BTreeMap<String, String>,
    /// Where others connect.
    pub doors: &'a Doors,
    /// How much of what is not whole yet the connections of one source may hold.
    pub unfinished_bytes: u64,
    /// An epoch is read as a whole before another source may speak.
    pub floor: Mutex<()>,
}

impl Reading<'_> {
    /// Starts the threads and returns them; they end when their inputs do, one cannot be read, nobody listens, or `stop` is set.
    pub fn start<'scope, 'env>(
        &'env self,
        scope: &'scope thread::Scope<'scope, 'env>,
        out: &Outlet<Row>,
    ) -> Vec<Started<'scope, ()>> {
        let mut started = Vec::new();
        let own = |source: usize| self.sources[source].live();
        for source in 0..self.sources.len() {
            let out = out.clone();
            if self.sources[source].server.is_some() {
                scope.spawn(move || self.follow(source, out));
            } else if self.sources[source].inputs.contains(&Input::Feed) {
                if let Some(feed) = self.feeds.get(&self.sources[source].name) {
                    started.push(turns::spawn(scope, "feed", move || self.feed(source, feed, &out)));
                }
            } else if own(source) {
                started.push(turns::spawn(scope, "stdin", move || {
                    self.read_items(&mut [(source, Item::Stdin)].iter(), &out);
                }));
            }
        }
        let files: Vec<(usize, Item)> = self.inputs.iter().filter(|(source, _)| !own(*source)).cloned().collect();
        let watched: Vec<usize> = (0..self.sources.len()).filter(|&source| self.sources[source].watch).collect();
        if !files.is_empty() || !watched.is_empty() {
            let out = out.clone();
            started.push(turns::spawn(scope, "files", move || {
                if self.read_items(&mut files.iter(), &out) && !watched.is_empty() {
                    self.watch(&watched, &files, &out);
                }
            }));
        }
        started
    }

    /// Reads inputs in order; returns whether to go on.
    fn read_items(&self, items: &mut dyn Iterator<Item = &(usize, Item)>, out: &Outlet<Row>) -> bool {
        for (source, item) in items {
            let mark = self.marks.get(&item.name()).cloned().unwrap_or_default();
            let newest = self.inputs.iter().rfind(|(of, _)| of == source).is_none_or(|(_, newest)| newest == item);
            let last = newest && !self.sources[*source].watch;
            match self.read_item(*source, item, mark, last, out) {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => return self.failed(*source, error.into(), out),
            }
        }
        true
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.ended.load(Ordering::Relaxed)
    }

    /// Waits as long as the source is told to, and the run goes on.
    pub(super) fn wait_while_paused(&self, source: usize) {
        let name = &self.sources[source].name;
        if !self.controls.is_source_paused(name) || self.is_over() {
            return;
        }
        let status = |status: ObserverStatus| {
            self.metrics.update(|f| f.sources.entry(name.clone()).or_default().status = status.name());
        };
        status(ObserverStatus::Paused);
        (self.listener)(&Event::ObserverPaused { source: name.clone(), reason: TOLD_TO_WAIT });
        while self.controls.is_source_paused(name) && !self.is_over() {
            turns::sleep(LOOK / 5);
        }
        status(ObserverStatus::Active);
    }

    fn failed(&self, source: usize, error: PipelineError, out: &Outlet<Row>) -> bool {
        out.send(Row::Failed { source, error }, 0);
        false
    }

    /// Looks for more files until the run is asked to stop; one is read when so many looks in a row find it the same that
    /// whoever wrote it is done.
    fn watch(&self, sources: &[usize], read: &[(usize, Item)], out: &Outlet<Row>) {
        let mut done: HashSet<(usize, String)> = read.iter().map(|(source, item)| (*source, item.name())).collect();
        let mut looked: BTreeMap<(usize, String), (SizeAndTime, u32)> = BTreeMap::new();
        while !self.is_over() {
            for &source in sources {
                self.wait_while_paused(source);
                let found = match items(&self.sources[source]) {
                    Ok(found) => found,
                    Err(PipelineError::NoInput { .. }) => Vec::new(),
                    Err(error) => {
                        self.failed(source, error, out);
                        return;
                    }
                };
                for item in found {
                    let key = (source, item.name());
                    let Some(now) = item.size_and_time().filter(|_| !done.contains(&key)) else { continue };
                    let (before, same) = looked.entry(key.clone()).or_insert((now, 0));
                    *same = if *before == now { *same + 1 } else { 0 };
                    *before = now;
                    if *same < SETTLED {
                        continue;
                    }
                    looked.remove(&key);
                    done.insert(key);
                    match self.read_new(source, &item, out) {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(error) => {
                            self.failed(source, error, out);
                            return;
                        }
                    }
                }
            }
            thread::sleep(LOOK);
        }
    }

    /// Reads a file that appeared, unless an earlier run has committed it.
    fn read_new(&self, source: usize, item: &Item, out: &Outlet<Row>) -> Result<bool, PipelineError> {
        let mark = resume::mark_of(&self.sources[source].name, item)?;
        if self.known.contains(&mark) {
            return Ok(true);
        }
        Ok(self.read_item(source, item, mark, false, out)?)
    }

    /// Returns whether to go on with the next input.
    fn read_item(
        &self,
        number: usize,
        item: &Item,
        mark: BTreeMap<String, String>,
        last: bool,
        out: &Outlet<Row>,
    ) -> Result<bool, ReadError> {
        let source = &self.sources[number];
        let options = ReadOptions { dims: source.dims.or(self.dims_of(source)), ..source.read_options() };
        let refuser = || {
            let out = out.clone();
            let refuser = move |row: RefusedRow| {
                let bytes = row.bytes.len() as u64;
                out.send(Row::Refused(number, Box::new(row)), bytes);
            };
            (source.on_reject == OnReject::DeadLetter).then(|| Box::new(refuser) as Refuser)
        };
        match item {
            Item::File(path) => self.send_rows(read::open(path, &options)?, number, item, (mark, last), out),
            Item::Stdin if source.kind == SourceKind::Arrow => {
                with_stdin(&|| self.is_over(), Framing::Bytes, |input| {
                    self.send_rows(
                        read::read_arrow_stream(input, &options, refuser())?,
                        number,
                        item,
                        (mark, last),
                        out,
                    )
                })
            }
            // Where another run goes on, it is read to the end of the last line that has come.
            Item::Stdin => with_stdin(&|| self.is_over(), Framing::Lines, |input| {
                self.send_rows(read::read_stream(input, &options, refuser())?, number, item, (mark, last), out)
            }),
        }
    }

    /// Returns the width that a live source must have because its collection has it: a first row of another one is then
    /// refused, and not all others.
    pub(super) fn dims_of(&self, source: &Source) -> Option<u32> {
        self.widths.get(&source.collection).copied().filter(|_| source.on_reject == OnReject::DeadLetter)
    }

    fn send_rows(
        &self,
        mut reader: Reader,
        source: usize,
        item: &Item,
        (mark, last): (BTreeMap<String, String>, bool),
        out: &Outlet<Row>,
    ) -> Result<bool, ReadError> {
        let epoch = self.sources[source].epoch;
        let floor = epoch.then(|| turns::lock(&self.floor));
        let say = |row: Row, bytes: u64| {
            let _turn = (!epoch).then(|| turns::lock(&self.floor));
            self.metrics.blocked("read", "capture", || out.send(row, bytes))
        };
        let (element, dims, rows_hint) = (reader.element(), reader.dims(), reader.rows_hint());
        if !say(Row::Begin { source, item: item.clone(), element, dims, rows_hint, mark }, 0) {
            return Ok(false);
        }
        // Who waits for a file works; who waits for others does not.
        let live = self.sources[source].live();
        loop {
            let batch = match live {
                true => self.metrics.blocked("read", "input", || reader.next()),
                false => self.metrics.busy("read", || reader.next()),
            }?;
            let gone = reader.take_gone();
            if !gone.is_empty() && !say(Row::Gone(source, gone), 0) {
                return Ok(false);
            }
            let Some(batch) = batch else { break };
            self.wait_while_paused(source);
            let stopped = self.stop.load(Ordering::Relaxed);
            if stopped && epoch {
                // Half an epoch is no epoch and is left out.
                return Ok(false);
            }
            let bytes = batch.rows.len() as u64;
            if !say(Row::Rows(source, batch), bytes) {
                return Ok(false);
            }
            let handed_over = *item == Item::Stdin && self.handover.load(Ordering::Relaxed);
            if stopped && !handed_over {
                // A stream ends here, with the rows that came before.
                break;
            }
        }
        let goes_on = say(Row::End { source, last }, 0) && !self.stop.load(Ordering::Relaxed);
        drop(floor);
        Ok(goes_on)
    }

    /// Passes on what is handed in, until the run is asked to stop or every handle is gone.
    fn feed(&self, source: usize, feed: &FeedEnd, out: &Outlet<Row>) {
        while !self.is_over() {
            self.wait_while_paused(source);
            match self.metrics.blocked("read", "input", || turns::receive_timeout(&feed.receive, LOOK)) {
                Ok(pushed) => {
                    let bytes = pushed.batch.rows.len() as u64;
                    let _turn = turns::lock(&self.floor);
                    let row = Row::Fed(source, Box::new(pushed));
                    if !self.metrics.blocked("read", "capture", || out.send(row, bytes)) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
