//! The stages and links of a pipeline, as Mermaid, DOT or JSON.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::followed::Followed;
use super::types::{Close, FileOrder, Input, Pipeline, Route, Window};
use super::value::{show_duration, show_size};
use crate::capture::Detector;

/// One stage.
struct Stage {
    /// The kind, which with the name is unique: `source`, `capture`, `route`, `window`, `apply`, `version`, `sink`.
    kind: &'static str,
    name: String,
    /// What it does, in a few words.
    detail: String,
}

/// A link between two stages, by position; the label may be empty.
struct Link {
    from: usize,
    to: usize,
    label: String,
}

struct Graph {
    stages: Vec<Stage>,
    links: Vec<Link>,
}

/// Writes a pipeline as a Mermaid flow chart.
pub fn graph_mermaid(pipeline: &Pipeline) -> String {
    let graph = graph(pipeline);
    let mut text = String::from("flowchart LR\n");
    for (at, stage) in graph.stages.iter().enumerate() {
        let (open, close) = match stage.kind {
            "source" | "sink" => ("[(", ")]"),
            "route" => ("{{", "}}"),
            _ => ("[", "]"),
        };
        let label = mermaid_text(&stage.label("<br/>"));
        text.push_str(&format!("  s{at}{open}\"{label}\"{close}\n"));
    }
    for Link { from, to, label } in &graph.links {
        let label = if label.is_empty() { String::new() } else { format!("|\"{}\"|", mermaid_text(label)) };
        text.push_str(&format!("  s{from} -->{label} s{to}\n"));
    }
    text
}

/// Writes a pipeline as a Graphviz digraph.
pub fn graph_dot(pipeline: &Pipeline) -> String {
    let graph = graph(pipeline);
    let mut text = String::from("digraph pipeline {\n  rankdir = LR;\n  node [shape = box];\n");
    for (at, stage) in graph.stages.iter().enumerate() {
        let shape = match stage.kind {
            "source" | "sink" => ", shape = cylinder",
            "route" => ", shape = hexagon",
            _ => "",
        };
        text.push_str(&format!("  s{at} [label = \"{}\"{shape}];\n", dot_text(&stage.label("\n"))));
    }
    for Link { from, to, label } in &graph.links {
        let label = if label.is_empty() { String::new() } else { format!(" [label = \"{}\"]", dot_text(label)) };
        text.push_str(&format!("  s{from} -> s{to}{label};\n"));
    }
    text.push_str("}\n");
    text
}

/// Returns a pipeline as `{"name", "stages": [{"id", "kind", "name", "detail"}], "links": [{"from", "to", "label"}]}`.
pub fn graph_json(pipeline: &Pipeline) -> Value {
    let graph = graph(pipeline);
    let stages: Vec<Value> = graph
        .stages
        .iter()
        .map(|stage| json!({ "id": stage.id(), "kind": stage.kind, "name": stage.name, "detail": stage.detail }))
        .collect();
    let links: Vec<Value> = graph
        .links
        .iter()
        .map(|link| json!({ "from": graph.stages[link.from].id(), "to": graph.stages[link.to].id(), "label": link.label }))
        .collect();
    json!({ "name": pipeline.settings.name, "stages": stages, "links": links })
}

impl Stage {
    fn id(&self) -> String {
        format!("{}.{}", self.kind, self.name)
    }

    fn label(&self, line_break: &str) -> String {
        let title = if self.kind == self.name { self.kind.to_owned() } else { format!("{} {}", self.kind, self.name) };
        if self.detail.is_empty() { title } else { format!("{title}{line_break}{}", self.detail) }
    }
}

/// Escapes what would end a quoted Mermaid label; line breaks are ours.
fn mermaid_text(text: &str) -> String {
    text.replace('"', "#quot;")
}

fn dot_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Graph {
    fn stage(&mut self, kind: &'static str, name: &str, detail: String) -> usize {
        self.stages.push(Stage { kind, name: name.to_owned(), detail });
        self.stages.len() - 1
    }

    fn link(&mut self, from: usize, to: usize, label: impl Into<String>) {
        let label = label.into();
        self.links.push(Link { from, to, label });
    }
}

fn graph(pipeline: &Pipeline) -> Graph {
    let mut graph = Graph { stages: Vec::new(), links: Vec::new() };
    let sources: Vec<usize> =
        pipeline.sources.iter().map(|source| graph.stage("source", &source.name, source_detail(source))).collect();
    let capture = graph.stage("capture", "capture", capture_detail(pipeline));
    for (source, at) in pipeline.sources.iter().zip(sources) {
        graph.link(at, capture, source.collection.clone());
    }
    let routes: Vec<usize> =
        pipeline.routes.iter().map(|route| graph.stage("route", &route.name, route_detail(route))).collect();
    link_routes(&mut graph, pipeline, capture, &routes);
    let apply = apply_stage(&mut graph, pipeline);
    link_windows(&mut graph, pipeline, &routes, apply);
    let version = graph.stage("version", "version", format!("branch {}", pipeline.version.branch));
    graph.link(apply, version, "");
    link_sinks(&mut graph, pipeline, version);
    graph
}

