//! Running a pipeline: threads for reading, for the flow and for each sink, the version stage on the caller's.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;

use super::PipelineError;
use super::config::{self, ClockKind, Close, Input, Pipeline};
use super::controls::Controls;
use super::deliver::{Committed, Deliveries, Served, SinkEnd, served};
use super::feed::FeedEnd;
use super::flow::{Flow, State};
use super::follow::Doors;
use super::input::{Item, items};
use super::link::{Budget, link};
use super::metrics::Metrics;
use super::reading::Reading;
use super::requests;
use super::resume::{self, Marks};
use super::turns;
use super::versioning::Versioning;
use crate::capture::{CaptureError, Missing, Observer};
use crate::delta::Table;
use crate::event::{Event, Listener};
use crate::route::{Condition, Route, Router};
use crate::store::{LetterBox, Mirror};
use crate::version::{CommitIndex, Generation, Repository, declared_generations, tables};
use crate::window::{WindowPolicy, Windows};

/// What a run takes from outside: time, a wish to stop, somebody who listens.
pub struct Context<'a> {
    /// Milliseconds since 1970.
    pub now: &'a (dyn Fn() -> u64 + Sync),
    /// Set to stop at the next batch: windows are closed and committed, half an epoch is left out.
    pub stop: &'a AtomicBool,
    /// Who is told what happens.
    pub listener: Listener<'a>,
    /// The author where the pipeline names none.
    pub author: String,
    /// Whether inputs that an earlier run of this pipeline committed are passed over.
    pub resume: bool,
    /// What a program around the pipeline takes part with.
    pub live: Live,
}

/// Answers a question of the run.
pub type Asks = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a program around a pipeline takes part with; nothing by default.
#[derive(Clone, Default)]
pub struct Live {
    /// The figures of the run.
    pub metrics: Arc<Metrics>,
    /// Rows that are handed in, by source.
    pub feeds: BTreeMap<String, FeedEnd>,
    /// Who is told to wait.
    pub controls: Arc<Controls>,
    /// Where others connect that send rows.
    pub doors: Arc<Doors>,
    /// Asked before each commit whether anybody wants the checksum of its deltas, which takes time; nobody by default.
    pub checksums: Option<Asks>,
    /// Whether sinks are left out.
    pub silent: bool,
    /// Set before [`Context::stop`] when another run goes on at once with other settings: nothing is waited for, and what
    /// was not delivered or read is left to that one.
    pub handover: Arc<AtomicBool>,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// The commits it made, in order.
    pub commits: Vec<CommitIndex>,
    /// How many rows it looked at.
    pub rows_read: u64,
    /// The inputs that were committed before.
    pub skipped: Vec<String>,
    /// What was seen of each source, in the order of the pipeline.
    pub observers: Vec<Observer>,
    /// How the sinks ended that get deltas.
    pub sinks: Vec<SinkEnd>,
}

impl RunReport {
    /// Adds what the run did that went on behind this one.
    pub fn go_on(&mut self, later: RunReport) {
        self.commits.extend(later.commits);
        self.rows_read += later.rows_read;
        if self.observers.is_empty() {
            self.skipped = later.skipped;
        }
        self.observers = later.observers;
        let files = |end: &SinkEnd| self.sinks.iter().find(|e| e.sink == end.sink).map(|e| e.files.clone());
        let sinks = later.sinks.into_iter().map(|mut end| {
            end.files.splice(0..0, files(&end).unwrap_or_default());
            end
        });
        self.sinks = sinks.collect();
    }
}

/// Runs a pipeline over a repository to the end of its input.
///
/// A sink that fails takes nothing from the others and does not end the run: [`RunReport::sinks`] tells.
///
/// # Errors
/// The first failure of any stage; every commit made before it stays, and nothing of what failed.
pub fn run(pipeline: &Pipeline, repo: &mut Repository, context: &Context<'_>) -> Result<RunReport, PipelineError> {
    let sinks = if context.live.silent { Vec::new() } else { served(pipeline) };
    run_with(pipeline, repo, context, sinks)
}

