//! Which generation rows of a commit stem from, where that is not the one in force at the commit, as one block.
//!
//! The payload is the names as a list in borsh, ascending, and then for each of them its slots as an ascending list.

use borsh::BorshDeserialize;

use super::log::Block;
use super::part::PartBlock;
use super::record::{BlockKind, BlockRef};
use crate::codec;
use crate::delta::{SortedMap, domain, hex};

/// The key of a commit's metadata that holds the hashes of these blocks, which so are under the commit's own hash.
pub const GENERATIONS: &str = "generations";

/// The generations of some slots, by name; each list is ascending, and a slot is in one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotGenerations(pub SortedMap<String, Vec<u32>>);

impl SlotGenerations {
    /// Codes them for collection number `collection` of a record; returns the block and the hash of its payload.
    pub fn encode(&self, collection: u16) -> Option<(PartBlock, String)> {
        let all = || self.0.values().flatten().copied();
        let (first_slot, last_slot) = (all().min()?, all().max()?);
        let names: Vec<&String> = self.0.keys().collect();
        let mut payload = borsh::to_vec(&names).expect("writing to memory cannot fail");
        self.0.values().for_each(|slots| codec::encode_sorted(slots, &mut payload));
        let hash = hash(&payload);
        let block = Block::new(payload);
        let entry = BlockRef {
            collection,
            kind: BlockKind::Generations,
            rows: all().count() as u32,
            first_slot,
            last_slot,
            len: block.payload.len() as u32,
            hash: block.header.hash,
        };
        Some(((entry, block), hash))
    }

    /// Reads what [`encode`](Self::encode) wrote, which was of so many slots; `None` when it is not that.
    pub fn decode(payload: &[u8], rows: u32) -> Option<Self> {
        let mut input = payload;
        let names = Vec::<String>::deserialize(&mut input).ok()?;
        names.is_sorted_by(|a, b| a < b).then_some(())?;
        let (mut lists, mut left) = (SortedMap::default(), rows as usize);
        for name in names {
            let slots = codec::decode_sorted(&mut input, left).ok()?;
            left -= slots.len();
            lists.insert(name, slots);
        }
        (input.is_empty() && left == 0).then_some(Self(lists))
    }
}

/// Returns the hash that stands in the commit's metadata.
pub fn hash(payload: &[u8]) -> String {
    hex(blake3::keyed_hash(&domain("vecdelta v1 generations"), payload).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_coded_by_the_generation_of_their_rows() {
        assert!(SlotGenerations::default().encode(0).is_none());
        let lists = [(String::new(), vec![7]), ("a".to_owned(), (100..5_000).collect()), ("b".to_owned(), vec![1, 9])];
        let all = SlotGenerations(lists.into());
        let ((entry, block), _) = all.encode(3).unwrap();
        assert_eq!((entry.rows, entry.first_slot, entry.last_slot, entry.collection), (4_903, 1, 4_999, 3));
        assert!(block.payload.len() < 100, "{} bytes", block.payload.len());
        assert_eq!(SlotGenerations::decode(&block.payload, entry.rows), Some(all));
        assert_eq!(SlotGenerations::decode(&block.payload, entry.rows + 1), None);
        for cut in 0..block.payload.len() {
            assert_eq!(SlotGenerations::decode(&block.payload[..cut], entry.rows), None, "cut at {cut}");
        }
    }
}
