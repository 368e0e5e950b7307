//! Every command on a repository in PostgreSQL, as users call them.

use std::path::Path;
use std::process::{Command, Output};

use super::servers::{new_repository, together};
use super::support::files::Dir;

/// Runs the program; the directory is where it starts.
pub fn vecdelta(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vecdelta"));
    command.args(arguments).current_dir(dir).env("VECDELTA_AUTHOR", "tester").output().unwrap()
}

/// Runs the program, which succeeds, and returns what it printed.
pub fn succeeds(dir: &Path, arguments: &[&str]) -> String {
    let done = vecdelta(dir, arguments);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

fn write_table(path: &Path, rows: usize, epoch: usize) {
    let line = |i: usize| {
        let x = if i.is_multiple_of(4) { i * 8 + epoch } else { i };
        format!("{{\"id\": \"row-{i}\", \"vector\": [{x}, {}, 0.5, -1.25]}}\n", i * 3)
    };
    std::fs::write(path, (0..rows).map(line).collect::<String>()).unwrap();
}

#[test]
fn every_command_takes_an_address_for_a_repository() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    write_table(&dir.join("a.jsonl"), 200, 0);
    write_table(&dir.join("b.jsonl"), 190, 1);
    let place = new_repository();
    let there = place.as_str();
    assert!(succeeds(dir, &["ingest", there, "a.jsonl", "--collection", "t"]).contains("200"));
    succeeds(dir, &["ingest", there, "b.jsonl", "--collection", "t", "--missing", "delete"]);
    succeeds(dir, &["tag", there, "v1", "--at", "main"]);
    assert!(succeeds(dir, &["log", there]).contains("v1"));
    assert!(succeeds(dir, &["diff", there, "main~1", "main"]).contains("10"));
    assert!(succeeds(dir, &["get", there, "t/row-4"]).contains("33"));
    succeeds(dir, &["verify", there]);
    succeeds(dir, &["export", there, "--output", "out.parquet"]);
    succeeds(dir, &["branch", there, "side", "--at", "main~1"]);
    succeeds(dir, &["rollback", there, "--to", "main~1"]);
    succeeds(dir, &["reindex", there]);
    succeeds(dir, &["bundle", there, "--output", "all.vdpack"]);
    // There and back, with the same history.
    succeeds(dir, &["clone", there, "local.vd"]);
    let copy = format!("{there}-copy");
    succeeds(dir, &["clone", "local.vd", &copy]);
    assert_eq!(succeeds(dir, &["log", &copy, "--json"]), succeeds(dir, &["log", there, "--json"]));
    succeeds(dir, &["ingest", "local.vd", "b.jsonl", "--collection", "t"]);
    succeeds(dir, &["push", "local.vd", &copy]);
    succeeds(dir, &["pull", there, &copy]);
    assert_eq!(succeeds(dir, &["log", &copy, "--json"]), succeeds(dir, &["log", there, "--json"]));
    assert_eq!(vecdelta(dir, &["clone", "local.vd", &copy]).status.code(), Some(73));
}

#[test]
fn a_pipeline_keeps_its_repository_in_a_database() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    for epoch in 0..3 {
        write_table(&dir.join(format!("e{epoch}.jsonl")), 100, epoch);
    }
    let place = new_repository();
    let text = format!(
        "config_version = 1\n[pipeline]\nstore = \"{place}\"\n[source.t]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\n\
         id = \"id\"\nvector = {{ column = \"vector\", dims = 4 }}\n[sink.copy]\nkind = \"parquet\"\nwhat = \"table\"\n\
         path = \"copy.parquet\"\n"
    );
    std::fs::write(dir.join("p.toml"), text).unwrap();
    assert!(succeeds(dir, &["check", "p.toml", "--online"]).contains("PostgreSQL 1"));
    assert_eq!(vecdelta(dir, &["log", &place]).status.code(), Some(66));
    assert!(succeeds(dir, &["plan", "p.toml"]).contains("3 commits"));
    assert_eq!(vecdelta(dir, &["log", &place]).status.code(), Some(66));
    succeeds(dir, &["run", "p.toml"]);
    write_table(&dir.join("e3.jsonl"), 100, 3);
    assert!(succeeds(dir, &["plan", "p.toml"]).contains("1 commit"));
    assert!(succeeds(dir, &["run", "p.toml"]).contains("e3.jsonl"));
    succeeds(dir, &["verify", &place]);
    assert!(dir.join("copy.parquet").is_file());
}

#[test]
fn no_message_shows_a_password_and_each_says_what_to_do() {
    let dir = Dir::new();
    let dir = dir.0.as_path();
    for (place, code, says) in [
        ("postgres://ann:hidden@127.0.0.1:1/d?repo=x", 2, "PGPASSWORD"),
        ("postgres://ann@127.0.0.1:1/d?repo=x&password=hidden", 2, "PGPASSWORD"),
        ("postgres://ann@127.0.0.1:1/d", 2, "?repo=NAME"),
        ("postgres://ann@127.0.0.1:1/d?repo=x", 74, "127.0.0.1:1"),
    ] {
        let done = vecdelta(dir, &["log", place]);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.contains(says) && !said.contains("hidden"), "{said}");
    }
}
