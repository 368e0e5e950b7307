//! Links between stages: bounded channels that also count the bytes on their way.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::turns::{self, Either};

/// How many batches may wait in a link.
const BATCHES: usize = 64;

/// How long a wait is before it looks again.
const LONGEST: Duration = Duration::from_secs(60);

/// A byte budget that several links may share.
#[derive(Clone, Debug)]
pub struct Budget(Arc<(Mutex<u64>, Condvar, u64)>);

impl Budget {
    /// Makes a budget of so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        Self(Arc::new((Mutex::new(0), Condvar::new(), bytes_max)))
    }

    /// Waits until the bytes fit; one batch always does, however large.
    fn take(&self, bytes: u64) {
        let (count, freed, max) = &*self.0;
        let mut used = turns::lock(count);
        while *used > 0 && *used + bytes > *max {
            used = turns::wait(count, freed, used, LONGEST).0;
        }
        *used += bytes;
    }

    /// Takes the bytes if they fit now.
    pub fn try_take(&self, bytes: u64) -> bool {
        let (used, _, max) = &*self.0;
        let mut used = used.lock().expect("no thread panics with it");
        let fits = *used == 0 || *used + bytes <= *max;
        *used += if fits { bytes } else { 0 };
        fits
    }

    /// Returns how many bytes are taken.
    pub fn used(&self) -> u64 {
        *self.0.0.lock().expect("no thread panics with it")
    }

    /// Gives bytes back.
    pub fn give(&self, bytes: u64) {
        let (used, freed, _) = &*self.0;
        *used.lock().expect("no thread panics with it") -= bytes;
        freed.notify_all();
    }
}

/// Bytes that were taken from a budget, and are given back when nobody holds the loan any more.
#[derive(Debug)]
pub struct Loan {
    bytes: u64,
    budget: Budget,
    /// One that is held as long as this one.
    _with: Option<Arc<Loan>>,
}

impl Loan {
    /// Takes the bytes if they fit now.
    pub fn take(budget: &Budget, bytes: u64) -> Option<Arc<Self>> {
        budget.try_take(bytes).then(|| Arc::new(Self { bytes, budget: budget.clone(), _with: None }))
    }

    /// Takes the bytes whether they fit or not, and holds another loan along with them.
    pub fn take_anyway(budget: &Budget, bytes: u64, with: Option<Arc<Self>>) -> Arc<Self> {
        *budget.0.0.lock().expect("no thread panics with it") += bytes;
        Arc::new(Self { bytes, budget: budget.clone(), _with: with })
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

/// Something on its way; its bytes are given back when it is dropped.
pub struct Loaded<T> {
    item: Option<T>,
    bytes: u64,
    budget: Budget,
}

impl<T> Loaded<T> {
    /// Takes the item out; its bytes no longer count.
    pub fn into_inner(mut self) -> T {
        self.item.take().expect("it is taken once")
    }
}

impl<T> Drop for Loaded<T> {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}

/// The sending end.
pub struct Outlet<T> {
    sender: Sender<Loaded<T>>,
    budget: Budget,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), budget: self.budget.clone() }
    }
}

/// The receiving end.
pub struct Inlet<T>(Receiver<Loaded<T>>);

/// Makes a link.
pub fn link<T>(budget: &Budget) -> (Outlet<T>, Inlet<T>) {
    let (sender, receiver) = bounded(BATCHES);
    let budget = budget.clone();
    (Outlet { sender, budget }, Inlet(receiver))
}

impl<T> Outlet<T> {
    /// Sends an item of a size; returns `false` when nobody listens any more.
    pub fn send(&self, item: T, bytes: u64) -> bool {
        self.budget.take(bytes);
        let loaded = Loaded { item: Some(item), bytes, budget: self.budget.clone() };
        turns::send(&self.sender, loaded)
    }
}

impl<T> Inlet<T> {
    /// Waits for the next item; `None` at the end.
    pub fn receive(&self) -> Option<Loaded<T>> {
        turns::receive(&self.0)
    }

    /// Waits for the next item, but not longer than this.
    ///
    /// # Errors
    /// When the time is over, or at the end.
    pub fn receive_within(&self, longest: Option<Duration>) -> Result<Loaded<T>, RecvTimeoutError> {
        match longest {
            Some(longest) => turns::receive_timeout(&self.0, longest),
            None => turns::receive(&self.0).ok_or(RecvTimeoutError::Disconnected),
        }
    }

    /// Waits for the next item or for one of another channel, which comes first where both are there.
    ///
    /// # Errors
    /// When the time is over, or at the end of either.
    pub fn receive_or<U>(
        &self,
        other: &Receiver<U>,
        longest: Option<Duration>,
    ) -> Result<Either<Loaded<T>, U>, RecvTimeoutError> {
        turns::receive_either(&self.0, other, longest)
    }
}
