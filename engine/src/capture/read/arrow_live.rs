//! An Arrow IPC stream as it comes, such as on standard input: a batch is handed on when it is whole.

use std::io::{BufReader, Read};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;

use super::batches::Batches;
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::{Opened, ReadOptions, RefusedRow, Refuser, RowForm, Rows};
use crate::delta::RowBatch;

/// Opens a stream; waits for its schema.
pub(super) fn open(
    input: impl Read + Send + 'static,
    options: &ReadOptions,
    refuser: Option<Refuser>,
) -> Result<Opened, Fault> {
    fenced(|| {
        let input: Box<dyn Read + Send> = Box::new(input);
        let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, input), None)
            .map_err(|error| Fault::decoder("the schema of the stream", &error))?;
        let columns = columns::find(&reader.schema(), options)?;
        let mut batches = Batches::new(&columns);
        if refuser.is_some() {
            batches.expect_dims(options.dims);
        }
        let element = columns.element;
        Ok(Opened { element, rows_hint: None, rows: Box::new(Live { reader, batches, columns, refuser, whole: None }) })
    })
}

struct Live {
    reader: StreamReader<BufReader<Box<dyn Read + Send>>>,
    batches: Batches,
    columns: Columns,
    refuser: Option<Refuser>,
    /// What was decoded last with all its columns, where rows may be refused.
    whole: Option<RecordBatch>,
}

impl Rows for Live {
    fn dims(&self) -> Option<u32> {
        self.batches.dims()
    }

    fn passed(&self) -> u64 {
        0
    }

    fn next(&mut self) -> Result<Option<RowBatch>, Fault> {
        fenced(|| {
            loop {
                if let Some(batch) = self.take()? {
                    return Ok(Some(batch));
                }
                let row = self.batches.next_row();
                let Some(batch) = self.reader.next() else { return Ok(None) };
                let batch = batch.map_err(|error| Fault::decoder("the batch that begins here", &error).on_row(row))?;
                let meta = self.columns.meta.iter().map(|&at| batch.column(at).clone()).collect();
                let column = |at: usize| batch.column(at).clone();
                self.batches.push(column(self.columns.id), column(self.columns.vector), meta)?;
                self.whole = Some(batch).filter(|_| self.refuser.is_some());
            }
        })
    }
}

impl Live {
    fn take(&mut self) -> Result<Option<RowBatch>, Fault> {
        let (Some(refuser), Some(whole)) = (&mut self.refuser, &self.whole) else { return self.batches.take() };
        self.batches.take_sound(&mut |row, fault| {
            refuser(RefusedRow::of(fault, None, RowForm::Arrow, one_row(whole, row)?)?);
            Ok(())
        })
    }
}

/// Writes one row as a stream of its own.
fn one_row(batch: &RecordBatch, row: usize) -> Result<Vec<u8>, Fault> {
    let write = || {
        let row = batch.slice(row, 1);
        let mut out = StreamWriter::try_new(Vec::new(), &row.schema())?;
        out.write(&row)?;
        out.into_inner()
    };
    write().map_err(|error| Fault::decoder("a row that is refused", &error))
}
