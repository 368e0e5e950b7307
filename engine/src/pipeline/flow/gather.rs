//! Deltas on their way into windows, and windows on their way into commits.

use std::sync::Arc;

use super::{ClosedWindow, Flow, InputName, Stop, Work};
use crate::capture::Captured;
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
        let (deltas, bytes) = (captured.batch.deltas.len() as u64, captured.batch.new.len() as u64);
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
        let batch = captured.batch;
        let collection = batch.table.collection.clone();
        let mut routed = vec![0u64; self.router.routes().len()];
        let mut unrouted = 0;
        let only = self.router.only_window();
        let now = (self.now)();
        for (i, delta) in batch.deltas.iter().enumerate() {
            let look = Look {
                collection: &collection,
                key: batch.keys.get(i),
                delta,
                notes: &batch.notes,
                row: i,
                millis: millis.unwrap_or(now),
            };
            let window = match only {
                Some(window) => {
                    routed[0] += 1;
                    window
                }
                None => {
                    let Some(decision) = self.router.route(&look) else {
                        unrouted += 1;
                        continue;
                    };
                    decision.routes.iter().for_each(|&route| routed[route] += 1);
                    decision.window
                }
            };
            if self.windows.policies().len() > 1 {
                for number in self.windows.before(window, &collection, delta.slot) {
                    self.close(number, CloseReason::Order)?;
                }
            }
            let event_time = self.windows.policies()[window].1.event_time;
            if event_time && let Some(millis) = millis {
                // The rows before this one end what ends before it.
                self.close_until(millis)?;
            }
            let at = if event_time { millis.unwrap_or(now) } else { now };
            let (number, first) = self.windows.add(window, &batch, i, at, ticket);
            if first {
                self.tell_opened(window, &collection);
            }
            if let Some(reason) = self.windows.due(number, now, Some(at)).filter(|_| !self.state.holding) {
                self.close(number, reason)?;
            }
            self.close_full()?;
        }
        for (route, deltas) in routed.into_iter().enumerate().filter(|(_, n)| *n > 0) {
            self.tell_routed(route, deltas);
        }
        if unrouted > 0 {
            self.metrics.update(|f| f.unrouted += unrouted);
            (self.listener)(&Event::DeltaUnrouted { deltas: unrouted });
        }
        self.state.source = source;
        if self.state.holding {
            return Ok(());
        }
        // More rows may be on their way that are before the watermark, and behind these.
        self.close_due_at(millis.or(self.watermark()))
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

    /// Closes a window and waits until it is committed, so that later rows are compared with what it left.
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
        let name = self.windows.policy(number).0.to_owned();
        let closed = self.windows.close(number, reason);
        let (before, after) = (closed.metrics.added, closed.batch.deltas.len() as u64);
        if after < before {
            let window = name.clone();
            (self.listener)(&Event::WindowCompacted { window, before, after });
        }
        let bytes = closed.batch.new.len() as u64;
        self.tell_window(&name, before, after, bytes, reason.name());
        let left = self.oldest_after();
        let input = self.state.current.get(&self.state.source).map(|at| at.input.clone());
        let work = ClosedWindow {
            input: input.unwrap_or_else(|| Arc::new(InputName::default())),
            window: name,
            closed,
            whole,
            unchanged: std::mem::take(&mut self.state.unchanged),
            raw_bytes: std::mem::take(&mut self.state.raw_bytes),
            marks: self.marks_before(left),
        };
        self.send(Work::Closed(Box::new(work)), bytes)?;
        Ok(self.committed()?)
    }
}
