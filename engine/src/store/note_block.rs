//! Notes of a commit's rows as one block: what they brought besides their vectors, and when they were captured.
//!
//! The payload is borsh: names of the columns, the slots in ascending order, distinct values in ascending order, one cell a slot
//! and column (0 for none, else 1 + the number of its value), and the times of capture (one a slot, or none at all).

use std::collections::BTreeSet;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use super::log::Block;
use super::record::{BlockKind, BlockRef};
use crate::delta::{Cell, Notes, domain, hex};

/// The key of a commit's metadata that holds the hash of its notes, which so are under the commit's own hash.
pub const NOTES: &str = "notes";

#[derive(BorshSerialize, BorshDeserialize)]
struct Payload {
    names: Vec<String>,
    slots: Vec<u32>,
    values: Vec<String>,
    cells: Vec<u32>,
    millis: Vec<u64>,
}

/// The notes of some slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotNotes {
    /// The slots, ascending.
    pub slots: Vec<u32>,
    /// Their notes, in this order.
    pub notes: Notes,
}

impl SlotNotes {
    /// Adds notes of some slots, each of which is noted once.
    pub fn add(&mut self, slots: impl Iterator<Item = u32>, notes: &Notes) {
        for (row, slot) in slots.enumerate() {
            self.slots.push(slot);
            self.notes.push_note(&notes.note(row));
        }
    }

    /// Puts the slots in ascending order.
    fn sorted(&self) -> Self {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        order.sort_unstable_by_key(|&row| self.slots[row]);
        Self { slots: order.iter().map(|&row| self.slots[row]).collect(), notes: self.notes.pick(order.into_iter()) }
    }

    /// Codes them for collection number `collection` of a record; returns the block and the hash of its payload.
    pub fn encode(&self, collection: u16) -> Option<(BlockRef, Block, String)> {
        let sorted = self.sorted();
        let (&first, &last) = (sorted.slots.first()?, sorted.slots.last()?);
        let rows = 0..sorted.slots.len();
        let cells = || rows.clone().flat_map(|row| sorted.notes.cells(row).iter());
        let values: BTreeSet<&str> = cells().filter_map(Cell::as_deref).collect();
        let values: Vec<&str> = values.into_iter().collect();
        let number = |cell: &Cell| match cell {
            Some(value) => values.binary_search(&value.as_ref()).map_or(0, |at| at as u32 + 1),
            None => 0,
        };
        let payload = Payload {
            names: sorted.notes.names().to_vec(),
            slots: sorted.slots.clone(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
            cells: cells().map(number).collect(),
            millis: rows.clone().filter_map(|row| sorted.notes.millis(row)).collect(),
        };
        let payload = borsh::to_vec(&payload).expect("writing to memory cannot fail");
        let hash = hash(&payload);
        let block = Block::new(payload);
        let entry = BlockRef {
            collection,
            kind: BlockKind::Notes,
            rows: sorted.slots.len() as u32,
            first_slot: first,
            last_slot: last,
            len: block.payload.len() as u32,
            hash: block.header.hash,
        };
        Some((entry, block, hash))
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it is not that.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let payload: Payload = borsh::from_slice(payload).ok()?;
        let (rows, width) = (payload.slots.len(), payload.names.len());
        (rows.checked_mul(width)? == payload.cells.len()).then_some(())?;
        (payload.millis.is_empty() || payload.millis.len() == rows).then_some(())?;
        payload.slots.is_sorted_by(|a, b| a < b).then_some(())?;
        let values: Vec<Arc<str>> = payload.values.iter().map(|value| Arc::from(value.as_str())).collect();
        let cell = |&number: &u32| match number.checked_sub(1) {
            Some(at) => values.get(at as usize).cloned().map(Some),
            None => Some(None),
        };
        let cells = payload.cells.iter().map(cell).collect::<Option<Vec<Cell>>>()?;
        let notes = Notes::from_parts(payload.names.into(), cells, payload.millis);
        Some(Self { slots: payload.slots, notes })
    }
}

/// Returns the hash that stands in the commit's metadata.
pub fn hash(payload: &[u8]) -> String {
    hex(blake3::keyed_hash(&domain("vecdelta v1 notes"), payload).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_coded_in_slot_order_and_read_again() {
        let notes = |values: &[[Option<&str>; 2]], millis: u64| {
            let mut notes = Notes::new(["lang".to_owned(), "model".to_owned()].into());
            values.iter().for_each(|row| notes.push(row.iter().map(|v| v.map(Arc::from))));
            notes.stamp(values.len(), millis);
            notes
        };
        let mut all = SlotNotes::default();
        assert!(all.encode(0).is_none());
        all.add([9, 2].into_iter(), &notes(&[[Some("de"), None], [Some("fr"), Some("m")]], 5));
        all.add([4].into_iter(), &notes(&[[None, None]], 6));
        let (entry, block, _) = all.encode(3).unwrap();
        assert_eq!((entry.rows, entry.first_slot, entry.last_slot, entry.collection), (3, 2, 9, 3));
        let back = SlotNotes::decode(&block.payload).unwrap();
        assert_eq!((&back, back.slots.as_slice()), (&all.sorted(), &[2, 4, 9][..]));
        assert_eq!((back.notes.get(0, "lang"), back.notes.get(2, "lang")), (Some("fr"), Some("de")));
        assert_eq!((back.notes.millis(1), back.notes.millis(2)), (Some(6), Some(5)));
        for cut in 0..block.payload.len() {
            assert!(SlotNotes::decode(&block.payload[..cut]).is_none(), "cut at {cut}");
        }
    }
}
