//! Requests: the head, parsed and checked once.

use std::io;
use std::time::Instant;

use super::body::Body;
use super::response::Response;
use super::server::Limits;
use super::wire::Wire;

/// How many header lines there may be.
const HEADERS_MAX: usize = 64;

/// A request.
pub struct Request<'c> {
    /// What is asked.
    pub head: Head,
    /// What is sent along.
    pub body: Body<'c>,
}

/// The first lines of a request.
#[derive(Clone, Debug)]
pub struct Head {
    /// The method, such as GET.
    pub method: String,
    /// The path, decoded, with its first slash.
    pub path: String,
    /// The parameters behind the `?`, decoded, in their order.
    pub query: Vec<(String, String)>,
    /// The headers in their order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Whether the client speaks HTTP/1.1.
    pub modern: bool,
}

impl Head {
    /// Returns the value of a header, if it is there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter().filter(|(n, _)| n == name);
        let first = all.next()?;
        all.next().is_none().then_some(first.1.as_str())
    }

    /// Returns whether the words of a header, which are separated by commas, hold one.
    pub fn lists(&self, name: &str, word: &str) -> bool {
        let values = self.headers.iter().filter(|(n, _)| n == name);
        values.flat_map(|(_, v)| v.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
    }

    /// Returns a parameter, if it is given once.
    ///
    /// # Errors
    /// Says that it is given several times.
    pub fn parameter(&self, name: &str) -> Result<Option<&str>, String> {
        let mut all = self.query.iter().filter(|(n, _)| n == name);
        match (all.next(), all.next()) {
            (first, None) => Ok(first.map(|(_, v)| v.as_str())),
            (_, Some(_)) => Err(format!("`{name}` is given more than once")),
        }
    }

    /// Returns whether the client wants to go on with this connection.
    pub fn keeps(&self) -> bool {
        match self.modern {
            true => !self.lists("connection", "close"),
            false => false,
        }
    }
}

/// Reads a head; nothing when the client has closed the connection or has been silent.
///
/// # Errors
/// The answer for a head that is no head, or is too long or too slow.
pub fn read_head(wire: &mut Wire, limits: &Limits, crowded: bool) -> Result<Option<Head>, Response> {
    let idle = if crowded { limits.crowded } else { limits.idle };
    wire.deadline = Instant::now() + idle;
    while wire.buffer.is_empty() {
        match wire.fill() {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
    wire.deadline = Instant::now() + if crowded { limits.crowded } else { limits.head };
    loop {
        let mut slots = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Request::new(&mut slots);
        match parsed.parse(&wire.buffer) {
            Ok(httparse::Status::Complete(length)) => {
                let head = Head::of(&parsed)?;
                if length > limits.head_bytes {
                    return Err(too_long(limits));
                }
                wire.buffer.drain(..length);
                return Ok(Some(head));
            }
            Ok(httparse::Status::Partial) if wire.buffer.len() > limits.head_bytes => return Err(too_long(limits)),
            Ok(httparse::Status::Partial) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Response::error(431, format!("there are more than {HEADERS_MAX} headers")));
            }
            Err(httparse::Error::Version) => return Err(Response::error(505, "only HTTP/1.1 is spoken here")),
            Err(error) => return Err(Response::error(400, format!("this is no HTTP request: {error}"))),
        }
        match wire.fill() {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                return Err(Response::error(408, "the request did not arrive in time"));
            }
            Err(_) => return Ok(None),
        }
    }
}

fn too_long(limits: &Limits) -> Response {
    Response::error(431, format!("the request's first lines are longer than {} bytes", limits.head_bytes))
}

impl Head {
    fn of(parsed: &httparse::Request<'_, '_>) -> Result<Self, Response> {
        let bad = |text: &str| Response::error(400, text);
        let target = parsed.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // A proxy's form names the host as well; the Host header is what counts.
        let path = match path.strip_prefix("http://").or_else(|| path.strip_prefix("https://")) {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => path,
        };
        if !path.starts_with('/') {
            return Err(bad("the request names no path"));
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode_percent(&name.replace('+', " "))?, decode_percent(&value.replace('+', " "))?))
        });
        let headers = parsed.headers.iter();
        let head = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            path: decode_percent(path).ok_or_else(|| bad("the path is not UTF-8 with %XX"))?,
            query: pairs.collect::<Option<_>>().ok_or_else(|| bad("a parameter is not UTF-8 with %XX"))?,
            headers: headers
                .map(|h| (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).trim().to_owned()))
                .collect(),
            modern: parsed.version == Some(1),
        };
        let hosts = head.headers.iter().filter(|(name, _)| name == "host").count();
        if hosts > 1 || (head.modern && hosts == 0) {
            return Err(bad("a request names one Host"));
        }
        Ok(head)
    }
}

/// Replaces `%XX` by the bytes that they stand for; `None` when that gives no UTF-8, or a `%` stands for nothing.
pub fn decode_percent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push((high << 4 | low) as u8);
    }
    String::from_utf8(out).ok()
}
