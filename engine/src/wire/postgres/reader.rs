//! Looking at a table again and again: the rows whose version is above the last one that was taken.
//!
//! A version is taken by a transaction before it ends, so one that ends later may have a lower one. Of the type `xid8`
//! (`pg_current_xact_id()`) only versions below every transaction that still runs are taken, which is exact. Others are
//! looked at again for as long as a transaction may last: a row that did not change since is the same again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use postgres::fallible_iterator::FallibleIterator;
use postgres::{Client, IsolationLevel};

use super::array::Bits;
use super::columns::{Target, quoted};
use super::{connect, failed};
use crate::delta::Element;
use crate::wire::{Result, WireError};

/// How many rows are asked for at once. The server goes on with them while those that have come are worked on.
const PAGE: i32 = 16_000;

/// How many rows are handed over at once.
const ROWS: usize = 2_000;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Polled {
    /// The table, or view.
    pub table: Target,
    /// The column that grows with every change.
    pub version: String,
    /// The boolean column that says that a row is gone.
    pub deleted: Option<String>,
    /// Columns that travel with the rows.
    pub meta: Vec<String>,
    /// How long a transaction may take between taking its version and its end.
    pub overlap: Duration,
}

/// A row as it is now.
#[derive(Clone, Debug)]
pub struct Row {
    /// The id.
    pub id: String,
    /// The bits of the vector; `None` when the row is gone.
    pub vector: Option<Vec<u8>>,
    /// The values of the columns that travel with it.
    pub meta: Vec<Option<String>>,
    /// The version up to which all rows have been taken with this one, where that is known.
    pub place: Option<String>,
}

/// How a vector is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Real,
    Double,
    /// `[1,2,3]`, as pgvector writes it.
    Text,
}

/// A table that is looked at.
pub struct TableReader {
    polled: Polled,
    client: Client,
    form: Form,
    sql: String,
    /// Whether the version is a transaction's number.
    exact: bool,
    newest: Option<String>,
    /// Up to where no row can come any more, and what is to become that.
    settled: Option<String>,
    settling: VecDeque<(Instant, String)>,
    swept: Instant,
}

/// Takes the rows of a page; returns whether to go on.
pub type Emit<'a> = &'a mut dyn FnMut(Vec<Row>) -> bool;

impl TableReader {
    /// Connects, and looks at the columns; `place` is the version up to which all was taken before.
    ///
    /// # Errors
    /// When the server is away, or the table cannot be followed.
    pub fn open(polled: &Polled, place: Option<String>) -> Result<Self> {
        let mut client = connect(&polled.table.url)?;
        let set = "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 1";
        client.batch_execute(set).map_err(failed(&polled.table.table))?;
        let (form, version_type) = look(&mut client, polled)?;
        let exact = version_type == "xid8";
        let sql = select(polled, form, &version_type);
        let (newest, settled) = (place.clone(), place);
        let (polled, settling, swept) = (polled.clone(), VecDeque::new(), Instant::now());
        Ok(Self { polled, client, form, sql, exact, newest, settled, settling, swept })
    }

    /// Returns the type of the vectors' components.
    pub fn element(&self) -> Element {
        if self.form == Form::Double { Element::F64 } else { Element::F32 }
    }

    /// Returns the version up to which all rows have been taken for good.
    pub fn place(&self) -> Option<&str> {
        if self.exact { self.newest.as_deref() } else { self.settled.as_deref() }
    }

