//! Segments: the files of the log, each with a header and then frames.
//!
//! ```text
//!  0          8        12      16        48                  64
//!  | VDLOG004 | number | first | origin  | BLAKE3, 16 bytes  | frames ...
//! ```

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::disk::{Disk, DiskFile};
use super::error::{Result, StoreError};
use super::format::magic;
use super::frame::{FRAME_HEADER, FrameHeader, FrameKind, PAYLOAD_MAX};

/// The size of a segment's header in bytes.
pub const SEGMENT_HEADER: usize = 64;

/// A new segment is begun when the last one is at least this long.
pub const SEGMENT_BYTES: u64 = 1 << 30;

const MAGIC: [u8; 8] = magic("VDLOG");
/// What is read at once while frames are small, and while they are large and mostly skipped.
const WINDOW: usize = 256 << 10;
const WINDOW_SKIPPING: usize = 4 << 10;

/// Returns the path of a segment.
pub fn path(number: u32) -> String {
    format!("log/{number:08}.vdlog")
}

/// Returns the number of the segment that a path stands for.
pub fn number(file: &str) -> Option<u32> {
    let number = file.strip_prefix("log/")?.strip_suffix(".vdlog")?.parse().ok()?;
    (path(number) == file).then_some(number)
}

/// Returns the bytes of the header of a segment; `first` is the number of the segment that its log begins with, so
/// that a log which was written anew is never taken for the continuation of the old one.
pub fn header(number: u32, first: u32, origin: &[u8; 32]) -> [u8; SEGMENT_HEADER] {
    let mut out = [0; SEGMENT_HEADER];
    out[..8].copy_from_slice(&MAGIC);
    out[8..12].copy_from_slice(&number.to_le_bytes());
    out[12..16].copy_from_slice(&first.to_le_bytes());
    out[16..48].copy_from_slice(origin);
    let hash = blake3::hash(&out[..48]);
    out[48..].copy_from_slice(&hash.as_bytes()[..16]);
    out
}

/// Returns whether a file is a segment of the same repository's log as it was before it was written anew, or as it
/// would have been after, or one whose making was cut short.
pub fn is_left_over(disk: &dyn Disk, number: u32, first: u32, origin: &[u8; 32]) -> bool {
    let mut bytes = [0; SEGMENT_HEADER];
    let Ok(file) = disk.open(&path(number), false) else { return false };
    if file.len().is_ok_and(|len| len < SEGMENT_HEADER as u64) {
        return true;
    }
    let read = file.read_at(&mut bytes, 0).is_ok();
    let other = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    read && (bytes == [0; SEGMENT_HEADER] || (other != first && bytes == header(number, other, origin)))
}

/// An open segment.
pub struct Segment {
    /// Its path in messages.
    pub display: String,
    /// The open file.
    pub file: Box<dyn DiskFile>,
    /// So long it was when somebody last looked; it only grows while it is open.
    seen: AtomicU64,
    /// The header that it has to have, and whether it was found to have it.
    header: [u8; SEGMENT_HEADER],
    checked: AtomicBool,
}

impl Segment {
    /// Opens a segment and checks its header.
    ///
    /// # Errors
    /// When it is missing, cannot be read, or is not the segment it should be.
    pub fn open(disk: &dyn Disk, number: u32, first: u32, origin: &[u8; 32], write: bool) -> Result<Self> {
        let segment = Self::open_unread(disk, number, first, origin, write)?;
        segment.check_header()?;
        Ok(segment)
    }

    /// Opens a segment whose header is checked when something of it is first read.
    ///
    /// # Errors
    /// When it is missing, too short, or cannot be opened.
    pub fn open_unread(disk: &dyn Disk, number: u32, first: u32, origin: &[u8; 32], write: bool) -> Result<Self> {
        let path = path(number);
        let display = disk.display(&path);
        if disk.len(&path).map_err(StoreError::io("look at", &display))?.is_none() {
            return Err(StoreError::corrupt(display, None, "the file is missing"));
        }
        let file = disk.open(&path, write).map_err(StoreError::io("open", &display))?;
        let (header, checked) = (header(number, first, origin), AtomicBool::new(false));
        let segment = Self { display, file, seen: AtomicU64::new(0), header, checked };
        if segment.len()? < SEGMENT_HEADER as u64 {
            return Err(segment.corrupt(0, "the file ends within its header"));
        }
        Ok(segment)
    }

    fn check_header(&self) -> Result<()> {
        if self.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut bytes = [0; SEGMENT_HEADER];
        self.read_unchecked(&mut bytes, 0)?;
        if bytes != self.header {
            return Err(self.corrupt(0, "the header is damaged or of another repository"));
        }
        self.checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn len(&self) -> Result<u64> {
        self.file.len().map_err(StoreError::io("look at", &self.display))
    }

    /// Fills a buffer from an offset.
    ///
    /// # Errors
    /// When the file ends before, or the disk refuses.
    pub fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        if !self.checked.load(Ordering::Relaxed) {
            // Where bytes have to be brought, these come together with the header.
            self.file.will_read(offset, buffer.len() as u64);
            self.check_header()?;
        }
        self.read_unchecked(buffer, offset)
    }

