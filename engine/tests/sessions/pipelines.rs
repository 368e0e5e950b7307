//! Every pipeline file that is shipped runs, and runs again.

use serde_json::Value;

use crate::shell::Session;

/// A pipeline file in the folder that no test runs would rot.
#[test]
fn every_shipped_file_is_checked_planned_and_run_twice() {
    let s = Session::checkout("shipped");
    let mut names: Vec<String> = std::fs::read_dir(s.dir.join("pipelines"))
        .unwrap()
        .map(|entry| format!("pipelines/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.ends_with(".toml"))
        // Those that need servers are run by the tests that have them.
        .filter(|name| !["NATS_URL", "POSTGRES_URL"].iter().any(|url| s.read(name).contains(url)))
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    let changes = s.read("datasets/changes.jsonl");
    for name in &names {
        s.quiet(&["check", name]).exits(0);
        s.quiet(&["test", name]).exits(0);
        s.quiet(&["graph", name]).exits(0);
        let plan = s.quiet_with(&["plan", name, "--json"], &changes).exits(0).json();
        let first = s.quiet_with(&["run", name, "--json"], &changes).exits(0).json();
        let counts = |report: &Value| -> Vec<Value> {
            let commits = report["commits"].as_array().unwrap().iter();
            commits.map(|c| serde_json::json!([c["inserted"], c["updated"], c["deleted"], c["state_root"]])).collect()
        };
        assert_eq!(counts(&plan), counts(&first), "{name}: the plan and the run differ");
        assert!(!counts(&first).is_empty(), "{name}");
        s.quiet_with(&["run", name], &changes).exits(0);
        let store = first["repository"].as_str().unwrap();
        assert_eq!(s.quiet(&["verify", store, "--json"]).exits(0).json()["ok"], true);
    }
}

#[test]
fn analytics() {
    let mut s = Session::checkout("analytics");
    s.run("run pipelines/analytics.toml").exits(0);
    s.run("run pipelines/analytics.toml").exits(0);
    s.run("verify out/analytics.vd --manifest out/analytics/packages-main").exits(0);
    insta::assert_snapshot!(s.transcript());
    let edited = lines(&s.read("out/analytics/edited.jsonl"));
    let updates = s.quiet(&["replay", "out/analytics.vd", "--json"]).exits(0).lines();
    let far = updates.iter().filter(|d| d["change"] == "update" && d["l2"].as_f64().unwrap() >= 0.05).count();
    assert_eq!(edited.len(), far);
    assert!(edited.iter().all(|line| line.as_object().unwrap().len() == 7), "{}", edited[0]);
}

#[test]
fn guarded() {
    let mut s = Session::checkout("guarded");
    s.run("check pipelines/guarded.toml").exits(0);
    s.run("test pipelines/guarded.toml").exits(0);
    s.run("plan pipelines/guarded.toml").exits(0);
    assert!(!s.dir.join("out/guarded.vd").exists(), "a plan writes nothing");
    s.run("run pipelines/guarded.toml").exits(0);
    s.run("run pipelines/guarded.toml").exits(0);
    s.run("graph pipelines/guarded.toml").exits(0);
    s.run("explain VD0310").exits(0);
    insta::assert_snapshot!(s.transcript());
    let prefixes = ["mariadb", "mysql", "postgresql", "sqlite"];
    for line in lines(&s.read("out/guarded/databases.jsonl")) {
        assert!(prefixes.iter().any(|p| line["id"].as_str().unwrap().starts_with(p)), "{line}");
    }
    for line in lines(&s.read("out/guarded/libraries.jsonl")) {
        assert!(line["id"].as_str().unwrap().starts_with("lib") && line["change"] != "update", "{line}");
    }
}

/// A vector that a validator refuses stops the run where that is asked for; what was committed before it stays.
#[test]
fn a_refused_vector() {
    let mut s = Session::checkout("refused");
    let limits = "pipelines/stream.toml";
    let text = s.read(limits).replace("[\"finite\"]", "[\"finite\", { max_abs = 5.0 }]");
    s.write(limits, &text.replace("path   = \"-\"", "path   = \"-\"\non_reject = \"stop\""));
    s.quiet_with(&["run", limits], "{\"id\":\"lamp\",\"embedding\":[1,2]}\n").exits(0);
    s.run_with(
        "run pipelines/stream.toml",
        "{\"id\":\"lamp\",\"embedding\":[3,4]}\n{\"id\":\"chair\",\"embedding\":[1,9]}\n",
    )
    .exits(65);
    s.run("get out/stream.vd products/lamp").exits(0);
    insta::assert_snapshot!(s.transcript());
}

/// What is kept is what the transformers leave, and the commits say so; the same input again is no change.
#[test]
fn normalised() {
    let mut s = Session::checkout("normalised");
    s.run("test pipelines/normalised.toml").exits(0);
    s.run("run pipelines/normalised.toml").exits(0);
    s.run("show out/normalised.vd main").exits(0);
    s.run("graph pipelines/normalised.toml").exits(0);
    s.remark("zeros have no direction");
    let text = s.read("pipelines/normalised.toml");
    let kind = "kind   = \"jsonl\"\npath   = \"more.jsonl\"";
    let text = text.replace("kind   = \"parquet\"\npath   = \"../datasets/debian/*.parquet\"", kind);
    let text = text.replace("dims = 384", "dims = 2").replace("out/normalised.vd", "out/more.vd");
    s.write("pipelines/more.toml", &text);
    let line = |id: &str, row: [f64; 2]| format!("{}\n", serde_json::json!({ "package": id, "embedding": row }));
    s.write("pipelines/more.jsonl", &(line("up", [0.0, 2.0]) + &line("zero", [0.0, 0.0])));
    s.run("run pipelines/more.toml").exits(65);
    assert!(!s.dir.join("out/more.vd").exists(), "bad input leaves no repository");
    s.write("pipelines/more.jsonl", &(line("up", [0.0, 2.0]) + &line("side", [-3.0, 4.0])));
    s.run("run pipelines/more.toml").exits(0);
    s.run("get out/more.vd packages/side").exits(0);
    insta::assert_snapshot!(s.transcript());
    assert_eq!(
        s.quiet(&["get", "out/more.vd", "packages/side", "--json"]).exits(0).json()["bits"],
        "9a9919bfcdcc4c3f",
        "-0.6 and 0.8"
    );
    for commit in s.quiet(&["log", "out/normalised.vd", "--json"]).exits(0).lines() {
        assert_eq!(commit["metadata"]["transformed"], "round bf16, renormalise");
    }
}

/// Lines hold what the other commands say: times, cosines and bits; several collections share a file, and one that the
/// pipeline does not fill stays out of it.
#[test]
fn lines_for_other_programs() {
    let s = Session::new("lines");
    s.table("a.jsonl", &[("x", &[1.0, 0.1]), ("y", &[0.3, -0.0])]);
    s.table("b.jsonl", &[("x", &[3.0, 4.0])]);
    s.write(
        "both.toml",
        "config_version = 1\npipeline.store = \"both.vd\"\n\
         [source.left]\nkind = \"jsonl\"\npath = \"a.jsonl\"\nmissing = \"delete\"\n\
         [source.right]\nkind = \"jsonl\"\npath = \"b.jsonl\"\n\
         [sink.changes]\nkind = \"jsonl\"\npath = \"changes.jsonl\"\n\
         fields = [\"source\", \"change\", \"cosine\", \"time\", \"commit\", \"vector\"]\n\
         [sink.table]\nkind = \"jsonl\"\npath = \"table.jsonl\"\nwhat = \"table\"\n",
    );
    s.quiet(&["run", "both.toml"]).exits(0);
    s.quiet(&["ingest", "both.vd", "b.jsonl", "--collection", "strange"]).exits(0);
    s.table("a.jsonl", &[("x", &[0.1, -1.0])]);
    s.quiet(&["run", "both.toml"]).exits(0);
    let commits = s.quiet(&["log", "both.vd", "--json"]).exits(0).lines();
    let time = |commit: &Value| commits.iter().find(|c| c["commit"] == *commit).map(|c| c["time"].clone());
    let changes = lines(&s.read("changes.jsonl"));
    let of = |source: &str, change: &str| {
        changes.iter().find(|l| l["source"] == source && l["change"] == change).unwrap_or_else(|| panic!("{changes:?}"))
    };
    assert_eq!(changes.len(), 5, "{changes:?}");
    assert!(changes.iter().all(|line| time(&line["commit"]).as_ref() == Some(&line["time"])), "{changes:?}");
    let update = of("left/x", "update");
    assert!(update["cosine"].as_f64().unwrap().abs() < 1e-7, "{update}");
    assert_eq!(update["bits"], "cdcccc3d000080bf");
    assert_eq!(of("left/y", "insert")["bits"], "9a99993e00000080", "-0.0 is in the bits");
    let gone = of("left/y", "delete");
    assert!(gone["vector"].is_null() && gone["bits"].is_null(), "{gone}");
    for line in lines(&s.read("table.jsonl")) {
        let found = s.quiet(&["get", "both.vd", line["source"].as_str().unwrap(), "--json"]).exits(0).json();
        assert_eq!((&line["vector"], &line["bits"]), (&found["vector"], &found["bits"]));
    }
    assert_eq!(s.read("table.jsonl").lines().count(), 2);
}

/// Windows that wait for a long time are bounded by what they hold together; an id that changes again takes no more room.
#[test]
fn windows_are_closed_when_they_hold_too_much() {
    let s = Session::checkout("held");
    let text = s.read("pipelines/stream.toml").replace("{ after = \"2s\", count = 100 }", "{ after = \"1h\" }");
    s.write("pipelines/stream.toml", &text.replace("[apply]", "[capture]\nbuffer_limit = \"160B\"\n\n[apply]"));
    let line = |id: u32, x: u32| format!("{{\"id\":\"lamp-{id}\",\"embedding\":[{x},1]}}\n");
    let input: String = (0..35).map(|id| line(id, 1) + &line(id, 2)).collect();
    let report = s.quiet_with(&["run", "pipelines/stream.toml", "--json"], &input).exits(0).json();
    let commits = report["commits"].as_array().unwrap().iter();
    let count = |c: &Value, what: &str| c[what].as_u64().unwrap();
    let closed: Vec<(&str, u64, u64)> = commits
        .map(|c| (c["metadata"]["closed_by"].as_str().unwrap(), count(c, "inserted"), count(c, "updated")))
        .collect();
    // The second change of the tenth id comes after its window was closed, and is an update of the next.
    assert_eq!(closed, [("memory", 10, 0), ("memory", 9, 1), ("memory", 9, 1), ("drain", 7, 1)]);
    s.write("pipelines/stream.toml", &s.read("pipelines/stream.toml").replace("160B", "3GiB"));
    let report = s.quiet(&["check", "pipelines/stream.toml", "--json"]).exits(78).json();
    assert_eq!(report["errors"][0]["code"], "VD0360");
}

/// The event log tells what the report and the history say, in the order in which it happened.
#[test]
fn events_and_observers() {
    let s = Session::checkout("events");
    let run = |input: &str| {
        let args = ["run", "pipelines/stream.toml", "--events", "events.jsonl", "--json"];
        s.quiet_with(&args, input).exits(0).json()
    };
    let changes = s.read("datasets/changes.jsonl");
    let report = run(&changes);
    let told = lines(&s.read("events.jsonl"));
    let of = |name: &str| told.iter().filter(|e| e["event"] == name).cloned().collect::<Vec<Value>>();
    let sum = |name: &str, field: &str| of(name).iter().map(|e| e[field].as_u64().unwrap()).sum::<u64>();
    let commits = report["commits"].as_array().unwrap();
    let versioned: Vec<Value> = of("DeltaVersioned").iter().map(|e| e["commit"].clone()).collect();
    assert_eq!(versioned, commits.iter().map(|c| c["commit"].clone()).collect::<Vec<_>>());
    let roots: Vec<Value> = of("BatchCreated").iter().map(|e| e["state_root"].clone()).collect();
    assert_eq!(roots, commits.iter().map(|c| c["state_root"].clone()).collect::<Vec<_>>());
    let rows = changes.lines().count() as u64;
    assert_eq!(sum("ChangeDetected", "rows"), rows);
    assert_eq!(sum("DeltaCaptured", "deltas") + sum("DeltaFiltered", "rows"), rows);
    assert_eq!(sum("DeltaRouted", "deltas"), sum("DeltaCaptured", "deltas"));
    assert_eq!(sum("DeltaApplied", "deltas"), sum("DeltaVersioned", "deltas"));
    assert_eq!(sum("DeltaApplied", "deltas"), sum("CaptureBufferFlushed", "deltas"));
    assert_eq!(
        sum("BatchCompressed", "compressed_bytes"),
        commits.iter().map(|c| c["delta_bytes"].as_u64().unwrap()).sum::<u64>()
    );
    assert_eq!((of("BranchCreated").len(), of("WindowOpened").len()), (1, of("WindowClosed").len()));
    assert!(of("WindowClosed").iter().all(|e| ["count", "time", "drain"].contains(&e["reason"].as_str().unwrap())));
    assert!(told.iter().all(|e| e["time"].as_str().unwrap().ends_with('Z')), "{told:?}");
    let observer = &report["observers"][0];
    assert_eq!((&observer["source"], &observer["status"]), (&"products".into(), &"terminated".into()));
    assert_eq!(observer["rows"], rows);
    assert_eq!(observer["deltas_captured"], sum("DeltaCaptured", "deltas"));
    assert!(observer["mean_l2"].as_f64().unwrap() > 0.0 && observer["last_error"].is_null(), "{observer}");
    // Another run goes on in the same file; what fails is told as well.
    run(changes.lines().last().unwrap());
    let more = lines(&s.read("events.jsonl"));
    assert_eq!(more[..told.len()], told[..]);
    assert!(more.len() > told.len() && !more[told.len()..].iter().any(|e| e["event"] == "BranchCreated"));
    let bad = "{\"id\":\"lamp\",\"embedding\":[1e39,2]}\n";
    let text = s.read("pipelines/stream.toml").replace("path   = \"-\"", "path   = \"-\"\non_reject = \"stop\"");
    s.write("pipelines/stopping.toml", &text);
    let args = ["run", "pipelines/stopping.toml", "--events", "events.jsonl"];
    s.quiet_with(&args, bad).exits(65);
    // The sinks end behind the source.
    let all = lines(&s.read("events.jsonl"));
    let last = all.iter().rfind(|e| !e["event"].as_str().unwrap().starts_with("Subscri")).unwrap();
    assert_eq!((&last["event"], &last["source"]), (&"ObserverError".into(), &"products".into()), "{last}");
    s.quiet_with(&["run", "pipelines/stream.toml", "--events", "no/such/place"], "").exits(73);
}

/// A log that cannot be written does not stop the run, and does not go unsaid.
#[cfg(target_os = "linux")]
#[test]
fn a_full_event_log() {
    let s = Session::checkout("full-events");
    let done = s.quiet(&["run", "pipelines/quickstart.toml", "--events", "/dev/full"]).exits(74);
    assert!(done.err.contains("the run itself is done"), "{}", done.err);
    let whole = s.quiet(&["run", "pipelines/quickstart.toml", "--json"]).exits(0).json();
    assert_eq!(whole["commits"].as_array().map(Vec::len), Some(0), "everything was committed");
}

/// A window over files tells the same sums, whether deltas go straight through or are gathered.
#[test]
fn a_plan_counts_what_the_routes_take() {
    let s = Session::checkout("planned");
    let plan = s.quiet(&["plan", "pipelines/quickstart.toml", "--json"]).exits(0).json();
    let commits = plan["commits"].as_array().unwrap().iter();
    let deltas: u64 = commits.flat_map(|c| ["inserted", "updated", "deleted"].map(|k| c[k].as_u64().unwrap())).sum();
    let routed: Vec<u64> = plan["routes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(routed, [deltas]);
}

#[test]
fn a_stream_in_windows() {
    let mut s = Session::checkout("stream");
    let changes = s.read("datasets/changes.jsonl");
    s.run_with("run pipelines/stream.toml", &changes).exits(0);
    s.remark("the last change again: the table has it already");
    let last = changes.lines().last().unwrap().to_owned();
    s.run_with("run pipelines/stream.toml", &last).exits(0);
    s.run("log out/stream.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
    // Whatever the windows, the table is what the last line of each id says.
    for line in lines(&changes).iter().rev().take(20) {
        let id = line["id"].as_str().unwrap();
        let newest = lines(&changes).into_iter().rfind(|l| l["id"] == id).unwrap();
        let found = s.quiet(&["get", "out/stream.vd", &format!("products/{id}"), "--json"]).exits(0).json();
        let floats = |value: &Value| -> Vec<f32> {
            value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
        };
        assert_eq!(floats(&found["vector"]), floats(&newest["embedding"]), "{id}");
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A delta as `docs/events.md` has it in a checksum: key, letter, the vector before and after.
pub type Told = (String, u8, Vec<f32>, Vec<f32>);

/// Computes the checksum of deltas from their values alone, by the words of `docs/events.md`.
pub fn checksum(collection: &str, dims: u32, deltas: &[Told]) -> String {
    let mut text: Vec<u8> = Vec::new();
    for (key, letter, before, after) in deltas {
        text.extend((collection.len() as u32).to_le_bytes());
        text.extend(collection.bytes());
        text.extend((key.len() as u32).to_le_bytes());
        text.extend(key.bytes());
        text.extend([*letter, 0]);
        text.extend(dims.to_le_bytes());
        text.extend(before.iter().chain(after).flat_map(|x| x.to_le_bytes()));
    }
    let mut hasher = blake3::Hasher::new_derive_key("vecdelta v1 batch");
    hasher.update(&text);
    hasher.finalize().to_hex().to_string()
}

/// The checksum of a commit's deltas is that of their values; one other bit makes it another one.
#[test]
fn batches_are_told_of_with_their_checksum() {
    let s = Session::new("checksums");
    let text = "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n[source.lamps]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\n\
                id = \"id\"\nvector = \"v\"\nmissing = \"delete\"\n";
    s.write("t.toml", text);
    s.write("e1.jsonl", "{\"id\":\"a\",\"v\":[1,2]}\n{\"id\":\"b\",\"v\":[0.5,-0.0]}\n{\"id\":\"c\",\"v\":[3,0.1]}\n");
    s.write("e2.jsonl", "{\"id\":\"c\",\"v\":[3,4]}\n{\"id\":\"a\",\"v\":[1,2]}\n{\"id\":\"d\",\"v\":[9,-9]}\n");
    s.quiet(&["run", "t.toml", "--events", "told.jsonl"]).exits(0);
    let told: Vec<Value> = lines(&s.read("told.jsonl")).into_iter().filter(|e| e["event"] == "BatchCreated").collect();
    let one = |key: &str, letter: u8, before: &[f32], after: &[f32]| -> Told {
        (key.to_owned(), letter, before.to_vec(), after.to_vec())
    };
    let first = [one("a", b'i', &[], &[1.0, 2.0]), one("b", b'i', &[], &[0.5, -0.0]), one("c", b'i', &[], &[3.0, 0.1])];
    let second = [
        one("c", b'u', &[3.0, 0.1], &[3.0, 4.0]),
        one("d", b'i', &[], &[9.0, -9.0]),
        one("b", b'd', &[0.5, -0.0], &[]),
    ];
    let sums: Vec<&str> = told.iter().map(|e| e["checksum"].as_str().unwrap()).collect();
    assert_eq!(sums, [checksum("lamps", 2, &first), checksum("lamps", 2, &second)]);
    let mut other = first;
    other[1].3[1] = 0.0;
    assert_ne!(sums[0], checksum("lamps", 2, &other));
}