    /// Looks once, at one moment of the table, and hands over what is new, by version.
    ///
    /// # Errors
    /// When the server is away, or a row holds no vector. Then the reader has to be opened again.
    pub fn poll(&mut self, emit: Emit<'_>) -> Result<()> {
        let began = Instant::now();
        // What came late is looked for twice in the time that it may take.
        let sweep = !self.exact && began.duration_since(self.swept) >= self.polled.overlap / 2;
        let from = if sweep { self.settled.clone() } else { self.newest.clone() };
        let table = self.polled.table.table.clone();
        let failed = failed(&table);
        let begin = self.client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = begin.start().map_err(&failed)?;
        let portal = transaction.bind(&self.sql, &[&from]).map_err(&failed)?;
        let (mut last, mut before): (Option<String>, Option<String>) = (None, from);
        let mut rows = Vec::new();
        loop {
            let mut page = transaction.query_portal_raw(&portal, PAGE).map_err(&failed)?;
            let mut count = 0;
            while let Some(row) = page.next().map_err(&failed)? {
                if rows.len() == ROWS && !emit(std::mem::take(&mut rows)) {
                    return Ok(());
                }
                let version: String = row.try_get(1).map_err(&failed)?;
                if last.as_ref().is_some_and(|last| *last != version) {
                    before.clone_from(&last);
                }
                last = Some(version);
                // Behind the last row of a version comes another one of it, perhaps.
                let place = if self.exact { before.clone() } else { self.settled.clone() };
                rows.push(read(&row, &self.polled, self.form, place)?);
                count += 1;
            }
            if count < PAGE {
                break;
            }
        }
        if self.exact
            && let Some(row) = rows.last_mut()
        {
            row.place.clone_from(&last);
        }
        if !rows.is_empty() && !emit(rows) {
            return Ok(());
        }
        transaction.commit().map_err(&failed)?;
        if sweep {
            self.settle(began);
        }
        if let Some(last) = last {
            if !self.exact {
                self.settling.push_back((began, last.clone()));
            }
            self.newest = Some(last);
        }
        Ok(())
    }

    /// Moves on to what was the newest version before the longest transaction: what ended late was seen by the look that
    /// began now.
    fn settle(&mut self, began: Instant) {
        self.swept = began;
        while let Some((at, version)) = self.settling.front()
            && *at + self.polled.overlap <= began
        {
            self.settled = Some(version.clone());
            self.settling.pop_front();
        }
    }
}

/// Writes the query; its parameter is the version behind which to begin.
fn select(polled: &Polled, form: Form, version_type: &str) -> String {
    let version = quoted(&polled.version);
    let vector = match form {
        Form::Text => format!("{}::text", quoted(&polled.table.vector)),
        _ => quoted(&polled.table.vector),
    };
    let deleted = polled.deleted.as_deref().map_or_else(|| "false".to_owned(), quoted);
    let meta: String = polled.meta.iter().map(|name| format!(", {}::text", quoted(name))).collect();
    let ended = if version_type == "xid8" {
        format!("{version} < pg_snapshot_xmin(pg_current_snapshot())")
    } else {
        "true".to_owned()
    };
    format!(
        "SELECT {}::text, {version}::text, {vector}, coalesce({deleted}, false){meta} FROM {} \
         WHERE ($1::text IS NULL OR {version} > ($1::text)::{version_type}) AND {ended} ORDER BY {version}, 1",
        quoted(&polled.table.id),
        polled.table.sql()
    )
}

fn read(row: &postgres::Row, polled: &Polled, form: Form, place: Option<String>) -> Result<Row> {
    let id: Option<String> = row.try_get(0).map_err(failed(&polled.table.table))?;
    let Some(id) = id else {
        return Err(WireError::Refused(format!("table {} has a row without an id", polled.table.table)));
    };
    let bad = |what: String| WireError::Refused(format!("table {}, row `{id}`: {what}", polled.table.table));
    let column = &polled.table.vector;
    let null = || bad(format!("{column} is NULL; a row that is gone says so in the column that `deleted` names"));
    let gone: bool = row.try_get(3).map_err(failed(&polled.table.table))?;
    let no_vector = |e: postgres::Error| bad(format!("{column} is no list of numbers: {e}"));
    let vector = match form {
        _ if gone => None,
        Form::Real | Form::Double => {
            let Bits(bits) = row.try_get::<_, Option<_>>(2).map_err(no_vector)?.ok_or_else(null)?;
            Some(bits)
        }
        Form::Text => {
            let text: String = row.try_get::<_, Option<_>>(2).map_err(no_vector)?.ok_or_else(null)?;
            Some(from_text(&text).ok_or_else(|| bad(format!("{column} is not `[1,2,3]`")))?)
        }
    };
    let meta = (0..polled.meta.len()).map(|i| row.try_get(4 + i)).collect::<std::result::Result<_, _>>();
    Ok(Row { vector, meta: meta.map_err(failed(&polled.table.table))?, place, id })
}

