//! The log: an append-only sequence of transactions, each some blocks and the record that ends them.

use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};

use super::disk::Disk;
use super::error::{Result, StoreError};
use super::frame::{FRAME_HEADER, FrameHeader, FrameKind};
use super::head::{self, Head};
use super::record::{BlockKind, BlockRef, CommitRecord, Link, OperationRecord};
use super::recovery::{Opening, no_head, older_than_log};
use super::segment::{self, SEGMENT_HEADER, Segment};
use super::transaction::Transaction;

/// Where a record stands, and the hash of its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Place {
    /// The segment's number.
    pub segment: u32,
    /// The frame's offset in it.
    pub offset: u64,
    /// The payload's size in bytes.
    pub len: u64,
    /// The hash of the frame.
    pub hash: [u8; 32],
    /// Whether its rows were collected: of its blocks only keys are left.
    pub bare: bool,
}

impl Place {
    /// Returns where the record ends.
    pub fn end(&self) -> u64 {
        self.offset + FRAME_HEADER as u64 + self.len
    }
}

/// A record up to which the log is known from elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The segment that the log began with.
    pub first: u32,
    /// The record's number.
    pub sequence: u64,
    /// Where it stands.
    pub place: Place,
}

/// A record that ends a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A commit.
    Commit(CommitRecord),
    /// An operation.
    Operation(OperationRecord),
}

impl Record {
    /// Reads a record from a frame's payload.
    ///
    /// # Errors
    /// Says what is wrong; damage is found by the frame's hash before.
    pub fn parse(kind: FrameKind, payload: &[u8]) -> std::result::Result<Self, String> {
        match kind {
            FrameKind::Commit => borsh::from_slice(payload).map(Record::Commit),
            FrameKind::Operation => borsh::from_slice(payload).map(Record::Operation),
            FrameKind::Block => return Err("a block where a record should be".to_owned()),
        }
        .map_err(|e| format!("the record cannot be read: {e}"))
    }

    pub(super) fn encode(&self) -> (FrameKind, Vec<u8>) {
        let (kind, bytes) = match self {
            Record::Commit(r) => (FrameKind::Commit, borsh::to_vec(r)),
            Record::Operation(r) => (FrameKind::Operation, borsh::to_vec(r)),
        };
        (kind, bytes.expect("writing to memory cannot fail"))
    }

    /// Returns the blocks that stand before it.
    pub fn blocks(&self) -> &[BlockRef] {
        match self {
            Record::Commit(r) => &r.blocks,
            Record::Operation(r) => r.blocks(),
        }
    }

    /// Returns how it stands in the log.
    pub fn link(&self) -> Link {
        match self {
            Record::Commit(r) => r.link,
            Record::Operation(r) => r.link,
        }
    }
}

/// A block that is ready to be written: its frame header and payload.
pub struct Block {
    /// The header, which holds the hash.
    pub header: FrameHeader,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Block {
    /// Hashes a payload.
    pub fn new(payload: Vec<u8>) -> Self {
        let header = FrameHeader::new(FrameKind::Block, &payload);
        Self { header, payload }
    }
}

/// An open log: read from any thread, written by one transaction at a time.
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) origin: [u8; 32],
    /// The number of the segment that the log begins with.
    pub(super) first: u32,
    pub(super) segments: RwLock<Vec<Arc<Segment>>>,
    pub(super) tail: Mutex<Tail>,
}

/// Where the log ends.
pub(super) struct Tail {
    /// The number of the last segment.
    pub segment: u32,
    /// Where the last reported transaction ends in it.
    pub end: u64,
    pub sequence: u64,
    pub last_hash: [u8; 32],
    pub poisoned: bool,
}
impl Log {
    /// Creates an empty log and its head.
    ///
    /// # Errors
    /// When there is something at the place, or the disk refuses.
    pub fn create(disk: &dyn Disk, origin: [u8; 32]) -> Result<()> {
        let display = disk.display("");
        let path = segment::path(0);
        let write = || {
            disk.create_dir("log")?;
            let file = disk.open(&path, true)?;
            file.set_len(0)?;
            file.write_at(&segment::header(0, 0, &origin), 0)?;
            file.sync()?;
            disk.sync_dir("log")?;
            disk.sync_dir("")
        };
        write().map_err(StoreError::io("create a repository at", display))?;
        let head = Head { sequence: 0, segment: 0, first: 0, length: SEGMENT_HEADER as u64, last: [0; 32], origin };
        head::create(disk, head)
    }

