//! A pack that is nowhere on disk: its front is in memory, and its segments are read where they are.
//!
//! It has the bytes that [`pack_log`](super::pack_log) would write of the same log, and they stay the same while the log
//! grows: what was reported is never changed.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, RwLock};

use super::copy::Extent;
use super::disk::DiskFile;
use super::error::{Result, StoreError};
use super::head::HEAD;
use super::log::Log;
use super::pack::{Front, PackEntry, Section, file_hasher};
use super::segment::{self, SEGMENT_HEADER, Segment};

const PIECE: u64 = 1 << 20;

/// The hashes of a log's segments as far as they were reported; what was hashed once is not read again.
#[derive(Default)]
pub struct SegmentHashes {
    /// Origin and first segment of the log.
    log: Option<([u8; 32], u32)>,
    known: BTreeMap<u32, (u64, blake3::Hasher)>,
}

impl SegmentHashes {
    fn hash(&mut self, number: u32, segment: &Segment, header: &[u8], end: u64) -> Result<[u8; 32]> {
        let begin = || (SEGMENT_HEADER as u64, file_hasher().update(header).to_owned());
        let (mut at, mut hasher) = match self.known.remove(&number) {
            Some(known) if known.0 <= end => known,
            _ => begin(),
        };
        let mut buffer = vec![0; PIECE as usize];
        while at < end {
            let piece = &mut buffer[..PIECE.min(end - at) as usize];
            segment.read(piece, at)?;
            hasher.update(piece);
            at += piece.len() as u64;
        }
        let hash = *hasher.finalize().as_bytes();
        self.known.insert(number, (at, hasher));
        Ok(hash)
    }
}

/// A pack that is read like a file.
pub struct LivePack {
    pieces: Vec<Piece>,
    len: u64,
    hash: [u8; 32],
}

struct Piece {
    start: u64,
    len: u64,
    from: Place,
}

enum Place {
    Memory(Vec<u8>),
    /// A segment, from behind its header.
    Segment(Arc<Segment>),
}

impl LivePack {
    /// Makes the pack of a log as it was reported, with other files behind it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn of(log: &Log, others: Vec<(String, Vec<u8>)>, hashes: &mut SegmentHashes) -> Result<Self> {
        let extent = Extent::of(log)?;
        let of = Some((extent.head.origin, extent.head.first));
        if hashes.log != of {
            *hashes = SegmentHashes { log: of, known: BTreeMap::new() };
        }
        let mut directory = Vec::new();
        let mut pieces = Vec::new();
        let in_memory = |name: String, bytes: Vec<u8>, pieces: &mut Vec<Place>, directory: &mut Vec<PackEntry>| {
            let (len, hash) = (bytes.len() as u64, *file_hasher().update(&bytes).finalize().as_bytes());
            directory.push(PackEntry { name, offset: 0, len, hash });
            pieces.push(Place::Memory(bytes));
        };
        in_memory(HEAD.to_owned(), extent.head.file().to_vec(), &mut pieces, &mut directory);
        for (number, segment, end) in extent.segments {
            let header = segment::header(number, extent.head.first, &extent.head.origin);
            let hash = hashes.hash(number, &segment, &header, end)?;
            directory.push(PackEntry { name: segment::path(number), offset: 0, len: end, hash });
            pieces.push(Place::Memory(header.to_vec()));
            pieces.push(Place::Segment(segment));
        }
        for (name, bytes) in others {
            in_memory(name, bytes, &mut pieces, &mut directory);
        }
        Ok(Self::joined(directory, pieces))
    }

    fn joined(mut directory: Vec<PackEntry>, mut pieces: Vec<Place>) -> Self {
        // Names and the width of numbers are known, and so is where the first file begins.
        let mut front = Front { thin: false, bytes: 0, directory: directory.clone() };
        let mut at = front.to_bytes().len() as u64;
        for entry in &mut directory {
            entry.offset = at;
            at += entry.len;
        }
        front = Front { bytes: at, directory, ..front };
        let hash = front.hash();
        pieces.insert(0, Place::Memory(front.to_bytes()));
        let ends: BTreeMap<u64, u64> = front.directory.iter().map(|e| (e.offset, e.offset + e.len)).collect();
        let mut start = 0;
        let place = |from: Place| {
            let file_end = ends.range(..=start).next_back().map_or(0, |(_, end)| *end);
            let len = match &from {
                Place::Memory(bytes) => bytes.len() as u64,
                Place::Segment(_) => file_end - start,
            };
            start += len;
            Piece { start: start - len, len, from }
        };
        Self { pieces: pieces.into_iter().map(place).collect(), len: at, hash }
    }

    /// Returns the hash that its header has of the directory, and so of all its bytes.
    pub fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

impl DiskFile for LivePack {
    fn read_at(&self, mut buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut at = offset;
        let first = self.pieces.partition_point(|p| p.start + p.len <= at);
        for piece in &self.pieces[first..] {
            if buffer.is_empty() {
                break;
            }
            let skip = at - piece.start;
            let take = (buffer.len() as u64).min(piece.len - skip) as usize;
            let (now, rest) = buffer.split_at_mut(take);
            match &piece.from {
                Place::Memory(bytes) => now.copy_from_slice(&bytes[skip as usize..][..take]),
                Place::Segment(segment) => segment.file.read_at(now, SEGMENT_HEADER as u64 + skip)?,
            }
            (buffer, at) = (rest, at + take as u64);
        }
        if buffer.is_empty() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}

/// Lets one file of a pack be written into memory; returns its bytes.
///
/// # Errors
/// When `write` fails.
pub fn in_memory<E: From<StoreError>>(
    write: impl FnOnce(&Section) -> std::result::Result<(), E>,
) -> std::result::Result<Vec<u8>, E> {
    let file = Arc::new(Buffer::default());
    write(&Section::new(file.clone()))?;
    Ok(std::mem::take(&mut *file.0.write().expect("no thread panics with it")))
}

/// A file in memory that is written once.
#[derive(Default)]
struct Buffer(RwLock<Vec<u8>>);

impl DiskFile for Buffer {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = self.0.read().expect("no thread panics with it");
        let from = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)?.get(..buffer.len()));
        buffer.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut bytes = self.0.write().expect("no thread panics with it");
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        let len = bytes.len().max(end);
        bytes.resize(len, 0);
        bytes[offset..end].copy_from_slice(data);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.read().expect("no thread panics with it").len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.0.write().expect("no thread panics with it").resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
