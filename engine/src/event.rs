//! Events: what the rooms tell about their work, for logs, metrics and views.
//!
//! The names are those of the domain's events. Where one event a delta would cost more than the work, a whole batch is
//! told of with its number. `docs/events.md` says when each is told.

use serde_json::{Map, Value, json};

use crate::apply::{Application, ApplicationStatus};
use crate::delta::{DeltaId, Source};

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        /// Something that happened.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $name { $($(#[$field_doc])* $field: $type,)* },)*
        }

        impl Event {
            /// The names of all events.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Returns the event's name.
            pub const fn name(&self) -> &'static str {
                match self { $(Event::$name { .. } => stringify!($name),)* }
            }

            /// Returns the event's fields; a number that is not finite is null.
            pub fn fields(&self) -> Map<String, Value> {
                match self {
                    $(Event::$name { $($field),* } => [$((stringify!($field).to_owned(), json!($field))),*].into_iter().collect(),)*
                }
            }
        }
    };
}

events! {
    /// A file, or standard input, is being read.
    SourceOpened {
        /// The source.
        source: String,
        /// The file.
        file: String,
        /// How many rows it says it has.
        rows: Option<u64>,
    }
    /// Rows were compared with the mirror and some differ.
    ChangeDetected {
        /// The source.
        source: String,
        /// How many rows were compared.
        rows: u64,
        /// How many differ, and are taken by the policy.
        changed: u64,
    }
    /// Deltas were computed from changes.
    DeltaExtracted {
        /// The source.
        source: String,
        /// How many.
        deltas: u64,
        /// The largest Euclidean length among them.
        l2_max: f64,
    }
    /// Deltas were captured.
    DeltaCaptured {
        /// The source.
        source: String,
        /// How many.
        deltas: u64,
        /// The size of their vectors in bytes.
        bytes: u64,
    }
    /// Rows were the same, or passed over by the policy.
    DeltaFiltered {
        /// The source.
        source: String,
        /// How many.
        rows: u64,
    }
    /// Captured deltas went on to be applied.
    CaptureBufferFlushed {
        /// The window.
        window: String,
        /// How many deltas.
        deltas: u64,
        /// The size of their vectors in bytes.
        bytes: u64,
    }
    /// A source could not be read or captured further.
    ObserverError {
        /// The source.
        source: String,
        /// What is wrong.
        message: String,
    }
    /// A source waits because it was told to, or was left before its end.
    ObserverPaused {
        /// The source.
        source: String,
        /// Why.
        reason: &'static str,
    }
    /// The pipeline file was read again, and the run goes on with it.
    PipelineReloaded {
        /// The pipeline.
        pipeline: String,
    }
    /// The pipeline file was read again and does not fit: the run goes on as it was.
    PipelineReloadRefused {
        /// Why.
        reasons: Vec<String>,
    }
    /// A window gathers the deltas of a source by other rules than before, or another one does.
    AggregationPolicyChanged {
        /// The source.
        source: String,
        /// The window.
        window: String,
        /// What closed it before; null where it did not gather them.
        old_policy: Option<String>,
        /// What closes it from now on; null where it no longer gathers them.
        new_policy: Option<String>,
    }
    /// A live source was quiet for the time of a heartbeat.
    Heartbeat {
        /// The source.
        source: String,
    }
    /// Deltas were given to a route.
    DeltaRouted {
        /// The route.
        route: String,
        /// How many.
        deltas: u64,
    }
    /// Deltas fit no route and were left out.
    DeltaUnrouted {
        /// How many.
        deltas: u64,
    }
    /// Deltas of a commit wait for a subscriber.
    DeltaPublished {
        /// The channel: the branch.
        channel: String,
        /// The subscriber.
        subscriber: String,
        /// How many.
        deltas: u64,
    }
    /// A subscriber took deltas.
    DeltaDelivered {
        /// The subscriber.
        subscriber: String,
        /// How many.
        deltas: u64,
        /// The time since the commit of the first of them.
        latency_millis: u64,
    }
    /// A subscriber has deltas for good.
    DeltaAcknowledged {
        /// The subscriber.
        subscriber: String,
        /// How many.
        deltas: u64,
    }
    /// Deltas, or rows that were none yet, were given up: they are dead letters now.
    DeltaDead {
        /// The subscriber, or the source of rows.
        subscriber: String,
        /// How many.
        deltas: u64,
        /// Why, in a word.
        reason: &'static str,
        /// Why, for people.
        message: String,
    }
    /// A subscriber cannot take what waits for it.
    SubscriberBackpressured {
        /// The subscriber.
        subscriber: String,
        /// How many deltas wait.
        pending: u64,
        /// Why.
        reason: String,
    }
    /// A branch became a channel that subscribers read.
    ChannelCreated {
        /// The channel: the branch.
        channel: String,
        /// The strongest promise among its subscribers.
        guarantee: &'static str,
    }
    /// A subscriber reads other channels than before.
    SubscriptionChanged {
        /// The subscriber.
        subscriber: String,
        /// Channels that it reads from now on.
        added: Vec<String>,
        /// Channels that it no longer reads.
        removed: Vec<String>,
    }
    /// A window was opened.
    WindowOpened {
        /// The window.
        window: String,
        /// The collection.
        collection: String,
    }
    /// A window was closed.
    WindowClosed {
        /// The window.
        window: String,
        /// How many deltas it holds.
        deltas: u64,
        /// What closed it.
        reason: &'static str,
    }
    /// Deltas of the same source within a window were composed.
    WindowCompacted {
        /// The window.
        window: String,
        /// How many deltas went in.
        before: u64,
        /// How many are left.
        after: u64,
    }
    /// The deltas of a commit were put together.
    BatchCreated {
        /// How many deltas.
        deltas: u64,
        /// The root of the table after them, which is its checksum.
        state_root: String,
        /// Their checksum, where somebody asked for it ([`Live::checksums`](crate::pipeline::Live::checksums)) when the
        /// first of them came.
        checksum: Option<String>,
    }
    /// The deltas of a commit were encoded.
    BatchCompressed {
        /// The size of their vectors in bytes.
        original_bytes: u64,
        /// What they take in the log.
        compressed_bytes: u64,
    }
    /// Deltas were applied to their target.
    DeltaApplied {
        /// The collection, or the single vector.
        target: String,
        /// How many.
        deltas: u64,
    }
    /// A delta was refused.
    DeltaRejected {
        /// The vector.
        target: String,
        /// Why.
        reason: String,
    }
    /// A delta did not continue the state of its target, and was skipped.
    DeltaConflictDetected {
        /// The vector.
        target: String,
        /// The delta.
        delta: String,
        /// The last delta that was applied.
        conflicting: Option<String>,
        /// Why they do not go together.
        reason: String,
    }
    /// A delta did not continue the state of its target, and the conflict was resolved.
    DeltaMerged {
        /// The vector.
        target: String,
        /// The delta.
        delta: String,
        /// The last delta that was applied before.
        conflicting: Option<String>,
    }
    /// Deltas were taken back.
    DeltaRolledBack {
        /// The vector, or the branch.
        target: String,
        /// The deltas of the vector, or the commits of the branch, the newest first.
        deltas: Vec<String>,
    }
    /// A mirror was not the state that its commit names, and is rebuilt.
    TargetStateCorrupted {
        /// The collection.
        collection: String,
    }
    /// A window became a commit, which is on the disk.
    DeltaVersioned {
        /// The commit's hash.
        commit: String,
        /// The branch.
        branch: String,
        /// How many deltas.
        deltas: u64,
    }
    /// A commit was the first one of its branch, or a branch was made.
    BranchCreated {
        /// The branch.
        branch: String,
        /// The commit's hash.
        commit: String,
    }
    /// One history was merged into another.
    BranchMerged {
        /// What was merged: a branch or another revision, as it was named.
        source: String,
        /// The branch that it was merged into.
        target: String,
        /// The hash of the commit where that branch points since.
        commit: String,
        /// How many sources it changed there.
        deltas: u64,
        /// How many sources were in conflict, and were resolved.
        conflicts: u64,
    }
    /// A whole state was written down.
    SnapshotCreated {
        /// The commit's hash.
        commit: String,
        /// Its size in bytes.
        bytes: u64,
    }
    /// The deltas of old commits were composed.
    StreamCompacted {
        /// The repository: the origin in its checkpoints.
        stream: String,
        /// How many commits had their own deltas before.
        before: u64,
        /// How many have since.
        after: u64,
    }
    /// A replay began.
    ReplayStarted {
        /// The hash of the commit behind which it begins; null for the beginning of the history.
        from: Option<String>,
        /// The hash of the commit with which it ends.
        to: String,
    }
    /// A replay ended.
    ReplayCompleted {
        /// The hash of the commit with which it ended.
        to: String,
        /// How many deltas it went through.
        deltas: u64,
        /// How long it took.
        millis: u64,
    }
}

