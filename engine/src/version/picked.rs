//! Some rows of a table: those of named sources, or those that differ from an older table.

use std::sync::Arc;

use super::checkout::Checkout;
use super::error::{Result, VersionError};
use super::keys::{find_slot, read_keys};
use super::repository::{CommitIndex, Repository};
use super::table::table;
use crate::delta::{Keys, Table};

/// Which rows of a collection at a commit are wanted, and where they are.
pub struct Picked<'r> {
    repo: &'r Repository,
    commit: CommitIndex,
    table: Arc<Table>,
    since: Option<(CommitIndex, Option<Arc<Table>>)>,
    /// The slots of named sources; `None` for all.
    slots: Option<Vec<u32>>,
    held: u32,
}

impl<'r> Picked<'r> {
    /// Finds the rows of some sources (all, when `keys` is empty); with `since`, of those only the ones that came or
    /// changed after that commit.
    ///
    /// # Errors
    /// When a source is not there, or the history is damaged.
    pub fn new(
        repo: &'r Repository,
        commit: CommitIndex,
        shape: Arc<Table>,
        keys: &[String],
        since: Option<CommitIndex>,
    ) -> Result<Self> {
        repo.check_held(commit)?;
        let name = &shape.collection;
        let held = Checkout::new(repo, commit, shape.clone()).slots();
        let mut slots = Vec::new();
        for key in keys {
            let slot = find_slot(repo, commit, name, key)?;
            slots.push(slot.ok_or_else(|| unknown(repo, commit, name, key))?);
        }
        slots.sort_unstable();
        slots.dedup();
        let since = match since {
            None => None,
            Some(since) => match table(repo, since, Some(name)) {
                Ok(old) => Some((since, Some(Arc::new(old)))),
                Err(VersionError::UnknownCollection { .. }) => Some((since, None)),
                Err(error) => return Err(error),
            },
        };
        let slots = (!keys.is_empty()).then_some(slots);
        Ok(Self { repo, commit, table: shape, since, slots, held })
    }

    /// Returns how many rows are looked at.
    pub fn len(&self) -> usize {
        self.slots.as_ref().map_or(self.held as usize, Vec::len)
    }

    /// Returns whether no row is looked at.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the wanted ones among the rows from a number up to another one: their keys and their bits.
    ///
    /// # Errors
    /// When a named source is not there, or the history is damaged.
    pub fn read(&self, from: usize, to: usize) -> Result<(Keys, Vec<u8>)> {
        let (from, to) = (from.min(self.len()), to.min(self.len()));
        let slots: Vec<u32> = match &self.slots {
            Some(slots) => slots[from..to].to_vec(),
            None => (from as u32..to as u32).collect(),
        };
        let (name, size) = (&self.table.collection, self.table.row_bytes());
        let checkout = Checkout::new(self.repo, self.commit, self.table.clone());
        let rows = match &self.slots {
            Some(_) => checkout.list(&slots)?,
            None => checkout.range(from as u32..to as u32)?,
        };
        let names: Vec<String> = match &self.slots {
            None => {
                let keys = read_keys(self.repo, self.commit, name, from as u32..to as u32)?;
                (0..keys.len()).map(|i| keys.get(i).to_owned()).collect()
            }
            Some(_) => slots.iter().map(|&s| self.name_of(s)).collect::<Result<_>>()?,
        };
        if let Some(gone) = rows.alive.iter().position(|a| !a).filter(|_| self.slots.is_some()) {
            return Err(unknown(self.repo, self.commit, name, &names[gone]));
        }
        let before = self.before(&slots, &names)?;
        let (mut keys, mut bits) = (Vec::new(), Vec::new());
        for (i, key) in names.iter().enumerate().filter(|(i, _)| rows.alive[*i]) {
            let row = &rows.data[i * size..(i + 1) * size];
            if before.as_ref().is_some_and(|b| b[i].as_deref() == Some(row)) {
                continue;
            }
            keys.push(key.as_str());
            bits.extend_from_slice(row);
        }
        Ok((Keys::from_texts(keys), bits))
    }

    fn name_of(&self, slot: u32) -> Result<String> {
        Ok(read_keys(self.repo, self.commit, &self.table.collection, slot..slot + 1)?.get(0).to_owned())
    }

    /// Reads the rows that the same sources had before, where they had the same shape.
    fn before(&self, slots: &[u32], names: &[String]) -> Result<Option<Vec<Option<Vec<u8>>>>> {
        let Some((since, shape)) = &self.since else { return Ok(None) };
        let mut out = vec![None; slots.len()];
        let Some(shape) = shape.as_ref().filter(|s| s.element == self.table.element && s.dims == self.table.dims)
        else {
            return Ok(Some(out));
        };
        // Along one line a slot is one source; elsewhere its key says where it stands.
        let same_line = self.repo.is_before(*since, self.commit);
        let mut places: Vec<(u32, usize)> = Vec::new();
        for (i, (&slot, name)) in slots.iter().zip(names).enumerate() {
            let slot = if same_line { Some(slot) } else { find_slot(self.repo, *since, &shape.collection, name)? };
            places.extend(slot.map(|s| (s, i)));
        }
        places.sort_unstable();
        let old: Vec<u32> = places.iter().map(|p| p.0).collect();
        let rows = Checkout::new(self.repo, *since, shape.clone()).list(&old)?;
        let size = shape.row_bytes();
        for (j, (_, i)) in places.into_iter().enumerate().filter(|(j, _)| rows.alive[*j]) {
            out[i] = Some(rows.data[j * size..(j + 1) * size].to_vec());
        }
        Ok(Some(out))
    }
}

fn unknown(repo: &Repository, commit: CommitIndex, collection: &str, key: &str) -> VersionError {
    VersionError::UnknownSource {
        name: format!("{collection}/{key}"),
        revision: repo.entry(commit).id.to_hex()[..12].to_owned(),
    }
}
