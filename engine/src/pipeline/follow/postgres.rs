//! Following a table of PostgreSQL: its rows by version, as they are now.
//!
//! The place is the version up to which all rows were taken. Rows behind it are looked at again after a stop: those that
//! did not change since are the same, and make no delta.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Changes, Following, Next, Take, Trouble, What, without_repeats};
use crate::delta::{Element, Keys, Notes, RowBatch};
use crate::pipeline::config::{Followed, Source, SourceServer};
use crate::wire::postgres::{Polled, Row, TableReader, Target};

/// A table that is followed.
pub struct Postgres {
    reader: TableReader,
    element: Element,
    meta: Arc<[String]>,
    poll: Duration,
    due: Instant,
    to_end: bool,
    looked: bool,
    /// The place that was told last.
    told: Option<String>,
    dims: Option<u32>,
    table: String,
}

impl Postgres {
    /// Begins behind a place.
    pub fn open(source: &Source, server: &SourceServer, place: Option<&str>) -> Result<Self, Trouble> {
        let Followed::Postgres { poll, .. } = &server.place else {
            return Err(Trouble::Refused("it is no table".to_owned()));
        };
        let polled = polled(source, server).ok_or_else(|| Trouble::Refused("it is no table".to_owned()))?;
        let told = place.map(str::to_owned);
        let reader = TableReader::open(&polled, told.clone())?;
        Ok(Self {
            element: reader.element(),
            reader,
            meta: source.meta.clone().into(),
            poll: *poll,
            due: Instant::now(),
            to_end: !server.follow,
            looked: false,
            told,
            dims: source.dims,
            table: polled.table.table,
        })
    }
}

/// What every row has to be like.
struct Shape {
    element: Element,
    meta: Arc<[String]>,
    dims: Option<u32>,
    table: String,
}

impl Shape {
    /// Turns rows into changes, in order.
    fn changes(&self, rows: Vec<Row>) -> Result<Vec<Changes>, Trouble> {
        let mut rows: VecDeque<Row> = rows.into();
        let mut changes = Vec::new();
        while let Some(first) = rows.front() {
            let bytes = first.vector.as_ref().map(Vec::len);
            let same = rows.iter().take_while(|row| row.vector.as_ref().map(Vec::len) == bytes).count();
            let run =
                without_repeats(rows.iter().take(same).map(|row| row.id.as_str())).first().map_or(same, |r| r.end);
            let taken: Vec<Row> = rows.drain(..run).collect();
            let mark = taken.last().and_then(|row| row.place.clone());
            let keys = Keys::from_texts(taken.iter().map(|row| row.id.as_str()));
            let mut notes = Notes::new(self.meta.clone());
            let Some(bytes) = bytes else {
                taken.into_iter().for_each(|row| notes.push(row.meta.into_iter().map(|value| value.map(Arc::from))));
                changes.push(Changes::new(What::Gone(keys, notes), mark));
                continue;
            };
            let dims = (bytes / self.element.size()) as u32;
            if dims == 0 || self.dims.is_some_and(|want| want != dims) {
                let want = self.dims.map_or_else(|| "at least 1".to_owned(), |want| want.to_string());
                let (table, id) = (&self.table, &taken[0].id);
                return Err(Trouble::Refused(format!(
                    "table {table}, row `{id}`: the vector is {dims} wide, expected {want}"
                )));
            }
            let mut bits = Vec::with_capacity(bytes * taken.len());
            for row in taken {
                notes.push(row.meta.into_iter().map(|value| value.map(Arc::from)));
                bits.extend(row.vector.unwrap_or_default());
            }
            let batch = RowBatch { keys, rows: bits.into(), first_row: 0, notes };
            changes.push(Changes::new(What::Rows(self.element, dims, batch), mark));
        }
        Ok(changes)
    }
}

/// Returns what the wire is to look at.
pub fn polled(source: &Source, server: &SourceServer) -> Option<Polled> {
    let Followed::Postgres { table, version, deleted, overlap, .. } = &server.place else { return None };
    let (url, name, id, vector) = (table.url.clone(), table.table.clone(), table.id.clone(), table.vector.clone());
    Some(Polled {
        table: Target { url, table: name, id, vector },
        version: version.clone(),
        deleted: deleted.clone(),
        meta: source.meta.clone(),
        overlap: *overlap,
    })
}

impl Following for Postgres {
    fn next(&mut self, longest: Duration, take: &mut Take<'_>) -> Result<Next, Trouble> {
        if self.looked && self.to_end {
            return Ok(Next::End);
        }
        let now = Instant::now();
        if now < self.due {
            std::thread::sleep(longest.min(self.due - now));
            return Ok(Next::More);
        }
        self.due = now + self.poll;
        let (mut gone, mut trouble, mut told) = (false, None, None);
        let shape =
            Shape { element: self.element, meta: self.meta.clone(), dims: self.dims, table: self.table.clone() };
        self.reader.poll(&mut |rows| match shape.changes(rows) {
            Ok(changes) => {
                for change in changes {
                    told = change.mark.clone().or(told.take());
                    if !take(change) {
                        gone = true;
                        return false;
                    }
                }
                true
            }
            Err(error) => {
                trouble = Some(error);
                false
            }
        })?;
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        if gone {
            return Ok(Next::End);
        }
        self.looked = true;
        self.told = told.or(self.told.take());
        let place = self.reader.place().map(str::to_owned);
        if place.is_some() && place != self.told {
            self.told.clone_from(&place);
            take(Changes::new(What::Nothing, place));
        }
        Ok(Next::More)
    }
}
