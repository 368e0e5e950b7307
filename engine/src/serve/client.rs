//! The other end: requests to a server that speaks plain HTTP.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::http::{Framing, Wire};
use crate::answer::{Failure, IO, NOT_FOUND};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long an answer may be silent.
const SILENCE: Duration = Duration::from_secs(60);

/// How long the first lines of an answer may be.
const HEAD_MAX: usize = 64 << 10;

/// What an error's text is read up to.
const ERROR_MAX: u64 = 64 << 10;

/// Where a server is: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Host and port as the Host header has them.
    pub authority: String,
    /// The path, with its first slash and its parameters; empty when the URL names none.
    pub path: String,
}

/// Why nothing came of a request.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The text is no URL that can be asked.
    #[error("{0}")]
    Url(String),
    /// Nobody answers.
    #[error("cannot reach {authority}: {error}")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What the system says.
        error: io::Error,
    },
    /// The server says no.
    #[error("{authority} answers {status}: {message}")]
    Refused {
        /// Host and port.
        authority: String,
        /// The status code.
        status: u16,
        /// What it says.
        message: String,
        /// What it advises.
        help: Option<String>,
    },
    /// What comes is no HTTP.
    #[error("{authority} does not answer like a web server: {problem}")]
    Foreign {
        /// Host and port.
        authority: String,
        /// What is wrong.
        problem: String,
    },
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Url(_) => Self::new(2, message),
            ClientError::Unreachable { .. } => {
                Self::new(IO, message).hint("is the server running? `vecdelta serve REPO` starts one")
            }
            ClientError::Refused { status: 401, .. } => {
                Self::new(IO, message).hint("put the server's token into the environment variable VECDELTA_TOKEN")
            }
            ClientError::Refused { status, help, .. } => {
                let failure = Self::new(if status == 404 { NOT_FOUND } else { IO }, message);
                help.into_iter().fold(failure, Self::hint)
            }
            ClientError::Foreign { .. } => Self::new(IO, message),
        }
    }
}

impl Url {
    /// Returns whether a text is meant as a URL.
    pub fn is_url(text: &str) -> bool {
        text.starts_with("http://") || text.starts_with("https://")
    }

    /// Reads a URL; a host alone stands for `http://` before it.
    ///
    /// # Errors
    /// When it is none, or of a kind that is not spoken.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        if text.starts_with("https://") {
            let advice = "download the file and use that, or reach the server through a proxy on this machine";
            return Err(ClientError::Url(format!("{text}: TLS is not spoken; {advice}")));
        }
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let fine = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(fine) || path.contains(|c: char| c.is_control() || c == ' ') {
            return Err(ClientError::Url(format!("`{text}` is no address like http://127.0.0.1:7878")));
        }
        Ok(Self { authority: authority.to_owned(), path: path.to_owned() })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let named = self.authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let address = if named { self.authority.clone() } else { format!("{}:80", self.authority) };
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Asks one server; connections are used again.
pub struct Client {
    /// The server.
    pub url: Url,
    token: Option<String>,
    idle: Mutex<Vec<Wire>>,
}

/// An answer whose body is still to be read.
pub struct Answer<'c> {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    body: AnswerBody<'c>,
}

struct AnswerBody<'c> {
    client: &'c Client,
    wire: Option<Wire>,
    framing: Framing,
    /// Whether the connection can be used again.
    keeps: bool,
}

impl Client {
    /// Makes a client of a server; `token` goes with every request.
    pub fn new(url: Url, token: Option<String>) -> Self {
        Self { url, token, idle: Mutex::default() }
    }

