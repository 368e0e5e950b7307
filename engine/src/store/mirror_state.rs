//! A mirror's state as a file: what is known of each slot, and the pages of the state tree.
//!
//! ```text
//!  VDMIRR03 | stamp | text, slots, pages, entries: u64 each
//!  | for each slot: where its key ends u64 | checksum u64 | cost u8 | text: the keys
//!  | for each page: its hash, its entries u32 | what is hashed of each entry | the slot of each entry u32
//!  | XXH3-128 of the XXH3-128 of each MiB of all before
//! ```
//!
//! Read in pieces by all cores, written through one small buffer.

use std::io;

use bytes::{Buf, Bytes};
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::disk::DiskFile;
use super::keytable::KeyTable;
use super::tree::{PAIR, Page, SLOT, StateTree};

const MAGIC: &[u8; 8] = b"VDMIRR03";

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
    pub costs: Vec<u8>,
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
        let (ends, sums, costs, text) = (take(slots, 8)?, take(slots, 8)?, take(slots, 1)?, take(text, 1)?);
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
            costs: costs.into(),
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
        out.put(&self.costs)?;
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
