//! A pipeline that is looked at while it runs: stages, figures and taps, none of which can hold it up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::Session;

/// A pipeline that reads standard input and listens.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    url: String,
}

impl Running {
    fn start(session: &Session) -> Self {
        let mut command = session.command(&["run", "pipelines/stream.toml", "--listen", "127.0.0.1:0"]);
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
    let mut running = Running::start(&session);
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
