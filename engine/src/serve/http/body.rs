//! Bodies of requests: read as they come, never longer than they may be.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::framing::Framing;
use super::request::Head;
use super::response::Response;
use super::server::Limits;
use super::wire::Wire;

/// What is read of a body that nobody wanted, so that the connection can go on.
const REST_MAX: usize = 256 << 10;

/// A body that is being read.
pub struct Body<'c> {
    wire: &'c mut Wire,
    framing: Framing,
    /// Whether the client waits to be told that it may send.
    asked: bool,
    received: u64,
    begun: Instant,
    limits: Limits,
}

impl<'c> Body<'c> {
    /// Finds out how a body is sent.
    ///
    /// # Errors
    /// The answer when its length cannot be told for sure, or is too large.
    pub(super) fn of(head: &Head, wire: &'c mut Wire, limits: &Limits) -> Result<Self, Response> {
        let all = |name| -> Vec<&String> { head.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect() };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        let framing = match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => Framing::Bytes(0),
            ([length], []) if length.bytes().all(|b| b.is_ascii_digit()) && !length.is_empty() => {
                match length.parse() {
                    Ok(length) if length <= limits.body_bytes => Framing::Bytes(length),
                    _ => return Err(too_long(limits)),
                }
            }
            ([], [coding]) if coding.eq_ignore_ascii_case("chunked") && head.modern => Framing::Chunks,
            ([], _) => return Err(Response::error(501, "a body comes with Content-Length, or in chunks")),
            // Whoever stands in between may read the other header: then two requests would be seen as one.
            _ => return Err(Response::error(400, "the length of the body is not clear")),
        };
        let asked = head.lists("expect", "100-continue") && head.modern;
        Ok(Self { wire, framing, asked, received: 0, begun: Instant::now(), limits: limits.clone() })
    }

    /// Reads the whole body.
    ///
    /// # Errors
    /// The answer when it is longer than `max` bytes or does not arrive.
    pub fn whole(&mut self, max: u64) -> Result<Vec<u8>, Response> {
        let mut bytes = Vec::new();
        self.take(max + 1).read_to_end(&mut bytes).map_err(|e| refusal(&e, &self.limits))?;
        if bytes.len() as u64 > max {
            return Err(Response::error(413, format!("the body is longer than {max} bytes")));
        }
        Ok(bytes)
    }

    /// Copies the whole body.
    ///
    /// # Errors
    /// The answer when it does not arrive, or `out` cannot be written.
    pub fn copy_to(&mut self, out: &mut dyn Write) -> Result<u64, Response> {
        let (mut buffer, mut copied) = (vec![0; 64 << 10], 0);
        loop {
            let n = self.read(&mut buffer).map_err(|e| refusal(&e, &self.limits))?;
            if n == 0 {
                return Ok(copied);
            }
            let written = out.write_all(&buffer[..n]);
            written.map_err(|e| Response::error(507, format!("the body cannot be kept: {e}")))?;
            copied += n as u64;
        }
    }

    /// Reads over what nobody wanted; returns whether the next request can follow.
    pub(super) fn drain(&mut self) -> bool {
        if self.asked && self.received == 0 && !self.framing.is_over() {
            return false;
        }
        let (mut buffer, mut read) = (vec![0; 16 << 10], 0);
        while !self.framing.is_over() {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(_) => return false,
            }
            if read > REST_MAX {
                return false;
            }
        }
        true
    }
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Self { wire, framing, asked, received, begun, limits } = self;
        let n = framing.read(wire, out, &mut |wire| {
            if std::mem::take(asked) {
                wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
            // A silent client has a while, and a slow one a rate to keep.
            let earned = received.saturating_mul(1000) / limits.body_bytes_per_second.max(1);
            let due = *begun + limits.body + Duration::from_millis(earned);
            wire.deadline = due.min(Instant::now() + limits.body);
            Ok(())
        })?;
        *received += n as u64;
        if *received > limits.body_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(n)
    }
}

fn too_long(limits: &Limits) -> Response {
    Response::error(413, format!("the body is longer than {} bytes", limits.body_bytes))
}

fn refusal(error: &io::Error, limits: &Limits) -> Response {
    match error.kind() {
        io::ErrorKind::TimedOut => Response::error(408, "the body did not arrive in time"),
        io::ErrorKind::FileTooLarge => too_long(limits),
        io::ErrorKind::InvalidData => Response::error(400, error.to_string()),
        _ => Response::error(400, "the body ended before its end"),
    }
}
