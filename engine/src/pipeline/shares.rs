//! Several pipelines in one process, each on a thread of its own.

use std::thread;

/// Does the work of each part on a thread of its own; returns what came of those that came to something, in this order.
///
/// # Panics
/// When the work does.
pub fn on_threads<T: Send, R: Send>(parts: Vec<T>, work: &(dyn Fn(T) -> Option<R> + Sync)) -> Vec<R> {
    thread::scope(|scope| {
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || work(part))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Option<R>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().filter_map(join).collect()
    })
}
