//! A bundle on a server, read by ranges.

use std::io::{self, Read};
use std::sync::Mutex;

use super::client::{Client, ClientError, Url};
use crate::answer::{Failure, IO};
use crate::store::{Bundle, DiskFile, PAGE_BYTES, PagedFile};

/// What is asked for at first: front and graph of most repositories.
const FIRST: u64 = 2 * PAGE_BYTES;

/// How many bytes of the file are kept.
const HELD_MAX: u64 = 128 << 20;

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

/// A file that is read by ranges; every page of it is of the same state.
struct RangeFile {
    client: Client,
    path: String,
    tag: Option<String>,
    len: u64,
    pages: PagedFile,
    /// One read at a time brings what it lacks.
    turn: Mutex<()>,
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
        (&mut answer).take(FIRST).read_to_end(&mut bytes).map_err(unreadable)?;
        drop(answer);
        let pages = PagedFile::new(len, HELD_MAX);
        // Only whole pages are taken.
        let whole =
            if bytes.len() as u64 == len { bytes.len() } else { bytes.len() - bytes.len() % PAGE_BYTES as usize };
        // A server that sends more than the file has is noticed when what it sent is read.
        let _ = pages.fill(0, &bytes[..whole]);
        Ok(Self { client, path: state.unwrap_or(path), tag, len, pages, turn: Mutex::new(()) })
    }

    /// Reads, and brings what is lacking until there is all of it.
    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let lacks = |read: &io::Result<()>| read.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        let mut read = self.pages.read_at(buffer, offset);
        while lacks(&read) {
            let _turn = self.turn.lock().expect("no thread panics with it");
            // Somebody else may have brought it meanwhile.
            read = self.pages.read_at(buffer, offset);
            if lacks(&read) {
                for range in self.pages.missing() {
                    self.pages.fill(range.start, &self.fetch(range.start, range.end - range.start)?)?;
                }
                read = self.pages.read_at(buffer, offset);
            }
        }
        read
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
        self.read(buffer, offset)
    }

    fn will_read(&self, offset: u64, len: u64) {
        self.pages.will_read(offset, len);
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}
