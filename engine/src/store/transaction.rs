//! A transaction: blocks on their way into the log, and the record that ends them.

use std::sync::{Arc, MutexGuard};

use super::error::{Result, StoreError};
use super::frame::FrameHeader;
use super::head::{self, Head};
use super::log::{Block, Log, Place, Record, Tail};
use super::record::Link;
use super::segment::Segment;

/// Written blocks are handed to the disk in pieces of this size.
const BUFFER: usize = 4 << 20;

/// A payload of this size is written from where it is: one more call costs less than copying it.
const LARGE: usize = 64 << 10;

/// Blocks on their way into the log; dropping it takes them back.
pub struct Transaction<'a> {
    pub(super) log: &'a Log,
    pub(super) tail: MutexGuard<'a, Tail>,
    pub(super) segment: Arc<Segment>,
    pub(super) written: u64,
    /// Up to where the disk was asked to begin writing.
    pub(super) begun: u64,
    pub(super) buffer: Vec<u8>,
    pub(super) done: bool,
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
        if block.payload.len() >= LARGE {
            return self.flush(&block.payload);
        }
        self.buffer.extend_from_slice(&block.payload);
        if self.buffer.len() >= BUFFER {
            self.flush(&[])?;
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
        self.flush(&[])?;
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

    /// Writes what was gathered, and a payload behind it that need not be copied.
    fn flush(&mut self, payload: &[u8]) -> Result<()> {
        if let Err(e) = self.segment.file.write_both_at(&self.buffer, payload, self.written) {
            self.tail.poisoned = true;
            return Err(StoreError::io("write", &self.segment.display)(e));
        }
        self.written += (self.buffer.len() + payload.len()) as u64;
        self.buffer.clear();
        if self.written - self.begun >= BUFFER as u64 {
            // Of a large commit the first bytes are on the disk before the last are coded.
            self.segment.file.will_sync(self.begun, self.written - self.begun);
            self.begun = self.written;
        }
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
