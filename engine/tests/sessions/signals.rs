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

/// A stop that takes longer than `drain` is exit 75. Nothing is half-done: the rows of the stream are on the disk and
/// become a commit of the next run.
#[test]
fn an_overdue_stop_ends_with_75_and_loses_nothing() {
    const ROWS: usize = 60_000;
    let s = Session::checkout("overdue");
    let slow = s.read("pipelines/stream.toml").replace("{ after = \"2s\", count = 100 }", "{ after = \"1h\" }");
    s.write("pipelines/slow.toml", &slow.replace("name  = \"stream\"", "name  = \"stream\"\ndrain = \"0s\""));
    s.write("pipelines/patient.toml", &slow);
    let mut command = s.command(&["run", "pipelines/slow.toml"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let vector = vec![0.25; 32];
    let lines: String = (0..ROWS).map(|i| format!("{{\"id\":\"lamp-{i}\",\"embedding\":{vector:?}}}\n")).collect();
    stdin.write_all(lines.as_bytes()).unwrap();
    let on_disk = || bytes_below(&s.dir.join("out/stream.vd"));
    wait_for("the last row", || {
        let before = on_disk();
        std::thread::sleep(Duration::from_millis(300));
        before >= ROWS as u64 * 32 * 4 && on_disk() == before
    });
    assert_eq!(terminate(child), 75);
    drop(stdin);
    let mut message = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut message).unwrap();
    assert!(
        message.contains("the run did not end within 0 s of the signal; 0 commits made before are safe"),
        "{message}"
    );
    assert_eq!(commits(&s, "out/stream.vd"), 0);
    s.quiet(&["verify", "out/stream.vd"]).exits(0);
    let report = s.quiet(&["run", "pipelines/patient.toml", "--json"]).exits(0).json();
    let inserted: u64 = report["commits"].as_array().unwrap().iter().map(|c| c["inserted"].as_u64().unwrap()).sum();
    assert_eq!(inserted, ROWS as u64);
}

fn bytes_below(directory: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}
