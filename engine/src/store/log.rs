//! The log: an append-only sequence of transactions, each some blocks and the record that ends them.

use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};

use super::disk::Disk;
use super::error::{Damage, Result, StoreError};
use super::frame::{FRAME_HEADER, FrameHeader, FrameKind};
use super::head::{self, Head};
use super::record::{BlockKind, BlockRef, CommitRecord, Link, OperationRecord};
use super::segment::{self, SEGMENT_HEADER, Scanner, Segment};

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
    fn blocks(&self) -> &[BlockRef] {
        match self {
            Record::Commit(r) => &r.blocks,
            Record::Operation(r) => r.blocks(),
        }
    }

    fn link(&self) -> Link {
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
    disk: Arc<dyn Disk>,
    pub(super) origin: [u8; 32],
    /// The number of the segment that the log begins with.
    pub(super) first: u32,
    pub(super) segments: RwLock<Vec<Arc<Segment>>>,
    pub(super) tail: Mutex<Tail>,
}

/// Where the log ends.
pub(super) struct Tail {
    /// The number of the last segment.
    pub(super) segment: u32,
    /// Where the last reported transaction ends in it.
    pub(super) end: u64,
    pub(super) sequence: u64,
    pub(super) last_hash: [u8; 32],
    poisoned: bool,
}

/// A log that is being opened.
struct Opening<'o> {
    disk: Arc<dyn Disk>,
    origin: [u8; 32],
    first: u32,
    writable: bool,
    segments: Vec<Segment>,
    end: u64,
    sequence: u64,
    last_hash: [u8; 32],
    on_record: &'o mut dyn FnMut(Place, Record) -> Result<()>,
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

    /// Reads a record again.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn record(&self, place: Place) -> Result<Record> {
        let segment = self.segment(place.segment);
        let payload = segment.payload(place.offset, &place.hash, place.len)?;
        // The kind is under the hash that was just checked.
        let mut kind = [0];
        segment.read(&mut kind, place.offset + 4)?;
        let kind = if kind[0] == FrameKind::Commit as u8 { FrameKind::Commit } else { FrameKind::Operation };
        Record::parse(kind, &payload).map_err(|p| segment.corrupt(place.offset, &p))
    }

    /// Reads the payload of block `i` of the transaction that ends at `place`.
    ///
    /// # Errors
    /// When it is damaged, was collected or cannot be read.
    pub fn block(&self, place: Place, blocks: &[BlockRef], i: usize) -> Result<Vec<u8>> {
        let there = |b: &&BlockRef| !place.bare || b.kind == BlockKind::Keys;
        let behind: u64 = blocks[i..].iter().filter(there).map(|b| u64::from(b.len) + FRAME_HEADER as u64).sum();
        let segment = self.segment(place.segment);
        if !there(&&blocks[i]) {
            return Err(segment.corrupt(place.offset, "its rows were collected"));
        }
        let Some(offset) = place.offset.checked_sub(behind) else {
            return Err(segment.corrupt(place.offset, "the record names more data than there are before it"));
        };
        segment.payload(offset, &blocks[i].hash, u64::from(blocks[i].len))
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

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().expect("no thread panics with it")
    }

    fn segment(&self, number: u32) -> Arc<Segment> {
        self.segments.read().expect("no thread panics with it")[(number - self.first) as usize].clone()
    }
}

