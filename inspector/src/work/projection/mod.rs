//! The projection: axes that are found once, where rows lie on their plane, and which rows a commit moved.

mod fit;

use std::sync::Arc;

use vecdelta::delta::{Element, Table};
use vecdelta::version::{
    Checkout, CommitIndex, Repository, Rows, VersionError, number_of, read_keys, table_of, touched,
};
use vecdelta_kernels::{measure, widen};

use super::history::number;
use crate::ask::{Axes, Basis, CommitNumber, Generations, Kind, NONE, Places, Points, Shifts};
use crate::model::plane::Plane;
use fit::Fit;

/// How many bytes of rows one answer is made of, about.
const PIECE: usize = 4 << 20;

/// How many commits are looked at for generations; rows that are older are of the oldest known.
const GENERATIONS_BACK: usize = 20_000;

/// For how many bases the axes are kept.
const KEPT: usize = 4;

/// The axes that were found or are being looked for, the last one used at the end.
#[derive(Default)]
pub struct Fits {
    fits: Vec<Fit>,
    planes: Vec<(Basis, Arc<Plane>)>,
}

impl Fits {
    /// Goes on with the search for axes by one turn.
    pub fn axes(&mut self, repo: &Repository, basis: &Basis) -> Result<Axes, VersionError> {
        let fit = self.fit(repo, basis)?;
        fit.turn(repo)?;
        Ok(fit.axes())
    }

    fn fit(&mut self, repo: &Repository, basis: &Basis) -> Result<&mut Fit, VersionError> {
        let fit = match self.fits.iter().position(|f| f.basis == *basis) {
            Some(at) => self.fits.remove(at),
            None => Fit::begin(repo, basis)?,
        };
        if self.fits.len() >= KEPT {
            self.fits.remove(0);
        }
        self.fits.push(fit);
        Ok(self.fits.last_mut().expect("it was just put there"))
    }

    /// Returns the plane of a basis; axes that are not found yet are found at once.
    fn plane(&mut self, repo: &Repository, basis: &Basis) -> Result<Arc<Plane>, VersionError> {
        if let Some((_, plane)) = self.planes.iter().find(|(b, _)| b == basis) {
            return Ok(plane.clone());
        }
        let fit = self.fit(repo, basis)?;
        while fit.found().is_none() {
            fit.turn(repo)?;
        }
        let plane = fit.found().and_then(Plane::of).expect("they are found and as long as each other");
        let plane = Arc::new(plane);
        if self.planes.len() >= KEPT {
            self.planes.remove(0);
        }
        self.planes.push((basis.clone(), plane.clone()));
        Ok(plane)
    }

    /// Finds where rows lie, some slots of them.
    pub fn points(
        &mut self,
        repo: &Repository,
        basis: &Basis,
        commit: CommitIndex,
        from: u32,
        every: u32,
    ) -> Result<Points, VersionError> {
        let plane = self.plane(repo, basis)?;
        let every = every.max(1);
        let Some((table, slots)) = held(repo, commit, &basis.collection)? else { return Ok(Points::default()) };
        let from = from.next_multiple_of(every);
        let rows = (PIECE / table.row_bytes().max(1)).clamp(16, 1 << 16) as u32;
        let end = slots.min(from.saturating_add(rows.saturating_mul(every)));
        let checkout = Checkout::new(repo, commit, table.clone());
        let wanted: Vec<u32> = (from..end).step_by(every as usize).collect();
        let read = match every {
            1 => checkout.range(from..end.max(from))?,
            _ => checkout.list(&wanted)?,
        };
        let places = placed(&plane, &table, &read);
        Ok(Points { from, next: if end < slots { end } else { 0 }, slots, places })
    }

