//! Where the messages of an Arrow IPC file or stream lie; no length is used before it is checked against the file.

use std::ops::Range;

use arrow_ipc::Message;

use super::error::Fault;

const MAGIC: &[u8] = b"ARROW1";
/// Stands before the length of a message, to align what follows; absent in files from before 2019.
const CONTINUATION: [u8; 4] = [0xFF; 4];

/// Returns where the footer lies.
pub(super) fn footer_range(file: &[u8]) -> Result<Range<usize>, Fault> {
    const TAIL: usize = 4 + MAGIC.len();
    if !file.starts_with(MAGIC) {
        return Err(Fault::offset(0, "this is not an Arrow file: it does not begin with `ARROW1`"));
    }
    let end = file.len();
    if end < 8 + TAIL || &file[end - MAGIC.len()..] != MAGIC {
        return Err(Fault::offset(end as u64, "the file is cut short: an Arrow file ends with `ARROW1`")
            .help("fetch or write the file again"));
    }
    let tail = end - TAIL;
    let bytes = i32::from_le_bytes([file[tail], file[tail + 1], file[tail + 2], file[tail + 3]]);
    let start = usize::try_from(bytes).ok().and_then(|bytes| tail.checked_sub(bytes)).filter(|&start| start >= 8);
    match start {
        Some(start) => Ok(start..tail),
        None => Err(Fault::offset(tail as u64, format!("the footer cannot be {bytes} bytes long"))),
    }
}

/// Where one message lies: checked to be within the file.
pub(super) struct Place {
    pub header: Range<usize>,
    pub body: Range<usize>,
}

impl Place {
    pub fn new(offset: i64, header_bytes: i64, body_bytes: i64, end: usize) -> Result<Self, Fault> {
        let within = || {
            let start = usize::try_from(offset).ok()?;
            let body = start.checked_add(usize::try_from(header_bytes).ok()?)?;
            let stop = body.checked_add(usize::try_from(body_bytes).ok()?)?;
            (stop <= end).then_some(Self { header: start..body, body: body..stop })
        };
        within().ok_or_else(|| {
            Fault::data(format!(
                "a message of {header_bytes} and {body_bytes} bytes should lie at byte {offset}, past the end at {end}"
            ))
            .help("the file is cut short or damaged: fetch or write it again")
        })
    }

    pub fn len(&self) -> usize {
        self.header.len() + self.body.len()
    }

    /// Decodes the header, without the continuation mark and the length in front of it.
    pub fn message<'a>(&self, file: &'a [u8]) -> Result<Message<'a>, Fault> {
        let header = &file[self.header.clone()];
        let skipped = if header.starts_with(&CONTINUATION) { 8 } else { 4 };
        let start = self.header.start as u64;
        let header = header.get(skipped..).ok_or_else(|| Fault::offset(start, "a message has no header"))?;
        arrow_ipc::root_as_message(header)
            .map_err(|error| Fault::decoder(&format!("the header of the message at byte {start}"), &error))
    }
}

/// Finds the message at `at` and moves `at` behind it; nothing at the end mark.
pub(super) fn next_in_stream(file: &[u8], at: &mut usize) -> Result<Option<Place>, Fault> {
    let start = *at;
    let cut = || {
        Fault::offset(start as u64, "the stream is cut short: a message or the end mark is missing")
            .help("fetch or write the file again")
    };
    let word = |at: usize| <[u8; 4]>::try_from(file.get(at..at.checked_add(4)?)?).ok();
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
    let header = Place { header: start..body, body: body..body };
    let body_bytes = header.message(file)?.bodyLength();
    let stop =
        usize::try_from(body_bytes).ok().and_then(|bytes| body.checked_add(bytes)).filter(|&stop| stop <= file.len());
    *at = stop.ok_or_else(cut)?;
    Ok(Some(Place { body: body..*at, ..header }))
}

/// The messages behind the schema, in order.
pub(super) enum Messages {
    Places(std::vec::IntoIter<Place>),
    Stream { at: usize },
}

impl Messages {
    pub fn next(&mut self, file: &[u8]) -> Result<Option<Place>, Fault> {
        match self {
            Messages::Places(places) => Ok(places.next()),
            Messages::Stream { at } => next_in_stream(file, at),
        }
    }

    /// Adds up the rows of all batches where they are known without reading the whole file.
    pub fn rows_hint(&self, file: &[u8]) -> Option<u64> {
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
