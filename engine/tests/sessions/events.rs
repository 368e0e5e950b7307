//! Every event of the domain is really told: by a run, by the commands over a history, or by the library.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vecdelta::apply::{ApplicationPolicy, ConflictResolution, Target};
use vecdelta::delta::{Delta, DeltaInfo, Element, Table};
use vecdelta::event::Event;

use crate::shell::Session;

/// The events of the domain, by context: capture, propagation, aggregation, application, versioning.
const DOMAIN: [&str; 32] = [
    "ChangeDetected",
    "DeltaExtracted",
    "DeltaCaptured",
    "CaptureBufferFlushed",
    "ObserverError",
    "ObserverPaused",
    "DeltaRouted",
    "DeltaPublished",
    "DeltaDelivered",
    "DeltaAcknowledged",
    "SubscriberBackpressured",
    "ChannelCreated",
    "SubscriptionChanged",
    "WindowOpened",
    "WindowClosed",
    "WindowCompacted",
    "BatchCreated",
    "BatchCompressed",
    "AggregationPolicyChanged",
    "DeltaApplied",
    "DeltaRejected",
    "DeltaConflictDetected",
    "DeltaMerged",
    "DeltaRolledBack",
    "TargetStateCorrupted",
    "DeltaVersioned",
    "SnapshotCreated",
    "BranchCreated",
    "BranchMerged",
    "StreamCompacted",
    "ReplayStarted",
    "ReplayCompleted",
];

const STREAM: &str = r#"
config_version = 1

[pipeline]
name  = "told"
store = "t.vd"
drain = "300ms"

[source.live]
kind  = "jsonl"
path  = "-"
id    = "id"
vector = "v"
epoch = false

[capture]
heartbeat = "50ms"

[[route]]
name   = "some"
match  = "live/a*"
window = "w"
to     = ["kept", "away"]

[window.w]
close = { after = "100ms", count = 50 }

[sink.kept]
kind = "jsonl"
path = "kept.jsonl"

[sink.away]
kind = "webhook"
url  = "http://127.0.0.1:9/nobody"
"#;

