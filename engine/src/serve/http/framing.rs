//! Where a body ends: after so many bytes, behind its last chunk, or with the connection.

use std::io;

use super::wire::Wire;

/// How long the line with a chunk's size, or one behind the last chunk, may be.
const LINE_MAX: usize = 4 << 10;

/// How many lines there may be behind the last chunk.
const TRAILERS_MAX: usize = 64;

/// What is still to come of a body.
pub enum Framing {
    /// So many bytes.
    Bytes(u64),
    /// So many bytes of this chunk, and then more chunks.
    Chunk(u64),
    /// The first chunk.
    Chunks,
    /// All that comes.
    UntilEnd,
}

/// Called before something is waited for; sets when that ends.
pub type Wait<'w> = &'w mut dyn FnMut(&mut Wire) -> io::Result<()>;

impl Framing {
    /// Returns whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self, Framing::Bytes(0))
    }

    /// Reads some bytes; none is the end.
    ///
    /// # Errors
    /// When the connection ends before, or the chunks are malformed.
    pub fn read(&mut self, wire: &mut Wire, out: &mut [u8], wait: Wait<'_>) -> io::Result<usize> {
        if matches!(self, Framing::Chunks | Framing::Chunk(0)) {
            self.next_chunk(wire, wait)?;
        }
        let left = match self {
            Framing::Bytes(left) | Framing::Chunk(left) => *left,
            Framing::Chunks | Framing::UntilEnd => u64::MAX,
        };
        let want = out.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        wait(wire)?;
        let n = wire.take(&mut out[..want])?;
        match self {
            Framing::UntilEnd if n == 0 => *self = Framing::Bytes(0),
            _ if n == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Framing::Bytes(left) | Framing::Chunk(left) => *left -= n as u64,
            Framing::Chunks | Framing::UntilEnd => {}
        }
        if matches!(self, Framing::Chunk(0)) {
            // The end is taken together with the last bytes, so that it is known.
            self.next_chunk(wire, wait)?;
        }
        Ok(n)
    }

    /// Goes on to the next chunk, or to the end.
    fn next_chunk(&mut self, wire: &mut Wire, wait: Wait<'_>) -> io::Result<()> {
        if matches!(self, Framing::Chunk(0)) && line(wire, wait)? != b"\r\n" {
            return Err(malformed());
        }
        let size = line(wire, wait)?;
        match httparse::parse_chunk_size(&size) {
            Ok(httparse::Status::Complete((_, 0))) => {
                for _ in 0..TRAILERS_MAX {
                    // What stands behind the last chunk says nothing that is asked here.
                    if line(wire, wait)? == b"\r\n" {
                        *self = Framing::Bytes(0);
                        return Ok(());
                    }
                }
                Err(malformed())
            }
            Ok(httparse::Status::Complete((_, size))) => {
                *self = Framing::Chunk(size);
                Ok(())
            }
            _ => Err(malformed()),
        }
    }
}

/// Reads a line of the framing.
fn line(wire: &mut Wire, wait: Wait<'_>) -> io::Result<Vec<u8>> {
    loop {
        if let Some(end) = wire.buffer.iter().take(LINE_MAX).position(|&b| b == b'\n') {
            return Ok(wire.buffer.drain(..=end).collect());
        }
        if wire.buffer.len() > LINE_MAX {
            return Err(malformed());
        }
        wait(wire)?;
        if wire.fill()? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the chunks of the body are malformed")
}
