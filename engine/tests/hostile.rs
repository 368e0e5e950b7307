//! Bytes that somebody made up: every decoder gets 100,000 inputs that were valid once.
//!
//! A length field that is believed allocates 16 GiB, a count that two fields tell differently reads behind the end of a
//! list. Hashes do not help: whoever writes the file writes the hash. So mutated inputs go into each decoder, and
//! records with extreme numbers into whole repositories whose every hash is right. No panic, bounded memory, an error
//! that names the file.

use std::path::Path;
use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::capture::read::{self, ReadOptions};
use vecdelta::codec::{
    Block, decode_bytes, decode_sorted, decode_texts, encode_bytes, encode_change, encode_fresh, encode_sorted,
    encode_texts, get_varint,
};
use vecdelta::delta::{Element, Note, Notes, Source, Table};
use vecdelta::pipeline::config;
use vecdelta::store::{
    BlockKind, Disk, FRAME_HEADER, FrameHeader, FrameKind, MemoryDisk, Mirror, Record, Skip, SlotGenerations,
    SlotLists, SlotNotes,
};
use vecdelta::version::{
    MAIN, Repository, VersionError, bundle, bundle_since, checkpoint, prove_commit, prove_source, set_tag, snapshot,
    value, verify,
};

use crate::support::drive::{Epoch, at, ingest, open};
use crate::support::files::Dir;
use crate::support::forge::{Closing, Seal, Transaction, head, transactions, write};
use crate::support::oracle::read as read_tables;
use crate::support::random::{Rng, changed, moved, mutate, row};

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// What the fuzz targets have found and what they start from is decoded without harm; a small part of it is made here.
#[test]
fn the_corpus_of_every_fuzz_target_is_replayed() {
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        write_the_corpus();
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut rng = Rng::new(9);
    bounded(|| {
        for (name, run) in targets::TARGETS {
            let files: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap().map(|e| e.unwrap().path()).collect();
            assert!(!files.is_empty(), "{name} has no corpus");
            for data in files.iter().map(|path| std::fs::read(path).unwrap()) {
                run(&data);
                (0..300).for_each(|_| run(&mutate(&mut rng, &data)));
            }
        }
    });
}

/// Writes the corpus anew, before it is replayed: `UPDATE_CORPUS=1 cargo test -p vecdelta --test main corpus`.
fn write_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let put = |target: &str, name: &str, data: &[u8]| {
        std::fs::create_dir_all(corpus.join(target)).unwrap();
        std::fs::write(corpus.join(target).join(name), data).unwrap();
    };
    for (element, dims, rows, payload) in blocks(&mut Rng::new(1)).into_iter().filter(|b| b.1 == 7 && b.2 == 9) {
        let kind = payload[0];
        let head = [element.code(), dims as u8, rows as u8];
        put("block", &format!("{}-{kind}-{}", element.name(), payload.len()), &[&head[..], &payload].concat());
    }
    let mut out = Vec::new();
    encode_bytes(b"abracadabra, abracadabra, abracadabra", &mut out);
    put("bytes", "words", &out);
    out.clear();
    encode_sorted(&[1, 2, 3, 70, 71, 4_000, 4_000_000_000], &mut out);
    put("sorted", "list", &out);
    out.clear();
    encode_texts(["key/1", "key/12", "other"].into_iter(), &mut out);
    put("texts", "keys", &out);
    let mut notes = SlotNotes::default();
    let seen = ["de", "fr"].map(|lang| Note::of([("lang", lang), ("model", "m1")], Some(7)));
    for (slot, note) in seen.iter().enumerate() {
        let mut one = Notes::default();
        one.push_note(note);
        notes.add([slot as u32].into_iter(), &one);
    }
    put("notes", "two", &notes.encode(0).expect("there are two").1.payload);
    let lists = [("".to_owned(), vec![7]), ("small-1".to_owned(), vec![1, 2, 900])];
    let generations = SlotGenerations(lists.into_iter().collect());
    put("notes", "generations", &generations.encode(0).expect("there are four").0.1.payload);
    put("frame", "block", &FrameHeader::new(FrameKind::Block, b"payload").to_bytes());
    let disk = repository();
    for (i, tx) in transactions(&disk).iter().enumerate() {
        let payload = match &tx.closing {
            Closing::Commit(record) => borsh::to_vec(record).unwrap(),
            Closing::Operation(record) => borsh::to_vec(record).unwrap(),
        };
        put("record", &i.to_string(), &payload);
    }
    put("log", "repository", &[&disk.files()["head"][..], &disk.files()["log/00000000.vdlog"]].concat());
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    let packs = MemoryDisk::default();
    bundle(&repo, &packs, "whole", &mut |_| {}).unwrap();
    bundle_since(&repo, 0, &packs, "thin", &mut |_| {}).unwrap();
    packs.files().iter().for_each(|(name, data)| put("bundle", name, data));
    let source = Source { collection: "a".to_owned(), key: "key/3".to_owned() };
    let proof = prove_source(&repo, 1, &source, &checkpoint(&repo), &|_| {}).unwrap();
    put("proof", "source", proof.to_text().as_bytes());
    put("proof", "commit", prove_commit(&repo, 0, &checkpoint(&repo)).unwrap().to_text().as_bytes());
    put("config", "pipeline.toml", PIPELINE.as_bytes());
    put("table", "jsonl", b"\x06{\"id\": \"a\", \"vector\": [1, 2.5]}\n");
    put("table", "fvecs", b"\x03\x01\0\0\0\0\0\x80\x3f");
}