/// Capture leads to the first route; each route leads on to the next: what it does not take, or everything if it continues.
fn link_routes(graph: &mut Graph, pipeline: &Pipeline, capture: usize, routes: &[usize]) {
    if let Some(first) = routes.first() {
        graph.link(capture, *first, "");
    }
    for (pair, route) in routes.windows(2).zip(&pipeline.routes) {
        graph.link(pair[0], pair[1], if route.continues { "all" } else { "else" });
    }
}

fn apply_stage(graph: &mut Graph, pipeline: &Pipeline) -> usize {
    let checks = pipeline.apply.validate.len();
    let detail = match checks {
        0 => String::new(),
        1 => "1 check".to_owned(),
        _ => format!("{checks} checks"),
    };
    graph.stage("apply", "apply", detail)
}

fn link_windows(graph: &mut Graph, pipeline: &Pipeline, routes: &[usize], apply: usize) {
    for window in &pipeline.windows {
        let at = graph.stage("window", &window.name, window_detail(window));
        let from: Vec<usize> = routes
            .iter()
            .zip(&pipeline.routes)
            .filter(|(_, route)| route.window == window.name)
            .map(|(at, _)| *at)
            .collect();
        for route in &from {
            graph.link(*route, at, "");
        }
        if !from.is_empty() {
            graph.link(at, apply, "");
        }
    }
}

/// Sinks are fed after the commit; the label names the routes whose deltas arrive.
fn link_sinks(graph: &mut Graph, pipeline: &Pipeline, version: usize) {
    for sink in &pipeline.sinks {
        let detail = format!("{} {}", sink.kind.name(), sink.what.name());
        let at = graph.stage("sink", &sink.name, detail);
        let routes: BTreeSet<&str> = pipeline
            .routes
            .iter()
            .filter(|route| route.to.contains(&sink.name))
            .map(|route| route.name.as_str())
            .collect();
        if !routes.is_empty() {
            let routes: Vec<&str> = routes.into_iter().collect();
            graph.link(version, at, routes.join(", "));
        }
    }
}

fn source_detail(source: &super::types::Source) -> String {
    let input = match source.inputs.as_slice() {
        [Input::Stdin] => "standard input".to_owned(),
        [Input::File(path)] => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        [Input::Glob { pattern, .. }] => pattern.clone(),
        [] => source.server.as_ref().map_or_else(String::new, |server| match &server.place {
            Followed::Nats { stream, .. } => stream.subject.clone(),
            Followed::Postgres { table, .. } => table.table.clone(),
            Followed::Socket { listen, .. } => listen.to_string(),
        }),
        several => format!("{} paths", several.len()),
    };
    let order = match source.order {
        FileOrder::FileName => "",
        FileOrder::Given => ", as given",
        FileOrder::Modified => ", oldest first",
    };
    format!("{} {input}{order}", source.kind.name())
}

/// Vectors are compared as the transformers leave them.
fn capture_detail(pipeline: &Pipeline) -> String {
    let steps = pipeline.apply.transform.iter().map(ToString::to_string);
    steps.chain([detector_detail(pipeline)]).collect::<Vec<_>>().join(", ")
}

fn detector_detail(pipeline: &Pipeline) -> String {
    match &pipeline.capture.detect {
        Detector::AnyBit if pipeline.capture.epsilon > 0.0 => {
            format!("epsilon {}", pipeline.capture.epsilon)
        }
        Detector::AnyBit => "any bit".to_owned(),
        Detector::Any(detectors) if detectors.len() == 1 => "1 threshold".to_owned(),
        Detector::Any(detectors) => format!("any of {} thresholds", detectors.len()),
    }
}

fn route_detail(route: &Route) -> String {
    let mut detail = route.matches.clone();
    if let Some(min) = route.when.min_l2 {
        detail.push_str(&format!(", l2 from {min}"));
    }
    if let Some(collection) = &route.when.collection {
        detail.push_str(&format!(", in {collection}"));
    }
    if !route.when.change.is_empty() {
        let changes: Vec<&str> = route.when.change.iter().map(|change| change.name()).collect();
        detail.push_str(&format!(", {}", changes.join("/")));
    }
    detail
}

fn window_detail(window: &Window) -> String {
    let Close::First(triggers) = &window.close else {
        return "each epoch".to_owned();
    };
    let parts = [
        triggers.after.map(show_duration),
        triggers.count.map(|count| format!("{count} deltas")),
        triggers.bytes.map(show_size),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" or ")
}
