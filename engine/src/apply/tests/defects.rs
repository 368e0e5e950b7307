//! The defects of the sketch that this design started from, each as a test that it is gone.

use super::{after, chain, delta, row, shown, table, target};
use crate::apply::{
    ApplicationPolicy, ApplicationStatus, ApplyError, ConflictResolution, Dims, Saved, Target, Targets, Validator,
};
use crate::delta::{ChainError, Change, Delta, DeltaError, DeltaId, DeltaInfo, DeltaVector, Element, Source, Table};

fn policy() -> ApplicationPolicy {
    ApplicationPolicy::default()
}

fn ids(deltas: &[Delta]) -> Vec<DeltaId> {
    deltas.iter().map(Delta::id).collect()
}

#[test]
fn defect_06_a_wrong_shape_is_an_error_and_leaves_no_half_of_a_row() {
    let deltas = chain(&[&[1.0, 2.0], &[3.0, 4.0]]);
    let mut target = after(&deltas, policy());
    let before = shown(&target);
    let wide = delta(Some(&[3.0, 4.0, 5.0]), Some(&[9.0, 9.0, 9.0]), deltas.last(), 2_000);
    assert!(matches!(target.apply(&wide), Err(ApplyError::OtherShape { .. })));
    let halves = Table { element: Element::F16, dims: 2, ..table(2) };
    let other = Delta::new(&halves, "k", None, Some(&[0; 4]), DeltaInfo::default()).unwrap();
    assert!(matches!(target.apply(&other), Err(ApplyError::OtherShape { .. })));
    let elsewhere = Delta::new(&table(2), "l", None, Some(&[0; 8]), DeltaInfo::default()).unwrap();
    assert!(matches!(target.apply(&elsewhere), Err(ApplyError::OtherSource { .. })));
    assert_eq!(shown(&target), before);
    // A component outside of the row, or one named twice, is no delta at all.
    let mut bytes = deltas[1].vector().to_bytes();
    let dims = bytes.len() - 8 - 2;
    bytes[dims] = 7;
    assert!(DeltaVector::from_bytes(&bytes).is_err());
    assert!(Target::restore(table(2), "k", Saved { row: Some(vec![0; 7]), ..Saved::default() }, policy()).is_err());
}

#[test]
fn defect_20_a_delta_that_comes_again_does_nothing() {
    let deltas = chain(&[&[1.0, 2.0], &[3.0, 2.0], &[3.0, 9.0]]);
    for limit in [0, 1, 1000] {
        let mut target = target(2, ApplicationPolicy { history_limit: limit, ..policy() });
        for delta in &deltas {
            assert_eq!(target.apply(delta).unwrap().status, ApplicationStatus::Applied);
            let once = shown(&target);
            let again = target.apply(delta).unwrap();
            assert_eq!((again.status, again.state), (ApplicationStatus::Already, target.hash()));
            assert_eq!(shown(&target), once);
        }
    }
    // Long after, too, even when the source came back to the very bits from which the delta was made.
    let back = chain(&[&[1.0], &[2.0], &[1.0]]);
    let mut target = after(&back, policy());
    assert_eq!(target.apply(&back[1]).unwrap().status, ApplicationStatus::Already);
    assert_eq!(target.row(), Some(&row(&[1.0])[..]));
    let mut forgetful = after(&back, ApplicationPolicy { history_limit: 0, ..policy() });
    assert!(matches!(forgetful.apply(&back[1]), Err(ApplyError::ConflictDetected { .. })), "its parent tells");
}

