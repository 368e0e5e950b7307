//! A mirror's state as a file: what is known of each slot, and the pages of the state tree.
//!
//! ```text
//!  VDMIRR04 | stamp | text, slots, pages, entries: u64 each
//!  | for each slot: where its key ends u64 | checksum u64 | cost u8, u8 | text: the keys
//!  | for each page: its hash, its entries u32 | what is hashed of each entry | the slot of each entry u32
//!  | XXH3-128 of the XXH3-128 of each MiB of all before
//! ```
//!
//! Read in pieces by all cores, written through one small buffer.

use std::io;

use bytes::{Buf, Bytes};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::cost::Cost;
use super::disk::DiskFile;
use super::keytable::KeyTable;
use super::tree::{PAIR, Page, SLOT, StateTree};

const MAGIC: &[u8; 8] = b"VDMIRR04";

/// What is read, written and summed up at once.
const PIECE: usize = 1 << 20;

const SUM: usize = 16;

/// What a mirror knows of its rows.
#[derive(Default)]
pub struct MirrorState {
    /// The keys by slot.
    pub keys: KeyTable,
    /// A checksum a slot; 0 where there is no row.
    pub sums: Vec<u64>,
    /// What it costs to read each slot's row from the log.
    pub costs: Vec<Cost>,
    /// The state tree.
    pub tree: StateTree,
}

impl MirrorState {
    /// Reads a state that was written with this stamp; `None` if it is another one, or damaged.
    pub fn read(file: &dyn DiskFile, stamp: &[u8; 32]) -> Option<Self> {
        let len = usize::try_from(file.len().ok()?).ok()?.checked_sub(SUM)?;
        let mut head = [0; MAGIC.len() + 32];
        file.read_at(&mut head, 0).ok()?;
        (head.strip_prefix(MAGIC)? == stamp && len >= head.len()).then_some(())?;
        let mut sum = [0; SUM];
        file.read_at(&mut sum, len as u64).ok()?;
        let mut body = vec![0; len];
        let read = |(i, piece): (usize, &mut [u8])| {
            file.read_at(piece, (i * PIECE) as u64).ok()?;
            Some(xxh3_128(piece).to_le_bytes())
        };
        let sums: Vec<[u8; SUM]> = body.par_chunks_mut(PIECE).enumerate().map(read).collect::<Option<_>>()?;
        (xxh3_128(sums.as_flattened()).to_le_bytes() == sum).then(|| Self::parse(body.into(), head.len()))?
    }

    fn parse(mut body: Bytes, head: usize) -> Option<Self> {
        body.advance(head);
        let mut len = || body.try_get_u64_le().ok().and_then(|n| usize::try_from(n).ok());
        let (text, slots, pages, entries) = (len()?, len()?, len()?, len()?);
        let mut take = |n: usize, size: usize| {
            let bytes = n.checked_mul(size).filter(|bytes| *bytes <= body.len())?;
            Some(body.split_to(bytes))
        };
        let (ends, sums, costs, text) = (take(slots, 8)?, take(slots, 8)?, take(slots, 2)?, take(text, 1)?);
        let (hashes, counts) = (take(pages, 32)?, take(pages, 4)?);
        let (mut pairs, mut slots) = (take(entries, PAIR)?, take(entries, SLOT)?);
        let page = |(&hash, count): (&[u8; 32], &[u8; 4])| {
            let count = u32::from_le_bytes(*count) as usize;
            (count <= slots.len() / SLOT).then(|| Page {
                pairs: pairs.split_to(count * PAIR),
                slots: slots.split_to(count * SLOT),
                hash: Some(hash),
            })
        };
        let pages = hashes.as_chunks().0.iter().zip(counts.as_chunks().0).map(page).collect::<Option<_>>()?;
        (body.is_empty() && slots.is_empty()).then_some(())?;
        Some(Self {
            keys: KeyTable::from_parts(text.into(), numbers(&ends))?,
            sums: numbers(&sums),
            costs: costs.as_chunks().0.iter().map(|&[bytes, steps]| Cost { bytes, steps }).collect(),
            tree: StateTree::from_pages(pages)?,
        })
    }

    /// Writes the state with a stamp, over whatever the file holds.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, file: &dyn DiskFile, stamp: &[u8; 32]) -> io::Result<()> {
        self.tree.root();
        let (text, ends) = self.keys.parts();
        // Keys of rows that were looked at and then not committed have no slot.
        let ends = &ends[..self.sums.len()];
        let text = &text[..ends.last().map_or(0, |&e| e as usize)];
        let pages = self.tree.pages();
        let mut out = Pieces { file, piece: Vec::with_capacity(PIECE), at: 0, sums: Vec::new() };
        out.put(MAGIC)?;
        out.put(stamp)?;
        for len in [text.len(), ends.len(), pages.len(), self.tree.len()] {
            out.put(&(len as u64).to_le_bytes())?;
        }
        ends.iter().chain(&self.sums).try_for_each(|n| out.put(&n.to_le_bytes()))?;
        self.costs.iter().try_for_each(|c| out.put(&[c.bytes, c.steps]))?;
        out.put(text)?;
        pages.iter().try_for_each(|p| out.put(&p.hash.expect("the root was asked for")))?;
        pages.iter().try_for_each(|p| out.put(&(p.len() as u32).to_le_bytes()))?;
        pages.iter().try_for_each(|p| out.put(&p.pairs))?;
        pages.iter().try_for_each(|p| out.put(&p.slots))?;
        out.end()
    }
}

