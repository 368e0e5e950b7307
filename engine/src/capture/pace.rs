//! The least time between two captures of one id: what comes sooner is held back, and only the last of it counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use crate::delta::{Keys, Note, Notes, RowBatch};

/// Rows of one stream that are held back.
#[derive(Debug)]
pub struct Pace {
    min_interval: u64,
    /// When each id was captured last, as long as that matters.
    last: HashMap<String, u64>,
    /// The same by time, to forget what no longer matters.
    times: BTreeSet<(u64, String)>,
    held: BTreeMap<(u64, String), Row>,
    due: HashMap<String, u64>,
}

#[derive(Debug)]
struct Row {
    bits: Bytes,
    note: Note,
    ticket: u64,
}

impl Pace {
    /// Makes it for a time in milliseconds.
    pub fn new(min_interval: u64) -> Self {
        Self { min_interval, last: HashMap::new(), times: BTreeSet::new(), held: BTreeMap::new(), due: HashMap::new() }
    }

    /// Takes rows; returns those that need not wait. A held row is replaced by a later one of its id.
    pub fn push(&mut self, batch: &RowBatch, ticket: u64, now: u64) -> RowBatch {
        self.forget(now);
        let size = batch.rows.len() / batch.keys.len().max(1);
        let mut through = Vec::new();
        for (row, key) in batch.keys.iter().enumerate() {
            let Some(&last) = self.last.get(key) else {
                self.note(key.to_owned(), now);
                through.push(row);
                continue;
            };
            let due = last.saturating_add(self.min_interval);
            let bits = batch.rows.slice(row * size..(row + 1) * size);
            // The older ticket stays: that row is not done before this one is.
            let ticket = self.held.get(&(due, key.to_owned())).map_or(ticket, |held| held.ticket);
            self.due.insert(key.to_owned(), due);
            self.held.insert((due, key.to_owned()), Row { bits, note: batch.notes.note(row), ticket });
        }
        if through.len() == batch.keys.len() {
            return batch.clone();
        }
        batch.pick(&through)
    }

    /// Takes out the rows whose time has come, with the ticket of the oldest; all of them at the end of the input.
    pub fn release(&mut self, now: u64, all: bool) -> Option<(RowBatch, u64)> {
        let mut rows = Vec::new();
        while let Some(entry) = self.held.first_entry() {
            if entry.key().0 > now && !all {
                break;
            }
            let ((_, key), row) = entry.remove_entry();
            self.due.remove(&key);
            self.note(key.clone(), now);
            rows.push((key, row));
        }
        let ticket = rows.iter().map(|(_, row)| row.ticket).min()?;
        let mut notes = Notes::default();
        rows.iter().for_each(|(_, row)| notes.push_note(&row.note));
        let batch = RowBatch {
            keys: Keys::from_texts(rows.iter().map(|(key, _)| key.as_str())),
            rows: rows.iter().flat_map(|(_, row)| row.bits.iter().copied()).collect::<Vec<u8>>().into(),
            first_row: 0,
            notes,
        };
        Some((batch, ticket))
    }

    fn note(&mut self, key: String, now: u64) {
        if let Some(before) = self.last.insert(key.clone(), now) {
            self.times.remove(&(before, key.clone()));
        }
        self.times.insert((now, key));
    }

    fn forget(&mut self, now: u64) {
        while let Some((time, key)) = self.times.first() {
            if time.saturating_add(self.min_interval) > now || self.due.contains_key(key) {
                return;
            }
            let (_, key) = self.times.pop_first().expect("it was just looked at");
            self.last.remove(&key);
        }
    }

    /// Returns when the next row need not wait any more.
    pub fn deadline(&self) -> Option<u64> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    /// Returns the ticket of the oldest row that is held.
    pub fn oldest(&self) -> Option<u64> {
        self.held.values().map(|row| row.ticket).min()
    }

    /// Returns how many bytes of rows are held.
    pub fn held_bytes(&self) -> u64 {
        self.held.values().map(|row| row.bits.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: &[(&str, u8)]) -> RowBatch {
        RowBatch {
            keys: Keys::from_texts(rows.iter().map(|(key, _)| *key)),
            rows: rows.iter().map(|(_, bits)| *bits).collect(),
            first_row: 0,
            notes: Notes::default(),
        }
    }

    fn rows(batch: &RowBatch) -> Vec<(String, u8)> {
        batch.keys.iter().map(str::to_owned).zip(batch.rows.iter().copied()).collect()
    }

    #[test]
    fn the_last_of_what_came_too_soon_is_captured_when_the_time_is_over() {
        let mut pace = Pace::new(100);
        let pushed =
            |pace: &mut Pace, rows_in: &[(&str, u8)], ticket, now| rows(&pace.push(&batch(rows_in), ticket, now));
        assert_eq!(pushed(&mut pace, &[("a", 1), ("b", 1)], 1, 0).len(), 2);
        assert!(pushed(&mut pace, &[("a", 2)], 2, 50).is_empty());
        assert_eq!(pushed(&mut pace, &[("a", 3), ("c", 1)], 3, 60), [("c".to_owned(), 1)]);
        assert_eq!((pace.deadline(), pace.oldest()), (Some(100), Some(2)));
        assert!(pace.release(99, false).is_none());
        let (out, ticket) = pace.release(100, false).unwrap();
        assert_eq!((rows(&out), ticket), (vec![("a".to_owned(), 3)], 2));
        assert!(pushed(&mut pace, &[("a", 4)], 4, 150).is_empty(), "it was captured at 100");
        assert_eq!(rows(&pace.release(160, true).unwrap().0), [("a".to_owned(), 4)]);
        assert_eq!(pushed(&mut pace, &[("a", 5), ("b", 5)], 5, 1_000).len(), 2);
        assert_eq!((pace.last.len(), pace.held_bytes()), (2, 0), "c is forgotten");
    }
}
