//! The clock of events: rows in the order of the time that they bring along.
//!
//! A row is held until the watermark, the greatest time seen less the lateness, has passed it. So the stages behind see rows
//! in order, and a row that comes behind the watermark is late, and known to be.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::delta::{Keys, Notes, RowBatch, Timestamp};

/// One row that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The key.
    pub key: String,
    /// Its bits, shared with the batch that it came in.
    pub row: Bytes,
    /// What it brought besides.
    pub note: crate::delta::Note,
    /// The time that it brought along.
    pub millis: u64,
    /// The ticket of its batch.
    pub ticket: u64,
}

/// The rows of one source that wait for their time.
#[derive(Debug)]
pub struct Reorder {
    column: String,
    lateness: u64,
    idle: u64,
    rows: BTreeMap<(u64, u64), Held>,
    next: u64,
    greatest: Option<u64>,
    watermark: Option<u64>,
    /// How long nothing has come while it could have, in milliseconds.
    quiet: u64,
    bytes: u64,
    ended: bool,
}

impl Reorder {
    /// Makes the clock of a source: the column with the time, how far rows may come out of order, and after how much
    /// quiet the clock goes on by itself, both in milliseconds.
    pub fn new(column: &str, lateness: u64, idle: u64) -> Self {
        Self {
            column: column.to_owned(),
            lateness,
            idle,
            rows: BTreeMap::new(),
            next: 0,
            greatest: None,
            watermark: None,
            quiet: 0,
            bytes: 0,
            ended: false,
        }
    }

    /// Takes row `row` of a batch; returns it when it is late: its time is behind the watermark and behind `bound`, up to
    /// which all streams have come. A row without a time has the greatest one so far, or that of arrival.
    ///
    /// The watermark moves with every row, so that what is late does not depend on how rows are cut into batches.
    pub fn push(&mut self, batch: &RowBatch, row: usize, ticket: u64, now: u64, bound: u64) -> Option<Held> {
        self.quiet = 0;
        let size = batch.rows.len() / batch.keys.len().max(1);
        let time = batch.notes.get(row, &self.column).and_then(time_of);
        let millis = time.or(self.greatest.max(self.watermark)).unwrap_or(now);
        let held = Held {
            key: batch.keys.get(row).to_owned(),
            row: batch.rows.slice(row * size..(row + 1) * size),
            note: batch.notes.note(row),
            millis,
            ticket,
        };
        if self.watermark.is_some_and(|watermark| millis < watermark.min(bound)) {
            return Some(held);
        }
        self.greatest = self.greatest.max(Some(millis));
        self.bytes += size as u64;
        self.rows.insert((millis, self.next), held);
        self.next += 1;
        self.watermark = self.watermark.max(self.greatest.map(|greatest| greatest.saturating_sub(self.lateness)));
        None
    }

    /// Notes that nothing came for a while although it could have; behind `idle` the clock goes on with that time.
    pub fn quiet(&mut self, millis: u64) {
        let before = self.quiet;
        self.quiet = self.quiet.saturating_add(millis);
        if self.quiet < self.idle {
            return;
        }
        if before < self.idle {
            // Once idle, what is held need not be waited for.
            self.watermark = self.watermark.max(self.greatest.map(|greatest| greatest.saturating_add(1)));
        }
        let on = self.quiet - before.max(self.idle);
        self.watermark = self.watermark.map(|watermark| watermark.saturating_add(on));
    }

    /// Returns how much longer nothing may come before the clock goes on by itself.
    pub fn patience(&self) -> Option<u64> {
        (self.greatest.is_some()).then(|| self.idle.saturating_sub(self.quiet).max(1))
    }

    /// Takes out the rows before a time, in order.
    pub fn release(&mut self, until: u64) -> Vec<Held> {
        let later = self.rows.split_off(&(until, 0));
        self.take(later)
    }

    /// Takes out everything, in order: memory is short.
    pub fn release_all(&mut self) -> Vec<Held> {
        self.watermark = self.watermark.max(self.greatest.map(|greatest| greatest.saturating_add(1)));
        self.take(BTreeMap::new())
    }

    /// Notes that the stream has ended: nobody waits for more of it.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Returns whether the stream has ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn take(&mut self, rest: BTreeMap<(u64, u64), Held>) -> Vec<Held> {
        let out: Vec<Held> = std::mem::replace(&mut self.rows, rest).into_values().collect();
        self.bytes -= out.iter().map(|held| held.row.len() as u64).sum::<u64>();
        out
    }

    /// Returns up to which time everything has come.
    pub fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    /// Returns how many bytes of rows it holds.
    pub fn held_bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the ticket of the oldest row that it holds.
    pub fn oldest(&self) -> Option<u64> {
        self.rows.values().map(|held| held.ticket).min()
    }
}

