//! What the sections demand of each other. Nothing here looks at a file besides the pipeline file.

use super::codes::{
    CONFIG_VERSION, EMPTY, HEARTBEAT, LOCK_OUTSIDE, LOSSY, MEMORY, MIN_INTERVAL, MISSING_KEY, NO_EFFECT,
    SINK_UNREACHED, WINDOW_UNREACHED,
};
use super::diagnostic::{Diagnostic, Report};
use super::servers::Built;
use super::tree::{Node, Place, Value};
use super::types::{Pipeline, Sink, Window};
use super::value::show_size;
use super::walk::Unsound;
use super::{cases, followed, route, sink, source, window};
use crate::capture::Detector;

/// The pipeline, the tree that it came from, and where to report.
pub(super) struct Checks<'p, 't> {
    pub(super) pipeline: &'p Pipeline,
    root: &'p Node,
    unsound: &'p Unsound,
    pub(super) built: Built,
    report: &'p mut Report<'t>,
}

/// Runs all checks.
pub(super) fn check(pipeline: &Pipeline, root: &Node, unsound: &Unsound, built: Built, report: &mut Report<'_>) {
    let mut checks = Checks { pipeline, root, unsound, built, report };
    check_config_version(&mut checks);
    check_sources_exist(&mut checks);
    source::check(&mut checks);
    followed::check_partition(&mut checks);
    check_capture(&mut checks);
    check_heartbeat(&mut checks);
    route::check(&mut checks);
    window::check(&mut checks);
    check_locked_dims(&mut checks);
    check_snapshot(&mut checks);
    sink::check(&mut checks);
    check_reached(&mut checks);
    cases::check(&mut checks);
}

impl Checks<'_, '_> {
    /// Returns where a value stands, if the file gives it.
    pub(super) fn place(&self, path: &[&str]) -> Option<Place> {
        self.root.find(path).map(|node| node.place.clone())
    }

    /// Returns where a key stands, if the file gives it; for an item of a list, where the item stands.
    fn key_place(&self, path: &[&str]) -> Option<Place> {
        let (last, above) = path.split_last()?;
        let above = self.root.find(above)?;
        match &above.value {
            Value::List(_) => self.place(path),
            _ => above.entry(last).map(|entry| entry.place.clone()),
        }
    }

    /// Returns whether an item has no errors of its own.
    pub(super) fn sound(&self, noun: &'static str, item: &str) -> bool {
        !self.unsound.contains(&(noun, item.to_owned()))
    }

    /// Returns the text that the file gives here.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        self.root.find(path)?.text()
    }

    /// Returns whether the file says `true` here.
    pub(super) fn is_true(&self, path: &[&str]) -> bool {
        self.root.find(path).is_some_and(|node| matches!(node.value, Value::Bool(true)))
    }

    /// Returns whether the file gives a text here.
    pub(super) fn is_text(&self, path: &[&str]) -> bool {
        self.root.find(path).is_some_and(|node| node.text().is_some())
    }

    /// Returns the texts of a list with their indices.
    pub(super) fn texts(&self, path: &[&str]) -> Vec<(usize, String)> {
        let items = match self.root.find(path).map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        let texts = items.iter().enumerate();
        texts.filter_map(|(index, item)| Some((index, item.text()?.to_owned()))).collect()
    }

    /// Returns the line of a key or row.
    pub(super) fn line_of(&self, path: &[&str]) -> Option<usize> {
        self.report.line_of(&self.key_place(path)?)
    }

    pub(super) fn report(&mut self, place: &Place, diagnostic: Diagnostic) {
        self.report.push(place, diagnostic);
    }

    /// Reports at a value, or at the nearest table around it.
    pub(super) fn report_at(&mut self, path: &[&str], diagnostic: Diagnostic) {
        match self.place(path) {
            Some(place) => self.report.push(&place, diagnostic),
            None => self.report_key(&path[..path.len().saturating_sub(1)], diagnostic),
        }
    }

    /// Reports at a key, or at the nearest key around it.
    pub(super) fn report_key(&mut self, path: &[&str], diagnostic: Diagnostic) {
        let place = (0..=path.len()).rev().find_map(|len| self.key_place(&path[..len]));
        self.report.push(&place.unwrap_or_default(), diagnostic);
    }

    /// Reports at a key of a route, or at the route.
    pub(super) fn report_route(&mut self, index: usize, key: &str, diagnostic: Diagnostic) {
        let index = index.to_string();
        match self.place(&["route", &index, key]) {
            Some(place) => self.report.push(&place, diagnostic),
            None => self.report_key(&["route", &index], diagnostic),
        }
    }
}

