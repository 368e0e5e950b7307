//! A forger: takes a log apart, changes it, and makes every hash and link right again.

use std::collections::HashMap;

use borsh::BorshDeserialize;
use vecdelta::delta::CommitId;
use vecdelta::store::{Action, BlockKind, BlockRef, CommitRecord, FORMAT, MemoryDisk, OperationRecord};

const LOG: &str = "log/00000000.vdlog";
const HEADER: usize = 64;

/// The closing record of a transaction.
pub enum Closing {
    Commit(Box<CommitRecord>),
    Operation(OperationRecord),
}

/// A transaction: the payloads of its blocks and the record behind them.
pub struct Transaction {
    pub blocks: Vec<Vec<u8>>,
    pub closing: Closing,
}

impl Transaction {
    pub fn commit(&mut self) -> &mut CommitRecord {
        match &mut self.closing {
            Closing::Commit(record) => record,
            Closing::Operation(_) => panic!("not a commit"),
        }
    }

    pub fn refs(&mut self) -> &mut Vec<BlockRef> {
        match &mut self.closing {
            Closing::Commit(record) => &mut record.blocks,
            Closing::Operation(OperationRecord {
                action: Action::Snapshot { blocks, .. } | Action::Compact { blocks, .. },
                ..
            }) => blocks,
            Closing::Operation(_) => panic!("an operation without data"),
        }
    }
}

fn key(context: &'static str) -> [u8; 32] {
    blake3::derive_key(context, b"")
}

/// Returns a frame with its hash.
pub fn frame(kind: u8, payload: &[u8]) -> (Vec<u8>, [u8; 32]) {
    let mut prefix = b"VDf1".to_vec();
    prefix.extend([kind, 0, 0, 0]);
    prefix.extend((payload.len() as u64).to_le_bytes());
    let mut hasher = blake3::Hasher::new_keyed(&key("vecdelta v1 frame"));
    let hash = *hasher.update(&prefix).update(payload).finalize().as_bytes();
    (prefix.into_iter().chain(hash).chain(payload.iter().copied()).collect(), hash)
}

/// Takes the one segment of a log apart.
pub fn transactions(disk: &MemoryDisk) -> Vec<Transaction> {
    let log = disk.files()[LOG].clone();
    let mut rest = &log[HEADER..];
    let (mut out, mut blocks) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        let len = u64::from_le_bytes(rest[8..16].try_into().unwrap()) as usize;
        let payload = rest[48..48 + len].to_vec();
        let closing = match rest[4] {
            1 => None,
            2 => Some(Closing::Commit(Box::new(CommitRecord::try_from_slice(&payload).unwrap()))),
            _ => Some(Closing::Operation(OperationRecord::try_from_slice(&payload).unwrap())),
        };
        match closing {
            None => blocks.push(payload),
            Some(closing) => out.push(Transaction { blocks: std::mem::take(&mut blocks), closing }),
        }
        rest = &rest[48 + len..];
    }
    out
}

/// What is made right again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// Every hash, every link from record to record, and every commit that another one names.
    All,
    /// All but the names of commits in later records.
    WithoutIds,
    /// All but the links from record to record.
    WithoutLinks,
    /// All, but blocks keep the lengths that their records claim.
    WithoutLengths,
}

/// Writes a log of these transactions and a head that fits.
pub fn write(disk: &MemoryDisk, transactions: Vec<Transaction>, seal: Seal) {
    let mut log = disk.files()[LOG][..HEADER].to_vec();
    let origin: [u8; 32] = log[16..48].try_into().unwrap();
    let (mut last, mut sequence) = ([0; 32], 0);
    for mut tx in transactions {
        let mut hashes = Vec::new();
        for block in &tx.blocks {
            let (bytes, hash) = frame(1, block);
            log.extend(bytes);
            hashes.push((hash, block.len() as u32));
        }
        if !hashes.is_empty() {
            // Of a transaction whose rows were collected only the keys are left.
            let whole = tx.refs().len() == hashes.len();
            let left = tx.refs().iter_mut().filter(|e| whole || e.kind == BlockKind::Keys);
            for (entry, (hash, len)) in left.zip(hashes) {
                entry.hash = hash;
                if seal != Seal::WithoutLengths {
                    entry.len = len;
                }
            }
        }
        sequence += 1;
        let payload = close(&mut tx.closing, sequence, last, seal);
        let kind = if matches!(tx.closing, Closing::Commit(_)) { 2 } else { 3 };
        let (bytes, hash) = frame(kind, &payload);
        log.extend(bytes);
        last = hash;
    }
    let slot = head(sequence, 0, log.len() as u64, last, origin);
    disk.put("head", [slot, slot].concat());
    disk.put(LOG, log);
}

