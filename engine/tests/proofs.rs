//! Proofs: what a repository can show to somebody who kept one line.
//!
//! A proof that can be bent is worse than none. So every byte of each kind of proof is changed, cut off and added; each
//! field is replaced by that of another proof and the checksum made again, as somebody would who means harm; and what
//! is shown is compared with the oracle for every source of random tables.

use std::sync::Arc;

use serde_json::Value;
use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{
    CommitIndex, MAIN, Proof, Proven, Repository, check_proof, checkpoint, prove_commit, prove_since, prove_source,
    set_tag,
};

use crate::support::drive::{Epoch, at, ingest, open};
use crate::support::oracle::read;
use crate::support::random::{Rng, row};

/// Four commits of tables that are too large for one leaf, some too small, one empty.
fn repository(rows: usize) -> (MemoryDisk, Repository) {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(rows as u64);
    for (step, part) in [1, 3, 4, 0].into_iter().enumerate() {
        let epoch = |name: &str, element, dims, rows: usize, rng: &mut Rng| Epoch {
            table: Arc::new(Table { collection: name.to_owned(), element, dims }),
            rows: (0..rows * part / 4).map(|i| (format!("k{i}"), row(rng, element, dims))).collect(),
            missing: Missing::Delete,
            batch_rows: 64,
        };
        let epochs = [epoch("big", Element::F32, 3, rows, &mut rng), epoch("small", Element::F16, 2, 9, &mut rng)];
        ingest(&mut repo, MAIN, 1_000 + step as u64, &epochs).unwrap();
        set_tag(&mut repo, &format!("v{step}"), step, &at(2_000)).unwrap();
    }
    (disk, repo)
}

fn source(collection: &str, key: &str) -> Source {
    Source { collection: collection.to_owned(), key: key.to_owned() }
}

fn proof_of(repo: &Repository, commit: CommitIndex, source: &Source) -> Proof {
    prove_source(repo, commit, source, &checkpoint(repo), &|_| {}).unwrap()
}

/// Returns the bits that a text proves, or why nothing is proven.
fn proven(text: &str) -> Result<Option<Vec<u8>>, String> {
    match check_proof(&Proof::parse(text)?, None)? {
        Proven::Commit { row, .. } => Ok(row.and_then(|r| r.held).map(|(_, bits)| bits)),
        Proven::History { .. } => Ok(None),
    }
}

#[test]
fn every_source_of_every_commit_can_be_proven() {
    for rows in [8, 16, 40, 900] {
        let (_disk, repo) = repository(rows);
        for commit in 0..repo.len() {
            let table = read(&repo, commit).unwrap();
            let names = ["big", "small", "other"].into_iter();
            let some = names.flat_map(|n| (0..rows + 2).step_by(rows / 8).map(move |i| source(n, &format!("k{i}"))));
            for source in some {
                let want = table.get(&source.collection).and_then(|c| c.rows.get(&source.key)).cloned();
                let proof = proof_of(&repo, commit, &source);
                let text = proof.to_text();
                assert_eq!(Proof::parse(&text).as_ref(), Ok(&proof));
                assert_eq!(proven(&text), Ok(want), "{source} at {commit} of {rows}");
                let Ok(Proven::Commit { id, .. }) = check_proof(&proof, Some(&checkpoint(&repo))) else { panic!() };
                assert_eq!(id, repo.entry(commit).id);
            }
        }
    }
}

#[test]
fn a_proof_can_lead_to_an_older_checkpoint_and_a_history_goes_on() {
    let (disk, mut repo) = repository(20);
    let old = checkpoint(&repo);
    set_tag(&mut repo, "later", 1, &at(3_000)).unwrap();
    let new = checkpoint(&repo);
    let proof = prove_commit(&repo, 2, &old).unwrap();
    assert!(matches!(check_proof(&proof, Some(&old)), Ok(Proven::Commit { sequence: 5, .. })));
    assert!(check_proof(&proof, Some(&new)).unwrap_err().contains("another checkpoint"));
    let history = prove_since(&repo, &old).unwrap();
    assert!(matches!(check_proof(&history, Some(&new)), Ok(Proven::History { since }) if since == old));
    assert!(prove_since(&repo, &new).is_err() && prove_commit(&repo, 2, &checkpoint_of(&disk, 3)).is_err());
}