#[test]
fn defect_20_the_first_delta_is_checked_and_so_is_every_parent() {
    let deltas = chain(&[&[1.0], &[2.0], &[3.0], &[2.0]]);
    let mut late = target(1, policy());
    assert!(matches!(late.apply(&deltas[1]), Err(ApplyError::ConflictDetected { .. })));
    let orphan = delta(None, Some(&[1.0]), Some(&deltas[2]), 5_000);
    assert!(matches!(late.apply(&orphan), Err(ApplyError::ConflictDetected { .. })), "it begins no chain");
    let mut target = after(&deltas[..2], policy());
    let skips = delta(Some(&[2.0]), Some(&[4.0]), Some(&deltas[0]), 5_000);
    let Err(ApplyError::ConflictDetected { conflict, .. }) = target.apply(&skips) else { panic!("it was taken") };
    assert_eq!((conflict.delta, conflict.conflicting), (skips.id(), Some(deltas[1].id())));
    assert_eq!(target.row(), Some(&row(&[2.0])[..]));
    // What a delta says of itself is under its id: a changed time does not verify as a successor.
    let early = delta(Some(&[2.0]), Some(&[4.0]), Some(&deltas[1]), 1);
    assert_eq!(early.verify_chain(Some(&deltas[1])), Err(DeltaError::Chain(ChainError::Time)));
}

#[test]
fn defect_21_the_policy_is_read_and_each_error_is_raised() {
    let deltas = chain(&[&[1.0, 1.0], &[2.0, 1.0]]);
    let rival = delta(Some(&[1.0, 1.0]), Some(&[1.0, 5.0]), Some(&deltas[0]), 9_000);
    let with = |conflict_resolution| after(&deltas, ApplicationPolicy { conflict_resolution, ..policy() });
    assert!(matches!(with(ConflictResolution::Reject).apply(&rival), Err(ApplyError::ConflictDetected { .. })));
    for (resolution, status, want) in [
        (ConflictResolution::FirstWriteWins, ApplicationStatus::Skipped, [2.0, 1.0]),
        (ConflictResolution::LastWriteWins, ApplicationStatus::Merged, [1.0, 5.0]),
        (ConflictResolution::Disjoint, ApplicationStatus::Merged, [2.0, 5.0]),
        (ConflictResolution::Merge, ApplicationStatus::Merged, [2.0, 5.0]),
        (ConflictResolution::Custom(|_| Ok(Some(row(&[7.0, 7.0])))), ApplicationStatus::Merged, [7.0, 7.0]),
    ] {
        let mut target = with(resolution);
        let done = target.apply(&rival).unwrap();
        assert_eq!((done.status, target.row()), (status, Some(&row(&want)[..])), "{resolution:?}");
        assert!(done.conflict.is_some_and(|conflict| conflict.conflicting == Some(deltas[1].id())));
    }
    let unknown = Source { collection: "docs".into(), key: "nobody".into() };
    assert_eq!(Targets::default().rollback(&unknown, 1), Err(ApplyError::TargetNotFound(unknown)));
    let mut corrupt = with(ConflictResolution::Reject).saved();
    corrupt.row.as_mut().unwrap()[3] ^= 1;
    let opened = Target::restore(table(2), "k", corrupt, policy());
    assert!(matches!(opened, Err(ApplyError::TargetStateCorrupted { .. })));
}

#[test]
fn defect_21_magnitudes_are_measured_here_and_locks_hold() {
    let states: [&[f32]; 2] = [&[0.0, 0.0, 1.0], &[3.0, 4.0, 1.0]];
    let deltas = chain(&states);
    let with = |validator: Validator| {
        let mut target = after(&deltas[..1], ApplicationPolicy { validators: vec![validator], ..policy() });
        let before = shown(&target);
        let done = target.apply(&deltas[1]);
        assert_eq!(done.is_err(), shown(&target) == before);
        done.map(|done| done.status).map_err(|error| error.to_string())
    };
    assert_eq!(with(Validator::MaxMagnitude(5.0)), Ok(ApplicationStatus::Applied));
    assert_eq!(
        with(Validator::MaxMagnitude(4.9)),
        Err("`k` is refused: the distance it moves is 5, more than the 4.9 allowed".to_owned())
    );
    assert_eq!(with(Validator::LockDims(Dims::new([(2, 3)]))), Ok(ApplicationStatus::Applied));
    assert!(with(Validator::LockDims(Dims::new([(1, 3)]))).is_err());
    assert!(with(Validator::Finite).is_ok());
}

