//! Who goes on next: the system, or somebody with a seed who wants to see every order of things.
//!
//! The threads of a run wait for each other only through this file. Where a [`Turns`] is set ([`with_turns`]), one thread goes
//! on at a time, and at every place where it might wait, and some others, that one says who is next: a run that ends, or
//! does not, ends so again with the same choices.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, TrySendError, never, select};

/// Who says which thread goes on.
pub trait Turns: Send + Sync {
    /// A thread of this name is about to begin; returns its number.
    fn enter(&self, name: &str) -> usize;
    /// Returns when it is the turn of this thread, which has just begun.
    fn begin(&self, number: usize);
    /// Lets another thread go on; returns when it is this one's turn again, with whether a wait is over by time.
    fn pause(&self, number: usize) -> bool;
    /// The thread ends.
    fn leave(&self, number: usize);
    /// Returns whether a thread has ended.
    fn has_left(&self, number: usize) -> bool;
}

/// A thread's place among the others; it leaves when this is dropped, as it does when it panics.
struct Seat {
    turns: Arc<dyn Turns>,
    number: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.turns.leave(self.number);
    }
}

thread_local! {
    static SEAT: RefCell<Option<Seat>> = const { RefCell::new(None) };
}

/// Does `work`, and whatever it starts, in the order that `turns` says.
pub fn with_turns<T>(turns: Arc<dyn Turns>, work: impl FnOnce() -> T) -> T {
    let number = turns.enter("caller");
    take_seat(Some((turns, number)), work)
}

fn take_seat<T>(seat: Option<(Arc<dyn Turns>, usize)>, work: impl FnOnce() -> T) -> T {
    let Some((turns, number)) = seat else { return work() };
    turns.begin(number);
    SEAT.replace(Some(Seat { turns, number }));
    let _leave = Leave;
    work()
}

/// Gives the seat of this thread up.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        drop(SEAT.take());
    }
}

/// Lets others go on, where somebody says who; returns `None` where the system does, or whether a wait is over by time.
fn pause() -> Option<bool> {
    let seat = SEAT.with_borrow(|seat| seat.as_ref().map(|seat| (seat.turns.clone(), seat.number)));
    seat.map(|(turns, number)| turns.pause(number))
}

/// A thread that was started.
pub struct Started<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    seat: Option<(Arc<dyn Turns>, usize)>,
}

/// Starts a thread.
pub fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Started<'scope, T> {
    let turns = SEAT.with_borrow(|seat| seat.as_ref().map(|seat| seat.turns.clone()));
    let seat = turns.map(|turns| (turns.clone(), turns.enter(name)));
    let own = seat.clone();
    // The system cuts names at 15 bytes.
    let thread = thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, move || take_seat(own, work));
    Started { thread: thread.expect("the system has room for a thread"), seat }
}

impl<T> Started<'_, T> {
    /// Waits for the end of the thread.
    ///
    /// # Errors
    /// What it panicked with.
    pub fn join(self) -> thread::Result<T> {
        if let Some((turns, number)) = &self.seat {
            while !turns.has_left(*number) && pause().is_some() {}
        }
        self.thread.join()
    }
}

/// Sends; returns whether somebody listens.
pub fn send<T>(to: &Sender<T>, mut item: T) -> bool {
    while pause().is_some() {
        match to.try_send(item) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => item = back,
        }
    }
    to.send(item).is_ok()
}

/// Receives; `None` when nobody sends any more.
pub fn receive<T>(from: &Receiver<T>) -> Option<T> {
    while pause().is_some() {
        match from.try_recv() {
            Ok(item) => return Some(item),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
    }
    from.recv().ok()
}

/// Receives, but does not wait longer than this.
pub fn receive_timeout<T>(from: &Receiver<T>, longest: Duration) -> Result<T, RecvTimeoutError> {
    while let Some(over) = pause() {
        match from.try_recv() {
            Ok(item) => return Ok(item),
            Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) if over => return Err(RecvTimeoutError::Timeout),
            Err(TryRecvError::Empty) => {}
        }
    }
    from.recv_timeout(longest)
}

/// What came first of two.
pub enum Either<L, R> {
    /// The left one.
    Left(L),
    /// The right one.
    Right(R),
}

/// Receives from either of two channels, from the right one where both have something; does not wait longer than this.
pub fn receive_either<L, R>(
    left: &Receiver<L>,
    right: &Receiver<R>,
    longest: Option<Duration>,
) -> Result<Either<L, R>, RecvTimeoutError> {
    let now = || match (right.try_recv(), left) {
        (Ok(item), _) => Some(Ok(Either::Right(item))),
        (Err(TryRecvError::Disconnected), _) => Some(Err(RecvTimeoutError::Disconnected)),
        (Err(TryRecvError::Empty), left) => match left.try_recv() {
            Ok(item) => Some(Ok(Either::Left(item))),
            Err(TryRecvError::Disconnected) => Some(Err(RecvTimeoutError::Disconnected)),
            Err(TryRecvError::Empty) => None,
        },
    };
    while let Some(over) = pause() {
        match now() {
            Some(found) => return found,
            None if over && longest.is_some() => return Err(RecvTimeoutError::Timeout),
            None => {}
        }
    }
    if let Some(found) = now() {
        return found;
    }
    let ended = |_| RecvTimeoutError::Disconnected;
    let late = longest.map_or_else(never, crossbeam_channel::after);
    select! {
        recv(right) -> item => item.map(Either::Right).map_err(ended),
        recv(left) -> item => item.map(Either::Left).map_err(ended),
        recv(late) -> _ => Err(RecvTimeoutError::Timeout),
    }
}

/// Waits for a change, but not longer than this; returns whether the time is over.
pub fn wait<'m, T>(
    mutex: &'m Mutex<T>,
    changed: &Condvar,
    guard: MutexGuard<'m, T>,
    longest: Duration,
) -> (MutexGuard<'m, T>, bool) {
    if is_set() {
        drop(guard);
        let over = pause().unwrap_or(true);
        return (lock(mutex), over);
    }
    let (guard, waited) = changed.wait_timeout(guard, longest).expect("no thread panics with it");
    (guard, waited.timed_out())
}

/// Sleeps; where somebody says who is next, no time passes.
pub fn sleep(time: Duration) {
    if pause().is_none() {
        thread::sleep(time);
    }
}

/// Locks something that may be held for long.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    loop {
        match mutex.try_lock() {
            Ok(guard) => return guard,
            Err(TryLockError::WouldBlock) if pause().is_some() => {}
            Err(_) => return mutex.lock().expect("no thread panics with it"),
        }
    }
}

fn is_set() -> bool {
    SEAT.with_borrow(Option::is_some)
}