fn close(closing: &mut Closing, sequence: u64, last: [u8; 32], seal: Seal) -> Vec<u8> {
    let link = match closing {
        Closing::Commit(record) => &mut record.link,
        Closing::Operation(record) => &mut record.link,
    };
    if seal != Seal::WithoutLinks {
        (link.sequence, link.previous) = (sequence, last);
    }
    match closing {
        Closing::Commit(record) => borsh::to_vec(record).unwrap(),
        Closing::Operation(record) => borsh::to_vec(record).unwrap(),
    }
}

/// Changes one commit's record and makes all right again, as far as asked for.
pub fn edit(disk: &MemoryDisk, number: usize, seal: Seal, change: impl FnOnce(&mut Transaction)) {
    let mut all = transactions(disk);
    let old = all[number].commit().body.id();
    change(&mut all[number]);
    if seal != Seal::WithoutIds {
        rename_from(&mut all, number, old);
    }
    write(disk, all, seal);
}

/// Carries the new identity of a commit through all that name it, and so on to the end.
fn rename_from(all: &mut [Transaction], number: usize, old: CommitId) {
    let mut ids = HashMap::from([(old, all[number].commit().body.id())]);
    for tx in &mut all[number + 1..] {
        let rename = |id: &mut CommitId| *id = ids.get(id).copied().unwrap_or(*id);
        match &mut tx.closing {
            Closing::Commit(record) => {
                let before = record.body.id();
                record.body.parents.iter_mut().for_each(rename);
                ids.insert(before, record.body.id());
            }
            Closing::Operation(record) => match &mut record.action {
                Action::Branch { from, to, .. } | Action::Tag { from, to, .. } => {
                    from.iter_mut().chain(to).for_each(rename);
                }
                Action::Snapshot { commit, .. } => rename(commit),
                Action::Unsnapshot { commits } => commits.iter_mut().for_each(rename),
                Action::Compact { spans, .. } => {
                    for span in spans {
                        [&mut span.commit]
                            .into_iter()
                            .chain(&mut span.base)
                            .chain(&mut span.stands_for)
                            .for_each(rename);
                    }
                }
                Action::Rename { at, .. } => rename(at),
                Action::Park { ours, theirs, .. } => [ours, theirs].into_iter().for_each(rename),
                Action::Uncompact { .. } | Action::Resolve { .. } | Action::Abandon { .. } => {}
            },
        }
    }
}

/// Returns a slot of a head.
pub fn head(sequence: u64, segment: u32, length: u64, last: [u8; 32], origin: [u8; 32]) -> [u8; 512] {
    let mut out = [0; 512];
    out[..8].copy_from_slice(format!("VDHEAD{FORMAT:02}").as_bytes());
    out[8..16].copy_from_slice(&sequence.to_le_bytes());
    out[16..20].copy_from_slice(&segment.to_le_bytes());
    out[24..32].copy_from_slice(&length.to_le_bytes());
    out[32..64].copy_from_slice(&last);
    out[64..96].copy_from_slice(&origin);
    let hash = *blake3::keyed_hash(&key("vecdelta v1 head"), &out[..480]).as_bytes();
    out[480..].copy_from_slice(&hash);
    out
}

/// Makes a head, or the front of a bundle, of another format and by another version, with hashes that are right.
pub fn of_format(file: &mut [u8], format: u8, version: &[u8; 8]) {
    let digits = format!("{format:02}");
    if file.starts_with(b"VDHEAD") {
        for slot in file.chunks_exact_mut(512) {
            slot[6..8].copy_from_slice(digits.as_bytes());
            slot[96..104].copy_from_slice(version);
            let hash = *blake3::keyed_hash(&key("vecdelta v1 head"), &slot[..480]).as_bytes();
            slot[480..].copy_from_slice(&hash);
        }
        return;
    }
    file[6..8].copy_from_slice(digits.as_bytes());
    file[24..32].copy_from_slice(version);
    let end = 64 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
    let mut hasher = blake3::Hasher::new_keyed(&key("vecdelta v1 pack"));
    let hash = *hasher.update(&file[..32]).update(&file[64..end]).finalize().as_bytes();
    file[32..64].copy_from_slice(&hash);
}
