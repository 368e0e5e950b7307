//! Mailboxes: commits on their way to one courier, within the byte budget that all of them share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::delta::{CommitId, DeltaBatches};
use crate::pipeline::link::{Budget, Loan};
use crate::pipeline::turns;
use crate::version::CommitIndex;

/// A commit with its deltas at hand.
#[derive(Debug)]
pub struct Committed {
    /// Its number.
    pub number: CommitIndex,
    /// Its hash.
    pub commit: CommitId,
    /// When it was made, in milliseconds since 1970.
    pub millis: u64,
    /// Its deltas; `None` when they are to be read from the log.
    pub deltas: Option<DeltaBatches>,
    /// What it has of the budget: once, in however many mailboxes it waits.
    loan: Mutex<Option<Arc<Loan>>>,
}

impl Committed {
    /// Makes a commit that has nothing of a budget yet.
    pub fn new(number: CommitIndex, commit: CommitId, millis: u64, deltas: Option<DeltaBatches>) -> Self {
        Self { number, commit, millis, deltas, loan: Mutex::default() }
    }

    fn len(&self) -> u64 {
        self.deltas.as_ref().map_or(0, |deltas| deltas.len() as u64)
    }

    /// Returns the bytes that it holds.
    pub fn bytes(&self) -> u64 {
        self.deltas.as_ref().map_or(0, |deltas| 2 * deltas.bytes() + 256)
    }

    /// Takes its bytes from the budget unless it has them; returns whether they fit.
    fn borrow_from(&self, budget: &Budget) -> bool {
        let mut loan = self.loan.lock().expect("no thread panics with it");
        if loan.is_none() {
            *loan = Loan::take(budget, self.bytes());
        }
        loan.is_some()
    }

    /// Returns what it has of the budget.
    fn loan(&self) -> Option<Arc<Loan>> {
        self.loan.lock().expect("no thread panics with it").clone()
    }
}

/// What happens when more waits for a sink than the budget allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnSlow {
    /// It is read from the log later, which costs nothing but reading.
    #[default]
    Spill,
    /// Everybody waits.
    Block,
    /// The oldest that waits is left out, and counted.
    DropOldest,
    /// The sink is given up until the next run, which goes on at its cursor.
    Detach,
}

/// What a courier finds in its mailbox.
#[derive(Debug)]
pub enum News {
    /// The next commit, and what is to be held as long as any of its deltas is.
    Commit(Arc<Committed>, Arc<Loan>),
    /// Commits that are not in the mailbox are in the log.
    Behind,
    /// The time is over.
    Nothing,
    /// No commit will come any more.
    Closed,
    /// The sink was given up.
    Detached,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(Arc<Committed>, Arc<Loan>)>,
    behind: bool,
    closed: bool,
    detached: bool,
    /// Whether the pipeline waits for room.
    blocking: bool,
    dropped: u64,
    spilled: u64,
}

/// The mailbox of one courier.
pub struct Mailbox {
    on_slow: OnSlow,
    budget: Budget,
    /// Counts what waits here and what the sink is taking.
    own: Budget,
    state: Mutex<State>,
    changed: Condvar,
}

impl Mailbox {
    /// Makes a mailbox whose courier begins by reading the log.
    pub fn new(on_slow: OnSlow, budget: Budget) -> Self {
        let state = State { behind: true, ..State::default() };
        Self { on_slow, budget, own: Budget::new(u64::MAX), state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        turns::lock(&self.state)
    }

    /// Puts a commit in. Only with [`OnSlow::Block`] it may wait, until the run is asked to stop: the log has it.
    pub fn put(&self, commit: &Arc<Committed>, stop: &AtomicBool) {
        let mut state = self.lock();
        loop {
            if state.closed || state.detached {
                return;
            }
            // Behind others that are to be read from the log, it is read from there as well.
            if state.behind && self.on_slow != OnSlow::DropOldest {
                break;
            }
            if commit.deltas.is_none() {
                state.behind = true;
                break;
            }
            // Nobody waits for a sink that is stuck but those who are told to wait for that one: a sink that has all it was
            // given always gets the next one.
            let has_all = self.on_slow == OnSlow::Block && self.own.used() == 0;
            if commit.borrow_from(&self.budget) || has_all {
                self.keep(&mut state, commit);
                break;
            }
            match self.on_slow {
                OnSlow::Spill => {
                    (state.behind, state.spilled) = (true, state.spilled + 1);
                    break;
                }
                OnSlow::Block if stop.load(Ordering::Relaxed) => {
                    (state.behind, state.spilled) = (true, state.spilled + 1);
                    break;
                }
                OnSlow::Block => {
                    state.blocking = true;
                    state = turns::wait(&self.state, &self.changed, state, Duration::from_millis(5)).0;
                }
                OnSlow::DropOldest => match state.waiting.pop_front() {
                    Some((oldest, _)) => state.dropped += oldest.len(),
                    // What the sink is taking, or others, use the budget: the newest waits all the same, so that the sink
                    // does not stay behind once it goes on.
                    None => {
                        self.keep(&mut state, commit);
                        break;
                    }
                },
                OnSlow::Detach => {
                    state.waiting.clear();
                    state.detached = true;
                    break;
                }
            }
        }
        state.blocking = false;
        self.changed.notify_all();
    }

    fn keep(&self, state: &mut State, commit: &Arc<Committed>) {
        let own = Loan::take_anyway(&self.own, commit.bytes(), commit.loan());
        state.waiting.push_back((commit.clone(), own));
    }

    /// Returns whether the pipeline waits for room.
    pub fn is_blocking(&self) -> bool {
        self.lock().blocking
    }

    /// Waits for news, at most this long.
    pub fn next(&self, wait: Duration) -> News {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.detached {
                return News::Detached;
            }
            // What waits was put in before the courier fell behind.
            if let Some((commit, loan)) = state.waiting.pop_front() {
                self.changed.notify_all();
                return News::Commit(commit, loan);
            }
            if state.behind {
                // From here on commits are put in again; those that the log holds too are passed over.
                state.behind = false;
                return News::Behind;
            }
            if state.closed {
                return News::Closed;
            }
            if waited || wait.is_zero() {
                return News::Nothing;
            }
            (state, waited) = turns::wait(&self.state, &self.changed, state, wait);
        }
    }

    /// Waits for a while without taking a commit out.
    pub fn rest(&self, wait: Duration) -> News {
        let state = self.lock();
        if state.detached {
            return News::Detached;
        }
        let (state, _) = turns::wait(&self.state, &self.changed, state, wait);
        if state.detached { News::Detached } else { News::Nothing }
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && !state.behind
    }

    /// Says that no commit will come any more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Gives the sink up.
    pub fn detach(&self) {
        let mut state = self.lock();
        state.waiting.clear();
        state.detached = true;
        self.changed.notify_all();
    }

    /// Returns how many deltas were left out, and how many commits were left to the log.
    pub fn left_out(&self) -> (u64, u64) {
        let state = self.lock();
        (state.dropped, state.spilled)
    }

    /// Returns whether no commit will come any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}
