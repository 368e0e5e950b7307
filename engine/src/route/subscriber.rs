//! A subscriber: what waits for it, what it has taken and not yet confirmed, and how far it is.
//!
//! It is a plain value. Deltas are offered in the order of the log; [`poll`](Subscriber::poll) hands out the most urgent
//! first, but a delta never overtakes an earlier one of its source; [`ack`](Subscriber::ack) and
//! [`nack`](Subscriber::nack) say what became of them. What was taken and is not confirmed in time is handed out again.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashMap;

use super::{Position, Priority, RetryPolicy};

/// So many sources are remembered without a look whether they still matter.
const FEW_SOURCES: usize = 1024;

/// What a delivery promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// Handed out once; lost when whoever took it fails.
    AtMostOnce,
    /// Handed out until it is confirmed; it may come twice.
    #[default]
    AtLeastOnce,
    /// As at-least-once, and whoever writes stores the cursor with what it wrote, so that nothing counts twice.
    ExactlyOnce,
}

impl DeliveryGuarantee {
    /// Returns the word for files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            DeliveryGuarantee::AtMostOnce => "at_most_once",
            DeliveryGuarantee::AtLeastOnce => "at_least_once",
            DeliveryGuarantee::ExactlyOnce => "exactly_once",
        }
    }
}

/// What a subscriber is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriberStatus {
    /// It takes deltas.
    #[default]
    Active,
    /// It was asked to take none.
    Paused,
    /// More waits than it may hold, or a delivery waits to be tried again.
    Backpressured,
    /// It is given up until the next run, which goes on at its cursor.
    Disconnected,
}

impl SubscriberStatus {
    /// Returns the word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            SubscriberStatus::Active => "active",
            SubscriberStatus::Paused => "paused",
            SubscriberStatus::Backpressured => "backpressured",
            SubscriberStatus::Disconnected => "disconnected",
        }
    }
}

/// What a subscriber has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriberMetrics {
    /// Deltas that were offered.
    pub received: u64,
    /// Deltas that were confirmed.
    pub acked: u64,
    /// Deltas that were handed out again.
    pub retried: u64,
    /// Deltas that were given up.
    pub dead: u64,
    /// Deltas that were too old.
    pub expired: u64,
}

/// How a subscriber is served.
#[derive(Clone, Copy, Debug)]
pub struct SubscriberPolicy {
    /// What is promised.
    pub guarantee: DeliveryGuarantee,
    /// What was taken and is not confirmed within this time is handed out again, in milliseconds.
    pub ack_timeout_millis: u64,
    /// How failures are tried again, by priority from low to critical.
    pub retry: [RetryPolicy; 4],
}

impl Default for SubscriberPolicy {
    fn default() -> Self {
        use Priority::{Critical, High, Low, Normal};
        Self {
            guarantee: DeliveryGuarantee::AtLeastOnce,
            ack_timeout_millis: 30_000,
            retry: [Low, Normal, High, Critical].map(RetryPolicy::of),
        }
    }
}

/// One delta as it is offered.
#[derive(Clone, Debug)]
pub struct Offer<T> {
    /// Where it stands; offers rise.
    pub at: Position,
    /// What tells its source from others.
    pub source: u64,
    /// How urgent it is.
    pub priority: Priority,
    /// From when on it is too old.
    pub expires_millis: Option<u64>,
    /// What is handed out.
    pub item: T,
}

/// What tells a delta that was handed out.
pub type Receipt = u64;

/// What becomes of a delta whose delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is handed out again at this time.
    Again(u64),
    /// It is given up: a dead letter.
    Dead,
    /// It was confirmed, or given up, before.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Taken in the poll of this number.
    Taken(u64),
    /// Failed, and waits for its time.
    Later,
    Done,
}

#[derive(Debug)]
struct Entry<T> {
    offer: Offer<T>,
    /// The one before it of its source, when that was not done yet.
    before: Option<Receipt>,
    state: State,
    attempts: u32,
    due: u64,
}

/// What waits of one priority.
#[derive(Debug, Default)]
struct Lane {
    /// What was passed over or came back; all of it is before what is new.
    back: BTreeSet<Receipt>,
    /// What was not looked at yet, in order. What is done meanwhile stays until its turn comes.
    new: VecDeque<Receipt>,
}

