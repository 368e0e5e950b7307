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
use arrow_ipc::{CompressionType, Message, MessageHeader, MetadataVersion, RecordBatch, Schema as IpcSchema};
use arrow_schema::{ArrowError, DataType, Schema};
use bytes::Bytes;

use super::batches::Batches;
use super::columns::{self, Columns};
use super::error::Fault;
use super::fence::fenced;
use super::{Opened, ReadOptions, Rows};
use crate::delta::RowBatch;

const MAGIC: &[u8] = b"ARROW1";
/// Stands before the length of a message, to align what follows; absent in files from before 2019.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// Opens a mapped Arrow IPC file.
pub(super) fn open_file(file: Bytes, options: &ReadOptions) -> Result<Opened, Fault> {
    let footer = footer_range(&file)?;
    fenced(|| {
        let parsed = arrow_ipc::root_as_footer(&file[footer.clone()])
            .map_err(|error| Fault::offset(footer.start as u64, format!("the footer is damaged: {error}")))?;
        let schema = parsed.schema().ok_or_else(|| Fault::data("the footer has no schema"))?;
        let mut places = Vec::new();
        for block in parsed
            .dictionaries()
            .iter()
            .flatten()
            .chain(parsed.recordBatches().iter().flatten())
        {
            places.push(Place::new(
                block.offset(),
                i64::from(block.metaDataLength()),
                block.bodyLength(),
                footer.start,
            )?);
        }
        // No message may be used twice, so the sum of their lengths is bounded too: a small file cannot claim a long table.
        if places.iter().map(Place::len).sum::<usize>() > file.len() {
            return Err(Fault::offset(
                footer.start as u64,
                "the footer names overlapping messages",
            ));
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

/// Returns where the footer lies.
fn footer_range(file: &[u8]) -> Result<Range<usize>, Fault> {
    const TAIL: usize = 4 + MAGIC.len();
    if !file.starts_with(MAGIC) {
        return Err(Fault::offset(
            0,
            "this is not an Arrow file: it does not begin with `ARROW1`",
        ));
    }
    let end = file.len();
    if end < 8 + TAIL || &file[end - MAGIC.len()..] != MAGIC {
        return Err(
            Fault::offset(end as u64, "the file is cut short: an Arrow file ends with `ARROW1`")
                .help("fetch or write the file again"),
        );
    }
    let tail = end - TAIL;
    let bytes = i32::from_le_bytes([file[tail], file[tail + 1], file[tail + 2], file[tail + 3]]);
    let start = usize::try_from(bytes)
        .ok()
        .and_then(|bytes| tail.checked_sub(bytes))
        .filter(|&start| start >= 8);
    match start {
        Some(start) => Ok(start..tail),
        None => Err(Fault::offset(
            tail as u64,
            format!("the footer cannot be {bytes} bytes long"),
        )),
    }
}

/// Where one message lies: checked to be within the file.
struct Place {
    header: Range<usize>,
    body: Range<usize>,
}

impl Place {
    fn new(offset: i64, header_bytes: i64, body_bytes: i64, end: usize) -> Result<Self, Fault> {
        let within = || {
            let start = usize::try_from(offset).ok()?;
            let body = start.checked_add(usize::try_from(header_bytes).ok()?)?;
            let stop = body.checked_add(usize::try_from(body_bytes).ok()?)?;
            (stop <= end).then_some(Self {
                header: start..body,
                body: body..stop,
            })
        };
        within().ok_or_else(|| {
            Fault::data(format!(
                "a message of {header_bytes} and {body_bytes} bytes should lie at byte {offset}, past the end at {end}"
            ))
            .help("the file is cut short or damaged: fetch or write it again")
        })
    }

    fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Decodes the header, without the continuation mark and the length in front of it.
    fn message<'a>(&self, file: &'a [u8]) -> Result<Message<'a>, Fault> {
        let header = &file[self.header.clone()];
        let skipped = if header.starts_with(&CONTINUATION) { 8 } else { 4 };
        let start = self.header.start as u64;
        let header = header
            .get(skipped..)
            .ok_or_else(|| Fault::offset(start, "a message has no header"))?;
        arrow_ipc::root_as_message(header)
            .map_err(|error| Fault::offset(start, format!("the header of a message is damaged: {error}")))
    }
}

/// Finds the message at `at` and moves `at` behind it; nothing at the end mark.
fn next_in_stream(file: &[u8], at: &mut usize) -> Result<Option<Place>, Fault> {
    let start = *at;
    let cut = || {
        Fault::offset(
            start as u64,
            "the stream is cut short: a message or the end mark is missing",
        )
        .help("fetch or write the file again")
    };
    let word = |at: usize| Some(<[u8; 4]>::try_from(file.get(at..at.checked_add(4)?)?).ok()?);
    let mut prefix = 4;
    let mut length = word(start).ok_or_else(cut)?;
    if length == CONTINUATION {
        prefix = 8;
        length = word(start + 4).ok_or_else(cut)?;
    }
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 {
        return Ok(None);
    }
    let body = start + prefix + length;
    if body > file.len() {
        return Err(cut());
    }
    let header = Place {
        header: start..body,
        body: body..body,
    };
    let body_bytes = header.message(file)?.bodyLength();
    let stop = usize::try_from(body_bytes)
        .ok()
        .and_then(|bytes| body.checked_add(bytes))
        .filter(|&stop| stop <= file.len());
    *at = stop.ok_or_else(cut)?;
    Ok(Some(Place {
        body: body..*at,
        ..header
    }))
}

/// The messages behind the schema, in order.
enum Messages {
    Places(std::vec::IntoIter<Place>),
    Stream { at: usize },
}

impl Messages {
    fn next(&mut self, file: &[u8]) -> Result<Option<Place>, Fault> {
        match self {
            Messages::Places(places) => Ok(places.next()),
            Messages::Stream { at } => next_in_stream(file, at),
        }
    }

    /// Adds up the rows of all batches where they are known without reading the whole file.
    fn rows_hint(&self, file: &[u8]) -> Option<u64> {
        let Messages::Places(places) = self else {
            return None;
        };
        places.as_slice().iter().try_fold(0u64, |sum, place| {
            let message = place.message(file).ok()?;
            let rows = message.header_as_record_batch().map_or(0, |batch| batch.length());
            sum.checked_add(u64::try_from(rows).ok()?)
        })
    }
}

fn open(file: Bytes, schema: &IpcSchema, messages: Messages, options: &ReadOptions) -> Result<Opened, Fault> {
    if schema.endianness() != arrow_ipc::Endianness::Little {
        return Err(Fault::data("the numbers are big-endian").help("write the file on a little-endian machine"));
    }
    let schema = try_fb_to_schema(*schema).map_err(|error| fault(&error))?;
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
            buffer: Buffer::from(file.clone()),
            file,
        }),
    })
}

