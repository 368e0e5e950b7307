//! Journals: small files of hashed records that grow at the end. What a crash tore off the end is cut away.
//!
//! ```text
//!  | magic: 8 bytes | payload length | BLAKE3 of the payload | payload ... |   next record ...
//! ```
//!
//! The write-ahead logs of live sources, the cursors of subscribers and the dead letters are journals.

use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::{Damage, Result, StoreError};
use crate::delta::domain;

const HEADER: usize = 8 + 8 + 32;

/// What a journal holds: the magic of its records and the domain of their hashes.
#[derive(Clone, Copy, Debug)]
pub struct JournalKind {
    /// The first bytes of each record.
    pub magic: &'static [u8; 8],
    /// The domain that separates its hashes from others.
    pub domain: &'static str,
    /// The directory of such journals.
    pub directory: &'static str,
}

impl JournalKind {
    fn hash(&self, payload: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&domain(self.domain), payload).as_bytes()
    }

    /// Returns the path of the journal of somebody; names are data, so they appear only hashed.
    pub fn path(&self, name: &str) -> String {
        let hash = crate::delta::hex(&self.hash(name.as_bytes())[..8]);
        format!("{}/{hash}.{}", self.directory, self.directory)
    }
}

/// An open journal.
pub struct Journal {
    kind: JournalKind,
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    path: String,
    display: String,
    end: u64,
}

impl Journal {
    /// Opens a journal, or makes one, and returns its records; a torn end is cut off.
    ///
    /// # Errors
    /// When the disk refuses, or a record that was synced is damaged.
    pub fn open(disk: &Arc<dyn Disk>, kind: JournalKind, path: &str) -> Result<(Self, Vec<Vec<u8>>)> {
        let display = disk.display(path);
        let open = || {
            disk.create_dir(kind.directory)?;
            let file = disk.open(path, true)?;
            disk.sync_dir(kind.directory)?;
            disk.sync_dir("")?;
            Ok(file)
        };
        let file: Box<dyn DiskFile> = open().map_err(StoreError::io("open", &display))?;
        let len = file.len().map_err(StoreError::io("look at", &display))?;
        let mut bytes = vec![0; len as usize];
        file.read_at(&mut bytes, 0).map_err(StoreError::io("read", &display))?;
        let (found, end) = records(&kind, &bytes);
        if is_damaged(&kind, &bytes[end as usize..]) {
            return Err(StoreError::corrupt(display, Some(end), DAMAGED));
        }
        if end < len {
            file.set_len(end).map_err(StoreError::io("cut", &display))?;
        }
        Ok((Self { kind, disk: disk.clone(), file, path: path.to_owned(), display, end }, found))
    }

    /// Returns the records of a journal without changing it; none when there is no such file.
    ///
    /// # Errors
    /// When the disk refuses, or a record that was synced is damaged.
    pub fn read(disk: &dyn Disk, kind: JournalKind, path: &str) -> Result<Vec<Vec<u8>>> {
        let Some(bytes) = whole(disk, path)? else { return Ok(Vec::new()) };
        let (found, end) = records(&kind, &bytes);
        match is_damaged(&kind, &bytes[end as usize..]) {
            true => Err(StoreError::corrupt(disk.display(path), Some(end), DAMAGED)),
            false => Ok(found),
        }
    }

    /// Adds a record: it is durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append(&mut self, payload: &[u8]) -> Result<()> {
        self.append_all([payload])
    }

    /// Adds records, with one sync: they are durable when this returns. A crash may leave only the first of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn append_all(&mut self, payloads: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<()> {
        let mut bytes = Vec::new();
        payloads.into_iter().for_each(|payload| frame(&self.kind, payload.as_ref(), &mut bytes));
        let write = self.file.write_at(&bytes, self.end).and_then(|()| self.file.sync());
        write.map_err(StoreError::io("write", &self.display))?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes other records instead of all there are; after a crash there are either these or those.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn replace<'a>(&mut self, payloads: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
        let mut bytes = Vec::new();
        payloads.into_iter().for_each(|payload| frame(&self.kind, payload, &mut bytes));
        let beside = format!("{}.new", self.path);
        let write = || {
            self.disk.remove(&beside)?;
            let file = self.disk.open(&beside, true)?;
            file.write_at(&bytes, 0)?;
            file.sync()?;
            self.disk.rename(&beside, &self.path)?;
            self.disk.sync_dir(self.kind.directory)?;
            self.disk.open(&self.path, true)
        };
        self.file = write().map_err(StoreError::io("write", &self.display))?;
        self.end = bytes.len() as u64;
        Ok(())
    }

    /// Forgets all records. A crash may undo this.
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

    /// Returns its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.end
    }
}

