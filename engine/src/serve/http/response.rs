//! Responses: a head, and a text, a piece of a file or a stream.

use std::io::{self, Write};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::{self, Failure};
use crate::store::DiskFile;

/// What is read of a file at once.
const PIECE: usize = 256 << 10;

/// Small writes of a stream are gathered up to this size.
const CHUNK: usize = 64 << 10;

/// What writes the body of a stream.
pub type Source = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// The body of a response.
pub enum Payload {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A piece of a file.
    File {
        /// The file.
        file: Arc<dyn DiskFile>,
        /// Where the piece begins.
        offset: u64,
        /// How long it is.
        len: u64,
    },
    /// Bytes that are made while they are sent; when that fails, the client sees that the end is missing.
    Stream(Source),
}

/// A response.
pub struct Response {
    /// The status code.
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    payload: Payload,
    /// What was asked for, in a word; for figures.
    pub route: &'static str,
}

impl Response {
    /// Makes a response of some type.
    pub fn new(status: u16, kind: &str, payload: Payload) -> Self {
        Self { status, headers: Vec::new(), payload, route: "other" }.header("Content-Type", kind)
    }

    /// Makes a text.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", Payload::Bytes(text.into().into_bytes()))
    }

    /// Makes a JSON document.
    pub fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", Payload::Bytes(format!("{value}\n").into_bytes()))
    }

    /// Makes a stream of JSON documents, one a line.
    pub fn lines(source: Source) -> Self {
        Self::new(200, "application/x-ndjson", Payload::Stream(source))
    }

    /// Says what is wrong.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::json(status, &json!({ "error": message.into(), "help": null }))
    }

    /// Says what is wrong, and what to do.
    pub fn refused(status: u16, message: &str, help: &str) -> Self {
        Self::json(status, &json!({ "error": message, "help": help }))
    }

    /// Adds a header; what cannot stand in one is replaced.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value: String = value.into();
        let clean = value.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).collect();
        self.headers.push((name, clean));
        self
    }

    /// Says what was asked for, in a word.
    #[must_use]
    pub fn of(mut self, route: &'static str) -> Self {
        self.route = route;
        self
    }

    /// Writes the response; the time is that of the head, the body is left out when only the head was asked for.
    ///
    /// # Errors
    /// When the client is gone, or the body cannot be made: then the connection is of no more use.
    pub(super) fn write(self, out: &mut dyn Write, date: &str, how: How) -> io::Result<()> {
        let reason = REASONS.iter().find(|(status, _)| *status == self.status).map_or("Unknown", |(_, reason)| reason);
        let mut head = format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\n", self.status);
        for (name, value) in
            STANDING.iter().map(|(n, v)| (*n, *v)).chain(self.headers.iter().map(|(n, v)| (*n, v.as_str())))
        {
            head += &format!("{name}: {value}\r\n");
        }
        let length = match &self.payload {
            Payload::Bytes(bytes) => Some(bytes.len() as u64),
            Payload::File { len, .. } => Some(*len),
            Payload::Stream(_) => None,
        };
        match length {
            Some(_) if self.status == 304 => {}
            Some(length) => head += &format!("Content-Length: {length}\r\n"),
            None if how.chunks => head += "Transfer-Encoding: chunked\r\n",
            None => {}
        }
        if !how.keeps || (length.is_none() && !how.chunks) {
            head += "Connection: close\r\n";
        }
        head += "\r\n";
        let mut head = head.into_bytes();
        if how.head_only || self.status == 304 {
            return out.write_all(&head);
        }
        match self.payload {
            Payload::Bytes(bytes) => {
                head.extend_from_slice(&bytes);
                out.write_all(&head)
            }
            Payload::File { file, offset, len } => {
                out.write_all(&head)?;
                copy(file.as_ref(), offset, len, out)
            }
            Payload::Stream(source) => {
                out.write_all(&head)?;
                let mut chunks = Chunks { out, buffer: Vec::new(), framed: how.chunks };
                source(&mut chunks)?;
                chunks.end()
            }
        }
    }
}

impl From<Failure> for Response {
    /// Says what a command would say; the exit code becomes a status.
    fn from(failure: Failure) -> Self {
        let status = match failure.code {
            answer::NOT_FOUND => 404,
            answer::BAD_DATA => 422,
            answer::TRY_AGAIN => 503,
            1 => 409,
            2 => 400,
            _ => 500,
        };
        Self::json(status, &json!({ "error": failure.message, "help": failure.hint, "exit_code": failure.code }))
    }
}

/// How a response is written.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// Only its head.
    pub head_only: bool,
    /// Streams in chunks, which HTTP/1.0 does not know.
    pub chunks: bool,
    /// The connection goes on.
    pub keeps: bool,
}

/// Headers of every response.
const STANDING: [(&str, &str); 3] = [
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
];

const REASONS: [(u16, &str); 29] = [
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (204, "No Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (303, "See Other"),
    (304, "Not Modified"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (422, "Unprocessable Content"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (503, "Service Unavailable"),
    (505, "HTTP Version Not Supported"),
    (507, "Insufficient Storage"),
];

fn copy(file: &dyn DiskFile, mut offset: u64, len: u64, out: &mut dyn Write) -> io::Result<()> {
    let end = offset + len;
    let mut buffer = vec![0; PIECE.min(usize::try_from(len).unwrap_or(PIECE))];
    while offset < end {
        let piece = &mut buffer[..PIECE.min(usize::try_from(end - offset).unwrap_or(PIECE))];
        file.read_at(piece, offset)?;
        out.write_all(piece)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// A body in chunks, or until the connection ends.
struct Chunks<'o> {
    out: &'o mut dyn Write,
    buffer: Vec<u8>,
    framed: bool,
}

impl Chunks<'_> {
    fn end(mut self) -> io::Result<()> {
        self.flush()?;
        if self.framed { self.out.write_all(b"0\r\n\r\n") } else { Ok(()) }
    }

    fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.framed {
            return self.out.write_all(bytes);
        }
        self.out.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        self.out.write_all(bytes)?;
        self.out.write_all(b"\r\n")
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= CHUNK {
            // As large as a chunk may well be: it goes on as it is.
            self.flush()?;
            self.chunk(bytes)?;
            return Ok(bytes.len());
        }
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let mut buffer = std::mem::take(&mut self.buffer);
            self.chunk(&buffer)?;
            buffer.clear();
            self.buffer = buffer;
        }
        Ok(())
    }
}
