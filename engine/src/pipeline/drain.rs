//! The time that a run has to end after it was asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

/// How often the wish to stop is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Does `work`; calls `overdue` when it goes on for longer than `limit` after `stop` was set.
///
/// Nothing can interrupt a write or a sync, so whoever is called ends the process; the log is made for that.
pub fn with_drain<T>(stop: &AtomicBool, limit: Duration, overdue: &(dyn Fn() + Sync), work: impl FnOnce() -> T) -> T {
    let (finish, finished) = bounded::<()>(0);
    thread::scope(|scope| {
        scope.spawn(move || watch(stop, limit, overdue, &finished));
        let result = work();
        drop(finish);
        result
    })
}

fn watch(stop: &AtomicBool, limit: Duration, overdue: &(dyn Fn() + Sync), finished: &Receiver<()>) {
    let goes_on = |time| finished.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
    while !stop.load(Ordering::Relaxed) {
        if !goes_on(LOOK) {
            return;
        }
    }
    if goes_on(limit) {
        overdue();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn only_work_that_goes_on_after_the_stop_is_overdue() {
        let calls = AtomicU32::new(0);
        let overdue = || {
            calls.fetch_add(1, Ordering::SeqCst);
        };
        let stop = AtomicBool::new(false);
        assert_eq!(with_drain(&stop, Duration::ZERO, &overdue, || 7), 7);
        with_drain(&stop, Duration::MAX, &overdue, || stop.store(true, Ordering::SeqCst));
        assert_eq!(calls.load(Ordering::SeqCst), 0);
        with_drain(&stop, Duration::from_millis(1), &overdue, || {
            while calls.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
        });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}
