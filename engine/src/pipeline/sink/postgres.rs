//! PostgreSQL: a table of one row an id, kept in step; rows and the place in the history are one transaction.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Delivered, Resume, Sink, SinkError};
use crate::delta::Element;
use crate::pipeline::config::SqlTable;
use crate::route::Cursor;
use crate::wire::postgres::{Rows, TableWriter, Target};

/// What is gathered for one transaction at most, in bytes of vectors.
const GATHERED_BYTES: usize = 16 << 20;

/// A table that is kept in step.
pub struct Postgres {
    target: Target,
    name: String,
    writer: Option<TableWriter>,
    /// The newest row of each id that waits for the next transaction.
    rows: BTreeMap<String, Option<(Element, Vec<u8>)>>,
    bytes: usize,
    /// The server was away: nothing is gathered before it is back.
    away: bool,
}

impl Postgres {
    /// Makes the sink of a table.
    pub fn new(to: &SqlTable) -> Self {
        let target = target(to);
        let name = format!("{} of {}", to.writer, target.table);
        Self { target, name, writer: None, rows: BTreeMap::new(), bytes: 0, away: false }
    }

    fn writer(&mut self) -> Result<&mut TableWriter, SinkError> {
        self.writer.as_mut().ok_or_else(|| SinkError::fatal("it was not opened"))
    }
}

/// Returns a table as the wire names it.
pub fn target(to: &SqlTable) -> Target {
    let SqlTable { url, table, id, vector, .. } = to.clone();
    Target { url, table, id, vector }
}

impl Sink for Postgres {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        let writer = TableWriter::open(&self.target, &self.name).map_err(SinkError::from)?;
        let cursor = writer.cursor().map(|text| {
            let unreadable = || SinkError::fatal(format!("vecdelta.sink holds no cursor of ours for {}", self.name));
            Cursor::from_text(text).ok_or_else(unreadable)
        });
        let cursor = cursor.transpose()?;
        self.writer = Some(writer);
        Ok(Resume::Kept(cursor))
    }

    fn restart(&mut self) -> Result<(), SinkError> {
        let (table, name) = (&self.target.table, &self.name);
        Err(SinkError::fatal(format!(
            "the table {table} was written from another history: empty it, and \
             DELETE FROM vecdelta.sink WHERE name = '{name}'; then it is written anew"
        )))
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        if self.away {
            self.writer()?.reach().map_err(SinkError::from)?;
            self.away = false;
        }
        let mut refused = Vec::new();
        let mut why = String::new();
        for (number, delta) in deltas.iter().enumerate() {
            let element = delta.table().element;
            let row = delta.new_bits();
            if let Some(Err(message)) = row.map(|row| self.writer().map(|w| w.takes(element, row))).transpose()? {
                refused.push(number);
                why = message;
                continue;
            }
            self.bytes += row.map_or(0, <[u8]>::len);
            self.rows.insert(delta.key().to_owned(), row.map(|row| (element, row.to_vec())));
        }
        if refused.is_empty() { Ok(()) } else { Err(SinkError::refused(refused, why)) }
    }

    fn is_full(&self) -> bool {
        self.bytes >= GATHERED_BYTES
    }

    fn flush(&mut self, cursor: &Cursor) -> Result<bool, SinkError> {
        let text = cursor.to_text();
        let rows: Rows<'_> =
            self.rows.iter().map(|(k, r)| (k.as_str(), r.as_ref().map(|(e, r)| (*e, &r[..])))).collect();
        let writer = self.writer.as_mut().ok_or_else(|| SinkError::fatal("it was not opened"))?;
        if rows.is_empty() && writer.cursor() == Some(&text) {
            return Ok(true);
        }
        let written = writer.write(&rows, &text).map_err(SinkError::from);
        self.away = written.is_err();
        written?;
        self.rows.clear();
        self.bytes = 0;
        Ok(true)
    }

    fn close(&mut self, cursor: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        self.flush(cursor)?;
        Ok(Vec::new())
    }
}
