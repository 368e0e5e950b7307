//! Dead letters: what could not be applied or delivered, with its original bytes and the reason, until somebody decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use borsh::{BorshDeserialize, BorshSerialize};

use super::disk::Disk;
use super::error::{Result, StoreError};
use super::journal::{Journal, JournalKind};
use crate::delta::{domain, hex};

/// What the file of dead letters is among the journals.
pub const LETTERS: JournalKind =
    JournalKind { magic: b"VDDLQ001", domain: "vecdelta v1 dead letter", directory: "dead" };

/// Why something became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum DeathReason {
    /// It was older than its route allows.
    Expired = 0,
    /// Its window was closed before it came.
    Late = 1,
    /// Whoever it was for refused it, again and again.
    Refused = 2,
    /// A validator refused it.
    Invalid = 3,
}

impl DeathReason {
    /// Returns the word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            DeathReason::Expired => "expired",
            DeathReason::Late => "late",
            DeathReason::Refused => "refused",
            DeathReason::Invalid => "invalid",
        }
    }
}

/// One dead letter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Letter {
    /// Why.
    pub reason: DeathReason,
    /// The same in words, for people.
    pub message: String,
    /// When it was given up, in milliseconds since 1970.
    pub millis: u64,
    /// The source of the pipeline that it came from; empty for deltas.
    pub source: String,
    /// The subscriber that it was for; empty for rows that never became deltas.
    pub subscriber: String,
    /// The commit of the delta, in hex; empty for rows.
    pub commit: String,
    /// The collection.
    pub collection: String,
    /// The key.
    pub key: String,
    /// `insert`, `update` or `delete` for deltas, `row` for rows.
    pub change: String,
    /// The code of the element type.
    pub element: u8,
    /// The number of components.
    pub dims: u32,
    /// The original bits of the row, or those that the delta leads to; empty for deletes.
    pub bits: Vec<u8>,
    /// The metadata of the row.
    pub metadata: BTreeMap<String, String>,
}

impl Letter {
    /// Returns what tells it from others: the same delta given up twice for the same subscriber is one letter.
    pub fn id(&self) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&domain("vecdelta v1 dead letter"));
        for part in [&self.source, &self.subscriber, &self.commit, &self.collection, &self.key, &self.change] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&self.bits);
        hex(&hasher.finalize().as_bytes()[..8])
    }
}

#[derive(BorshSerialize, BorshDeserialize)]
enum Entry {
    Dead(Box<Letter>),
    /// Ids that are gone: dropped, or delivered after all.
    Gone(Vec<String>),
    /// Ids that are to be tried again by the next run.
    Again(Vec<String>),
}

/// The dead letters of a repository.
#[derive(Clone, Default)]
pub struct Letters {
    letters: BTreeMap<String, (Letter, bool)>,
}

impl Letters {
    /// Reads the dead letters of a repository.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read.
    pub fn read(disk: &dyn Disk) -> Result<Self> {
        let records = Journal::read(disk, LETTERS, &path())?;
        Self::of(disk, &records)
    }

    fn of(disk: &dyn Disk, records: &[Vec<u8>]) -> Result<Self> {
        let mut letters = Self::default();
        for record in records {
            let entry = borsh::from_slice(record)
                .map_err(|_| StoreError::corrupt(disk.display(&path()), None, "a record cannot be read"))?;
            letters.take(entry);
        }
        Ok(letters)
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Dead(letter) => drop(self.letters.insert(letter.id(), (*letter, false))),
            Entry::Gone(ids) => ids.iter().for_each(|id| drop(self.letters.remove(id))),
            Entry::Again(ids) => {
                for id in ids {
                    if let Some((_, again)) = self.letters.get_mut(&id) {
                        *again = true;
                    }
                }
            }
        }
    }

    /// Goes over id, letter, and whether the next run tries it again.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Letter, bool)> {
        self.letters.iter().map(|(id, (letter, again))| (id.as_str(), letter, *again))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.letters.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }
}

