//! What targets promise.

mod conflicts;
mod defects;
mod properties;
mod transformers;

use super::{ApplicationPolicy, Saved, Target};
use crate::delta::{Delta, DeltaInfo, Element, Table, Timestamp};

pub fn table(dims: u32) -> Table {
    Table { collection: "docs".into(), element: Element::F32, dims }
}

pub fn row(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A delta of `docs/k` from one row to another, after a parent.
pub fn delta(old: Option<&[f32]>, new: Option<&[f32]>, parent: Option<&Delta>, millis: u64) -> Delta {
    let dims = old.or(new).unwrap().len() as u32;
    let time = Timestamp { physical_millis: millis, logical: 0, node: 1 };
    let info = DeltaInfo { time, parent: parent.map(Delta::id), ..DeltaInfo::default() };
    let (old, new) = (old.map(row), new.map(row));
    Delta::new(&table(dims), "k", old.as_deref(), new.as_deref(), info).unwrap()
}

/// Deltas through the states, the first of them an insert.
pub fn chain(states: &[&[f32]]) -> Vec<Delta> {
    let mut deltas: Vec<Delta> = Vec::new();
    for (i, new) in states.iter().enumerate() {
        let old = (i > 0).then(|| states[i - 1]);
        deltas.push(delta(old, Some(new), deltas.last(), 1_000 + i as u64));
    }
    deltas
}

pub fn target(dims: u32, policy: ApplicationPolicy) -> Target {
    Target::absent(table(dims), "k", policy)
}

/// A target whose history holds these deltas.
pub fn after(deltas: &[Delta], policy: ApplicationPolicy) -> Target {
    let mut target = target(deltas[0].vector().dims(), policy);
    deltas.iter().for_each(|delta| drop(target.apply(delta).unwrap()));
    target
}

/// Everything that a target shows of itself.
pub fn shown(target: &Target) -> (Saved, Option<Vec<u8>>, usize) {
    (target.saved(), target.row().map(<[u8]>::to_vec), target.held())
}
