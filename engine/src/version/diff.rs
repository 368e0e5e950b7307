//! Diff: which sources differ between two commits, with their bits on both sides.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;
use vecdelta_kernels::{RowChange, differs, measure, norm_squared};

use super::checkout::{Checkout, number_of, will_read};
use super::data::parts_of;
use super::error::Result;
use super::keys::read_keys;
use super::repository::{CommitIndex, Repository, table_of};
use crate::delta::{Change, Table};
use crate::store::KeyTable;

/// How many bytes of rows one task compares.
const TASK_BYTES: usize = 4 << 20;

/// One source that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What happened from the first commit to the second.
    pub change: Change,
    /// Its bits at the first commit; empty for an insert.
    pub old: Vec<u8>,
    /// Its bits at the second commit; empty for a delete.
    pub new: Vec<u8>,
    /// The measures of the change; `None` unless it is an update of equal shape.
    pub measures: Option<RowChange>,
    /// How many components differ in their bits.
    pub changed_dims: u32,
    /// The Euclidean length of the difference, or of the row that came or went; NaN between two shapes.
    pub l2: f64,
}

/// Differences of one collection, in the order of its slots.
#[derive(Clone, Debug)]
pub struct Differences {
    /// The collection's shape at the second commit, or at the first when it is gone.
    pub table: Arc<Table>,
    /// The sources that differ.
    pub sources: Vec<Difference>,
    /// For a commit that is made of them: the keys of sources, changed or not, that stem from another generation
    /// than the one in force, by its name.
    pub generations: BTreeMap<String, Vec<String>>,
}

impl Differences {
    /// Makes differences whose rows stem from the generation in force.
    pub fn new(table: Arc<Table>, sources: Vec<Difference>) -> Self {
        Self { table, sources, generations: BTreeMap::new() }
    }
}

/// Compares two commits (`None` is the empty table) and hands over what differs, piece by piece.
///
/// # Errors
/// When the history is damaged, or `emit` fails.
pub fn diff<E: From<super::VersionError>>(
    repo: &Repository,
    from: Option<CommitIndex>,
    to: Option<CommitIndex>,
    only: Option<(&str, Option<&str>)>,
    emit: &mut dyn FnMut(Differences) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    for name in collections(repo, from, to)? {
        if only.is_some_and(|(collection, _)| collection != name) {
            continue;
        }
        let pair = Pair::new(repo, from, to, &name)?;
        let mut places = pair.places()?;
        if let Some((_, Some(key))) = only {
            places = pair.places_of(key, &places)?;
        }
        let size = pair.table.row_bytes();
        let task = (TASK_BYTES / size.max(1)).max(16);
        for group in places.chunks(task * rayon::current_num_threads() * 2) {
            let found: Vec<Result<Vec<Difference>>> = group.par_chunks(task).map(|p| pair.compare(p)).collect();
            for sources in found {
                let sources = sources?;
                if !sources.is_empty() {
                    emit(Differences::new(pair.table.clone(), sources))?;
                }
            }
        }
    }
    Ok(())
}

fn collections(repo: &Repository, from: Option<CommitIndex>, to: Option<CommitIndex>) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for commit in [from, to].into_iter().flatten() {
        let record = repo.commit(commit)?;
        names.extend(record.body.collections.into_iter().map(|c| c.name));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The place of one source on either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    from: Option<u32>,
    to: Option<u32>,
}

struct Side<'r> {
    commit: CommitIndex,
    table: Arc<Table>,
    checkout: Checkout<'r>,
    slots: u32,
}

/// Both sides of a comparison of one collection.
struct Pair<'r> {
    repo: &'r Repository,
    name: String,
    table: Arc<Table>,
    from: Option<Side<'r>>,
    to: Option<Side<'r>>,
    /// Slots below this number mean the same source on both sides.
    common: u32,
    base: Option<CommitIndex>,
}

