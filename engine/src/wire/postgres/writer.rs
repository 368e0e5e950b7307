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
const ATTEMPTS: u32 = 20;

/// Writes rows into a table, and how far they lead into `vecdelta.sink`.
pub struct TableWriter {
    target: Target,
    /// Which line of `vecdelta.sink` is ours.
    name: String,
    client: Client,
    columns: Columns,
    cursor: Option<String>,
}

/// The newest row of each id, or that it is gone.
type Rows<'a> = BTreeMap<&'a str, Option<&'a [u8]>>;

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
        let mut writer = Self { target: target.clone(), name: name.to_owned(), client, columns, cursor: None };
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

    /// Writes the newest rows of some ids, removes those that are gone, and keeps the cursor; all or nothing.
    ///
    /// A connection that is lost is made again. Whether the transaction was committed before is seen by the cursor.
    ///
    /// # Errors
    /// When the server is away for too long, refuses a row, or somebody else writes under the same name.
    pub fn write(&mut self, element: Element, rows: &Rows<'_>, cursor: &str) -> Result<()> {
        if !self.columns.kind.keeps(element) {
            return Err(WireError::Refused(format!(
                "column {} of table {} would round {} values: make it double precision[]",
                self.target.vector,
                self.target.table,
                element.name()
            )));
        }
        let mut said = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(Duration::from_millis((50 << attempt.min(6)).min(2_000)));
                match self.again(cursor) {
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(WireError::Away(message)) => {
                        said = message;
                        continue;
                    }
                    Err(refused) => return Err(refused),
                }
            }
            match self.attempt(element, rows, cursor) {
                Ok(()) => {
                    self.cursor = Some(cursor.to_owned());
                    return Ok(());
                }
                Err(WireError::Away(message)) => said = message,
                Err(refused) => return Err(refused),
            }
        }
        Err(WireError::Away(said))
    }

    /// Connects again; returns whether the transaction that broke off was committed.
    fn again(&mut self, cursor: &str) -> Result<bool> {
        let before = self.cursor.clone();
        let fresh = Self::open(&self.target, &self.name)?;
        let done = fresh.cursor.as_deref() == Some(cursor);
        *self = fresh;
        if !done && self.cursor != before {
            return Err(self.other_writer());
        }
        Ok(done)
    }

    fn other_writer(&self) -> WireError {
        WireError::Refused(format!("somebody else writes table {} under the name {}", self.target.table, self.name))
    }

    fn attempt(&mut self, element: Element, rows: &Rows<'_>, cursor: &str) -> Result<()> {
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
            copy(&mut transaction, self.columns.kind, element, rows).map_err(&failed)?;
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
fn copy(
    transaction: &mut Transaction<'_>,
    kind: Kind,
    element: Element,
    rows: &Rows<'_>,
) -> std::result::Result<(), postgres::Error> {
    let handed = match kind {
        Kind::Real => Type::FLOAT4_ARRAY,
        Kind::Double => Type::FLOAT8_ARRAY,
        Kind::Vector => Type::TEXT,
    };
    let into = transaction.copy_in("COPY vecdelta_rows FROM STDIN BINARY")?;
    let mut into = BinaryCopyInWriter::new(into, &[Type::TEXT, handed]);
    for (key, row) in rows.iter().filter_map(|(key, row)| Some((key, (*row)?))) {
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
