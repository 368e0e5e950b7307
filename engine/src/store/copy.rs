//! Copying a log as it was reported, frame by frame, each compared with its hash.

use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::frame::FRAME_HEADER;
use super::head::{self, Head};
use super::log::Log;
use super::segment::{self, SEGMENT_HEADER, Scanner, Segment};

/// Copied frames are handed to the disk in pieces of this size.
const BUFFER: usize = 4 << 20;

/// What was reported of a log when it was opened or last written.
pub struct Extent {
    /// The head that says so.
    pub head: Head,
    /// Each segment and where it ends.
    pub segments: Vec<(u32, Arc<Segment>, u64)>,
}

impl Extent {
    /// Looks at a log.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn of(log: &Log) -> Result<Self> {
        let tail = log.tail.lock().expect("no thread panics with it");
        let head = Head {
            sequence: tail.sequence,
            segment: tail.segment,
            first: log.first,
            length: tail.end,
            last: tail.last_hash,
            origin: log.origin,
        };
        let open = log.segments.read().expect("no thread panics with it").clone();
        let end = |(number, segment): (u32, Arc<Segment>)| {
            let end = if number == head.segment { head.length } else { segment.len()? };
            Ok((number, segment, end))
        };
        let segments = (log.first..=tail.segment).zip(open).map(end).collect::<Result<_>>()?;
        Ok(Self { head, segments })
    }
}

/// Returns how many bytes of a log were reported.
///
/// # Errors
/// When the disk refuses.
pub fn log_bytes(log: &Log) -> Result<u64> {
    Ok(Extent::of(log)?.segments.iter().map(|(.., end)| end).sum())
}

/// Copies a segment behind another header, to an offset of a file; `seen` is told how many bytes were copied.
///
/// # Errors
/// When a frame is damaged or a disk refuses.
pub fn copy_segment(
    from: &Segment,
    end: u64,
    header: &[u8; SEGMENT_HEADER],
    to: &dyn DiskFile,
    mut at: u64,
    seen: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut buffer = header.to_vec();
    let mut flush = |buffer: &mut Vec<u8>| {
        to.write_at(buffer, at).map_err(StoreError::io("write", "the copy"))?;
        at += buffer.len() as u64;
        seen(buffer.len() as u64);
        buffer.clear();
        Ok::<_, StoreError>(())
    };
    let mut scanner = Scanner::new(from, SEGMENT_HEADER as u64, end);
    while scanner.offset < end {
        let header = scanner.header()?;
        buffer.reserve(FRAME_HEADER + header.len as usize);
        buffer.extend_from_slice(&header.to_bytes());
        buffer.extend_from_slice(scanner.payload(&header)?);
        scanner.skip(&header);
        if buffer.len() >= BUFFER {
            flush(&mut buffer)?;
        }
    }
    flush(&mut buffer)
}

/// Copies a log to an empty disk as the log of another repository; `seen` is told how many bytes were copied.
///
/// The head is written last: before it, there is no repository.
///
/// # Errors
/// When a frame is damaged or a disk refuses.
pub fn copy_log(log: &Log, to: &dyn Disk, origin: [u8; 32], seen: &mut dyn FnMut(u64)) -> Result<()> {
    let extent = Extent::of(log)?;
    to.create_dir("log").map_err(StoreError::io("create", to.display("log")))?;
    for (number, segment, end) in &extent.segments {
        let path = segment::path(*number);
        let file = to.open(&path, true).map_err(StoreError::io("create", to.display(&path)))?;
        file.set_len(0).map_err(StoreError::io("cut", to.display(&path)))?;
        let header = segment::header(*number, extent.head.first, &origin);
        copy_segment(segment, *end, &header, file.as_ref(), 0, seen)?;
        file.sync().map_err(StoreError::io("sync", to.display(&path)))?;
    }
    to.sync_dir("log").map_err(StoreError::io("sync", to.display("log")))?;
    head::create(to, Head { origin, ..extent.head })
}
