//! Parquet files: the two columns that matter, decoded a batch at a time.

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::batches::{Batches, batch_rows};
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::pages::{check_pages, check_schema};
use super::{DIMS_MAX, Opened, ReadOptions, Rows};
use crate::delta::RowBatch;

/// Opens a mapped Parquet file; only the footer is decoded here.
pub(super) fn open(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    check_schema(footer(&file)?)?;
    fenced(|| open_checked(file, options))
}

/// Returns the footer; the magic at both ends and the footer's length say best what is wrong with a cut file.
fn footer(file: &[u8]) -> Result<&[u8], Fault> {
    const MAGIC: &[u8] = b"PAR1";
    if !file.starts_with(MAGIC) {
        return Err(Fault::offset(0, "this is not a Parquet file: it does not begin with `PAR1`"));
    }
    let cut = || {
        Fault::offset(file.len() as u64, "the file is cut short: a Parquet file ends with `PAR1`")
            .help("fetch or write the file again")
    };
    if file.ends_with(b"PARE") {
        return Err(Fault::data("the footer is encrypted").help("decrypt the file first"));
    }
    let (rest, length) =
        file[MAGIC.len()..].strip_suffix(MAGIC).and_then(|rest| rest.split_last_chunk()).ok_or_else(cut)?;
    let length = u32::from_le_bytes(*length) as usize;
    let start = rest.len().checked_sub(length).ok_or_else(|| {
        let message = format!("the footer should be {length} bytes long, the file has {} for it", rest.len());
        Fault::offset(file.len() as u64 - 8, message).help("the file is damaged: fetch or write it again")
    })?;
    Ok(&rest[start..])
}

fn open_checked(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
        .map_err(|error| Fault::decoder("the footer", &error))?;
    let columns = columns::find(metadata.schema(), options)?;
    let rows = total_rows(metadata.metadata())?;
    let mask = ProjectionMask::roots(metadata.parquet_schema(), roots(&columns));
    let batch_rows = batch_rows(row_bytes(metadata.metadata(), &columns));
    let rows = ParquetRows {
        batches: Batches::new(&columns),
        file,
        metadata,
        columns,
        mask,
        batch_rows,
        next_group: 0,
        group_rows: (0, 0),
        group_bytes: (0, 0),
        group: None,
        rows,
    };
    Ok(Opened { element: rows.columns.element, rows_hint: Some(rows.rows), rows: Box::new(rows) })
}

fn total_rows(metadata: &ParquetMetaData) -> Result<u64, Fault> {
    let mut groups = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()));
    let sum = groups.try_fold(0u64, |sum, rows| sum.checked_add(rows.ok()?));
    sum.ok_or_else(|| Fault::data("a row group has an impossible number of rows"))
}

/// Estimates the size of a row, from the type or, for lists, from the first row group.
fn row_bytes(metadata: &ParquetMetaData, columns: &Columns) -> usize {
    if let Some(dims) = columns.dims {
        return dims as usize * columns.element.size();
    }
    let first = (!metadata.row_groups().is_empty()).then(|| leaves(metadata, 0, columns.vector).next()).flatten();
    let values = first.map_or(0, |column| column.num_values() / metadata.row_group(0).num_rows().max(1));
    usize::try_from(values).map_or(1, |values| values.saturating_mul(columns.element.size()))
}

/// Returns the stored columns of a row group that make up column `root` of the table.
fn leaves(metadata: &ParquetMetaData, group: usize, root: usize) -> impl Iterator<Item = &ColumnChunkMetaData> {
    let schema = metadata.file_metadata().schema_descr();
    let columns = metadata.row_group(group).columns().iter().enumerate();
    columns.filter(move |(leaf, _)| schema.get_column_root_idx(*leaf) == root).map(|(_, column)| column)
}

struct ParquetRows {
    batches: Batches,
    file: Bytes,
    metadata: ArrowReaderMetadata,
    columns: Columns,
    mask: ProjectionMask,
    batch_rows: usize,
    next_group: usize,
    /// The first row of the group being decoded, and how many it has.
    group_rows: (u64, u64),
    /// Where the first byte of the group's vectors lies, and how many there are.
    group_bytes: (u64, u64),
    /// The row group being decoded.
    group: Option<ParquetRecordBatchReader>,
    /// The rows that the footer promises.
    rows: u64,
}

