//! Opening a log: reading what was reported, going on where the head is damaged, cutting off what a crash left.

use std::sync::Arc;

use super::disk::Disk;
use super::error::{Damage, Result, StoreError};
use super::frame::FrameKind;
use super::head::{self, Head};
use super::log::{Known, Place, Record};
use super::record::{BlockKind, BlockRef};
use super::segment::{self, SEGMENT_HEADER, Scanner, Segment};

/// A log that is being opened.
pub(super) struct Opening<'o> {
    pub disk: Arc<dyn Disk>,
    pub origin: [u8; 32],
    pub first: u32,
    pub writable: bool,
    pub segments: Vec<Segment>,
    pub end: u64,
    pub sequence: u64,
    pub last_hash: [u8; 32],
    pub on_record: &'o mut dyn FnMut(Place, Record) -> Result<()>,
}

impl Opening<'_> {
    pub fn scan_reported(&mut self, head: &Head, known: Option<Known>) -> Result<()> {
        let known = known.filter(|k| k.first == head.first && k.sequence <= head.sequence);
        for number in head.first..=head.segment {
            // On a server each header is a request more: it is checked when the segment is read, by its own or with others.
            let open = if self.disk.is_fixed() { Segment::open_unread } else { Segment::open };
            let segment = open(self.disk.as_ref(), number, head.first, &self.origin, self.writable)?;
            let len = segment.len()?;
            let end = if number == head.segment { head.length } else { len };
            if len < end {
                let problem = format!("{} bytes are missing at the end", end - len);
                return Err(segment.corrupt(len, &problem));
            }
            let start = match known {
                Some(k) if number < k.place.segment => end,
                Some(k) if number == k.place.segment => {
                    segment.frame_unchecked(k.place.offset, &k.place.hash, k.place.len, &mut Vec::new())?;
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
    pub fn roll_forward(&mut self) -> Result<()> {
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
    pub fn cut_tail(&mut self) -> Result<()> {
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

    pub fn head(&self) -> Head {
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
pub(super) fn no_head(disk: &dyn Disk) -> StoreError {
    let first = segment::path(0);
    match disk.len(&first) {
        Ok(Some(len)) if len > SEGMENT_HEADER as u64 => {
            StoreError::corrupt(disk.display(head::HEAD), None, "the file is missing")
        }
        Ok(_) => StoreError::NoRepository { path: disk.display("") },
        Err(e) => StoreError::io("look at", disk.display(&first))(e),
    }
}
