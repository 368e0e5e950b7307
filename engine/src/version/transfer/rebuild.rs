//! Rebuilding the tables of commits that arrive, from rows that are held and blocks that are offered.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::check::Incoming;
use crate::delta::{CommitId, RowHash, Table, row_hash};
use crate::store::{EntryChange, KeyTable, Log};
use crate::version::checkout::Checkout;
use crate::version::data::Part;
use crate::version::error::Result;
use crate::version::replay::{Applied, Needed, Replay};

/// How many bytes of rows one task rebuilds.
const TASK_BYTES: usize = 16 << 20;

/// About how many rows that were written are kept in mind at once; for more, the blocks are read again.
const ROWS: usize = 1 << 22;

/// Commits that follow each other, and all that their tables are made of in one collection.
pub struct Rebuild<'w> {
    /// The log in which their blocks are.
    pub log: &'w Log,
    /// The commits.
    pub steps: &'w [&'w Incoming],
    /// What each of them does.
    pub parts: Vec<Vec<Part>>,
    /// The table that is held on which the first one builds.
    pub base: Option<Checkout<'w>>,
    /// The earlier tables that are held against which some of them are coded.
    pub earlier: Vec<(CommitId, Checkout<'w>)>,
    /// Which commits are coded against which earlier ones.
    pub skips: Needed,
    /// The collection.
    pub table: Arc<Table>,
    /// The keys of all slots.
    pub keys: KeyTable,
    /// Their hashes.
    pub hashes: Vec<[u8; 16]>,
}

/// Number of the commit, slot, and the row's new hash.
type Touch = (usize, u32, Option<RowHash>);

impl Rebuild<'_> {
    /// Cuts the commits into runs that write a bounded number of rows.
    pub fn windows(&self) -> Vec<Range<usize>> {
        let rows = |parts: &Vec<Part>| parts.iter().map(|p| p.lists.len()).sum();
        windows(self.parts.iter().map(rows), ROWS)
    }

    /// Returns what each commit of a window does to the entries of the table; with `whole`, first those of the table that
    /// is held. Without, only the rows are read that changes are based on.
    ///
    /// # Errors
    /// When a block is damaged.
    pub fn pass(
        &self,
        window: Range<usize>,
        whole: bool,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<EntryChange>, Vec<Vec<EntryChange>>)> {
        let slots = self.keys.len();
        let task = (TASK_BYTES / self.table.row_bytes().max(1)).clamp(1, 1 << 16) as u32;
        let rebuild = |start: u32| {
            let range = start..(start + task).min(slots);
            let done = self.range(range.clone(), &window, whole);
            seen(if whole { range.len() as u64 } else { 0 });
            done
        };
        let starts: Vec<u32> = (0..slots).step_by(task as usize).collect();
        let done: Vec<_> = starts.into_par_iter().map(rebuild).collect::<Result<_>>()?;
        let (mut entries, mut changes) = (Vec::new(), vec![Vec::new(); window.len()]);
        for (own, touches) in done {
            entries.extend(own);
            for (commit, slot, row) in touches {
                changes[commit - window.start].push(EntryChange { key: self.hashes[slot as usize], slot, row });
            }
        }
        Ok((entries, changes))
    }

    /// Rebuilds some slots up to the end of a window.
    fn range(&self, range: Range<u32>, window: &Range<usize>, whole: bool) -> Result<(Vec<EntryChange>, Vec<Touch>)> {
        let size = self.table.row_bytes();
        let hash = |slot: u32, row: &[u8]| row_hash(self.keys.get(slot), self.table.element, row);
        let (mut entries, mut data) = (Vec::new(), Vec::new());
        if let Some(base) = self.base.as_ref().filter(|base| range.start < base.slots()) {
            let range = range.start..range.end.min(base.slots());
            if whole {
                let rows = base.range(range.clone())?;
                entries.extend((0..rows.alive.len()).filter(|&i| rows.alive[i]).map(|i| {
                    let slot = range.start + i as u32;
                    let row = hash(slot, &rows.data[i * size..(i + 1) * size]);
                    EntryChange { key: self.hashes[slot as usize], slot, row: Some(row) }
                }));
                data = rows.data;
            } else {
                let slots = self.based_on(&range, window.end);
                let rows = base.list(&slots)?;
                data.resize(range.len() * size, 0);
                for (slot, row) in slots.iter().zip(rows.data.chunks_exact(size.max(1))) {
                    data[(slot - range.start) as usize * size..][..size].copy_from_slice(row);
                }
            }
        }
        let mut touches = Vec::new();
        let mut replay = Replay::on(self.log, self.table.clone(), range.clone(), data);
        for (id, table) in &self.earlier {
            let held = range.start..range.end.min(table.slots()).max(range.start);
            replay.keep(*id, table.range(held)?.data);
        }
        for (i, (commit, parts)) in self.steps.iter().zip(&self.parts).enumerate().take(window.end) {
            let mut touched = |slot, row: Option<&[u8]>| {
                if i >= window.start {
                    touches.push((i, slot, row.map(|r| hash(slot, r))));
                }
            };
            let (id, place, blocks) = (commit.id, commit.place, &commit.record.blocks);
            replay.apply(&Applied { number: i, id, place, blocks, parts }, &self.skips, &mut touched)?;
        }
        Ok((entries, touches))
    }
}

impl Rebuild<'_> {
    /// Returns the slots of a range whose old bits the changes of the first commits need.
    fn based_on(&self, range: &Range<u32>, commits: usize) -> Vec<u32> {
        let lists = self.parts[..commits].iter().flatten().map(|part| part.lists.change.as_slice());
        let within = |list: &[u32]| {
            let (from, to) = (list.partition_point(|s| *s < range.start), list.partition_point(|s| *s < range.end));
            list[from..to].to_vec()
        };
        let slots: BTreeSet<u32> = lists.flat_map(within).collect();
        slots.into_iter().collect()
    }
}

/// Cuts a list of sizes into runs whose sums stay within a limit, each of one at least.
fn windows(sizes: impl Iterator<Item = usize>, limit: usize) -> Vec<Range<usize>> {
    let (mut out, mut sum) = (Vec::<Range<usize>>::new(), 0);
    for (i, size) in sizes.enumerate() {
        sum += size;
        match out.last_mut().filter(|_| sum <= limit) {
            Some(window) => window.end = i + 1,
            None => {
                out.push(i..i + 1);
                sum = size;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_follow_each_other_and_stay_within_the_limit() {
        let sizes = [3, 4, 0, 9, 100, 1, 1, 1];
        assert_eq!(windows(sizes.into_iter(), 9), [0..3, 3..4, 4..5, 5..8]);
        assert!(windows([].into_iter(), 9).is_empty());
        for limit in 0..120 {
            let found = windows(sizes.into_iter(), limit);
            assert_eq!(found.iter().cloned().flatten().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
            assert!(found.iter().all(|w| w.len() == 1 || sizes[w.clone()].iter().sum::<usize>() <= limit));
        }
    }
}
