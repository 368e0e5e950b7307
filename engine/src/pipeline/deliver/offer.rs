//! What a courier offers to its subscriber: the deltas of a commit at hand, or of those that the log holds behind the cursor.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::courier::{Courier, HELD_BYTES, Stop};
use super::mailbox::Committed;
use super::tail::{legs, read_leg};
use crate::delta::{CommitId, DeltaBatch};
use crate::event::Event;
use crate::pipeline::PipelineError;
use crate::pipeline::link::Loan;
use crate::pipeline::sink::{Delivered, Parcel};
use crate::route::{Cursor, Look, Offer, Position};
use crate::version::{CommitIndex, Repository};

/// What a cursor says is done.
#[derive(Default)]
struct Done {
    rows: u32,
    ahead: HashSet<(CommitId, u32)>,
}

impl Done {
    fn is(&self, commit: CommitId, row: u32) -> bool {
        row < self.rows || (!self.ahead.is_empty() && self.ahead.contains(&(commit, row)))
    }
}

impl Courier<'_> {
    /// Offers the deltas of a commit that is at hand.
    pub(super) fn take(&mut self, committed: &Arc<Committed>, loan: Arc<Loan>) -> Result<(), Stop> {
        if self.state.last.is_some_and(|last| committed.number <= last) {
            return Ok(());
        }
        let Some(deltas) = &committed.deltas else { return self.catch_up() };
        self.begin(committed.number, committed.commit);
        let parcel = |batch| self.parcel(committed.commit, committed.millis, batch, Some(loan.clone()));
        let parcels: Vec<Arc<Parcel>> = deltas.batches().iter().map(parcel).collect();
        let mut first = 0;
        for (batch, run) in deltas.runs() {
            let rows = run.len() as u32;
            self.offer(committed.number, first, (&parcels[batch], run), &Done::default());
            first += rows;
        }
        self.seen(committed.number, committed.commit);
        Ok(())
    }

    /// Offers what the log holds behind the cursor, piece by piece.
    pub(super) fn catch_up(&mut self) -> Result<(), Stop> {
        let repo = Repository::open(self.disk.clone()).map_err(PipelineError::from)?;
        // What is written and not yet synced is there for whoever looks, but may go again.
        let reported = self.reported.load(Ordering::Acquire);
        let head = repo.head(&self.branch).and_then(|head| repo.first_parents(head).find(|&c| c < reported));
        let Some(head) = head else { return Ok(()) };
        let from = match self.state.last {
            Some(last) => Cursor::after(repo.entry(last).id),
            None => self.state.cursor.clone(),
        };
        if self.state.last.is_some_and(|last| last >= head) {
            return Ok(());
        }
        let (legs, other_history) = legs(&repo, &from, head)?;
        if other_history {
            self.sink.restart().map_err(Stop::Sink)?;
            self.state.cursor = Cursor::default();
            self.state.ahead.clear();
        }
        let skip = if other_history { Cursor::default() } else { from };
        self.state.before = skip.after;
        let mut done = Done { rows: skip.rows, ahead: skip.ahead.iter().copied().collect() };
        for leg in legs {
            let entry = repo.entry(leg.to);
            let (id, millis) = (entry.id, entry.time.physical_millis);
            self.begin(leg.to, id);
            let collections = self.collections.clone();
            let mut stop = None;
            let read = read_leg(&repo, leg, &|name| collections.iter().any(|c| c == name), &mut |first, batch| {
                let rows = 0..batch.deltas.len();
                let parcel = self.parcel(id, millis, &Arc::new(batch), None);
                self.offer(leg.to, first, (&parcel, rows), &done);
                self.pump(HELD_BYTES).map_err(|error| {
                    stop = Some(error);
                    PipelineError::Stopped
                })
            });
            match stop {
                Some(stop) => return Err(stop),
                None => read?,
            }
            self.seen(leg.to, id);
            // The rows that a cursor counts are those of the first leg.
            done.rows = 0;
        }
        Ok(())
    }

    fn begin(&mut self, number: CommitIndex, commit: CommitId) {
        let before = self.state.before;
        self.state.commits.insert(number as u64, (commit, before));
    }

    fn seen(&mut self, number: CommitIndex, commit: CommitId) {
        self.subscriber.seen(Position { commit: number as u64, row: u32::MAX });
        self.state.before = Some(commit);
        self.state.last = Some(number);
    }

    fn parcel(&self, commit: CommitId, millis: u64, batch: &Arc<DeltaBatch>, loan: Option<Arc<Loan>>) -> Arc<Parcel> {
        Arc::new(Parcel { commit, millis, batch: batch.clone(), routes: self.state.routes.clone(), loan })
    }

    /// Offers the deltas that a route leads here, but for those that are done; `first` is the number of the first row.
    fn offer(&mut self, number: CommitIndex, first: u32, (parcel, deltas): (&Arc<Parcel>, Range<usize>), done: &Done) {
        let Parcel { commit, millis, batch, .. } = &**parcel;
        let (commit, millis) = (*commit, *millis);
        let collection = &batch.table.collection;
        let prefix = xxhash_rust::xxh3::xxh3_64(collection.as_bytes());
        let mut sent = 0;
        for (index, row) in deltas.zip(first..) {
            if done.is(commit, row) {
                continue;
            }
            let key = batch.keys.get(index);
            let look = Look { collection, key, delta: &batch.deltas[index], notes: &batch.notes, row: index, millis };
            let Some(route) = self.router.route_for(&look, |route| self.wanted[route]) else { continue };
            let policy = &self.router.routes()[route];
            self.subscriber.offer(Offer {
                at: Position { commit: number as u64, row },
                source: xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), prefix),
                priority: policy.priority,
                expires_millis: policy.ttl_millis.map(|ttl| look.captured_millis().saturating_add(ttl)),
                item: Delivered::new(parcel.clone(), index, row, route),
            });
            sent += 1;
        }
        self.state.held_bytes += sent * 2 * batch.table.row_bytes() as u64;
        if sent > 0 {
            let (subscriber, deltas) = (self.name.clone(), sent);
            (self.listener)(&Event::DeltaPublished { channel: self.branch.clone(), subscriber, deltas });
        }
    }
}
