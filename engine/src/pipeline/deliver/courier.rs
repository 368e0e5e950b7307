//! A courier: takes the deltas of one subscriber from mailbox or log, hands them to its sink, and keeps the cursor.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::mailbox::{Mailbox, News};
use super::place::{self, Commits};
use crate::delta::CommitId;
use crate::event::{Event, Listener};
use crate::pipeline::controls::Controls;
use crate::pipeline::metrics::{Metrics, SinkFigures};
use crate::pipeline::sink::{Delivered, Resume, Sink, SinkError, SinkFailure};
use crate::pipeline::{PipelineError, SinkEnd};
use crate::route::{Cursor, DeliveryGuarantee, Receipt, Router, Subscriber, SubscriberStatus, Verdict};
use crate::store::{CursorFile, DeathReason, Disk, Letter, LetterBox};
use crate::version::CommitIndex;

/// The most deltas that a sink gets at once.
const BATCH: usize = 4096;

/// What may wait for a sink inside of its courier, in bytes of vectors.
pub(super) const HELD_BYTES: u64 = 16 << 20;

/// What is written is flushed when it has this many deltas, or nothing else waits.
const FLUSH_DELTAS: u64 = 64 << 10;

/// The longest a sink that is away is left alone, in milliseconds.
const AWAY_MILLIS_MAX: u64 = 10_000;

/// The courier of one subscriber and what it needs.
pub struct Courier<'a> {
    /// The subscriber's name.
    pub name: String,
    /// Where its deltas go.
    pub sink: Box<dyn Sink>,
    /// What waits and what is done.
    pub subscriber: Subscriber<Delivered>,
    /// The routes of the pipeline.
    pub router: Router,
    /// Whether a route leads to this subscriber, by number.
    pub wanted: Vec<bool>,
    /// Which collections the pipeline fills.
    pub collections: Vec<String>,
    /// The branch.
    pub branch: String,
    /// What is promised.
    pub guarantee: DeliveryGuarantee,
    /// Where commits come from.
    pub mailbox: Arc<Mailbox>,
    /// How many commits are durable: the log may show one more, which a power failure can still take back.
    pub reported: Arc<AtomicUsize>,
    /// The repository's disk.
    pub disk: Arc<dyn Disk>,
    /// Where what is given up goes.
    pub letters: LetterBox,
    /// Milliseconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Who is told.
    pub listener: Listener<'a>,
    /// Who counts.
    pub metrics: Arc<Metrics>,
    /// Who is told to wait.
    pub controls: Arc<Controls>,
    /// How long a sink that is away is tried after the input has ended, in milliseconds.
    pub patience_millis: u64,
    /// Whether another run goes on behind this one: it is left what was not delivered.
    pub handover: Arc<AtomicBool>,
    /// The state.
    pub state: State,
}

/// What a courier knows.
#[derive(Default)]
pub struct State {
    pub(super) cursor: Cursor,
    file: Option<CursorFile>,
    pub(super) last: Option<CommitIndex>,
    /// The commits of what is offered and not done: hash, and the one before.
    pub(super) commits: Commits,
    pub(super) before: Option<CommitId>,
    /// What earlier runs delivered ahead of a delta that is still not done: it is not offered, and not forgotten.
    pub(super) ahead: Vec<(CommitId, u32)>,
    /// The names of the routes.
    pub(super) routes: Arc<[String]>,
    pub(super) held_bytes: u64,
    unflushed: u64,
    /// Failed attempts in a row, and when to try again.
    away: (u32, u64),
    away_since: Option<u64>,
    /// After a batch was refused so many are given one by one, to find the one at fault.
    single: usize,
    again: Vec<String>,
}

/// Why a courier ends early.
pub enum Stop {
    /// The sink can take nothing more.
    Sink(SinkError),
    /// The history cannot be read, or the cursor not be kept.
    Pipeline(PipelineError),
    /// The sink was given up because it is slow.
    Detached,
    /// Another run goes on where this one is.
    HandedOver,
    /// It was told to wait, and the run ends meanwhile.
    Paused,
}

