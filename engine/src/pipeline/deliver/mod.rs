//! Delivery: every sink is a subscriber of the branch, served by a courier on a thread of its own while the run goes on.
//!
//! ```text
//!  version stage --commit--> mailbox --> courier --> sink
//!                               |           ^
//!                               '--- full --+--- the log, from the cursor on
//! ```
//!
//! A commit is handed over in memory while the byte budget allows; else the courier reads it from the log. So a sink that is
//! slow, dead or panics takes nothing from the others, loses nothing, and needs no memory.

mod courier;
mod letter;
mod mailbox;
mod offer;
mod place;
mod tail;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;

pub use courier::Courier;
pub use mailbox::{Committed, Mailbox, News, OnSlow};
pub use tail::{batch_of, row_of};

use super::PipelineError;
use super::config::{Pipeline, SinkContent};
use super::link::Budget;
use super::run::{Context, router};
use super::sink::{self, Sink, SinkError};
use super::turns::{self, Started};
use crate::event::Event;
use crate::route::{Subscriber, SubscriberMetrics, SubscriberPolicy, SubscriberStatus};
use crate::store::LetterBox;
use crate::version::Repository;

/// How a sink ended.
#[derive(Clone, Debug)]
pub struct SinkEnd {
    /// Its name; with the collection behind a colon where there is one sink a collection.
    pub sink: String,
    /// Whether it took everything.
    pub status: SubscriberStatus,
    /// What it has seen.
    pub metrics: SubscriberMetrics,
    /// Deltas that were left out because it was slow.
    pub dropped: u64,
    /// The files that it wrote.
    pub files: Vec<PathBuf>,
    /// Why it could not go on.
    pub error: Option<SinkError>,
}

/// The couriers of a run.
pub struct Deliveries<'scope> {
    mailboxes: Vec<Arc<Mailbox>>,
    /// How many commits the couriers were told of, or found.
    reported: Arc<AtomicUsize>,
    threads: Vec<(String, Started<'scope, SinkEnd>)>,
    /// Whether the run was asked to stop.
    stop: &'scope AtomicBool,
}

/// A sink that is to be served, with the collections it gets.
pub struct Served {
    /// Its name.
    pub name: String,
    /// The name of its setting, which routes lead to.
    pub setting: String,
    /// Where deltas go.
    pub sink: Box<dyn Sink>,
    /// The collections.
    pub collections: Vec<String>,
    /// What happens when it is slow.
    pub on_slow: OnSlow,
    /// How it is served.
    pub policy: SubscriberPolicy,
}

/// Opens the sinks of a pipeline that get deltas; one whose path names the collection is one sink for each.
pub fn served(pipeline: &Pipeline) -> Vec<Served> {
    let mut collections: Vec<String> = pipeline.sources.iter().map(|source| source.collection.clone()).collect();
    collections.sort();
    collections.dedup();
    let mut all = Vec::new();
    for setting in pipeline.sinks.iter().filter(|sink| sink.what == SinkContent::Deltas) {
        let each = setting.by_collection();
        let groups: Vec<Vec<String>> = match each {
            true => collections.iter().map(|name| vec![name.clone()]).collect(),
            false => vec![collections.clone()],
        };
        for group in groups {
            let Some(sink) = sink::open(setting, &pipeline.version.branch, &group[0]) else { continue };
            let name = if each { format!("{}:{}", setting.name, group[0]) } else { setting.name.clone() };
            let policy = SubscriberPolicy { guarantee: setting.guarantee, ..SubscriberPolicy::default() };
            let (setting, on_slow) = (setting.name.clone(), setting.on_slow);
            all.push(Served { name, setting, sink, collections: group, on_slow, policy });
        }
    }
    all
}

impl<'scope> Deliveries<'scope> {
    /// Starts a courier for each sink.
    ///
    /// # Errors
    /// When a route cannot be used.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        pipeline: &'env Pipeline,
        repo: &Repository,
        context: &'env Context<'_>,
        served: Vec<Served>,
    ) -> Result<Self, PipelineError> {
        let budget = Budget::new((pipeline.settings.memory_bytes / 8).max(64 << 10));
        context.live.metrics.queue("sink", &budget);
        let router = router(pipeline)?;
        let letters = LetterBox::new(repo.disk().clone());
        let strongest = served.iter().map(|sink| sink.policy.guarantee).max_by_key(|&guarantee| guarantee as u8);
        if let Some(guarantee) = strongest {
            let (channel, guarantee) = (pipeline.version.branch.clone(), guarantee.name());
            (context.listener)(&Event::ChannelCreated { channel, guarantee });
        }
        let reported = Arc::new(AtomicUsize::new(repo.len()));
        let mut own = Self { mailboxes: Vec::new(), reported, threads: Vec::new(), stop: context.stop };
        for Served { name, setting, sink, collections, on_slow, policy } in served {
            let mailbox = Arc::new(Mailbox::new(on_slow, budget.clone()));
            own.mailboxes.push(mailbox.clone());
            let courier = Courier {
                name: name.clone(),
                sink,
                subscriber: Subscriber::new(policy),
                router: router.clone(),
                wanted: pipeline.routes.iter().map(|route| route.to.contains(&setting)).collect(),
                collections,
                branch: pipeline.version.branch.clone(),
                guarantee: policy.guarantee,
                mailbox,
                reported: own.reported.clone(),
                disk: repo.disk().clone(),
                letters: letters.clone(),
                now: context.now,
                listener: context.listener,
                metrics: context.live.metrics.clone(),
                controls: context.live.controls.clone(),
                patience_millis: u64::try_from(pipeline.settings.drain.as_millis()).unwrap_or(u64::MAX),
                handover: context.live.handover.clone(),
                state: Default::default(),
            };
            let thread = turns::spawn(scope, &name, move || run(courier));
            own.threads.push((name, thread));
        }
        Ok(own)
    }

    /// Returns whether anybody is served.
    pub fn is_empty(&self) -> bool {
        self.mailboxes.is_empty()
    }

    /// Tells every courier of a commit that is durable.
    pub fn put(&self, commit: Committed) {
        self.reported.fetch_max(commit.number + 1, Ordering::AcqRel);
        let commit = Arc::new(commit);
        self.mailboxes.iter().for_each(|mailbox| mailbox.put(&commit, self.stop));
    }

    /// Says that no commit will come any more, and waits until all is delivered or given up.
    pub fn finish(self) -> Vec<SinkEnd> {
        self.mailboxes.iter().for_each(|mailbox| mailbox.close());
        self.threads.into_iter().map(|(name, thread)| thread.join().unwrap_or_else(|_| panicked(name))).collect()
    }
}

/// A sink that panics is a sink that failed.
fn run(courier: Courier<'_>) -> SinkEnd {
    let (name, mailbox, metrics) = (courier.name.clone(), courier.mailbox.clone(), courier.metrics.clone());
    catch_unwind(AssertUnwindSafe(|| courier.run())).unwrap_or_else(|_| {
        mailbox.detach();
        let status = SubscriberStatus::Disconnected.name();
        metrics.update(|f| f.sinks.entry(name.clone()).or_default().status = status);
        panicked(name)
    })
}

fn panicked(sink: String) -> SinkEnd {
    SinkEnd {
        sink,
        status: SubscriberStatus::Disconnected,
        metrics: SubscriberMetrics::default(),
        dropped: 0,
        files: Vec::new(),
        error: Some(SinkError::fatal("it panicked, which is a fault of ours; the next run goes on at its cursor")),
    }
}
