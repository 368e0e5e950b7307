//! Parquet files: the two columns that matter, decoded a batch at a time.

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::batches::{BATCH_ROWS_MAX, Batches, batch_rows};
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::{Opened, ReadOptions, Rows};
use crate::delta::RowBatch;

/// Opens a mapped Parquet file; only the footer is decoded here.
pub(super) fn open(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    check_frame(&file)?;
    fenced(|| open_checked(file, options))
}

/// Checks the magic at both ends and the footer's length, which say best what is wrong with a cut file.
fn check_frame(file: &[u8]) -> Result<(), Fault> {
    const ENDS: usize = 4 + 8;
    if !file.starts_with(b"PAR1") {
        return Err(Fault::offset(
            0,
            "this is not a Parquet file: it does not begin with `PAR1`",
        ));
    }
    let end = file.len();
    if end < ENDS || &file[end - 4..] != b"PAR1" {
        let encrypted = file.ends_with(b"PARE");
        return Err(match encrypted {
            true => Fault::data("the footer is encrypted").help("decrypt the file first"),
            false => Fault::offset(end as u64, "the file is cut short: a Parquet file ends with `PAR1`")
                .help("fetch or write the file again"),
        });
    }
    let footer = u32::from_le_bytes([file[end - 8], file[end - 7], file[end - 6], file[end - 5]]) as usize;
    if footer > end - ENDS {
        let message = format!(
            "the footer should be {footer} bytes long, the file has {} for it",
            end - ENDS
        );
        return Err(Fault::offset(end as u64 - 8, message));
    }
    Ok(())
}

fn open_checked(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let file_bytes = file.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| fault(&error))?;
    check_lengths(builder.metadata(), file_bytes)?;
    let columns = columns::find(builder.schema(), options)?;
    let rows = total_rows(builder.metadata())?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [columns.id, columns.vector]);
    let batch = batch_rows(row_bytes(builder.metadata(), &columns));
    let reader = builder
        .with_projection(mask)
        .with_batch_size(batch)
        .build()
        .map_err(|error| fault(&error))?;
    let rows = ParquetRows {
        batches: Batches::new(&columns),
        id_first: columns.id < columns.vector,
        reader,
        rows,
    };
    Ok(Opened {
        element: columns.element,
        rows_hint: Some(rows.rows),
        rows: Box::new(rows),
    })
}

/// Checks that the column chunks of each row group lie within the file.
fn check_lengths(metadata: &ParquetMetaData, file_bytes: usize) -> Result<(), Fault> {
    for column in metadata.row_groups().iter().flat_map(|group| group.columns()) {
        let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
        let end = start.checked_add(column.compressed_size());
        let within = |end: i64| start >= 0 && end >= start && end as u64 <= file_bytes as u64;
        if !end.is_some_and(within) {
            return Err(Fault::data(format!(
                "column `{}` should lie at bytes {start} to {}, the file has {file_bytes}",
                column.column_path(),
                start.saturating_add(column.compressed_size()),
            ))
            .help("the file is cut short or damaged: fetch or write it again"));
        }
    }
    Ok(())
}

fn total_rows(metadata: &ParquetMetaData) -> Result<u64, Fault> {
    let mut groups = metadata
        .row_groups()
        .iter()
        .map(|group| u64::try_from(group.num_rows()));
    let sum = groups.try_fold(0u64, |sum, rows| sum.checked_add(rows.ok()?));
    sum.ok_or_else(|| Fault::data("a row group has an impossible number of rows"))
}

/// Estimates the size of a row, from the type or, for lists, from the first row group.
fn row_bytes(metadata: &ParquetMetaData, columns: &Columns) -> usize {
    if let Some(dims) = columns.dims {
        return dims as usize * columns.element.size();
    }
    let Some(group) = metadata.row_groups().first() else {
        return 1;
    };
    let leaf = metadata.file_metadata().schema_descr().columns();
    let column =
        (0..leaf.len()).find(|&i| metadata.file_metadata().schema_descr().get_column_root_idx(i) == columns.vector);
    let bytes = column.map_or(0, |i| group.column(i).uncompressed_size());
    // An overestimate only makes batches smaller.
    usize::try_from(bytes / group.num_rows().max(1)).unwrap_or(1).max(1)
}

fn fault(error: &ParquetError) -> Fault {
    Fault::data(format!(
        "the Parquet data cannot be decoded: {}",
        plain(&error.to_string())
    ))
    .help("fetch or write the file again")
}

/// Drops the decoder's own prefix, which says the same again.
fn plain(text: &str) -> &str {
    ["Parquet error: ", "ParquetError: ", "EOF: "]
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text))
}

struct ParquetRows {
    batches: Batches,
    /// Whether the id column stands before the vector column.
    id_first: bool,
    reader: ParquetRecordBatchReader,
    /// The rows that the footer promises.
    rows: u64,
}

impl Rows for ParquetRows {
    fn dims(&self) -> Option<u32> {
        self.batches.dims()
    }

    fn next(&mut self) -> Result<Option<RowBatch>, Fault> {
        fenced(|| {
            loop {
                if let Some(batch) = self.batches.take()? {
                    return Ok(Some(batch));
                }
                if !self.decode()? {
                    return Ok(None);
                }
            }
        })
    }
}

impl ParquetRows {
    /// Decodes the next batch; returns whether there was one.
    fn decode(&mut self) -> Result<bool, Fault> {
        let row = self.batches.next_row();
        let Some(batch) = self.reader.next() else {
            return match row == self.rows {
                true => Ok(false),
                false => Err(Fault::row(
                    row,
                    format!("the file ends here, its footer promises {} rows", self.rows),
                )),
            };
        };
        let batch = batch.map_err(|error| {
            let message = format!("the Parquet data cannot be decoded: {}", plain(&error.to_string()));
            let rows = format!(
                "the fault is in this row or the {} after it; fetch or write the file again",
                BATCH_ROWS_MAX - 1
            );
            Fault::row(row, message).help(rows)
        })?;
        let [first, second] = batch.columns() else {
            return Err(Fault::data("the id and the vector column are one column"));
        };
        let (ids, vectors) = if self.id_first {
            (first, second)
        } else {
            (second, first)
        };
        self.batches.push(ids.clone(), vectors.clone())?;
        Ok(true)
    }
}
