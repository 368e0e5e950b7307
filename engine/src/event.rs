//! Events: what the rooms tell about their work, for logs, metrics and views.
//!
//! The names are those of the domain's events; deltas are told of batch by batch, with their number.

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A file is being read.
    SourceOpened {
        /// The source or collection.
        source: String,
        /// The file.
        file: String,
        /// How many rows it says it has.
        rows: Option<u64>,
    },
    /// Rows were compared with the mirror and some differ.
    ChangeDetected {
        /// How many rows were compared.
        rows: u64,
        /// How many differ.
        changed: u64,
    },
    /// Deltas were made and captured.
    DeltaCaptured {
        /// How many.
        deltas: u64,
        /// The size of their vectors in bytes.
        bytes: u64,
    },
    /// Rows were the same, or passed over by the policy.
    DeltaFiltered {
        /// How many.
        rows: u64,
    },
    /// A source could not be read on.
    ObserverError {
        /// The source.
        source: String,
        /// What is wrong.
        message: String,
    },
    /// A live source was quiet for the time of a heartbeat.
    Heartbeat {
        /// The source.
        source: String,
    },
    /// Deltas were given to a route.
    DeltaRouted {
        /// The route.
        route: String,
        /// How many.
        deltas: u64,
    },
    /// Deltas fit no route and were left out.
    DeltaUnrouted {
        /// How many.
        deltas: u64,
    },
    /// A window was opened.
    WindowOpened {
        /// The window's name.
        window: String,
    },
    /// A window was closed.
    WindowClosed {
        /// The window's name.
        window: String,
        /// How many deltas it holds.
        deltas: u64,
        /// What closed it.
        reason: &'static str,
    },
    /// Deltas of the same source within a window were composed.
    WindowCompacted {
        /// The window's name.
        window: String,
        /// How many deltas went in.
        before: u64,
        /// How many are left.
        after: u64,
    },
    /// Deltas were applied to the table.
    DeltaApplied {
        /// How many.
        deltas: u64,
    },
    /// A delta failed validation.
    DeltaRejected {
        /// Its source.
        source: String,
        /// Why.
        reason: String,
    },
    /// A mirror was not the state that its commit names, and is rebuilt.
    TargetStateCorrupted {
        /// The collection.
        collection: String,
    },
    /// A window became a commit.
    DeltaVersioned {
        /// The commit's hash.
        commit: String,
        /// The branch.
        branch: String,
        /// How many deltas.
        deltas: u64,
    },
    /// A whole state was written down.
    SnapshotCreated {
        /// The commit's hash.
        commit: String,
        /// Its size in bytes.
        bytes: u64,
    },
}

/// Who is told.
pub type Listener<'a> = &'a (dyn Fn(&Event) + Sync);
