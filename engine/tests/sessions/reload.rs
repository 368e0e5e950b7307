//! A pipeline file that is read again while it runs: what can change does, what cannot is refused, nothing is lost.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::Session;

fn send(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[track_caller]
fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The events of a run so far that have one of these names.
fn events(s: &Session, names: &[&str]) -> Vec<Value> {
    let text = std::fs::read_to_string(s.dir.join("events.jsonl")).unwrap_or_default();
    let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    whole.filter(|event| names.contains(&event["event"].as_str().unwrap())).collect()
}

fn start(s: &Session, more: &[&str]) -> Child {
    let args = [&["run", "p.toml", "--events", "events.jsonl"], more].concat();
    let mut command = s.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(std::fs::File::create(s.dir.join("err")).unwrap());
    command.spawn().unwrap()
}

fn end(mut child: Child) {
    send(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn lines(s: &Session, file: &str) -> usize {
    std::fs::read_to_string(s.dir.join(file)).unwrap_or_default().lines().count()
}

const WATCHED: &str = r#"
config_version = 1
[pipeline]
name  = "watched"
store = "w.vd"
[source.dumps]
kind  = "jsonl"
path  = "in/*.jsonl"
watch = true
collection = "lamps"
[[route]]
name = "all"
to   = ["a"]
[sink.a]
kind = "jsonl"
path = "a.jsonl"
"#;

#[test]
fn what_can_change_does_and_what_cannot_is_refused() {
    let s = Session::new("reload");
    std::fs::create_dir_all(s.dir.join("in")).unwrap();
    s.write("p.toml", WATCHED);
    s.table("in/1.jsonl", &[("x", &[1.0, 2.0]), ("y", &[3.0, 4.0])]);
    let child = start(&s, &[]);
    wait_for("the first epoch", || lines(&s, "a.jsonl") == 2);
    // Another sink and a threshold: both hold for what comes next, and the new sink has what was there before.
    let changed = WATCHED.replace("to   = [\"a\"]", "to   = [\"a\", \"b\"]\nwhen = { max_l2 = 50.0 }")
        + "[sink.b]\nkind = \"jsonl\"\npath = \"b.jsonl\"\n";
    s.write("p.toml", &changed);
    send(&child, "-HUP");
    wait_for("the other settings", || events(&s, &["PipelineReloaded"]).len() == 1);
    s.table("in/2.jsonl", &[("x", &[1.0, 2.5]), ("y", &[300.0, 4.0])]);
    wait_for("the second epoch", || lines(&s, "a.jsonl") == 3 && lines(&s, "b.jsonl") == 3);
    // What would not fit what is there is refused, all of it, and said.
    for (what, text, reasons) in [
        (
            "another repository, width and kind of sink",
            changed.replace("w.vd", "other.vd").replace("collection = \"lamps\"", "collection = \"chairs\"").replacen(
                "kind = \"jsonl\"\npath = \"a.jsonl\"",
                "kind = \"parquet\"\npath = \"a\"",
                1,
            ),
            &["store", "fills `chairs` and filled `lamps`", "sink `a` is of kind parquet and was of kind jsonl"][..],
        ),
        ("a file with an error", changed.replace("[[route]]", "[[rout]]"), &["p.toml has "][..]),
    ] {
        let before = events(&s, &["PipelineReloadRefused"]).len();
        s.write("p.toml", &text);
        send(&child, "-HUP");
        wait_for(what, || events(&s, &["PipelineReloadRefused"]).len() == before + 1);
        let told = events(&s, &["PipelineReloadRefused"])[before]["reasons"].to_string();
        let shown = s.read("err");
        for reason in reasons {
            assert!(told.contains(reason) && shown.contains(reason), "{what}: {reason}\n{told}\n{shown}");
        }
        assert!(shown.contains("is not taken over, the pipeline runs on as it was"), "{shown}");
    }
    s.table("in/3.jsonl", &[("x", &[1.0, 2.5]), ("y", &[3.0, 4.5]), ("z", &[0.0, 1.0])]);
    wait_for("the third epoch", || lines(&s, "b.jsonl") == 5);
    end(child);
    assert_eq!(events(&s, &["PipelineReloaded"]).len(), 1);
    assert_eq!(s.quiet(&["log", "w.vd", "--json"]).lines().len(), 3);
    s.quiet(&["verify", "w.vd"]).exits(0);
}

const STREAM: &str = r#"
config_version = 1
[pipeline]
name  = "stream"
store = "s.vd"
[source.live]
kind  = "jsonl"
path  = "-"
id    = "id"
vector = "embedding"
epoch = false
[window.live]
close = { count = 50 }
[sink.a]
kind = "jsonl"
path = "a.jsonl"
fields = ["id"]
"#;

/// The file changes again and again while lines come, some of them in two pieces: each line arrives once, in order.
#[test]
fn a_stream_goes_on_through_many_changes() {
    let s = Session::new("reload_stream");
    s.write("p.toml", STREAM);
    let mut child = start(&s, &["--watch-config"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut next = 0;
    for change in 1..=4 {
        for _ in 0..130 {
            let line = format!("{{\"id\":\"lamp-{next:04}\",\"embedding\":[{next},1]}}\n");
            let (first, second) = line.split_at(if next % 7 == 0 || next % 130 == 119 { 9 } else { 0 });
            stdin.write_all(first.as_bytes()).unwrap();
            stdin.flush().unwrap();
            if next % 130 == 119 {
                wait_for("the run", || events(&s, &["SourceOpened"]).len() >= change);
                s.write("p.toml", &STREAM.replace("count = 50", &format!("count = {}", 50 + change)));
                if change % 2 == 0 {
                    send(&child, "-HUP");
                }
                // The settings change in the middle of a line.
                wait_for("the other settings", || events(&s, &["PipelineReloaded"]).len() >= change);
            }
            stdin.write_all(second.as_bytes()).unwrap();
            next += 1;
        }
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0), "{}", s.read("err"));
    let found: Vec<Value> = s.read("a.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let ids: Vec<String> = found.iter().map(|l| l["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..next).map(|i| format!("lamp-{i:04}")).collect::<Vec<_>>());
    s.quiet(&["verify", "s.vd"]).exits(0);
}

/// Settings that change at random, some of which are refused, while lines come: each line arrives once, in order, and the
/// run goes on with what fits. `RELOAD_SEED=N` tells one seed's story again.
#[test]
fn a_stream_goes_on_through_random_settings() {
    let seeds = match std::env::var("RELOAD_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => vec![1u64, 2, 3],
    };
    for seed in seeds {
        random_settings(seed);
    }
}

fn random_settings(seed: u64) {
    let s = Session::new(&format!("reload_random_{seed}"));
    let mut state = seed;
    let mut roll = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    s.write("p.toml", STREAM);
    let mut child = start(&s, &[]);
    let mut stdin = child.stdin.take().unwrap();
    let (mut next, mut taken, mut refused) = (0, 0, 0);
    for _ in 0..14 {
        for _ in 0..roll(90) {
            writeln!(stdin, "{{\"id\":\"lamp-{next:04}\",\"embedding\":[{next},1]}}").unwrap();
            next += 1;
        }
        stdin.flush().unwrap();
        wait_for("the run", || s.dir.join("s.vd").exists());
        let good = STREAM.replace("count = 50", &format!("count = {}, after = \"{}ms\"", 1 + roll(80), 5 + roll(60)));
        let (text, fits) = match roll(6) {
            0 => (good.replace("kind  = \"jsonl\"", "kind  = \"arrow\""), false),
            1 => (good.replace("\"s.vd\"", "\"t.vd\""), false),
            2 => (good.replace("[window.live]", "[windo.live]"), false),
            3 => (good + "[sink.more]\nkind = \"jsonl\"\npath = \"more.jsonl\"\nfields = [\"id\"]\n", true),
            4 => (good + "[apply]\nvalidate = [\"finite\"]\n", true),
            _ => (good, true),
        };
        s.write("p.toml", &text);
        send(&child, "-HUP");
        (taken, refused) = if fits { (taken + 1, refused) } else { (taken, refused + 1) };
        wait_for(&format!("seed {seed}: the answer to {text}"), || {
            (events(&s, &["PipelineReloaded"]).len(), events(&s, &["PipelineReloadRefused"]).len()) == (taken, refused)
        });
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0), "seed {seed}: {}", s.read("err"));
    let found: Vec<Value> = s.read("a.jsonl").lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let ids: Vec<String> = found.iter().map(|l| l["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, (0..next).map(|i| format!("lamp-{i:04}")).collect::<Vec<_>>(), "seed {seed}");
    s.quiet(&["verify", "s.vd"]).exits(0);
}
