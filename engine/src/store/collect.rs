//! Collection: the log written anew without rows that nothing needs.
//!
//! Records keep their bytes, so every hash, link and checkpoint stays. The new segments mean nothing until a head that
//! begins with them replaces the old one; from then on the old segments mean nothing.

use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::frame::{FRAME_HEADER, FrameHeader, FrameKind};
use super::head::{self, Head};
use super::log::{Log, Place, Record};
use super::record::BlockKind;
use super::segment::{self, SEGMENT_HEADER};

/// New segments are written in pieces of this size.
const BUFFER: usize = 4 << 20;

/// Writes the log anew: the records at these places, in order, each with its rows or, where `true`, without.
///
/// The log has to be opened again afterwards. Returns how many bytes it has then.
///
/// # Errors
/// When a block is damaged or the disk refuses; then the log is as before.
pub fn collect(log: &Log, records: impl Iterator<Item = (Place, bool)>) -> Result<u64> {
    let disk = log.disk().as_ref();
    let (last, sequence, hash) = log.end();
    let first = last + 1;
    let mut out =
        Copy { disk, origin: *log.origin(), first, number: last, file: None, offset: 0, buffer: Vec::new(), bytes: 0 };
    for (place, bare) in records {
        out.begin()?;
        let record = log.record(place)?;
        let blocks = record.blocks();
        for (i, block) in blocks.iter().enumerate() {
            if block.kind == BlockKind::Keys || !(bare || place.bare) {
                out.frame(FrameKind::Block, &log.block(place, blocks, i)?)?;
            }
        }
        let kind = match record {
            Record::Commit(_) => FrameKind::Commit,
            Record::Operation(_) => FrameKind::Operation,
        };
        out.frame(kind, &log.payload(place)?)?;
    }
    out.begin()?;
    out.end()?;
    disk.sync_dir("log").map_err(StoreError::io("sync", disk.display("log")))?;
    head::create(
        disk,
        Head { sequence, segment: out.number, first, length: out.offset, last: hash, origin: *log.origin() },
    )?;
    for number in log.first()..=last {
        // One that stays is removed by the next writer.
        let _ = disk.remove(&segment::path(number));
    }
    Ok(out.bytes)
}

/// Segments that are being written.
struct Copy<'d> {
    disk: &'d dyn Disk,
    origin: [u8; 32],
    first: u32,
    number: u32,
    file: Option<Box<dyn DiskFile>>,
    offset: u64,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Copy<'_> {
    /// Begins the next segment where there is none or it is full: a transaction never crosses its end.
    fn begin(&mut self) -> Result<()> {
        if self.file.is_some() && self.offset + (self.buffer.len() as u64) < self.disk.segment_bytes() {
            return Ok(());
        }
        self.end()?;
        self.number += 1;
        let path = segment::path(self.number);
        let open = || {
            let file = self.disk.open(&path, true)?;
            file.set_len(0)?;
            Ok(file)
        };
        self.file = Some(open().map_err(StoreError::io("create", self.disk.display(&path)))?);
        (self.offset, self.buffer) = (0, segment::header(self.number, self.first, &self.origin).to_vec());
        debug_assert_eq!(self.buffer.len(), SEGMENT_HEADER);
        Ok(())
    }

    fn frame(&mut self, kind: FrameKind, payload: &[u8]) -> Result<()> {
        let header = FrameHeader::new(kind, payload).to_bytes();
        debug_assert_eq!(header.len(), FRAME_HEADER);
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(payload);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let display = self.disk.display(&segment::path(self.number));
        if let Some(file) = &self.file {
            file.write_at(&self.buffer, self.offset).map_err(StoreError::io("write", display))?;
        }
        self.offset += self.buffer.len() as u64;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        self.flush()?;
        let display = self.disk.display(&segment::path(self.number));
        self.file.as_ref().map_or(Ok(()), |f| f.sync().map_err(StoreError::io("sync", display)))
    }
}
