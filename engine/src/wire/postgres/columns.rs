//! What a table has to look like.

use postgres::Client;

use super::{connect, failed};
use crate::delta::Element;
use crate::wire::{Result, WireError};

/// A table, and its columns for id and vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `postgres://USER@HOST:PORT/DATABASE`.
    pub url: String,
    /// `TABLE` or `SCHEMA.TABLE`.
    pub table: String,
    /// The column of the id.
    pub id: String,
    /// The column of the vector.
    pub vector: String,
}

impl Target {
    /// Returns the table's name as SQL.
    pub(super) fn sql(&self) -> String {
        self.table.split('.').map(quoted).collect::<Vec<_>>().join(".")
    }
}

/// Quotes a name.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// How a column holds a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `real[]`.
    Real,
    /// `double precision[]`.
    Double,
    /// pgvector's `vector`: single precision, no NaN and no infinity.
    Vector,
}

impl Kind {
    /// Returns whether every value of an element comes back as it was.
    pub fn keeps(self, element: Element) -> bool {
        self == Kind::Double || element != Element::F64
    }

    /// Returns the type by which vectors are handed over, and that of the column.
    pub fn types(self) -> (&'static str, &'static str) {
        match self {
            Kind::Real => ("real[]", "real[]"),
            Kind::Double => ("double precision[]", "double precision[]"),
            Kind::Vector => ("text", "vector"),
        }
    }
}

/// The columns as they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub kind: Kind,
    /// The SQL type of the id.
    pub id_type: String,
}

/// Finds the columns of a table; `None` without such a table.
pub(super) fn find(client: &mut Client, target: &Target) -> Result<Option<Columns>> {
    let name = target.sql();
    let failed = failed(&target.table);
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).map_err(&failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = "SELECT attname::text, format_type(atttypid, NULL), EXISTS (SELECT FROM pg_index i WHERE i.indrelid = attrelid \
         AND i.indisunique AND i.indpred IS NULL AND i.indnatts = 1 AND i.indkey[0] = attnum) FROM pg_attribute \
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&name]).map_err(&failed)?;
    let column = |wanted: &str| {
        let found = rows.iter().find(|row| row.get::<_, &str>(0) == wanted);
        found.ok_or_else(|| {
            let names: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
            WireError::Refused(format!("table {} has no column {wanted}, but {}", target.table, names.join(", ")))
        })
    };
    let (id, vector) = (column(&target.id)?, column(&target.vector)?);
    if !id.get::<_, bool>(2) {
        return Err(WireError::Refused(format!(
            "column {} of table {} is not unique: make it so with CREATE UNIQUE INDEX ON {name} ({})",
            target.id,
            target.table,
            quoted(&target.id)
        )));
    }
    let kind = match vector.get::<_, &str>(1) {
        "real[]" => Kind::Real,
        "double precision[]" => Kind::Double,
        "vector" => Kind::Vector,
        other => {
            return Err(WireError::Refused(format!(
                "column {} of table {} is {other}: a vector is real[], double precision[] or pgvector's vector",
                target.vector, target.table
            )));
        }
    };
    Ok(Some(Columns { kind, id_type: id.get(1) }))
}

/// Looks whether a table can be written without changing anything; returns the server's version.
///
/// # Errors
/// Says what is missing: the server, the table's columns, or a right.
pub fn check(target: &Target) -> Result<String> {
    let mut client = connect(&target.url)?;
    let failed = failed(&target.table);
    let found = find(&mut client, target)?;
    let rights = "SELECT current_setting('server_version'), has_database_privilege(current_database(), 'TEMP'), \
         has_database_privilege(current_database(), 'CREATE') OR to_regclass('vecdelta.sink') IS NOT NULL";
    let row = client.query_one(rights, &[]).map_err(&failed)?;
    for (column, right) in [(1, "TEMP"), (2, "CREATE")] {
        if !row.get::<_, bool>(column) {
            return Err(WireError::Refused(format!("the user lacks the right {right} on the database")));
        }
    }
    if found.is_some() {
        let sql =
            "SELECT bool_and(has_table_privilege($1, r)) FROM unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE']) r";
        let may = client.query_one(sql, &[&target.sql()]).map_err(&failed)?;
        if !may.get::<_, bool>(0) {
            return Err(WireError::Refused(format!(
                "the user may not write table {}: GRANT SELECT, INSERT, UPDATE, DELETE",
                target.table
            )));
        }
    }
    Ok(row.get(0))
}
