//! A good file, read to its last value.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::{
    Change, Close, Detector, Input, Missing, Pipeline, SinkContent, SinkField, Threshold, Transformer, Triggers,
    Validator, dims_differ, graph_dot, graph_json, graph_mermaid, parse, render,
};
use crate::apply::Dims;
use crate::delta::Element;

const FULL: &str = r#"
config_version = 1
[pipeline]
name = "catalog"
store = "./catalog.vd"
memory = "1.5GiB"
author = { env = "AUTHOR" }
threads = 2
[source.dump]
kind = "parquet"
path = ["dumps/*/*.parquet", "/data/last.parquet"]
id = "sku"
vector = { column = "emb", dims = 2 }
missing = "delete"
[source.edits]
kind = "jsonl"
path = "-"
collection = "dump"
epoch = false
[capture]
detect = { any = [{ l2 = 1 }, { cosine = 1e-4 }] }
heartbeat = "60s"
[[route]]
name = "eu-live"
match = "dump/{berlin,paris}/**"
when = { min_l2 = 0.05, change = ["insert", "update"] }
window = "live"
continue = true
[[route]]
window = "bulk"
to = ["lake"]
[window.live]
close = { after = "2s", count = 500, bytes = "4MiB" }
[window.bulk]
close = { after = "5m" }
[apply]
validate = ["finite", { max_l2 = 1.5 }, { max_magnitude = 0.5 }, { lock_dims = "0..2" }]
transform = ["renormalise", { scale = 2 }, { clip = 1.0 }, { round = "bf16" }, { mask = ["0..1", "1..2"] }]
[version]
message = "{source}: {file}"
snapshot = { every = 64 }
[sink.lake]
kind = "parquet"
path = "out/{branch}"
[sink.audit]
kind = "jsonl"
path = "audit.jsonl"
fields = ["id", "l2"]
[[test]]
name = "a visible change goes live"
given = { id = "berlin/x", before = [0, -0.0], after = [0.5, nan] }
expect = { route = "eu-live", to = ["lake", "audit"], captured = true, changed_dims = 2 }
"#;

fn read(text: &str, sets: &[(&str, &str)]) -> Pipeline {
    let sets: Vec<_> = sets.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let env = |name: &str| (name == "AUTHOR").then(|| "Ada".to_owned());
    match parse("catalog.toml", text, Path::new("/base"), &sets, &env) {
        Ok((pipeline, _)) => pipeline,
        Err(diagnosis) => {
            let shown: Vec<_> = diagnosis.errors.iter().map(|d| render("catalog.toml", text, d, false)).collect();
            panic!("{}", shown.join("\n"))
        }
    }
}

#[test]
fn a_full_file_is_read_to_its_last_value() {
    let pipeline = read(FULL, &[]);
    assert_eq!(pipeline.settings.store, Path::new("/base/catalog.vd"));
    assert_eq!(pipeline.settings.memory_bytes, 3 << 29);
    assert_eq!(pipeline.settings.drain, Duration::from_secs(30));
    assert_eq!(pipeline.settings.author.as_deref(), Some("Ada"));
    let (dump, edits) = (&pipeline.sources[0], &pipeline.sources[1]);
    let glob = Input::Glob { directory: PathBuf::from("/base/dumps"), pattern: "*/*.parquet".to_owned() };
    assert_eq!(dump.inputs, [glob, Input::File(PathBuf::from("/data/last.parquet"))]);
    assert_eq!((dump.vector.as_deref(), dump.dims, dump.missing), (Some("emb"), Some(2), Missing::Delete));
    assert!(edits.live() && !edits.epoch && edits.collection == "dump");
    assert_eq!(pipeline.capture.detect, Detector::Any(vec![Threshold::L2(1.0), Threshold::Cosine(1e-4)]));
    assert!(pipeline.capture.lossy());
    check_routes(&pipeline);
    let lock = Validator::LockDims(Dims::new([(0, 2)]));
    assert_eq!(pipeline.apply.validate, [Validator::Finite, Validator::MaxL2(1.5), Validator::MaxMagnitude(0.5), lock]);
    let mask = Transformer::Mask(Dims::new([(0, 1), (1, 2)]));
    let rounded = Transformer::Round(Element::Bf16);
    let steps = [Transformer::Renormalise, Transformer::Scale(2.0), Transformer::Clip(1.0), rounded, mask];
    assert_eq!(pipeline.apply.transform, steps);
    assert_eq!(pipeline.version.branch, "main");
    assert_eq!(pipeline.sinks[1].fields, [SinkField::Id, SinkField::L2]);
    assert_eq!(pipeline.sinks[0].what, SinkContent::Deltas);
    let before = pipeline.tests[0].given.before.as_deref().expect("given");
    assert_eq!(before[1].to_bits(), (-0.0_f64).to_bits());
}