impl Opening<'_> {
    fn scan_reported(&mut self, head: &Head, known: Option<Known>) -> Result<()> {
        let known = known.filter(|k| k.first == head.first && k.sequence <= head.sequence);
        for number in head.first..=head.segment {
            let segment = Segment::open(self.disk.as_ref(), number, head.first, &self.origin, self.writable)?;
            let len = segment.len()?;
            let end = if number == head.segment { head.length } else { len };
            if len < end {
                let problem = format!("{} bytes are missing at the end", end - len);
                return Err(segment.corrupt(len, &problem));
            }
            let start = match known {
                Some(k) if number < k.place.segment => end,
                Some(k) if number == k.place.segment => {
                    segment.payload(k.place.offset, &k.place.hash, k.place.len)?;
                    (self.sequence, self.last_hash) = (k.sequence, k.place.hash);
                    k.place.end()
                }
                _ => SEGMENT_HEADER as u64,
            };
            let mut scanner = Scanner::new(&segment, start, end);
            while scanner.offset < end {
                self.step(&mut scanner, number, false)?;
            }
            self.end = end;
            self.segments.push(segment);
        }
        if self.sequence != head.sequence || self.last_hash != head.last {
            let path = self.disk.display(head::HEAD);
            let problem = "the log does not end with the record the head names";
            return Err(StoreError::corrupt(path, None, problem));
        }
        Ok(())
    }

    /// Reads one transaction; the state moves on only when it is whole.
    fn step(&mut self, scanner: &mut Scanner<'_>, segment: u32, check_blocks: bool) -> Result<()> {
        let mut blocks = Vec::new();
        loop {
            let header = scanner.header()?;
            if header.kind == FrameKind::Block {
                if check_blocks {
                    scanner.payload(&header)?;
                }
                blocks.push(header.hash);
                scanner.skip(&header);
                continue;
            }
            let offset = scanner.offset;
            let display = self.disk.display(&segment::path(segment));
            let damaged = |problem: &str| StoreError::corrupt(&display, Some(offset), problem);
            let record = Record::parse(header.kind, scanner.payload(&header)?).map_err(|p| damaged(&p))?;
            let link = record.link();
            if link.sequence != self.sequence + 1 || link.previous != self.last_hash {
                return Err(damaged("the record does not follow the one before it"));
            }
            let bare = is_bare(record.blocks(), &blocks)
                .ok_or_else(|| damaged("the blocks before the record are not those it names"))?;
            let place = Place { segment, offset, len: header.len, hash: header.hash, bare };
            (self.on_record)(place, record)?;
            self.sequence = link.sequence;
            self.last_hash = header.hash;
            scanner.skip(&header);
            return Ok(());
        }
    }

    /// Takes over whole transactions behind the head.
    fn roll_forward(&mut self) -> Result<()> {
        loop {
            let number = self.first + self.segments.len() as u32 - 1;
            let segment = self.segments.pop().expect("there is at least one");
            let len = segment.len()?;
            let mut scanner = Scanner::new(&segment, self.end, len);
            while scanner.offset < len {
                match self.step(&mut scanner, number, true) {
                    Ok(()) => self.end = scanner.offset,
                    Err(StoreError::Corrupt(_)) => break,
                    Err(e) => return Err(e),
                }
            }
            self.segments.push(segment);
            match Segment::open(self.disk.as_ref(), number + 1, self.first, &self.origin, self.writable) {
                Ok(segment) => {
                    self.segments.push(segment);
                    self.end = SEGMENT_HEADER as u64;
                }
                Err(StoreError::Corrupt(_)) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
    }

    /// Cuts off what a crash left behind the last transaction, and segments that are not of this log.
    fn cut_tail(&mut self) -> Result<()> {
        let last = self.first + self.segments.len() as u32 - 1;
        let segment = &self.segments[self.segments.len() - 1];
        if segment.len()? > self.end {
            let cut = segment.file.set_len(self.end).and_then(|()| segment.file.sync());
            cut.map_err(StoreError::io("cut", &segment.display))?;
        }
        let names = self.disk.list("log").map_err(StoreError::io("list", self.disk.display("log")))?;
        let numbers = names.iter().filter_map(|n| segment::number(&format!("log/{n}")));
        for number in numbers.filter(|n| !(self.first..=last).contains(n)) {
            let path = segment::path(number);
            self.disk.remove(&path).map_err(StoreError::io("remove", self.disk.display(&path)))?;
        }
        Ok(())
    }

    fn head(&self) -> Head {
        Head {
            sequence: self.sequence,
            segment: self.first + self.segments.len() as u32 - 1,
            first: self.first,
            length: self.end,
            last: self.last_hash,
            origin: self.origin,
        }
    }
}

/// Returns whether only the keys are left of the blocks that a record names; `None` when they are neither all nor those.
fn is_bare(named: &[BlockRef], found: &[[u8; 32]]) -> Option<bool> {
    if named.iter().map(|b| &b.hash).eq(found) {
        return Some(false);
    }
    let keys = named.iter().filter(|b| b.kind == BlockKind::Keys).map(|b| &b.hash);
    keys.eq(found).then_some(true)
}

/// Written blocks are handed to the disk in pieces of this size.
const BUFFER: usize = 4 << 20;

/// Blocks on their way into the log; dropping it takes them back.
pub struct Transaction<'a> {
    log: &'a Log,
    tail: MutexGuard<'a, Tail>,
    segment: Arc<Segment>,
    written: u64,
    buffer: Vec<u8>,
    done: bool,
}

