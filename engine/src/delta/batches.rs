//! Deltas of one collection in several batches.

use std::ops::Range;
use std::sync::Arc;

use super::{DeltaBatch, Table};

/// Deltas of one collection, no two of one source, in batches as they came; their bits were copied nowhere.
#[derive(Clone, Debug)]
pub struct DeltaBatches {
    table: Arc<Table>,
    batches: Vec<Arc<DeltaBatch>>,
    /// Batch and number of each delta in the order of the sources, where that is not the one in which they came.
    order: Option<Vec<(u32, u32)>>,
}

impl DeltaBatches {
    /// Takes batches of one shape.
    pub fn new(table: Arc<Table>, mut batches: Vec<Arc<DeltaBatch>>) -> Self {
        batches.retain(|batch| !batch.deltas.is_empty());
        let slots = || batches.iter().flat_map(|batch| batch.deltas.iter().map(|delta| delta.slot));
        let order = (!slots().is_sorted()).then(|| {
            let places =
                batches.iter().zip(0..).flat_map(|(batch, b)| (0..batch.deltas.len() as u32).map(move |i| (b, i)));
            let mut order: Vec<(u32, (u32, u32))> = slots().zip(places).collect();
            order.sort_unstable();
            order.into_iter().map(|(_, place)| place).collect()
        });
        Self { table, batches, order }
    }

    /// Returns the shape they share.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Returns the batches as they came.
    pub fn batches(&self) -> &[Arc<DeltaBatch>] {
        &self.batches
    }

    /// Returns how many deltas there are.
    pub fn len(&self) -> usize {
        self.batches.iter().map(|batch| batch.deltas.len()).sum()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns the size of the rows after them, in bytes.
    pub fn bytes(&self) -> u64 {
        self.batches.iter().map(|batch| batch.new.len() as u64).sum()
    }

    /// Goes over the deltas in the order of their sources, as many at once as lie one behind the other: the number of their
    /// batch, and which ones of it.
    pub fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let neighbours = |a: &(u32, u32), b: &(u32, u32)| a.0 == b.0 && a.1 + 1 == b.1;
        let sorted = self.order.iter().flat_map(move |order| order.chunk_by(neighbours)).map(|run| {
            let (batch, first) = run[0];
            (batch as usize, first as usize..first as usize + run.len())
        });
        let as_they_came = self.batches.iter().enumerate().filter(|_| self.order.is_none());
        as_they_came.map(|(number, batch)| (number, 0..batch.deltas.len())).chain(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::{Change, DeltaRow, Element, Keys, Notes};

    fn batches(slots: &[&[u32]]) -> DeltaBatches {
        let table = Arc::new(Table { collection: "c".into(), element: Element::U8, dims: 1 });
        let batch = |slots: &&[u32]| {
            Arc::new(DeltaBatch {
                table: table.clone(),
                keys: Keys::from_texts(slots.iter().map(|_| "k")),
                deltas: slots.iter().map(|&s| DeltaRow::whole(s, Change::Insert, &table, 1.0, 1.0)).collect(),
                old: vec![0; slots.len()].into(),
                new: slots.iter().map(|&s| s as u8).collect::<Vec<u8>>().into(),
                notes: Notes::default(),
            })
        };
        DeltaBatches::new(table.clone(), slots.iter().map(batch).collect())
    }

    #[test]
    fn runs_go_over_all_deltas_in_the_order_of_their_sources() {
        for (slots, runs) in [
            (&[&[1, 2][..], &[], &[3, 9]][..], 2),
            (&[&[3, 4, 9], &[1, 2], &[5]], 4),
            (&[&[4, 2]], 2),
            (&[&[]], 0),
            (&[], 0),
        ] {
            let batches = batches(slots);
            let found: Vec<_> = batches.runs().collect();
            let got: Vec<u32> = found
                .iter()
                .flat_map(|(b, run)| batches.batches()[*b].deltas[run.clone()].iter().map(|d| d.slot))
                .collect();
            let mut want = slots.concat();
            want.sort_unstable();
            assert_eq!((got, found.len(), batches.len()), (want, runs, slots.concat().len()), "{slots:?}");
        }
    }
}