/// The last delta of each source, as long as there are any that others must not overtake.
#[derive(Debug, Default)]
struct Sources {
    last: HashMap<u64, Receipt>,
    /// All open deltas before this one are among them.
    known: Receipt,
    /// The commit of the last offer: within one no source comes twice.
    commit: Option<u64>,
}

/// A subscriber of a channel.
#[derive(Debug)]
pub struct Subscriber<T> {
    policy: SubscriberPolicy,
    paused: bool,
    entries: VecDeque<Entry<T>>,
    /// The receipt of the first entry.
    first: Receipt,
    /// How many entries are not done.
    open: usize,
    lanes: [Lane; 4],
    /// Nothing that was taken or failed is to be looked at before this time.
    due: Option<u64>,
    sources: Sources,
    polls: u64,
    seen: Position,
    metrics: SubscriberMetrics,
}

impl<T> Subscriber<T> {
    /// Makes a subscriber for whom nothing waits.
    pub fn new(policy: SubscriberPolicy) -> Self {
        Self {
            policy,
            paused: false,
            entries: VecDeque::new(),
            first: 0,
            open: 0,
            lanes: Default::default(),
            due: None,
            sources: Sources::default(),
            polls: 0,
            seen: Position::default(),
            metrics: SubscriberMetrics::default(),
        }
    }

    /// Takes a delta to be handed out; those of one commit are of different sources.
    pub fn offer(&mut self, offer: Offer<T>) {
        let receipt = self.first + self.entries.len() as u64;
        self.seen = Position { row: offer.at.row + 1, ..offer.at };
        self.metrics.received += 1;
        if self.sources.commit != Some(offer.at.commit) {
            self.sources.commit = Some(offer.at.commit);
            self.know_sources(receipt);
        }
        // Mostly everything before this commit is done, and nobody has to be looked for.
        let before = if self.sources.last.is_empty() { None } else { self.sources.last.get(&offer.source).copied() };
        self.lanes[offer.priority as usize].new.push_back(receipt);
        self.entries.push_back(Entry { offer, before, state: State::Waiting, attempts: 0, due: 0 });
        self.open += 1;
    }

    /// Notes the source of every delta before this one that is not done.
    fn know_sources(&mut self, until: Receipt) {
        let Sources { last, known, .. } = &mut self.sources;
        if self.open == 0 {
            last.clear();
        } else {
            // Those that are done take up room until they are the greater part.
            if last.len() > 2 * self.open + FEW_SOURCES {
                last.clear();
                *known = 0;
            }
            let from = known.saturating_sub(self.first) as usize;
            for (entry, receipt) in self.entries.iter().zip(self.first..).skip(from) {
                if entry.state != State::Done {
                    last.insert(entry.offer.source, receipt);
                }
            }
        }
        *known = until;
    }

    /// Notes that everything before a place was offered, or is not for this subscriber.
    pub fn seen(&mut self, at: Position) {
        self.seen = self.seen.max(at);
    }

    /// Hands out up to `max` deltas, and returns those that are too old beside them; both are in order.
    ///
    /// Within a priority the order is that of the offers. Those that are too old count as done.
    pub fn poll(&mut self, max: usize, now: u64) -> (Vec<Receipt>, Vec<T>)
    where
        T: Clone,
    {
        self.wake(now);
        let (mut taken, mut expired) = (Vec::new(), Vec::new());
        if self.paused {
            return (taken, expired);
        }
        self.polls += 1;
        let poll = self.polls;
        for priority in Priority::DESCENDING {
            let mut next = self.first;
            // What may not be taken yet is passed over, however much it is: others need not wait for it.
            while taken.len() < max {
                let lane = &mut self.lanes[priority as usize];
                let receipt = match lane.back.range(next..).next() {
                    Some(&receipt) => receipt,
                    None => match lane.new.pop_front() {
                        Some(receipt) => receipt,
                        None => break,
                    },
                };
                next = receipt + 1;
                let may = self.is_waiting(receipt).then(|| self.may_be_taken((receipt - self.first) as usize, poll));
                let lane = &mut self.lanes[priority as usize];
                match may {
                    Some(false) => drop(lane.back.insert(receipt)),
                    None => drop(lane.back.remove(&receipt)),
                    Some(true) => {
                        lane.back.remove(&receipt);
                        match self.take((receipt - self.first) as usize, poll, now) {
                            None => taken.push(receipt),
                            Some(old) => expired.push(old),
                        }
                    }
                }
            }
        }
        if self.policy.guarantee == DeliveryGuarantee::AtMostOnce {
            // Nothing is asked about it again. It stays readable until the next call.
            taken.iter().for_each(|&receipt| self.settle(receipt));
        } else if !taken.is_empty() {
            self.look_again(now.saturating_add(self.policy.ack_timeout_millis));
        }
        (taken, expired)
    }