fn numbers(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|n| u64::from_le_bytes(*n)).collect()
}

/// A file on its way to the disk, piece by piece.
struct Pieces<'f> {
    file: &'f dyn DiskFile,
    piece: Vec<u8>,
    at: u64,
    sums: Vec<[u8; SUM]>,
}

impl Pieces<'_> {
    fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.piece.len() + bytes.len() >= PIECE {
            let (head, tail) = bytes.split_at(PIECE - self.piece.len());
            self.piece.extend_from_slice(head);
            self.write()?;
            bytes = tail;
        }
        self.piece.extend_from_slice(bytes);
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.sums.push(xxh3_128(&self.piece).to_le_bytes());
        self.file.write_at(&self.piece, self.at)?;
        self.at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }

    fn end(mut self) -> io::Result<()> {
        if !self.piece.is_empty() {
            self.write()?;
        }
        let sum = xxh3_128(self.sums.as_flattened()).to_le_bytes();
        self.file.write_at(&sum, self.at)?;
        self.file.set_len(self.at + SUM as u64)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::super::disk::Disk;
    use super::super::memory::MemoryDisk;
    use super::super::tree::EntryChange;
    use super::*;
    use crate::delta::{RowHash, key_hash};

    const PATH: &str = "state";

    /// A state of so many slots, every seventh without a row.
    fn state(slots: u32) -> MirrorState {
        let mut state = MirrorState::default();
        let mut changes = Vec::new();
        for slot in 0..slots {
            let key = format!("ключ-{slot}");
            state.keys.push(&key);
            let row = (slot % 7 != 3).then(|| RowHash(*blake3::hash(key.as_bytes()).as_bytes()));
            state.sums.push(row.map_or(0, |row| u64::from(row.0[0]) + 1));
            state.costs.push(Cost { bytes: slot as u8, steps: (slot / 7) as u8 });
            changes.push(EntryChange { key: key_hash(&key), slot, row });
        }
        state.tree.apply(changes);
        state
    }

    fn read(disk: &MemoryDisk, stamp: u8) -> Option<MirrorState> {
        MirrorState::read(disk.open(PATH, false).unwrap().as_ref(), &[stamp; 32])
    }

    /// Writes states of one piece and of several, each over the one before.
    #[test]
    fn a_state_comes_back_under_its_stamp_alone() {
        let disk = MemoryDisk::default();
        for (stamp, slots) in [(1, 0), (2, 30_000), (3, 5), (4, 9_000), (5, 30_001)] {
            let mut want = state(slots);
            want.write(disk.open(PATH, true).unwrap().as_ref(), &[stamp; 32]).unwrap();
            assert_eq!(disk.files()[PATH].len() > 2 * PIECE, slots > 20_000);
            assert!(read(&disk, stamp + 1).is_none());
            let mut found = read(&disk, stamp).unwrap();
            assert_eq!(found.keys.parts(), want.keys.parts());
            assert_eq!((&found.sums, &found.costs), (&want.sums, &want.costs));
            assert_eq!((found.tree.len(), found.tree.root()), (want.tree.len(), want.tree.root()));
            // The pages that were read change like those that were made here.
            let change = EntryChange { key: key_hash("ключ-1"), slot: 1, row: None };
            found.tree.apply(vec![change]);
            want.tree.apply(vec![change]);
            assert_eq!((found.tree.len(), found.tree.root()), (want.tree.len(), want.tree.root()));
        }
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let disk = MemoryDisk::default();
        state(300).write(disk.open(PATH, true).unwrap().as_ref(), &[1; 32]).unwrap();
        let whole = disk.files()[PATH].clone();
        for at in 0..whole.len() {
            if at < 80 || at % 13 == 0 {
                disk.put(PATH, whole[..at].to_vec());
                assert!(read(&disk, 1).is_none(), "cut to {at}");
            }
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            disk.put(PATH, bytes);
            assert!(read(&disk, 1).is_none(), "byte {at}");
        }
        disk.put(PATH, whole);
        assert!(read(&disk, 1).is_some());
    }

    /// Anybody can make the checksum; a head alone, with a right one, is no state and no panic.
    #[test]
    fn a_sealed_head_is_no_state() {
        let disk = MemoryDisk::default();
        for len in 0..60 {
            let mut body = [&MAGIC[..], &[1; 32], &[0; 32]].concat();
            body.truncate(len);
            let sum = xxh3_128(&xxh3_128(&body).to_le_bytes()).to_le_bytes();
            disk.put(PATH, [&body[..], &sum].concat());
            assert!(read(&disk, 1).is_none(), "{len} bytes");
        }
    }
}
