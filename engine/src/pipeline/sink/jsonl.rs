//! JSON lines: one object a delta, added to the end of a file.
//!
//! Beside `FILE` lies `FILE.cursor`, which says how many bytes of it count and how far in the history they lead. It is
//! replaced after the lines are synced; what stands behind those bytes was cut off by a crash, and comes again.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;

use serde_json::{Value, json};

use super::line::delta_line;
use super::{Delivered, Resume, Sink, SinkError, cannot_create, cannot_write};
use crate::pipeline::config::SinkField;
use crate::route::Cursor;

/// Lines are written when so many bytes of them were gathered.
const BUFFER_BYTES: usize = 1 << 20;

/// A file of JSON lines.
pub struct Jsonl {
    path: PathBuf,
    fields: Vec<SinkField>,
    file: Option<File>,
    buffer: Vec<u8>,
    /// The bytes that were written.
    length: u64,
    kept: Option<Cursor>,
}

impl Jsonl {
    /// Makes the sink of a file.
    pub fn new(path: PathBuf, fields: Vec<SinkField>) -> Self {
        Self { path, fields, file: None, buffer: Vec::new(), length: 0, kept: None }
    }

    fn side_car(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".cursor");
        self.path.with_file_name(name)
    }

    /// Returns how many bytes count, and how far they lead.
    fn read_side_car(&self) -> Option<(u64, Cursor)> {
        let text = fs::read_to_string(self.side_car()).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        Some((value["bytes"].as_u64()?, Cursor::from_text(value["cursor"].as_str()?)?))
    }

    fn put(&mut self) -> Result<(), SinkError> {
        let file = self.file.as_mut().ok_or_else(|| SinkError::fatal("it was not opened"))?;
        file.write_all(&self.buffer).map_err(|e| cannot_write(&self.path, e))?;
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn cut(&mut self, length: u64) -> Result<(), SinkError> {
        let path = self.path.clone();
        let fail = |e| cannot_write(&path, e);
        let file = self.file.as_mut().ok_or_else(|| SinkError::fatal("it was not opened"))?;
        file.set_len(length).map_err(fail)?;
        file.seek(SeekFrom::Start(length)).map_err(fail)?;
        (self.length, self.kept) = (length, None);
        self.buffer.clear();
        Ok(())
    }
}

impl Sink for Jsonl {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(|e| cannot_create(&self.path, e))?;
        }
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&self.path);
        let file = open.map_err(|e| cannot_create(&self.path, e))?;
        let len = file.metadata().map_err(|e| cannot_write(&self.path, e))?.len();
        self.file = Some(file);
        // A file that is shorter than it should be was changed by somebody: it is written anew.
        let kept = self.read_side_car().filter(|(bytes, _)| *bytes <= len);
        self.cut(kept.as_ref().map_or(0, |(bytes, _)| *bytes))?;
        self.kept = kept.map(|(_, cursor)| cursor);
        Ok(Resume::Kept(self.kept.clone()))
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        self.cut(0)
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        for delta in deltas {
            let line = delta_line(&self.fields, delta);
            // Writing to memory cannot fail.
            let _ = writeln!(self.buffer, "{line}");
            if self.buffer.len() >= BUFFER_BYTES {
                self.put()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        if self.kept.as_ref() == Some(cursor) && self.buffer.is_empty() {
            return Ok(true);
        }
        self.put()?;
        let fail = |e| cannot_write(&self.path, e);
        self.file.as_mut().ok_or_else(|| SinkError::fatal("it was not opened"))?.sync_data().map_err(fail)?;
        let text = json!({ "bytes": self.length, "cursor": cursor.to_text() });
        let mut side_car = crate::export::Pending::create(&self.side_car())?;
        side_car.write_all(format!("{text}\n").as_bytes()).map_err(fail)?;
        side_car.finish()?;
        self.kept = Some(cursor.clone());
        Ok(true)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        self.flush(cursor)?;
        Ok(vec![self.path.clone()])
    }
}
