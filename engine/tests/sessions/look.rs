//! Looking at old states: drift, search, blame, and the filters of the log.

use crate::history::ingested;
use crate::shell::Session;

/// What a newcomer sees on real data: releases of Debian, and a model in another precision.
#[test]
fn drift_search_and_blame_of_real_tables() {
    let mut s = Session::checkout("look-real");
    s.quiet(&["run", "pipelines/quickstart.toml"]).exits(0);
    s.remark("the same texts, the model in bfloat16");
    s.run("drift out/quickstart.vd main~1 main --neighbours 10").exits(0);
    s.remark("two releases apart: most moves come from new descriptions");
    s.run("drift out/quickstart.vd main~3 main~1 --neighbours 10 --sample 100 --seed 7 --top 3").exits(0);
    s.remark("a few large moves among many small ones");
    s.run("drift out/quickstart.vd main~2 main --top 0").exits(0);
    s.run("search out/quickstart.vd --like packages/sqlite3 -k 5").exits(0);
    s.run("search out/quickstart.vd --like packages/sqlite3 -k 5 --at main~1 --against main~4").exits(0);
    s.run("blame out/quickstart.vd packages/mariadb-client --at main~1").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn drift_search_and_blame_of_a_small_table() {
    let mut s = ingested("look-small");
    s.run("drift fruit.vd main~2 main --neighbours 2").exits(0);
    s.run("drift fruit.vd main main").exits(0);
    s.run("search fruit.vd --like vectors/apple").exits(0);
    s.write("query.json", "[1, 0, 0.5]");
    s.run("search fruit.vd --vector query.json --metric l2 --against main~2").exits(0);
    s.run("search fruit.vd --vector query.json --metric dot -k 1 --at main~2").exits(0);
    s.run("blame fruit.vd vectors/apple").exits(0);
    s.run("blame fruit.vd vectors/apple --at main~2").exits(0);
    insta::assert_snapshot!(s.transcript());
}

/// Vectors of another model, and vectors that hold what no arithmetic survives.
#[test]
fn drift_and_search_of_odd_tables() {
    let mut s = ingested("look-odd");
    s.table("wide.jsonl", &[("apple", &[1.0, 0.0, 0.5, 0.5]), ("pear", &[0.0, 1.0, 0.5, 0.5]), ("fig", &[1.0; 4])]);
    s.quiet(&["ingest", "fruit.vd", "wide.jsonl", "--branch", "next-model"]).exits(0);
    s.remark("another width: kinds and neighbours, no distances");
    s.run("drift fruit.vd main next-model --neighbours 2").exits(0);
    let json = s.quiet(&["drift", "fruit.vd", "main", "next-model", "--json"]).exits(0).json();
    assert_eq!(json["comparable"], false);
    assert!(json["l2"]["max"].is_null() && json["cosine"]["min"].is_null() && json["centroid_shift"].is_null());
    s.run("search fruit.vd --like vectors/apple --against next-model").exits(0);

    let npy = |rows: &[[f32; 2]]| {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, 2), }}\n", rows.len());
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend_from_slice(&(header.len() as u16).to_le_bytes());
        out.extend_from_slice(header.as_bytes());
        out.extend(rows.iter().flatten().flat_map(|v| v.to_le_bytes()));
        out
    };
    let rows = [[1.0, 0.0], [0.0, 0.0], [f32::NAN, 1.0], [0.5, 0.5], [1.0, 0.0]];
    std::fs::write(s.dir.join("odd.npy"), npy(&rows)).unwrap();
    let rows = [[1.0, 0.5], [0.5, 0.0], [f32::NAN, 2.0], [0.5, f32::INFINITY], [1.0, 0.0]];
    std::fs::write(s.dir.join("odder.npy"), npy(&rows)).unwrap();
    s.quiet(&["ingest", "odd.vd", "odd.npy", "odder.npy"]).exits(0);
    s.remark("zeros, NaN and infinity: left out, and said so");
    s.run("drift odd.vd main~1 main --neighbours 3").exits(0);
    s.remark("ties in the order of keys; what has no score comes last");
    s.run("search odd.vd --like vectors/0 --at main~1").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn looking_for_what_is_not_there() {
    let mut s = ingested("look-errors");
    s.table("other.jsonl", &[("lamp", &[1.0, 2.0]), ("void", &[0.0, 0.0])]);
    s.quiet(&["ingest", "fruit.vd", "other.jsonl", "--collection", "things"]).exits(0);
    s.write("query.json", "[1, 0, 0.5]");
    s.write("words.json", "[\"one\", \"two\"]");
    s.run("drift fruit.vd main~1 nowhere").exits(66);
    s.run("drift fruit.vd main~1 main").exits(2);
    s.run("drift fruit.vd main~1 main --collection things").exits(66);
    s.run("drift fruit.vd main~2 main --collection vectors --sample 10").exits(2);
    s.run("drift fruit.vd main~2 main --collection vectors --neighbours 0").exits(2);
    s.run("search fruit.vd").exits(2);
    s.run("search fruit.vd --like apple").exits(2);
    s.run("search fruit.vd --like vectors/cherry").exits(66);
    s.run("search fruit.vd --like things/void").exits(65);
    s.run("search fruit.vd --vector nowhere.npy").exits(2);
    s.run("search fruit.vd --vector nowhere.npy --collection things").exits(66);
    s.run("search fruit.vd --vector query.json --collection things").exits(65);
    s.run("search fruit.vd --vector words.json --collection things").exits(65);
    s.run("search fruit.vd --vector mon.jsonl --collection vectors").exits(65);
    s.run("blame fruit.vd vectors/cherry").exits(66);
    s.run("log fruit.vd --since yesterday").exits(2);
    s.run("log fruit.vd --collection lamps").exits(66);
    insta::assert_snapshot!(s.transcript());
}