fn check_config_version(checks: &mut Checks<'_, '_>) {
    if let Some(Value::Integer(version)) = checks.root.find(&["config_version"]).map(|node| &node.value)
        && *version != 1
    {
        let diagnostic = Diagnostic::error(CONFIG_VERSION, format!("config_version {version} is not known"))
            .label("this program reads version 1")
            .help("set it to 1, or use a newer program");
        checks.report_at(&["config_version"], diagnostic);
    }
}

fn check_sources_exist(checks: &mut Checks<'_, '_>) {
    if checks.pipeline.sources.is_empty()
        && matches!(checks.root.find(&["source"]).map(|node| &node.value), Some(Value::Table(_)))
    {
        let diagnostic = Diagnostic::error(MISSING_KEY, "there is no source")
            .label("nothing to read")
            .help("add a section [source.NAME]");
        checks.report_key(&["source"], diagnostic);
    }
}

fn check_capture(checks: &mut Checks<'_, '_>) {
    if !checks.sound("capture", "") {
        return;
    }
    let (capture, memory) = (&checks.pipeline.capture, checks.pipeline.settings.memory_bytes);
    if capture.buffer_bytes.is_some_and(|limit| limit > memory && memory > 0) {
        let diagnostic = Diagnostic::error(MEMORY, "`buffer_limit` does not fit into the memory budget")
            .label(format!("more than `memory`, which is {}", show_size(memory)))
            .help("lower it, or raise `memory` in [pipeline]");
        checks.report_at(&["capture", "buffer_limit"], diagnostic);
    }
    if capture.epsilon > 0.0 {
        let diagnostic = Diagnostic::warning(LOSSY, "capture is lossy")
            .label("components that moved by at most this much keep their old bits")
            .help("set `epsilon = 0.0` to keep every change");
        checks.report_at(&["capture", "epsilon"], diagnostic);
    }
    if let Detector::Any(_) = capture.detect {
        let diagnostic = Diagnostic::warning(LOSSY, "capture is lossy")
            .label("rows below every threshold keep their old bits")
            .help("use `detect = \"any_bit\"` to keep every change");
        checks.report_at(&["capture", "detect"], diagnostic);
    } else if checks.root.find(&["capture", "detect", "any"]).is_some_and(|any| any.items().len() > 1) {
        let diagnostic = Diagnostic::warning(NO_EFFECT, "the thresholds have no effect")
            .label("`bits = true` captures every change already")
            .help("remove `{ bits = true }`, or write `detect = \"any_bit\"`");
        checks.report_at(&["capture", "detect"], diagnostic);
    }
}

/// Only a stream can fall quiet.
fn check_heartbeat(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    let (capture, sources) = (&pipeline.capture, &pipeline.sources);
    if sources.is_empty()
        || !checks.sound("capture", "")
        || !sources.iter().all(|source| checks.sound("source", &source.name))
    {
        return;
    }
    if capture.heartbeat.is_some() && !sources.iter().any(|source| source.waits()) {
        let diagnostic = Diagnostic::error(HEARTBEAT, "`heartbeat` cannot be honoured")
            .label("no source is live: files end")
            .help("remove `heartbeat`, or read a source from standard input with `path = \"-\"`");
        checks.report_at(&["capture", "heartbeat"], diagnostic);
    }
    let streams = checks.pipeline.sources.iter().any(|source| !source.epoch);
    let sound = checks.pipeline.sources.iter().all(|source| checks.sound("source", &source.name));
    if checks.pipeline.capture.min_interval.is_some() && !streams && sound {
        let diagnostic = Diagnostic::error(MIN_INTERVAL, "`min_interval` cannot be honoured")
            .label("every source is read in epochs, which hold each id once")
            .help("remove `min_interval`, or set `epoch = false` in a source");
        checks.report_at(&["capture", "min_interval"], diagnostic);
    }
}

