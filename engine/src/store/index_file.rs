//! Index files: what is known of a stretch of the log, in sorted tables that are searched without being read whole.
//!
//! Derived and immutable. A file covers the records `from..=to` and names the records at both ends by hash, so that
//! files that follow each other fit, and one of another history does not.
//!
//! ```text
//!  | header, 4096 | graph, XXH3-128 | table: pages of 4096, fences, XXH3-128 | table | table | table |
//!  page   | records of one width, ascending ... | 0 ... | XXH3-64, 8 |
//!  fences | the first record of each page ... |
//! ```

use std::io;
use std::sync::OnceLock;

use borsh::{BorshDeserialize, BorshSerialize};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128};

use super::disk::{Disk, DiskFile};
use super::index_records::Records;

/// The directory of index files.
pub const INDEX: &str = "cache/index";

/// How many tables a file has.
pub const TABLES: usize = 4;

const MAGIC: &[u8; 8] = b"VDINDX03";
const PAGE: usize = 4096;
const ROOM: usize = PAGE - 8;
/// Pages are written and merged in groups of this many.
pub(super) const GROUP: usize = 64;

/// What a file covers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Covers {
    /// The repository.
    pub origin: [u8; 32],
    /// The segment that the log begins with.
    pub first: u32,
    /// The number of the first record.
    pub from: u64,
    /// The number of the last record.
    pub to: u64,
    /// The hash of the record before; zeros for none.
    pub before: [u8; 32],
    /// The hash of the last record.
    pub last: [u8; 32],
}

#[derive(Clone, Copy, Debug, Default, BorshSerialize, BorshDeserialize)]
struct Section {
    offset: u64,
    /// Bytes of the graph, or records of a table.
    count: u64,
    width: u32,
}

impl Section {
    fn per_page(&self) -> usize {
        ROOM / self.width.max(1) as usize
    }

    fn pages(&self) -> u64 {
        self.count.div_ceil(self.per_page() as u64)
    }
}

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
struct Header {
    covers: Covers,
    graph: Section,
    tables: [Section; TABLES],
}

/// An open index file.
pub struct IndexFile {
    name: String,
    file: Box<dyn DiskFile>,
    header: Header,
    fences: [OnceLock<Vec<u8>>; TABLES],
}

/// Why a file does not answer.
#[derive(Debug)]
pub enum Flaw {
    /// It is damaged or gone: what it said is read from the log instead.
    Damaged,
    /// Its bytes lie elsewhere and have not been brought yet.
    Waiting(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock { Self::Waiting(error) } else { Self::Damaged }
    }
}

/// What a file answers.
pub type Answer<T> = Result<T, Flaw>;

/// Returns the names of the files there are, with the records that they claim to cover.
pub fn list(disk: &dyn Disk) -> Vec<(String, u64, u64)> {
    let range = |name: String| {
        let (from, to) = name.split_once('-')?;
        Some((from.parse().ok()?, to.parse().ok()?)).map(|(from, to)| (name.clone(), from, to))
    };
    disk.list(INDEX).unwrap_or_default().into_iter().filter_map(range).collect()
}

/// Removes a file; one that stays does no harm.
pub fn remove(disk: &dyn Disk, name: &str) {
    let _ = disk.remove(&format!("{INDEX}/{name}"));
}

