//! The typed pipeline out of a checked tree. Bad values have been reported; they become placeholders that nobody sees.

use std::path::Path;

use super::table::{
    APPLY, CAPTURE, DETECT, DETECTOR, EXPECT, GENERATION, GIVEN, PIPELINE, ROOT, SINK, SNAPSHOT, TEST, TRANSFORMER,
    VALIDATOR, VERSION,
};
use super::tree::Node;
use super::types::{
    Apply, Capture, Expect, Given, Pipeline, Settings, Sink, SinkContent, SinkField, SinkKind, SnapshotRule, Test,
    Version,
};
use super::view::View;
use super::{route, servers, source, value, window};
use crate::apply::{Dims, Transformer, Validator};
use crate::capture::{Detector, Threshold};
use crate::delta::{Element, Timestamp};
use crate::route::DeliveryGuarantee;
use crate::store::place_from;
use crate::version::{Generation, MADE_BY};

/// Builds the pipeline; `file_name` gives the default name, `base_dir` makes paths absolute.
pub(super) fn build(root: &Node, file_name: &str, base_dir: &Path) -> Pipeline {
    let top = View::new(Some(root), &ROOT);
    let sources: Vec<_> =
        top.named("source").iter().map(|entry| source::read(&entry.key, &entry.node, base_dir)).collect();
    let sinks: Vec<_> = top.named("sink").iter().map(|entry| sink(&entry.key, &entry.node, base_dir)).collect();
    let mut windows = window::read(top.named("window"));
    let routes = route::read(top.rows("route"), &windows, &sinks);
    window::add_built_in(&mut windows, &routes);
    let collection = only_collection(&sources);
    Pipeline {
        settings: settings(View::new(top.given("pipeline"), &PIPELINE), file_name, base_dir),
        capture: capture(View::new(top.given("capture"), &CAPTURE)),
        apply: apply(View::new(top.given("apply"), &APPLY)),
        version: version(View::new(top.given("version"), &VERSION)),
        tests: top.rows("test").iter().map(|row| test(row, collection.as_deref())).collect(),
        sources,
        routes,
        windows,
        sinks,
    }
}