    /// Returns whether there is a log; one whose making was cut short does not count.
    ///
    /// # Errors
    /// When the disk refuses, or the log has lost its head.
    pub fn exists(disk: &dyn Disk) -> Result<bool> {
        if head::read(disk)?.is_some() {
            return Ok(true);
        }
        match no_head(disk) {
            StoreError::NoRepository { .. } => Ok(false),
            error => Err(error),
        }
    }

    /// Opens the log and hands over every record in order, or those behind the one that is known.
    ///
    /// Everybody sees what was reported, as the head tells. A writer also cuts off what a crash left behind it, and
    /// restores a damaged head from the log.
    ///
    /// # Errors
    /// When there is no repository, or anything that was reported is damaged.
    pub fn open(
        disk: Arc<dyn Disk>,
        writable: bool,
        known: Option<Known>,
        on_record: &mut dyn FnMut(Place, Record) -> Result<()>,
    ) -> Result<Self> {
        let slots = match head::read(disk.as_ref())? {
            Some(slots) => slots,
            None => return Err(no_head(disk.as_ref())),
        };
        let Some(head) = slots.newest() else {
            return Err(StoreError::corrupt(disk.display(head::HEAD), Some(0), "both slots are damaged"));
        };
        let mut opening = Opening {
            disk,
            origin: head.origin,
            first: head.first,
            writable,
            segments: Vec::new(),
            end: 0,
            sequence: 0,
            last_hash: [0; 32],
            on_record,
        };
        opening.scan_reported(&head, known)?;
        let doubtful = slots.odd_size || slots.damaged().next().is_some();
        if doubtful {
            // The slot that is damaged may have been the newer one: what is whole behind the other was reported.
            opening.roll_forward()?;
        }
        if writable {
            if !doubtful && let Some(problem) = older_than_log(opening.disk.as_ref(), &head)? {
                return Err(StoreError::Corrupt(Box::new(problem)));
            }
            opening.cut_tail()?;
            if doubtful {
                // What was rolled forward may still be in the page cache only; the head must not be durable before it.
                for segment in &opening.segments {
                    segment.file.sync().map_err(StoreError::io("sync", &segment.display))?;
                }
                head::create(opening.disk.as_ref(), opening.head())?;
            }
        }
        Ok(Self {
            disk: opening.disk,
            origin: head.origin,
            first: head.first,
            tail: Mutex::new(Tail {
                segment: head.first + opening.segments.len() as u32 - 1,
                end: opening.end,
                sequence: opening.sequence,
                last_hash: opening.last_hash,
                poisoned: false,
            }),
            segments: RwLock::new(opening.segments.into_iter().map(Arc::new).collect()),
        })
    }

    /// Returns the disk which the log is on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Returns what tells this repository from others.
    pub fn origin(&self) -> &[u8; 32] {
        &self.origin
    }

    /// Returns the number of the segment that the log begins with.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Returns the last segment, and number and hash of the last record.
    pub(super) fn end(&self) -> (u32, u64, [u8; 32]) {
        let tail = self.tail();
        (tail.segment, tail.sequence, tail.last_hash)
    }

    /// Refuses to write from here on: what is on disk may no longer be the log that is open.
    pub fn poison(&self) {
        self.tail().poisoned = true;
    }