fn told(s: &Session) -> Vec<Value> {
    let text = std::fs::read_to_string(s.dir.join("events.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[track_caller]
fn wait_for(s: &Session, name: &str) {
    let start = Instant::now();
    while !told(s).iter().any(|event| event["event"] == name) {
        assert!(start.elapsed() < Duration::from_secs(20), "{name} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A stream that is routed, refused in part, reloaded and stopped.
fn a_stream(s: &Session) {
    s.write("t.toml", STREAM);
    let mut command = s.command(&["run", "t.toml", "--events", "events.jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let id = child.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    let rows = "{\"id\":\"a1\",\"v\":[1,2]}\n{\"id\":\"a1\",\"v\":[1,3]}\n{\"id\":\"b\",\"v\":[1,2]}\nno row\n";
    stdin.write_all(rows.as_bytes()).unwrap();
    for name in ["DeltaVersioned", "DeltaAcknowledged", "SubscriberBackpressured", "Heartbeat", "DeltaUnrouted"] {
        wait_for(s, name);
    }
    s.write("t.toml", &STREAM.replace("\"t.vd\"", "\"other.vd\""));
    signal("-HUP");
    wait_for(s, "PipelineReloadRefused");
    s.write("t.toml", &STREAM.replace("count = 50", "count = 60"));
    signal("-HUP");
    wait_for(s, "AggregationPolicyChanged");
    signal("-TERM");
    child.wait().unwrap();
    let all = told(s);
    let change = all.iter().find(|event| event["event"] == "AggregationPolicyChanged").unwrap();
    let fields = ["source", "window", "old_policy", "new_policy"].map(|name| change[name].as_str().unwrap().to_owned());
    assert_eq!(fields, ["live", "w", "after 100ms, count 50", "after 100ms, count 60"]);
}

/// Files: one that cannot be read, and a mirror that was damaged.
fn files(s: &Session) {
    let pipeline =
        "config_version = 1\n[pipeline]\nstore = \"f.vd\"\n[source.files]\nkind = \"jsonl\"\npath = \"*.jsonl\"\n";
    std::fs::create_dir(s.dir.join("in")).unwrap();
    s.write("in/t.toml", pipeline);
    let line = |i: u32, x: u32| format!("{{\"id\":\"k{i}\",\"v\":[{x},{i},1,2,3,4,5,6]}}\n");
    s.write("in/1.jsonl", &(0..500).map(|i| line(i, 1)).collect::<String>());
    let run = || s.quiet(&["run", "in/t.toml", "--events", "events.jsonl"]);
    run().exits(0);
    let mirrors = s.dir.join("in/f.vd/cache/mirrors");
    let mut rows = Vec::new();
    let mut open = vec![mirrors];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => open.push(path),
                false if path.file_name().unwrap() == "rows" => rows.push(path),
                false => {}
            }
        }
    }
    let mut bytes = std::fs::read(&rows[0]).unwrap();
    let end = bytes.len();
    bytes[end - 40..].iter_mut().for_each(|byte| *byte ^= 0x11);
    std::fs::write(&rows[0], bytes).unwrap();
    s.write("in/2.jsonl", &(0..500).map(|i| line(i, 1 + i % 2)).collect::<String>());
    run().exits(0);
    wait_for(s, "TargetStateCorrupted");
    s.write("in/3.jsonl", "no row\n");
    run().exits(65);
}

/// The commands over a history.
fn history(s: &Session) {
    for (file, x) in [("a.jsonl", 1.0), ("b.jsonl", 2.0), ("side.jsonl", 9.0)] {
        s.table(file, &[("apple", &[x, 1.0]), ("pear", &[x, 2.0])]);
    }
    s.quiet(&["ingest", "h.vd", "a.jsonl", "b.jsonl"]).exits(0);
    let tell = |command: &[&str]| s.quiet(&[command, &["--events", "events.jsonl"]].concat()).exits(0);
    tell(&["branch", "h.vd", "side", "--at", "main~1"]);
    s.quiet(&["ingest", "h.vd", "side.jsonl", "--branch", "side"]).exits(0);
    tell(&["merge", "h.vd", "side", "--strategy", "theirs"]);
    tell(&["rollback", "h.vd", "--last", "1"]);
    tell(&["snapshot", "h.vd"]);
    tell(&["replay", "h.vd"]);
    s.quiet(&["ingest", "h.vd", "a.jsonl", "b.jsonl"]).exits(0);
    tell(&["compact", "h.vd"]);
}

/// Single vectors in memory: what the library tells of them.
fn targets() -> Vec<Event> {
    let row = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
    let table = Table { collection: "docs".into(), element: Element::F32, dims: 2 };
    let delta = |old: Option<[f32; 2]>, new: [f32; 2]| {
        let old = old.map(row);
        Delta::new(&table, "intro", old.as_deref(), Some(&row(new)), DeltaInfo::default()).unwrap()
    };
    let insert = delta(None, [1.0, 1.0]);
    let (ours, theirs) = (delta(Some([1.0, 1.0]), [2.0, 1.0]), delta(Some([1.0, 1.0]), [1.0, 3.0]));
    let resolutions = [ConflictResolution::FirstWriteWins, ConflictResolution::Merge];
    let told = resolutions.into_iter().flat_map(|conflict_resolution| {
        let policy = ApplicationPolicy { conflict_resolution, verify_chain: false, ..ApplicationPolicy::default() };
        let mut target = Target::absent(table.clone(), "intro", policy);
        let source = insert.source().clone();
        let applied = [&insert, &ours, &theirs].map(|delta| target.apply(delta).unwrap());
        applied.iter().filter_map(|application| Event::of(&source, application)).collect::<Vec<_>>()
    });
    told.collect()
}

#[test]
fn every_event_of_the_domain_is_told() {
    let s = Session::new("events");
    a_stream(&s);
    files(&s);
    history(&s);
    let mut names: BTreeSet<String> =
        told(&s).iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
    names.extend(targets().iter().map(|event| event.name().to_owned()));
    let missing: Vec<_> = DOMAIN.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "never told: {missing:?}");
    // All others are told as well.
    let missing: Vec<_> = Event::NAMES.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "never told: {missing:?}");
}

/// `ingest` tells of its epochs as a pipeline does, before anything is changed it is known whether it can.
#[test]
fn an_ingest_tells_of_its_epochs() {
    let s = Session::new("ingest_events");
    s.table("1.jsonl", &[("a", &[1.0, 2.0]), ("b", &[3.0, 4.0])]);
    s.table("2.jsonl", &[("a", &[1.0, 2.5]), ("b", &[3.0, 4.0])]);
    s.quiet(&["ingest", "t.vd", "1.jsonl", "--events", "no/such/place"]).exits(73);
    assert!(!s.dir.join("t.vd").exists());
    s.quiet(&["ingest", "t.vd", "1.jsonl", "2.jsonl", "--events", "events.jsonl"]).exits(0);
    let told: Vec<Value> = s.read("events.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| told.iter().filter(|event| event["event"] == name).cloned().collect::<Vec<_>>();
    let commits: Vec<Value> = s.quiet(&["log", "t.vd", "--json"]).lines().iter().map(|c| c["commit"].clone()).collect();
    let versioned: Vec<Value> = of("DeltaVersioned").iter().rev().map(|event| event["commit"].clone()).collect();
    assert_eq!(versioned, commits);
    assert_eq!((of("BranchCreated").len(), &of("DeltaCaptured")[1]["deltas"]), (1, &1.into()));
    assert!(of("BatchCreated").iter().all(|event| event["checksum"].is_string()), "{told:?}");
}