/// Returns the most memory that this process has ever asked for, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmPeak:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok()).map_or(0, |k| k << 10)
}

/// Fails when the process asked for more than a gibibyte meanwhile, other tests included.
fn bounded(work: impl FnOnce()) {
    let before = peak();
    work();
    assert!(peak() - before < 1 << 30, "{} MiB were asked for", (peak() - before) >> 20);
}

/// A row block as it is written: element, width, number of rows, payload.
fn blocks(rng: &mut Rng) -> Vec<(Element, usize, usize, Vec<u8>)> {
    let mut out = Vec::new();
    for element in Element::ALL {
        for dims in [1, 7, 40] {
            for rows in [1, 9] {
                let old: Vec<u8> = (0..rows).flat_map(|_| row(rng, element, dims)).collect();
                let size = old.len() / rows;
                let new: Vec<u8> = old.chunks(size).flat_map(|r| changed(rng, element, r)).collect();
                let (mut fresh, mut change) = (Vec::new(), Vec::new());
                encode_fresh(element, dims as usize, &new, &mut fresh);
                encode_change(element, dims as usize, &old, &new, &mut change);
                out.push((element, dims as usize, rows, fresh));
                out.push((element, dims as usize, rows, change));
            }
        }
    }
    out
}

#[test]
fn mutated_blocks_are_refused_or_decoded() {
    let mut rng = Rng::new(1);
    let seeds = blocks(&mut rng);
    bounded(|| {
        for i in 0..44_000 {
            let (element, dims, rows, payload) = &seeds[i % seeds.len()];
            let bytes = mutate(&mut rng, payload);
            let Ok(block) = Block::parse(*element, *dims, *rows, &bytes) else { continue };
            let mut out = vec![0x55; rows * dims * element.size()];
            let _ = block.apply_all(&mut out);
            let _ = block.apply_row(rng.below(rows + 1), &mut out[..dims * element.size()]);
        }
    });
}

#[test]
fn mutated_lists_and_texts_are_refused_or_decoded() {
    let mut rng = Rng::new(2);
    let (mut bytes, mut sorted, mut texts) = (Vec::new(), Vec::new(), Vec::new());
    let list: Vec<u32> = (0..200).map(|i| i * i + (i % 3)).collect();
    encode_bytes(&(0..3_000).map(|_| rng.below(30) as u8).collect::<Vec<_>>(), &mut bytes);
    encode_sorted(&list, &mut sorted);
    let keys: Vec<String> = (0..60).map(|i| format!("key/{}-ключ", i * 7)).collect();
    encode_texts(keys.iter().map(String::as_str), &mut texts);
    let lists = [[1, 2, 5].as_slice(), &[7, 9], &[3]].map(|l| {
        let mut out = Vec::new();
        encode_sorted(l, &mut out);
        out
    });
    let lists = lists.concat();
    assert!(SlotLists::decode(&lists, 6).is_ok());
    bounded(|| {
        for _ in 0..9_000 {
            let _ = decode_bytes(&mut mutate(&mut rng, &bytes).as_slice(), 1 << 20);
            let _ = decode_sorted(&mut mutate(&mut rng, &sorted).as_slice(), 1 << 16);
            if let Ok((bytes, ends)) = decode_texts(&mut mutate(&mut rng, &texts).as_slice(), 1 << 12, 1 << 20) {
                assert!(ends.iter().all(|&e| e as usize <= bytes.len()));
            }
            let _ = get_varint(&mut mutate(&mut rng, &sorted).as_slice());
            if let Ok(found) = SlotLists::decode(&mutate(&mut rng, &lists), 6) {
                assert_eq!(found.len(), 6);
            }
        }
    });
}

