//! Every kind of failure: its exit code, where it is, and what to do.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::history::ingested;
use crate::shell::Session;

#[test]
fn what_is_not_there_is_66() {
    let mut s = ingested("not-there");
    s.quiet(&["tag", "fruit.vd", "monday", "--at", "main~2"]).exits(0);
    s.run("log nowhere.vd").exits(66);
    s.run("ingest new.vd nowhere.parquet").exits(66);
    s.run("log fruit.vd wednesday").exits(66);
    s.run("show fruit.vd main~9").exits(66);
    s.run("show fruit.vd @2020-01-01T00:00:00Z").exits(66);
    s.run("show fruit.vd @yesterday").exits(66);
    s.run("get fruit.vd vectors/cherry").exits(66);
    s.run("get fruit.vd things/apple").exits(66);
    s.run("tag fruit.vd --delete tuesday").exits(66);
    s.run("branch fruit.vd --delete trial").exits(66);
    s.run("rollback fruit.vd --branch trial --last 1").exits(66);
    s.run("run nowhere.toml").exits(66);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn wrong_usage_is_2() {
    let mut s = ingested("usage");
    let nothing = s.quiet(&[]).exits(2);
    assert!(nothing.err.contains("Usage: vecdelta <COMMAND>"), "{}", nothing.err);
    s.run("logg fruit.vd").exits(2);
    s.run("show fruit.vd").exits(2);
    s.run("get fruit.vd apple").exits(2);
    s.run("export fruit.vd --output table.xls").exits(2);
    s.run("rollback fruit.vd").exits(2);
    s.run("rollback fruit.vd --last 7").exits(2);
    s.run("branch fruit.vd a..b").exits(2);
    s.run("tag fruit.vd main~1").exits(2);
    s.run("verify fruit.vd --since soon").exits(2);
    s.run("ingest fruit.vd mon.jsonl --epsilon=-1").exits(2);
    s.run("explain VD9999").exits(2);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn bad_data_is_65_and_changes_nothing() {
    let mut s = ingested("bad-data");
    let before = s.quiet(&["log", "fruit.vd", "--json"]).exits(0).out;
    s.table("wide.jsonl", &[("apple", &[1.0, 2.0, 3.0, 4.0])]);
    s.table("ragged.jsonl", &[("apple", &[1.0, 2.0, 3.0]), ("pear", &[1.0, 2.0])]);
    s.table("twice.jsonl", &[("apple", &[1.0, 2.0, 3.0]), ("pear", &[1.0, 2.0, 3.0]), ("apple", &[4.0, 5.0, 6.0])]);
    s.write("cut.jsonl", "{\"id\":\"apple\",\"embedding\":[1,2,3]}\n{\"id\":\"pear\",\"embe");
    s.write("null.jsonl", "{\"id\":\"apple\",\"embedding\":[1,2,3]}\n{\"id\":\"pear\",\"embedding\":null}\n");
    s.write("magic.parquet", "PAR2 this is no table");
    s.write("empty.parquet", "");
    for file in
        ["wide.jsonl", "ragged.jsonl", "twice.jsonl", "cut.jsonl", "null.jsonl", "magic.parquet", "empty.parquet"]
    {
        s.run(&format!("ingest fruit.vd {file}")).exits(65);
    }
    s.remark("good files before the bad one stay");
    s.run("ingest fruit.vd mon.jsonl ragged.jsonl tue.jsonl").exits(65);
    insta::assert_snapshot!(s.transcript());
    let after = s.quiet(&["log", "fruit.vd", "--json"]).exits(0).out;
    assert!(after.ends_with(&before));
    assert_eq!(after.lines().count(), before.lines().count() + 1);
    s.quiet(&["verify", "fruit.vd"]).exits(0);
}

#[test]
fn bad_configuration_is_78_with_the_place() {
    let mut s = Session::new("bad-config");
    s.write(
        "catalog.toml",
        "config_version = 1\n[pipeline]\nstore = \"catalog.vd\"\n[source.items]\nkind = \"parket\"\npath = \"items/*.parquet\"\n\
         [[route]]\nname = \"live\"\nwindw = \"fast\"\n[window.fast]\nclose = { after = \"2 weeks\" }\n",
    );
    s.run("check catalog.toml").exits(78);
    s.run("run catalog.toml").exits(78);
    s.run("run catalog.toml --set nonsense").exits(2);
    insta::assert_snapshot!(s.transcript());
    assert!(!s.dir.join("catalog.vd").exists());
}

/// Two writers at once: the second one is told who is at work.
#[test]
fn a_locked_repository_is_75() {
    let mut s = Session::checkout("locked");
    s.quiet_with(&["run", "pipelines/stream.toml"], "{\"id\":\"lamp\",\"embedding\":[1,2]}\n").exits(0);
    std::fs::remove_dir_all(s.dir.join("out/stream.vd/cache")).unwrap();
    let mut command = s.command(&["run", "pipelines/stream.toml"]);
    let mut first = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lock = s.dir.join("out/stream.vd/cache/lock");
    let start = Instant::now();
    while std::fs::metadata(&lock).map_or(0, |m| m.len()) == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the first writer never began");
        std::thread::sleep(Duration::from_millis(10));
    }
    s.table("lamps.jsonl", &[("lamp", &[1.0, 2.0])]);
    let second = s.run("ingest out/stream.vd lamps.jsonl").exits(75);
    assert!(second.err.contains(&format!("process {}", first.id())), "{}", second.err);
    s.remark("readers may go on");
    s.run("log out/stream.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
}

#[test]
fn a_flipped_bit_is_76_with_the_place() {
    let mut s = ingested("corrupt");
    let log = s.dir.join("fruit.vd/log/00000000.vdlog");
    let mut bytes = std::fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&log, bytes).unwrap();
    let done = s.run("verify fruit.vd").exits(76);
    assert!(done.out.contains("00000000.vdlog"), "{}", done.out);
    let problems = s.quiet(&["verify", "fruit.vd", "--json"]).exits(76).json();
    assert_eq!(problems["ok"], false);
    assert!(problems["problems"][0]["offset"].is_u64(), "{problems}");
    // Reading gives the right vector or an error, never another vector.
    for source in ["vectors/apple", "vectors/pear", "vectors/plum"] {
        let done = s.quiet(&["get", "fruit.vd", source, "--at", "main~2"]);
        assert!(done.code == 0 || done.code == 76 || done.code == 66, "{} {}", done.code, done.err);
    }
}

#[test]
fn a_repository_of_another_format_is_65_with_the_way_out() {
    let mut s = ingested("format");
    let path = s.dir.join("fruit.vd/head");
    let mut head = std::fs::read(&path).unwrap();
    let key = blake3::Hasher::new_derive_key("vecdelta v1 head").finalize();
    for slot in head.chunks_exact_mut(512) {
        slot[6..8].copy_from_slice(b"01");
        slot[96..104].fill(0);
        let hash = *blake3::keyed_hash(key.as_bytes(), &slot[..480]).as_bytes();
        slot[480..].copy_from_slice(&hash);
    }
    std::fs::write(&path, head).unwrap();
    s.run("log fruit.vd").exits(65);
    s.run("ingest fruit.vd mon.jsonl").exits(65);
    s.run("verify fruit.vd").exits(65);
    insta::assert_snapshot!(s.transcript());
}

/// The inspector is a program of its own; what it is told and how it ends are passed on.
#[cfg(unix)]
#[test]
fn the_inspector_is_looked_for_beside_the_program() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    let s = Session::new("inspector");
    let program = s.dir.join("vecdelta");
    std::fs::copy(env!("CARGO_BIN_EXE_vecdelta"), &program).unwrap();
    let inspect = || Command::new(&program).args(["inspect", "a.vd", "--", "--theme", "dark"]).output().unwrap();
    let missing = inspect();
    let text = String::from_utf8(missing.stderr).unwrap();
    assert_eq!(missing.status.code(), Some(66), "{text}");
    assert!(
        text.contains("vecdelta-inspector") && text.contains("cargo build --release -p vecdelta-inspector"),
        "{text}"
    );
    let beside = s.dir.join("vecdelta-inspector");
    s.write("vecdelta-inspector", "#!/bin/sh\necho \"$@\"\nexit 3\n");
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
    let started = inspect();
    assert_eq!((started.status.code(), started.stdout), (Some(3), b"a.vd --theme dark\n".to_vec()));
}
