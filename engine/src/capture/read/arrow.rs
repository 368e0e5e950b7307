//! Arrow IPC, the file and the stream format: rows stay where the file has them.
//!
//! ```text
//! file    "ARROW1\0\0"  message*  footer: schema, places of dictionaries and batches  footer length: i32  "ARROW1"
//! stream  schema message  message*  end: 0xFFFFFFFF 0
//! message 0xFFFFFFFF  header length: u32  header: flatbuffer, says how long the body is  body: buffers
//! ```
//!
//! Both are walked here, message by message, with every length checked against the file before it is used; the crate decodes
//! one message at a time without copying its body. A stream must have its end mark, or a cut file would pass as a short one.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow_ipc::{CompressionType, MessageHeader, MetadataVersion, RecordBatch, Schema as IpcSchema};
use arrow_schema::{DataType, Schema};
use bytes::Bytes;

use super::arrow_messages::{Messages, Place, footer_range, next_in_stream};
use super::batches::Batches;
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::{Opened, ReadOptions, Rows};
use crate::delta::RowBatch;

/// Opens a mapped Arrow IPC file.
pub(super) fn open_file(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let footer = footer_range(&file)?;
    fenced(|| {
        let parsed =
            arrow_ipc::root_as_footer(&file[footer.clone()]).map_err(|error| Fault::decoder("the footer", &error))?;
        let schema = parsed.schema().ok_or_else(|| Fault::data("the footer has no schema"))?;
        let mut places = Vec::new();
        for block in parsed.dictionaries().iter().flatten().chain(parsed.recordBatches().iter().flatten()) {
            places.push(Place::new(
                block.offset(),
                i64::from(block.metaDataLength()),
                block.bodyLength(),
                footer.start,
            )?);
        }
        // No message may be used twice, so the sum of their lengths is bounded too: a small file cannot claim a long table.
        if places.iter().map(Place::len).sum::<usize>() > file.len() {
            return Err(Fault::offset(footer.start as u64, "the footer names overlapping messages"));
        }
        open(file.clone(), &schema, Messages::Places(places.into_iter()), options)
    })
}

/// Opens a mapped Arrow IPC stream.
pub(super) fn open_stream(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let mut at = 0;
    let Some(place) = next_in_stream(&file, &mut at)? else {
        return Err(Fault::offset(0, "the stream ends before its schema"));
    };
    fenced(|| {
        let message = place.message(&file)?;
        let schema = message
            .header_as_schema()
            .ok_or_else(|| Fault::offset(0, "this is not an Arrow stream: it does not begin with a schema"))?;
        open(file.clone(), &schema, Messages::Stream { at }, options)
    })
}

fn open(file: Bytes, schema: &IpcSchema, messages: Messages, options: &ReadOptions) -> Result<Opened, Fault> {
    if schema.endianness() != arrow_ipc::Endianness::Little {
        return Err(Fault::data("the numbers are big-endian").help("write the file on a little-endian machine"));
    }
    let schema = try_fb_to_schema(*schema).map_err(|error| Fault::decoder("the Arrow data", &error))?;
    let columns = columns::find(&schema, options)?;
    let rows_hint = messages.rows_hint(&file);
    Ok(Opened {
        element: columns.element,
        rows_hint,
        rows: Box::new(ArrowRows {
            batches: Batches::new(&columns),
            columns,
            schema: Arc::new(schema),
            dictionaries: HashMap::new(),
            messages,
            body: 0..0,
            buffer: Buffer::from(file.clone()),
            file,
        }),
    })
}

struct ArrowRows {
    batches: Batches,
    columns: Columns,
    schema: Arc<Schema>,
    dictionaries: HashMap<i64, ArrayRef>,
    messages: Messages,
    /// Where the batch lies that was decoded last.
    body: Range<usize>,
    file: Bytes,
    /// The same bytes, as the decoder wants them.
    buffer: Buffer,
}

