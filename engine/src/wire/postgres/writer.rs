//! Keeping a table in step: changed rows and the place that they lead to, in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use postgres::binary_copy::BinaryCopyInWriter;
use postgres::types::{ToSql, Type};
use postgres::{Client, Transaction};

use super::columns::{Columns, Kind, Target, find, quoted};
use super::{connect, failed};
use crate::delta::Element;
use crate::wire::{Result, WireError};

/// How often a transaction is tried while the server is away; the waits grow to two seconds.
const ATTEMPTS: u32 = 8;

/// Writes rows into a table, and how far they lead into `vecdelta.sink`.
pub struct TableWriter {
    target: Target,
    /// Which line of `vecdelta.sink` is ours.
    name: String,
    client: Client,
    columns: Columns,
    cursor: Option<String>,
    /// The cursor of a transaction of which it is not known whether it was committed.
    tried: Option<String>,
}

/// The newest row of each id and the type of its components, or that it is gone.
pub type Rows<'a> = BTreeMap<&'a str, Option<(Element, &'a [u8])>>;

impl TableWriter {
    /// Connects; makes the table with an id of `text` and a vector of `real[]` where there is none.
    ///
    /// # Errors
    /// When the server is away, or the table is not one that can be written.
    pub fn open(target: &Target, name: &str) -> Result<Self> {
        let mut client = connect(&target.url)?;
        let failed = failed(&target.table);
        let kept = "BEGIN; SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(1986356324, 0); \
             CREATE SCHEMA IF NOT EXISTS vecdelta; CREATE TABLE IF NOT EXISTS vecdelta.sink \
             (name text PRIMARY KEY, place text NOT NULL, cursor text NOT NULL); COMMIT";
        client.batch_execute(kept).map_err(&failed)?;
        let columns = match find(&mut client, target)? {
            Some(columns) => columns,
            None => {
                let (id, vector) = (quoted(&target.id), quoted(&target.vector));
                let sql = format!("CREATE TABLE {} ({id} text PRIMARY KEY, {vector} real[] NOT NULL)", target.sql());
                client.batch_execute(&sql).map_err(&failed)?;
                Columns { kind: Kind::Real, id_type: "text".to_owned() }
            }
        };
        let mut writer =
            Self { target: target.clone(), name: name.to_owned(), client, columns, cursor: None, tried: None };
        writer.prepare()?;
        let found = writer.client.query("SELECT cursor FROM vecdelta.sink WHERE name = $1", &[&writer.name]);
        writer.cursor = found.map_err(failed)?.first().map(|row| row.get(0));
        Ok(writer)
    }

    /// Returns how far the table is, as it was last said.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Makes the table through which rows go; it is this session's own.
    fn prepare(&mut self) -> Result<()> {
        let (handed, _) = self.columns.kind.types();
        let sql = format!("CREATE TEMP TABLE vecdelta_rows (id text, vector {handed}) ON COMMIT DELETE ROWS");
        self.client.batch_execute(&sql).map_err(failed(&self.target.table))
    }

    /// Says why a row cannot be in the table, if it cannot.
    ///
    /// # Errors
    /// When the column would round it, or takes no such value.
    pub fn takes(&self, element: Element, row: &[u8]) -> std::result::Result<(), String> {
        let column = || format!("column {} of table {}", self.target.vector, self.target.table);
        if !self.columns.kind.keeps(element) {
            let name = element.name();
            return Err(format!("{} would round {name} values: make it double precision[]", column()));
        }
        let odd = self.columns.kind == Kind::Vector && values(element, row).any(|x| !(x as f32).is_finite());
        if odd { Err(format!("{} is a vector, which holds no NaN and no infinity", column())) } else { Ok(()) }
    }

    /// Writes the newest rows of some ids, removes those that are gone, and keeps the cursor; all or nothing.
    ///
    /// A connection that is lost is made again. Whether the transaction was committed before is seen by the cursor.
    /// After [`WireError::Away`] the same rows, with more if there are, are written by the next call.
    ///
    /// # Errors
    /// When the server is away for some seconds, refuses a row, or somebody else writes under the same name.
    pub fn write(&mut self, rows: &Rows<'_>, cursor: &str) -> Result<()> {
        for (element, row) in rows.values().flatten() {
            self.takes(*element, row).map_err(WireError::Refused)?;
        }
        let mut said = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis((50 << attempt.min(6)).min(2_000)));
            }
            let done = match self.tried.is_some() {
                true => self.reach().map(|()| self.cursor.as_deref() == Some(cursor)),
                false => Ok(false),
            };
            let written = done.and_then(|done| if done { Ok(()) } else { self.attempt(rows, cursor) });
            match written {
                Ok(()) => {
                    (self.cursor, self.tried) = (Some(cursor.to_owned()), None);
                    return Ok(());
                }
                Err(WireError::Away(message)) => said = message,
                Err(refused) => return Err(refused),
            }
            self.tried.get_or_insert_with(|| cursor.to_owned());
        }
        Err(WireError::Away(said))
    }

    /// Connects again, and sees whether the transaction that broke off was committed.
    ///
    /// # Errors
    /// When the server is away, or somebody else has written under the same name.
    pub fn reach(&mut self) -> Result<()> {
        let (before, tried) = (self.cursor.clone(), self.tried.clone());
        let fresh = Self::open(&self.target, &self.name)?;
        *self = fresh;
        if self.cursor != before && (tried.is_none() || self.cursor != tried) {
            return Err(self.other_writer());
        }
        Ok(())
    }

    fn other_writer(&self) -> WireError {
        WireError::Refused(format!("somebody else writes table {} under the name {}", self.target.table, self.name))
    }

    fn attempt(&mut self, rows: &Rows<'_>, cursor: &str) -> Result<()> {
        let other = self.other_writer();
        let failed = failed(&self.target.table);
        let mut transaction = self.client.transaction().map_err(&failed)?;
        let kept = transaction
            .query_opt("SELECT cursor FROM vecdelta.sink WHERE name = $1 FOR UPDATE", &[&self.name])
            .map_err(&failed)?;
        if kept.map(|row| row.get::<_, String>(0)) != self.cursor {
            return Err(other);
        }
        let (table, id, vector) = (self.target.sql(), quoted(&self.target.id), quoted(&self.target.vector));
        let (id_type, (_, vector_type)) = (&self.columns.id_type, self.columns.kind.types());
        if rows.values().any(Option::is_some) {
            copy(&mut transaction, self.columns.kind, rows).map_err(&failed)?;
            let sql = format!(
                "INSERT INTO {table} AS t ({id}, {vector}) SELECT id::{id_type}, vector::{vector_type} FROM vecdelta_rows \
                 ON CONFLICT ({id}) DO UPDATE SET {vector} = EXCLUDED.{vector}"
            );
            transaction.execute(&sql, &[]).map_err(&failed)?;
        }
        let gone: Vec<&str> = rows.iter().filter(|(_, row)| row.is_none()).map(|(key, _)| *key).collect();
        if !gone.is_empty() {
            let sql = format!("DELETE FROM {table} WHERE {id} = ANY(($1::text[])::{id_type}[])");
            transaction.execute(&sql, &[&gone]).map_err(&failed)?;
        }
        let sql = "INSERT INTO vecdelta.sink VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET cursor = EXCLUDED.cursor, place = EXCLUDED.place";
        transaction.execute(sql, &[&self.name, &self.target.table, &cursor]).map_err(&failed)?;
        transaction.commit().map_err(&failed)
    }
}