fn settings(view: View<'_>, file_name: &str, base_dir: &Path) -> Settings {
    let stem = Path::new(file_name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Settings {
        name: view.text("name").or(stem).unwrap_or_default(),
        store: place_from(base_dir, &view.text("store").unwrap_or_default()),
        memory_bytes: view.size("memory").unwrap_or_default(),
        drain: view.duration("drain").unwrap_or_default(),
        author: view.text("author"),
        threads: view.count_32("threads"),
    }
}

fn capture(view: View<'_>) -> Capture {
    let thresholds = view.table("detect", &DETECT).map_or(&[][..], |detect| detect.rows("any"));
    let any_bit = thresholds.iter().any(|row| row.entry("bits").is_some());
    let limits: Vec<Threshold> = thresholds.iter().filter_map(threshold).collect();
    Capture {
        detect: if any_bit || limits.is_empty() { Detector::AnyBit } else { Detector::Any(limits) },
        epsilon: view.number("epsilon").unwrap_or_default(),
        buffer_bytes: view.size("buffer_limit"),
        min_interval: view.duration("min_interval"),
        heartbeat: view.duration("heartbeat"),
    }
}

fn threshold(row: &Node) -> Option<Threshold> {
    let view = View::new(Some(row), &DETECTOR);
    let l2 = view.number("l2").map(Threshold::L2);
    l2.or_else(|| view.number("cosine").map(Threshold::Cosine))
        .or_else(|| view.number("max_abs").map(Threshold::MaxAbs))
}

fn apply(view: View<'_>) -> Apply {
    Apply {
        transform: view.rows("transform").iter().filter_map(transformer).collect(),
        validate: view.rows("validate").iter().filter_map(validator).collect(),
    }
}

fn transformer(row: &Node) -> Option<Transformer> {
    if row.text().is_some() {
        return Some(Transformer::Renormalise);
    }
    let view = View::new(Some(row), &TRANSFORMER);
    let scale = view.number("scale").map(Transformer::Scale);
    let round = || view.text("round").and_then(|name| Element::from_name(&name)).map(Transformer::Round);
    scale
        .or_else(|| view.number("clip").map(Transformer::Clip))
        .or_else(round)
        .or_else(|| dims(view, "mask").map(Transformer::Mask))
}

fn dims(view: View<'_>, key: &str) -> Option<Dims> {
    let ranges = view.texts(key)?;
    Some(Dims::new(ranges.iter().filter_map(|range| value::dim_range(range).ok())))
}

fn validator(row: &Node) -> Option<Validator> {
    if row.text().is_some() {
        return Some(Validator::Finite);
    }
    let view = View::new(Some(row), &VALIDATOR);
    let max_abs = view.number("max_abs").map(Validator::MaxAbs);
    max_abs
        .or_else(|| view.number("max_l2").map(Validator::MaxL2))
        .or_else(|| view.number("max_magnitude").map(Validator::MaxMagnitude))
        .or_else(|| dims(view, "lock_dims").map(Validator::LockDims))
}

fn version(view: View<'_>) -> Version {
    Version {
        branch: view.text("branch").unwrap_or_default(),
        message: view.text("message"),
        metadata: std::collections::BTreeMap::new(),
        snapshot: view
            .table("snapshot", &SNAPSHOT)
            .map(|rule| SnapshotRule { every_commits: rule.count_32("every"), or_bytes: rule.size("or_bytes") }),
        generation: view.table("generation", &GENERATION).map(|view| Generation {
            name: view.text("name").unwrap_or_default(),
            made_by: MADE_BY.iter().filter_map(|word| Some(((*word).to_owned(), view.text(word)?))).collect(),
        }),
        forbid_mixed: view.bool("forbid_mixed").unwrap_or(false),
    }
}

fn sink(name: &str, node: &Node, base_dir: &Path) -> Sink {
    let view = View::new(Some(node), &SINK);
    let kind = view.choice("kind").unwrap_or(SinkKind::Jsonl);
    let what = view.choice("what").unwrap_or(SinkContent::Deltas);
    let fields = view.choices("fields").unwrap_or_else(|| default_fields(what));
    Sink {
        name: name.to_owned(),
        kind,
        path: source::absolute(base_dir, &view.text("path").unwrap_or_default()).to_string_lossy().into_owned(),
        what,
        fields: if matches!(kind, SinkKind::Jsonl | SinkKind::Webhook) { fields } else { Vec::new() },
        url: view.text("url"),
        metric: view.choice("metric").unwrap_or_default(),
        roll_bytes: view.size("roll"),
        guarantee: view.choice("guarantee").unwrap_or(match kind {
            SinkKind::Webhook => DeliveryGuarantee::AtLeastOnce,
            _ => DeliveryGuarantee::ExactlyOnce,
        }),
        on_slow: view.choice("on_slow").unwrap_or_default(),
        server: servers::read_sink(name, kind, view),
    }
}

fn default_fields(what: SinkContent) -> Vec<SinkField> {
    match what {
        SinkContent::Deltas => vec![
            SinkField::Source,
            SinkField::Change,
            SinkField::ChangedDims,
            SinkField::L2,
            SinkField::Cosine,
            SinkField::MaxAbs,
            SinkField::Commit,
            SinkField::Time,
        ],
        SinkContent::Table => vec![SinkField::Source, SinkField::Vector, SinkField::Bits],
    }
}

fn only_collection(sources: &[super::types::Source]) -> Option<String> {
    let (first, rest) = sources.split_first()?;
    rest.iter().all(|source| source.collection == first.collection).then(|| first.collection.clone())
}

fn test(row: &Node, collection: Option<&str>) -> Test {
    let view = View::new(Some(row), &TEST);
    let given = View::new(view.given("given"), &GIVEN);
    let expect = View::new(view.given("expect"), &EXPECT);
    Test {
        name: view.text("name").unwrap_or_default(),
        given: Given {
            id: given.text("id").unwrap_or_default(),
            collection: given.text("collection").or(collection.map(str::to_owned)).unwrap_or_default(),
            before: given.numbers("before"),
            after: given.numbers("after"),
            meta: given.map("meta").into_iter().map(|(name, values)| (name, values.concat())).collect(),
            now_millis: given.text("now").and_then(|text| Timestamp::parse_rfc3339(&text)).unwrap_or(0),
        },
        expect: Expect {
            captured: expect.bool("captured"),
            change: expect.choice("change"),
            changed_dims: expect.count_32("changed_dims"),
            route: expect.text("route"),
            to: expect.texts("to"),
            priority: expect.choice("priority"),
            window: expect.text("window"),
        },
    }
}
