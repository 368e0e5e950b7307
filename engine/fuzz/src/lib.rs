//! What each fuzz target does with its input. The tests replay the corpus through the same functions.

use std::path::Path;
use std::sync::Arc;

use vecdelta::capture::read::{ReadOptions, open};
use vecdelta::codec::{Block, decode_bytes, decode_sorted, decode_texts};
use vecdelta::delta::Element;
use vecdelta::pipeline::config;
use vecdelta::store::{
    Bundle, Disk, FRAME_HEADER, FrameHeader, FrameKind, MemoryDisk, Record, SlotGenerations, SlotLists, SlotNotes,
    check_files,
};
use vecdelta::version::{Actor, Proof, Repository, Thin, Wanted, check_proof, receive, verify};

/// A function by its target's name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("block", block),
    ("bytes", bytes),
    ("sorted", sorted),
    ("texts", texts),
    ("notes", notes),
    ("frame", frame),
    ("record", record),
    ("log", log),
    ("bundle", bundle),
    ("proof", proof),
    ("config", config),
    ("table", table),
];

/// The payload of a row block; three bytes in front say element, width and number of rows.
pub fn block(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<3>() else { return };
    let element = Element::ALL[usize::from(head[0]) % Element::ALL.len()];
    let (dims, rows) = (usize::from(head[1]), usize::from(head[2]));
    if let Ok(block) = Block::parse(element, dims, rows, payload) {
        let mut out = vec![0x55; rows * dims * element.size()];
        let _ = block.apply_all(&mut out);
        let _ = block.apply_row(rows / 2, &mut out[..(dims * element.size()).min(rows * dims * element.size())]);
    }
}

/// An entropy-coded byte string.
pub fn bytes(mut data: &[u8]) {
    let _ = decode_bytes(&mut data, 1 << 20);
}

/// An ascending list, and the three lists of a part.
pub fn sorted(data: &[u8]) {
    let _ = decode_sorted(&mut { data }, 1 << 16);
    let _ = SlotLists::decode(data, 8);
}

/// A list of keys.
pub fn texts(mut data: &[u8]) {
    let _ = decode_texts(&mut data, 1 << 12, 1 << 20);
}

/// The notes of a commit's rows, and their generations; what is read is what is written again.
pub fn notes(data: &[u8]) {
    for rows in [2, 4] {
        let again = |all: &SlotGenerations| Some(all.encode(0)?.0.1.payload);
        let Some(all) = SlotGenerations::decode(data, rows) else { continue };
        if let Some(payload) = again(&all) {
            assert_eq!(SlotGenerations::decode(&payload, rows).as_ref(), Some(&all));
        }
    }
    let Some(notes) = SlotNotes::decode(data) else { return };
    if let Some((_, block, _)) = notes.encode(0) {
        assert_eq!(SlotNotes::decode(&block.payload).as_ref(), Some(&notes));
    }
}

/// A frame's header and payload.
pub fn frame(data: &[u8]) {
    let Some((header, payload)) = data.split_first_chunk::<FRAME_HEADER>() else { return };
    if let Ok(header) = FrameHeader::parse(header) {
        let _ = header.matches(payload);
    }
}

/// A commit or an operation.
pub fn record(data: &[u8]) {
    let _ = Record::parse(FrameKind::Commit, data);
    let _ = Record::parse(FrameKind::Operation, data);
}

/// A head of 1,024 bytes and the log behind it.
pub fn log(data: &[u8]) {
    let (head, log) = data.split_at(data.len().min(1024));
    let disk = MemoryDisk::default();
    disk.put("head", head.to_vec());
    disk.put("log/00000000.vdlog", log.to_vec());
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let _ = check_files(disk.as_ref());
    let _ = verify(&disk);
    let _ = Repository::open_writer(disk, None);
}

/// A bundle, whole or thin.
pub fn bundle(data: &[u8]) {
    let disk = MemoryDisk::default();
    disk.put("bundle", data.to_vec());
    let open = || Bundle::open(disk.open("bundle", false).ok()?, "bundle").ok();
    let Some(whole) = open() else { return };
    let _ = whole.check();
    let whole: Arc<dyn Disk> = Arc::new(whole);
    let _ = verify(&whole);
    let Some(thin) = open().and_then(|b| Thin::open(Arc::new(b)).ok()) else { return };
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
    if let Ok(mut repo) = Repository::open_writer(disk, Some([1; 32])) {
        let _ = receive(&mut repo, &thin.sender(), &Wanted::default(), &Actor::default(), &|_| {});
    }
}

/// A proof.
pub fn proof(data: &[u8]) {
    let Some(proof) = std::str::from_utf8(data).ok().and_then(|text| Proof::parse(text).ok()) else { return };
    let _ = check_proof(&proof, None);
}

/// A pipeline file.
pub fn config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = config::parse("fuzz.toml", text, Path::new("/base"), &[], &|_| None);
    }
}

/// A table file; the first byte says what its name ends in, the content may say otherwise.
pub fn table(data: &[u8]) {
    let Some((&kind, content)) = data.split_first() else { return };
    let endings = ["parquet", "arrow", "npy", "fvecs", "bvecs", "safetensors", "jsonl"];
    let ending = endings[usize::from(kind) % endings.len()];
    let path = std::env::temp_dir().join(format!("vecdelta-fuzz-{}.{ending}", std::process::id()));
    if std::fs::write(&path, content).is_ok()
        && let Ok(mut reader) = open(&path, &ReadOptions::default())
    {
        while let Ok(Some(_)) = reader.next() {}
    }
    let _ = std::fs::remove_file(&path);
}
