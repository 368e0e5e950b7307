//! A pipeline that is looked at while it runs: stages, figures and taps, none of which can hold it up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::pipelines::{Told, checksum};
use crate::shell::Session;

/// A pipeline that reads standard input and listens.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    url: String,
}

impl Running {
    fn start(session: &Session, pipeline: &str) -> Self {
        let mut command = session.command(&["run", pipeline, "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        Self { stdin: child.stdin.take(), child, url }
    }

    fn rows(&mut self, range: std::ops::Range<u32>) {
        let stdin = self.stdin.as_mut().unwrap();
        for i in range {
            writeln!(stdin, "{{\"id\":\"lamp-{i}\",\"embedding\":[{i},1]}}").unwrap();
        }
        stdin.flush().unwrap();
    }

    /// Sends rows to a collection; returns the status and what is answered.
    fn post(&self, query: &str, body: &str) -> Option<(u16, Value)> {
        self.ask(&format!("POST /v1/collections/{query}"), "", body)
    }

    /// Asks with a method and path, and further headers; returns the status and what is answered.
    fn ask(&self, what: &str, headers: &str, body: &str) -> Option<(u16, Value)> {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).ok()?;
        let length = body.len();
        let request = format!("{what} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head[9..12].parse().ok()?, serde_json::from_str(body).ok()?))
    }

    fn get(&self, path: &str) -> String {
        let address = self.url.trim_start_matches("http://").trim_end_matches('/');
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn end(mut self) -> i32 {
        drop(self.stdin.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_run_is_looked_at_while_it_goes_on() {
    let session = Session::checkout("looked_at");
    let mut running = Running::start(&session, "pipelines/stream.toml");
    // A tap that nobody reads, and one that takes three events.
    let address = running.url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut lazy = TcpStream::connect(&address).unwrap();
    write!(lazy, "GET /v1/tap HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let tap =
        session.command(&["tap", "capture", &running.url, "--limit", "3"]).stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the taps", || running.get("/v1/stages").contains("\"taps\":2"));
    running.rows(0..230);
    wait_for("two commits", || {
        let stages: Value = serde_json::from_str(&running.get("/v1/stages")).unwrap();
        stages["commits"].as_u64() >= Some(2)
    });
    let stages: Value = serde_json::from_str(&running.get("/v1/stages")).unwrap();
    let names: Vec<&str> = stages["stages"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(names, ["read", "capture", "route", "window", "apply", "version"]);
    let busy = |stage: &Value| stage["busy"].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share));
    assert!(stages["stages"].as_array().unwrap().iter().all(busy), "{stages}");
    assert_eq!(session.quiet(&["top", &running.url, "--json"]).exits(0).json()["pipeline"], stages["pipeline"]);
    let seen = String::from_utf8(tap.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(seen.lines().count(), 3, "{seen}");
    assert!(seen.lines().all(|l| serde_json::from_str::<Value>(l).unwrap()["stage"] == "capture"), "{seen}");
    let view = session.quiet(&["top", &running.url, "--once"]).exits(0).out;
    assert!(view.lines().count() <= 24 && view.lines().all(|l| l.chars().count() <= 80), "{view}");
    assert!(
        view.contains("230") && view.contains("lamps") | view.contains("stdin") | view.contains("capture"),
        "{view}"
    );
    assert!(running.get("/healthz").contains("ready"));
    let page = running.get("/metrics");
    let mut names: Vec<&str> = page.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    names.retain(|name| !name.starts_with("vecdelta_http_"));
    let wanted = [
        "vecdelta_build_info",
        "vecdelta_source_records_total",
        "vecdelta_source_bytes_total",
        "vecdelta_deltas_captured_total",
        "vecdelta_deltas_filtered_total",
        "vecdelta_route_deltas_total",
        "vecdelta_windows_open",
        "vecdelta_windows_closed_total",
        "vecdelta_apply_total",
        "vecdelta_conflicts_total",
        "vecdelta_commits_total",
        "vecdelta_committed_deltas_total",
        "vecdelta_stored_bytes_total",
        "vecdelta_chain_verify_failures_total",
        "vecdelta_memory_budget_bytes",
        "vecdelta_memory_held_bytes",
        "vecdelta_queue_bytes",
        "vecdelta_stage_busy_seconds_total",
        "vecdelta_stage_blocked_seconds_total",
        "vecdelta_window_late_total",
        "vecdelta_watermark_lag_seconds",
        "vecdelta_delta_l2",
        "vecdelta_checkpoint_age_seconds",
        "vecdelta_dead_letters",
        "vecdelta_sink_holds_up",
        "vecdelta_sink_acked_total",
        "vecdelta_sink_retries_total",
        "vecdelta_sink_dropped_total",
        "vecdelta_route_expired_total",
    ];
    assert_eq!(names, wanted);
    assert!(page.contains("vecdelta_source_records_total{source=\"") && page.contains("\"} 230\n"), "{page}");
    session.quiet(&["tap", "nothing", &running.url]).exits(66);
    session.quiet(&["top", "http://127.0.0.1:9"]).exits(74);
    // The end of the input ends the run, though somebody still looks on.
    let begun = Instant::now();
    assert_eq!(running.end(), 0);
    assert!(begun.elapsed() < Duration::from_secs(8));
    drop(lazy);
    let rows: u64 = session
        .quiet(&["log", "out/stream.vd", "--json"])
        .lines()
        .iter()
        .map(|c| c["inserted"].as_u64().unwrap())
        .sum();
    assert_eq!(rows, 230);
    session.quiet(&["run", "pipelines/stream.toml", "--listen", "0.0.0.0:0"]).exits(2);
}

const FED: &str = r#"
config_version = 1

[pipeline]
name  = "fed"
store = "fed.vd"

[source.web]
kind       = "feed"
id         = "id"
vector     = "embedding"
collection = "lamps"
epoch      = false

[apply]
validate = [{ max_abs = 500.0 }]

[window.live]
close = { after = "50ms", count = 100 }
"#;

fn lamps(range: std::ops::Range<u32>) -> String {
    range.map(|i| format!("{{\"id\":\"lamp-{i}\",\"embedding\":[{i},1]}}\n")).collect()
}

/// Rows that are sent to a pipeline are answered when their commit is durable; a body without a good row leaves nothing in
/// the table.
#[test]
fn rows_are_sent_to_a_run() {
    let session = Session::new("fed");
    session.write("fed.toml", FED);
    let running = Running::start(&session, "fed.toml");
    let args = ["tap", "version", &running.url, "--limit", "1"];
    let tap = session.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the tap", || running.get("/v1/stages").contains("\"taps\":1"));
    let (status, answer) = running.post("lamps", &lamps(0..250)).unwrap();
    assert_eq!(
        (status, &answer["durable"], &answer["rows_read"]),
        (201, &Value::Bool(true), &Value::from(250)),
        "{answer}"
    );
    // Whoever taps is told the checksum of what is put together from then on.
    let batch: Value = serde_json::from_slice(&tap.wait_with_output().unwrap().stdout).unwrap();
    let row = |i: u64| (format!("lamp-{i}"), b'i', vec![], vec![i as f32, 1.0]);
    let rows: Vec<Told> = (0..batch["deltas"].as_u64().unwrap()).map(row).collect();
    assert_eq!(batch["checksum"], checksum("lamps", 2, &rows), "{batch}");
    let newest = session.quiet(&["show", "fed.vd", "main", "--json"]).exits(0).json();
    assert_eq!(newest["commit"], answer["commit"]);
    let log = session.quiet(&["log", "fed.vd", "--json"]).out;
    for (query, body, wanted) in [
        ("lamps", "{\"id\":\"y\",\"embedding\":[1]}\n", 422),
        ("lamps", "nonsense", 422),
        ("lamps", "", 400),
        ("lamps?limt=1", "{}", 400),
        ("chairs", "{}", 404),
    ] {
        assert_eq!(running.post(query, body).unwrap().0, wanted, "{query} {body}");
    }
    assert_eq!(session.quiet(&["log", "fed.vd", "--json"]).out, log);
    // Of a body with good and bad rows, the good ones are taken and the bad ones are named.
    let mixed =
        "{\"id\":\"x\",\"embedding\":[1,2]}\n{\"id\":\"y\",\"embedding\":[1]}\n{\"id\":\"z\",\"embedding\":[1,999]}\n";
    let (status, answer) = running.post("lamps", mixed).unwrap();
    assert_eq!((status, &answer["durable"], &answer["rows_read"]), (207, &true.into(), &3.into()), "{answer}");
    let refused = answer["refused"].as_array().unwrap();
    assert_eq!((refused.len(), &refused[0]["line"], &refused[0]["id"]), (2, &2.into(), &"y".into()), "{answer}");
    assert!(refused[0]["reason"].as_str().unwrap().contains("1 wide"), "{answer}");
    assert_eq!(refused[1]["id"], "z");
    let letter = refused[1]["letter"].as_str().unwrap();
    assert_eq!(session.quiet(&["dlq", "show", "fed.vd", letter]).exits(0).json()["source"], "lamps/z");
    session.quiet(&["get", "fed.vd", "lamps/x"]).exits(0);
    session.quiet(&["get", "fed.vd", "lamps/z"]).exits(66);
    // The same once more changes nothing, and is answered.
    assert_eq!(running.post("lamps", &lamps(0..250)).unwrap().0, 201);
    session.quiet(&["get", "fed.vd", "lamps/lamp-249"]).exits(0);
    let id = running.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(running.end(), 0);
    session.quiet(&["verify", "fed.vd"]).exits(0);
}

/// A sink that cannot go on makes the run unhealthy, though rows are still committed.
#[test]
fn health_is_told_as_it_is() {
    let session = Session::new("health");
    session.write("fed.toml", &format!("{FED}\n[sink.changes]\nkind = \"jsonl\"\npath = \"fed.toml/none.jsonl\"\n"));
    let running = Running::start(&session, "fed.toml");
    assert_eq!(running.post("lamps", &lamps(0..120)).unwrap().0, 201);
    wait_for("the trouble", || running.get("/healthz").contains("degraded"));
    assert!(running.get("/healthz").contains("sink changes: given up"), "{}", running.get("/healthz"));
    let page = running.get("/metrics");
    let count = |line: &str| page.lines().find_map(|l| l.strip_prefix(line)?.trim().parse::<f64>().ok());
    assert_eq!(count("vecdelta_delta_l2_bucket{source=\"web\",le=\"10\"}"), Some(10.0), "{page}");
    assert_eq!(count("vecdelta_delta_l2_count{source=\"web\"}"), Some(120.0), "{page}");
    let age = count("vecdelta_checkpoint_age_seconds");
    assert!(age.is_some_and(|age| age < 60.0), "{age:?}");
    assert_eq!(running.post("lamps", &lamps(120..130)).unwrap().0, 201);
}

/// A pipeline that is killed while rows are sent: what was answered is there.
#[test]
fn what_a_run_acknowledged_survives_a_kill() {
    let session = Session::new("fed_kill");
    session.write("fed.toml", FED);
    let mut acknowledged = 0;
    for round in 0..3u32 {
        let mut running = Running::start(&session, "fed.toml");
        let mut next = acknowledged;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300 + u64::from(round) * 70) {
            let (status, answer) = running.post("lamps", &lamps(next..next + 20)).unwrap();
            assert_eq!(status, 201, "{answer}");
            next += 20;
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        acknowledged = next;
        session.quiet(&["verify", "fed.vd"]).exits(0);
        for i in [0, acknowledged / 2, acknowledged - 1] {
            session.quiet(&["get", "fed.vd", &format!("lamps/lamp-{i}")]).exits(0);
        }
    }
}

/// A source and a sink that are told to wait do, and go on where they were when they are told to.
#[test]
fn sources_and_sinks_are_paused_and_resumed() {
    let session = Session::new("paused");
    session.write("fed.toml", &format!("{FED}\n[sink.changes]\nkind = \"jsonl\"\npath = \"changes.jsonl\"\n"));
    let running = Running::start(&session, "fed.toml");
    let order = |what: &str| running.ask(&format!("POST /v1/stages/{what}"), "", "").unwrap();
    let status = |list: &str, noun: &str, name: &str| {
        let stages: Value = serde_json::from_str(&running.get("/v1/stages")).unwrap();
        let own = stages[list].as_array().unwrap().iter().find(|own| own[noun] == name).cloned().unwrap_or_default();
        own["status"].as_str().unwrap_or_default().to_owned()
    };
    let written = || std::fs::read_to_string(session.dir.join("changes.jsonl")).unwrap_or_default().lines().count();
    assert_eq!(status("sources", "source", "web"), "active");
    // A sink that waits gets nothing of what is durable meanwhile.
    assert_eq!(order("changes/pause").0, 200);
    wait_for("the sink's pause", || status("sinks", "sink", "changes") == "paused");
    assert_eq!(running.post("lamps", &lamps(0..10)).unwrap().0, 201);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(written(), 0);
    assert_eq!(order("changes/resume").0, 200);
    wait_for("the sink's rows", || written() == 10);
    assert_eq!(status("sinks", "sink", "changes"), "active");
    // Rows for a source that waits are kept, and nothing is made of them.
    let (code, answer) = order("web/pause");
    assert_eq!((code, &answer["kind"], &answer["paused"]), (200, &"source".into(), &true.into()), "{answer}");
    assert_eq!(order("web/pause"), (code, answer), "once more is the same");
    assert_eq!(status("sources", "source", "web"), "paused");
    // What it was reading when it was told may still go in.
    std::thread::sleep(Duration::from_millis(300));
    let (code, answer) = running.post("lamps?wait=1", &lamps(10..20)).unwrap();
    assert_eq!((code, &answer["durable"]), (202, &false.into()), "{answer}");
    session.quiet(&["get", "fed.vd", "lamps/lamp-19"]).exits(66);
    assert_eq!(order("web/resume?kind=source").0, 200);
    wait_for("the rows that waited", || written() == 20);
    assert_eq!(status("sources", "source", "web"), "active");
    // Who does not exist is not told, and who may not ask tells nobody.
    let (code, answer) = order("wbe/pause");
    assert_eq!((code, &answer["help"]), (404, &"there is source web, sink changes".into()), "{answer}");
    assert_eq!(order("web/pause?kind=sink").0, 404);
    assert_eq!(order("web/pause?kind=route").0, 400);
    assert_eq!(running.ask("GET /v1/stages/web/pause", "", "").unwrap().0, 405);
    let stranger = running.ask("POST /v1/stages/web/pause", "Origin: http://evil.example\r\n", "").unwrap();
    assert_eq!((stranger.0, status("sources", "source", "web").as_str()), (403, "active"));
}

/// Each sink is told of with what it took, what waits for it, and how it is.
#[test]
fn the_sinks_of_a_run_are_listed() {
    let session = Session::new("listed");
    // Nobody listens there: the port was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sinks = format!(
        "[sink.changes]\nkind = \"jsonl\"\npath = \"changes.jsonl\"\n[sink.away]\nkind = \"webhook\"\nurl = \"http://{closed}/\"\n\
         [sink.whole]\nkind = \"parquet\"\nwhat = \"table\"\npath = \"whole.parquet\"\n"
    );
    session.write("fed.toml", &format!("{FED}\n{sinks}"));
    let running = Running::start(&session, "fed.toml");
    let listed = || {
        let stages: Value = serde_json::from_str(&running.get("/v1/stages")).unwrap();
        stages["sinks"].as_array().unwrap().clone()
    };
    let of = |name: &str| listed().into_iter().find(|sink| sink["sink"] == name).unwrap_or_default();
    let names = || listed().iter().map(|sink| sink["sink"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    // A table is written when the run has ended: it is no sink of deltas.
    wait_for("the sinks", || names() == ["away", "changes"]);
    assert_eq!(running.post("lamps", &lamps(0..120)).unwrap().0, 201);
    wait_for("what one took", || of("changes")["acked"] == 120);
    wait_for("the other one's trouble", || of("away")["status"] == "backpressured");
    let (changes, away) = (of("changes"), of("away"));
    let numbers = |sink: &Value| {
        ["received", "acked", "pending", "dead", "expired", "dropped"].map(|n| sink[n].as_u64().unwrap())
    };
    assert_eq!(numbers(&changes), [120, 120, 0, 0, 0, 0], "{changes}");
    assert_eq!(
        (&changes["status"], &changes["retried"], &changes["holds_up"]),
        (&"active".into(), &0.into(), &false.into())
    );
    assert_eq!(away["acked"], 0, "{away}");
    assert!(away["pending"].as_u64() > Some(0) && away["queue_bytes"].as_u64() > Some(0), "{away}");
    let view = session.quiet(&["top", &running.url, "--once"]).exits(0).out;
    assert!(
        view.contains("changes active: 120 taken, 0 wait") && view.contains("away backpressured: 0 taken"),
        "{view}"
    );
}
