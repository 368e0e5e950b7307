//! Targets against a plain list of states.

use proptest::prelude::*;

use super::{row, table};
use crate::apply::{ApplicationPolicy, ApplicationStatus, ApplyError, LastApplied, Saved, Target};
use crate::delta::{Delta, DeltaInfo, Timestamp, row_hash};

#[derive(Clone, Debug)]
enum Step {
    /// To a state by its number; nothing is a delete.
    To(Option<[u8; 3]>),
    /// The delta so many back, once more.
    Again(usize),
    Rollback(usize),
    /// A delta from a state that never was.
    Stray([u8; 3]),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let state = prop::array::uniform3(0u8..3);
    let step = prop_oneof![
        6 => prop::option::weighted(0.85, state.clone()).prop_map(Step::To),
        2 => (0usize..8).prop_map(Step::Again),
        2 => (0usize..6).prop_map(Step::Rollback),
        1 => state.prop_map(Step::Stray),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

fn floats(state: [u8; 3]) -> Vec<u8> {
    // Values whose sums are not exact, and bits that no sum gives back.
    row(&state.map(|n| [0.1, -0.0, f32::from_bits(0x7fc0_0007)][usize::from(n)]))
}

/// The naive history: every state with the delta that led to it, and how many of the last can be taken back.
struct Oracle {
    states: Vec<Saved>,
    deltas: Vec<Delta>,
    held: usize,
    limit: usize,
}

fn saved(row: Option<Vec<u8>>, last: Option<&Delta>) -> Saved {
    let hash = row.as_ref().map(|row| row_hash("k", table(3).element, row));
    Saved { row, hash, last: last.map(|delta| LastApplied { id: delta.id(), time: delta.time() }) }
}

impl Oracle {
    fn now(&self) -> &Saved {
        self.states.last().unwrap()
    }

    fn delta(&self, old: Option<&[u8]>, new: Option<&[u8]>, tick: u64) -> Option<Delta> {
        let time = Timestamp { physical_millis: tick, ..Timestamp::default() };
        let info = DeltaInfo { time, parent: self.deltas.last().map(Delta::id), ..DeltaInfo::default() };
        (old.is_some() || new.is_some()).then(|| Delta::new(&table(3), "k", old, new, info).unwrap())
    }
}

fn run(steps: Vec<Step>, limit: usize) -> Result<(), TestCaseError> {
    let policy = ApplicationPolicy { history_limit: limit, ..ApplicationPolicy::default() };
    let mut target = Target::absent(table(3), "k", policy.clone());
    let mut oracle = Oracle { states: vec![Saved::default()], deltas: Vec::new(), held: 0, limit };
    for (tick, step) in steps.into_iter().enumerate() {
        let tick = tick as u64;
        match step {
            Step::To(state) => {
                let new = state.map(floats);
                let Some(delta) = oracle.delta(oracle.now().row.as_deref(), new.as_deref(), tick) else { continue };
                prop_assert_eq!(target.apply(&delta).unwrap().status, ApplicationStatus::Applied);
                oracle.states.push(saved(new, Some(&delta)));
                oracle.deltas.push(delta);
                oracle.held = (oracle.held + 1).min(oracle.limit);
            }
            Step::Again(back) => {
                let Some(at) = oracle.deltas.len().checked_sub(back + 1) else { continue };
                let delta = &oracle.deltas[at];
                let known = back < oracle.held.max(1) || delta.result() == oracle.now().hash;
                match target.apply(delta) {
                    Ok(done) => prop_assert_eq!((done.status, known), (ApplicationStatus::Already, true)),
                    Err(ApplyError::ConflictDetected { .. }) => prop_assert!(!known),
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
            Step::Rollback(count) => match target.rollback(count) {
                Ok(ids) => {
                    prop_assert!(count <= oracle.held);
                    let back: Vec<_> =
                        oracle.deltas.drain(oracle.deltas.len() - count..).rev().map(|d| d.id()).collect();
                    prop_assert_eq!(ids, back);
                    oracle.states.truncate(oracle.states.len() - count);
                    oracle.held -= count;
                }
                Err(error) => {
                    let held = oracle.held;
                    let right = matches!(error, ApplyError::NothingToRollback { asked, held: h, .. } if asked == count && h == held);
                    prop_assert!(right && count > held, "{error}");
                }
            },
            Step::Stray(state) => {
                let (old, new) = (row(&[5.0; 3]), floats(state));
                let stray = oracle.delta(Some(&old), Some(&new), tick).unwrap();
                if stray.result() != oracle.now().hash {
                    prop_assert!(
                        matches!(target.apply(&stray), Err(ApplyError::ConflictDetected { .. })),
                        "a stray was taken"
                    );
                }
            }
            Step::Reopen => {
                target = Target::restore(table(3), "k", target.saved(), policy.clone()).unwrap();
                oracle.held = 0;
            }
        }
        prop_assert_eq!(&target.saved(), oracle.now());
        prop_assert_eq!(target.held(), oracle.held);
        target.verify().unwrap();
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_target_is_the_list_of_its_states(steps in steps(), limit in prop::sample::select(vec![0, 1, 3, 1000])) {
        run(steps, limit)?;
    }
}
