//! A file that lies elsewhere and is read by ranges: the pages that were brought, in bounded memory.
//!
//! Nothing here waits. A read that lacks pages fails with [`io::ErrorKind::WouldBlock`] and notes them; whoever asked
//! brings them, from a server, a dropped file or wherever the bytes are, and runs the same operation again:
//!
//! ```text
//! run --fails, waiting--> missing() --ranges--> fetch, however slowly --> fill() --+
//!  ^-------------------------------------------------------------------------------'
//! ```
//!
//! What an operation has read stays until it has run through, so each turn comes further or ends with an error.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use super::disk::DiskFile;
use crate::delta::SortedMap;

/// The size of a page; ranges begin and end at its multiples or at the end of the file.
pub const PAGE_BYTES: u64 = 32 << 10;

/// How many pages before and behind a place come along when it has nothing to do with earlier ones.
const BEFORE: u64 = 1;
const BEHIND: u64 = 2;
/// The most that is read ahead, in pages; never more than an eighth of what may be kept.
const AHEAD_MAX: u64 = 64;
/// Two ranges that are at most this many pages apart are brought as one.
const GAP: u64 = 2;
/// How many of the last ranges are remembered to tell that reading goes on there.
const RECENT: usize = 16;

/// A file that is read by ranges; clones share what was brought.
#[derive(Clone)]
pub struct PagedFile {
    len: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    pages: SortedMap<u64, Page>,
    held: u64,
    held_max: u64,
    /// Counts looks at pages.
    now: u64,
    /// The count when the operation that now runs began, and when the one before it did.
    began: u64,
    kept: u64,
    wanted: Vec<Range<u64>>,
    recent: VecDeque<Range<u64>>,
}

struct Page {
    bytes: Box<[u8]>,
    used: u64,
}

impl PagedFile {
    /// Stands for a file of `len` bytes of which none are there yet; at most `held_max` bytes of it are kept in memory.
    pub fn new(len: u64, held_max: u64) -> Self {
        Self { len, state: Arc::new(Mutex::new(State { held_max, ..State::default() })) }
    }

    /// Takes a file that is there as a whole.
    pub fn whole(bytes: &[u8]) -> Self {
        let file = Self::new(bytes.len() as u64, u64::MAX);
        file.state().put(0, bytes);
        file
    }

    /// Returns how many bytes are in memory.
    pub fn held(&self) -> u64 {
        self.state().held
    }

    /// Tells that another operation begins: what earlier ones have read may go.
    pub fn begin(&self) {
        let mut state = self.state();
        (state.kept, state.began) = (state.now, state.now);
        state.wanted.clear();
    }