#[test]
fn defect_22_two_rollbacks_take_back_two_deltas() {
    let deltas = chain(&[&[1.0, 2.0], &[3.0, 2.0], &[3.0, 9.0]]);
    let states: Vec<_> = (1..=3).map(|n| after(&deltas[..n], policy()).saved()).collect();
    let mut target = after(&deltas, policy());
    assert_eq!(target.rollback(1).unwrap(), [deltas[2].id()]);
    assert_eq!(target.saved(), states[1]);
    assert_eq!(target.rollback(1).unwrap(), [deltas[1].id()]);
    assert_eq!(target.saved(), states[0], "row, hash, last applied id and its time");
    assert_eq!(target.rollback(1).unwrap(), [deltas[0].id()]);
    assert_eq!(target.saved(), Saved::default());
    // What was taken back can be applied again.
    assert!(deltas.iter().all(|delta| target.apply(delta).unwrap().status == ApplicationStatus::Applied));
    assert_eq!(target.saved(), states[2]);
}

#[test]
fn defect_22_the_ring_wraps_and_more_than_it_holds_is_an_error() {
    let states: Vec<[f32; 1]> = (0..9u8).map(|i| [f32::from(i)]).collect();
    let states: Vec<&[f32]> = states.iter().map(|state| &state[..]).collect();
    let deltas = chain(&states);
    let mut target = after(&deltas, ApplicationPolicy { history_limit: 3, ..policy() });
    assert_eq!(target.held(), 3);
    let before = shown(&target);
    let error = target.rollback(4).unwrap_err();
    assert_eq!(error.to_string(), "cannot roll back the last 4: 3 of `docs/k` are held");
    assert_eq!(shown(&target), before);
    let newest_first: Vec<DeltaId> = ids(&deltas[6..]).into_iter().rev().collect();
    assert_eq!(target.rollback(3).unwrap(), newest_first);
    assert_eq!(target.last_applied().map(|last| last.id), Some(deltas[5].id()));
    assert!(matches!(target.rollback(1), Err(ApplyError::NothingToRollback { asked: 1, held: 0, .. })));
    let mut none = after(&deltas, ApplicationPolicy { history_limit: 0, ..policy() });
    assert!(matches!(none.rollback(1), Err(ApplyError::NothingToRollback { asked: 1, held: 0, .. })));
    assert_eq!((none.rollback(0), none.last_applied()), (Ok(Vec::new()), after(&deltas, policy()).last_applied()));
}

#[test]
fn defect_23_a_rollback_restores_the_bits() {
    // Sums of floats: 0.1 -> 1000.3 -> back gives 0.099975586. And what is no number has bits as well.
    let weird = f32::from_bits(0x7fc0_1234);
    let states: [&[f32]; 5] =
        [&[0.1, -0.0], &[1000.3, weird], &[f32::INFINITY, 1e-45], &[f32::MIN, f32::MAX], &[0.1, 0.0]];
    let deltas = chain(&states);
    for n in 1..=deltas.len() {
        let mut target = after(&deltas, policy());
        target.rollback(deltas.len() - n).unwrap();
        assert_eq!(target.row(), Some(&row(states[n - 1])[..]), "{n}");
        assert_eq!(target.hash(), deltas[n - 1].result());
    }
    // A delete is taken back as well.
    let gone = delta(Some(states[4]), None, deltas.last(), 9_000);
    let mut target = after(&deltas, policy());
    assert_eq!(target.apply(&gone).unwrap().state, None);
    assert_eq!((target.row(), gone.change()), (None, Change::Delete));
    target.rollback(1).unwrap();
    assert_eq!(target.row(), Some(&row(states[4])[..]));
}