    /// Asks for a path with more headers; every status is an answer.
    ///
    /// # Errors
    /// When nobody answers, or not in HTTP.
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer<'_>, ClientError> {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n", self.url.authority);
        request += concat!("User-Agent: vecdelta/", env!("CARGO_PKG_VERSION"), "\r\n");
        if let Some(token) = &self.token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
        request += "\r\n";
        // A connection that was silent for a while may have been closed: then a new one is made.
        while let Some(wire) = self.idle().pop() {
            if let Ok(Some(answer)) = self.exchange(wire, &request) {
                return Ok(answer);
            }
        }
        let unreachable = |error| ClientError::Unreachable { authority: self.url.authority.clone(), error };
        let stream = self.url.connect().map_err(unreachable)?;
        let _ = stream.set_nodelay(true);
        self.exchange(Wire::new(Arc::new(stream)), &request)?
            .ok_or_else(|| unreachable(io::ErrorKind::UnexpectedEof.into()))
    }

    /// Asks for a path and reads the whole answer, which must be a good one.
    ///
    /// # Errors
    /// Also when the server refuses.
    pub fn fetch(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        let mut answer = self.get(path, &[])?.good()?;
        let mut bytes = Vec::new();
        let read = answer.read_to_end(&mut bytes);
        read.map_err(|error| ClientError::Unreachable { authority: self.url.authority.clone(), error })?;
        Ok(bytes)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Wire>> {
        self.idle.lock().expect("no thread panics with it")
    }

    /// Sends a request and reads the first lines of the answer; nothing when the connection ended before.
    fn exchange(&self, mut wire: Wire, request: &str) -> Result<Option<Answer<'_>>, ClientError> {
        let authority = &self.url.authority;
        let unreachable = |error| ClientError::Unreachable { authority: authority.clone(), error };
        let foreign =
            |problem: &str| ClientError::Foreign { authority: authority.clone(), problem: problem.to_owned() };
        if wire.write_all(request.as_bytes()).is_err() {
            return Ok(None);
        }
        wire.deadline = Instant::now() + SILENCE;
        loop {
            let mut slots = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut slots);
            match parsed.parse(&wire.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let status = parsed.code.unwrap_or_default();
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
                    let pair = |h: &httparse::Header<'_>| (h.name.to_ascii_lowercase(), text(h.value));
                    let headers: Vec<(String, String)> = parsed.headers.iter().map(pair).collect();
                    wire.buffer.drain(..length);
                    if (100..200).contains(&status) {
                        continue;
                    }
                    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
                    let closes = header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"));
                    let framing = match (status, header("transfer-encoding"), header("content-length")) {
                        (204 | 304, ..) => Framing::Bytes(0),
                        (_, Some(_), _) => Framing::Chunks,
                        (_, None, Some(n)) => Framing::Bytes(n.parse().map_err(|_| foreign("its Content-Length"))?),
                        (_, None, None) => Framing::UntilEnd,
                    };
                    let keeps = !closes && !matches!(framing, Framing::UntilEnd);
                    let body = AnswerBody { client: self, wire: Some(wire), framing, keeps };
                    return Ok(Some(Answer { status, headers, body }));
                }
                Ok(httparse::Status::Partial) if wire.buffer.len() > HEAD_MAX => {
                    return Err(foreign("endless headers"));
                }
                Ok(httparse::Status::Partial) => {}
                Err(error) => return Err(foreign(&error.to_string())),
            }
            match wire.fill() {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(unreachable(error)),
                Err(_) => return Ok(None),
            }
        }
    }
}

impl Answer<'_> {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns the answer if it is a good one.
    ///
    /// # Errors
    /// What the server says otherwise.
    pub fn good(mut self) -> Result<Self, ClientError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let mut text = Vec::new();
        let _ = (&mut self).take(ERROR_MAX).read_to_end(&mut text);
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let said = |key: &str| document[key].as_str().map(str::to_owned);
        Err(ClientError::Refused {
            authority: self.body.client.url.authority.clone(),
            status: self.status,
            message: said("error").unwrap_or_else(|| "it says no more".to_owned()),
            help: said("help"),
        })
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(wire) = &mut self.body.wire else { return Ok(0) };
        let n = self.body.framing.read(wire, out, &mut |wire| {
            wire.deadline = Instant::now() + SILENCE;
            Ok(())
        })?;
        if self.body.framing.is_over()
            && let Some(wire) = self.body.wire.take()
            && self.body.keeps
        {
            self.body.client.idle().push(wire);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = |text: &str| Url::parse(text).map(|u| (u.authority, u.path));
        let two = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(url("http://127.0.0.1:7878").ok(), two("127.0.0.1:7878", ""));
        assert_eq!(url("localhost:1/").ok(), two("localhost:1", "/"));
        assert_eq!(url("http://[::1]:80/a/b.vdpack?x=1").ok(), two("[::1]:80", "/a/b.vdpack?x=1"));
        for text in ["", "http://", "https://a", "http://a b", "http://user@a", "http://a/b c", "http://a\r\n"] {
            assert!(url(text).is_err(), "{text:?}");
        }
    }
}
