//! What comes through a connection, cut into whole lines or Arrow messages; nothing is held that is larger than allowed.

use std::io;
use std::time::Instant;

use arrow_ipc::{Message, MessageHeader, root_as_message};

use super::door::Stream;
use crate::pipeline::link::Budget;

/// The longest line; a vector of the greatest width in 60 digits a number fits.
const LINE_MAX: usize = 64 << 20;

/// The largest message of an Arrow stream, and what one may become when it is unpacked.
const MESSAGE_MAX: u64 = 256 << 20;

/// The largest header of a message.
const HEADER_MAX: usize = 16 << 20;

/// What may be held without asking the budget.
const FREE: usize = 1 << 20;

/// What is read at once.
const PIECE: usize = 256 << 10;

/// Stands before the length of a message.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// What a connection waits for, besides bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Bytes.
    Read,
    /// To be read on.
    Wait,
    /// The end.
    Stop,
}

/// The bytes of a connection that have come and were not taken.
pub struct Frames<'a> {
    stream: &'a Stream,
    wish: &'a dyn Fn() -> Wish,
    buffer: Vec<u8>,
    budget: &'a Budget,
    held: u64,
    /// When the greeting must be there.
    deadline: Option<Instant>,
    /// The schema of an Arrow stream and its dictionaries, as they came.
    schema: Vec<u8>,
}

/// A batch of an Arrow stream, as a stream of its own.
pub struct Batch {
    /// The bytes of that stream.
    pub bytes: Vec<u8>,
    /// How many rows the batch has.
    pub rows: u64,
}

impl<'a> Frames<'a> {
    /// Begins to read a connection.
    pub fn new(stream: &'a Stream, wish: &'a dyn Fn() -> Wish, budget: &'a Budget, deadline: Option<Instant>) -> Self {
        Self { stream, wish, buffer: Vec::new(), budget, held: 0, deadline, schema: Vec::new() }
    }