fn repository() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    for step in 0..3 {
        let epochs = ["a", "b"].map(|name| {
            let table = Arc::new(Table { collection: name.to_owned(), element: Element::F32, dims: 6 });
            let seed = |i: u64| if i.is_multiple_of(2) { i } else { i + step * 50 };
            let rows = (step..step + 9).map(|i| (format!("key/{i}"), row(&mut Rng::new(seed(i)), Element::F32, 6)));
            Epoch { table, rows: rows.collect(), missing: Missing::Delete, batch_rows: 4 }
        });
        ingest(&mut repo, MAIN, step, &epochs).unwrap();
    }
    // Every row moves a little, so that the last of these commits is coded against the first.
    let table = Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims: 24 });
    let mut rng = Rng::new(4);
    let new = |rng: &mut Rng| (0..24).flat_map(|_| (rng.unit() as f32).to_le_bytes()).collect::<Vec<u8>>();
    let mut rows: Vec<_> = (0..12).map(|i| (format!("key/{i}"), new(&mut rng))).collect();
    for step in 0..5 {
        let epoch = Epoch { table: table.clone(), rows: rows.clone(), missing: Missing::Delete, batch_rows: 99 };
        ingest(&mut repo, MAIN, step, &[epoch]).unwrap();
        rows.iter_mut().for_each(|(_, r)| *r = moved(&mut rng, Element::F32, r));
    }
    assert_eq!(repo.entry(7).skips.len(), 1);
    set_tag(&mut repo, "t", 0, &at(5)).unwrap();
    snapshot(&mut repo, 1, &at(6)).unwrap();
    disk
}

#[test]
fn mutated_frames_and_records_are_refused_or_read() {
    let mut rng = Rng::new(3);
    let records: Vec<(FrameKind, Vec<u8>)> = transactions(&repository())
        .iter()
        .map(|tx| match &tx.closing {
            Closing::Commit(record) => (FrameKind::Commit, borsh::to_vec(record).unwrap()),
            Closing::Operation(record) => (FrameKind::Operation, borsh::to_vec(record).unwrap()),
        })
        .collect();
    bounded(|| {
        for i in 0..16_000 {
            let (kind, payload) = &records[i % records.len()];
            let bytes = mutate(&mut rng, payload);
            let _ = Record::parse(*kind, &bytes);
            let mut header = FrameHeader::new(*kind, payload).to_bytes();
            header[rng.below(FRAME_HEADER)] = rng.next() as u8;
            if let Ok(header) = FrameHeader::parse(&header) {
                let _ = header.matches(payload);
            }
        }
    });
}

/// Does with a repository what commands do; everything may fail, nothing may panic.
fn use_it(disk: &MemoryDisk) -> Option<String> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let _ = verify(&shared);
    let repo = match Repository::open(shared) {
        Ok(repo) => repo,
        Err(e) => return Some(e.to_string()),
    };
    for commit in 0..repo.len() {
        let _ = read_tables(&repo, commit);
        let _ = value(&repo, commit, &Source { collection: "a".to_owned(), key: "key/3".to_owned() });
        let _ = crate::support::oracle::differences(&repo, Some(0), Some(commit));
    }
    if let Ok(mut repo) = open(disk) {
        let table = Arc::new(Table { collection: "a".to_owned(), element: Element::F32, dims: 6 });
        let rows = vec![("key/3".to_owned(), vec![1; 24]), ("new".to_owned(), vec![2; 24])];
        let _ = ingest(&mut repo, MAIN, 9, &[Epoch { table, rows, missing: Missing::Delete, batch_rows: 9 }]);
    }
    None
}

