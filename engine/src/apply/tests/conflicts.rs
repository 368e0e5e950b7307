//! Conflicts, case by case.

use super::{after, chain, delta, row, target};
use crate::apply::{ApplicationPolicy, ApplicationStatus, ApplyError, ConflictResolution, ThreeWay};
use crate::delta::{Delta, Element};

fn policy(conflict_resolution: ConflictResolution) -> ApplicationPolicy {
    ApplicationPolicy { conflict_resolution, ..ApplicationPolicy::default() }
}

const BASE: [f32; 3] = [1.0, 2.0, 3.0];

/// A target that went from the base to `ours`, and a delta from the base to `theirs`.
fn fork(ours: Option<&[f32]>, theirs: Option<&[f32]>) -> (Vec<Delta>, Delta) {
    let mut deltas = chain(&[&BASE]);
    deltas.push(delta(Some(&BASE), ours, deltas.last(), 2_000));
    let rival = delta(Some(&BASE), theirs, Some(&deltas[0]), 3_000);
    (deltas, rival)
}

fn resolved(
    resolution: ConflictResolution,
    ours: Option<&[f32]>,
    theirs: Option<&[f32]>,
) -> Result<Option<Vec<u8>>, Vec<u32>> {
    let (deltas, rival) = fork(ours, theirs);
    let mut target = after(&deltas, policy(resolution));
    match target.apply(&rival) {
        Ok(_) => Ok(target.row().map(<[u8]>::to_vec)),
        Err(ApplyError::ConflictDetected { conflict, .. }) => Err(conflict.dims),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_resolution_on_each_kind_of_fork() {
    use ConflictResolution::{Disjoint, LastWriteWins, Merge};
    let some = |values: [f32; 3]| Ok(Some(row(&values)));
    let (left, right) = ([9.0, 2.0, 3.0], [1.0, 2.0, 7.0]);
    assert_eq!(resolved(Disjoint, Some(&left), Some(&right)), some([9.0, 2.0, 7.0]));
    let overlap = [4.0, 2.0, 7.0];
    assert_eq!(resolved(Disjoint, Some(&left), Some(&overlap)), Err(vec![0]), "the dimension is named");
    assert_eq!(resolved(Merge, Some(&left), Some(&overlap)), some([6.5, 2.0, 7.0]));
    assert_eq!(resolved(LastWriteWins, Some(&left), Some(&overlap)), some(overlap));
    // The same change on both sides is no conflict, and other bits of the same number are another change.
    assert_eq!(resolved(Disjoint, Some(&left), Some(&[9.0, 0.0, 3.0])), some([9.0, 0.0, 3.0]));
    assert_eq!(resolved(Disjoint, Some(&[0.0, 2.0, 3.0]), Some(&[-0.0, 2.0, 3.0])), Err(vec![0]));
    // Delete against update, and delete against delete.
    assert_eq!(resolved(Merge, None, Some(&right)), Err(vec![]));
    assert_eq!(resolved(Disjoint, Some(&left), None), Err(vec![]));
    assert_eq!(resolved(LastWriteWins, Some(&left), None), Ok(None));
    assert_eq!(resolved(Disjoint, None, None), Ok(None));
    let refuses = ConflictResolution::Custom(|_| Err("no".to_owned()));
    assert_eq!(resolved(refuses, Some(&left), Some(&right)), Err(vec![]));
    let short = ConflictResolution::Custom(|_| Ok(Some(vec![0; 3])));
    assert_eq!(resolved(short, Some(&left), Some(&right)), Err(vec![]));
    assert_eq!(
        resolved(ConflictResolution::Custom(|rows| Ok(rows.base.map(<[u8]>::to_vec))), Some(&left), None),
        some(BASE)
    );
}

/// Whichever comes first: two writers of the same fork end in the same state.
#[test]
fn symmetric_resolutions_do_not_depend_on_the_order() {
    let base = chain(&[&BASE]);
    let a = delta(Some(&BASE), Some(&[0.1, 2.0, 0.3]), Some(&base[0]), 2_000);
    let b = delta(Some(&BASE), Some(&[0.7, 2.0, 3.0]), Some(&base[0]), 3_000);
    for resolution in [ConflictResolution::LastWriteWins, ConflictResolution::Merge] {
        let [mut one, mut two] = [after(&base, policy(resolution)), after(&base, policy(resolution))];
        one.apply(&a).and_then(|_| one.apply(&b)).unwrap();
        two.apply(&b).and_then(|_| two.apply(&a)).unwrap();
        assert_eq!(one.row(), two.row(), "{resolution:?}");
        assert_eq!(one.hash(), two.hash());
    }
}

#[test]
fn a_sender_goes_on_from_its_own_row_after_a_merge() {
    let (deltas, rival) = fork(Some(&[9.0, 2.0, 3.0]), Some(&[1.0, 2.0, 7.0]));
    let mut target = after(&deltas, policy(ConflictResolution::Disjoint));
    assert_eq!(target.apply(&rival).unwrap().status, ApplicationStatus::Merged);
    let next = delta(Some(&[1.0, 2.0, 7.0]), Some(&[1.0, 5.0, 8.0]), Some(&rival), 4_000);
    assert_eq!(target.apply(&next).unwrap().status, ApplicationStatus::Merged);
    assert_eq!(target.row(), Some(&row(&[9.0, 5.0, 8.0])[..]));
    target.rollback(2).unwrap();
    assert_eq!(target.row(), Some(&row(&[9.0, 2.0, 3.0])[..]), "a merge is taken back like any change");
}

#[test]
fn a_base_that_nobody_remembers_is_refused_unless_the_delta_is_a_whole_row() {
    let (deltas, rival) = fork(Some(&[9.0, 2.0, 3.0]), Some(&[1.0, 2.0, 7.0]));
    for resolution in [ConflictResolution::LastWriteWins, ConflictResolution::Disjoint, ConflictResolution::Merge] {
        let forgetful = ApplicationPolicy { history_limit: 0, ..policy(resolution) };
        let error = after(&deltas, forgetful).apply(&rival).unwrap_err().to_string();
        assert!(error.contains("not among those that the target remembers"), "{error}");
    }
    // An insert carries its row: the later one wins over a target that began elsewhere.
    let mut target = target(3, policy(ConflictResolution::LastWriteWins));
    target.apply(&delta(None, Some(&BASE), None, 1_000)).unwrap();
    let insert = delta(None, Some(&[5.0; 3]), None, 2_000);
    assert_eq!(target.apply(&insert).unwrap().status, ApplicationStatus::Merged);
    assert_eq!(target.row(), Some(&row(&[5.0; 3])[..]));
    let earlier = delta(None, Some(&[6.0; 3]), None, 1_500);
    assert_eq!(target.apply(&earlier).unwrap().status, ApplicationStatus::Skipped);
}

#[test]
fn the_mean_is_rounded_once() {
    let mean = |element: Element, ours: &[u8], theirs: &[u8]| {
        let base = vec![0; ours.len()];
        let rows = ThreeWay { element, base: Some(&base), ours: Some(ours), theirs: Some(theirs) };
        rows.merge(true).ok().flatten().unwrap()
    };
    let f64s =
        |a: f64, b: f64| f64::from_le_bytes(mean(Element::F64, &a.to_le_bytes(), &b.to_le_bytes()).try_into().unwrap());
    assert_eq!((f64s(f64::MAX, f64::MAX / 2.0), f64s(1.0, 2.0)), (f64::MAX * 0.75, 1.5));
    assert!(f64s(f64::INFINITY, f64::NEG_INFINITY).is_nan());
    assert_eq!(mean(Element::U8, &[3], &[4]), [4], "ties go to even");
    assert_eq!(mean(Element::I8, &[(-3i8) as u8], &[(-4i8) as u8]), [(-4i8) as u8]);
}
