//! The reader's thread: opens each input in turn and sends its rows on.

use std::sync::atomic::{AtomicBool, Ordering};

use super::config::{Source, SourceKind};
use super::input::Item;
use super::link::Outlet;
use super::stdin::with_stdin;
use crate::capture::read::{self, ReadError, ReadOptions, Reader};
use crate::delta::{Element, RowBatch};

/// What the reader tells the flow.
pub enum Row {
    /// An input was opened; its rows follow.
    Begin {
        /// The number of its source.
        source: usize,
        /// Which input.
        item: Item,
        /// The type of its components.
        element: Element,
        /// Its width; 0 when it has no rows.
        dims: u32,
        /// How many rows it says it has.
        rows_hint: Option<u64>,
    },
    /// Some of its rows.
    Rows(RowBatch),
    /// The input ended.
    End,
    /// The input cannot be read on.
    Failed {
        /// The number of its source.
        source: usize,
        /// Why.
        error: ReadError,
    },
}

/// Reads inputs until they end, one cannot be read, nobody listens, or `stop` is set.
pub fn read_all(sources: &[Source], items: &[(usize, Item)], stop: &AtomicBool, out: &Outlet<Row>) {
    for (source, item) in items {
        match read_item(&sources[*source], *source, item, stop, out) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                out.send(Row::Failed { source: *source, error }, 0);
                return;
            }
        }
    }
}

/// Returns whether to go on with the next input.
fn read_item(
    source: &Source,
    number: usize,
    item: &Item,
    stop: &AtomicBool,
    out: &Outlet<Row>,
) -> Result<bool, ReadError> {
    let options = ReadOptions {
        format: (source.kind != SourceKind::Files).then(|| source.kind.name()),
        id: source.id.clone(),
        vector: source.vector.clone(),
        dims: source.dims,
        element: None,
    };
    match item {
        Item::File(path) => send_rows(read::open(path, &options)?, source, number, item, stop, out),
        Item::Stdin => with_stdin(stop, |input| {
            let reader = read::read_stream(input, &options)?;
            send_rows(reader, source, number, item, stop, out)
        }),
    }
}

fn send_rows(
    mut reader: Reader,
    source: &Source,
    number: usize,
    item: &Item,
    stop: &AtomicBool,
    out: &Outlet<Row>,
) -> Result<bool, ReadError> {
    let begin = Row::Begin {
        source: number,
        item: item.clone(),
        element: reader.element(),
        dims: reader.dims(),
        rows_hint: reader.rows_hint(),
    };
    if !out.send(begin, 0) {
        return Ok(false);
    }
    while let Some(batch) = reader.next()? {
        let stopped = stop.load(Ordering::Relaxed);
        if stopped && source.epoch {
            // Half an epoch is no epoch and is left out.
            return Ok(false);
        }
        let bytes = batch.rows.len() as u64;
        if !out.send(Row::Rows(batch), bytes) {
            return Ok(false);
        }
        if stopped {
            // A stream ends here, with the rows that came before.
            break;
        }
    }
    Ok(out.send(Row::End, 0) && !stop.load(Ordering::Relaxed))
}