impl IndexFile {
    /// Opens a file.
    ///
    /// # Errors
    /// When it is damaged, gone or not there yet.
    pub fn open(disk: &dyn Disk, name: &str) -> Answer<Self> {
        let file = disk.open(&format!("{INDEX}/{name}"), false)?;
        let mut bytes = vec![0; PAGE];
        file.read_at(&mut bytes, 0)?;
        (bytes[..8] == *MAGIC && page_is_whole(&bytes, 0)).then_some(()).ok_or(Flaw::Damaged)?;
        let header = Header::deserialize(&mut &bytes[8..]).map_err(|_| Flaw::Damaged)?;
        Ok(Self { name: name.to_owned(), file, header, fences: Default::default() })
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it covers.
    pub fn covers(&self) -> &Covers {
        &self.header.covers
    }

    /// Returns how large it is, in records of tables and bytes of graph.
    pub fn weight(&self) -> u64 {
        self.header.graph.count / 64 + self.header.tables.iter().map(|t| t.count).sum::<u64>()
    }

    /// Returns whether a table is there, be it empty: one of no width was left out.
    pub fn has(&self, table: usize) -> bool {
        self.width(table) > 0
    }

    /// Returns how many bytes a record of a table has.
    pub fn width(&self, table: usize) -> usize {
        self.header.tables[table].width as usize
    }

    /// Reads the graph.
    ///
    /// # Errors
    /// When it is damaged or not there yet.
    pub fn graph(&self) -> Answer<Vec<u8>> {
        self.summed(self.header.graph.offset, self.header.graph.count)
    }

    /// Hands over the records of a table that begin with some bytes, in order.
    ///
    /// # Errors
    /// When the file is damaged, or not all of them are there yet.
    pub fn find(&self, table: usize, prefix: &[u8], found: &mut dyn FnMut(&[u8])) -> Answer<()> {
        let section = self.header.tables[table];
        let (width, fences) = (section.width as usize, self.fences(table)?);
        if section.count == 0 {
            return Ok(());
        }
        // The first page that may hold one is the one before the first that begins with the prefix or beyond.
        let beyond = partition(fences, width, |fence| &fence[..prefix.len()] < prefix);
        for page in (beyond.saturating_sub(1) as u64)..section.pages() {
            let records = self.page(table, page)?;
            let from = partition(&records, width, |r| &r[..prefix.len()] < prefix);
            let mut records = records[from * width..].chunks_exact(width);
            if let Some(record) = records.by_ref().find(|r| {
                let hit = r.starts_with(prefix);
                if hit {
                    found(r);
                }
                !hit
            }) {
                debug_assert!(record > prefix);
                break;
            }
        }
        Ok(())
    }

    /// Returns all records of a table in order.
    pub fn records(&self, table: usize) -> Records<'_> {
        Records::in_file(self, table, self.header.tables[table].width as usize)
    }

    /// Returns how many pages a table has.
    pub(super) fn pages(&self, table: usize) -> u64 {
        self.header.tables[table].pages()
    }

    /// Reads the records of a page.
    pub(super) fn page(&self, table: usize, page: u64) -> Answer<Vec<u8>> {
        let section = self.header.tables[table];
        let mut bytes = vec![0; PAGE];
        let at = page.checked_mul(PAGE as u64).and_then(|p| section.offset.checked_add(p));
        self.file.read_at(&mut bytes, at.ok_or(Flaw::Damaged)?)?;
        page_is_whole(&bytes, page + 1).then_some(()).ok_or(Flaw::Damaged)?;
        let held = (section.count - page * section.per_page() as u64).min(section.per_page() as u64) as usize;
        bytes.truncate(held * section.width as usize);
        Ok(bytes)
    }

    fn fences(&self, table: usize) -> Answer<&[u8]> {
        if let Some(fences) = self.fences[table].get() {
            return Ok(fences);
        }
        let section = self.header.tables[table];
        let bytes = section.pages().checked_mul(u64::from(section.width));
        let at = section.pages().checked_mul(PAGE as u64).and_then(|p| section.offset.checked_add(p));
        let (bytes, at) = bytes.zip(at).ok_or(Flaw::Damaged)?;
        let read = self.summed(at, bytes)?;
        Ok(self.fences[table].get_or_init(|| read))
    }

    /// Reads bytes that their checksum follows.
    fn summed(&self, offset: u64, len: u64) -> Answer<Vec<u8>> {
        // A length is not believed before the file is that long.
        let end = offset.checked_add(len).and_then(|end| end.checked_add(16)).ok_or(Flaw::Damaged)?;
        (self.file.len()? >= end).then_some(()).ok_or(Flaw::Damaged)?;
        let mut bytes = vec![0; usize::try_from(len + 16).map_err(|_| Flaw::Damaged)?];
        self.file.read_at(&mut bytes, offset)?;
        let (body, sum) = bytes.split_last_chunk::<16>().ok_or(Flaw::Damaged)?;
        (xxh3_128(body).to_le_bytes() == *sum).then_some(()).ok_or(Flaw::Damaged)?;
        bytes.truncate(len as usize);
        Ok(bytes)
    }
}

