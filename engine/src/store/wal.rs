//! The write-ahead log of a live source: rows that no file holds, kept until they are committed.
//!
//! A batch is written and synced before it enters a window. After a crash the rows are captured again; those whose
//! window was committed are then the same as the table and make no delta, so nothing is lost and nothing comes twice.
//!
//! ```text
//!  | VDWAL001 | payload length | BLAKE3 of the payload | payload ... |   next record ...
//! ```

use std::sync::{Arc, LazyLock};

use borsh::{BorshDeserialize, BorshSerialize};

use super::disk::{Disk, DiskFile};
use super::error::{Damage, Result, StoreError};
use crate::delta::{Element, Keys, RowBatch, Table, domain};

/// The directory of write-ahead logs.
pub const WAL: &str = "wal";

const MAGIC: &[u8; 8] = b"VDWAL001";
const HEADER: usize = 8 + 8 + 32;

static DOMAIN: LazyLock<[u8; 32]> = LazyLock::new(|| domain("vecdelta v1 wal"));

/// The write-ahead log of one source.
pub struct Wal {
    file: Box<dyn DiskFile>,
    display: String,
    end: u64,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Payload {
    collection: String,
    element: u8,
    dims: u32,
    first_row: u64,
    keys: Vec<String>,
    rows: Vec<u8>,
}

/// Rows that a crash kept from being committed, with their shape.
pub struct Recovered {
    /// The shape of the rows.
    pub table: Table,
    /// The rows.
    pub rows: RowBatch,
}

impl Wal {
    /// Opens the log of a source and returns the rows it holds; a torn end is cut off.
    ///
    /// # Errors
    /// When the disk refuses, or a record that was synced is damaged.
    pub fn open(disk: &Arc<dyn Disk>, source: &str) -> Result<(Self, Vec<Recovered>)> {
        let path = path(source);
        let display = disk.display(&path);
        let open = || {
            disk.create_dir(WAL)?;
            let file = disk.open(&path, true)?;
            disk.sync_dir(WAL)?;
            disk.sync_dir("")?;
            Ok(file)
        };
        let file: Box<dyn DiskFile> = open().map_err(StoreError::io("open", &display))?;
        let len = file.len().map_err(StoreError::io("look at", &display))?;
        let mut bytes = vec![0; len as usize];
        file.read_at(&mut bytes, 0).map_err(StoreError::io("read", &display))?;
        let (recovered, end) = records(&bytes);
        if is_damaged(&bytes[end as usize..]) {
            return Err(StoreError::corrupt(display, Some(end), DAMAGED));
        }
        if end < len {
            file.set_len(end).map_err(StoreError::io("cut", &display))?;
        }
        Ok((Self { file, display, end }, recovered))
    }

    /// Keeps a batch: it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, table: &Table, batch: &RowBatch) -> Result<()> {
        let payload = Payload {
            collection: table.collection.clone(),
            element: table.element.code(),
            dims: table.dims,
            first_row: batch.first_row,
            keys: batch.keys.iter().map(str::to_owned).collect(),
            rows: batch.rows.to_vec(),
        };
        let payload = borsh::to_vec(&payload).expect("writing to memory cannot fail");
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
        bytes.extend_from_slice(blake3::keyed_hash(&DOMAIN, &payload).as_bytes());
        bytes.extend_from_slice(&payload);
        let write = self.file.write_at(&bytes, self.end).and_then(|()| self.file.sync());
        write.map_err(StoreError::io("write", &self.display))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Forgets what was committed. When a crash undoes this, the rows are captured again and make no delta.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&mut self) -> Result<()> {
        if self.end > 0 {
            self.file.set_len(0).map_err(StoreError::io("cut", &self.display))?;
            self.end = 0;
        }
        Ok(())
    }
}

/// Returns the path of a source's log; names are data, so they appear only hashed.
fn path(source: &str) -> String {
    format!("{WAL}/{}.wal", &blake3::keyed_hash(&DOMAIN, source.as_bytes()).to_hex()[..16])
}