impl Rows for ArrowRows {
    fn dims(&self) -> Option<u32> {
        self.batches.dims()
    }

    fn passed(&self) -> u64 {
        // The vectors are nearly all of a batch.
        self.body.start as u64 + (self.body.len() as f64 * self.batches.taken_share()) as u64
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

impl ArrowRows {
    /// Decodes the next message; returns whether there was one.
    fn decode(&mut self) -> Result<bool, Fault> {
        let Some(place) = self.messages.next(&self.file)? else {
            return Ok(false);
        };
        let file = self.file.clone();
        let message = place.message(&file)?;
        let version = message.version();
        let body = self.buffer.slice_with_length(place.body.start, place.body.len());
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(|| Fault::data("a batch has no header"))?;
                self.decode_batch(batch, &body, version)?;
                self.body = place.body;
            }
            MessageHeader::DictionaryBatch if self.ids_need_dictionaries() => {
                let batch =
                    message.header_as_dictionary_batch().ok_or_else(|| Fault::data("a dictionary has no header"))?;
                check_compressed(batch.data(), &body)?;
                read_dictionary(&body, batch, &self.schema, &mut self.dictionaries, &version)
                    .map_err(|error| Fault::decoder("the Arrow data", &error))?;
            }
            MessageHeader::DictionaryBatch | MessageHeader::NONE => {}
            other => {
                let start = place.header.start as u64;
                return Err(Fault::offset(start, format!("a {other:?} message does not belong here")));
            }
        }
        Ok(true)
    }

    fn decode_batch(&mut self, batch: RecordBatch, body: &Buffer, version: MetadataVersion) -> Result<(), Fault> {
        check_compressed(Some(batch), body)?;
        let row = self.batches.next_row();
        let projection = [&[self.columns.id, self.columns.vector], self.columns.meta.as_slice()].concat();
        let decoded = RecordBatchDecoder::try_new(body, batch, self.schema.clone(), &self.dictionaries, &version)
            .and_then(|decoder| decoder.with_projection(Some(&projection)).read_record_batch())
            .map_err(|error| Fault::decoder("the batch that begins here", &error).on_row(row))?;
        self.batches.push(decoded.column(0).clone(), decoded.column(1).clone(), decoded.columns()[2..].to_vec())
    }

    fn ids_need_dictionaries(&self) -> bool {
        let mut read = self.columns.meta.iter().chain([&self.columns.id]);
        read.any(|&at| matches!(self.schema.field(at).data_type(), DataType::Dictionary(..)))
    }
}

/// Checks the length that each compressed buffer claims to unpack to, which the decoder would allocate at once.
fn check_compressed(batch: Option<RecordBatch>, body: &[u8]) -> Result<(), Fault> {
    let Some(batch) = batch else { return Ok(()) };
    let Some(compression) = batch.compression() else {
        return Ok(());
    };
    // What one byte can unpack to at most: 255 in LZ4; in Zstandard a block of 4 bytes can repeat a byte 128 Ki times.
    let ratio_max: u64 = if compression.codec() == CompressionType::LZ4_FRAME { 255 } else { 32 << 10 };
    for buffer in batch.buffers().iter().flatten() {
        let start = usize::try_from(buffer.offset()).ok();
        let stop = start.and_then(|start| start.checked_add(usize::try_from(buffer.length()).ok()?));
        let packed = start.zip(stop).and_then(|(start, stop)| body.get(start..stop));
        let packed = packed.ok_or_else(|| Fault::data("a compressed buffer lies past the end of its message"))?;
        let Some(claim) = packed.first_chunk::<8>() else {
            continue;
        };
        let claim = i64::from_le_bytes(*claim);
        if claim > 0 && claim as u64 > (packed.len() as u64).saturating_mul(ratio_max) {
            return Err(Fault::data(format!(
                "a compressed buffer of {} bytes claims to unpack to {claim}",
                packed.len()
            )));
        }
    }
    Ok(())
}