impl<'r> Pair<'r> {
    fn new(repo: &'r Repository, from: Option<CommitIndex>, to: Option<CommitIndex>, name: &str) -> Result<Self> {
        let side = |commit: Option<CommitIndex>| -> Result<Option<Side<'r>>> {
            let Some(commit) = commit else { return Ok(None) };
            repo.check_held(commit)?;
            let record = repo.commit(commit)?;
            let Some(number) = number_of(&record, name) else { return Ok(None) };
            let table = Arc::new(table_of(&record.body.collections[usize::from(number)])?);
            let checkout = Checkout::new(repo, commit, table.clone());
            Ok(Some(Side { commit, table, slots: checkout.slots(), checkout }))
        };
        let (from, to) = (side(from)?, side(to)?);
        let base = match (&from, &to) {
            (Some(a), Some(b)) => fork(repo, a.commit, b.commit),
            _ => None,
        };
        let number = repo.collection_number(name);
        let common = base.zip(number).map_or(0, |(base, n)| repo.slots(base, n));
        let table = to.as_ref().or(from.as_ref()).map(|s| s.table.clone());
        Ok(Self {
            repo,
            name: name.to_owned(),
            table: table.expect("the collection is on one side at least"),
            from,
            to,
            common,
            base,
        })
    }

    /// Finds every source that may differ.
    fn places(&self) -> Result<Vec<Places>> {
        let mut touched = Vec::new();
        for side in [&self.from, &self.to].into_iter().flatten() {
            self.touched(side, &mut touched)?;
        }
        touched.sort_unstable();
        touched.dedup();
        let mut places: Vec<Places> = touched.into_iter().map(|s| Places { from: Some(s), to: Some(s) }).collect();
        // Behind the common slots each side numbers in its own way: there a source is found by its key.
        let (mut old, new) = (self.own_keys(self.from.as_ref())?, self.own_keys(self.to.as_ref())?);
        old.index();
        let mut gone = vec![true; old.len() as usize];
        for i in 0..new.len() {
            let from = old.find(new.get(i));
            from.into_iter().for_each(|slot| gone[slot as usize] = false);
            places.push(Places { from: from.map(|slot| self.common + slot), to: Some(self.common + i) });
        }
        let gone = (self.common..).zip(gone).filter(|(_, gone)| *gone);
        places.extend(gone.map(|(slot, _)| Places { from: Some(slot), to: None }));
        Ok(places)
    }

    /// Keeps the one place whose source has a key.
    fn places_of(&self, key: &str, places: &[Places]) -> Result<Vec<Places>> {
        let find = |side: &Option<Side<'_>>| -> Result<Option<u32>> {
            match side {
                Some(s) => super::keys::find_slot(self.repo, s.commit, &self.name, key),
                None => Ok(None),
            }
        };
        let (from, to) = (find(&self.from)?, find(&self.to)?);
        let mine = |p: &&Places| (p.to.is_some() && p.to == to) || (p.from.is_some() && p.from == from);
        Ok(places.iter().filter(mine).copied().collect())
    }

    /// Adds the common slots that were touched between the fork and one side.
    fn touched(&self, side: &Side<'_>, touched: &mut Vec<u32>) -> Result<()> {
        if self.common == 0 {
            return Ok(());
        }
        for commit in self.repo.bases(side.commit).take_while(|&c| Some(c) != self.base) {
            let parts = parts_of(self.repo, commit, &self.name).inspect_err(|e| will_read(self.repo, e, commit))?;
            for part in parts {
                let slots = [&part.lists.fresh, &part.lists.change, &part.lists.deleted];
                touched.extend(slots.into_iter().flatten().copied().filter(|&s| s < self.common));
            }
        }
        Ok(())
    }

    /// Returns the keys of the slots of a side that the other one numbers in its own way.
    fn own_keys(&self, side: Option<&Side<'_>>) -> Result<KeyTable> {
        let Some(side) = side else { return Ok(KeyTable::default()) };
        read_keys(self.repo, side.commit, &self.name, self.common..side.slots)
    }

    fn compare(&self, places: &[Places]) -> Result<Vec<Difference>> {
        let rows = |side: &Option<Side<'r>>, slot: &dyn Fn(&Places) -> Option<u32>| -> Result<SideRows> {
            let Some(side) = side else { return Ok(SideRows::default()) };
            let mut slots: Vec<u32> = places.iter().filter_map(slot).filter(|&s| s < side.slots).collect();
            slots.sort_unstable();
            let rows = side.checkout.list(&slots)?;
            Ok(SideRows {
                keys: self.keys_of(side, &slots)?,
                slots,
                data: rows.data,
                alive: rows.alive,
                size: side.table.row_bytes(),
            })
        };
        let from = rows(&self.from, &|p| p.from)?;
        let to = rows(&self.to, &|p| p.to)?;
        let same_shape = match (&self.from, &self.to) {
            (Some(a), Some(b)) => a.table.element == b.table.element && a.table.dims == b.table.dims,
            _ => true,
        };
        let mut out = Vec::new();
        for place in places {
            let (old, new) = (from.row(place.from), to.row(place.to));
            let Some(key) = new.or(old).map(|(key, _)| key) else { continue };
            out.extend(difference(&self.table, key, old.map(|o| o.1), new.map(|n| n.1), same_shape));
        }
        Ok(out)
    }

    fn keys_of(&self, side: &Side<'_>, slots: &[u32]) -> Result<Vec<String>> {
        let (Some(&first), Some(&last)) = (slots.first(), slots.last()) else {
            return Ok(Vec::new());
        };
        let keys = read_keys(self.repo, side.commit, &self.name, first..last + 1)?;
        Ok(slots.iter().map(|s| keys.get(s - first).to_owned()).collect())
    }
}