    fn read_unchecked(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_at(buffer, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.corrupt(offset, "the file ends too early"),
            _ => StoreError::io("read", &self.display)(error),
        })
    }

    /// Reads the frame at an offset and checks its payload against the hash.
    ///
    /// # Errors
    /// When the bytes are damaged or cannot be read.
    pub fn frame(&self, offset: u64, expected: &[u8; 32], len: u64) -> Result<(FrameKind, Vec<u8>)> {
        let mut buffer = Vec::new();
        let (kind, _) = self.frame_in(offset, expected, len, &mut buffer)?;
        buffer.drain(..FRAME_HEADER);
        Ok((kind, buffer))
    }

    /// Reads a frame as [`frame`](Self::frame) does, into a buffer that is used again; returns the payload in it.
    ///
    /// # Errors
    /// When the bytes are damaged or cannot be read.
    pub fn frame_in<'b>(
        &self,
        offset: u64,
        expected: &[u8; 32],
        len: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<(FrameKind, &'b [u8])> {
        if !self.checked.load(Ordering::Relaxed) {
            self.file.will_read(offset, (FRAME_HEADER as u64).saturating_add(len.min(PAYLOAD_MAX)));
            self.check_header()?;
        }
        self.frame_unchecked(offset, expected, len, buffer)
    }

    /// Reads a frame as [`frame_in`](Self::frame_in) does, without a look at the segment's header.
    ///
    /// # Errors
    /// When the bytes are damaged or cannot be read.
    pub fn frame_unchecked<'b>(
        &self,
        offset: u64,
        expected: &[u8; 32],
        len: u64,
        buffer: &'b mut Vec<u8>,
    ) -> Result<(FrameKind, &'b [u8])> {
        let end = offset.saturating_add(FRAME_HEADER as u64).saturating_add(len);
        if end > self.seen.load(Ordering::Relaxed) {
            self.seen.store(self.len()?, Ordering::Relaxed);
        }
        if len > PAYLOAD_MAX || end > self.seen.load(Ordering::Relaxed) {
            return Err(self.corrupt(offset, "a record names a frame that is not there"));
        }
        buffer.resize(FRAME_HEADER + len as usize, 0);
        self.read_unchecked(buffer, offset)?;
        let (head, payload) = buffer.split_first_chunk().expect("it is longer than a header");
        let header = FrameHeader::parse(head).map_err(|problem| self.corrupt(offset, problem))?;
        if header.hash != *expected || !header.matches(payload) {
            return Err(self.corrupt(offset, "the frame does not match its hash"));
        }
        Ok((header.kind, payload))
    }

    /// Makes a corruption error that names a place in this file.
    pub fn corrupt(&self, offset: u64, problem: &str) -> StoreError {
        StoreError::corrupt(&self.display, Some(offset), problem)
    }
}

/// Reads a segment from front to end through a window, so that many small frames cost few calls.
pub struct Scanner<'a> {
    segment: &'a Segment,
    window: Vec<u8>,
    start: u64,
    /// Whether the last frame was skipped without a look at its payload.
    skipping: bool,
    /// Where the next frame begins.
    pub offset: u64,
    /// Where reading ends.
    pub end: u64,
}

impl<'a> Scanner<'a> {
    /// Starts behind the header, or further on.
    pub fn new(segment: &'a Segment, offset: u64, end: u64) -> Self {
        Self { segment, window: Vec::new(), start: 0, skipping: false, offset, end }
    }

    /// Reads the header of the next frame, whose payload must end before the limit.
    ///
    /// # Errors
    /// When there is no whole frame.
    pub fn header(&mut self) -> Result<FrameHeader> {
        let offset = self.offset;
        let head: [u8; FRAME_HEADER] = self.bytes(offset, FRAME_HEADER)?.try_into().expect("that long");
        let header = FrameHeader::parse(&head).map_err(|problem| self.segment.corrupt(offset, problem))?;
        if header.len > self.end - offset - FRAME_HEADER as u64 {
            return Err(self.segment.corrupt(offset, "the frame ends behind the end of the log"));
        }
        Ok(header)
    }

    /// Reads the payload of the frame whose header was just read, and checks it.
    ///
    /// # Errors
    /// When it does not match its hash.
    pub fn payload(&mut self, header: &FrameHeader) -> Result<&[u8]> {
        let offset = self.offset;
        self.skipping = false;
        let damaged = self.segment.corrupt(offset, "the frame does not match its hash");
        let payload = self.bytes(offset + FRAME_HEADER as u64, header.len as usize)?;
        if !header.matches(payload) {
            return Err(damaged);
        }
        Ok(payload)
    }

    /// Goes on behind a frame.
    pub fn skip(&mut self, header: &FrameHeader) {
        self.skipping = header.len > WINDOW_SKIPPING as u64;
        self.offset += FRAME_HEADER as u64 + header.len;
    }

    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        if len as u64 > self.end.saturating_sub(offset) {
            return Err(self.segment.corrupt(offset, "the log ends within a frame"));
        }
        let inside = offset >= self.start && offset + len as u64 <= self.start + self.window.len() as u64;
        if !inside {
            let window = if self.skipping { WINDOW_SKIPPING } else { WINDOW };
            let want = (len.max(window) as u64).min(self.end - offset) as usize;
            self.window.resize(want, 0);
            self.start = offset;
            if let Err(e) = self.segment.read(&mut self.window, offset) {
                self.window.clear();
                return Err(e);
            }
        }
        let from = (offset - self.start) as usize;
        Ok(&self.window[from..from + len])
    }
}
