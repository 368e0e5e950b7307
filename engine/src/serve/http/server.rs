//! The server: connections, each on a thread of its own, and their end.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::body::Body;
use super::request::{Request, read_head};
use super::response::{How, Response};
use super::wire::Wire;
use crate::delta::date_of;

/// What a client may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many connections there may be at once.
    pub connections: usize,
    /// How long a request's first lines may be.
    pub head_bytes: usize,
    /// How long they may take to arrive.
    pub head: Duration,
    /// How long a connection may be silent between requests.
    pub idle: Duration,
    /// Both, when more than half of the connections are in use.
    pub crowded: Duration,
    /// How long a body may be.
    pub body_bytes: u64,
    /// How long the client may be silent within a body.
    pub body: Duration,
    /// The rate that a body must keep besides.
    pub body_bytes_per_second: u64,
    /// How long what is under way may go on after the server was asked to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 << 10,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            crowded: Duration::from_secs(2),
            body_bytes: 4 << 30,
            body: Duration::from_secs(20),
            body_bytes_per_second: 16 << 10,
            grace: Duration::from_secs(5),
        }
    }
}

/// What a request came to.
#[derive(Debug)]
pub struct Entry<'e> {
    /// The method; empty when the request could not be read.
    pub method: &'e str,
    /// The path, without parameters.
    pub path: &'e str,
    /// What was asked for, in a word.
    pub route: &'static str,
    /// The status code.
    pub status: u16,
    /// How many bytes were sent.
    pub bytes: u64,
    /// How long it took, from the first lines to the last byte.
    pub took: Duration,
    /// Why the response was not sent whole.
    pub failed: Option<io::Error>,
}