/// Writes a file from a graph and tables of records; returns its name.
///
/// `None` when a record is missing, because the file that it comes from is damaged, or the disk refuses.
pub fn write(disk: &dyn Disk, covers: Covers, graph: &[u8], tables: [Records<'_>; TABLES]) -> Option<String> {
    let name = format!("{:012}-{:012}", covers.from, covers.to);
    let new = format!("{INDEX}/new");
    disk.create_dir(INDEX).ok()?;
    let file = disk.open(&new, true).ok()?;
    file.set_len(0).ok()?;
    let mut out = Writer { file: file.as_ref(), offset: PAGE as u64, buffer: Vec::new() };
    let mut header = Header {
        covers,
        graph: Section { offset: PAGE as u64, count: graph.len() as u64, width: 1 },
        tables: Default::default(),
    };
    out.summed(graph)?;
    for (place, records) in header.tables.iter_mut().zip(tables) {
        *place = out.table(records)?;
    }
    out.flush()?;
    let mut page = MAGIC.to_vec();
    header.serialize(&mut page).ok()?;
    file.write_at(seal(&mut page, 0), 0).ok()?;
    disk.rename(&new, &format!("{INDEX}/{name}")).ok()?;
    Some(name)
}

struct Writer<'f> {
    file: &'f dyn DiskFile,
    offset: u64,
    buffer: Vec<u8>,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= GROUP * PAGE { self.flush() } else { Some(()) }
    }

    fn flush(&mut self) -> Option<()> {
        self.file.write_at(&self.buffer, self.offset).ok()?;
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        Some(())
    }

    fn summed(&mut self, bytes: &[u8]) -> Option<()> {
        self.put(bytes)?;
        self.put(&xxh3_128(bytes).to_le_bytes())
    }

    fn table(&mut self, mut records: Records<'_>) -> Option<Section> {
        let width = records.width();
        let mut section =
            Section { offset: self.offset + self.buffer.len() as u64, count: 0, width: u32::try_from(width).ok()? };
        let (mut page, mut fences, mut pages) = (Vec::with_capacity(PAGE), Vec::new(), 0);
        while let Some(record) = records.next() {
            if page.is_empty() {
                fences.extend_from_slice(record);
            }
            page.extend_from_slice(record);
            section.count += 1;
            if page.len() + width > ROOM {
                pages += 1;
                self.put(seal(&mut page, pages))?;
                page.clear();
            }
        }
        if records.is_damaged() {
            return None;
        }
        if !page.is_empty() {
            self.put(seal(&mut page, pages + 1))?;
        }
        self.summed(&fences)?;
        Some(section)
    }
}

/// Fills a page up and adds its checksum, which also binds its number.
fn seal(page: &mut Vec<u8>, number: u64) -> &[u8] {
    page.resize(ROOM, 0);
    let sum = xxh3_64_with_seed(page, number);
    page.extend_from_slice(&sum.to_le_bytes());
    page
}

fn page_is_whole(page: &[u8], number: u64) -> bool {
    xxh3_64_with_seed(&page[..ROOM], number).to_le_bytes() == page[ROOM..]
}