/// Describes how a source differs; `None` when it does not. Rows of another shape are compared as wholes.
pub fn difference(
    table: &Table,
    key: &str,
    old: Option<&[u8]>,
    new: Option<&[u8]>,
    same_shape: bool,
) -> Option<Difference> {
    let change = match (old, new) {
        (Some(a), Some(b)) if !same_shape || differs(a, b) => Change::Update,
        (None, Some(_)) => Change::Insert,
        (Some(_), None) => Change::Delete,
        _ => return None,
    };
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let measures = (change == Change::Update && same_shape).then(|| measure(table.element, old, new));
    let alone = if new.is_empty() { old } else { new };
    Some(Difference {
        key: key.to_owned(),
        change,
        old: old.to_vec(),
        new: new.to_vec(),
        changed_dims: measures.as_ref().map_or(table.dims, |m| m.changed),
        l2: match &measures {
            Some(m) => m.l2(),
            // Between two shapes there is no distance.
            None if change == Change::Update => f64::NAN,
            None => norm_squared(table.element, alone).sqrt(),
        },
        measures,
    })
}

#[derive(Default)]
struct SideRows {
    slots: Vec<u32>,
    keys: Vec<String>,
    data: Vec<u8>,
    alive: Vec<bool>,
    size: usize,
}

impl SideRows {
    fn row(&self, slot: Option<u32>) -> Option<(&str, &[u8])> {
        let i = self.slots.binary_search(&slot?).ok()?;
        self.alive[i].then(|| (self.keys[i].as_str(), &self.data[i * self.size..(i + 1) * self.size]))
    }
}

/// Finds the newest commit that lies on the first-parent ways of both.
fn fork(repo: &Repository, a: CommitIndex, b: CommitIndex) -> Option<CommitIndex> {
    let (mut a, mut b) = (Some(a), Some(b));
    // A parent always has a lower number than its child.
    while let (Some(x), Some(y)) = (a, b) {
        if x == y {
            return Some(x);
        }
        if x > y {
            a = repo.entry(x).parents.first().copied();
        } else {
            b = repo.entry(y).parents.first().copied();
        }
    }
    None
}