fn check_locked_dims(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    let narrow =
        pipeline.sources.iter().filter_map(|source| Some((source, source.dims?))).min_by_key(|(_, dims)| *dims);
    let Some((source, dims)) = narrow else { return };
    for (list, key) in [("transform", "mask"), ("validate", "lock_dims")] {
        for index in 0..checks.root.find(&["apply", list]).map_or(0, |list| list.items().len()) {
            let index = index.to_string();
            let ranges = checks.root.find(&["apply", list, &index, key]).map_or(&[][..], Node::items);
            let ends = ranges.iter().map(|range| Some(super::value::dim_range(range.text()?).ok()?.1));
            for (range, end) in
                ends.enumerate().filter_map(|(range, end)| Some((range, end?))).filter(|(_, e)| *e > dims)
            {
                let diagnostic = Diagnostic::error(LOCK_OUTSIDE, format!("`{key}` reaches outside the vectors"))
                    .label(format!("ends at {end}, but source \"{}\" has {dims} dimensions", source.name))
                    .help(format!("end it at {dims} or below"));
                checks.report(&ranges[range].place, diagnostic);
            }
        }
    }
}

fn check_snapshot(checks: &mut Checks<'_, '_>) {
    let empty = matches!(checks.root.find(&["version", "snapshot"]).map(|node| &node.value), Some(Value::Table(entries)) if entries.is_empty());
    if empty {
        let diagnostic = Diagnostic::error(EMPTY, "`snapshot` says nothing")
            .label("expected `every` or `or_bytes`")
            .help("remove it to use the repository's own rule");
        checks.report_at(&["version", "snapshot"], diagnostic);
    }
}

/// Reports sinks and windows that no route leads to.
fn check_reached(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    let routes = &pipeline.routes;
    // One faulty route is enough not to know.
    let sound = (0..routes.len()).all(|index| checks.sound("route", &index.to_string()));
    if !sound || checks.place(&["route"]).is_none() {
        return;
    }
    let sink_known = |name: &String| pipeline.sinks.iter().any(|sink| sink.name == *name);
    if routes.iter().all(|route| route.to.iter().all(sink_known)) {
        check_sinks_reached(checks);
    }
    let window_known = |name: &str| pipeline.windows.iter().any(|window| window.name == name);
    if routes.iter().all(|route| window_known(&route.window)) {
        check_windows_reached(checks);
    }
}

fn check_sinks_reached(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    for Sink { name, .. } in &pipeline.sinks {
        if !pipeline.routes.iter().any(|route| route.to.contains(name)) {
            let diagnostic = Diagnostic::error(SINK_UNREACHED, format!("sink \"{name}\" is never reached"))
                .label("no route leads here")
                .help(format!("add \"{name}\" to the `to` of a route, or remove the sink"));
            checks.report_key(&["sink", name], diagnostic);
        }
    }
}

fn check_windows_reached(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    for Window { name, .. } in &pipeline.windows {
        if !pipeline.routes.iter().any(|route| route.window == *name) {
            let diagnostic = Diagnostic::warning(WINDOW_UNREACHED, format!("window \"{name}\" is never used"))
                .label("no route leads here")
                .help(format!("set `window = \"{name}\"` in a route, or remove the window"));
            checks.report_key(&["window", name], diagnostic);
        }
    }
}