    /// Hands an entry out, or returns it as too old.
    fn take(&mut self, at: usize, poll: u64, now: u64) -> Option<T>
    where
        T: Clone,
    {
        let entry = &mut self.entries[at];
        if entry.offer.expires_millis.is_some_and(|end| now >= end) {
            self.metrics.expired += 1;
            let old = entry.offer.item.clone();
            self.settle(self.first + at as u64);
            return Some(old);
        }
        self.metrics.retried += u64::from(entry.attempts > 0);
        entry.attempts += 1;
        entry.state = State::Taken(poll);
        entry.due = now.saturating_add(self.policy.ack_timeout_millis);
        None
    }

    /// Every earlier delta of the source must be done, or be handed out in the same poll, before it.
    fn may_be_taken(&self, at: usize, poll: u64) -> bool {
        let mut before = self.entries[at].before;
        while let Some(entry) = before.and_then(|before| self.entry(before)) {
            match entry.state {
                State::Done => before = entry.before,
                State::Taken(number) => return number == poll,
                State::Waiting | State::Later => return false,
            }
        }
        true
    }

    /// Returns what is known of a delta that is not forgotten yet.
    fn entry(&self, receipt: Receipt) -> Option<&Entry<T>> {
        self.entries.get(usize::try_from(receipt.checked_sub(self.first)?).ok()?)
    }

    /// Returns a delta that was handed out and is not done.
    pub fn get(&self, receipt: Receipt) -> Option<&Offer<T>> {
        self.entry(receipt).map(|entry| &entry.offer)
    }

    /// Confirms a delta; what was confirmed before stays so.
    pub fn ack(&mut self, receipt: Receipt) {
        if self.is_open(receipt) {
            self.metrics.acked += 1;
            self.settle(receipt);
        }
    }

    /// Says that a delivery failed; decides whether it is tried again.
    pub fn nack(&mut self, receipt: Receipt, now: u64) -> Verdict {
        self.fail(receipt, now, false)
    }

    /// Says that a delta itself is refused while others pass: a poison pill is given up even when retries have no end.
    pub fn refuse(&mut self, receipt: Receipt, now: u64) -> Verdict {
        self.fail(receipt, now, true)
    }

    /// Puts a delta back that was handed out, as if it had not been: whoever took it was away, which is no fault of it.
    pub fn put_back(&mut self, receipt: Receipt) {
        if self.is_open(receipt) {
            let entry = &mut self.entries[(receipt - self.first) as usize];
            entry.attempts = entry.attempts.saturating_sub(1);
            self.wait_again(receipt);
        }
    }

    fn wait_again(&mut self, receipt: Receipt) {
        let entry = &mut self.entries[(receipt - self.first) as usize];
        entry.state = State::Waiting;
        self.lanes[entry.offer.priority as usize].back.insert(receipt);
    }

    /// Gives a delta up at once: it must not be handed out again.
    pub fn give_up(&mut self, receipt: Receipt) {
        if self.is_open(receipt) {
            self.metrics.dead += 1;
            self.settle(receipt);
        }
    }