    /// Returns the ranges of bytes that reads lacked since this was last asked, ascending and apart, with what will
    /// probably be read next: what the operation has to have before it is run again.
    pub fn missing(&self) -> Vec<Range<u64>> {
        let mut state = self.state();
        (state.kept, state.began) = (state.began, state.now);
        let mut wanted = std::mem::take(&mut state.wanted);
        wanted.sort_unstable_by_key(|r| r.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let pages = self.len.div_ceil(PAGE_BYTES);
        for want in joined(wanted) {
            let wide = state.widened(&want);
            ranges.push(state.trimmed(wide.start..wide.end.min(pages)));
        }
        let ranges = joined(ranges);
        for range in &ranges {
            state.recent.push_front(range.clone());
        }
        state.recent.truncate(RECENT);
        ranges.into_iter().map(|r| r.start * PAGE_BYTES..(r.end * PAGE_BYTES).min(self.len)).collect()
    }

    /// Takes bytes that were brought for a range that [`missing`](Self::missing) named.
    ///
    /// # Errors
    /// When the bytes are not pages of the file, or there is no room for them beside what the operation has read.
    pub fn fill(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        let whole = |at: u64| at.is_multiple_of(PAGE_BYTES) || at == self.len;
        if !offset.is_multiple_of(PAGE_BYTES) || !end.is_some_and(|end| end <= self.len && whole(end)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the bytes are not those that were asked for"));
        }
        let mut state = self.state();
        state.make_room(bytes.len() as u64)?;
        state.put(offset / PAGE_BYTES, bytes);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    fn pages_of(&self, offset: u64, len: u64) -> io::Result<Range<u64>> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl State {
    fn put(&mut self, first: u64, bytes: &[u8]) {
        for (number, piece) in (first..).zip(bytes.chunks(PAGE_BYTES as usize)) {
            self.now += 1;
            self.held += piece.len() as u64;
            if let Some(old) = self.pages.insert(number, Page { bytes: piece.into(), used: self.now }) {
                self.held -= old.bytes.len() as u64;
            }
        }
    }

    /// Lets go of what was used longest ago, but of nothing that the last operation has read.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        if self.held.saturating_add(bytes) <= self.held_max {
            return Ok(());
        }
        let mut by_use: Vec<(u64, u64)> =
            self.pages.iter().filter(|(_, p)| p.used <= self.kept).map(|(n, p)| (p.used, *n)).collect();
        by_use.sort_unstable();
        // An eighth more, so that this is not done for every page.
        let most = (self.held_max - self.held_max / 8).saturating_sub(bytes);
        for (_, number) in by_use {
            if self.held <= most {
                break;
            }
            if let Some(page) = self.pages.remove(&number) {
                self.held -= page.bytes.len() as u64;
            }
        }
        if self.held.saturating_add(bytes) <= self.held_max {
            return Ok(());
        }
        let problem = format!("this needs more than the {} bytes that may be kept in memory at once", self.held_max);
        Err(io::Error::new(io::ErrorKind::OutOfMemory, problem))
    }

    /// Adds what will probably be read next: twice as much as before where reading goes on.
    fn widened(&self, want: &Range<u64>) -> Range<u64> {
        let most = AHEAD_MAX.min(self.held_max / PAGE_BYTES / 8);
        let more = |r: &Range<u64>| ((r.end - r.start) * 2).min(most);
        let ahead = self.recent.iter().find(|r| (r.end..=r.end + GAP).contains(&want.start)).map(more);
        let back = self.recent.iter().find(|r| (want.end..=want.end + GAP).contains(&r.start)).map(more);
        match (back, ahead) {
            (None, None) => want.start.saturating_sub(BEFORE)..want.end + BEHIND,
            _ => want.start.saturating_sub(back.unwrap_or(0))..want.end + ahead.unwrap_or(0),
        }
    }

    /// Leaves out pages at both ends that are there.
    fn trimmed(&self, mut range: Range<u64>) -> Range<u64> {
        while range.start < range.end && self.pages.contains_key(&range.start) {
            range.start += 1;
        }
        while range.start < range.end && self.pages.contains_key(&(range.end - 1)) {
            range.end -= 1;
        }
        range
    }
}

/// Joins ascending ranges that overlap or are hardly apart, and leaves out empty ones.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in ranges.into_iter().filter(|r| r.start < r.end) {
        match out.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

impl DiskFile for PagedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let pages = self.pages_of(offset, buffer.len() as u64)?;
        self.will_read(offset, buffer.len() as u64);
        let mut state = self.state();
        if pages.clone().any(|n| !state.pages.contains_key(&n)) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "these bytes have not been brought yet"));
        }
        let (mut done, mut at) = (0, offset);
        for number in pages {
            state.now += 1;
            let now = state.now;
            let Some(page) = state.pages.get_mut(&number) else { continue };
            page.used = now;
            let piece = &page.bytes[(at - number * PAGE_BYTES) as usize..];
            let len = piece.len().min(buffer.len() - done);
            buffer[done..done + len].copy_from_slice(&piece[..len]);
            (done, at) = (done + len, at + len as u64);
        }
        Ok(())
    }

    fn will_read(&self, offset: u64, len: u64) {
        let Ok(pages) = self.pages_of(offset, len) else { return };
        let mut state = self.state();
        let trimmed = state.trimmed(pages);
        if trimmed.start < trimmed.end {
            state.wanted.push(trimmed);
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i / 7 + i % 251) as u8).collect()
    }

    /// Reads as a driver would: tries, brings what is missing, tries again; returns the ranges that were brought.
    fn read(file: &PagedFile, from: &[u8], range: Range<u64>) -> io::Result<(Vec<u8>, Vec<Range<u64>>)> {
        let mut brought = Vec::new();
        file.begin();
        loop {
            let mut out = vec![0; (range.end - range.start) as usize];
            match file.read_at(&mut out, range.start) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                other => return other.map(|()| (out, brought)),
            }
            for r in file.missing() {
                file.fill(r.start, &from[r.start as usize..r.end as usize])?;
                brought.push(r);
            }
        }
    }

    #[test]
    fn bytes_come_as_they_are_in_few_ranges_and_bounded_memory() {
        let from = content(3_000_001);
        let max = 16 * PAGE_BYTES;
        let file = PagedFile::new(from.len() as u64, max);
        let mut seed = 1u64;
        for _ in 0..400 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let start = (seed >> 33) % from.len() as u64;
            let end = (start + (seed >> 20) % 90_000).min(from.len() as u64);
            let (bytes, _) = read(&file, &from, start..end).unwrap();
            assert_eq!(bytes, from[start as usize..end as usize]);
            assert!(file.held() <= max);
        }
        assert!(read(&file, &from, 3_000_000..3_000_002).is_err(), "behind the end");
    }

    #[test]
    fn reading_on_is_read_ahead_in_either_direction() {
        let from = content(8 << 20);
        for backwards in [false, true] {
            let file = PagedFile::new(from.len() as u64, u64::MAX);
            let mut requests = 0;
            for i in 0..1024u64 {
                let at = if backwards { from.len() as u64 - (i + 1) * 8192 } else { i * 8192 };
                requests += read(&file, &from, at..at + 8192).unwrap().1.len();
            }
            assert!(requests <= 10, "{requests}");
        }
    }

    #[test]
    fn what_is_named_before_comes_together_and_what_is_apart_stays_apart() {
        let file = PagedFile::new(1 << 30, u64::MAX);
        for at in [900 << 20, 1 << 20, (1 << 20) + 3 * PAGE_BYTES] {
            file.will_read(at, 10);
        }
        let at = |page: u64| page * PAGE_BYTES;
        let (near, far) = ((1 << 20) / PAGE_BYTES, (900 << 20) / PAGE_BYTES);
        assert_eq!(file.missing(), [at(near - 1)..at(near + 6), at(far - 1)..at(far + 3)]);
        assert!(file.missing().is_empty());
    }

    #[test]
    fn an_operation_that_needs_more_than_fits_ends() {
        let from = content(40 * PAGE_BYTES as usize);
        let file = PagedFile::new(from.len() as u64, 8 * PAGE_BYTES);
        let error = read(&file, &from, 0..from.len() as u64).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(read(&file, &from, 5..9).is_ok(), "a smaller one can still be done");
    }

    #[test]
    fn other_bytes_than_those_asked_for_are_refused() {
        let file = PagedFile::new(100_000, u64::MAX);
        for (offset, len) in [(1, PAGE_BYTES), (0, 100), (0, 100_001), (4 * PAGE_BYTES, 1), (u64::MAX, 5)] {
            assert!(file.fill(offset, &vec![0; len as usize]).is_err(), "{offset} {len}");
        }
        file.fill(3 * PAGE_BYTES, &vec![0; 100_000 - 3 * PAGE_BYTES as usize]).unwrap();
    }
}
