//! A run that is asked to stop ends well: exit 0, whole epochs and closed windows only.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::Session;

/// Sends SIGTERM and waits; a process that does not stop is killed and fails the test.
fn terminate(mut child: Child) -> i32 {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("SIGTERM did not end the run");
}

fn commits(s: &Session, repo: &str) -> usize {
    let done = s.quiet(&["log", repo, "--json"]);
    if done.code == 0 { done.out.lines().count() } else { 0 }
}

fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_terminated_run_leaves_whole_epochs() {
    let s = Session::new("terminated");
    let ids: Vec<String> = (0..4_000).map(|i| format!("row-{i:05}")).collect();
    let mut args = vec!["ingest".to_owned(), "many.vd".to_owned()];
    let epochs: u32 = 30;
    for epoch in 0..epochs {
        let vector = [f64::from(epoch), 1.0, 2.0, 3.0];
        let rows: Vec<(&str, &[f64])> = ids.iter().map(|id| (id.as_str(), &vector[..])).collect();
        s.table(&format!("{epoch:02}.jsonl"), &rows);
        args.push(format!("{epoch:02}.jsonl"));
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let child = s.command(&args).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the third commit", || commits(&s, "many.vd") >= 3);
    assert_eq!(terminate(child), 0);
    let done = commits(&s, "many.vd");
    assert!(done >= 3, "{done}");
    // The last row and the first are of the same epoch, that of the last commit.
    for id in ["row-00000", "row-03999"] {
        let found = s.quiet(&["get", "many.vd", &format!("vectors/{id}"), "--json"]).exits(0).json();
        assert_eq!(found["vector"][0], (done - 1) as f64, "{id}");
    }
    let report = s.quiet(&["verify", "many.vd", "--json"]).exits(0).json();
    assert_eq!(report["commits"], done);
}

/// What a live stream brought before the signal is committed, even when the stream is silent.
#[test]
fn a_terminated_stream_commits_its_window() {
    let s = Session::checkout("terminated-stream");
    let text = s.read("pipelines/stream.toml").replace("after = \"2s\"", "after = \"1h\"");
    s.write("pipelines/stream.toml", &text);
    let mut command = s.command(&["run", "pipelines/stream.toml"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for i in 0..130 {
        writeln!(stdin, "{{\"id\":\"lamp-{i}\",\"embedding\":[{i},1]}}").unwrap();
    }
    stdin.flush().unwrap();
    wait_for("the first commit", || commits(&s, "out/stream.vd") == 1);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(terminate(child), 0);
    drop(stdin);
    let rows: u64 = s
        .quiet(&["log", "out/stream.vd", "--json"])
        .exits(0)
        .lines()
        .iter()
        .map(|commit| commit["inserted"].as_u64().unwrap())
        .sum();
    assert_eq!(rows, 130);
    s.quiet(&["verify", "out/stream.vd"]).exits(0);
}