impl Rows for ParquetRows {
    fn dims(&self) -> Option<u32> {
        self.batches.dims()
    }

    fn passed(&self) -> u64 {
        let (first_row, rows) = self.group_rows;
        let share = (self.batches.taken_row() - first_row) as f64 / rows.max(1) as f64;
        let (start, bytes) = self.group_bytes;
        start + (bytes as f64 * share.min(1.0)) as u64
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
    /// Decodes the next batch, or goes on to the next row group; returns whether there was one.
    fn decode(&mut self) -> Result<bool, Fault> {
        let row = self.batches.next_row();
        let Some(group) = &mut self.group else {
            return self.open_group(row);
        };
        let Some(batch) = group.next() else {
            self.group = None;
            return Ok(true);
        };
        let batch = batch.map_err(|error| {
            let what = format!("the data of this row or of one of the {} after it", self.batch_rows.saturating_sub(1));
            Fault::decoder(&what, &error).on_row(row)
        })?;
        // A projection keeps the order of the file.
        let roots = roots(&self.columns);
        if batch.num_columns() != roots.len() {
            return Err(Fault::data("the id and the vector column are one column"));
        }
        let place = |root: usize| roots.binary_search(&root).map_err(|_| Fault::data("a column is missing"));
        let column = |root: usize| Ok(batch.column(place(root)?).clone());
        let meta = self.columns.meta.iter().map(|&root| column(root)).collect::<Result<_, Fault>>()?;
        self.batches.push(column(self.columns.id)?, column(self.columns.vector)?, meta)?;
        Ok(true)
    }

    /// Starts the next row group; returns whether there is one.
    fn open_group(&mut self, row: u64) -> Result<bool, Fault> {
        let group = self.next_group;
        if group == self.metadata.metadata().num_row_groups() {
            return match row == self.rows {
                true => Ok(false),
                false => Err(Fault::row(row, format!("the rows end here, the footer promises {}", self.rows))),
            };
        }
        for root in roots(&self.columns) {
            for column in leaves(self.metadata.metadata(), group, root) {
                check_column(&self.file, column, self.metadata.metadata().row_group(group).num_rows())?;
            }
        }
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone())
            .with_projection(self.mask.clone())
            .with_batch_size(self.batch_rows)
            .with_row_groups(vec![group])
            .build()
            .map_err(|error| Fault::decoder("the row group that begins here", &error).on_row(row))?;
        self.group = Some(reader);
        self.group_rows = (row, self.metadata.metadata().row_group(group).num_rows().max(0) as u64);
        let vectors = leaves(self.metadata.metadata(), group, self.columns.vector).next();
        self.group_bytes = vectors.map_or((0, 0), ColumnChunkMetaData::byte_range);
        self.next_group += 1;
        Ok(true)
    }
}

/// Returns the numbers of all columns that are read, in the order of the file.
fn roots(columns: &Columns) -> Vec<usize> {
    let mut roots = [&[columns.id, columns.vector], columns.meta.as_slice()].concat();
    roots.sort_unstable();
    roots.dedup();
    roots
}

/// Checks that a column can be decoded, lies within the file, and claims no more than its bytes can hold.
fn check_column(file: &[u8], column: &ColumnChunkMetaData, rows: i64) -> Result<(), Fault> {
    let path = column.column_path().string();
    if let Compression::BROTLI(_) | Compression::LZO = column.compression() {
        return Err(Fault::data(format!("column `{path}` is compressed with brotli or LZO, which are not supported"))
            .help("write the file again with zstd, snappy, gzip or lz4"));
    }
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let end = start.checked_add(column.compressed_size());
    if !end.is_some_and(|end| start >= 0 && end >= start && end as u64 <= file.len() as u64) {
        return Err(Fault::data(format!(
            "column `{path}` should lie at bytes {start} to {}, the file has {}",
            start.saturating_add(column.compressed_size()),
            file.len(),
        ))
        .help("the file is cut short or damaged: fetch or write it again"));
    }
    let values = column.num_values();
    if values < 0 || values > rows.saturating_mul(i64::from(DIMS_MAX)) {
        return Err(Fault::data(format!("column `{path}` cannot have {values} values in {rows} rows")));
    }
    check_pages(file, column)
}