impl Event {
    /// Returns the stage that tells of it.
    pub const fn stage(&self) -> &'static str {
        match self {
            Event::SourceOpened { .. }
            | Event::ObserverError { .. }
            | Event::ObserverPaused { .. }
            | Event::PipelineReloaded { .. }
            | Event::PipelineReloadRefused { .. }
            | Event::Heartbeat { .. } => "read",
            Event::ChangeDetected { .. }
            | Event::DeltaExtracted { .. }
            | Event::DeltaCaptured { .. }
            | Event::DeltaFiltered { .. }
            | Event::CaptureBufferFlushed { .. } => "capture",
            Event::DeltaRouted { .. } | Event::DeltaUnrouted { .. } => "route",
            Event::WindowOpened { .. }
            | Event::WindowClosed { .. }
            | Event::WindowCompacted { .. }
            | Event::AggregationPolicyChanged { .. } => "window",
            Event::DeltaApplied { .. }
            | Event::DeltaRejected { .. }
            | Event::DeltaConflictDetected { .. }
            | Event::DeltaMerged { .. }
            | Event::DeltaRolledBack { .. }
            | Event::TargetStateCorrupted { .. } => "apply",
            _ => "version",
        }
    }

    /// Says what became of a single delta; nothing when nothing was done.
    pub fn of(target: &Source, application: &Application) -> Option<Self> {
        let (target, delta) = (target.to_string(), application.delta.to_hex());
        let conflict = application.conflict.as_ref();
        let conflicting = conflict.and_then(|conflict| conflict.conflicting).map(|id| id.to_hex());
        match application.status {
            ApplicationStatus::Applied => Some(Event::DeltaApplied { target, deltas: 1 }),
            ApplicationStatus::Merged => Some(Event::DeltaMerged { target, delta, conflicting }),
            ApplicationStatus::Skipped => {
                let reason = conflict.map_or_else(String::new, |conflict| conflict.reason.clone());
                Some(Event::DeltaConflictDetected { target, delta, conflicting, reason })
            }
            _ => None,
        }
    }

    /// Says that deltas of a single vector were taken back, the newest first.
    pub fn rolled_back(target: &Source, deltas: &[DeltaId]) -> Self {
        let deltas = deltas.iter().map(|delta| delta.to_hex()).collect();
        Event::DeltaRolledBack { target: target.to_string(), deltas }
    }
}