    fn fail(&mut self, receipt: Receipt, now: u64, poison: bool) -> Verdict {
        if !self.is_open(receipt) {
            return Verdict::Done;
        }
        let entry = &mut self.entries[(receipt - self.first) as usize];
        let retry = &self.policy.retry[entry.offer.priority as usize];
        let wait = retry.wait(entry.attempts).filter(|_| !poison || entry.attempts < retry.poison_attempts);
        let Some(wait) = wait else {
            self.metrics.dead += 1;
            self.settle(receipt);
            return Verdict::Dead;
        };
        let due = now.saturating_add(wait);
        (entry.state, entry.due) = (State::Later, due);
        self.look_again(due);
        Verdict::Again(due)
    }

    fn look_again(&mut self, due: u64) {
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// Puts back what was not confirmed in time, and what waited after a failure.
    fn wake(&mut self, now: u64) {
        self.drop_done();
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let waits = |entry: &Entry<T>| matches!(entry.state, State::Taken(_) | State::Later);
        let late = |(entry, receipt): (&Entry<T>, Receipt)| (waits(entry) && entry.due <= now).then_some(receipt);
        let late: Vec<Receipt> = self.entries.iter().zip(self.first..).filter_map(late).collect();
        late.into_iter().for_each(|receipt| self.wait_again(receipt));
        self.due = self.deadline();
    }

    fn is_open(&self, receipt: Receipt) -> bool {
        self.entry(receipt).is_some_and(|entry| entry.state != State::Done)
    }

    fn is_waiting(&self, receipt: Receipt) -> bool {
        self.entry(receipt).is_some_and(|entry| entry.state == State::Waiting)
    }

    fn settle(&mut self, receipt: Receipt) {
        let entry = &mut self.entries[(receipt - self.first) as usize];
        self.open -= usize::from(entry.state != State::Done);
        entry.state = State::Done;
    }

    /// Forgets what is done, as far as nothing before it is open.
    fn drop_done(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.state == State::Done) {
            self.entries.pop_front();
            self.first += 1;
        }
        for lane in &mut self.lanes {
            while lane.new.front().is_some_and(|&receipt| receipt < self.first) {
                lane.new.pop_front();
            }
            while lane.back.first().is_some_and(|&receipt| receipt < self.first) {
                lane.back.pop_first();
            }
        }
    }

    /// Drops the oldest deltas that were not handed out, so many of them; returns how many were there.
    pub fn drop_oldest(&mut self, count: usize) -> usize {
        let waiting: Vec<Receipt> = (0..self.entries.len())
            .filter(|&at| self.entries[at].state == State::Waiting)
            .take(count)
            .map(|at| self.first + at as u64)
            .collect();
        waiting.iter().for_each(|&receipt| self.settle(receipt));
        self.drop_done();
        waiting.len()
    }

    /// Stops handing out, or goes on.
    pub fn pause(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Returns whether it hands out nothing.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Returns what it is doing; `full` says whether more waits than may.
    pub fn status(&self, full: bool) -> SubscriberStatus {
        let failed = || self.due.is_some() && self.entries.iter().any(|entry| entry.state == State::Later);
        match (self.paused, full || failed()) {
            (true, _) => SubscriberStatus::Paused,
            (false, true) => SubscriberStatus::Backpressured,
            (false, false) => SubscriberStatus::Active,
        }
    }

    /// Returns when something is to be handed out again.
    pub fn deadline(&self) -> Option<u64> {
        self.due?;
        let waits = |entry: &&Entry<T>| matches!(entry.state, State::Taken(_) | State::Later);
        self.entries.iter().filter(waits).map(|entry| entry.due).min()
    }

    /// Returns how many deltas are not done.
    pub fn pending(&self) -> usize {
        self.open
    }

    /// Returns whether everything that was offered is done.
    pub fn is_idle(&self) -> bool {
        self.open == 0
    }

    /// Returns how far it is: everything before the first place is done, and so are the places in the list.
    pub fn progress(&self) -> (Position, Vec<Position>) {
        let open = self.entries.iter().position(|entry| entry.state != State::Done);
        let Some(open) = open else { return (self.seen, Vec::new()) };
        let ahead = self.entries.iter().skip(open).filter(|entry| entry.state == State::Done);
        (self.entries[open].offer.at, ahead.map(|entry| entry.offer.at).collect())
    }

    /// Returns what it has seen.
    pub fn metrics(&self) -> SubscriberMetrics {
        self.metrics
    }
}