    /// Returns the first byte that is no space, or nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks, or it does not come in time.
    pub fn first(&mut self) -> Result<Option<u8>, String> {
        loop {
            if let Some(&byte) = self.buffer.iter().find(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(byte));
            }
            self.buffer.clear();
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Returns the first line.
    ///
    /// # Errors
    /// When it is longer than `max`, or does not come in time.
    pub fn greeting(&mut self, max: usize) -> Result<Vec<u8>, String> {
        let line = loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                break self.buffer.drain(..=end).collect();
            }
            if self.buffer.len() > max {
                return Err(format!("the first line is longer than {max} bytes"));
            }
            if !self.fill()? {
                return Err("the connection ended within its first line".to_owned());
            }
        };
        self.deadline = None;
        Ok(line)
    }

    /// Says that whoever sends may take its time from here on.
    pub fn begun(&mut self) {
        self.deadline = None;
    }

    /// Returns the lines that have come, at least one; nothing at the end.
    ///
    /// # Errors
    /// When a line is too long or is cut off by the end.
    pub fn lines(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut seen = 0;
        loop {
            if let Some(end) = self.buffer[seen..].iter().rposition(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(seen + end + 1);
                self.release();
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.buffer.len() > LINE_MAX {
                return Err(format!("a line is longer than {} MiB", LINE_MAX >> 20));
            }
            seen = self.buffer.len();
            if self.fill()? {
                continue;
            }
            let last = std::mem::take(&mut self.buffer);
            self.release();
            return match last.trim_ascii() {
                [] => Ok(None),
                _ if (self.wish)() == Wish::Stop => Ok(None),
                // A whole object has an end of its own.
                whole if serde_json::from_slice::<serde::de::IgnoredAny>(whole).is_ok() => Ok(Some(last)),
                _ => Err("the connection ended within a line; what came of it is not taken".to_owned()),
            };
        }
    }

    /// Returns the next batch of an Arrow stream; nothing at the end.
    ///
    /// # Errors
    /// When what comes is no such stream, or a message is too large.
    pub fn batch(&mut self) -> Result<Option<Batch>, String> {
        loop {
            let Some((header, whole)) = self.message()? else { return Ok(None) };
            let bytes: Vec<u8> = self.buffer.drain(..whole).collect();
            self.release();
            let message = decode(&bytes[8..header])?;
            match message.header_type() {
                MessageHeader::Schema => self.schema = bytes,
                _ if self.schema.is_empty() => return Err("an Arrow stream begins with its schema".to_owned()),
                MessageHeader::DictionaryBatch => {
                    check_unpacked(&message, &bytes[header..])?;
                    if (self.schema.len() + bytes.len()) as u64 > MESSAGE_MAX {
                        return Err(format!("the dictionaries are larger than {} MiB", MESSAGE_MAX >> 20));
                    }
                    self.schema.extend(bytes);
                }
                MessageHeader::RecordBatch => {
                    check_unpacked(&message, &bytes[header..])?;
                    let rows = message.header_as_record_batch().map_or(0, |batch| batch.length());
                    let rows = u64::try_from(rows).map_err(|_| "a batch has a negative number of rows".to_owned())?;
                    let end = [CONTINUATION, [0; 4]].concat();
                    return Ok(Some(Batch { bytes: [self.schema.as_slice(), &bytes, &end].concat(), rows }));
                }
                other => return Err(format!("a message of the stream is neither schema nor batch but {other:?}")),
            }
        }
    }

    /// Waits until a message of an Arrow stream is whole; returns the lengths up to its body and its end. Nothing at the end
    /// of the stream.
    fn message(&mut self) -> Result<Option<(usize, usize)>, String> {
        if !self.wait_for(8)? {
            return match self.buffer.is_empty() || (self.wish)() == Wish::Stop {
                true => Ok(None),
                false => Err("the stream is cut short".to_owned()),
            };
        }
        if self.buffer[..4] != CONTINUATION {
            return Err("this is no Arrow stream: a message does not begin as it should".to_owned());
        }
        let length = u32::from_le_bytes([self.buffer[4], self.buffer[5], self.buffer[6], self.buffer[7]]) as usize;
        if length == 0 {
            self.buffer.drain(..8);
            return Ok(None);
        }
        if length > HEADER_MAX {
            return Err(format!("the header of a message is larger than {} MiB", HEADER_MAX >> 20));
        }
        let header = 8 + length;
        if !self.wait_for(header)? {
            return self.cut();
        }
        let body = decode(&self.buffer[8..header])?.bodyLength();
        let body = u64::try_from(body).ok().filter(|body| *body <= MESSAGE_MAX);
        let body = body.ok_or_else(|| format!("a message is larger than {} MiB", MESSAGE_MAX >> 20))?;
        let whole = header + body as usize;
        if !self.wait_for(whole)? {
            return self.cut();
        }
        Ok(Some((header, whole)))
    }

    fn cut<T>(&self) -> Result<Option<T>, String> {
        if (self.wish)() == Wish::Stop { Ok(None) } else { Err("the stream is cut short".to_owned()) }
    }

    fn wait_for(&mut self, bytes: usize) -> Result<bool, String> {
        while self.buffer.len() < bytes {
            if !self.fill()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for more bytes; returns whether some came before the end.
    fn fill(&mut self) -> Result<bool, String> {
        loop {
            match (self.wish)() {
                Wish::Stop => return Ok(false),
                Wish::Wait => {
                    std::thread::sleep(super::LOOK / 5);
                    continue;
                }
                Wish::Read => {}
            }
            if self.deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err("nothing came in time".to_owned());
            }
            self.hold()?;
            let before = self.buffer.len();
            self.buffer.resize(before + PIECE, 0);
            let read = self.stream.read(&mut self.buffer[before..]);
            self.buffer.truncate(before + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(n) => return Ok(n > 0),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("the connection broke: {error}")),
            }
        }
    }

    /// Asks for the memory of what is not whole yet.
    fn hold(&mut self) -> Result<(), String> {
        let beyond = (self.buffer.len().saturating_sub(FREE)) as u64;
        if beyond > self.held {
            let more = beyond.next_multiple_of(FREE as u64) - self.held;
            if !self.budget.try_take(more) {
                return Err(
                    "too much that is not whole is on its way: send smaller pieces, or raise `memory`".to_owned()
                );
            }
            self.held += more;
        }
        Ok(())
    }

    fn release(&mut self) {
        self.budget.give(std::mem::take(&mut self.held));
    }
}

impl Drop for Frames<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

fn decode(header: &[u8]) -> Result<Message<'_>, String> {
    root_as_message(header).map_err(|error| format!("the header of a message is damaged: {error}"))
}

/// Refuses a packed batch that would become too large; the length of each buffer stands before it.
fn check_unpacked(message: &Message<'_>, body: &[u8]) -> Result<(), String> {
    let batch = message
        .header_as_record_batch()
        .or_else(|| message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data()));
    let Some(buffers) = batch.filter(|batch| batch.compression().is_some()).and_then(|batch| batch.buffers()) else {
        return Ok(());
    };
    let mut all = 0u64;
    for buffer in buffers {
        let length = || {
            let bytes = body.get(usize::try_from(buffer.offset()).ok()?..)?.get(..8)?;
            Some(i64::from_le_bytes(bytes.try_into().ok()?))
        };
        if buffer.length() == 0 {
            continue;
        }
        // -1 says that this one is not packed.
        let length = length().filter(|length| *length >= -1).ok_or("a packed buffer of a batch is damaged")?;
        all = all.saturating_add(u64::try_from(length).unwrap_or(0));
    }
    if all > MESSAGE_MAX {
        return Err(format!("a batch is larger than {} MiB when it is unpacked", MESSAGE_MAX >> 20));
    }
    Ok(())
}