fn frame(kind: &JournalKind, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(kind.magic);
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    out.extend_from_slice(&kind.hash(payload));
    out.extend_from_slice(payload);
}

fn whole(disk: &dyn Disk, path: &str) -> Result<Option<Vec<u8>>> {
    let read = || {
        let Some(len) = disk.len(path)? else { return Ok(None) };
        let mut bytes = vec![0; len as usize];
        disk.open(path, false)?.read_at(&mut bytes, 0)?;
        Ok(Some(bytes))
    };
    read().map_err(StoreError::io("read", disk.display(path)))
}

/// Reads whole records from the front; returns them and where they end.
fn records(kind: &JournalKind, bytes: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((record, tail)) = split_record(kind, rest) {
        found.push(record.to_vec());
        rest = tail;
    }
    (found, (bytes.len() - rest.len()) as u64)
}

const DAMAGED: &str = "a record does not match its hash, and whole ones follow";

/// Tells damage from the end that a crash tore: only the last record can be torn.
fn is_damaged(kind: &JournalKind, rest: &[u8]) -> bool {
    let begins = |at: &usize| rest[*at..].starts_with(kind.magic);
    (1..rest.len()).filter(begins).any(|at| split_record(kind, &rest[at..]).is_some())
}

/// Splits off the payload of the first record, if it is whole.
fn split_record<'b>(kind: &JournalKind, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let len = u64::from_le_bytes(header[8..16].try_into().expect("8 bytes"));
    let (payload, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let whole = &header[..8] == kind.magic && kind.hash(payload)[..] == header[16..];
    whole.then_some((payload, tail))
}

/// Notes damage in the journals of a kind.
///
/// # Errors
/// When the disk refuses.
pub(super) fn check(disk: &dyn Disk, kind: &JournalKind, problems: &mut Vec<Damage>) -> Result<()> {
    let directory = kind.directory;
    for name in disk.list(directory).map_err(StoreError::io("list", disk.display(directory)))? {
        let path = format!("{directory}/{name}");
        let mut note = |offset, problem: &str| {
            problems.push(Damage { path: disk.display(&path), offset, commit: None, problem: problem.to_owned() });
        };
        let ours = name.strip_suffix(".new").unwrap_or(&name).strip_suffix(&format!(".{directory}"));
        if !ours.is_some_and(|stem| stem.len() == 16 && stem.bytes().all(|b| b.is_ascii_hexdigit())) {
            note(None, "the file does not belong to the repository");
            continue;
        }
        let bytes = whole(disk, &path)?.unwrap_or_default();
        let end = records(kind, &bytes).1;
        if is_damaged(kind, &bytes[end as usize..]) {
            note(Some(end), DAMAGED);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    const KIND: JournalKind = JournalKind { magic: b"VDTEST01", domain: "vecdelta v1 test", directory: "test" };

    #[test]
    fn a_torn_end_is_cut_and_damage_before_it_is_told() {
        let memory = MemoryDisk::default();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let path = KIND.path("somebody");
        let (mut journal, none) = Journal::open(&disk, KIND, &path).unwrap();
        assert!(none.is_empty());
        (0..3u8).for_each(|n| journal.append(&[n; 9]).unwrap());
        let whole = memory.files()[&path].clone();
        let record = whole.len() / 3;
        for cut in 0..=whole.len() {
            memory.put(&path, whole[..cut].to_vec());
            let (mut journal, found) = Journal::open(&disk, KIND, &path).unwrap();
            assert_eq!(found.len(), cut / record, "cut at {cut}");
            journal.append(&[9]).unwrap();
            assert_eq!(Journal::read(disk.as_ref(), KIND, &path).unwrap().last().unwrap(), &[9]);
            journal.replace([&[7u8][..]]).unwrap();
            journal.append(&[8]).unwrap();
            assert_eq!(Journal::open(&disk, KIND, &path).unwrap().1, [[7], [8]]);
            journal.clear().unwrap();
            assert!(Journal::open(&disk, KIND, &path).unwrap().1.is_empty());
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            memory.put(&path, bytes);
            let mut problems = Vec::new();
            check(disk.as_ref(), &KIND, &mut problems).unwrap();
            let opened = Journal::open(&disk, KIND, &path);
            if at < 2 * record {
                assert!(matches!(opened, Err(StoreError::Corrupt(_))) && problems.len() == 1, "the flip at {at}");
            } else {
                assert_eq!(opened.unwrap().1.len(), 2, "the last record may have been torn");
            }
        }
    }
}
