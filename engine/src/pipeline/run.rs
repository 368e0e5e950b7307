//! Running a pipeline: threads for reading and for the flow, the version stage on the caller's.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use crossbeam_channel::bounded;

use super::PipelineError;
use super::config::{self, Close, Pipeline};
use super::flow::Flow;
use super::input::{Item, items};
use super::link::{Budget, link};
use super::reading::read_all;
use super::versioning::Versioning;
use crate::capture::{CaptureError, Missing, Observer};
use crate::event::{Event, Listener};
use crate::route::{Condition, Route, Router};
use crate::store::Mirror;
use crate::version::{CommitIndex, Generation, Repository};
use crate::window::WindowPolicy;

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
}

/// Runs a pipeline over a repository to the end of its input.
///
/// # Errors
/// The first failure of any stage; every commit made before it stays, and nothing of what failed.
pub fn run(pipeline: &Pipeline, repo: &mut Repository, context: &Context<'_>) -> Result<RunReport, PipelineError> {
    let observers = pipeline.sources.iter().map(|source| Observer::new(&source.name)).collect();
    let mut report = RunReport { observers, ..RunReport::default() };
    let mut inputs = Vec::new();
    for (number, source) in pipeline.sources.iter().enumerate() {
        inputs.extend(items(source)?.into_iter().map(|item| (number, item)));
    }
    let marks = if context.resume {
        super::resume::pass_over(pipeline, repo, &mut inputs, &mut report.skipped)?
    } else {
        BTreeMap::new()
    };
    let mut mirrors = BTreeMap::new();
    let mut done = 0;
    let mut repaired = false;
    loop {
        let result = run_once(pipeline, repo, context, &inputs[done..], &marks, &mut report, &mut mirrors);
        match result {
            Err(PipelineError::Capture { error: CaptureError::Mirror, file }) if !repaired => {
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
    for mirror in mirrors.values() {
        // The commits count already: a mirror that cannot be saved is made anew by the next writer.
        let _ = crate::version::save_mirror(repo, &pipeline.version.branch, mirror);
    }
    Ok(report)
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
    inputs: &[(usize, Item)],
    marks: &BTreeMap<String, BTreeMap<String, String>>,
    report: &mut RunReport,
    mirrors: &mut BTreeMap<String, Arc<RwLock<Mirror>>>,
) -> Result<(), PipelineError> {
    let budget = Budget::new((pipeline.settings.memory_bytes / 8).max(1 << 20));
    let (row_out, row_in) = link(&budget);
    let (work_out, work_in) = link(&Budget::new((pipeline.settings.memory_bytes / 8).max(1 << 20)));
    let (reply_out, reply_in) = bounded(1);
    let flow = Flow {
        sources: &pipeline.sources,
        capture: &pipeline.capture,
        transformers: &pipeline.apply.transform,
        router: router(pipeline)?,
        windows: pipeline.windows.iter().map(|w| (w.name.clone(), window_policy(&w.close))).collect(),
        now: context.now,
        listener: context.listener,
        rows: row_in,
        out: work_out,
        replies: reply_in,
        disk: repo.disk().clone(),
        stop: context.stop,
        buffer_bytes: pipeline.capture.buffer_bytes.unwrap_or((pipeline.settings.memory_bytes / 2).max(1 << 20)),
        observers: std::mem::take(&mut report.observers),
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
        inputs: marks.clone(),
        generations: generations(pipeline),
        drop_unshaped: pipeline.sources.iter().all(|s| s.missing == Missing::Delete),
        forbid_mixed: pipeline.version.forbid_mixed,
        validators: &pipeline.apply.validate,
        now: context.now,
        listener: context.listener,
        committed: &mut committed,
        rows_read: 0,
        batch_bytes: Cell::new(0),
        mirrors: std::mem::take(mirrors),
    };
    let result = std::thread::scope(|scope| {
        scope.spawn(move || read_all(&pipeline.sources, inputs, context.stop, &row_out));
        let flow = scope.spawn(move || flow.run());
        let result = versioning.run(&work_in, &reply_out);
        // Whatever still waits for this stage is told that it is gone.
        drop((work_in, reply_out));
        *observers = flow.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result
    });
    report.rows_read += versioning.rows_read;
    *mirrors = versioning.mirrors;
    result
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
        let mut conditions = Vec::new();
        conditions.extend(r.when.min_l2.map(Condition::MinL2));
        if !r.when.change.is_empty() {
            conditions.push(Condition::Change(r.when.change.clone()));
        }
        conditions.extend(r.when.collection.clone().map(Condition::Collection));
        Route::new(&r.name, &r.matches, conditions, window(&r.window), r.continues)
            .map_err(|problem| PipelineError::Route { route: r.name.clone(), problem: problem.to_string() })
    };
    Ok(Router::new(pipeline.routes.iter().map(route).collect::<Result<_, _>>()?))
}

fn window_policy(close: &Close) -> WindowPolicy {
    match close {
        Close::Epoch => WindowPolicy::epoch(),
        Close::First(t) => WindowPolicy {
            epoch: false,
            after_millis: t.after.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            count_max: t.count,
            bytes_max: t.bytes,
        },
    }
}