/// Returns a checkpoint with a smaller size; its root does not matter here.
fn checkpoint_of(disk: &MemoryDisk, size: u64) -> vecdelta::version::Checkpoint {
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    vecdelta::version::Checkpoint { size, ..checkpoint(&repo) }
}

/// One proof of each kind, among them one of a source that is not there.
fn kinds() -> Vec<Proof> {
    let (_disk, repo) = repository(40);
    let old = vecdelta::version::Checkpoint::parse(&checkpoint(&repo).to_string()).unwrap();
    let mut repo = repo;
    set_tag(&mut repo, "later", 1, &at(3_000)).unwrap();
    vec![
        prove_commit(&repo, 1, &checkpoint(&repo)).unwrap(),
        proof_of(&repo, 2, &source("big", "k7")),
        proof_of(&repo, 2, &source("big", "nobody")),
        prove_since(&repo, &old).unwrap(),
    ]
}

#[test]
fn every_changed_byte_is_refused() {
    for proof in kinds() {
        let text = proof.to_text();
        for at in 0..text.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= flip;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(proven(&changed).is_err(), "byte {at} ^ {flip} of {text}");
            }
            assert!(proven(&text[..at]).is_err(), "cut off at {at}");
        }
        assert!(proven(&format!("{text}\n")).is_err());
    }
}

/// Whoever means harm makes the checksum again, so it must not be what holds a proof together.
#[test]
fn a_forged_field_is_refused_though_the_checksum_fits() {
    let proofs = kinds();
    let pinned = proofs[0].checkpoint;
    let documents: Vec<Value> = proofs.iter().map(|p| serde_json::from_str(&p.to_text()).unwrap()).collect();
    let mut tried = 0;
    for document in &documents {
        let fields = leaves(document, String::new());
        for (pointer, value) in fields.into_iter().filter(|(pointer, _)| pointer != "/checksum") {
            for new in forgeries(&value) {
                let mut forged = document.clone();
                *forged.pointer_mut(&pointer).unwrap() = new.clone();
                let Some(text) = resealed(&forged) else { continue };
                let Ok(proof) = Proof::parse(&text) else { continue };
                tried += 1;
                assert!(check_proof(&proof, Some(&pinned)).is_err(), "{pointer} = {new}");
            }
        }
    }
    assert!(tried > 1_000, "{tried} forgeries");
}

/// Returns every value that holds no others, with its place.
fn leaves(value: &Value, at: String) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields.iter().flat_map(|(k, v)| leaves(v, format!("{at}/{k}"))).collect(),
        Value::Array(items) if !items.is_empty() => {
            let mut all: Vec<_> = items.iter().enumerate().flat_map(|(i, v)| leaves(v, format!("{at}/{i}"))).collect();
            all.push((at, value.clone()));
            all
        }
        other => vec![(at, other.clone())],
    }
}

fn forgeries(value: &Value) -> Vec<Value> {
    match value {
        Value::String(text) => (0..text.len().min(200))
            .filter_map(|at| {
                let digit = text.as_bytes()[at].is_ascii_hexdigit();
                let other = if text.as_bytes()[at] == b'7' { "3" } else { "7" };
                (digit && text.is_char_boundary(at)).then(|| format!("{}{other}{}", &text[..at], &text[at + 1..]))
            })
            .map(Value::from)
            .chain([Value::Null])
            .collect(),
        Value::Array(items) => {
            let mut swapped = items.clone();
            swapped.reverse();
            let all = [items[1..].to_vec(), [&items[..], &items[..1]].concat(), swapped];
            all.into_iter().filter(|new| new != items).map(Value::from).collect()
        }
        _ => vec![Value::from("00"), Value::from("0000803f0000803f0000803f")],
    }
}

/// Returns the text of a document whose checksum was made again.
fn resealed(document: &Value) -> Option<String> {
    let mut document = document.clone();
    let fields = document.as_object_mut()?;
    fields.remove("checksum");
    let key = blake3::derive_key("vecdelta v1 proof", b"");
    let sum = blake3::keyed_hash(&key, Value::Object(fields.clone()).to_string().as_bytes());
    fields.insert("checksum".to_owned(), Value::from(sum.to_hex().as_str()));
    Some(format!("{document:#}\n"))
}