/// The dead letters of a repository, open to be added to; any thread may.
#[derive(Clone)]
pub struct LetterBox(Arc<Mutex<Open>>);

struct Open {
    disk: Arc<dyn Disk>,
    /// Opened by the first letter: most repositories never have one.
    journal: Option<Journal>,
}

impl LetterBox {
    /// Makes one for a repository; its file is made by the first letter.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self(Arc::new(Mutex::new(Open { disk, journal: None })))
    }

    /// Keeps letters: they are durable when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, letters: Vec<Letter>) -> Result<()> {
        let entries = letters.into_iter().map(|letter| Entry::Dead(Box::new(letter)));
        self.write(&entries.collect::<Vec<_>>())
    }

    /// Forgets letters for good.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(&self, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(&[Entry::Gone(ids)])?;
        let mut open = self.0.lock().expect("no thread panics with it");
        let letters = Letters::read(open.disk.as_ref())?;
        // What is gone need not stay on the disk.
        let again: Vec<String> =
            letters.iter().filter(|(_, _, again)| *again).map(|(id, _, _)| id.to_owned()).collect();
        let mut entries: Vec<Entry> =
            letters.letters.into_values().map(|(letter, _)| Entry::Dead(Box::new(letter))).collect();
        entries.extend((!again.is_empty()).then_some(Entry::Again(again)));
        let records: Vec<Vec<u8>> = entries.iter().map(encode).collect();
        match &mut open.journal {
            Some(journal) => journal.replace(records.iter().map(Vec::as_slice)),
            None => Ok(()),
        }
    }

    /// Marks letters to be tried again by the next run.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn again(&self, ids: Vec<String>) -> Result<()> {
        if ids.is_empty() { Ok(()) } else { self.write(&[Entry::Again(ids)]) }
    }

    fn write(&self, entries: &[Entry]) -> Result<()> {
        let mut open = self.0.lock().expect("no thread panics with it");
        if open.journal.is_none() {
            open.journal = Some(Journal::open(&open.disk, LETTERS, &path())?.0);
        }
        open.journal.as_mut().expect("it was just opened").append_all(entries.iter().map(encode))
    }
}

fn encode(entry: &Entry) -> Vec<u8> {
    borsh::to_vec(entry).expect("writing to memory cannot fail")
}

fn path() -> String {
    LETTERS.path("letters")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryDisk;

    fn letter(key: &str) -> Letter {
        Letter {
            reason: DeathReason::Refused,
            message: "410 Gone".into(),
            millis: 5,
            source: String::new(),
            subscriber: "bus".into(),
            commit: "ab".into(),
            collection: "c".into(),
            key: key.into(),
            change: "update".into(),
            element: 0,
            dims: 1,
            bits: vec![1, 2, 3, 4],
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn letters_are_kept_marked_and_removed() {
        let memory = MemoryDisk::default();
        let disk: Arc<dyn Disk> = Arc::new(memory.clone());
        let letters = || Letters::read(disk.as_ref()).unwrap();
        let keys = || letters().iter().map(|(_, l, again)| (l.key.clone(), again)).collect::<BTreeMap<_, _>>();
        assert!(letters().is_empty() && memory.files().is_empty());
        let open = LetterBox::new(disk.clone());
        open.put(vec![letter("a"), letter("b"), letter("a")]).unwrap();
        assert_eq!(letters().len(), 2, "the same delta is one letter");
        open.again(vec![letter("b").id(), "unknown".into()]).unwrap();
        LetterBox::new(disk.clone()).put(vec![letter("c")]).unwrap();
        let open = LetterBox::new(disk.clone());
        open.remove(vec![letter("a").id()]).unwrap();
        assert_eq!(keys(), BTreeMap::from([("b".to_owned(), true), ("c".to_owned(), false)]));
        let found = letters();
        assert_eq!(found.iter().find(|(_, l, _)| l.key == "c").unwrap().1, &letter("c"));
    }
}
