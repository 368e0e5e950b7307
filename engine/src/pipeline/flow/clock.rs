//! The clock of events: rows of streams in the order of the time that they bring along, and what becomes of late ones.
//!
//! Rows are let go up to the time that all streams have reached, so that no stream overtakes another. A stream that is quiet
//! is waited for until it is idle, one that has ended is not.

use std::time::Duration;

use super::{Flow, Stop, millis};
use crate::capture::Pace;
use crate::delta::{RowBatch, Table};
use crate::pipeline::config::Late;
use crate::store::{DeathReason, Letter, Recovered};
use crate::window::{Held, Reorder, batch_of};

impl Flow<'_> {
    /// Returns the clocks that a stream needs.
    pub(super) fn stream_clocks(&self) -> (Option<Reorder>, Option<Pace>) {
        (self.event_clock(), self.capture.min_interval.map(|time| Pace::new(millis(time))))
    }

    fn event_clock(&self) -> Option<Reorder> {
        let (clock, _) = self.clock.as_ref()?;
        let idle = clock.idle.unwrap_or(Duration::from_secs(5));
        Some(Reorder::new(clock.column.as_deref().unwrap_or_default(), millis(clock.lateness), millis(idle)))
    }

    /// Takes rows into the clock of their stream, one by one: what is late is so behind the rows before it.
    pub(super) fn in_time(&mut self, source: usize, batch: &RowBatch, ticket: u64) -> Result<(), Stop> {
        let now = (self.now)();
        let bound = self.watermark_but(Some(source)).unwrap_or(u64::MAX);
        let mut dead = Vec::new();
        // The rows behind a late one are not in the clock yet.
        self.state.taking.push(ticket);
        for row in 0..batch.keys.len() {
            let at = self.state.current.get_mut(&source).expect("rows follow their beginning");
            let clock = at.clock.as_mut().expect("rows are put in order where there is a clock");
            let Some(late) = clock.push(batch, row, ticket, now, bound) else { continue };
            self.count_late();
            if self.late() == Late::DeadLetter {
                dead.push(late);
            } else {
                self.release()?;
                let millis = self.watermark();
                self.paced(source, &batch_of(&[late]), ticket, millis)?;
            }
        }
        self.state.taking.pop();
        self.bury_late(source, &dead)?;
        self.release()
    }

    fn late(&self) -> Late {
        self.clock.as_ref().map(|(_, late)| *late).unwrap_or_default()
    }

    fn count_late(&self) {
        let windows = self.windows.policies().iter().filter(|(_, policy)| policy.event_time);
        self.metrics.update(|f| windows.for_each(|(name, _)| f.windows.entry(name.clone()).or_default().late += 1));
    }

    /// Makes dead letters of rows that are late.
    fn bury_late(&mut self, source: usize, late: &[Held]) -> Result<(), Stop> {
        let table = &self.state.current[&source].table;
        let letters = late.iter().map(|held| self.late_letter(source, table, held)).collect();
        self.bury(source, letters)
    }

    fn late_letter(&self, source: usize, table: &Table, held: &Held) -> Letter {
        let message = format!("its time {} is behind the clock of events", held.millis);
        Letter {
            bits: held.row.to_vec(),
            metadata: held.note.values().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            ..self.letter(source, table, DeathReason::Late, held.key.clone(), message)
        }
    }

    /// Lets go of the rows that no stream can bring an earlier one for; of all of them when they hold too much.
    pub(super) fn release(&mut self) -> Result<(), Stop> {
        let until = self.watermark().unwrap_or(u64::MAX);
        let full = self.held_bytes() >= self.buffer_bytes;
        let mut free: Vec<(usize, Held)> = Vec::new();
        for (&source, at) in &mut self.state.current {
            let Some(clock) = &mut at.clock else { continue };
            let held = if full { clock.release_all() } else { clock.release(until) };
            free.extend(held.into_iter().map(|held| (source, held)));
            let watermark = clock.watermark();
            let name = self.sources[source].name.clone();
            self.metrics.update(|f| f.sources.entry(name).or_default().watermark_millis = watermark);
        }
        free.sort_by_key(|(_, held)| held.millis);
        // Rows of one time go together; a window may close between two times.
        let place = |(source, held): &(usize, Held)| (*source, held.millis, held.ticket);
        let oldest = free.iter().map(|(_, held)| held.ticket).min();
        self.state.taking.extend(oldest);
        for group in free.chunk_by(|a, b| place(a) == place(b)) {
            let (source, millis, ticket) = place(&group[0]);
            let rows: Vec<Held> = group.iter().map(|(_, held)| held.clone()).collect();
            self.paced(source, &batch_of(&rows), ticket, Some(millis))?;
        }
        oldest.and_then(|_| self.state.taking.pop());
        let sources: Vec<usize> = self.state.current.keys().copied().collect();
        sources.into_iter().try_for_each(|source| self.release_held_back(source, false))?;
        self.close_due()
    }

    /// Lets go of all rows of a source: what comes next is not to come before them.
    pub(super) fn release_source(&mut self, source: usize) -> Result<(), Stop> {
        let clock = self.state.current.get_mut(&source).and_then(|at| at.clock.as_mut());
        let held = clock.map_or_else(Vec::new, Reorder::release_all);
        let oldest = held.iter().map(|held| held.ticket).min();
        self.state.taking.extend(oldest);
        for group in held.chunk_by(|a, b| a.millis == b.millis && a.ticket == b.ticket) {
            self.paced(source, &batch_of(group), group[0].ticket, Some(group[0].millis))?;
        }
        oldest.and_then(|_| self.state.taking.pop());
        self.release_held_back(source, true)
    }

    /// Notes that an input has ended, and with `last` its stream.
    pub(super) fn end_clock(&mut self, source: usize, last: bool) {
        if let Some(clock) = self.state.current.get_mut(&source).and_then(|at| at.clock.as_mut()).filter(|_| last) {
            clock.end();
        }
    }

    /// Ends all streams.
    pub(super) fn end_clocks(&mut self) {
        self.state.current.values_mut().filter_map(|at| at.clock.as_mut()).for_each(Reorder::end);
    }

    /// Notes that nothing came for a while although it could have, but for the source that spoke at last.
    pub(super) fn quiet(&mut self, millis: u64, but: Option<usize>) {
        let others = self.state.current.iter_mut().filter(|(source, _)| Some(**source) != but);
        others.filter_map(|(_, at)| at.clock.as_mut()).for_each(|clock| clock.quiet(millis));
    }

    /// Returns up to which time the rows of all streams have come; `None` when none of them goes on.
    pub(super) fn watermark(&self) -> Option<u64> {
        self.watermark_but(None)
    }

    fn watermark_but(&self, but: Option<usize>) -> Option<u64> {
        let others = self.state.current.iter().filter(|(source, _)| Some(**source) != but);
        let clocks = others.filter_map(|(_, at)| at.clock.as_ref()).filter(|clock| !clock.has_ended());
        clocks.map(|clock| clock.watermark().unwrap_or(0)).min()
    }

    /// Puts rows that a crash left into the order in which they were worked on, without those that are dead letters.
    pub(super) fn in_order(&self, source: usize, recovered: Vec<Recovered>) -> Result<Vec<Recovered>, Stop> {
        let Some(mut clock) = self.event_clock() else { return Ok(recovered) };
        let mut rows: Vec<Held> = Vec::new();
        for (number, Recovered { table, rows: batch }) in recovered.iter().enumerate() {
            for row in 0..batch.keys.len() {
                let Some(late) = clock.push(batch, row, number as u64, 0, u64::MAX) else { continue };
                rows.extend(clock.watermark().into_iter().flat_map(|until| clock.release(until)));
                match self.late() {
                    Late::NewVersion => rows.push(late),
                    Late::DeadLetter => self.letters.put(vec![self.late_letter(source, table, &late)])?,
                }
            }
        }
        rows.extend(clock.release_all());
        let group =
            |rows: &[Held]| Recovered { table: recovered[rows[0].ticket as usize].table.clone(), rows: batch_of(rows) };
        Ok(rows.chunk_by(|a, b| a.ticket == b.ticket).map(group).collect())
    }
}