#[test]
fn defect_24_a_state_is_hashed_once_and_still_found_corrupted() {
    // The hash of a state is that which its delta promises and is computed when the state is made; nothing is hashed
    // when a delta is known. What the bits have become in the meantime shows in the next result.
    let deltas = chain(&[&[1.0, 2.0], &[3.0, 2.0], &[3.0, 9.0]]);
    let mut target = after(&deltas[..2], policy());
    target.corrupt(4);
    assert!(matches!(target.verify(), Err(ApplyError::TargetStateCorrupted { .. })));
    let before = shown(&target);
    let Err(ApplyError::TargetStateCorrupted { expected, actual, .. }) = target.apply(&deltas[2]) else {
        panic!("it was applied to other bits")
    };
    assert_eq!(expected, deltas[1].result());
    assert_ne!(actual, expected);
    assert!(matches!(target.rollback(1), Err(ApplyError::TargetStateCorrupted { .. })));
    assert_eq!(shown(&target), before);
}

#[test]
fn defect_25_raw_and_aggregated_deltas_of_one_change_do_not_add_up() {
    let deltas = chain(&[&[0.0, 0.0], &[1.0, 0.0], &[1.0, 2.0]]);
    let vector = deltas[1].vector().compose(deltas[2].vector()).unwrap();
    let (source, info) = (deltas[1].source().clone(), DeltaInfo { time: deltas[2].time(), ..info(&deltas[0]) });
    let both = Delta::from_parts(source, deltas[1].base(), deltas[2].result(), vector, info).unwrap();
    // First the raw ones, then the composed one.
    let mut target = after(&deltas, policy());
    assert_eq!(target.apply(&both).unwrap().status, ApplicationStatus::Already);
    // First the composed one, then the raw ones, whatever the policy for conflicts.
    for conflict_resolution in [ConflictResolution::Reject, ConflictResolution::Merge, ConflictResolution::Disjoint] {
        let mut target = after(&deltas[..1], ApplicationPolicy { conflict_resolution, ..policy() });
        target.apply(&both).unwrap();
        drop(target.apply(&deltas[1]));
        assert_eq!(target.row(), Some(&row(&[1.0, 2.0])[..]), "{conflict_resolution:?}");
        drop(target.apply(&deltas[2]));
        assert_eq!(target.row(), Some(&row(&[1.0, 2.0])[..]), "{conflict_resolution:?}");
    }
}

fn info(parent: &Delta) -> DeltaInfo {
    DeltaInfo { parent: Some(parent.id()), ..DeltaInfo::default() }
}

#[test]
fn a_window_is_applied_whole_or_not_at_all() {
    let a = chain(&[&[1.0], &[2.0], &[3.0]]);
    let other = Delta::new(&table(1), "l", None, Some(&row(&[8.0])), DeltaInfo::default()).unwrap();
    let bad = delta(Some(&[9.0]), Some(&[4.0]), a.last(), 9_000);
    for history_limit in [0, 1, 9] {
        let mut targets = Targets::default();
        let policy = ApplicationPolicy { history_limit, ..policy() };
        targets.add(after(&a[..1], policy.clone()));
        targets.add(Target::absent(table(1), "l", policy));
        let before: Vec<_> = [&a[0], &other].map(|d| shown(targets.get(d.source()).unwrap())).into();
        let window = [a[1].clone(), other.clone(), a[1].clone(), a[2].clone(), bad.clone(), a[0].clone()];
        let failed = targets.apply_all(&window).unwrap_err();
        use ApplicationStatus::{Already, Failed, Pending, RolledBack};
        assert_eq!(failed.statuses, [RolledBack, RolledBack, Already, RolledBack, Failed, Pending]);
        assert_eq!(failed.at, 4);
        let now: Vec<_> = [&a[0], &other].map(|d| shown(targets.get(d.source()).unwrap())).into();
        assert_eq!(now, before, "history {history_limit}");
        assert!(targets.apply_all(&window[..4]).is_ok());
        assert_eq!(targets.get(a[0].source()).unwrap().row(), Some(&row(&[3.0])[..]));
        assert_eq!(targets.get(a[0].source()).unwrap().held(), history_limit.min(3));
    }
}
