//! The log of a run and of a server: lines of JSON that tell what somebody who looks after them wants to know.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::shell::Session;

const PIPELINE: &str = r#"
config_version = 1

[pipeline]
name  = "told"
store = "told.vd"

[source.lamps]
kind  = "jsonl"
path  = "-"
epoch = false

[window.live]
close = { after = "30ms", count = 10 }

[sink.away]
kind = "webhook"
url  = "http://127.0.0.1:9/nobody"
"#;

fn lines(text: &str) -> Vec<Value> {
    text.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn has(lines: &[Value], level: &str, stage: &str, message: &str) -> bool {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines.iter().any(|l| text(l, "level") == level && text(l, "stage") == stage && text(l, "message").contains(message))
}

#[track_caller]
fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_says_what_happens() {
    let s = Session::new("logs");
    s.write("told.toml", PIPELINE);
    let mut command = s.command(&["run", "told.toml", "--log", "run.log", "--set", "pipeline.drain=300ms"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let log = || lines(&std::fs::read_to_string(s.dir.join("run.log")).unwrap_or_default());
    writeln!(stdin, "{{\"id\":\"a\",\"embedding\":[1,2]}}\nno row").unwrap();
    wait_for("the commit", || has(&log(), "info", "version", "of 1 deltas on main"));
    wait_for("an attempt of the sink", || has(&log(), "warn", "deliver", "sink away takes nothing"));
    wait_for("the dead letter", || has(&log(), "warn", "deliver", "1 dead letters of lamps: line 2"));
    s.write("told.toml", &PIPELINE.replace("name  = \"told\"", "name  = \"other\""));
    signal(&child, "-HUP");
    wait_for("the refusal", || has(&log(), "warn", "run", "other settings are refused: `name`"));
    s.write("told.toml", &PIPELINE.replace("count = 10", "count = 11"));
    signal(&child, "-HUP");
    wait_for("the reload", || has(&log(), "info", "run", "pipeline told goes on with other settings"));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(74));
    let log = log();
    assert!(has(&log, "info", "run", "pipeline told runs") && has(&log, "info", "read", "source lamps reads -"));
    let last = log.last().unwrap();
    assert_eq!((&last["level"], &last["exit_code"]), (&"error".into(), &74.into()), "{last}");
    let keys = ["time", "level", "stage", "message"];
    assert!(log.iter().all(|line| keys.iter().all(|key| line[*key].is_string())), "{log:?}");
    assert!(log.iter().all(|line| line["level"] != "debug"));
}

#[test]
fn a_log_has_a_level_and_a_place() {
    let s = Session::new("log_levels");
    s.table("lamps.jsonl", &[("a", &[1.0, 2.0])]);
    let text = PIPELINE
        .replace("\"-\"\nepoch = false", "\"lamps.jsonl\"")
        .replace("after = \"30ms\", count = 10", "epoch = true");
    s.write("told.toml", text.split("[sink").next().unwrap());
    let done = s.quiet(&["run", "told.toml", "--log", "-", "--log-level", "debug"]).exits(0);
    // Nothing but lines of JSON.
    let log: Vec<Value> = done.err.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(has(&log, "debug", "apply", "DeltaApplied") && has(&log, "info", "run", "the run has ended"), "{log:?}");
    let quiet = s.quiet(&["run", "told.toml", "--log", "-", "--log-level", "error"]).exits(0);
    assert_eq!(quiet.err, "");
    s.quiet(&["run", "told.toml", "--log", "none/run.log"]).exits(73);
    s.quiet(&["run", "told.toml", "--log-level", "debug"]).exits(2);
    s.write("told.toml", "config_version = 2");
    let failed = s.quiet(&["run", "told.toml", "--log", "run.log"]).exits(78);
    assert!(failed.err.contains("error"));
    let log = lines(&s.read("run.log"));
    assert_eq!((log.len(), &log[0]["exit_code"]), (1, &78.into()), "{log:?}");
}

#[test]
fn a_server_says_what_is_asked() {
    let s = Session::new("log_serve");
    s.table("lamps.jsonl", &[("a", &[1.0, 2.0])]);
    s.quiet(&["ingest", "told.vd", "lamps.jsonl"]).exits(0);
    let args = ["serve", "told.vd", "--listen", "127.0.0.1:0", "--log", "serve.log", "--log-level", "warn", "--json"];
    let mut child = s.command(&args).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut out).unwrap();
    let url = serde_json::from_str::<Value>(&out).unwrap()["url"].as_str().unwrap().to_owned();
    s.quiet(&["log", &url]).exits(0);
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /v1/nothing HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    std::io::Read::read_to_end(&mut stream, &mut Vec::new()).unwrap();
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = lines(&s.read("serve.log"));
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!((&log[0]["level"], &log[0]["stage"], &log[0]["status"]), (&"warn".into(), &"serve".into(), &404.into()));
}