/// Reads `[1,2.5,-3]` as single precision.
fn from_text(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let numbers = inner.split(',').map(|number| number.trim().parse::<f32>().ok().filter(|x| x.is_finite()));
    let numbers: Vec<f32> = numbers.collect::<Option<_>>()?;
    Some(numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
}

/// Finds the form of the vectors and the type of the version.
fn look(client: &mut Client, polled: &Polled) -> Result<(Form, String)> {
    let (table, name) = (&polled.table.table, polled.table.sql());
    let sql = "SELECT attname::text, format_type(atttypid, NULL), attnotnull, relkind = 'v' FROM pg_attribute \
         JOIN pg_class ON pg_class.oid = attrelid \
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&name]).map_err(failed(table))?;
    if rows.is_empty() {
        return Err(WireError::Refused(format!("there is no table {table}")));
    }
    let column = |wanted: &str| {
        rows.iter().find(|row| row.get::<_, &str>(0) == wanted).ok_or_else(|| {
            let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
            WireError::Refused(format!("table {table} has no column {wanted}, but {}", names.join(", ")))
        })
    };
    column(&polled.table.id)?;
    polled.meta.iter().try_for_each(|name| column(name).map(drop))?;
    let form = match column(&polled.table.vector)?.get::<_, &str>(1) {
        "real[]" => Form::Real,
        "double precision[]" => Form::Double,
        "vector" | "text" => Form::Text,
        other => {
            let column = &polled.table.vector;
            return Err(WireError::Refused(format!(
                "column {column} of table {table} is {other}: a vector is real[], double precision[], pgvector's vector, or its text"
            )));
        }
    };
    if let Some(deleted) = &polled.deleted
        && column(deleted)?.get::<_, &str>(1) != "boolean"
    {
        return Err(WireError::Refused(format!("column {deleted} of table {table} is not boolean")));
    }
    let version = column(&polled.version)?;
    let kind: String = version.get(1);
    let known = ["xid8", "bigint", "integer", "timestamp with time zone", "timestamp without time zone"];
    if !known.contains(&kind.as_str()) {
        let column = &polled.version;
        return Err(WireError::Refused(format!(
            "column {column} of table {table} is {kind}: a version is xid8, bigint, integer or a timestamp"
        )));
    }
    if !version.get::<_, bool>(2) && !version.get::<_, bool>(3) {
        let column = &polled.version;
        return Err(WireError::Refused(format!(
            "column {column} of table {table} may be NULL, and such rows would never be seen: \
             ALTER TABLE {name} ALTER {} SET NOT NULL",
            quoted(column)
        )));
    }
    Ok((form, kind))
}

/// Looks whether a table can be followed without changing anything; returns the server's version.
///
/// # Errors
/// Says what is missing: the server, the table's columns, or a right.
pub fn check_readable(polled: &Polled) -> Result<String> {
    let mut client = connect(&polled.table.url)?;
    look(&mut client, polled)?;
    let sql = "SELECT current_setting('server_version'), has_table_privilege($1, 'SELECT')";
    let row = client.query_one(sql, &[&polled.table.sql()]).map_err(failed(&polled.table.table))?;
    if !row.get::<_, bool>(1) {
        return Err(WireError::Refused(format!("the user may not read table {}: GRANT SELECT", polled.table.table)));
    }
    Ok(row.get(0))
}
