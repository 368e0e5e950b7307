//! A pack that holds a log of its own: commits that build on some which are not in it.

use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::frame::FrameHeader;
use super::head::{HEAD, Head};
use super::log::{Block, Record};
use super::pack::{PackWriter, Section};
use super::record::Link;
use super::segment;

/// Frames are handed to the disk in pieces of this size.
const BUFFER: usize = 4 << 20;

/// Writes a log of one segment, frame by frame.
pub struct LogWriter<'s> {
    section: &'s Section,
    head: Head,
    buffer: Vec<u8>,
}

impl<'s> LogWriter<'s> {
    fn begin(section: &'s Section, origin: [u8; 32]) -> Self {
        let head = Head { sequence: 0, segment: 0, first: 0, length: 0, last: [0; 32], origin };
        Self { section, head, buffer: segment::header(0, 0, &origin).to_vec() }
    }

    /// Returns the link for the next record.
    pub fn link(&self) -> Link {
        Link { sequence: self.head.sequence + 1, previous: self.head.last }
    }

    /// Adds a block.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn block(&mut self, block: &Block) -> Result<()> {
        self.frame(&block.header, &block.payload)
    }

    /// Adds a record, whose link has to be the next one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn record(&mut self, record: &Record) -> Result<()> {
        let (kind, payload) = record.encode();
        let header = FrameHeader::new(kind, &payload);
        (self.head.sequence, self.head.last) = (self.head.sequence + 1, header.hash);
        self.frame(&header, &payload)
    }

    fn frame(&mut self, header: &FrameHeader, payload: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(&header.to_bytes());
        self.buffer.extend_from_slice(payload);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        DiskFile::write_at(self.section, &self.buffer, self.head.length)
            .map_err(StoreError::io("write", "the bundle"))?;
        self.head.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Makes a thin pack of the log that `write` writes; returns how long it is.
///
/// # Errors
/// When `write` fails or the disk refuses; then nothing is under the name.
pub fn pack_thin<E: From<StoreError>>(
    (disk, name): (&dyn Disk, &str),
    origin: [u8; 32],
    write: &mut dyn FnMut(&mut LogWriter<'_>) -> std::result::Result<(), E>,
) -> std::result::Result<u64, E> {
    let mut pack = || {
        let mut pack = PackWriter::begin(disk, name, true, &[segment::path(0), HEAD.to_owned()])?;
        let mut head = None;
        pack.add(|section| {
            let mut log = LogWriter::begin(section, origin);
            write(&mut log)?;
            log.flush()?;
            head = Some(log.head);
            Ok::<_, E>(())
        })?;
        let head = head.expect("the log was written before");
        let failed = |e| StoreError::io("write", disk.display(name))(e);
        pack.add(|section| DiskFile::write_at(section, &head.file(), 0).map_err(failed))?;
        Ok(pack.finish()?)
    };
    let written = pack();
    if written.is_err() {
        PackWriter::abandon(disk, name);
    }
    written
}