/// Who is told.
pub type Listener<'a> = &'a (dyn Fn(&Event) + Sync);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_in_the_documentation() {
        let text = include_str!("../../docs/events.md").split("# The log").next().unwrap();
        let documented: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
        assert_eq!(documented, Event::NAMES);
        let event = Event::DeltaExtracted { source: "s".into(), deltas: 2, l2_max: f64::NAN };
        let fields = Value::Object(event.fields());
        assert_eq!((event.name(), fields), ("DeltaExtracted", json!({ "source": "s", "deltas": 2, "l2_max": null })));
    }

    #[test]
    fn a_single_delta_is_told_by_what_became_of_it() {
        use ApplicationStatus::{Already, Applied, Failed, Merged, Pending, RolledBack, Skipped};
        let source = Source { collection: "c".into(), key: "k".into() };
        let name = |status| {
            let delta = DeltaId([7; 32]);
            let application = Application { delta, status, state: None, transformed: false, conflict: None };
            Event::of(&source, &application).map(|event| (event.name(), event.fields()["target"].clone()))
        };
        assert_eq!(name(Applied), Some(("DeltaApplied", json!("c/k"))));
        assert_eq!(name(Merged), Some(("DeltaMerged", json!("c/k"))));
        assert_eq!(name(Skipped), Some(("DeltaConflictDetected", json!("c/k"))));
        let back = Event::rolled_back(&source, &[DeltaId([7; 32])]);
        assert_eq!(back.fields()["deltas"], json!(["07".repeat(32)]));
        assert!([Already, Failed, Pending, RolledBack].into_iter().all(|status| name(status).is_none()));
    }
}
