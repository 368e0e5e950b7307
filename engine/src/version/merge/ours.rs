//! Our side of a merge: the rows of the sources that they changed.

use std::collections::HashMap;
use std::sync::Arc;

use crate::delta::Table;
use crate::store::KeyTable;
use crate::version::checkout::Checkout;
use crate::version::diff::Differences;
use crate::version::error::{Result, VersionError};
use crate::version::keys::{find_slot, read_keys};
use crate::version::repository::{CommitIndex, Repository};
use crate::version::table::tables;

/// So many sources at once are worth reading all keys of their collection.
const MANY: usize = 512;

/// Reads rows at one commit by key.
pub struct Ours<'r> {
    repo: &'r Repository,
    commit: CommitIndex,
    collections: HashMap<String, Option<Collection<'r>>>,
}

struct Collection<'r> {
    table: Arc<Table>,
    checkout: Checkout<'r>,
    keys: Option<KeyTable>,
}

impl<'r> Ours<'r> {
    /// Prepares to read at a commit.
    pub fn new(repo: &'r Repository, commit: CommitIndex) -> Self {
        Self { repo, commit, collections: HashMap::new() }
    }

    /// Reads the rows of the sources of a part, in their order; `None` where there is no row.
    pub fn rows(&mut self, part: &Differences) -> Result<Vec<Option<Vec<u8>>>> {
        let (repo, commit, name) = (self.repo, self.commit, &part.table.collection);
        if !self.collections.contains_key(name) {
            let table = tables(repo, commit)?.into_iter().find(|t| t.collection == *name).map(Arc::new);
            let open = |table: Arc<Table>| Collection {
                checkout: Checkout::new(repo, commit, table.clone()),
                table,
                keys: None,
            };
            self.collections.insert(name.clone(), table.map(open));
        }
        let Some(own) = self.collections.get_mut(name).expect("it was put there") else {
            return Ok(vec![None; part.sources.len()]);
        };
        if *own.table != *part.table {
            return Err(other_shape(&own.table, &part.table));
        }
        let slots = own.slots(repo, commit, part)?;
        let mut sorted: Vec<u32> = slots.iter().flatten().copied().collect();
        sorted.sort_unstable();
        let (rows, size) = (own.checkout.list(&sorted)?, own.table.row_bytes());
        let row = |slot: &Option<u32>| {
            let at = sorted.binary_search(&(*slot)?).ok()?;
            rows.alive[at].then(|| rows.data[at * size..(at + 1) * size].to_vec())
        };
        Ok(slots.iter().map(row).collect())
    }
}

impl Collection<'_> {
    fn slots(&mut self, repo: &Repository, commit: CommitIndex, part: &Differences) -> Result<Vec<Option<u32>>> {
        let keys = part.sources.iter().map(|d| d.key.as_str());
        if self.keys.is_none() && part.sources.len() < MANY {
            return keys.map(|k| find_slot(repo, commit, &self.table.collection, k)).collect();
        }
        if self.keys.is_none() {
            let mut all = read_keys(repo, commit, &self.table.collection, 0..self.checkout.slots())?;
            all.index();
            self.keys = Some(all);
        }
        let all = self.keys.as_ref().expect("it was just read");
        Ok(keys.map(|k| all.find(k)).collect())
    }
}

fn other_shape(ours: &Table, theirs: &Table) -> VersionError {
    let shape = |t: &Table| format!("{} x {}", t.dims, t.element.name());
    VersionError::OtherShape { collection: ours.collection.clone(), have: shape(ours), got: shape(theirs) }
}