/// What answers requests.
pub type Handler<'h> = &'h (dyn Fn(&mut Request<'_>) -> Response + Sync);

/// A server that listens.
pub struct Server {
    listener: TcpListener,
    limits: Limits,
    state: Arc<State>,
}

struct State {
    address: SocketAddr,
    stopping: AtomicBool,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<TcpStream>>>,
}

impl State {
    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<TcpStream>>> {
        self.open.lock().expect("no thread panics with it")
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Ends a server from elsewhere.
#[derive(Clone)]
pub struct Stopper(Arc<State>);

impl Stopper {
    /// Asks the server to end: it takes no more connections, and ends those that wait for a request.
    pub fn stop(&self) {
        if self.0.stopping.swap(true, Ordering::SeqCst) {
            return;
        }
        // The listener waits for a connection: here is one.
        let _ = TcpStream::connect_timeout(&reachable(self.0.address), Duration::from_secs(1));
        for stream in self.0.open().values() {
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}

/// Returns the address under which this machine reaches its own listener.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

impl Server {
    /// Begins to listen; requests are answered by [`run`](Self::run).
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let state = State {
            address: listener.local_addr()?,
            stopping: AtomicBool::new(false),
            next: AtomicU64::new(0),
            open: Mutex::default(),
        };
        Ok(Self { listener, limits, state: Arc::new(state) })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.state.address
    }

    /// Returns what ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.state.clone())
    }

    /// Answers requests until the server is stopped and the connections have ended; `log` is told of each request.
    pub fn run(&self, handler: Handler<'_>, log: &(dyn Fn(&Entry<'_>) + Sync)) {
        thread::scope(|scope| {
            while let Some(stream) = self.next() {
                let number = self.state.next.fetch_add(1, Ordering::Relaxed);
                let stream = Arc::new(stream);
                {
                    let mut open = self.state.open();
                    if open.len() >= self.limits.connections {
                        drop(open);
                        turn_away(&stream);
                        continue;
                    }
                    open.insert(number, stream.clone());
                }
                let connection = move || {
                    Connection { limits: &self.limits, state: &self.state, handler, log }.serve(&stream);
                    self.state.open().remove(&number);
                };
                if thread::Builder::new().name("http".to_owned()).spawn_scoped(scope, connection).is_err() {
                    // There are no more threads: the connection went with its closure.
                    self.state.open().remove(&number);
                }
            }
            self.end_connections();
        });
    }

    /// Waits for a connection; nothing when the server ends.
    fn next(&self) -> Option<TcpStream> {
        loop {
            let accepted = self.listener.accept();
            if self.state.is_stopping() {
                return None;
            }
            match accepted {
                Ok((stream, _)) => return Some(stream),
                // Too many open files, for one: what is open ends some time.
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Lets what is under way go on for a while.
    fn end_connections(&self) {
        let end = Instant::now() + self.limits.grace;
        while !self.state.open().is_empty() && Instant::now() < end {
            for stream in self.state.open().values() {
                let _ = stream.shutdown(Shutdown::Read);
            }
            thread::sleep(Duration::from_millis(10));
        }
        for stream in self.state.open().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Answers a connection that is one too many, without waiting for anything.
fn turn_away(stream: &TcpStream) {
    let text = "{\"error\":\"too many connections\",\"help\":\"try again in a moment\"}\n";
    let head =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close";
    let _ = stream.set_nonblocking(true);
    let _ = (&*stream).write(format!("{head}\r\nContent-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
}

/// A connection and what it needs.
struct Connection<'s> {
    limits: &'s Limits,
    state: &'s State,
    handler: Handler<'s>,
    log: &'s (dyn Fn(&Entry<'_>) + Sync),
}

impl Connection<'_> {
    fn serve(&self, stream: &Arc<TcpStream>) {
        let _ = stream.set_nodelay(true);
        let mut wire = Wire::new(stream.clone());
        while self.exchange(&mut wire) && !self.state.is_stopping() {}
        linger(stream);
    }

    /// Reads a request and answers it; returns whether another one may follow.
    fn exchange(&self, wire: &mut Wire) -> bool {
        let crowded = self.state.open().len() * 2 > self.limits.connections;
        let head = match read_head(wire, self.limits, crowded) {
            Ok(Some(head)) => head,
            Ok(None) => return false,
            Err(response) => {
                return self.answer(
                    wire,
                    ("", ""),
                    response,
                    How { head_only: false, chunks: true, keeps: false },
                    Instant::now(),
                );
            }
        };
        let begun = Instant::now();
        let (method, path) = (head.method.clone(), head.path.clone());
        let mut how = How { head_only: method == "HEAD", chunks: head.modern, keeps: head.keeps() };
        let response = match Body::of(&head, wire, self.limits) {
            Ok(body) => {
                let mut request = Request { head, body };
                // A bug in one answer must not end the others.
                let response = catch_unwind(AssertUnwindSafe(|| (self.handler)(&mut request)))
                    .unwrap_or_else(|_| Response::error(500, "the request met a bug of this program"));
                how.keeps &= request.body.drain() && !self.state.is_stopping();
                response
            }
            Err(response) => {
                how.keeps = false;
                response
            }
        };
        self.answer(wire, (&method, &path), response, how, begun)
    }

    fn answer(
        &self,
        wire: &mut Wire,
        (method, path): (&str, &str),
        response: Response,
        how: How,
        begun: Instant,
    ) -> bool {
        let (status, route, before) = (response.status, response.route, wire.written);
        let sent = catch_unwind(AssertUnwindSafe(|| response.write(wire, &date(), how)))
            .unwrap_or_else(|_| Err(io::Error::other("the answer met a bug of this program")));
        let bytes = wire.written - before;
        let keeps = sent.is_ok() && how.keeps;
        (self.log)(&Entry { method, path, route, status, bytes, took: begun.elapsed(), failed: sent.err() });
        keeps
    }
}

/// Closes a connection so that the client can still read what was sent: what it sends is read over for a moment.
fn linger(stream: &TcpStream) {
    let end = Instant::now() + Duration::from_secs(1);
    let (mut rest, mut buffer) = (256 << 10, [0; 8 << 10]);
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    while rest > 0 && Instant::now() < end {
        let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
        match (&*stream).read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => rest -= n.min(rest),
        }
    }
}

/// Returns the time as HTTP writes it.
fn date() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date_of(days as i64);
    // The first of January 1970 was a Thursday.
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][days as usize % 7];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[month as usize - 1];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