/// Runs a pipeline with sinks of the caller's instead of those that it names.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    pipeline: &Pipeline,
    repo: &mut Repository,
    context: &Context<'_>,
    sinks: Vec<Served>,
) -> Result<RunReport, PipelineError> {
    let missing = |source: &&config::Source| {
        source.inputs.contains(&Input::Feed) && !context.live.feeds.contains_key(&source.name)
    };
    if let Some(source) = pipeline.sources.iter().find(missing) {
        return Err(PipelineError::NoFeed { source_name: source.name.clone() });
    }
    let observers = pipeline.sources.iter().map(|source| Observer::new(&source.name)).collect();
    let mut report = RunReport { observers, ..RunReport::default() };
    let memory = pipeline.settings.memory_bytes;
    let now = (context.now)();
    context.live.metrics.update(|figures| {
        figures.memory_bytes.0 = memory;
        figures.durable_millis = figures.durable_millis.max(now);
        // One that failed before may be run again.
        figures.failure = None;
    });
    thread::scope(|scope| {
        let deliveries = Deliveries::start(scope, pipeline, repo, context, sinks)?;
        let put = |committed: Committed| deliveries.put(committed);
        let deliver: Option<&dyn Fn(Committed)> = if deliveries.is_empty() { None } else { Some(&put) };
        let result = run_stages(pipeline, repo, context, &mut report, deliver);
        if let Err(error) = &result {
            context.live.metrics.update(|figures| figures.failure = Some(error.to_string()));
        }
        report.sinks = deliveries.finish();
        result
    })?;
    Ok(report)
}

fn run_stages(
    pipeline: &Pipeline,
    repo: &mut Repository,
    context: &Context<'_>,
    report: &mut RunReport,
    deliver: Option<&dyn Fn(Committed)>,
) -> Result<(), PipelineError> {
    let mut inputs = Vec::new();
    for (number, source) in pipeline.sources.iter().enumerate() {
        // One that may still be written is left to the watch, which waits until it stays the same.
        let settled = |item: &Item| !source.watch || !item.is_fresh((context.now)());
        inputs.extend(items(source)?.into_iter().filter(settled).map(|item| (number, item)));
    }
    let (mut marks, mut known) = (BTreeMap::new(), Marks::default());
    if context.resume {
        known = resume::committed(pipeline, repo)?;
        marks = resume::pass_over(pipeline, &known, &mut inputs, &mut report.skipped)?;
    }
    for source in &pipeline.sources {
        if let Some(feed) = context.live.feeds.get(&source.name) {
            feed.requests.fill(requests::settled(pipeline, repo, &source.name)?);
        }
    }
    let mut places = BTreeMap::new();
    for source in pipeline.sources.iter().filter(|source| source.server.is_some()) {
        places.extend(resume::last_mark(pipeline, repo, &source.name)?.map(|mark| (source.name.clone(), mark)));
    }
    let widths = super::widths::fixed_widths(pipeline, repo)?;
    let mut mirrors = BTreeMap::new();
    let mut done = 0;
    let mut repaired = false;
    loop {
        let reading = Reading {
            sources: &pipeline.sources,
            inputs: &inputs[done..],
            marks: &marks,
            known: &known,
            widths: &widths,
            feeds: &context.live.feeds,
            places: &places,
            controls: &context.live.controls,
            doors: &context.live.doors,
            unfinished_bytes: pipeline.settings.memory_bytes / 8,
            listener: context.listener,
            metrics: &context.live.metrics,
            stop: context.stop,
            handover: &context.live.handover,
            ended: AtomicBool::new(false),
            floor: Mutex::new(()),
        };
        match run_once(pipeline, repo, context, &reading, report, &mut mirrors, deliver) {
            // What is handed in cannot be read again, and its open windows are gone.
            Err(PipelineError::Capture { error: CaptureError::Mirror, file })
                if !repaired && can_be_read_again(pipeline) =>
            {
                // The log is the truth: the mirror is made anew, and inputs are read again.
                for collection in std::mem::take(&mut mirrors).into_keys() {
                    crate::version::discard_mirror(repo, &pipeline.version.branch, &collection)?;
                    (context.listener)(&Event::TargetStateCorrupted { collection });
                }
                done = again_from(pipeline, &inputs, &file, report.commits.len());
                repaired = true;
            }
            other => {
                other?;
                break;
            }
        }
    }
    let save = |mirror: &RwLock<Mirror>| {
        // The commits count already: a mirror that cannot be saved is made anew by the next writer.
        let _ = crate::version::save_mirror(repo, &pipeline.version.branch, mirror);
    };
    rayon::join(|| repo.save_index(), || mirrors.values().for_each(|mirror| save(mirror)));
    Ok(())
}