impl From<PipelineError> for Stop {
    fn from(error: PipelineError) -> Self {
        Stop::Pipeline(error)
    }
}

impl From<crate::store::StoreError> for Stop {
    fn from(error: crate::store::StoreError) -> Self {
        Stop::Pipeline(error.into())
    }
}

impl Courier<'_> {
    /// Works until no commit comes any more and all are delivered, or the sink fails.
    pub fn run(mut self) -> SinkEnd {
        let result = match self.start().and_then(|()| self.work()) {
            Ok(()) | Err(Stop::HandedOver | Stop::Paused) => self.end(),
            Err(stop) => Err(stop),
        };
        let (files, error, detached) = match result {
            Ok(files) => (files, None, false),
            Err(stop) => {
                // Whoever waits for room in the mailbox must not wait for a courier that is gone.
                self.mailbox.detach();
                let error = match stop {
                    Stop::Sink(error) => Some(error),
                    Stop::Pipeline(error) => Some(SinkError::fatal(error)),
                    Stop::Detached | Stop::HandedOver | Stop::Paused => None,
                };
                (Vec::new(), error, true)
            }
        };
        let status = match detached {
            true => SubscriberStatus::Disconnected,
            false => self.subscriber.status(false),
        };
        self.tell(status);
        let (dropped, _) = self.mailbox.left_out();
        SinkEnd { sink: self.name, status, metrics: self.subscriber.metrics(), dropped, files, error }
    }

    /// Finds out where the sink left off.
    fn start(&mut self) -> Result<(), Stop> {
        self.state.cursor = match self.patiently(|sink| sink.resume())? {
            Resume::Kept(cursor) => cursor.unwrap_or_default(),
            Resume::Unknown => {
                let (file, kept) = CursorFile::open(&self.disk, &self.name)?;
                self.state.file = Some(file);
                let kept = kept.and_then(|bytes| Cursor::from_text(&String::from_utf8_lossy(&bytes)));
                kept.unwrap_or_default()
            }
        };
        self.state.routes = self.router.routes().iter().map(|route| route.name.clone()).collect();
        self.state.ahead = self.state.cursor.ahead.clone();
        let added = vec![self.branch.clone()];
        (self.listener)(&Event::SubscriptionChanged { subscriber: self.name.clone(), added, removed: Vec::new() });
        self.tell(self.subscriber.status(false));
        self.again()
    }

    /// Asks the sink until its server is there, or the run has ended and patience with it.
    fn patiently<T>(&mut self, mut ask: impl FnMut(&mut dyn Sink) -> Result<T, SinkError>) -> Result<T, Stop> {
        loop {
            let error = match ask(self.sink.as_mut()) {
                Ok(answer) => {
                    (self.state.away, self.state.away_since) = ((0, 0), None);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let now = (self.now)();
            if error.failure != SinkFailure::Unavailable || self.is_over(now) {
                return Err(Stop::Sink(error));
            }
            self.away(now, &error);
            while self.state.away.1 > (self.now)() && !self.is_over((self.now)()) {
                if let News::Detached = self.rest(20) {
                    return Err(Stop::Detached);
                }
            }
        }
    }

    /// Delivers the dead letters that somebody wants to be tried again.
    fn again(&mut self) -> Result<(), Stop> {
        let letters = crate::store::Letters::read(self.disk.as_ref())?;
        let mine = |(_, letter, again): &(&str, &Letter, bool)| *again && letter.subscriber == self.name;
        for (id, letter, _) in letters.iter().filter(mine) {
            let Some(delta) = super::letter::delivered(letter) else { continue };
            if self.sink.write(&[delta]).is_ok() {
                self.state.again.push(id.to_owned());
                self.state.unflushed += 1;
            }
        }
        Ok(())
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            if self.is_paused() {
                if self.mailbox.is_closed() {
                    return Ok(());
                }
                // Commits stay in the mailbox, which gets full and does what the settings say.
                if let News::Detached = self.rest(20) {
                    return Err(Stop::Detached);
                }
                continue;
            }
            let idle = self.subscriber.is_idle();
            let wait = if idle { Duration::from_secs(1) } else { Duration::from_millis(self.wait_millis()) };
            let news = self.mailbox.next(wait);
            let closed = matches!(news, News::Closed);
            match news {
                News::Commit(commit, loan) => self.take(&commit, loan)?,
                News::Behind => self.catch_up()?,
                News::Detached => return Err(Stop::Detached),
                News::Nothing | News::Closed => {}
            }
            self.pump(if closed { 0 } else { HELD_BYTES })?;
            if closed && self.subscriber.is_idle() {
                return Ok(());
            }
            if closed {
                self.rest(self.wait_millis());
            }
        }
    }

    /// Asks whether it is told to wait, and does so from then on or goes on.
    fn is_paused(&mut self) -> bool {
        let paused = self.controls.is_sink_paused(&self.name);
        if paused != self.subscriber.is_paused() {
            self.subscriber.pause(paused);
            self.tell(self.subscriber.status(false));
        }
        paused
    }

    fn wait_millis(&self) -> u64 {
        let now = (self.now)();
        let due = self.subscriber.deadline().unwrap_or(now + 20).min(now + 20);
        self.state.away.1.max(due).saturating_sub(now).clamp(1, 1_000)
    }

    /// Delivers until no more than so many bytes are held, or the sink is away.
    pub(super) fn pump(&mut self, held_max: u64) -> Result<(), Stop> {
        loop {
            if self.handover.load(Ordering::Relaxed) && self.mailbox.is_closed() {
                return if self.subscriber.is_idle() { Ok(()) } else { Err(Stop::HandedOver) };
            }
            if self.is_paused() {
                self.flush(self.state.unflushed > 0)?;
                match (self.state.held_bytes <= held_max, self.mailbox.is_closed()) {
                    (true, _) => return Ok(()),
                    (false, true) => return Err(Stop::Paused),
                    (false, false) => drop(self.rest(20)),
                }
                continue;
            }
            let now = (self.now)();
            if self.state.away.1 > now {
                if self.state.held_bytes <= held_max || self.is_over(now) {
                    return if self.is_over(now) { Err(Stop::Sink(self.gave_up())) } else { Ok(()) };
                }
                let pause = (self.state.away.1 - now).min(20);
                if let News::Detached = self.rest(pause) {
                    return Err(Stop::Detached);
                }
                continue;
            }
            let (taken, expired) = self.subscriber.poll(if self.state.single > 0 { 1 } else { BATCH }, now);
            self.bury(expired, DeathReason::Expired, "older than its route allows", now)?;
            if taken.is_empty() {
                self.state.held_bytes = if self.subscriber.is_idle() { 0 } else { self.state.held_bytes };
                let full = self.state.held_bytes > held_max && !self.mailbox.is_closed();
                self.flush(self.state.unflushed > 0 && (full || self.mailbox.is_empty()))?;
                if !full {
                    return Ok(());
                }
                // All of it waits behind deltas that are tried again later: more of it would only take memory.
                if let News::Detached = self.rest(self.wait_millis().min(20)) {
                    return Err(Stop::Detached);
                }
                continue;
            }
            self.deliver(&taken, now)?;
            self.flush(self.state.unflushed >= FLUSH_DELTAS || self.sink.is_full())?;
        }
    }

    /// Rests while the sink is away; commits stay in the mailbox, which so gets full and does what the settings say.
    fn rest(&self, millis: u64) -> News {
        self.mailbox.rest(Duration::from_millis(millis))
    }

    fn is_over(&self, now: u64) -> bool {
        let since = self.state.away_since.unwrap_or(now);
        self.mailbox.is_closed() && now.saturating_sub(since) >= self.patience_millis
    }

    fn gave_up(&self) -> SinkError {
        let waiting = self.subscriber.pending();
        SinkError::fatal(format!("it cannot be reached; {waiting} deltas wait for it in the log until the next run"))
    }

    fn deliver(&mut self, taken: &[Receipt], now: u64) -> Result<(), Stop> {
        let deltas: Vec<Delivered> =
            taken.iter().filter_map(|&receipt| Some(self.subscriber.get(receipt)?.item.clone())).collect();
        let bytes: u64 = deltas.iter().map(|d| 2 * d.table().row_bytes() as u64).sum();
        let result = self.metrics.busy("sink", || self.sink.write(&deltas));
        let Err(error) = result else {
            taken.iter().for_each(|&receipt| self.subscriber.ack(receipt));
            self.delivered(&deltas, bytes);
            return Ok(());
        };
        match error.failure {
            SinkFailure::Fatal | SinkFailure::CannotCreate => Err(Stop::Sink(error)),
            SinkFailure::Unavailable => {
                // No fault of the deltas: they are put back without counting the attempt.
                taken.iter().for_each(|&receipt| self.subscriber.put_back(receipt));
                self.away(now, &error);
                Ok(())
            }
            SinkFailure::Refused(which) => self.refused(taken, deltas, &which, &error.message, now),
        }
    }

    fn delivered(&mut self, deltas: &[Delivered], bytes: u64) {
        self.state.held_bytes = self.state.held_bytes.saturating_sub(bytes);
        self.state.unflushed += deltas.len() as u64;
        (self.state.away, self.state.away_since) = ((0, 0), None);
        self.state.single = self.state.single.saturating_sub(deltas.len());
        let latency_millis = deltas.first().map_or(0, |d| (self.now)().saturating_sub(d.millis()));
        let (subscriber, deltas) = (self.name.clone(), deltas.len() as u64);
        (self.listener)(&Event::DeltaDelivered { subscriber, deltas, latency_millis });
    }

    fn away(&mut self, now: u64, error: &SinkError) {
        let failed = self.state.away.0 + 1;
        let wait = (100u64 << failed.min(16)).min(AWAY_MILLIS_MAX);
        self.state.away = (failed, now + wait);
        self.state.away_since.get_or_insert(now);
        let pending = self.subscriber.pending() as u64;
        let waits = if self.mailbox.is_blocking() { "; the pipeline waits for it" } else { "" };
        let (subscriber, reason) = (self.name.clone(), format!("{}{waits}", error.message));
        (self.listener)(&Event::SubscriberBackpressured { subscriber, pending, reason });
        self.tell(SubscriberStatus::Backpressured);
    }

    /// Some deltas were refused, the others were taken.
    fn refused(
        &mut self,
        taken: &[Receipt],
        deltas: Vec<Delivered>,
        which: &[usize],
        message: &str,
        now: u64,
    ) -> Result<(), Stop> {
        // Which of several is at fault is not known yet: they are given again one by one, and this attempt does not count.
        let several = which.len() > 1;
        let (mut dead, mut passed, mut bytes) = (Vec::new(), 0, 0);
        let which: HashSet<usize> = which.iter().copied().collect();
        // A delta must not come behind a later one of its source that was taken.
        let source = |delta: &Delivered| (delta.table().collection.clone(), delta.key().to_owned());
        let last: HashMap<_, usize> = (deltas.iter().enumerate())
            .filter(|(number, _)| !which.contains(number))
            .map(|(number, delta)| (source(delta), number))
            .collect();
        let overtaken =
            |number: usize, delta: &Delivered| last.get(&source(delta)).is_some_and(|&taken| taken > number);
        self.state.single = if several { which.len() } else { self.state.single.saturating_sub(1) };
        for (number, (&receipt, delta)) in taken.iter().zip(deltas).enumerate() {
            if !which.contains(&number) {
                self.subscriber.ack(receipt);
                (passed, bytes) = (passed + 1, bytes + 2 * delta.table().row_bytes() as u64);
            } else if overtaken(number, &delta) {
                self.subscriber.give_up(receipt);
                dead.push(delta);
            } else if several {
                self.subscriber.put_back(receipt);
            } else if self.subscriber.refuse(receipt, now) == Verdict::Dead {
                dead.push(delta);
            }
        }
        self.state.held_bytes = self.state.held_bytes.saturating_sub(bytes);
        self.state.unflushed += passed;
        self.bury(dead, DeathReason::Refused, message, now)
    }

    /// Makes dead letters of deltas.
    fn bury(&mut self, deltas: Vec<Delivered>, reason: DeathReason, message: &str, now: u64) -> Result<(), Stop> {
        if deltas.is_empty() {
            return Ok(());
        }
        let letters = deltas.iter().map(|d| super::letter::of(d, &self.name, reason, message, now)).collect();
        self.letters.put(letters)?;
        let count = deltas.len() as u64;
        let bytes: u64 = deltas.iter().map(|d| 2 * d.table().row_bytes() as u64).sum();
        self.state.held_bytes = self.state.held_bytes.saturating_sub(bytes);
        self.metrics.update(|f| *f.dead_letters.entry(reason.name()).or_default() += count);
        let (subscriber, reason) = (self.name.clone(), reason.name());
        (self.listener)(&Event::DeltaDead { subscriber, deltas: count, reason, message: message.to_owned() });
        Ok(())
    }

    /// Makes what was written durable together with the cursor.
    fn flush(&mut self, wanted: bool) -> Result<(), Stop> {
        if !wanted {
            return Ok(());
        }
        let cursor = self.cursor();
        match self.sink.flush(&cursor) {
            Ok(true) => self.keep(cursor),
            Ok(false) => {
                self.tell(self.subscriber.status(false));
                Ok(())
            }
            Err(error) if error.failure == SinkFailure::Fatal => Err(Stop::Sink(error)),
            // It keeps what was written, and is asked again.
            Err(error) if error.failure == SinkFailure::Unavailable => {
                self.away((self.now)(), &error);
                Ok(())
            }
            // What was written may be lost: the sink must be opened again to know.
            Err(error) => Err(Stop::Sink(SinkError::fatal(error))),
        }
    }

    fn keep(&mut self, cursor: Cursor) -> Result<(), Stop> {
        if let Some(file) = &mut self.state.file {
            file.keep(cursor.to_text().as_bytes())?;
        }
        self.letters.remove(std::mem::take(&mut self.state.again))?;
        let acked = std::mem::take(&mut self.state.unflushed);
        if acked > 0 {
            (self.listener)(&Event::DeltaAcknowledged { subscriber: self.name.clone(), deltas: acked });
        }
        let low = self.subscriber.progress().0;
        self.state.ahead = place::left(&self.state.ahead, &self.state.commits, low).collect();
        self.state.commits = self.state.commits.split_off(&low.commit);
        self.state.cursor = cursor;
        self.tell(SubscriberStatus::Active);
        Ok(())
    }

    /// Says how far the subscriber is, in hashes.
    fn cursor(&self) -> Cursor {
        let State { commits, ahead, cursor, .. } = &self.state;
        place::cursor(self.subscriber.progress(), commits, ahead).unwrap_or_else(|| cursor.clone())
    }

    fn end(&mut self) -> Result<Vec<PathBuf>, Stop> {
        let cursor = self.cursor();
        let files = self.patiently(|sink| sink.close(&cursor))?;
        self.keep(cursor)?;
        Ok(files)
    }

    fn tell(&self, status: SubscriberStatus) {
        let (dropped, spilled) = self.mailbox.left_out();
        let figures = SinkFigures {
            status: status.name(),
            metrics: self.subscriber.metrics(),
            dropped,
            spilled,
            queue_bytes: self.state.held_bytes,
            pending: self.subscriber.pending() as u64,
            holds_up: self.mailbox.is_blocking(),
        };
        self.metrics.update(|f| {
            f.sinks.insert(self.name.clone(), figures);
        });
    }
}