    /// Returns how many bytes the log has.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn bytes(&self) -> Result<u64> {
        self.segments.read().expect("no thread panics with it").iter().map(|s| s.len()).sum()
    }

    /// Reads the bytes of a record.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub(super) fn payload(&self, place: Place) -> Result<Vec<u8>> {
        Ok(self.segment(place.segment).frame(place.offset, &place.hash, place.len)?.1)
    }

    /// Reads a record again.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn record(&self, place: Place) -> Result<Record> {
        let segment = self.segment(place.segment);
        let (kind, payload) = segment.frame(place.offset, &place.hash, place.len)?;
        Record::parse(kind, &payload).map_err(|p| segment.corrupt(place.offset, &p))
    }

    /// Reads the payload of block `i` of the transaction that ends at `place`.
    ///
    /// # Errors
    /// When it is damaged, was collected or cannot be read.
    pub fn block(&self, place: Place, blocks: &[BlockRef], i: usize) -> Result<Vec<u8>> {
        let (segment, offset) = self.place_of_block(place, blocks, i)?;
        Ok(segment.frame(offset, &blocks[i].hash, u64::from(blocks[i].len))?.1)
    }

    /// Reads a payload as [`block`](Self::block) does, into a buffer that is used again, and returns it there.
    ///
    /// # Errors
    /// When it is damaged, was collected or cannot be read.
    pub fn block_in<'b>(
        &self,
        place: Place,
        blocks: &[BlockRef],
        i: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8]> {
        let (segment, offset) = self.place_of_block(place, blocks, i)?;
        Ok(segment.frame_in(offset, &blocks[i].hash, u64::from(blocks[i].len), buffer)?.1)
    }

    fn place_of_block(&self, place: Place, blocks: &[BlockRef], i: usize) -> Result<(Arc<Segment>, u64)> {
        let segment = self.segment(place.segment);
        if place.bare && blocks[i].kind != BlockKind::Keys {
            return Err(segment.corrupt(place.offset, "its rows were collected"));
        }
        let Some(offset) = offset_of(place, blocks, i) else {
            return Err(segment.corrupt(place.offset, "the record names more data than there are before it"));
        };
        Ok((segment, offset))
    }

    /// Tells the disk that a record will probably be read soon.
    pub fn will_read(&self, place: Place) {
        self.segment(place.segment).file.will_read(place.offset, FRAME_HEADER as u64 + place.len);
    }

    /// Tells the disk that block `i` of the transaction that ends at `place` will probably be read soon.
    pub fn will_read_block(&self, place: Place, blocks: &[BlockRef], i: usize) {
        if let Some(offset) = offset_of(place, blocks, i) {
            self.segment(place.segment).file.will_read(offset, FRAME_HEADER as u64 + u64::from(blocks[i].len));
        }
    }

    /// Begins a transaction; another one of the same thread must have ended.
    ///
    /// # Errors
    /// When an earlier one failed, or a new segment cannot be begun.
    pub fn begin(&self) -> Result<Transaction<'_>> {
        let mut tail = self.tail();
        if tail.poisoned {
            return Err(StoreError::Poisoned);
        }
        if tail.end >= self.disk.segment_bytes() {
            self.begin_segment(&mut tail)?;
        }
        Ok(Transaction {
            log: self,
            segment: self.segment(tail.segment),
            written: tail.end,
            begun: tail.end,
            tail,
            buffer: Vec::new(),
            done: false,
        })
    }

    fn begin_segment(&self, tail: &mut Tail) -> Result<()> {
        let number = tail.segment + 1;
        let path = segment::path(number);
        let create = || {
            let file = self.disk.open(&path, true)?;
            file.set_len(0)?;
            file.write_at(&segment::header(number, self.first, &self.origin), 0)?;
            file.sync()?;
            self.disk.sync_dir("log")
        };
        tail.poisoned = true;
        create().map_err(StoreError::io("create", self.disk.display(&path)))?;
        let segment = Segment::open(self.disk.as_ref(), number, self.first, &self.origin, true)?;
        self.segments.write().expect("no thread panics with it").push(Arc::new(segment));
        tail.segment = number;
        tail.end = SEGMENT_HEADER as u64;
        tail.poisoned = false;
        Ok(())
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().expect("no thread panics with it")
    }

    fn segment(&self, number: u32) -> Arc<Segment> {
        self.segments.read().expect("no thread panics with it")[(number - self.first) as usize].clone()
    }
}

/// Returns where block `i` of a transaction begins; `None` when there is not so much before its record.
fn offset_of(place: Place, blocks: &[BlockRef], i: usize) -> Option<u64> {
    let there = |b: &&BlockRef| !place.bare || b.kind == BlockKind::Keys;
    let behind: u64 = blocks[i..].iter().filter(there).map(|b| u64::from(b.len) + FRAME_HEADER as u64).sum();
    place.offset.checked_sub(behind)
}
