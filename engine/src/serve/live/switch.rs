//! Sources and sinks that are told to wait, and to go on.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::api::Parameters;
use super::super::http::{Head, Response};
use super::board::Board;
use super::boards::Boards;

/// What a source or sink is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To wait.
    Pause,
    /// To go on.
    Resume,
}

impl Order {
    /// Returns the path under which it is counted.
    pub fn route(self) -> &'static str {
        match self {
            Order::Pause => "/v1/stages/NAME/pause",
            Order::Resume => "/v1/stages/NAME/resume",
        }
    }
}

/// Reads a path as an order to somebody.
pub fn order(path: &str) -> Option<(&str, Order)> {
    let (name, order) = path.strip_prefix("/v1/stages/")?.rsplit_once('/')?;
    match order {
        "pause" => Some((name, Order::Pause)),
        "resume" => Some((name, Order::Resume)),
        _ => None,
    }
}

/// Answers an order: it holds when this returns, and giving it again changes nothing. `?kind` tells a source from a sink
/// of the same name. A worker's holds for `?partition`, or for all of its partitions, also for those that it works on later.
pub fn answer(boards: &Boards, head: &Head, name: &str, order: Order) -> Result<Response, Response> {
    let parameters = Parameters::of(head, &["kind", "partition"])?;
    let (kind, asked) = (parameters.text("kind")?, boards.asked(&parameters)?);
    if let Some(other) = kind.filter(|kind| !["source", "sink"].contains(kind)) {
        let text = format!("there is no kind `{other}`");
        return Err(Response::refused(400, &text, "there is source, sink"));
    }
    let (sources, sinks) = names(&asked);
    let is_source = kind != Some("sink") && sources.contains(name);
    let is_sink = kind != Some("source") && sinks.contains(name);
    let kind = match (is_source, is_sink) {
        (true, false) => "source",
        (false, true) => "sink",
        (true, true) => {
            let text = format!("`{name}` is a source and a sink");
            return Err(Response::refused(409, &text, "add ?kind=source or ?kind=sink"));
        }
        (false, false) => {
            let noun = kind.unwrap_or("source or sink");
            let help = format!("there is {}", listed(&sources, &sinks));
            return Err(Response::refused(404, &format!("there is no {noun} `{name}`"), &help));
        }
    };
    let paused = order == Order::Pause;
    for board in &asked {
        match kind {
            "source" => board.controls.pause_source(name, paused),
            _ => board.controls.pause_sink(name, paused),
        }
    }
    let mut document = json!({ "name": name, "kind": kind, "paused": paused });
    if boards.are_partitions() {
        document["partitions"] = asked.iter().filter_map(|board| board.partition).collect();
    }
    Ok(Response::json(200, &document))
}

/// Returns who there is: as the pipeline began, and what it was reloaded with.
fn names(boards: &[&Board]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut sources, mut sinks) = (BTreeSet::new(), BTreeSet::new());
    for board in boards {
        let figures = board.metrics.figures();
        sources.extend(board.totals().sources.keys().cloned());
        // A sink with a part for each collection is told as a whole.
        let running = figures.sinks.keys().filter_map(|name| name.split(':').next()).map(str::to_owned);
        sinks.extend(board.sinks.iter().cloned().chain(running));
    }
    (sources, sinks)
}

fn listed(sources: &BTreeSet<String>, sinks: &BTreeSet<String>) -> String {
    let of = |noun: &str, names: &BTreeSet<String>| {
        let all = names.iter().map(|name| format!("{noun} {name}")).collect::<Vec<_>>();
        all.join(", ")
    };
    let parts = [of("source", sources), of("sink", sinks)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