/// Returns how many of the records come before the first for which `before` does not hold.
fn partition(records: &[u8], width: usize, before: impl Fn(&[u8]) -> bool) -> usize {
    let (mut low, mut high) = (0, records.len() / width.max(1));
    while low < high {
        let middle = usize::midpoint(low, high);
        if before(&records[middle * width..][..width]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    const WIDTH: usize = 12;

    fn covers(from: u64, to: u64) -> Covers {
        Covers { origin: [7; 32], first: 0, from, to, before: [0; 32], last: [1; 32] }
    }

    fn records(n: u64) -> Vec<Vec<u8>> {
        let record = |i: u64| [&(i / 3).to_be_bytes()[..], &(i as u32).to_be_bytes()].concat();
        (0..n).map(record).collect()
    }

    fn file(disk: &MemoryDisk, n: u64) -> String {
        let rows: Vec<[u8; WIDTH]> = records(n).into_iter().map(|r| r.try_into().unwrap()).collect();
        let tables = [Records::of(&rows), Records::of::<WIDTH>(&[]), Records::of(&[[9; 5]]), Records::left_out()];
        write(disk, covers(1, 2), b"graph", tables).unwrap()
    }

    fn all(mut records: Records<'_>) -> Vec<Vec<u8>> {
        let found = std::iter::from_fn(|| records.next().map(<[u8]>::to_vec)).collect();
        assert!(!records.is_damaged());
        found
    }

    #[test]
    fn every_prefix_finds_its_records_and_no_others() {
        for n in [0, 1, 2, 339, 340, 341, 1_021, 5_000] {
            let disk = MemoryDisk::default();
            let name = file(&disk, n);
            let index = IndexFile::open(&disk, &name).unwrap();
            assert_eq!(index.graph().unwrap(), b"graph");
            assert_eq!(all(index.records(0)), records(n));
            for key in (0..n / 3 + 2).chain([u64::MAX]) {
                let mut found = Vec::new();
                index.find(0, &key.to_be_bytes(), &mut |r| found.push(r.to_vec())).unwrap();
                let want: Vec<_> = records(n).into_iter().filter(|r| r[..8] == key.to_be_bytes()).collect();
                assert_eq!(found, want, "{key} of {n}");
            }
            let mut all = 0;
            index.find(2, &[9], &mut |_| all += 1).unwrap();
            index.find(1, &[], &mut |_| all += 1).unwrap();
            index.find(3, &[1], &mut |_| all += 1).unwrap();
            assert_eq!([1, 2, 3].map(|t| index.has(t)), [true, true, false]);
            assert_eq!(all, 1);
        }
    }

    #[test]
    fn runs_are_merged_in_order() {
        for (n, parts) in [(0, 2), (7, 3), (70_000, 2), (1_000, 5)] {
            let disk = MemoryDisk::default();
            let rows: Vec<[u8; WIDTH]> = records(n).into_iter().map(|r| r.try_into().unwrap()).collect();
            let part = |p: usize| -> Vec<[u8; WIDTH]> {
                rows.iter().enumerate().filter(|(i, _)| (i * i / 3 + i) % parts == p).map(|(_, row)| *row).collect()
            };
            let held: Vec<_> = (0..parts).map(part).collect();
            let files: Vec<IndexFile> = (1..parts)
                .map(|p| {
                    let tables = [Records::of(&held[p]), Records::left_out(), Records::left_out(), Records::left_out()];
                    let name = write(&disk, covers(p as u64, p as u64), b"", tables).unwrap();
                    IndexFile::open(&disk, &name).unwrap()
                })
                .collect();
            let merged = || files.iter().fold(Records::of(&held[0]), |records, file| records.and(file.records(0)));
            assert_eq!(all(merged()), records(n), "{n} in {parts}");
            if n > 1_000 {
                let path = format!("{INDEX}/{}", files[0].name());
                let mut bytes = disk.files()[&path].clone();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                disk.put(&path, bytes);
                let mut records = merged();
                while records.next().is_some() {}
                assert!(records.is_damaged() && records.next().is_none());
            }
        }
    }

    #[test]
    fn damage_is_noticed_or_does_not_matter() {
        let disk = MemoryDisk::default();
        let name = file(&disk, 700);
        let path = format!("{INDEX}/{name}");
        let whole = disk.files()[&path].clone();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            disk.put(&path, bytes);
            let Ok(index) = IndexFile::open(&disk, &name) else { continue };
            assert!(index.graph().ok().is_none_or(|g| g == b"graph"), "byte {at}");
            let mut found = Vec::new();
            if index.find(0, &77u64.to_be_bytes(), &mut |r| found.push(r.to_vec())).is_ok() {
                assert_eq!(found, records(700)[231..234], "byte {at}");
            }
        }
        for len in (0..whole.len()).step_by(97) {
            disk.put(&path, whole[..len].to_vec());
            if let Ok(index) = IndexFile::open(&disk, &name) {
                assert!(index.graph().ok().is_none_or(|g| g == b"graph"));
                let _ = index.find(0, &77u64.to_be_bytes(), &mut |_| {});
            }
        }
    }
}
