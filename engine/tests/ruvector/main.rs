//! An index of ruvector-core as a sink: whoever opens it finds exactly the rows of the head, whatever happened on the way.

#![allow(clippy::unwrap_used, reason = "a test may end with a panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use ruvector_core::types::DbOptions;
use ruvector_core::{DistanceMetric, SearchQuery, VectorDB};

const PIPELINE: &str = r#"
config_version = 1

[pipeline]
name  = "near"
store = "near.vd"

[source.items]
kind    = "jsonl"
path    = "epochs/*.jsonl"
id      = "id"
vector  = "embedding"
meta    = ["lang"]
missing = "delete"

[sink.index]
kind   = "ruvector"
path   = "index/items.db"
metric = "euclidean"
"#;

/// What a table holds: id to vector.
type Rows = BTreeMap<String, Vec<f32>>;

fn begin(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ruvector").join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(dir.join("epochs")).unwrap();
    fs::write(dir.join("near.toml"), PIPELINE).unwrap();
    dir
}

fn run(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vecdelta")).args(args).current_dir(dir).output().unwrap()
}

fn epoch(dir: &Path, number: usize, rows: &Rows) {
    let line = |(id, vector): (&String, &Vec<f32>)| {
        format!("{}\n", serde_json::json!({ "id": id, "embedding": vector, "lang": "de" }))
    };
    fs::write(dir.join(format!("epochs/{number:03}.jsonl")), rows.iter().map(line).collect::<String>()).unwrap();
}

/// Rows of an epoch: some stay, some move, some come and go.
fn rows_of(number: usize) -> Rows {
    let there = (0..200usize).filter(|id| !(id * 7 + number * 13).is_multiple_of(5));
    let moved = |id: usize| if (id + number).is_multiple_of(3) { number as f32 } else { 0.5 };
    there.map(|id| (format!("item/{id:03}"), vec![id as f32, moved(id), -1.0])).collect()
}

/// Opens the index as its users do, and asks it for everything and for each row.
#[track_caller]
fn assert_holds(dir: &Path, rows: &Rows) {
    let options = DbOptions {
        dimensions: 3,
        distance_metric: DistanceMetric::Euclidean,
        storage_path: dir.join("index/items.db").to_string_lossy().into_owned(),
        hnsw_config: None,
        quantization: None,
    };
    let index = VectorDB::new(options).unwrap();
    let ask = |vector: &[f32], k| {
        let query = SearchQuery { vector: vector.to_vec(), k, filter: None, ef_search: None };
        index.search(query).unwrap()
    };
    let all = ask(&[0.0, 0.0, 0.0], rows.len() + 100);
    let found: Rows = all.iter().map(|hit| (hit.id.clone(), hit.vector.clone().unwrap())).collect();
    assert_eq!(all.len(), found.len(), "an id is found twice");
    assert_eq!(&found, rows);
    for (id, vector) in rows {
        let nearest = &ask(vector, 1)[0];
        assert_eq!((&nearest.id, nearest.score), (id, 0.0));
        assert_eq!(nearest.metadata.as_ref().unwrap()["lang"], "de");
    }
}

#[test]
fn an_index_follows_inserts_updates_and_deletes() {
    let dir = begin("follows");
    for number in 0..4 {
        epoch(&dir, number, &rows_of(number));
        let done = run(&dir, &["run", "near.toml"]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_holds(&dir, &rows_of(number));
    }
    // The same epoch again brings nothing, and the cursor goes on.
    epoch(&dir, 4, &rows_of(3));
    assert!(run(&dir, &["run", "near.toml"]).status.success());
    assert_holds(&dir, &rows_of(3));
    // Another history: the index is written anew.
    fs::remove_dir_all(dir.join("near.vd")).unwrap();
    fs::remove_dir_all(dir.join("epochs")).unwrap();
    fs::create_dir_all(dir.join("epochs")).unwrap();
    epoch(&dir, 0, &rows_of(9));
    assert!(run(&dir, &["run", "near.toml"]).status.success());
    assert_holds(&dir, &rows_of(9));
    // One that somebody else filled is left alone, and so is one of another metric.
    fs::write(dir.join("near.toml"), PIPELINE.replace("euclidean", "cosine")).unwrap();
    epoch(&dir, 1, &rows_of(1));
    let refused = run(&dir, &["run", "near.toml"]);
    assert_eq!(refused.status.code(), Some(74));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("made for the metric Euclidean"));
}

/// Runs that are killed at any moment, and go on: the index is that of the head at the end.
#[test]
fn an_index_survives_kills() {
    let dir = begin("kills");
    for number in 0..40 {
        epoch(&dir, number, &rows_of(number));
    }
    for kill in 0..12u64 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_vecdelta"))
            .args(["run", "near.toml"])
            .current_dir(&dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + kill * 37 % 300));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let done = run(&dir, &["run", "near.toml"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_holds(&dir, &rows_of(39));
}