fn can_be_read_again(pipeline: &Pipeline) -> bool {
    pipeline.sources.iter().all(|source| !source.inputs.contains(&Input::Feed))
}

/// Returns the first input that is read again after one of them found the mirror damaged.
///
/// Epochs before that one are committed, each in one commit where there is only the window of epochs. Of a stream,
/// parts may have waited in windows that are gone now: it is read from its beginning, and what was committed of it
/// comes to the same table again.
fn again_from(pipeline: &Pipeline, inputs: &[(usize, Item)], file: &str, commits: usize) -> usize {
    let epochs = pipeline.sources.iter().all(|s| s.epoch);
    if epochs && matches!(pipeline.windows.as_slice(), [only] if only.close == Close::Epoch) {
        return inputs.len().min(commits);
    }
    let again = |(source, item): &(usize, Item)| !pipeline.sources[*source].epoch || item.name() == file;
    inputs.iter().position(again).unwrap_or(0)
}

fn run_once(
    pipeline: &Pipeline,
    repo: &mut Repository,
    context: &Context<'_>,
    reading: &Reading<'_>,
    report: &mut RunReport,
    mirrors: &mut BTreeMap<String, Arc<RwLock<Mirror>>>,
    deliver: Option<&dyn Fn(Committed)>,
) -> Result<(), PipelineError> {
    let share = (pipeline.settings.memory_bytes / 8).max(1 << 20);
    let generations = declared_generations(repo, &pipeline.version.branch, generations(pipeline))?;
    let (row_budget, work_budget) = (Budget::new(share), Budget::new(share));
    context.live.metrics.queue("capture", &row_budget);
    context.live.metrics.queue("apply", &work_budget);
    let (row_out, row_in) = link(&row_budget);
    let (work_out, work_in) = link(&work_budget);
    let (reply_out, reply_in) = bounded(1);
    let flow = Flow {
        sources: &pipeline.sources,
        capture: &pipeline.capture,
        transformers: &pipeline.apply.transform,
        validators: &pipeline.apply.validate,
        router: router(pipeline)?,
        windows: Windows::new(pipeline.windows.iter().map(|w| (w.name.clone(), window_policy(w))).collect()),
        clock: (pipeline.windows.iter()).find(|w| w.clock.kind == ClockKind::Event).map(|w| (w.clock.clone(), w.late)),
        meta: meta(pipeline),
        now: context.now,
        listener: context.listener,
        metrics: context.live.metrics.clone(),
        rows: row_in,
        out: work_out,
        replies: reply_in,
        tables: known_tables(pipeline, repo)?,
        disk: repo.disk().clone(),
        letters: LetterBox::new(repo.disk().clone()),
        stop: context.stop,
        buffer_bytes: pipeline.capture.buffer_bytes.unwrap_or((pipeline.settings.memory_bytes / 2).max(1 << 20)),
        observers: std::mem::take(&mut report.observers),
        state: State::default(),
    };
    let (commits, observers) = (&mut report.commits, &mut report.observers);
    let snapshot = pipeline.version.snapshot;
    let mut committed = |repo: &mut Repository, commit: CommitIndex| {
        commits.push(commit);
        super::retention::snapshot_when_due(repo, commit, snapshot, context)
    };
    let mut versioning = Versioning {
        repo,
        branch: pipeline.version.branch.clone(),
        author: pipeline.settings.author.clone().unwrap_or_else(|| context.author.clone()),
        message: pipeline.version.message.clone().unwrap_or_else(|| "{file}".to_owned()),
        metadata: metadata(pipeline, context),
        deliver,
        metrics: context.live.metrics.clone(),
        generations,
        drop_unshaped: pipeline.sources.iter().all(|s| s.missing == Missing::Delete),
        forbid_mixed: pipeline.version.forbid_mixed,
        validators: &pipeline.apply.validate,
        now: context.now,
        listener: context.listener,
        committed: &mut committed,
        rows_read: 0,
        batch_bytes: Cell::new(0),
        checksums: context.live.checksums.clone(),
        checksum: RefCell::default(),
        mirrors: std::mem::take(mirrors),
    };
    let result = thread::scope(|scope| {
        let readers = reading.start(scope, &row_out);
        drop(row_out);
        let flow = turns::spawn(scope, "flow", move || flow.run());
        let result = versioning.run(&work_in, &reply_out);
        // Whatever still waits for this stage is told that it is gone.
        drop((work_in, reply_out));
        *observers = flow.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        reading.ended.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        result
    });
    report.rows_read += versioning.rows_read;
    *mirrors = versioning.mirrors;
    result
}

