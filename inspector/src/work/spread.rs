//! How far the sources of commits moved, from the measures that were kept when they were made.

use vecdelta::delta::Change;
use vecdelta::store::recall_measures;
use vecdelta::version::{Repository, percentile};

use crate::ask::Spread;

/// The newest commits whose measures are looked for: they are found by going back from the end of the file.
const NEWEST: usize = 4096;

/// Returns the spread of some commits; where no measures were kept it is not known, and nothing is read for it.
pub fn spread(repo: &Repository, from: u32, count: u32) -> Vec<Spread> {
    let end = repo.len().min(from.saturating_add(count) as usize);
    (from as usize..end).map(|commit| of(repo, commit).unwrap_or_default()).collect()
}

fn of(repo: &Repository, commit: usize) -> Option<Spread> {
    if commit + NEWEST < repo.len() {
        return None;
    }
    let measures = recall_measures(repo.disk().as_ref(), repo.entry(commit).id)?;
    let updates = || measures.iter().filter(|m| m.change == Change::Update);
    let mut l2: Vec<f64> = updates().map(|m| m.l2).filter(|l| l.is_finite()).collect();
    l2.sort_unstable_by(f64::total_cmp);
    let at = |percent| percentile(&l2, percent).unwrap_or(0.0).to_bits();
    let dims = updates().map(|m| u64::from(m.changed_dims)).sum();
    Some(Spread { known: true, p50: at(50), p90: at(90), max: at(100), dims })
}
