//! Sources on servers that are told to wait, and to go on: nothing comes meanwhile, and nothing is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::commands::succeeds;
use super::servers::{client, database, together};
use super::sinks::write_epochs;
use super::sources::{new_place, table_of, until};
use super::support::files::Dir;

/// A run that listens.
pub struct Looked {
    pub child: Child,
    host: String,
}

impl Looked {
    pub fn start(dir: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vecdelta"));
        let command = command.arg("run").args(arguments).args(["--listen", "127.0.0.1:0"]).current_dir(dir);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let host = line.trim().rsplit("http://").next().unwrap().trim_end_matches('/').to_owned();
        Self { child, host }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    pub fn ask(&self, what: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(stream, "{what} HTTP/1.0\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", self.host).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Looked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the source `t` wait while `more` comes, and go on; `is_there` says whether all of it is committed.
fn waits_and_goes_on(
    dir: &Path,
    pipeline: &str,
    more: impl FnOnce(),
    is_there: impl Fn() -> bool,
    commits: &dyn Fn() -> usize,
) {
    let run = Looked::start(dir, &[pipeline]);
    until("the first rows", &mut || commits() > 0);
    assert!(run.ask("POST /v1/stages/t/pause").contains("200"));
    until("the pause", &mut || run.ask("GET /v1/stages").contains("\"status\":\"paused\""));
    // What was on its way when it was told still goes in.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let before = commits();
    more();
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(commits(), before, "rows came while the source waited");
    assert!(!is_there());
    assert!(run.ask("POST /v1/stages/t/resume").contains("200"));
    until("what came meanwhile", &mut || is_there());
}

#[test]
fn a_stream_waits_and_goes_on() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let from = new_place("paused", 2);
    let place = format!("url = \"{}\"\nstream = \"{1}\"\nsubject = \"{1}\"\npartitions = 2\n", from.url, from.stream);
    let publish = format!(
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n[source.t]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\n\
         missing = \"delete\"\n[sink.bus]\nkind = \"nats\"\n{place}"
    );
    std::fs::write(dir.join("publish.toml"), publish).unwrap();
    let follow = format!(
        "config_version = 1\n[pipeline]\nstore = \"f.vd\"\n[source.t]\nkind = \"nats\"\n{place}\
         [window.live]\nclose = {{ after = \"30ms\", count = 100 }}\n"
    );
    std::fs::write(dir.join("follow.toml"), follow).unwrap();
    let want = write_epochs(dir, 200, 6, 51);
    let later = dir.join("later.jsonl.hidden");
    std::fs::rename(dir.join("e005.jsonl"), &later).unwrap();
    succeeds(dir, &["run", "publish.toml"]);
    let there = dir.join("f.vd");
    let commits =
        || if there.join("head").exists() { succeeds(dir, &["log", "f.vd", "--json"]).lines().count() } else { 0 };
    let more = || {
        std::fs::rename(&later, dir.join("e005.jsonl")).unwrap();
        succeeds(dir, &["run", "publish.toml"]);
    };
    waits_and_goes_on(dir, "follow.toml", more, || table_of(&there, "t") == want, &commits);
}

#[test]
fn a_table_waits_and_goes_on() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let name = format!("paused_{}", std::process::id());
    client()
        .batch_execute(&format!(
            "CREATE TABLE {name} (id text PRIMARY KEY, embedding real[] NOT NULL, \
             changed xid8 NOT NULL DEFAULT pg_current_xact_id()); \
             INSERT INTO {name} SELECT 'k' || i, ARRAY[i, 1] FROM generate_series(1, 50) i"
        ))
        .unwrap();
    let follow = format!(
        "config_version = 1\n[pipeline]\nstore = \"f.vd\"\n[source.t]\nkind = \"postgres\"\nurl = \"{}\"\ntable = \"{name}\"\n\
         version = \"changed\"\npoll = \"50ms\"\n[window.live]\nclose = {{ after = \"30ms\", count = 100 }}\n",
        database()
    );
    std::fs::write(dir.join("follow.toml"), follow).unwrap();
    let there = dir.join("f.vd");
    let commits =
        || if there.join("head").exists() { succeeds(dir, &["log", "f.vd", "--json"]).lines().count() } else { 0 };
    let more = || {
        let sql = format!("INSERT INTO {name} SELECT 'm' || i, ARRAY[i, 2] FROM generate_series(1, 30) i");
        client().batch_execute(&sql).unwrap();
    };
    waits_and_goes_on(dir, "follow.toml", more, || table_of(&there, "t").len() == 80, &commits);
}
