//! A bundle on a server, read by ranges.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use super::client::{Client, ClientError, Url};
use crate::answer::{Failure, IO};
use crate::store::{Bundle, DiskFile};

/// What is asked for at first: front and graph of most repositories.
const FIRST: u64 = 64 << 10;

/// Whoever reads on where the last answer ended is given more and more at once, up to this.
const AHEAD_MAX: u64 = 4 << 20;

/// How much before a place that has nothing to do with the last one comes along.
const BEFORE: u64 = 16 << 10;

/// How many pieces are kept.
const PIECES: usize = 16;

/// Opens the bundle behind a URL: a file, or the repository that a server serves when the URL names no path.
///
/// # Errors
/// When nobody answers, the server knows no ranges, or it is no bundle.
pub fn open_bundle(text: &str, token: Option<String>) -> Result<Bundle, Failure> {
    let mut url = Url::parse(text)?;
    if url.path.trim_start_matches('/').is_empty() {
        url.path = "/v1/bundle".to_owned();
    }
    let file = RangeFile::open(Client::new(url, token))?;
    Ok(Bundle::open(Box::new(file), text)?)
}

/// A file that is read by ranges; every piece of it is of the same state.
struct RangeFile {
    client: Client,
    path: String,
    tag: Option<String>,
    len: u64,
    pieces: Mutex<Pieces>,
}

struct Pieces {
    /// The newest last.
    held: VecDeque<(u64, Arc<Vec<u8>>)>,
    /// Where the last answer ended, and how much is asked for when somebody reads on from there.
    end: u64,
    ahead: u64,
}

impl RangeFile {
    fn open(client: Client) -> Result<Self, Failure> {
        let path = client.url.path.clone();
        let shown = format!("http://{}{path}", client.url.authority);
        let range = format!("bytes=0-{}", FIRST - 1);
        let mut answer = client.get(&path, &[("Range", &range)])?.good()?;
        let len = answer.header("content-range").and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let (206, Some(len)) = (answer.status, len) else {
            let text = format!("{shown}: the server sends no ranges of the file");
            return Err(Failure::new(IO, text).hint("download the file and use that"));
        };
        let tag = answer.header("etag").filter(|tag| !tag.starts_with("W/")).map(str::to_owned);
        // A server that names the state which it sends will send that state for a while.
        let state = answer.header("content-location").filter(|place| place.starts_with('/')).map(str::to_owned);
        let mut bytes = Vec::new();
        let unreadable = |error| ClientError::Unreachable { authority: client.url.authority.clone(), error };
        answer.read_to_end(&mut bytes).map_err(unreadable)?;
        drop(answer);
        let (end, first) = (bytes.len() as u64, Arc::new(bytes));
        let pieces = Mutex::new(Pieces { held: VecDeque::from([(0, first)]), end, ahead: FIRST });
        Ok(Self { client, path: state.unwrap_or(path), tag, len, pieces })
    }

    /// Finds the piece that holds a stretch of bytes, or asks for one.
    fn piece(&self, offset: u64, len: u64) -> io::Result<(u64, Arc<Vec<u8>>)> {
        let (start, end) = {
            let mut pieces = self.pieces.lock().expect("no thread panics with it");
            let holds =
                |(start, bytes): &&(u64, Arc<Vec<u8>>)| *start <= offset && offset + len <= start + bytes.len() as u64;
            if let Some(found) = pieces.held.iter().rev().find(holds) {
                return Ok(found.clone());
            }
            let goes_on = offset == pieces.end;
            pieces.ahead = if goes_on { (pieces.ahead * 2).min(AHEAD_MAX) } else { FIRST };
            // The log's last record lies before the index, which is read first.
            let start = if goes_on || len >= FIRST { offset } else { offset.saturating_sub(BEFORE) };
            (start, (offset + len).max(start + pieces.ahead).min(self.len))
        };
        let bytes = Arc::new(self.fetch(start, end - start)?);
        let mut pieces = self.pieces.lock().expect("no thread panics with it");
        pieces.end = end;
        pieces.held.push_back((start, bytes.clone()));
        if pieces.held.len() > PIECES {
            pieces.held.pop_front();
        }
        Ok((start, bytes))
    }

    fn fetch(&self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let range = format!("bytes={offset}-{}", offset + len - 1);
        let mut headers = vec![("Range", range.as_str())];
        headers.extend(self.tag.as_deref().map(|tag| ("If-Match", tag)));
        let mut answer = self.client.get(&self.path, &headers).map_err(io::Error::other)?;
        let content = format!("bytes {offset}-{}/{}", offset + len - 1, self.len);
        if matches!(answer.status, 410 | 412)
            || (answer.status == 206 && answer.header("content-range") != Some(&content))
        {
            return Err(io::Error::other("it has changed on the server while it was read: run the command again"));
        }
        if answer.status != 206 {
            let refused = answer.good().err().map_or("it no longer sends ranges".to_owned(), |e| e.to_string());
            return Err(io::Error::other(refused));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?];
        answer.read_exact(&mut bytes)?;
        // The end of the body is taken too, so that the connection can be used again.
        answer.read(&mut [0; 1]).map(|_| bytes)
    }
}

impl DiskFile for RangeFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let len = buffer.len() as u64;
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if len == 0 {
            return Ok(());
        }
        let (start, bytes) = self.piece(offset, len)?;
        buffer.copy_from_slice(&bytes[(offset - start) as usize..][..buffer.len()]);
        Ok(())
    }

    fn write_at(&self, _data: &[u8], _offset: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