/// Hands rows over in the server's binary form.
fn copy(transaction: &mut Transaction<'_>, kind: Kind, rows: &Rows<'_>) -> std::result::Result<(), postgres::Error> {
    let handed = match kind {
        Kind::Real => Type::FLOAT4_ARRAY,
        Kind::Double => Type::FLOAT8_ARRAY,
        Kind::Vector => Type::TEXT,
    };
    let into = transaction.copy_in("COPY vecdelta_rows FROM STDIN BINARY")?;
    let mut into = BinaryCopyInWriter::new(into, &[Type::TEXT, handed]);
    for (key, (element, row)) in rows.iter().filter_map(|(key, row)| Some((key, (*row)?))) {
        let value: Box<dyn ToSql + Sync> = match (kind, element) {
            // The bits themselves, NaN payloads included.
            (Kind::Real, Element::F32) => {
                Box::new(row.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<f32>>())
            }
            (Kind::Double, Element::F64) => {
                Box::new(row.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect::<Vec<f64>>())
            }
            (Kind::Real, _) => Box::new(values(element, row).map(|x| x as f32).collect::<Vec<f32>>()),
            (Kind::Double, _) => Box::new(values(element, row).collect::<Vec<f64>>()),
            (Kind::Vector, _) => {
                let numbers: Vec<String> = values(element, row).map(|x| (x as f32).to_string()).collect();
                Box::new(format!("[{}]", numbers.join(",")))
            }
        };
        into.write(&[key, value.as_ref()])?;
    }
    into.finish().map(drop)
}

fn values(element: Element, row: &[u8]) -> impl Iterator<Item = f64> {
    row.chunks_exact(element.size()).map(move |bits| element.to_f64(bits))
}
