//! The write-ahead log of a live source: rows that no file holds, kept until they are committed.
//!
//! A batch is written and synced before it enters a window. After a crash the rows are captured again, of each id the
//! last one ([`last_of_each_id`]): where its window was committed it is the same as the table and makes no delta, so
//! nothing is lost and nothing comes twice.

use std::collections::HashMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::disk::Disk;
use super::error::{Result, StoreError};
use super::journal::{Journal, JournalKind};
use crate::delta::{Element, Keys, Notes, RowBatch, Table};

/// What a write-ahead log is among the journals.
pub const WAL: JournalKind = JournalKind { magic: b"VDWAL001", domain: "vecdelta v1 wal", directory: "wal" };

/// The write-ahead log of one source.
pub struct Wal(Journal);

#[derive(BorshSerialize, BorshDeserialize)]
struct Payload {
    collection: String,
    element: u8,
    dims: u32,
    first_row: u64,
    keys: Vec<String>,
    rows: Vec<u8>,
    names: Vec<String>,
    cells: Vec<Option<String>>,
}

/// Rows that a crash kept from being committed, with their shape.
pub struct Recovered {
    /// The shape of the rows.
    pub table: Table,
    /// The rows.
    pub rows: RowBatch,
}

impl Wal {
    /// Opens the log of a source and returns the rows it holds, as they came; a torn end is cut off.
    ///
    /// # Errors
    /// When the disk refuses, or a record that was synced is damaged.
    pub fn open(disk: &Arc<dyn Disk>, source: &str) -> Result<(Self, Vec<Recovered>)> {
        let path = WAL.path(source);
        let (journal, records) = Journal::open(disk, WAL, &path)?;
        let parse = |record: &Vec<u8>| {
            parse(record).ok_or_else(|| StoreError::corrupt(disk.display(&path), None, "a record cannot be read"))
        };
        let recovered = records.iter().map(parse).collect::<Result<Vec<_>>>()?;
        Ok((Self(journal), recovered))
    }

    /// Keeps a batch: it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, table: &Table, batch: &RowBatch) -> Result<()> {
        let text = |cell: &Option<Arc<str>>| cell.as_deref().map(str::to_owned);
        let payload = Payload {
            collection: table.collection.clone(),
            element: table.element.code(),
            dims: table.dims,
            first_row: batch.first_row,
            keys: batch.keys.iter().map(str::to_owned).collect(),
            rows: batch.rows.to_vec(),
            names: batch.notes.names().to_vec(),
            cells: (0..batch.keys.len()).flat_map(|row| batch.notes.cells(row).iter().map(text)).collect(),
        };
        self.0.append(&borsh::to_vec(&payload).expect("writing to memory cannot fail"))
    }

    /// Forgets what was committed. When a crash undoes this, the rows are captured again and make no delta.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }
}

/// Leaves out the rows whose id comes again: both may be committed, and the earlier one would undo the later.
pub fn last_of_each_id(batches: Vec<Recovered>) -> Vec<Recovered> {
    let mut last: HashMap<(String, String), (usize, usize)> = HashMap::new();
    for (number, Recovered { table, rows }) in batches.iter().enumerate() {
        for (row, key) in rows.keys.iter().enumerate() {
            last.insert((table.collection.clone(), key.to_owned()), (number, row));
        }
    }
    let keep = |(number, Recovered { table, rows }): (usize, Recovered)| {
        let is_last = |&row: &usize| last[&(table.collection.clone(), rows.keys.get(row).to_owned())] == (number, row);
        let kept: Vec<usize> = (0..rows.keys.len()).filter(is_last).collect();
        let rows = rows.pick(&kept);
        Recovered { table, rows }
    };
    let batches: Vec<Recovered> = batches.into_iter().enumerate().map(keep).collect();
    batches.into_iter().filter(|batch| !batch.rows.keys.is_empty()).collect()
}

fn parse(payload: &[u8]) -> Option<Recovered> {
    // A log that was written before rows had notes ends without them.
    let payload: Payload =
        borsh::from_slice(payload).or_else(|_| borsh::from_slice(&[payload, &[0; 8]].concat())).ok()?;
    let table =
        Table { collection: payload.collection, element: Element::from_code(payload.element)?, dims: payload.dims };
    let rows = payload.keys.len();
    (table.row_bytes().checked_mul(rows)? == payload.rows.len()).then_some(())?;
    (payload.names.len().checked_mul(rows)? == payload.cells.len()).then_some(())?;
    let width = payload.names.len();
    let mut notes = Notes::new(payload.names.into());
    if width > 0 {
        payload.cells.chunks(width).for_each(|cells| notes.push(cells.iter().map(|c| c.as_deref().map(Arc::from))));
    }
    Some(Recovered {
        table,
        rows: RowBatch {
            keys: Keys::from_texts(payload.keys.iter().map(String::as_str)),
            rows: payload.rows.into(),
            first_row: payload.first_row,
            notes,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    fn table() -> Table {
        Table { collection: "c".into(), element: Element::U8, dims: 1 }
    }

    fn rows(found: &[Recovered]) -> Vec<(String, u8, Option<String>)> {
        let row = |r: &Recovered, i: usize| {
            (r.rows.keys.get(i).to_owned(), r.rows.rows[i], r.rows.notes.get(i, "lang").map(str::to_owned))
        };
        found.iter().flat_map(|r| (0..r.rows.keys.len()).map(|i| row(r, i)).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn of_each_id_the_last_row_comes_back_with_its_notes() {
        let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
        let (mut wal, none) = Wal::open(&disk, "live").unwrap();
        assert!(none.is_empty());
        for (n, keys) in [["a", "b"], ["a", "c"], ["b", "d"]].into_iter().enumerate() {
            let mut notes = Notes::new(["lang".to_owned()].into());
            notes.push([Some(format!("l{n}").into())]);
            notes.push([None]);
            let rows = vec![10 * n as u8, 10 * n as u8 + 1].into();
            let batch = RowBatch { keys: Keys::from_texts(keys), rows, first_row: n as u64, notes };
            wal.append(&table(), &batch).unwrap();
        }
        let (mut wal, found) = Wal::open(&disk, "live").unwrap();
        assert_eq!(found.len(), 3);
        let found = last_of_each_id(found);
        let want = [("a", 10, Some("l1")), ("c", 11, None), ("b", 20, Some("l2")), ("d", 21, None)];
        assert_eq!(rows(&found), want.map(|(k, v, l)| (k.to_owned(), v, l.map(str::to_owned))));
        wal.clear().unwrap();
        assert!(Wal::open(&disk, "live").unwrap().1.is_empty());
    }

    #[test]
    fn a_log_from_before_there_were_notes_is_read() {
        #[derive(BorshSerialize)]
        struct Before(String, u8, u32, u64, Vec<String>, Vec<u8>);
        let before = Before("c".into(), Element::U8.code(), 1, 0, vec!["a".into()], vec![5]);
        let found = parse(&borsh::to_vec(&before).unwrap()).unwrap();
        assert_eq!(rows(&[found]), [("a".to_owned(), 5, None)]);
    }
}
