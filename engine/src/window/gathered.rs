//! What a window has gathered: batches as they came, as far as each source comes once, and rows that were copied.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::own::{Own, OwnRows};
use crate::delta::{Change, DeltaBatch, DeltaBatches, Table};

/// Fewer bytes of rows are copied rather than held as a batch of their own.
const ADOPTED_LEAST: usize = 16 << 10;

/// Deltas that were gathered, composed per source.
#[derive(Debug)]
pub struct Gathered {
    table: Arc<Table>,
    places: Places,
    pieces: Vec<Piece>,
    held_bytes: u64,
    own: Own,
}

/// Deltas of a window that was closed, to look their rows up until they are committed.
#[derive(Debug)]
pub struct Closing {
    places: Places,
    pieces: Vec<Arc<DeltaBatch>>,
    own: OwnRows,
}

/// Deltas as they came.
#[derive(Debug)]
struct Piece {
    batch: Arc<DeltaBatch>,
    /// Those whose source came again: they were copied then.
    gone: Vec<u32>,
}

/// Where the last delta of each source is.
#[derive(Debug, Default)]
struct Places {
    by_slot: HashMap<u32, Place>,
    /// Between these all slots lie: most look-ups elsewhere end here.
    bounds: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// Which piece; [`OWN`] for a row that was copied.
    piece: u32,
    row: u32,
}

const OWN: u32 = u32::MAX;

impl Places {
    fn get(&self, slot: u32) -> Option<Place> {
        let (first, last) = self.bounds?;
        if slot < first || last < slot { None } else { self.by_slot.get(&slot).copied() }
    }

    /// Notes the first delta of a source; returns whether it is the first.
    fn begin(&mut self, slot: u32, place: Place) -> bool {
        let Entry::Vacant(vacant) = self.by_slot.entry(slot) else { return false };
        vacant.insert(place);
        let (first, last) = self.bounds.unwrap_or((slot, slot));
        self.bounds = Some((first.min(slot), last.max(slot)));
        true
    }
}

fn row_of(batch: &DeltaBatch, row: u32) -> Option<&[u8]> {
    (batch.deltas[row as usize].change != Change::Delete).then(|| batch.rows(row as usize).1)
}

impl Gathered {
    /// Begins with nothing.
    pub fn new(table: Arc<Table>) -> Self {
        let own = Own::new(table.clone());
        Self { table, places: Places::default(), pieces: Vec::new(), held_bytes: 0, own }
    }

    /// Returns how many bytes of rows it holds, of both sides.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes + self.own.bytes()
    }

    /// Returns the row that a source has: `Some(None)` when it was deleted.
    pub fn row(&self, slot: u32) -> Option<Option<&[u8]>> {
        let place = self.places.get(slot)?;
        Some(match place.piece {
            OWN => self.own.row(place.row),
            piece => row_of(&self.pieces[piece as usize].batch, place.row),
        })
    }

    /// Adds deltas of a batch, of which no two are of one source. They are held as they are where that is worth it and
    /// `adopts`: a part of a batch holds the whole of it in memory.
    pub fn add(&mut self, batch: &DeltaBatch, deltas: Range<usize>, millis: u64, adopts: bool) {
        let mut start = deltas.start;
        while start < deltas.end {
            let piece = self.pieces.len() as u32;
            let is_new = |&i: &usize| {
                let place = Place { piece, row: (i - start) as u32 };
                self.places.begin(batch.deltas[i].slot, place)
            };
            let run = (start..deltas.end).take_while(is_new).count();
            if adopts && run * self.table.row_bytes() >= ADOPTED_LEAST {
                let batch = Arc::new(batch.slice(start..start + run));
                self.held_bytes += (batch.old.len() + batch.new.len()) as u64;
                self.pieces.push(Piece { batch, gone: Vec::new() });
            } else {
                for i in start..start + run {
                    let row = self.own.push(batch, i, millis);
                    self.places.by_slot.insert(batch.deltas[i].slot, Place { piece: OWN, row });
                }
            }
            start += run;
            if start < deltas.end {
                self.compose(batch, start, millis);
                start += 1;
            }
        }
    }

    /// Adds a delta of a source of which one came before.
    fn compose(&mut self, batch: &DeltaBatch, i: usize, millis: u64) {
        let slot = batch.deltas[i].slot;
        let mut place = self.places.get(slot).expect("it came before");
        if place.piece != OWN {
            let piece = &mut self.pieces[place.piece as usize];
            piece.gone.push(place.row);
            let row = self.own.push(&piece.batch, place.row as usize, millis);
            place = Place { piece: OWN, row };
            self.places.by_slot.insert(slot, place);
        }
        self.own.compose(place.row, batch, i, millis);
    }

    /// Takes everything out: the deltas, without those that cancelled each other, and the rows to look up meanwhile.
    pub fn take(&mut self) -> (DeltaBatches, Closing) {
        let (own, rows) = self.own.take();
        let pieces = std::mem::take(&mut self.pieces);
        let batches = pieces.iter().map(Piece::left).chain([Arc::new(own)]).collect();
        self.held_bytes = 0;
        let closing = Closing {
            places: std::mem::take(&mut self.places),
            pieces: pieces.into_iter().map(|piece| piece.batch).collect(),
            own: rows,
        };
        (DeltaBatches::new(self.table.clone(), batches), closing)
    }

    /// Takes the memory of an earlier window to use it again.
    pub fn reuse(&mut self, closing: Closing) {
        let mut places = closing.places;
        if self.places.by_slot.is_empty() && places.by_slot.capacity() <= 4 * places.by_slot.len() {
            places.by_slot.clear();
            places.bounds = None;
            self.places = places;
        }
    }
}

impl Piece {
    /// Returns the deltas that count: without those whose source came again.
    fn left(&self) -> Arc<DeltaBatch> {
        if self.gone.is_empty() {
            return self.batch.clone();
        }
        let mut stays = vec![true; self.batch.deltas.len()];
        self.gone.iter().for_each(|&row| stays[row as usize] = false);
        let left: Vec<usize> = (0..stays.len()).filter(|&row| stays[row]).collect();
        Arc::new(self.batch.pick(&left))
    }
}

impl Closing {
    /// Returns the row that a source has: `Some(None)` when it was deleted.
    pub fn row(&self, slot: u32) -> Option<Option<&[u8]>> {
        let place = self.places.get(slot)?;
        Some(match place.piece {
            OWN => self.own.row(place.row),
            piece => row_of(&self.pieces[piece as usize], place.row),
        })
    }
}
