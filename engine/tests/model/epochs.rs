//! What a model ingests: epochs of rows that stay, change, go and come back.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::Table;

use super::Model;
use crate::support::drive::Epoch;
use crate::support::oracle::Tables;
use crate::support::random::{changed, moved, row};

impl Model {
    /// Makes an epoch: changed rows, rows as they were long ago, new ones, and at times nothing at all.
    pub fn epoch(&mut self, shape: usize, before: &Tables) -> Epoch {
        let table = self.shapes[shape].clone();
        if self.trains && self.rng.chance(80) {
            return self.trained(table, before);
        }
        let missing = if self.rng.chance(60) { Missing::Delete } else { Missing::Keep };
        let (busy, leave_out) = (*self.rng.pick(&[0, 10, 50, 100]), *self.rng.pick(&[0, 0, 5, 50, 100]));
        let mut rows: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (key, old) in before.get(&table.collection).map(|c| &c.rows).into_iter().flatten() {
            if self.rng.chance(leave_out) {
                continue;
            }
            let new = match self.rng.chance(busy) {
                false => old.clone(),
                true if self.rng.chance(25) => self.long_ago(&table.collection, key).unwrap_or_else(|| old.clone()),
                true => changed(&mut self.rng, table.element, old),
            };
            rows.insert(key.clone(), new);
        }
        for _ in 0..*self.rng.pick(&[0, 0, 1, 4, 12]) {
            let key = format!("key/{}", self.rng.below(40));
            let new = self.long_ago(&table.collection, &key);
            let new = new.unwrap_or_else(|| row(&mut self.rng, table.element, table.dims));
            rows.entry(key).or_insert(new);
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        for i in (1..rows.len()).rev() {
            if self.rng.chance(20) {
                let j = self.rng.below(i + 1);
                rows.swap(i, j);
            }
        }
        Epoch { table, rows, missing, batch_rows: 1 + self.rng.below(20) }
    }

    /// Makes an epoch in which every row moves a little; at times one is new, or goes.
    fn trained(&mut self, table: Arc<Table>, before: &Tables) -> Epoch {
        let held = before.get(&table.collection).map(|c| &c.rows).into_iter().flatten();
        let mut rows: Vec<_> = held.map(|(key, old)| (key.clone(), moved(&mut self.rng, table.element, old))).collect();
        if rows.len() > 2 && self.rng.chance(20) {
            rows.swap_remove(self.rng.below(rows.len()));
        }
        for _ in 0..if rows.is_empty() { 12 } else { self.rng.below(2) } {
            let key = format!("new/{}", self.rng.next() % 1000);
            if rows.iter().all(|(held, _)| *held != key) {
                rows.push((key, row(&mut self.rng, table.element, table.dims)));
            }
        }
        Epoch { table, rows, missing: Missing::Delete, batch_rows: 1 + self.rng.below(20) }
    }

    /// Returns the row that a source had at some commit.
    fn long_ago(&mut self, collection: &str, key: &str) -> Option<Vec<u8>> {
        if self.commits.is_empty() || self.rng.chance(50) {
            return None;
        }
        let commit = self.any_commit();
        self.commits[commit].get(collection)?.rows.get(key).cloned()
    }
}
