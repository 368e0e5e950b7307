//! JSON lines in messages of others: rows, and ids that are gone.

use std::io::Cursor;
use std::ops::Range;

use super::{Changes, What, without_repeats};
use crate::capture::read::{self, ReadOptions};
use crate::delta::{Element, Keys, Notes, RowBatch};
use crate::pipeline::config::Source;
use crate::wire::nats::Followed as Message;

/// Reads messages into changes.
pub struct Lines {
    options: ReadOptions,
    deleted: Option<String>,
    id: Option<String>,
}

/// A line, and where it stands.
struct Line<'a> {
    bytes: &'a [u8],
    sequence: u64,
    /// How many lines of the message lead up to it, and itself.
    number: usize,
    last: bool,
}

impl Line<'_> {
    fn mark(&self) -> String {
        if self.last { self.sequence.to_string() } else { format!("{}.{}", self.sequence, self.number) }
    }
}

impl Lines {
    /// Makes a reader for a source.
    pub fn new(source: &Source, deleted: Option<String>) -> Self {
        let options = ReadOptions {
            format: Some("jsonl"),
            id: source.id.clone(),
            vector: source.vector.clone(),
            dims: source.dims,
            element: None,
            meta: source.meta.clone().into(),
        };
        Self { options, deleted, id: source.id.clone() }
    }

    /// Reads messages; the first `skip` lines are taken already.
    ///
    /// # Errors
    /// Names the message and the line.
    pub fn read(&mut self, messages: &[Message], skip: usize) -> Result<Vec<Changes>, String> {
        let mut lines: Vec<Line<'_>> = Vec::new();
        for message in messages {
            let own: Vec<&[u8]> =
                message.payload.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).collect();
            let count = own.len();
            let line = |(i, bytes)| Line { bytes, sequence: message.sequence, number: i + 1, last: i + 1 == count };
            lines.extend(own.into_iter().enumerate().map(line));
        }
        let lines = &lines[skip.min(lines.len())..];
        let gone = lines.iter().map(|line| self.gone(line)).collect::<Result<Vec<_>, _>>()?;
        let mut changes = Vec::new();
        let mut start = 0;
        while start < lines.len() {
            let same = |other: &Option<String>| other.is_some() == gone[start].is_some();
            let end = start + gone[start..].iter().take_while(|g| same(g)).count();
            if gone[start].is_some() {
                removed(&lines[start..end], &gone[start..end], &mut changes);
            } else {
                self.rows(&lines[start..end], &mut changes)?;
            }
            start = end;
        }
        Ok(changes)
    }

    /// Returns the id of a line that says that it is gone.
    fn gone(&self, line: &Line<'_>) -> Result<Option<String>, String> {
        let Some(field) = &self.deleted else { return Ok(None) };
        let say = |what: &str| format!("message {}, line {}: {what}", line.sequence, line.number);
        let row: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(line.bytes).map_err(|e| say(&format!("this is no object of JSON: {e}")))?;
        match row.get(field) {
            None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => return Ok(None),
            Some(serde_json::Value::Bool(true)) => {}
            Some(_) => return Err(say(&format!("`{field}` is neither true nor false"))),
        }
        let name = self.id.as_deref().unwrap_or("id");
        match row.get(name) {
            Some(serde_json::Value::String(id)) => Ok(Some(id.clone())),
            Some(serde_json::Value::Number(id)) if !id.is_f64() => Ok(Some(id.to_string())),
            _ => Err(say(&format!("there is no `{name}`, or it is no text and no integer"))),
        }
    }

    fn rows(&self, lines: &[Line<'_>], changes: &mut Vec<Changes>) -> Result<(), String> {
        let mut at = 0;
        for (element, dims, batch) in self.parse(lines)? {
            let runs: Vec<Range<usize>> = without_repeats(batch.keys.iter());
            for run in runs {
                let mark = lines[at + run.end - 1].mark();
                let what = What::Rows(element, dims, batch.slice(run));
                changes.push(Changes { what, mark: Some(mark) });
            }
            at += batch.keys.len();
        }
        Ok(())
    }

    /// Parses lines as one text; where that fails, one by one, to say which is at fault.
    fn parse(&self, lines: &[Line<'_>]) -> Result<Vec<(Element, u32, RowBatch)>, String> {
        match self.parse_text(lines.iter().map(|l| l.bytes).collect::<Vec<_>>().join(&b'\n')) {
            Ok(batches) => Ok(batches),
            Err(all) => {
                for line in lines {
                    if let Err(error) = self.parse_text(line.bytes.to_vec()) {
                        return Err(format!("message {}, line {}: {error}", line.sequence, line.number));
                    }
                }
                let (first, last) = (lines[0].sequence, lines[lines.len() - 1].sequence);
                Err(format!("messages {first} to {last}: {all}"))
            }
        }
    }

    fn parse_text(&self, text: Vec<u8>) -> Result<Vec<(Element, u32, RowBatch)>, String> {
        let say = |error: read::ReadError| error.message;
        let mut reader = read::read_stream(Cursor::new(text), &self.options, None).map_err(say)?;
        let (element, mut batches) = (reader.element(), Vec::new());
        while let Some(batch) = reader.next().map_err(say)? {
            batches.push((element, reader.dims(), batch));
        }
        Ok(batches)
    }
}

fn removed(lines: &[Line<'_>], gone: &[Option<String>], changes: &mut Vec<Changes>) {
    let ids: Vec<&str> = gone.iter().flatten().map(String::as_str).collect();
    for run in without_repeats(ids.iter().copied()) {
        let mark = lines[run.end - 1].mark();
        changes.push(Changes {
            what: What::Gone(Keys::from_texts(ids[run].iter().copied()), Notes::default()),
            mark: Some(mark),
        });
    }
}
