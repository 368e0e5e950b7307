//! JSON lines as a sink: one object for each delta of the history, or for each row of the table.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use vecdelta_kernels::RowChange;

use super::PipelineError;
use super::config::{Sink, SinkContent, SinkField};
use super::sinks::{cannot, row_of};
use crate::delta::{Change, Keys, Table, hex, row_hash};
use crate::route::Router;
use crate::version::{CommitIndex, Difference, Repository, deltas, read_table, way};

/// What the lines of a sink come from.
pub struct Lines<'a> {
    /// The sink.
    pub sink: &'a Sink,
    /// The history.
    pub repo: &'a Repository,
    /// The head of the branch.
    pub head: CommitIndex,
    /// The router of the pipeline.
    pub router: &'a Router,
    /// The numbers of the routes that lead to the sink.
    pub routes: &'a [usize],
}

impl Lines<'_> {
    /// Writes a file of lines, beside its place first.
    ///
    /// # Errors
    /// When the history is damaged or the file cannot be written.
    pub fn write(&self, tables: &[Arc<Table>], path: &Path) -> Result<(), PipelineError> {
        let temporary = path.with_extension(format!("tmp-{}", std::process::id()));
        let fail = |error: io::Error| cannot(self.sink, path, error);
        let mut out = BufWriter::new(fs::File::create(&temporary).map_err(fail)?);
        for table in tables {
            let mut put = |line: Value| writeln!(out, "{line}").map_err(fail);
            match self.sink.what {
                SinkContent::Deltas => self.deltas(table, &mut put)?,
                SinkContent::Table => self.rows(table, &mut put)?,
            }
        }
        let file = out.into_inner().map_err(|e| fail(e.into_error()))?;
        file.sync_all().map_err(fail)?;
        fs::rename(&temporary, path).map_err(fail)
    }

    fn deltas(
        &self,
        table: &Table,
        put: &mut dyn FnMut(Value) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        let way = way(self.repo, None, self.head)?;
        deltas(self.repo, &way, Some((&table.collection, None)), &mut |commit, part| {
            for d in &part.sources {
                let decision = self.router.route(&table.collection, &d.key, &row_of(d, table));
                let route = decision.and_then(|x| x.routes.into_iter().find(|r| self.routes.contains(r)));
                if let Some(route) = route {
                    put(self.delta_line(commit, table, d, &self.router.routes()[route].name))?;
                }
            }
            Ok(())
        })
    }

    fn rows(
        &self,
        table: &Arc<Table>,
        put: &mut dyn FnMut(Value) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        read_table(self.repo, self.head, table, &mut |keys: &Keys, rows: Bytes| {
            let rows = rows.chunks_exact(table.row_bytes());
            keys.iter().zip(rows).try_for_each(|(key, row)| {
                put(self.line(|field| self.row_value(field, self.head, table, key, Some(row))))
            })
        })
    }

    fn delta_line(&self, commit: CommitIndex, table: &Table, d: &Difference, route: &str) -> Value {
        let hash = |row: &[u8]| (!row.is_empty()).then(|| row_hash(&d.key, table.element, row).to_hex());
        let row = (d.change != Change::Delete).then_some(d.new.as_slice());
        self.line(|field| match field {
            SinkField::Change => json!(d.change.name()),
            SinkField::ChangedDims => json!(d.changed_dims),
            SinkField::L2 => json!(d.l2),
            SinkField::Cosine => json!(d.measures.as_ref().and_then(RowChange::cosine)),
            SinkField::MaxAbs => json!(d.measures.as_ref().map(|m| m.max_abs)),
            SinkField::Route => json!(route),
            SinkField::Base => json!(hash(&d.old)),
            SinkField::Result => json!(hash(&d.new)),
            other => self.row_value(other, commit, table, &d.key, row),
        })
    }

    /// Returns a field that a row of a table has as well.
    fn row_value(&self, field: SinkField, commit: CommitIndex, table: &Table, key: &str, row: Option<&[u8]>) -> Value {
        let entry = self.repo.entry(commit);
        let numbers = |row: &[u8]| -> Vec<Value> {
            row.chunks_exact(table.element.size()).map(|bits| json!(table.element.to_f64(bits))).collect()
        };
        match field {
            SinkField::Source => json!(format!("{}/{key}", table.collection)),
            SinkField::Collection => json!(table.collection),
            SinkField::Id => json!(key),
            SinkField::Commit => json!(entry.id.to_hex()),
            SinkField::Time => json!(entry.time.rfc3339()),
            SinkField::Vector => json!(row.map(numbers)),
            SinkField::Bits => json!(row.map(hex)),
            // The configuration refuses a field of a change for rows of a table.
            _ => Value::Null,
        }
    }

    /// Writes the fields of the sink; `vector` brings `bits` along, on which exactness is checked.
    fn line(&self, value: impl Fn(SinkField) -> Value) -> Value {
        let fields = &self.sink.fields;
        let bits = fields.contains(&SinkField::Vector) && !fields.contains(&SinkField::Bits);
        let fields = fields.iter().copied().chain(bits.then_some(SinkField::Bits));
        Value::Object(fields.map(|field| (field.name().to_owned(), value(field))).collect::<Map<_, _>>())
    }
}
