//! Sources and sinks that are told to wait, and to go on, from outside of the run.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// Why a source waits that was told to.
pub const TOLD_TO_WAIT: &str = "it was told to wait";

/// Who is to wait, by name; shared by a run and whoever steers it.
///
/// A source that waits is not read on: what feeds it waits too. What is for a sink that waits stays in the log, and the run
/// ends without it: the next one goes on at its cursor.
#[derive(Debug, Default)]
pub struct Controls {
    sources: Mutex<BTreeSet<String>>,
    sinks: Mutex<BTreeSet<String>>,
}

impl Controls {
    /// Lets a source wait, or go on.
    pub fn pause_source(&self, name: &str, paused: bool) {
        set(&self.sources, name, paused);
    }

    /// Lets a sink wait, or go on.
    pub fn pause_sink(&self, name: &str, paused: bool) {
        set(&self.sinks, name, paused);
    }

    /// Returns whether a source is to wait.
    pub fn is_source_paused(&self, name: &str) -> bool {
        lock(&self.sources).contains(name)
    }

    /// Returns whether a sink is to wait, itself or as the part for one collection (`lake:products`) of one that is.
    pub fn is_sink_paused(&self, name: &str) -> bool {
        let whole = name.split(':').next().unwrap_or(name);
        let sinks = lock(&self.sinks);
        sinks.contains(name) || sinks.contains(whole)
    }
}

fn set(names: &Mutex<BTreeSet<String>>, name: &str, paused: bool) {
    if paused {
        lock(names).insert(name.to_owned());
    } else {
        lock(names).remove(name);
    }
}

fn lock(names: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    names.lock().expect("no thread panics with it")
}
