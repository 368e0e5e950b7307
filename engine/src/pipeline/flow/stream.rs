//! Rows of streams on their way to capture: kept in the write-ahead log, put in order by their own time, held back where they
//! come too often, and followed until they are durable.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashSet;

use super::{Flow, InputName, Reply, Stop, Waiting, Work};
use crate::capture::Pace;
use crate::delta::{Element, RowBatch, Table};
use crate::event::Event;
use crate::pipeline::PipelineError;
use crate::pipeline::config::Input;
use crate::pipeline::feed::{Fate, Ticket};
use crate::pipeline::turns;
use crate::store::{Recovered, Wal, last_of_each_id};
use crate::window::Reorder;

impl Flow<'_> {
    /// Opens the write-ahead log of a live source, and returns what a crash kept from being committed.
    pub(super) fn recover(&self, source: usize, table: &mut Table) -> Result<(Option<Wal>, Vec<Recovered>), Stop> {
        let settings = &self.sources[source];
        if !settings.inputs.contains(&Input::Stdin) || settings.epoch {
            return Ok((None, Vec::new()));
        }
        let (wal, recovered) = Wal::open(&self.disk, &settings.name)?;
        let recovered = last_of_each_id(self.in_order(source, recovered)?);
        if let Some(first) = recovered.first().filter(|_| table.dims == 0) {
            *table = first.table.clone();
        }
        Ok((Some(wal), recovered))
    }

    /// Takes rows that a crash kept from being committed.
    pub(super) fn replay(&mut self, source: usize, recovered: Vec<Recovered>) -> Result<(), Stop> {
        for Recovered { table: shape, rows } in recovered {
            let at = &self.state.current[&source];
            if shape != at.table {
                return Err(Stop::Failed(PipelineError::OtherShape {
                    file: at.input.file.clone(),
                    collection: shape.collection,
                    have: format!("rows of an earlier run that are {} x {}", shape.dims, shape.element.name()),
                    got: format!("{} x {}", at.table.dims, at.table.element.name()),
                }));
            }
            // What is refused was told of by the run that crashed or ended there: it must not end every other one.
            self.state.replaying = true;
            let taken = self.taken_in(source, rows, None, None);
            self.state.replaying = false;
            taken?;
        }
        self.settle()
    }

    /// Begins what is handed in, where it has not begun yet; returns why it is refused.
    pub(super) fn begin_fed(&mut self, source: usize, element: Element, dims: u32) -> Result<Option<String>, Stop> {
        let settings = &self.sources[source];
        let table = Table { collection: settings.collection.clone(), element, dims };
        if let Some(at) = self.state.current.get(&source) {
            let same = at.table == table;
            let shape = |t: &Table| format!("{} x {}", t.dims, t.element.name());
            let refusal = || format!("the collection holds {}, these rows are {}", shape(&at.table), shape(&table));
            return Ok((!same).then(refusal));
        }
        if settings.dims.is_some_and(|want| want != dims) {
            return Ok(Some(format!("the vectors are {dims} wide, expected {}", settings.dims.unwrap_or(0))));
        }
        let input =
            InputName { source: settings.name.clone(), file: settings.kind.name().to_owned(), mark: BTreeMap::new() };
        let (name, file) = (input.source.clone(), input.file.clone());
        (self.listener)(&Event::SourceOpened { source: name, file, rows: None });
        let input = Arc::new(input);
        self.all_committed()?;
        self.send(Work::Open { input: input.clone(), table: table.clone(), asks: true }, 0)?;
        match turns::receive(&self.replies) {
            Some(Reply::Mirror(mirror)) => {
                self.open(source, input, table, mirror, None);
                self.again(source)?;
            }
            Some(Reply::OtherShape(error)) => return Ok(Some(error.to_string())),
            _ => return Err(Stop::Gone),
        }
        Ok(None)
    }

    /// Takes rows that came: first into the write-ahead log.
    pub(super) fn arrived(
        &mut self,
        source: usize,
        batch: RowBatch,
        ticket: Option<Ticket>,
        mark: Option<String>,
    ) -> Result<(), Stop> {
        if self.sources[source].epoch {
            return self.rows(source, &batch, self.state.ticket, None);
        }
        let at = self.state.current.get_mut(&source).expect("rows follow their beginning");
        if let Some(wal) = &mut at.wal {
            wal.append(&at.table, &batch)?;
        }
        self.taken_in(source, batch, ticket, mark)?;
        self.settle()
    }

    fn taken_in(
        &mut self,
        source: usize,
        batch: RowBatch,
        told: Option<Ticket>,
        mark: Option<String>,
    ) -> Result<(), Stop> {
        let ticket = self.state.ticket;
        self.state.ticket += 1;
        let marked = mark.is_some() || told.as_ref().is_some_and(Ticket::is_part);
        if told.is_some() || mark.is_some() {
            self.state.waiting.push_back(Waiting { told, mark, ..Waiting::new(source, ticket) });
        }
        if self.state.current[&source].clock.is_some() {
            return self.in_time(source, &batch, ticket);
        }
        // An outer stream goes on behind a whole batch, and so does a request that was cut: what is committed with the
        // mark of either must be all of it.
        self.state.holding = marked;
        let taken = self.paced(source, &batch, ticket, None);
        self.state.holding = false;
        taken?;
        if marked { self.close_due() } else { Ok(()) }
    }

    /// Holds back rows of ids that were captured a moment ago.
    pub(super) fn paced(
        &mut self,
        source: usize,
        batch: &RowBatch,
        ticket: u64,
        millis: Option<u64>,
    ) -> Result<(), Stop> {
        let now = (self.now)();
        let at = self.state.current.get_mut(&source).expect("rows follow their beginning");
        if at.pace.is_none() {
            return self.rows(source, batch, ticket, millis);
        }
        for run in runs_without_repeats(batch) {
            let at = self.state.current.get_mut(&source).expect("rows follow their beginning");
            let pace = at.pace.as_mut().expect("it was just there");
            let through = pace.push(&batch.slice(run), ticket, millis.unwrap_or(now));
            if !through.keys.is_empty() {
                self.rows(source, &through, ticket, millis)?;
            }
        }
        Ok(())
    }

    /// Lets go of the rows that were held back and need no longer be; of all of them at the end of the input.
    pub(super) fn release_held_back(&mut self, source: usize, all: bool) -> Result<(), Stop> {
        let now = (self.now)();
        let Some(at) = self.state.current.get_mut(&source) else { return Ok(()) };
        let time = at.clock.as_ref().and_then(Reorder::watermark).unwrap_or(now);
        if let Some((batch, ticket)) = at.pace.as_mut().and_then(|pace| pace.release(time, all)) {
            let millis = at.clock.is_some().then_some(time);
            self.rows(source, &batch, ticket, millis)?;
        }
        Ok(())
    }

    /// Lets go of all rows: the input ended.
    pub(super) fn release_all(&mut self) -> Result<(), Stop> {
        self.end_clocks();
        self.release()?;
        let sources: Vec<usize> = self.state.current.keys().copied().collect();
        sources.into_iter().try_for_each(|source| self.release_held_back(source, true))
    }

    /// Returns the next time of arrival at which something is to be done.
    pub(super) fn deadline(&self) -> Option<u64> {
        let now = (self.now)();
        let paces = self.state.current.values().filter_map(|at| at.pace.as_ref()?.deadline());
        let clocks = self.state.current.values().filter_map(|at| at.clock.as_ref()?.patience());
        let waits = self.state.current.values().any(|at| at.clock.as_ref().is_some_and(|c| c.held_bytes() > 0))
            || self.windows.event_deadline().is_some();
        let clocks = clocks.filter(|_| waits).map(|patience| now.saturating_add(patience));
        self.windows.deadline().into_iter().chain(paces).chain(clocks).min()
    }

    pub(super) fn held_bytes(&self) -> u64 {
        let held =
            self.state.current.values().map(|at| {
                at.clock.as_ref().map_or(0, Reorder::held_bytes) + at.pace.as_ref().map_or(0, Pace::held_bytes)
            });
        held.sum::<u64>() + self.windows.held_bytes()
    }

    /// The ticket of the oldest row that is not committed.
    fn oldest(&self) -> Option<u64> {
        self.oldest_open().into_iter().chain(self.windows.oldest_closing()).min()
    }

    /// The ticket of the oldest row that is not even on its way to be committed.
    pub(super) fn oldest_open(&self) -> Option<u64> {
        let held = self.state.current.values().flat_map(|at| {
            let clock = at.clock.as_ref().and_then(Reorder::oldest);
            clock.into_iter().chain(at.pace.as_ref().and_then(Pace::oldest))
        });
        held.chain(self.windows.oldest()).chain(self.state.taking.iter().copied()).min()
    }

    /// Notes how far outer streams will be durable when the window that is being closed is committed.
    pub(super) fn marks_before(&mut self, oldest_left: Option<u64>) -> BTreeMap<String, String> {
        let done = |ticket: u64| oldest_left.is_none_or(|oldest| ticket < oldest);
        for waiting in self.state.waiting.iter().filter(|waiting| done(waiting.ticket)) {
            if let Some(mark) = &waiting.mark {
                self.state.marks.insert(format!("mark:{}", self.sources[waiting.source].name), mark.clone());
            }
        }
        let mut marks = self.state.marks.clone();
        marks.extend(self.state.unsaid.take());
        let settled = self.state.waiting.iter().filter(|waiting| done(waiting.ticket));
        // The later one of two parts says more.
        marks.extend(settled.filter_map(|waiting| self.part_of(waiting)));
        marks
    }

    /// Returns what a commit says of a request when a batch of it is durable, and all before, once.
    fn part_of(&self, waiting: &Waiting) -> Option<(String, String)> {
        let part = waiting.told.as_ref()?.take_part()?;
        part.refused(&waiting.refused);
        Some(part.note(&self.sources[waiting.source].name))
    }

    /// Tells of what is durable now, and empties the write-ahead logs when nothing is held.
    pub(super) fn settle(&mut self) -> Result<(), Stop> {
        let oldest = self.oldest();
        let (now, window_bytes) = ((self.now)(), self.windows.held_bytes());
        self.metrics.update(|f| {
            f.window_bytes = window_bytes;
            f.durable_millis = if oldest.is_none() { now } else { f.durable_millis };
        });
        while let Some(waiting) = self.state.waiting.front() {
            if oldest.is_some_and(|oldest| waiting.ticket >= oldest) {
                break;
            }
            let Some(waiting) = self.state.waiting.pop_front() else { break };
            // Rows that changed nothing make no commit of their own: the next one says how far they lead.
            if let Some(note) = self.part_of(&waiting) {
                self.state.unsaid.push(note);
            }
            if let Some(mark) = waiting.mark {
                self.state.marks.insert(format!("mark:{}", self.sources[waiting.source].name), mark);
            }
            self.letters.remove(waiting.letters)?;
            let refused = waiting.refused;
            let fate = if refused.is_empty() { Fate::Durable } else { Fate::Partly(refused) };
            waiting.told.iter().for_each(|told| told.tell(fate.clone()));
        }
        if oldest.is_none() {
            for at in self.state.current.values_mut() {
                at.wal.as_mut().map_or(Ok(()), Wal::clear)?;
            }
        }
        Ok(())
    }
}

/// Cuts a batch where an id comes again, so that each piece has every id once.
pub(super) fn runs_without_repeats(batch: &RowBatch) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut seen = HashSet::with_capacity(batch.keys.len());
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
