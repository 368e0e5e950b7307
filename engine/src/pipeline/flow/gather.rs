//! Deltas on their way into windows, and windows on their way into commits.

use std::ops::Range;
use std::sync::Arc;

use super::{ClosedWindow, Flow, InputName, Stop, Work};
use crate::capture::{Capture, Captured};
use crate::delta::DeltaBatch;
use crate::event::Event;
use crate::route::Look;
use crate::window::{CloseReason, WindowNumber};

impl Flow<'_> {
    /// Tells what was captured from so many rows, and sends it on: straight through, or into windows.
    pub(super) fn captured(
        &mut self,
        source: usize,
        captured: Captured,
        rows: usize,
        ticket: u64,
        millis: Option<u64>,
    ) -> Result<(), Stop> {
        self.observers[source].captured(&captured, rows as u64, (self.now)());
        self.tell_captured(source, &captured, rows as u64);
        let Some(window) = self.state.current[&source].passing else {
            return self.gather(source, captured, ticket, millis);
        };
        let (deltas, bytes) = (captured.deltas() as u64, captured.bytes());
        self.state.current.get_mut(&source).expect("it is being read").passed += deltas;
        if deltas > 0 {
            self.tell_routed(0, deltas);
            self.tell_flushed(window, deltas, bytes);
        }
        Ok(self.send(Work::Deltas(captured), bytes)?)
    }

    /// Routes deltas into windows, and closes those that are full.
    fn gather(&mut self, source: usize, captured: Captured, ticket: u64, millis: Option<u64>) -> Result<(), Stop> {
        self.state.unchanged += captured.unchanged;
        self.state.raw_bytes += captured.raw_bytes;
        let now = (self.now)();
        for batch in &captured.batches {
            self.gather_batch(batch, ticket, (now, millis))?;
        }
        self.state.source = source;
        if self.state.holding {
            return Ok(());
        }
        // More rows may be on their way that are before the watermark, and behind these.
        self.close_due_at(millis.or(self.watermark()))
    }

    fn gather_batch(&mut self, batch: &DeltaBatch, ticket: u64, (now, millis): (u64, Option<u64>)) -> Result<(), Stop> {
        let windows = self.metrics.busy("route", || self.route(batch, millis.unwrap_or(now)));
        let runs = windows.chunk_by(|a, b| a == b);
        let whole = windows.first() == windows.last() && runs.clone().nth(1).is_none();
        let mut start = 0;
        for run in runs {
            let end = start + run.len();
            if let Some(window) = run[0] {
                // A small part of a batch would keep all of it in memory, for as long as its own window is open.
                let adopts = whole || run.len() * 4 >= windows.len();
                self.gather_run(window, (batch, start..end), (now, millis), ticket, adopts)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Returns the window of each delta, and tells which routes it takes.
    fn route(&self, batch: &DeltaBatch, millis: u64) -> Vec<Option<usize>> {
        let mut routed = vec![0u64; self.router.routes().len()];
        let windows: Vec<Option<usize>> = match self.router.only_window() {
            Some(window) => {
                routed[0] = batch.deltas.len() as u64;
                vec![Some(window); batch.deltas.len()]
            }
            None => {
                let look = |(row, delta)| Look {
                    collection: &batch.table.collection,
                    key: batch.keys.get(row),
                    delta,
                    notes: &batch.notes,
                    row,
                    millis,
                };
                let looks = batch.deltas.iter().enumerate().map(look);
                looks.map(|look| self.router.route(&look, |route| routed[route] += 1)).collect()
            }
        };
        for (route, deltas) in routed.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            self.tell_routed(route, deltas);
        }
        let unrouted = windows.iter().filter(|window| window.is_none()).count() as u64;
        if unrouted > 0 {
            self.metrics.update(|f| f.unrouted += unrouted);
            (self.listener)(&Event::DeltaUnrouted { deltas: unrouted });
        }
        windows
    }

    /// Puts deltas into one window, which is closed whenever it is full.
    fn gather_run(
        &mut self,
        window: usize,
        (batch, deltas): (&DeltaBatch, Range<usize>),
        (now, millis): (u64, Option<u64>),
        ticket: u64,
        adopts: bool,
    ) -> Result<(), Stop> {
        if self.windows.policies().len() > 1 {
            for number in self.windows.before(window, batch, deltas.clone()) {
                self.close(number, CloseReason::Order)?;
            }
        }
        let event_time = self.windows.policies()[window].1.event_time;
        let at = if event_time { millis.unwrap_or(now) } else { now };
        if event_time && let Some(millis) = millis {
            // The rows before these end what ends before them.
            self.close_until(millis)?;
        }
        let row_bytes = 2 * batch.table.row_bytes().max(1) as u64;
        let mut start = deltas.start;
        while start < deltas.end {
            // What is being committed counts too. It is waited for, so that how fast that is decides nothing about windows.
            if self.windows.held_bytes() + self.windows.closing_bytes() >= self.buffer_bytes {
                self.all_committed()?;
            }
            let held = self.windows.held_bytes() + self.windows.closing_bytes();
            let bytes = self.buffer_bytes.saturating_sub(held);
            let room = usize::try_from(bytes.div_ceil(row_bytes)).unwrap_or(usize::MAX).max(1);
            let next = start..deltas.end.min(start.saturating_add(room));
            let (number, first, added) = self.windows.add(window, (batch, next), at, ticket, adopts);
            if first {
                self.tell_opened(window, &batch.table.collection);
            }
            if let Some(reason) = self.windows.due(number, now, Some(at)).filter(|_| !self.state.holding) {
                self.close(number, reason)?;
            }
            self.close_full()?;
            start += added;
        }
        Ok(())
    }

    /// Closes the windows that run by the time of rows and end before this one.
    fn close_until(&mut self, millis: u64) -> Result<(), Stop> {
        for number in self.windows.numbers() {
            if self.windows.policy(number).1.event_time
                && let Some(reason) = self.windows.due(number, 0, Some(millis))
            {
                self.close(number, reason)?;
            }
        }
        Ok(())
    }

    /// Closes all windows but those of epochs when they hold too much together.
    fn close_full(&mut self) -> Result<(), Stop> {
        if self.windows.held_bytes() < self.buffer_bytes {
            return Ok(());
        }
        for number in self.windows.numbers() {
            if !self.windows.policy(number).1.epoch {
                self.close(number, CloseReason::Memory)?;
            }
        }
        Ok(())
    }

    pub(super) fn close_due(&mut self) -> Result<(), Stop> {
        self.close_due_at(self.watermark())
    }

    fn close_due_at(&mut self, watermark: Option<u64>) -> Result<(), Stop> {
        let now = (self.now)();
        for number in self.windows.numbers() {
            if let Some(reason) = self.windows.due(number, now, watermark) {
                self.close(number, reason)?;
            }
        }
        Ok(())
    }

    /// Closes what is open when the rows end; what was seen of an epoch without an end is left out.
    pub(super) fn close_all(&mut self) -> Result<(), Stop> {
        let half: Vec<String> = (self.state.current.iter())
            .filter(|(source, _)| self.sources[**source].epoch)
            .map(|(_, at)| at.table.collection.clone())
            .collect();
        for number in self.windows.numbers() {
            if !half.iter().any(|collection| collection == self.windows.collection(number)) {
                self.close(number, CloseReason::Drain)?;
            }
        }
        Ok(())
    }

    /// Closes the windows of an epoch at its end: the next one is compared with the table, so all of them, whatever
    /// their policy.
    pub(super) fn close_epoch(&mut self, source: usize, collection: &str) -> Result<(), Stop> {
        let own: Vec<WindowNumber> =
            self.windows.numbers().filter(|&number| self.windows.collection(number) == collection).collect();
        self.close_last(source, &own, true)
    }

    /// Ends a file whose rows are a stream: only windows of epochs end with it.
    pub(super) fn end_stream_file(&mut self, source: usize) -> Result<(), Stop> {
        let collection = self.sources[source].collection.clone();
        let own = self.windows.numbers().filter(|&number| self.windows.collection(number) == collection);
        let own: Vec<WindowNumber> = own.collect();
        self.close_last(source, &own, false)
    }

    /// Closes windows; with the last of them all of the input is committed, unless others still hold some of it.
    fn close_last(&mut self, source: usize, own: &[WindowNumber], all: bool) -> Result<(), Stop> {
        let closes = |flow: &Self, number: WindowNumber| all || flow.windows.policy(number).1.epoch;
        let left = own.iter().any(|&number| !closes(self, number) && !self.windows.is_empty(number));
        let closing: Vec<WindowNumber> = own.iter().copied().filter(|&number| closes(self, number)).collect();
        self.state.source = source;
        for (n, &number) in closing.iter().enumerate() {
            let whole = !left && n + 1 == closing.len();
            self.close_with(number, CloseReason::Epoch, whole)?;
        }
        Ok(())
    }

    /// Closes a window. Later rows are compared with what is in it, whether it is committed yet or not.
    fn close(&mut self, number: WindowNumber, reason: CloseReason) -> Result<(), Stop> {
        self.close_with(number, reason, false)?;
        // A place in an outer stream is passed as a whole: no other window may hold on to what came before.
        if self.state.waiting.iter().any(|waiting| waiting.mark.is_some()) {
            for other in self.windows.numbers() {
                self.close_with(other, CloseReason::Order, false)?;
            }
        }
        Ok(())
    }

    /// Closes a window; `whole` says that with it all of its input is committed.
    fn close_with(&mut self, number: WindowNumber, reason: CloseReason, whole: bool) -> Result<(), Stop> {
        if self.windows.is_empty(number) && reason != CloseReason::Epoch {
            return Ok(());
        }
        // One window is being committed while the next one is gathered, and no more than that.
        self.all_committed()?;
        let name = self.windows.policy(number).0.to_owned();
        let closed = self.metrics.busy("window", || self.windows.close(number, reason));
        let (before, after) = (closed.metrics.added, closed.deltas.len() as u64);
        if after < before {
            let window = name.clone();
            (self.listener)(&Event::WindowCompacted { window, before, after });
        }
        let bytes = closed.deltas.bytes();
        self.tell_window(&name, before, after, bytes, reason.name());
        let left = self.oldest_open();
        let input = self.state.current.get(&self.state.source).map(|at| at.input.clone());
        let work = ClosedWindow {
            input: input.unwrap_or_else(|| Arc::new(InputName::default())),
            window: name,
            known: self.state.captures.get(&closed.deltas.table().collection).map_or(0, Capture::known),
            closed,
            whole,
            unchanged: std::mem::take(&mut self.state.unchanged),
            raw_bytes: std::mem::take(&mut self.state.raw_bytes),
            marks: self.marks_before(left),
        };
        Ok(self.send(Work::Closed(Box::new(work)), bytes)?)
    }
}
