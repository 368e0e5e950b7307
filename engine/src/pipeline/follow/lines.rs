//! JSON lines of others, in messages or sent to a socket: rows, and ids that are gone.

use std::io::Cursor;
use std::mem::{Discriminant, discriminant};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::{Changes, Parsed, What, without_repeats};
use crate::capture::read::{self, Place, ReadOptions, RefusedRow, Refuser, RowForm};
use crate::delta::{Cell, Keys, Notes};
use crate::pipeline::config::{OnReject, Source};

/// Reads lines into changes.
pub struct Lines {
    options: ReadOptions,
    deleted: Option<String>,
    id: Option<String>,
    on_reject: OnReject,
}

/// A line that is not blank, and where it stands.
pub struct Line<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its place.
    pub at: At,
}

/// The place of a line.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// In a message.
    Message {
        /// The message.
        sequence: u64,
        /// How many lines of the message lead up to it, and itself.
        number: usize,
        /// Whether no other one of the message follows.
        last: bool,
    },
    /// Among all lines, from 1.
    Number(u64),
}

/// What a line is.
enum Kind {
    /// A row, unless it cannot be read.
    Row,
    /// An id that is gone, and its metadata.
    Gone(String, Vec<Cell>),
    /// Neither.
    Bad(Box<RefusedRow>),
}

impl Line<'_> {
    fn mark(&self) -> String {
        match self.at {
            At::Message { sequence, last: true, .. } => sequence.to_string(),
            At::Message { sequence, number, .. } => format!("{sequence}.{number}"),
            At::Number(number) => number.to_string(),
        }
    }

    /// Says of what cannot be read where it stands; a line of one message is no place in a file.
    fn refused(&self, id: Option<String>, reason: &str) -> RefusedRow {
        let (place, reason) = match self.at {
            At::Message { sequence, number, .. } => (None, format!("message {sequence}, line {number}: {reason}")),
            At::Number(number) => (Some(Place::Line(number)), reason.to_owned()),
        };
        RefusedRow { place, id, reason, form: RowForm::Json, bytes: self.bytes.to_vec() }
    }
}

impl Lines {
    /// Makes a reader for a source whose collection may have a width already.
    pub fn new(source: &Source, deleted: Option<String>, width: Option<u32>) -> Self {
        let options = ReadOptions { format: Some("jsonl"), dims: source.dims.or(width), ..source.read_options() };
        Self { options, deleted, id: source.id.clone(), on_reject: source.on_reject }
    }