#[test]
fn mutated_heads_and_segments_are_errors_that_name_the_file() {
    let mut rng = Rng::new(4);
    let whole = repository();
    let origin = whole.files()["log/00000000.vdlog"][16..48].try_into().unwrap();
    bounded(|| {
        for i in 0..3_000u32 {
            let disk = MemoryDisk::default();
            whole.files().into_iter().for_each(|(path, data)| disk.put(&path, data));
            let path = if i % 2 == 0 { "head" } else { "log/00000000.vdlog" };
            let bytes = if i % 4 == 0 {
                let extreme = |rng: &mut Rng| *rng.pick(&[0, 1, 63, 64, 511, u64::from(u32::MAX), u64::MAX]);
                let (sequence, length) = (extreme(&mut rng), extreme(&mut rng));
                let slot = head(sequence, extreme(&mut rng) as u32, length, [0; 32], origin);
                [slot, slot].concat()
            } else {
                mutate(&mut rng, &disk.files()[path])
            };
            disk.put(path, bytes);
            if let Some(error) = use_it(&disk) {
                assert!(error.contains("memory:"), "{error}");
            }
        }
    });
}

/// Makes one number of a transaction extreme.
fn exaggerate(rng: &mut Rng, tx: &mut Transaction) {
    let n = *rng.pick(&[0, 1, 2, 5, 4_096, 4_097, 1 << 20, 1 << 31, u32::MAX - 1, u32::MAX]);
    if let Closing::Commit(record) = &mut tx.closing {
        let i = rng.below(record.slots.len().min(2));
        match rng.below(14) {
            _ if record.slots.is_empty() => {}
            0 => record.slots[i] = n,
            1 => record.slots.truncate(i),
            2 => record.body.collections[i].dims = n,
            3 => record.body.collections[i].element = n as u8,
            4 => record.body.collections[i].rows = u64::from(n) << 20,
            5 => record.body.collections.swap(0, 1),
            6 => record.body.collections[i].name = "a".to_owned(),
            7 => record.body.parents.clear(),
            8 => record.body.time.physical_millis = u64::MAX - u64::from(n & 1),
            9 => record.skips.clear(),
            10 => {
                let parent = record.body.parents.first();
                record.skips.extend(parent.map(|&commit| Skip { collection: n as u16, commit }));
            }
            _ => {}
        }
    }
    let plain =
        matches!(&tx.closing, Closing::Operation(r) if !matches!(r.action, vecdelta::store::Action::Snapshot { .. }));
    if plain || tx.refs().is_empty() {
        return;
    }
    let at = rng.below(tx.refs().len());
    let entry = &mut tx.refs()[at];
    match rng.below(12) {
        0 => entry.rows = n,
        1 => entry.first_slot = n,
        2 => entry.last_slot = n,
        3 => entry.len = n,
        4 => entry.collection = n as u16,
        5 => {
            entry.kind =
                *rng.pick(&[BlockKind::Keys, BlockKind::Slots, BlockKind::Fresh, BlockKind::Change, BlockKind::Skip])
        }
        6 => _ = tx.refs().remove(at),
        7 => tx.refs().swap(0, at),
        8 => {
            let again = tx.refs()[at];
            tx.refs().push(again);
        }
        9 if at < tx.blocks.len() => tx.blocks[at] = mutate(rng, &tx.blocks[at]),
        10 if at < tx.blocks.len() => tx.blocks.swap(0, at),
        _ => {}
    }
}

#[test]
fn records_with_extreme_numbers_and_right_hashes_do_no_harm() {
    let mut rng = Rng::new(5);
    let whole = repository();
    let mut opened = 0;
    bounded(|| {
        for i in 0..4_000 {
            let disk = MemoryDisk::default();
            let files = whole.files().into_iter().filter(|(p, _)| i % 2 == 0 || !p.starts_with("cache/"));
            files.for_each(|(path, data)| disk.put(&path, data));
            let mut all = transactions(&disk);
            for _ in 0..=rng.below(2) {
                let at = rng.below(all.len());
                exaggerate(&mut rng, &mut all[at]);
            }
            write(&disk, all, if rng.chance(50) { Seal::All } else { Seal::WithoutLengths });
            match use_it(&disk) {
                Some(error) => assert!(error.contains("memory:log"), "{error}"),
                None => opened += 1,
            }
        }
    });
    assert!(opened > 200, "only {opened} of them could be opened at all");
}