    /// Finds which rows a commit moved, and from where to where, some of them.
    pub fn shifts(
        &mut self,
        repo: &Repository,
        basis: &Basis,
        commit: CommitIndex,
        from: u32,
        every: u32,
    ) -> Result<Shifts, VersionError> {
        let plane = self.plane(repo, basis)?;
        let every = every.max(1);
        let before = repo.bases(commit).nth(1);
        let name = &basis.collection;
        let mut out = Shifts { before: before.map_or(NONE, number), ..Shifts::default() };
        let new = held(repo, commit, name)?;
        let old = before.map(|c| held(repo, c, name)).transpose()?.flatten();
        let Some((shape, _)) = new.as_ref().or(old.as_ref()) else { return Ok(out) };
        let slots: Vec<u32> = touched(repo, commit, name)?.into_iter().filter(|s| s.is_multiple_of(every)).collect();
        out.total = number(slots.len());
        let begin = (from as usize).min(slots.len());
        let end = slots.len().min(begin + (PIECE / 2 / shape.row_bytes().max(1)).max(16));
        out.next = if end < slots.len() { number(end) } else { 0 };
        let slots = &slots[begin..end];
        let side = |commit: Option<CommitIndex>, held: Option<(Arc<Table>, u32)>| -> Result<Option<_>, VersionError> {
            let (Some(commit), Some((table, _))) = (commit, held) else { return Ok(None) };
            let rows = Checkout::new(repo, commit, table.clone()).list(slots)?;
            Ok(Some((table, rows)))
        };
        let sides = [side(before, old)?, side(Some(commit), new)?];
        let [old, new] =
            sides.each_ref().map(|s| s.as_ref().map_or_else(Places::default, |(t, rows)| placed(&plane, t, rows)));
        for (i, &slot) in slots.iter().enumerate() {
            let [a, b] = sides.each_ref().map(|s| s.as_ref().and_then(|(table, rows)| row(table, rows, i)));
            let (kind, l2) = match (a, b) {
                (None, None) => continue,
                (None, Some(_)) => (Kind::Inserted, f64::NAN),
                (Some(_), None) => (Kind::Deleted, f64::NAN),
                (Some((t, a)), Some((u, b))) if t.element == u.element && t.dims == u.dims => {
                    (Kind::Updated, measure(t.element, a, b).l2())
                }
                (Some(_), Some(_)) => (Kind::Updated, f64::NAN),
            };
            out.slots.push(slot);
            out.kinds.push(kind);
            out.l2.push(l2.to_bits());
            out.old.push(&old, i);
            out.new.push(&new, i);
        }
        Ok(out)
    }
}

/// No place.
const NOWHERE: [u32; 3] = [f32::NAN.to_bits(); 3];

impl Places {
    fn push(&mut self, from: &Self, i: usize) {
        self.at.push(from.at.get(i).copied().unwrap_or(NOWHERE));
        self.by.push(from.by.get(i).copied().unwrap_or(NONE));
    }
}

/// Returns where rows lie.
fn placed(plane: &Plane, table: &Table, rows: &Rows) -> Places {
    let (mut places, mut wide) = (Places::default(), Vec::new());
    for (i, alive) in rows.alive.iter().enumerate() {
        let mut place = None;
        if let Some((_, row)) = row(table, rows, i) {
            widened(table.element, row, &mut wide);
            place = plane.place(&wide);
        }
        places.at.push(place.map_or(NOWHERE, |p| p.map(f32::to_bits)));
        places.by.push(if *alive { rows.changed_by[i] } else { NONE });
    }
    places
}

fn row<'a>(table: &'a Table, rows: &'a Rows, i: usize) -> Option<(&'a Table, &'a [u8])> {
    let size = table.row_bytes();
    rows.alive.get(i)?.then(|| (table, &rows.data[i * size..(i + 1) * size]))
}

/// Writes the components of a row as numbers.
fn widened(element: Element, row: &[u8], out: &mut Vec<f64>) {
    let mut bytes = Vec::with_capacity(row.len() * 8);
    widen(element, row, &mut bytes);
    out.clear();
    out.extend(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)));
}

/// Returns a collection's shape and how many slots it has at a commit; `None` where there is no such collection.
fn held(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Option<(Arc<Table>, u32)>, VersionError> {
    repo.check_held(commit)?;
    let record = repo.commit(commit)?;
    let Some(at) = number_of(&record, collection) else { return Ok(None) };
    let table = Arc::new(table_of(&record.body.collections[usize::from(at)])?);
    let slots = repo.collection_number(collection).map_or(0, |n| repo.slots(commit, n));
    Ok(Some((table, slots)))
}

fn table_of_collection(
    repo: &Repository,
    commit: CommitIndex,
    collection: &str,
) -> Result<(Arc<Table>, u32), VersionError> {
    let found = held(repo, commit, collection)?;
    found.ok_or_else(|| VersionError::Refused(format!("this commit has no collection `{collection}`")))
}

/// Returns the key of a slot.
pub fn key(
    repo: &Repository,
    commit: CommitIndex,
    collection: &str,
    slot: u32,
) -> Result<Option<String>, VersionError> {
    let Some((_, slots)) = held(repo, commit, collection)? else { return Ok(None) };
    if slot >= slots {
        return Ok(None);
    }
    let keys = read_keys(repo, commit, collection, slot..slot + 1)?;
    Ok(Some(keys.get(0).to_owned()).filter(|k| !k.is_empty()))
}

/// Finds the generations of a collection on the way to a commit.
pub fn generations(repo: &Repository, commit: CommitIndex, collection: &str) -> Result<Generations, VersionError> {
    let mut since: Vec<(CommitNumber, String)> = Vec::new();
    for c in repo.bases(commit).take(GENERATIONS_BACK) {
        let collections = repo.commit(c)?.body.collections;
        let Some(state) = collections.into_iter().find(|s| s.name == collection) else { break };
        match since.last_mut() {
            Some((at, name)) if *name == state.generation => *at = number(c),
            _ => since.push((number(c), state.generation)),
        }
    }
    since.reverse();
    Ok(Generations { since })
}