    /// Reads lines.
    ///
    /// # Errors
    /// Names the line that cannot be read, where that is not passed over.
    pub fn read(&mut self, lines: &[Line<'_>]) -> Result<Vec<Changes>, String> {
        let mut kinds = lines.iter().map(|line| self.kind(line)).collect::<Vec<_>>().into_iter().peekable();
        let mut changes = Vec::new();
        let mut start = 0;
        while let Some(first) = kinds.next() {
            let same: Discriminant<Kind> = discriminant(&first);
            let mut run = vec![first];
            while let Some(next) = kinds.next_if(|next| discriminant(next) == same) {
                run.push(next);
            }
            let own = &lines[start..start + run.len()];
            start += run.len();
            let (mut gone, mut bad) = (Vec::new(), Vec::new());
            for kind in run {
                match kind {
                    Kind::Row => {}
                    Kind::Gone(id, cells) => gone.push((id, cells)),
                    Kind::Bad(row) => bad.push(*row),
                }
            }
            if !gone.is_empty() {
                self.removed(own, &gone, &mut changes);
            } else if !bad.is_empty() {
                self.refuse(bad, Some(own[own.len() - 1].mark()), &mut changes)?;
            } else {
                self.rows(own, &mut changes)?;
            }
        }
        Ok(changes)
    }

    /// Hands on what cannot be read, or ends the run with the first of it.
    fn refuse(&self, bad: Vec<RefusedRow>, mark: Option<String>, changes: &mut Vec<Changes>) -> Result<(), String> {
        match (self.on_reject, bad.first()) {
            (_, None) => {}
            (OnReject::Stop, Some(first)) => {
                return Err(match first.place {
                    Some(Place::Line(number)) => format!("line {number}: {}", first.reason),
                    _ => first.reason.clone(),
                });
            }
            (OnReject::DeadLetter, Some(_)) => changes.push(Changes::new(What::Refused(bad), mark)),
        }
        Ok(())
    }

    /// Tells what a line is.
    fn kind(&self, line: &Line<'_>) -> Kind {
        let Some(field) = &self.deleted else { return Kind::Row };
        let name = self.id.as_deref().unwrap_or("id");
        let wanted: Vec<&str> = [field, name].into_iter().chain(self.options.meta.iter().map(|m| &**m)).collect();
        // What is no object is refused as a row.
        let Some(row) = read::some_fields(line.bytes, &wanted) else { return Kind::Row };
        let id = match row.get(name) {
            Some(serde_json::Value::String(id)) => Some(id.clone()),
            Some(serde_json::Value::Number(id)) if !id.is_f64() => Some(id.to_string()),
            _ => None,
        };
        let bad = |id, what: &str| Kind::Bad(Box::new(line.refused(id, what)));
        match (row.get(field), id) {
            (None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)), _) => Kind::Row,
            (Some(serde_json::Value::Bool(true)), Some(id)) => match self.cells(&row) {
                Ok(cells) => Kind::Gone(id, cells),
                Err(what) => bad(Some(id), &what),
            },
            (Some(serde_json::Value::Bool(true)), None) => {
                bad(None, &format!("there is no `{name}`, or it is no text and no integer"))
            }
            (Some(_), id) => bad(id, &format!("`{field}` is neither true nor false")),
        }
    }

    /// Returns what a line says in the columns of metadata.
    fn cells(&self, row: &serde_json::Map<String, serde_json::Value>) -> Result<Vec<Cell>, String> {
        use serde_json::Value::{Bool, Null, Number, String};
        let cell = |name: &std::string::String| match row.get(name) {
            None | Some(Null) => Ok(None),
            Some(String(text)) => Ok(Some(text.as_str().into())),
            Some(other @ (Bool(_) | Number(_))) => Ok(Some(other.to_string().into())),
            Some(_) => Err(format!("`{name}` is no text, number, true or false")),
        };
        self.options.meta.iter().map(cell).collect()
    }

    fn rows(&mut self, lines: &[Line<'_>], changes: &mut Vec<Changes>) -> Result<(), String> {
        let (batches, refused) = self.parse(lines)?;
        let mut is_good = vec![true; lines.len()];
        let bad = refused.into_iter().map(|row| {
            let at = match row.place {
                Some(Place::Line(number)) => usize::try_from(number).unwrap_or(1).clamp(1, lines.len()) - 1,
                _ => 0,
            };
            is_good[at] = false;
            lines[at].refused(row.id, &row.reason)
        });
        let bad: Vec<RefusedRow> = bad.collect();
        let end = lines[lines.len() - 1].mark();
        let is_end_bad = !is_good[lines.len() - 1];
        // Before the rows: when a place is durable, so is what was refused before it.
        self.refuse(bad, None, changes)?;
        let mut good = lines.iter().zip(is_good).filter(|(_, good)| *good).map(|(line, _)| line);
        for (element, dims, batch) in batches {
            let runs: Vec<Range<usize>> = without_repeats(batch.keys.iter());
            for run in runs {
                let last = good.nth(run.len() - 1).ok_or("more rows came than lines")?;
                let what = What::Rows(element, dims, batch.slice(run));
                changes.push(Changes::new(what, Some(last.mark())));
            }
        }
        if is_end_bad {
            changes.push(Changes::new(What::Nothing, Some(end)));
        }
        Ok(())
    }

    /// Parses lines as one text. The first row that can be read sets the width, as for standard input.
    fn parse(&mut self, lines: &[Line<'_>]) -> Result<Parsed, String> {
        let say = |error: read::ReadError| match (lines[0].at, lines[lines.len() - 1].at) {
            (At::Message { sequence: first, .. }, At::Message { sequence: last, .. }) => {
                format!("messages {first} to {last}: {}", error.message)
            }
            (At::Number(first), At::Number(last)) => format!("lines {first} to {last}: {}", error.message),
            _ => error.message,
        };
        let text = lines.iter().map(|l| l.bytes).collect::<Vec<_>>().join(&b'\n');
        let refused: Arc<Mutex<Vec<RefusedRow>>> = Arc::default();
        let into = refused.clone();
        let refuser: Refuser = Box::new(move |row| into.lock().expect("no thread panics with it").push(row));
        let mut reader = read::read_stream(Cursor::new(text), &self.options, Some(refuser)).map_err(say)?;
        let (element, mut batches) = (reader.element(), Vec::new());
        while let Some(batch) = reader.next().map_err(say)? {
            batches.push((element, reader.dims(), batch));
        }
        if self.on_reject == OnReject::DeadLetter {
            self.options.dims = self.options.dims.or(batches.first().map(|(_, dims, _)| *dims));
        }
        let refused = std::mem::take(&mut *refused.lock().expect("no thread panics with it"));
        Ok((batches, refused))
    }

    fn removed(&self, lines: &[Line<'_>], gone: &[(String, Vec<Cell>)], changes: &mut Vec<Changes>) {
        for run in without_repeats(gone.iter().map(|(id, _)| id.as_str())) {
            let mark = lines[run.end - 1].mark();
            let mut notes = Notes::new(self.options.meta.clone());
            gone[run.clone()].iter().for_each(|(_, cells)| notes.push(cells.iter().cloned()));
            let keys = Keys::from_texts(gone[run].iter().map(|(id, _)| id.as_str()));
            changes.push(Changes::new(What::Gone(keys, notes), Some(mark)));
        }
    }
}