/// Makes a batch of rows that were held; those of one batch have the same columns of metadata.
pub fn batch_of(held: &[Held]) -> RowBatch {
    let mut notes = Notes::default();
    held.iter().for_each(|held| notes.push_note(&held.note));
    RowBatch {
        keys: Keys::from_texts(held.iter().map(|held| held.key.as_str())),
        rows: held.iter().flat_map(|held| held.row.iter().copied()).collect::<Vec<u8>>().into(),
        first_row: 0,
        notes,
    }
}

/// Reads a time: RFC 3339, or milliseconds since 1970.
fn time_of(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| Timestamp::parse_rfc3339(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(times: &[Option<u64>]) -> RowBatch {
        let mut notes = Notes::new(["at".to_owned()].into());
        times.iter().for_each(|time| notes.push([time.map(|t| t.to_string().into())]));
        let keys: Vec<String> = times.iter().map(|time| format!("{time:?}")).collect();
        RowBatch {
            keys: Keys::from_texts(keys.iter().map(String::as_str)),
            rows: vec![0; times.len()].into(),
            first_row: 0,
            notes,
        }
    }

    fn times(held: &[Held]) -> Vec<u64> {
        held.iter().map(|held| held.millis).collect()
    }

    /// Pushes rows of these times; returns the times of those that are late.
    fn push(clock: &mut Reorder, rows: &[Option<u64>], ticket: u64) -> Vec<u64> {
        let batch = batch(rows);
        let late: Vec<Held> = (0..rows.len()).filter_map(|row| clock.push(&batch, row, ticket, 0, u64::MAX)).collect();
        times(&late)
    }

    fn due(clock: &mut Reorder) -> Vec<u64> {
        let until = clock.watermark().unwrap();
        times(&clock.release(until))
    }

    #[test]
    fn rows_come_out_in_order_and_those_behind_the_watermark_are_late() {
        let mut clock = Reorder::new("at", 100, 1_000);
        assert!(push(&mut clock, &[Some(1_000), Some(1_050), Some(960), Some(990)], 1).is_empty());
        assert_eq!((clock.watermark(), due(&mut clock)), (Some(950), vec![]));
        assert_eq!(push(&mut clock, &[Some(1_200), Some(940), Some(949), None], 2), [940, 949]);
        assert_eq!((due(&mut clock), clock.oldest()), (vec![960, 990, 1_000, 1_050], Some(2)));
        assert_eq!(push(&mut clock, &[Some(1_099)], 3), [1_099]);
        assert_eq!(times(&clock.release_all()), [1_200, 1_200]);
        assert_eq!((clock.held_bytes(), clock.oldest()), (0, None));
    }

    #[test]
    fn what_is_late_does_not_depend_on_batches() {
        let rows = [1_000, 1_300, 1_100, 1_250, 2_000, 1_899, 1_900, 1_300].map(Some);
        for size in 1..=rows.len() {
            let mut clock = Reorder::new("at", 100, 1_000);
            let late: Vec<u64> = rows.chunks(size).flat_map(|rows| push(&mut clock, rows, 1)).collect();
            assert_eq!(late, [1_100, 1_899, 1_300], "batches of {size}");
        }
    }

    #[test]
    fn a_row_is_not_late_as_long_as_another_stream_is_waited_for() {
        let mut clock = Reorder::new("at", 0, 1_000);
        let rows = batch(&[Some(1_000), Some(900), Some(700)]);
        let late = (0..3).map(|row| clock.push(&rows, row, 1, 0, 800).is_some()).collect::<Vec<_>>();
        assert_eq!(late, [false, false, true]);
        assert_eq!((times(&clock.release(800)), times(&clock.release(1_001))), (vec![], vec![900, 1_000]));
    }

    #[test]
    fn after_quiet_the_clock_goes_on_by_itself() {
        let mut clock = Reorder::new("at", 100, 1_000);
        clock.quiet(5_000);
        assert_eq!(clock.watermark(), None, "no row has ever come");
        push(&mut clock, &[Some(10_000)], 1);
        clock.quiet(600);
        clock.quiet(399);
        assert_eq!((clock.watermark(), clock.patience()), (Some(9_900), Some(1)));
        clock.quiet(1);
        assert_eq!((clock.watermark(), due(&mut clock)), (Some(10_001), vec![10_000]));
        clock.quiet(500);
        assert_eq!(clock.watermark(), Some(10_501));
        assert_eq!(push(&mut clock, &[Some(10_300), Some(20_000)], 2), [10_300]);
    }

    #[test]
    fn times_are_texts_or_numbers() {
        assert_eq!(time_of("1500"), Some(1_500));
        assert_eq!(time_of("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(time_of("1970-01-01T01:00:00+01:00"), Some(0));
        assert!(["", "soon", "-5", "1969-01-01T00:00:00Z"].iter().all(|text| time_of(text).is_none()));
    }
}