fn check_routes(pipeline: &Pipeline) {
    let (live, rest) = (&pipeline.routes[0], &pipeline.routes[1]);
    assert_eq!(live.when.change, [Change::Insert, Change::Update]);
    assert_eq!(live.to, ["lake", "audit"]);
    assert!(live.continues && !rest.continues);
    assert_eq!((rest.name.as_str(), rest.matches.as_str()), ("route-2", "**"));
    let triggers =
        Triggers { after: Some(Duration::from_secs(2)), count: Some(500), bytes: Some(4 << 20), ..Triggers::default() };
    assert_eq!(pipeline.windows[0].close, Close::First(triggers));
}

const SMALL: &str = "config_version = 1\npipeline.store = \"c.vd\"\n[source.dump]\nkind = \"npy\"\npath = \"a.npy\"\n";

#[test]
fn a_small_file_gets_a_route_and_a_window() {
    let pipeline = read(SMALL, &[]);
    assert_eq!(pipeline.settings.name, "catalog");
    assert_eq!(pipeline.routes.len(), 1);
    assert_eq!((pipeline.routes[0].name.as_str(), pipeline.routes[0].window.as_str()), ("default", "epoch"));
    assert_eq!(pipeline.windows.len(), 1);
    assert_eq!(pipeline.windows[0].close, Close::Epoch);
    assert_eq!(pipeline.capture.detect, Detector::AnyBit);
    assert!(!pipeline.capture.lossy());
}

#[test]
fn arguments_override_the_file() {
    let sets = [
        ("pipeline.memory", "4GiB"),
        ("source.dump.missing", "\"delete\""),
        ("source.dump.path", "[\"b.npy\", \"c.npy\"]"),
        ("window.live.close", "{ after = \"2s\" }"),
        ("version.branch", "trial"),
    ];
    let pipeline = read(SMALL, &sets);
    assert_eq!(pipeline.settings.memory_bytes, 4 << 30);
    assert_eq!(pipeline.sources[0].inputs.len(), 2);
    assert_eq!(pipeline.routes[0].window, "live");
    assert_eq!(pipeline.version.branch, "trial");
    let routed = read(FULL, &[("route.eu-live.window", "bulk"), ("route.1.to", "[\"audit\"]")]);
    assert_eq!(routed.routes[0].window, "bulk");
    assert_eq!(routed.routes[1].to, ["audit"]);
}

#[test]
fn graphs_name_every_stage() {
    let pipeline = read(FULL, &[]);
    let json = graph_json(&pipeline);
    let stages = json["stages"].as_array().expect("a list").len();
    assert_eq!(stages, 2 + 1 + 2 + 2 + 1 + 1 + 2);
    assert_eq!(graph_mermaid(&pipeline).matches("[(\"").count(), 4);
    assert!(graph_dot(&pipeline).contains("s0 -> s2 [label = \"dump\"];"));
}

#[test]
fn a_width_that_the_data_contradicts_is_shown_at_its_number() {
    let pipeline = read(FULL, &[]);
    let note = "3 of 3 files store `emb` as 4 x f32";
    let diagnostic = dims_differ(FULL, &pipeline.sources[0], 4, note);
    assert_eq!((diagnostic.line, diagnostic.column), (13, 35));
    let shown = render("catalog.toml", FULL, &diagnostic, false);
    assert!(shown.contains("^ config says 2") && shown.contains(note), "{shown}");
}
