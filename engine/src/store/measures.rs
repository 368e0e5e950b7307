//! Measures: how far each delta of a commit moved its source, kept when the commit is made.
//!
//! A file of records under `cache/`, newest last, each behind its own checksum, so that the newest are found first by
//! going back from the end:
//!
//! ```text
//!  | collection, length, entries ... | VDMEAS01 | commit | length | XXH3-128 of all before |   next record ...
//! ```
//!
//! They save reading both rows again. Where they are missing or damaged the rows are compared again.

use xxhash_rust::xxh3::xxh3_128;

use super::disk::Disk;
use crate::delta::{Change, CommitId, DeltaRow, Measure};

const PATH: &str = "cache/measures";
const MAGIC: &[u8; 8] = b"VDMEAS01";
const TRAILER: usize = 8 + 32 + 8 + 16;

/// The measures of one collection in a commit that is being made, as they will be stored.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// The collection's number in the commit's list.
    pub collection: u16,
    entries: Vec<u8>,
}

impl Measures {
    /// Adds one.
    pub fn push(&mut self, key: &str, delta: &DeltaRow) {
        let out = &mut self.entries;
        out.push(delta.change as u8);
        out.extend_from_slice(&delta.changed_dims.to_le_bytes());
        for value in [delta.l2, delta.max_abs, delta.cosine.unwrap_or(f64::NAN)] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&(key.len() as u16).to_le_bytes());
        out.extend_from_slice(key.as_bytes());
    }
}

/// Keeps the measures of a commit; they can be made again, so a failure is not one of the commit.
pub fn keep(disk: &dyn Disk, commit: CommitId, measures: &[Measures]) {
    let entries: usize = measures.iter().map(|m| m.entries.len()).sum();
    let mut bytes = Vec::with_capacity(entries + 16 * measures.len() + TRAILER);
    for m in measures {
        bytes.extend_from_slice(&m.collection.to_le_bytes());
        bytes.extend_from_slice(&(m.entries.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&m.entries);
    }
    let len = bytes.len() as u64;
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&commit.0);
    bytes.extend_from_slice(&len.to_le_bytes());
    let sum = xxh3_128(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    // The end of the file is the end of the last record; what a crash tore there hides only older ones.
    let _ = disk.open(PATH, true).and_then(|f| f.write_at(&bytes, f.len()?));
}

/// The measures of one commit as they were kept, whole and checked.
#[derive(Debug)]
pub struct KeptMeasures(Vec<u8>);

impl KeptMeasures {
    /// Returns them, in the order in which they were kept.
    pub fn iter(&self) -> impl Iterator<Item = Measure<'_>> {
        Entries { rest: &self.0, collection: 0, entries: &[] }.map_while(|entry| entry)
    }
}

/// Returns the measures of a commit, if they were kept.
pub fn recall(disk: &dyn Disk, commit: CommitId) -> Option<KeptMeasures> {
    let file = disk.open(PATH, false).ok()?;
    let mut end = file.len().ok()?;
    let mut trailer = [0; TRAILER];
    loop {
        end = end.checked_sub(TRAILER as u64)?;
        file.read_at(&mut trailer, end).ok()?;
        let rest = trailer.strip_prefix(MAGIC)?;
        let len = u64::from_le_bytes(rest[32..40].try_into().ok()?);
        end = end.checked_sub(len)?;
        if rest[..32] != commit.0 {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(len).ok()? + TRAILER];
        file.read_at(&mut bytes, end).ok()?;
        let (body, sum) = bytes.split_last_chunk::<16>()?;
        (xxh3_128(body).to_le_bytes() == *sum).then_some(())?;
        bytes.truncate(len as usize);
        let mut entries = Entries { rest: &bytes, collection: 0, entries: &[] };
        return entries.all(|entry| entry.is_some()).then_some(KeptMeasures(bytes));
    }
}

/// A walk along a record: one measure after another, or `None` for what is none.
struct Entries<'b> {
    rest: &'b [u8],
    collection: u16,
    entries: &'b [u8],
}

impl<'b> Iterator for Entries<'b> {
    type Item = Option<Measure<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.entries.is_empty() {
            if self.rest.is_empty() {
                return None;
            }
            if self.begin().is_none() {
                self.rest = &[];
                return Some(None);
            }
        }
        let measure = take(self.collection, &mut self.entries);
        if measure.is_none() {
            (self.rest, self.entries) = (&[], &[]);
        }
        Some(measure)
    }
}

impl Entries<'_> {
    /// Goes on to the next collection.
    fn begin(&mut self) -> Option<()> {
        let (head, tail) = self.rest.split_first_chunk::<10>()?;
        let len = u64::from_le_bytes(head[2..].try_into().ok()?);
        self.collection = u16::from_le_bytes([head[0], head[1]]);
        (self.entries, self.rest) = tail.split_at_checked(usize::try_from(len).ok()?)?;
        Some(())
    }
}

fn take<'b>(collection: u16, rest: &mut &'b [u8]) -> Option<Measure<'b>> {
    let (head, tail) = rest.split_first_chunk::<31>()?;
    let value = |at: usize| f64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
    let (key, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes([head[29], head[30]])))?;
    *rest = tail;
    Some(Measure {
        collection,
        key: std::str::from_utf8(key).ok()?,
        change: [Change::Insert, Change::Update, Change::Delete].into_iter().find(|c| *c as u8 == head[0])?,
        changed_dims: u32::from_le_bytes(head[1..5].try_into().expect("4 bytes")),
        l2: value(5),
        max_abs: value(13),
        cosine: Some(value(21)).filter(|c| !c.is_nan()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    #[test]
    fn measures_come_back_and_damage_is_noticed() {
        let disk = MemoryDisk::default();
        let names: Vec<String> = (0..28).map(|i| format!("ключ-{i}")).collect();
        let measure = |i: u32| Measure {
            collection: 3,
            key: &names[i as usize],
            change: Change::Update,
            changed_dims: i,
            l2: f64::from(i) + 0.5,
            max_abs: f64::INFINITY,
            cosine: i.is_multiple_of(2).then_some(0.25),
        };
        let is_kept = |found: &KeptMeasures, n: u32| {
            let right = found.iter().zip(0..).all(|(m, i)| m == measure(i));
            right && found.iter().count() == n as usize * 7
        };
        let commits: Vec<_> = (0..5u8).map(|i| CommitId([i; 32])).collect();
        for (n, &commit) in (0..).zip(&commits) {
            let mut measures = Measures { collection: 3, ..Measures::default() };
            for m in (0..n * 7).map(measure) {
                let delta = DeltaRow {
                    slot: 0,
                    change: m.change,
                    changed_dims: m.changed_dims,
                    l2: m.l2,
                    max_abs: m.max_abs,
                    cosine: m.cosine,
                    length: 1.0,
                };
                measures.push(m.key, &delta);
            }
            keep(&disk, commit, &[measures]);
        }
        for (n, &commit) in (0..).zip(&commits) {
            assert!(is_kept(&recall(&disk, commit).expect("it was kept"), n));
        }
        assert!(recall(&disk, CommitId([9; 32])).is_none());
        let whole = disk.files()[PATH].clone();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x40;
            disk.put(PATH, bytes);
            for (n, &commit) in (0..).zip(&commits) {
                assert!(recall(&disk, commit).is_none_or(|found| is_kept(&found, n)), "byte {at}");
            }
        }
    }
}