/// Reads whole records from the front; returns them and where they end.
fn records(bytes: &[u8]) -> (Vec<Recovered>, u64) {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((record, tail)) = split_record(rest) {
        let Some(recovered) = parse(record) else { break };
        found.push(recovered);
        rest = tail;
    }
    (found, (bytes.len() - rest.len()) as u64)
}

const DAMAGED: &str = "a record does not match its hash, and whole ones follow";

/// Tells damage from the end that a crash tore: only the last record can be torn.
fn is_damaged(rest: &[u8]) -> bool {
    let begins = |at: &usize| rest[*at..].starts_with(MAGIC);
    (1..rest.len()).filter(begins).any(|at| split_record(&rest[at..]).is_some())
}

/// Notes damage in any write-ahead log.
///
/// # Errors
/// When the disk refuses.
pub(super) fn check(disk: &dyn Disk, problems: &mut Vec<Damage>) -> Result<()> {
    for name in disk.list(WAL).map_err(StoreError::io("list", disk.display(WAL)))? {
        let path = format!("{WAL}/{name}");
        let display = disk.display(&path);
        let read = || {
            let mut bytes = vec![0; disk.len(&path)?.unwrap_or(0) as usize];
            disk.open(&path, false)?.read_at(&mut bytes, 0)?;
            Ok(bytes)
        };
        let bytes: Vec<u8> = read().map_err(StoreError::io("read", &display))?;
        let end = records(&bytes).1;
        if is_damaged(&bytes[end as usize..]) {
            problems.push(Damage { path: display, offset: Some(end), commit: None, problem: DAMAGED.to_owned() });
        }
    }
    Ok(())
}

/// Splits off the payload of the first record, if it is whole.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let len = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
    let (payload, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let whole = &header[..8] == MAGIC && blake3::keyed_hash(&DOMAIN, payload).as_bytes()[..] == header[16..];
    whole.then_some((payload, tail))
}

fn parse(payload: &[u8]) -> Option<Recovered> {
    let payload: Payload = borsh::from_slice(payload).ok()?;
    let table =
        Table { collection: payload.collection, element: Element::from_code(payload.element)?, dims: payload.dims };
    (table.row_bytes().checked_mul(payload.keys.len())? == payload.rows.len()).then_some(())?;
    Some(Recovered {
        table,
        rows: RowBatch {
            keys: Keys::from_texts(payload.keys.iter().map(String::as_str)),
            rows: payload.rows.into(),
            first_row: payload.first_row,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    fn batch(n: u8) -> RowBatch {
        RowBatch { keys: Keys::from_texts(["a", "b"]), rows: vec![n, n + 1].into(), first_row: u64::from(n) }
    }

    #[test]
    fn what_was_appended_comes_back_and_a_torn_end_does_not() {
        let memory = MemoryDisk::default();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let table = Table { collection: "c".into(), element: Element::U8, dims: 1 };
        let (mut wal, none) = Wal::open(&disk, "live").unwrap();
        assert!(none.is_empty());
        (0..3).for_each(|n| wal.append(&table, &batch(n)).unwrap());
        let (path, whole) = memory.files().into_iter().next().unwrap();
        let record = whole.len() / 3;
        for cut in 0..=whole.len() {
            memory.put(&path, whole[..cut].to_vec());
            let (mut wal, found) = Wal::open(&disk, "live").unwrap();
            assert_eq!(found.len(), cut / record, "cut at {cut}");
            wal.append(&table, &batch(9)).unwrap();
            let (mut wal, found) = Wal::open(&disk, "live").unwrap();
            assert_eq!(found.last().unwrap().rows.first_row, 9);
            wal.clear().unwrap();
            assert!(Wal::open(&disk, "live").unwrap().1.is_empty());
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            memory.put(&path, bytes);
            let opened = Wal::open(&disk, "live");
            if at < 2 * record {
                assert!(matches!(opened, Err(StoreError::Corrupt(_))), "the flip at {at} is noticed");
            } else {
                assert_eq!(opened.unwrap().1.len(), 2, "the last record may have been torn");
            }
        }
    }
}