impl Transaction<'_> {
    /// Returns the link for the record that will end this transaction.
    pub fn link(&self) -> Link {
        Link { sequence: self.tail.sequence + 1, previous: self.tail.last_hash }
    }

    /// Appends a block.
    ///
    /// # Errors
    /// When the disk refuses; then the log is poisoned.
    pub fn append(&mut self, block: &Block) -> Result<()> {
        self.buffer.extend_from_slice(&block.header.to_bytes());
        self.buffer.extend_from_slice(&block.payload);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Ends the transaction: the record is written, all is synced, then the head.
    ///
    /// # Errors
    /// When the disk refuses; then the log is poisoned and nothing was reported.
    pub fn finish(mut self, record: &Record) -> Result<Place> {
        let (kind, payload) = record.encode();
        let header = FrameHeader::new(kind, &payload);
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(&header.to_bytes());
        self.buffer.extend_from_slice(&payload);
        self.flush()?;
        self.done = true;
        self.tail.poisoned = true;
        let sync = self.segment.file.sync();
        sync.map_err(StoreError::io("sync", &self.segment.display))?;
        let head = Head {
            sequence: record.link().sequence,
            segment: self.tail.segment,
            first: self.log.first,
            length: self.written,
            last: header.hash,
            origin: self.log.origin,
        };
        head::write(self.log.disk.as_ref(), head)?;
        self.tail.end = self.written;
        self.tail.sequence = record.link().sequence;
        self.tail.last_hash = header.hash;
        self.tail.poisoned = false;
        Ok(Place { segment: self.tail.segment, offset, len: header.len, hash: header.hash, bare: false })
    }

    fn flush(&mut self) -> Result<()> {
        if let Err(e) = self.segment.file.write_at(&self.buffer, self.written) {
            self.tail.poisoned = true;
            return Err(StoreError::io("write", &self.segment.display)(e));
        }
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // The next writer would cut it off as well, so a failure here loses nothing.
        if !self.done && self.written > self.tail.end && self.segment.file.set_len(self.tail.end).is_err() {
            self.tail.poisoned = true;
        }
    }
}

/// Tells a head that is an older copy from one that a crash left behind the log.
///
/// A crash leaves one whole transaction at most behind the head; two mean that reported ones would be cut off.
pub(super) fn older_than_log(disk: &dyn Disk, head: &Head) -> Result<Option<Damage>> {
    let mut whole = 0;
    let mut from = head.length;
    for number in head.segment..=u32::MAX {
        let segment = match Segment::open(disk, number, head.first, &head.origin, false) {
            Ok(segment) => segment,
            Err(StoreError::Corrupt(_)) => break,
            Err(e) => return Err(e),
        };
        let mut scanner = Scanner::new(&segment, from, segment.len()?);
        while scanner.offset < scanner.end && whole < 2 {
            let header = match scanner.header() {
                Ok(header) => header,
                Err(StoreError::Corrupt(_)) => break,
                Err(e) => return Err(e),
            };
            match scanner.payload(&header) {
                Ok(_) => whole += u32::from(header.kind != FrameKind::Block),
                Err(StoreError::Corrupt(_)) => break,
                Err(e) => return Err(e),
            }
            scanner.skip(&header);
        }
        from = SEGMENT_HEADER as u64;
    }
    Ok((whole > 1).then(|| Damage {
        path: disk.display(head::HEAD),
        offset: None,
        commit: None,
        problem: "the log goes on behind it for several transactions: it is an older copy".to_owned(),
    }))
}

/// Tells a place without a repository from one that lost its head.
fn no_head(disk: &dyn Disk) -> StoreError {
    let first = segment::path(0);
    match disk.len(&first) {
        Ok(Some(len)) if len > SEGMENT_HEADER as u64 => {
            StoreError::corrupt(disk.display(head::HEAD), None, "the file is missing")
        }
        Ok(_) => StoreError::NoRepository { path: disk.display("") },
        Err(e) => StoreError::io("look at", disk.display(&first))(e),
    }
}