/// Returns the shapes of the collections at the head of the branch.
fn known_tables(pipeline: &Pipeline, repo: &Repository) -> Result<BTreeMap<String, Table>, PipelineError> {
    let Some(head) = repo.head(&pipeline.version.branch) else { return Ok(BTreeMap::new()) };
    Ok(tables(repo, head)?.into_iter().map(|table| (table.collection.clone(), table)).collect())
}

/// Returns the columns of metadata of all sources.
fn meta(pipeline: &Pipeline) -> Arc<[String]> {
    let mut names: Vec<String> = pipeline.sources.iter().flat_map(|source| source.meta.iter().cloned()).collect();
    names.sort();
    names.dedup();
    names.into()
}

/// What is declared holds for every collection that the pipeline writes.
fn generations(pipeline: &Pipeline) -> BTreeMap<String, Generation> {
    let declared = pipeline.version.generation.iter();
    declared.flat_map(|g| pipeline.sources.iter().map(|s| (s.collection.clone(), g.clone()))).collect()
}

fn metadata(pipeline: &Pipeline, context: &Context<'_>) -> BTreeMap<String, String> {
    let mut metadata = pipeline.version.metadata.clone();
    if context.resume {
        metadata.insert("pipeline".to_owned(), pipeline.settings.name.clone());
    }
    if pipeline.capture.lossy() {
        let mark = format!("epsilon {}, detect {:?}", pipeline.capture.epsilon, pipeline.capture.detect);
        metadata.insert("lossy".to_owned(), mark);
    }
    if !pipeline.apply.transform.is_empty() {
        let steps: Vec<String> = pipeline.apply.transform.iter().map(ToString::to_string).collect();
        metadata.insert("transformed".to_owned(), steps.join(", "));
    }
    metadata
}

/// Makes the router of a pipeline.
///
/// # Errors
/// When a route's glob cannot be used.
pub fn router(pipeline: &Pipeline) -> Result<Router, PipelineError> {
    let window = |name: &str| pipeline.windows.iter().position(|w| w.name == *name).unwrap_or(0);
    let route = |r: &config::Route| {
        let route = Route::new(&r.name, &r.matches, conditions(&r.when), window(&r.window), r.continues);
        let route =
            route.map_err(|problem| PipelineError::Route { route: r.name.clone(), problem: problem.to_string() });
        let mut route = route?;
        (route.priority, route.ttl_millis) = (r.priority, r.ttl.map(millis));
        Ok(route)
    };
    Ok(Router::new(pipeline.routes.iter().map(route).collect::<Result<_, PipelineError>>()?))
}

fn conditions(when: &config::When) -> Vec<Condition> {
    let mut all = Vec::new();
    all.extend(when.collection.clone().map(Condition::Collection));
    all.extend((!when.change.is_empty()).then(|| Condition::Change(when.change.clone())));
    all.extend(when.min_l2.map(Condition::MinL2));
    all.extend(when.max_l2.map(Condition::MaxL2));
    all.extend(when.min_max_abs.map(Condition::MinMaxAbs));
    all.extend(when.max_cosine.map(Condition::MaxCosine));
    all.extend(when.min_dims.map(Condition::MinDims));
    all.extend(when.hours.map(Condition::Hours));
    all.extend(when.meta.iter().cloned().map(|(name, values)| Condition::MetaEquals(name, values)));
    all.extend(when.exists.iter().cloned().map(Condition::MetaExists));
    all
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn window_policy(window: &config::Window) -> WindowPolicy {
    match &window.close {
        Close::Epoch => WindowPolicy::epoch(),
        Close::First(t) => WindowPolicy {
            epoch: false,
            after_millis: t.after.map(millis),
            every_millis: t.every.map(millis),
            gap_millis: t.gap.map(millis),
            count_max: t.count,
            bytes_max: t.bytes,
            on_meta: t.on_meta.clone(),
            event_time: window.clock.kind == ClockKind::Event,
        },
    }
}
