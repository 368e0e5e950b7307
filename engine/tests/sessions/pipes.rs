//! Output that nobody reads to its end, and names that no shell likes.

use std::process::Stdio;

use crate::shell::Session;

/// `vecdelta diff ... | head -1` is no failure.
#[test]
fn a_closed_pipe_is_no_error() {
    let s = Session::checkout("closed-pipe");
    s.quiet(&["run", "pipelines/quickstart.toml"]).exits(0);
    let commands = [
        "--help",
        "log out/quickstart.vd",
        "show out/quickstart.vd main",
        "diff out/quickstart.vd main~1 main",
        "replay out/quickstart.vd --json",
        "get out/quickstart.vd packages/sqlite3",
        "blame out/quickstart.vd packages/sqlite3",
        "drift out/quickstart.vd main~1 main",
        "search out/quickstart.vd --like packages/sqlite3 --against main~1",
        "branch out/quickstart.vd",
        "verify out/quickstart.vd",
        "checkpoint out/quickstart.vd",
        "snapshot out/quickstart.vd",
        "reindex out/quickstart.vd",
        "rollback out/quickstart.vd --last 1",
        "check pipelines/quickstart.toml",
        "test pipelines/analytics.toml",
        "plan pipelines/analytics.toml",
        "graph pipelines/analytics.toml",
        "run pipelines/analytics.toml",
        "explain VD0104",
        "completions zsh",
    ];
    for line in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = s.command(&words);
        let child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{line}: {err}");
        assert_eq!(err, "", "{line}");
    }
}

/// `vecdelta export ... 2>&1 >/dev/null | true`: what is said beside the result may find nobody, and the code stays what it is.
#[test]
fn notes_that_nobody_reads_stop_nothing() {
    let s = Session::new("closed-stderr");
    s.table("base.jsonl", &[("a", &[1.0, 2.0]), ("b", &[3.0, 4.0])]);
    s.table("ours.jsonl", &[("a", &[1.5, 2.0]), ("b", &[3.0, 4.0])]);
    s.table("theirs.jsonl", &[("a", &[1.25, 2.0]), ("b", &[3.0, 4.0])]);
    s.quiet(&["ingest", "t.vd", "base.jsonl"]).exits(0);
    s.quiet(&["branch", "t.vd", "trial"]).exits(0);
    s.quiet(&["ingest", "t.vd", "theirs.jsonl", "--branch", "trial"]).exits(0);
    for _ in 0..3 {
        s.quiet(&["ingest", "t.vd", "base.jsonl", "ours.jsonl"]).exits(0);
    }
    s.write("bad.toml", "config_version = 1\n[pipeline]\nstore = 3\n");
    for (line, code) in [
        ("export t.vd --output t.arrow", 0),
        ("merge t.vd trial", 1),
        ("compact t.vd --before main", 0),
        ("check bad.toml", 78),
        ("get t.vd vectors/nobody", 66),
        ("nonsense", 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let words: Vec<&str> = line.split_whitespace().collect();
        let status = s.command(&words).stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{line}");
    }
}

#[test]
fn odd_names() {
    let mut s = Session::new("odd-names");
    let ids = [
        "with space",
        "a/b/c",
        "-dash",
        "\u{1F34E}",
        "tab\there",
        "line\nbreak",
        "\u{1b}[31mred",
        "quote\"d",
        "~^:?*[",
        "",
    ];
    let good: Vec<&str> = ids.iter().copied().filter(|id| !id.is_empty()).collect();
    let rows: Vec<(&str, &[f64])> = good.iter().map(|id| (*id, &[0.5, 1.0][..])).collect();
    s.table("a file with spaces.jsonl", &rows);
    s.quiet(&["ingest", "my table.vd", "a file with spaces.jsonl"]).exits(0);
    for id in &good {
        let source = format!("vectors/{id}");
        let found = s.quiet(&["get", "my table.vd", &source, "--json"]).exits(0).json();
        assert_eq!(found["source"], source);
        assert_eq!(found["bits"], "0000003f0000803f");
    }
    s.remark("a terminal is safe from what ids hold");
    let outcome = s.quiet(&["replay", "my table.vd"]);
    let outcome = s.add("replay 'my table.vd'", outcome).exits(0);
    assert!(!outcome.out.contains('\u{1b}'));
    assert_eq!(outcome.out.lines().count(), good.len());
    s.table("no-name.jsonl", &[("", &[0.5, 1.0])]);
    let outcome = s.quiet(&["ingest", "my table.vd", "no-name.jsonl"]);
    s.add("ingest 'my table.vd' no-name.jsonl", outcome).exits(65);
    let outcome = s.quiet(&["ingest", "my table.vd", "a file with spaces.jsonl", "--collection", "a/b"]);
    s.add("ingest 'my table.vd' 'a file with spaces.jsonl' --collection a/b", outcome).exits(2);
    insta::assert_snapshot!(s.transcript());
}
