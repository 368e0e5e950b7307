//! Whole tables, sent while they are read.

use std::io::{self, Write};
use std::sync::Arc;

use super::super::http::{Head, Payload, Response};
use super::{Heavy, Parameters, Site};
use crate::answer::{Failure, IO, NOT_FOUND, commit};
use crate::delta::Table;
use crate::export::{TableFormat, TableWriter};
use crate::version::{Repository, read_table, table};

/// Answers `/v1/export`: the file that `vecdelta export` writes.
pub fn table_stream(site: &Site, head: &Head) -> Result<Response, Response> {
    let parameters = Parameters::of(head, &["at", "collection", "format"])?;
    let (format, extension, kind) = match parameters.text("format")?.unwrap_or("arrow") {
        "arrow" => (TableFormat::Arrow, "arrow", "application/vnd.apache.arrow.file"),
        "parquet" => (TableFormat::Parquet, "parquet", "application/vnd.apache.parquet"),
        other => {
            return Err(Response::refused(400, &format!("there is no format `{other}`"), "there is arrow, parquet"));
        }
    };
    let repo = site.held.now().map_err(Failure::from)?;
    let at = commit(&repo, parameters.text("at")?)?;
    let at = at.ok_or_else(|| Failure::new(NOT_FOUND, "the repository has no commit yet"))?;
    let table = Arc::new(table(&repo, at, parameters.text("collection")?).map_err(Failure::from)?);
    let writer = TableWriter::in_pieces(format, &table).map_err(Failure::from)?;
    let place = site.heavy()?;
    let id = repo.entry(at).id.to_hex();
    let name = format!("attachment; filename=\"{}-{}.{extension}\"", file_name(&table.collection), &id[..12]);
    let source = Box::new(move |out: &mut dyn Write| send(&repo, at, &table, writer, out, &place));
    Ok(Response::new(200, kind, Payload::Stream(source))
        .header("Content-Disposition", name)
        .header("Vecdelta-Commit", id))
}

fn send(
    repo: &Repository,
    at: usize,
    table: &Arc<Table>,
    mut writer: TableWriter,
    out: &mut dyn Write,
    _place: &Heavy,
) -> io::Result<()> {
    let mut sent = Ok(());
    let read = read_table::<Failure>(repo, at, table, &mut |keys, rows| {
        writer.write(keys, rows)?;
        sent = writer.pour(out);
        sent.as_ref().copied().map_err(|_| Failure::new(IO, "the client is gone"))
    });
    sent?;
    read.map_err(|failure| io::Error::other(failure.message))?;
    out.write_all(&writer.last_piece().map_err(io::Error::other)?)
}

/// Returns a collection's name as it can stand in a header.
fn file_name(collection: &str) -> String {
    collection.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}
