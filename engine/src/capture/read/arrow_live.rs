//! An Arrow IPC stream as it comes, such as on standard input: a batch is handed on when it is whole.

use std::io::{BufReader, Read};

use arrow_ipc::reader::StreamReader;

use super::batches::Batches;
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::{Opened, ReadOptions, Rows};
use crate::delta::RowBatch;

/// Opens a stream; waits for its schema.
pub(super) fn open(input: impl Read + Send + 'static, options: &ReadOptions) -> Result<Opened, Fault> {
    fenced(|| {
        let input: Box<dyn Read + Send> = Box::new(input);
        let reader = StreamReader::try_new(BufReader::with_capacity(1 << 18, input), None)
            .map_err(|error| Fault::decoder("the schema of the stream", &error))?;
        let columns = columns::find(&reader.schema(), options)?;
        let batches = Batches::new(&columns);
        Ok(Opened { element: columns.element, rows_hint: None, rows: Box::new(Live { reader, batches, columns }) })
    })
}

struct Live {
    reader: StreamReader<BufReader<Box<dyn Read + Send>>>,
    batches: Batches,
    columns: Columns,
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
                if let Some(batch) = self.batches.take()? {
                    return Ok(Some(batch));
                }
                let row = self.batches.next_row();
                let Some(batch) = self.reader.next() else { return Ok(None) };
                let batch = batch.map_err(|error| Fault::decoder("the batch that begins here", &error).on_row(row))?;
                let meta = self.columns.meta.iter().map(|&at| batch.column(at).clone()).collect();
                let column = |at: usize| batch.column(at).clone();
                self.batches.push(column(self.columns.id), column(self.columns.vector), meta)?;
            }
        })
    }
}
