//! Other settings while a pipeline runs: whether they fit, and the turn in which they come.
//!
//! What is on the disk and in the hands of others stays: the repository, the shape of its collections, live sources. All
//! else may change at the boundary of a window: routes, windows, thresholds, checks, files, sinks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::PipelineError;
use super::config::{Input, Pipeline, Sink, Source, SourceKind, may_match};
use super::run::{Context, Live, RunReport, run};
use crate::event::Event;
use crate::version::Repository;

/// How often the wish to stop is looked at, and that for other settings.
const LOOK: Duration = Duration::from_millis(5);

/// Asks for other settings.
pub type Look<'a> = &'a mut (dyn FnMut() -> Option<Pipeline> + Send);

/// Runs a pipeline until it ends, is asked to stop, or `look` has other settings for it, which are then returned: the next
/// turn goes on with them, and loses nothing that came in between.
///
/// # Errors
/// As [`run`].
pub fn run_turn(
    pipeline: &Pipeline,
    repo: &mut Repository,
    context: &Context<'_>,
    look: Look<'_>,
) -> Result<(RunReport, Option<Pipeline>), PipelineError> {
    let (stop, done, mut next) = (AtomicBool::new(false), AtomicBool::new(false), None);
    let handover = Arc::<AtomicBool>::default();
    let own = Context {
        stop: &stop,
        live: Live { handover: handover.clone(), ..context.live.clone() },
        author: context.author.clone(),
        ..*context
    };
    let watch = |next: &mut Option<Pipeline>, look: Look<'_>| {
        while !done.load(Ordering::Relaxed) {
            if context.stop.load(Ordering::Relaxed) {
                handover.store(false, Ordering::Relaxed);
                return stop.store(true, Ordering::Relaxed);
            }
            if next.is_none() {
                *next = look();
                handover.store(next.is_some(), Ordering::Relaxed);
                stop.store(next.is_some(), Ordering::Relaxed);
            }
            thread::sleep(LOOK);
        }
    };
    let report = thread::scope(|scope| {
        scope.spawn(|| watch(&mut next, look));
        let report = run(pipeline, repo, &own);
        done.store(true, Ordering::Relaxed);
        report
    })?;
    Ok((report, next.filter(|_| !context.stop.load(Ordering::Relaxed))))
}

/// Says of each source which windows gather its deltas by other rules than before, and which ones begin or cease to.
pub fn policy_changes(old: &Pipeline, new: &Pipeline) -> Vec<Event> {
    let mut changes = Vec::new();
    for source in &new.sources {
        let was = old.sources.iter().find(|was| was.name == source.name);
        let (before, after) = (was.map_or_else(BTreeMap::new, |was| policies(old, was)), policies(new, source));
        for window in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (old_policy, new_policy) = (before.get(window).cloned(), after.get(window).cloned());
            if old_policy != new_policy {
                let (source, window) = (source.name.clone(), window.clone());
                changes.push(Event::AggregationPolicyChanged { source, window, old_policy, new_policy });
            }
        }
    }
    changes
}

/// Returns the windows that may get deltas of a source, with what closes them.
fn policies(pipeline: &Pipeline, source: &Source) -> BTreeMap<String, String> {
    let routes = pipeline.routes.iter().filter(|route| may_match(route, &source.collection));
    let windows = routes.filter_map(|route| pipeline.windows.iter().find(|window| window.name == route.window));
    windows.map(|window| (window.name.clone(), window.policy_text())).collect()
}

/// Returns why `new` cannot go on where `old` runs; nothing when it can.
pub fn refusals(old: &Pipeline, new: &Pipeline) -> Vec<String> {
    let mut why = Vec::new();
    let fixed = "it cannot change while the pipeline runs; start it anew";
    let mut same = |key: &str, is: String, was: String| {
        if is != was {
            why.push(format!("`{key}` is {is} and was {was}: {fixed}"));
        }
    };
    let (is, was) = (&new.settings, &old.settings);
    same("name", format!("\"{}\"", is.name), format!("\"{}\"", was.name));
    same("store", is.store.display().to_string(), was.store.display().to_string());
    let threads = |n: Option<u32>| n.map_or("not set".to_owned(), |n| n.to_string());
    same("threads", threads(is.threads), threads(was.threads));
    same("branch", format!("\"{}\"", new.version.branch), format!("\"{}\"", old.version.branch));
    why.extend(new.sources.iter().flat_map(|source| source_refusals(old, source)));
    let gone = |source: &&Source| source.live() && !new.sources.iter().any(|s| s.name == source.name);
    let left = old.sources.iter().filter(gone);
    why.extend(left.map(|s| format!("source `{}` is gone, but rows still come to it: {fixed}", s.name)));
    let cut = |s: &&Source| s.kind == SourceKind::Arrow && s.inputs.contains(&Input::Stdin);
    let cut = old.sources.iter().filter(cut);
    why.extend(cut.map(|s| {
        format!("source `{}` reads an Arrow stream from standard input, which cannot be taken up in its middle", s.name)
    }));
    why.extend(new.sinks.iter().filter_map(|sink| sink_refusal(old, sink)));
    why
}

fn source_refusals(old: &Pipeline, new: &Source) -> Vec<String> {
    let mut why = Vec::new();
    let name = &new.name;
    let Some(was) = old.sources.iter().find(|s| s.name == *name) else {
        if new.live() {
            why.push(format!("source `{name}` is live and new: it can only be there from the start"));
        }
        let others = old.sources.iter().filter(|s| s.collection == new.collection);
        let widths = others.filter_map(|s| s.dims).find(|&dims| new.dims.is_some_and(|own| own != dims));
        why.extend(widths.map(|dims| {
            let own = new.dims.unwrap_or(0);
            format!("source `{name}` has {own} dims, but collection `{}` has {dims}", new.collection)
        }));
        return why;
    };
    if was.kind != new.kind {
        why.push(format!("source `{name}` is of kind {} and was of kind {}", new.kind.name(), was.kind.name()));
    }
    if was.collection != new.collection {
        why.push(format!("source `{name}` fills `{}` and filled `{}`", new.collection, was.collection));
    }
    if was.server != new.server {
        why.push(format!(
            "source `{name}` follows another server or place there: its rows would go on at the old place"
        ));
    }
    if was.live() != new.live() || was.epoch != new.epoch {
        why.push(format!("source `{name}` is read in another way than before (`path`, `epoch`)"));
    }
    if let (Some(is), Some(was)) = (new.dims, was.dims)
        && is != was
    {
        why.push(format!("source `{name}` has {is} dims and had {was}: the collection would need another width"));
    }
    why
}

fn sink_refusal(old: &Pipeline, new: &Sink) -> Option<String> {
    let was = old.sinks.iter().find(|sink| sink.name == new.name)?;
    let name = |sink: &Sink| format!("{:?}", sink.kind).to_lowercase();
    (was.kind != new.kind).then(|| {
        let (is, was) = (name(new), name(was));
        format!("sink `{}` is of kind {is} and was of kind {was}: give it another name, it then begins anew", new.name)
    })
}