/// The cache is only as trustworthy as its checksum, which anybody can make.
#[test]
fn made_up_mirrors_do_no_harm() {
    let mut rng = Rng::new(6);
    let whole = repository();
    let mirrors: Vec<(String, Vec<u8>)> = whole.files().into_iter().filter(|(p, _)| p.ends_with("/state")).collect();
    assert_eq!(mirrors.len(), 3);
    let sealed = |mut bytes: Vec<u8>| {
        let piece = xxhash_rust::xxh3::xxh3_128(&bytes);
        bytes.extend(xxhash_rust::xxh3::xxh3_128(&piece.to_le_bytes()).to_le_bytes());
        bytes
    };
    mirrors.iter().for_each(|(_, state)| assert_eq!(sealed(state[..state.len() - 16].to_vec()), *state));
    bounded(|| {
        for i in 0..2_500 {
            let disk = MemoryDisk::default();
            whole.files().into_iter().for_each(|(path, data)| disk.put(&path, data));
            let (path, state) = &mirrors[i % 2];
            let body = &state[..state.len() - 16];
            let mut bytes = body[..40].to_vec();
            bytes.extend(mutate(&mut rng, &body[40..]));
            disk.put(path, sealed(bytes));
            let table = Arc::new(Table { collection: "a".to_owned(), element: Element::F32, dims: 6 });
            let dir = path.strip_suffix("/state").unwrap();
            let _ = Mirror::open(Arc::new(disk.clone()), dir, table, state[8..40].try_into().unwrap());
            use_it(&disk);
        }
    });
}

const PIPELINE: &str = r#"
[pipeline]
name = "p"
store = "x.vd"
[source.s]
kind = "files"
path = ["a/*.npy", "b.parquet"]
collection = "c"
[window.w]
close = { after = "10s", count = 5 }
[[route]]
name = "all"
match = "**"
window = "w"
to = ["out"]
[sink.out]
kind = "parquet"
path = "out"
"#;

#[test]
fn mutated_pipeline_files_are_diagnosed() {
    let mut rng = Rng::new(7);
    for _ in 0..1_500 {
        let bytes = mutate(&mut rng, PIPELINE.as_bytes());
        let text = String::from_utf8_lossy(&bytes);
        if let Err(diagnosis) = config::parse("p.toml", &text, Path::new("/base"), &[], &|_| None) {
            assert!(!diagnosis.errors.is_empty());
        }
    }
}

#[test]
fn mutated_tables_are_errors_that_name_the_file() {
    let dir = Dir::new();
    let mut rng = Rng::new(8);
    let floats: Vec<u8> = (0..24u32).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 4), }";
    let npy = [b"\x93NUMPY\x01\x00", &118u16.to_le_bytes()[..], format!("{head:<117}\n").as_bytes(), &floats].concat();
    let json = r#"{"v":{"dtype":"F32","shape":[6,4],"data_offsets":[0,96]}}"#;
    let safetensors = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), &floats].concat();
    let fvecs: Vec<u8> = floats.chunks(16).flat_map(|row| [&4u32.to_le_bytes()[..], row].concat()).collect();
    let jsonl = (0..6).map(|i| format!("{{\"id\": \"k{i}\", \"vector\": [{i}, 1.5, -2e3]}}\n")).collect::<String>();
    let seeds = [("t.npy", npy), ("t.safetensors", safetensors), ("t.fvecs", fvecs), ("t.jsonl", jsonl.into_bytes())];
    let mut rows = 0;
    let mut take = |name: &str, bytes: &[u8]| {
        let path = dir.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        let result = read::open(&path, &ReadOptions::default()).and_then(|mut reader| {
            while let Some(batch) = reader.next()? {
                rows += batch.keys.len();
            }
            Ok(())
        });
        result.map_err(|error| assert!(error.to_string().contains(name), "{error}"))
    };
    for (name, bytes) in &seeds {
        assert!(take(name, bytes).is_ok(), "{name} is a table before it is mutated");
    }
    bounded(|| {
        for i in 0..4_000 {
            let (name, bytes) = &seeds[i % seeds.len()];
            let _ = take(name, &mutate(&mut rng, bytes));
        }
    });
    assert!(rows > 24);
}

/// A hostile repository is refused in the words of the store, not in those of a failed allocation.
#[test]
fn a_width_beyond_the_limit_is_refused() {
    let disk = repository();
    let mut all = transactions(&disk);
    all[0].commit().body.collections[0].dims = u32::MAX;
    write(&disk, all, Seal::All);
    let repo = Repository::open(Arc::new(disk.clone()));
    let refused = repo.and_then(|repo| read_tables(&repo, 0));
    assert!(matches!(&refused, Err(VersionError::Store(e)) if e.to_string().contains("log")), "{refused:?}");
}
