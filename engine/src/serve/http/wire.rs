//! A connection on which nothing is waited for without an end.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is handed to the system at once; each piece must get away within the time for one.
const PIECE: usize = 64 << 10;

/// How long one piece may take to get away.
const PIECE_SECONDS: u64 = 30;

/// Bytes from and to a client.
pub struct Wire {
    stream: Arc<TcpStream>,
    /// What was read and not taken yet.
    pub buffer: Vec<u8>,
    /// When reading is given up.
    pub deadline: Instant,
    /// How many bytes were written.
    pub written: u64,
}

impl Wire {
    /// Takes a connection.
    pub fn new(stream: Arc<TcpStream>) -> Self {
        Self { stream, buffer: Vec::new(), deadline: Instant::now(), written: 0 }
    }

    /// Waits for more bytes; none is the end of the connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when they do not come in time.
    pub fn fill(&mut self) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // Less than a millisecond may become "for ever" in the system's units.
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        let mut piece = [0; 16 << 10];
        let n = retry(|| (&*self.stream).read(&mut piece))?;
        self.buffer.extend_from_slice(&piece[..n]);
        Ok(n)
    }

    /// Reads bytes that were sent into `out`, past the buffer once that is empty.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn take(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.fill()?;
        }
        let n = out.len().min(self.buffer.len());
        out[..n].copy_from_slice(&self.buffer[..n]);
        self.buffer.drain(..n);
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        let deadline = Instant::now() + Duration::from_secs(PIECE_SECONDS);
        let mut done = 0;
        while done < piece.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_write_timeout(Some(left.max(Duration::from_millis(1))))?;
            match retry(|| (&*self.stream).write(&piece[done..]))? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => done += n,
            }
        }
        self.written += done as u64;
        Ok(done)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does it again when a signal came in between; a time that ran out has one name.
fn retry<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            other => return other,
        }
    }
}
