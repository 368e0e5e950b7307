//! Vectors that are shared with the browser's package: both sides make the same bytes of the same rows.
//!
//! `wasm/tests/package.mjs` reads these files, makes every delta anew from its rows and compares the bytes. To write them
//! after the format was changed on purpose: `VECDELTA_SHARED=write cargo test -p vecdelta --test main shared`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use vecdelta::delta::{Delta, DeltaInfo, Element, Table, Timestamp};
use vecdelta::version::Repository;

use crate::bundles::{all, bundled, small};
use crate::support::random::{Rng, row};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Compares a file with what it should hold, or writes it.
fn shared(name: &str, content: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../wasm/tests/shared").join(name);
    if std::env::var("VECDELTA_SHARED").is_ok_and(|v| v == "write") {
        std::fs::write(&path, content).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == content, "{name} is not what the engine writes");
}

/// Rows before and after: a few components, a run of them, all of them, none; and a source that comes or goes.
fn pairs(rng: &mut Rng, element: Element, width: u32) -> Vec<[Option<Vec<u8>>; 2]> {
    let (size, dims) = (element.size(), width as usize);
    let old = row(rng, element, width);
    let flip = |range: &mut dyn Iterator<Item = usize>| {
        let mut new = old.clone();
        range.for_each(|i| new[i * size] ^= 0x55);
        Some(new)
    };
    vec![
        [None, Some(old.clone())],
        [Some(old.clone()), flip(&mut (0..dims).step_by(7))],
        [Some(old.clone()), flip(&mut (3..dims / 2))],
        [Some(old.clone()), Some(row(rng, element, width))],
        [Some(old.clone()), Some(old.clone())],
        [Some(old.clone()), None],
    ]
}

#[test]
fn the_deltas_are_those_that_the_package_makes() {
    let mut rng = Rng::new(11);
    let mut deltas: Vec<Value> = Vec::new();
    for (n, element) in Element::ALL.into_iter().enumerate() {
        let table = Table { collection: "things".to_owned(), element, dims: 40 };
        for (i, [old, new]) in pairs(&mut rng, element, 40).into_iter().enumerate() {
            let key = format!("größe/{n}/{i}");
            let millis = 1_800_000_000_000 + (n * 100 + i) as u64;
            let time = Timestamp { physical_millis: millis, ..Timestamp::default() };
            let info = DeltaInfo { time, ..DeltaInfo::default() };
            let delta = Delta::new(&table, &key, old.as_deref(), new.as_deref(), info).unwrap();
            assert_eq!(Delta::from_bytes(&delta.to_bytes()).unwrap(), delta);
            deltas.push(json!({
                "element": element.name(), "dims": 40, "source": format!("things/{key}"), "millis": millis,
                "old": old.as_deref().map(hex), "new": new.as_deref().map(hex),
                "id": delta.id().to_hex(), "delta": hex(&delta.to_bytes()),
            }));
        }
    }
    shared("deltas.json", serde_json::to_string_pretty(&deltas).unwrap().as_bytes());
}

#[test]
fn the_bundle_is_the_one_that_the_package_reads() {
    let (_disk, repo) = small();
    shared("small.vdpack", &bundled(&repo));
    shared("small.json", serde_json::to_string_pretty(&tables(&repo)).unwrap().as_bytes());
}

/// Every row of every commit.
fn tables(repo: &Repository) -> Value {
    let commits = all(repo).into_iter().enumerate().map(|(c, tables)| {
        let rows: serde_json::Map<String, Value> = tables
            .iter()
            .flat_map(|(name, t)| t.rows.iter().map(move |(key, row)| (format!("{name}/{key}"), hex(row).into())))
            .collect();
        json!({ "commit": repo.entry(c).id.to_hex(), "rows": rows })
    });
    Value::from(commits.collect::<Vec<_>>())
}