fn fault(error: &ArrowError) -> Fault {
    Fault::data(format!("the Arrow data cannot be decoded: {error}")).help("fetch or write the file again")
}

struct ArrowRows {
    batches: Batches,
    columns: Columns,
    schema: Arc<Schema>,
    dictionaries: HashMap<i64, ArrayRef>,
    messages: Messages,
    file: Bytes,
    /// The same bytes, as the decoder wants them.
    buffer: Buffer,
}

impl Rows for ArrowRows {
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
                let batch = message
                    .header_as_record_batch()
                    .ok_or_else(|| Fault::data("a batch has no header"))?;
                self.decode_batch(batch, &body, version)?;
            }
            MessageHeader::DictionaryBatch if self.ids_need_dictionaries() => {
                let batch = message
                    .header_as_dictionary_batch()
                    .ok_or_else(|| Fault::data("a dictionary has no header"))?;
                check_compressed(batch.data(), &body)?;
                read_dictionary(&body, batch, &self.schema, &mut self.dictionaries, &version)
                    .map_err(|error| fault(&error))?;
            }
            MessageHeader::DictionaryBatch | MessageHeader::NONE => {}
            other => {
                let start = place.header.start as u64;
                return Err(Fault::offset(
                    start,
                    format!("a {other:?} message does not belong here"),
                ));
            }
        }
        Ok(true)
    }

    fn decode_batch(&mut self, batch: RecordBatch, body: &Buffer, version: MetadataVersion) -> Result<(), Fault> {
        check_compressed(Some(batch), body)?;
        let row = self.batches.next_row();
        let projection = [self.columns.id, self.columns.vector];
        let decoded = RecordBatchDecoder::try_new(body, batch, self.schema.clone(), &self.dictionaries, &version)
            .and_then(|decoder| decoder.with_projection(Some(&projection)).read_record_batch())
            .map_err(|error| {
                Fault::row(row, format!("the batch that begins here cannot be decoded: {error}"))
                    .help("fetch or write the file again")
            })?;
        self.batches.push(decoded.column(0).clone(), decoded.column(1).clone())
    }

    fn ids_need_dictionaries(&self) -> bool {
        matches!(self.schema.field(self.columns.id).data_type(), DataType::Dictionary(..))
    }
}

/// Checks the length that each compressed buffer claims to unpack to, which the decoder would allocate at once.
fn check_compressed(batch: Option<RecordBatch>, body: &[u8]) -> Result<(), Fault> {
    let Some(batch) = batch else { return Ok(()) };
    let Some(compression) = batch.compression() else {
        return Ok(());
    };
    // What one byte can unpack to at most: 255 in LZ4; in Zstandard a block of 4 bytes can repeat a byte 128 Ki times.
    let ratio_max: u64 = if compression.codec() == CompressionType::LZ4_FRAME {
        255
    } else {
        32 << 10
    };
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