/// A history with a branch, two collections, two authors and a roll-back.
#[test]
fn the_log_by_what_commits_say() {
    let mut s = ingested("look-log");
    s.table("lamps.jsonl", &[("lamp", &[1.0, 2.0])]);
    let mut by_grace = s.command(&["ingest", "fruit.vd", "lamps.jsonl", "--collection", "lamps", "--message", "Light"]);
    assert!(by_grace.env("VECDELTA_AUTHOR", "Grace Hopper").status().unwrap().success());
    s.quiet(&["rollback", "fruit.vd", "--to", "main~3"]).exits(0);
    s.run("log fruit.vd").exits(0);
    s.run("log fruit.vd --author hopper").exits(0);
    s.run("log fruit.vd --grep ROLLED").exits(0);
    s.run("log fruit.vd --metadata rollback --limit 1").exits(0);
    s.run("log fruit.vd --metadata rollback=nothing").exits(0);
    s.run("log fruit.vd --collection lamps --author ada").exits(0);
    insta::assert_snapshot!(s.transcript());

    let messages = |args: &[&str]| -> Vec<String> {
        let words: Vec<&str> = ["log", "fruit.vd", "--json"].iter().chain(args).copied().collect();
        let lines = s.quiet(&words).exits(0).lines();
        lines.iter().map(|l| l["message"].as_str().unwrap().to_owned()).collect()
    };
    // The file that was ingested is in the metadata.
    assert_eq!(messages(&["--grep", ".JSONL"]), ["Light", "wed.jsonl", "tue.jsonl", "mon.jsonl"]);
    assert_eq!(messages(&["--grep", ".jsonl", "--author", "grace"]), ["Light"]);
    assert_eq!(messages(&["--grep", "ed.jsonl", "--author", "grace"]), [""; 0]);
    assert_eq!(messages(&["--collection", "vectors"]).len(), 4);
    assert_eq!(messages(&["--collection", "lamps"])[1..], ["Light"]);
    assert_eq!(messages(&["--source", "vectors/fig", "--grep", "ue"]), ["tue.jsonl"]);
    let id = s.quiet(&["show", "fruit.vd", "main~4", "--json"]).exits(0).json()["commit"].clone();
    assert_eq!(messages(&["--metadata", &format!("rollback={}", id.as_str().unwrap())]).len(), 1);

    let times: Vec<String> = s
        .quiet(&["log", "fruit.vd", "--json"])
        .exits(0)
        .lines()
        .iter()
        .map(|l| l["time"].as_str().unwrap().to_owned())
        .collect();
    let expected =
        |since: &str, until: &str| times.iter().filter(|t| since <= t.as_str() && t.as_str() <= until).count();
    for since in &times {
        for until in &times {
            assert_eq!(messages(&["--since", since, "--until", until]).len(), expected(since, until));
        }
    }
}

/// A repository without commits has nothing to look at, and says so.
#[test]
fn looking_at_nothing() {
    let mut s = Session::checkout("look-empty");
    s.quiet_with(&["run", "pipelines/stream.toml"], "").exits(0);
    s.run("drift out/stream.vd main~1 main").exits(66);
    s.run("search out/stream.vd --like products/lamp").exits(66);
    s.run("blame out/stream.vd products/lamp").exits(66);
    s.run("log out/stream.vd --author ada").exits(0);
    insta::assert_snapshot!(s.transcript());
}
