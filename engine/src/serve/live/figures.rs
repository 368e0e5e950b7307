//! What is counted of a run, from its events.

use std::collections::BTreeMap;

use crate::event::Event;

/// All counters of a run.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// By source.
    pub sources: BTreeMap<String, SourceTotals>,
    /// Deltas by route.
    pub routes: BTreeMap<String, u64>,
    /// Deltas that no route took.
    pub unrouted: u64,
    /// By window.
    pub windows: BTreeMap<String, WindowTotals>,
    /// Deltas that were applied.
    pub applied: u64,
    /// Deltas that were refused.
    pub rejected: u64,
    /// Deltas that did not continue the state of their target: skipped, and merged.
    pub conflicts: (u64, u64),
    /// Mirrors that were found damaged and made anew.
    pub corrupted: u64,
    /// Commits, and the deltas in them.
    pub commits: (u64, u64),
    /// The newest commit.
    pub newest: Option<String>,
    /// Bytes of vectors that were encoded, and what they became.
    pub encoded: (u64, u64),
    /// Snapshots that were written.
    pub snapshots: u64,
}

/// What a source has brought.
#[derive(Clone, Debug, Default)]
pub struct SourceTotals {
    /// What it reads now.
    pub file: String,
    /// How it stands: active, paused or error.
    pub status: &'static str,
    /// Why, if it is not active.
    pub problem: String,
    /// Rows that were compared.
    pub rows: u64,
    /// Deltas that were captured.
    pub captured: u64,
    /// The size of their vectors in bytes.
    pub bytes: u64,
    /// Rows that made none.
    pub filtered: u64,
    /// The largest Euclidean length among the deltas.
    pub l2_max: f64,
}

/// What happened to a window.
#[derive(Clone, Debug, Default)]
pub struct WindowTotals {
    /// Whether it holds deltas.
    pub open: bool,
    /// How often it was closed, by what closed it.
    pub closed: BTreeMap<&'static str, u64>,
    /// Deltas that left it.
    pub deltas: u64,
    /// Deltas that were composed with others of their source.
    pub composed: u64,
}

impl Totals {
    /// Counts an event.
    pub fn count(&mut self, event: &Event) {
        match event {
            Event::SourceOpened { source, file, .. } => {
                let own = self.source(source);
                (own.file, own.status) = (file.clone(), "active");
            }
            Event::ChangeDetected { source, rows, .. } => self.source(source).rows += rows,
            Event::DeltaExtracted { source, l2_max, .. } => {
                let own = self.source(source);
                own.l2_max = own.l2_max.max(*l2_max);
            }
            Event::DeltaCaptured { source, deltas, bytes } => {
                let own = self.source(source);
                (own.captured, own.bytes) = (own.captured + deltas, own.bytes + bytes);
            }
            Event::DeltaFiltered { source, rows } => self.source(source).filtered += rows,
            Event::ObserverError { source, message } => {
                let own = self.source(source);
                (own.status, own.problem) = ("error", message.clone());
            }
            Event::ObserverPaused { source, reason } => {
                let own = self.source(source);
                (own.status, own.problem) = ("paused", (*reason).to_owned());
            }
            Event::DeltaRouted { route, deltas } => *self.routes.entry(route.clone()).or_default() += deltas,
            Event::DeltaUnrouted { deltas } => self.unrouted += deltas,
            Event::WindowOpened { window, .. } => self.window(window).open = true,
            Event::WindowClosed { window, deltas, reason } => {
                let own = self.window(window);
                own.open = false;
                own.deltas += deltas;
                *own.closed.entry(reason).or_default() += 1;
            }
            Event::WindowCompacted { window, before, after } => {
                self.window(window).composed += before.saturating_sub(*after);
            }
            Event::DeltaApplied { deltas, .. } => self.applied += deltas,
            Event::DeltaRejected { .. } => self.rejected += 1,
            Event::DeltaConflictDetected { .. } => self.conflicts.0 += 1,
            Event::DeltaMerged { .. } => self.conflicts.1 += 1,
            Event::TargetStateCorrupted { .. } => self.corrupted += 1,
            Event::BatchCompressed { original_bytes, compressed_bytes } => {
                self.encoded = (self.encoded.0 + original_bytes, self.encoded.1 + compressed_bytes);
            }
            Event::DeltaVersioned { deltas, commit, .. } => {
                self.commits = (self.commits.0 + 1, self.commits.1 + deltas);
                self.newest = Some(commit.clone());
            }
            Event::SnapshotCreated { .. } => self.snapshots += 1,
            _ => {}
        }
    }

    /// Says that there is a source, which may not have begun.
    pub fn expect(&mut self, name: &str) {
        self.source(name);
    }

    fn source(&mut self, name: &str) -> &mut SourceTotals {
        if !self.sources.contains_key(name) {
            self.sources.insert(name.to_owned(), SourceTotals { status: "active", ..SourceTotals::default() });
        }
        self.sources.get_mut(name).expect("it was put there")
    }

    fn window(&mut self, name: &str) -> &mut WindowTotals {
        self.windows.entry(name.to_owned()).or_default()
    }

    /// Returns what went through each stage: its name, how much, and of what.
    pub fn stages(&self) -> [(&'static str, u64, &'static str); 6] {
        let sum = |of: fn(&SourceTotals) -> u64| self.sources.values().map(of).sum();
        [
            ("read", sum(|s| s.rows), "rows"),
            ("capture", sum(|s| s.captured), "deltas"),
            ("route", self.routes.values().sum(), "deltas"),
            ("window", self.windows.values().map(|w| w.deltas).sum(), "deltas"),
            ("apply", self.applied, "deltas"),
            ("version", self.commits.1, "deltas"),
        ]
    }
}
