//! The defects of the sketch that this design started from, each as a test that it is gone.

use super::{Dice, at, f32_change, f32_row, table};
use crate::delta::{ChainError, Change, Delta, DeltaError, DeltaInfo, DeltaVector, Element, Magnitude, Timestamp};

fn f32_magnitude(old: &[f32], new: &[f32]) -> Magnitude {
    Magnitude::between(Element::F32, old.len() as u32, Some(&f32_row(old)), Some(&f32_row(new))).unwrap()
}

#[test]
fn defect_01_nan_infinities_and_the_sign_of_zero_are_changes() {
    let pairs = [
        (1.0, f32::NAN),
        (f32::NAN, 1.0),
        (f32::NAN, f32::from_bits(0x7fc0_0001)),
        (f32::MAX, f32::MIN),
        (0.0, -0.0),
        (f32::INFINITY, f32::NEG_INFINITY),
        (1e-45, 0.0),
    ];
    for (old, new) in pairs {
        let change = f32_change(&[7.0, old], &[7.0, new]);
        assert_eq!(change.changed_dims(), 1, "{old} to {new}");
        let mut row = f32_row(&[7.0, old]);
        change.apply(&mut row).unwrap();
        assert_eq!(row, f32_row(&[7.0, new]), "{old} to {new}");
        assert!(f32_magnitude(&[7.0, old], &[7.0, new]).is_significant(0.0), "{old} to {new}");
    }
    assert!(f32_magnitude(&[1.0], &[f32::NAN]).is_significant(1e300), "a change of unknown length is never small");
}

#[test]
fn defect_02_one_definition_of_changed_at_every_scale() {
    let (old, new) = ([0.0; 4], [1e-8; 4]);
    let magnitude = f32_magnitude(&old, &new);
    assert_eq!(magnitude.changed, 4);
    assert_eq!(f32_change(&old, &new).changed_dims(), 4);
    assert!((magnitude.l2 - 2e-8).abs() < 1e-15);
    assert!(magnitude.is_significant(1e-8) && !magnitude.is_significant(3e-8));
}

#[test]
fn defect_03_slow_drift_adds_up() {
    let mut dice = Dice(3);
    let first: Vec<f32> = (0..768).map(|_| (dice.next() % 1000) as f32 * 5e-5).collect();
    let (mut row, mut total) = (first.clone(), f32_change(&first, &first));
    for _ in 0..2_000 {
        let next: Vec<f32> = row.iter().map(|value| value + 1e-7).collect();
        total = total.compose(&f32_change(&row, &next)).unwrap();
        row = next;
    }
    assert_eq!(total, f32_change(&first, &row));
    assert!(f32_magnitude(&first, &row).l2 > 1e-3);
}

#[test]
fn defect_04_density_is_a_share_and_lengths_do_not_overflow() {
    let magnitude = f32_magnitude(&[0.0; 4], &[2e19; 4]);
    assert_eq!((magnitude.density, magnitude.dims), (1.0, 4));
    assert!((magnitude.l2 / 4e19 - 1.0).abs() < 1e-6);
    assert_eq!(f32_magnitude(&[1.0, 2.0], &[1.0, 3.0]).density, 0.5);
    let none = Magnitude::between(Element::F32, 0, Some(&[]), Some(&[]));
    assert!(none.is_err(), "no density of a row of no components");
}

#[test]
fn defect_05_nothing_is_lost_on_a_long_way() {
    let mut dice = Dice(5);
    let first = dice.row(64 * 4);
    let (mut row, mut rebuilt) = (first.clone(), first);
    for _ in 0..500 {
        let next = dice.edit(&row, 4, 20);
        let change = DeltaVector::between(Element::F32, 64, Some(&row), Some(&next)).unwrap();
        change.apply(&mut rebuilt).unwrap();
        row = next;
        assert_eq!(row, rebuilt);
    }
}

#[test]
fn defect_06_wrong_shapes_are_errors_and_nothing_is_half_done() {
    let change = f32_change(&[1.0, 2.0, 3.0], &[4.0, 2.0, 6.0]);
    for len in [0, 4, 8, 11, 13, 16] {
        let mut row = vec![9; len];
        assert!(change.apply(&mut row).is_err());
        assert_eq!(row, vec![9; len]);
    }
    assert!(change.compose(&f32_change(&[1.0], &[2.0])).is_err());
    let bytes = [0; 12];
    assert!(DeltaVector::between(Element::F32, 3, Some(&bytes), Some(&bytes[1..])).is_err());
    assert!(DeltaVector::between(Element::F32, 0, Some(&[]), Some(&[])).is_err());
    assert!(DeltaVector::between(Element::F32, 3, None, None).is_err());
}

#[test]
fn defect_07_composing_is_associative_and_keeps_steady_drift() {
    let states: Vec<[f32; 2]> = (0..1002).map(|i| [(f64::from(i) * 5e-8) as f32, f32::NAN]).collect();
    let steps: Vec<_> = states.windows(2).map(|pair| f32_change(&pair[0], &pair[1])).collect();
    let all = DeltaVector::compose_all(&steps).unwrap().unwrap();
    assert_eq!(all, f32_change(&states[0], &states[1001]));
    assert_eq!(all.changed_dims(), 1);
    let left = steps[0].compose(&steps[1]).unwrap().compose(&steps[2]).unwrap();
    let right = steps[0].compose(&steps[1].compose(&steps[2]).unwrap()).unwrap();
    assert_eq!(left, right);
}

#[test]
fn defect_08_the_hash_of_a_delta_is_no_other_hash() {
    let bytes = Delta::new(&table(1), "k", None, Some(&f32_row(&[1.0])), at(1, None)).unwrap().to_bytes();
    let (id, body) = (&bytes[1..33], &bytes[33..]);
    assert_ne!(id, blake3::hash(body).as_bytes());
    let commit = blake3::keyed_hash(&crate::delta::domain("vecdelta v1 commit"), body);
    assert_ne!(id, commit.as_bytes());
    assert_eq!(id, blake3::keyed_hash(&crate::delta::domain("vecdelta v1 delta"), body).as_bytes());
}

#[test]
fn defect_09_every_field_is_under_the_hash_and_parents_cannot_be_forged() {
    let (one, two, three) = (f32_row(&[1.0]), f32_row(&[2.0]), f32_row(&[3.0]));
    let table = table(1);
    let first = Delta::new(&table, "k", None, Some(&one), at(1, None)).unwrap();
    let second = Delta::new(&table, "k", Some(&one), Some(&two), at(2, Some(&first))).unwrap();
    second.verify_chain(Some(&first)).unwrap();
    first.verify_chain(None).unwrap();
    assert!(matches!(second.verify_chain(None), Err(DeltaError::Parent { .. })));
    let other = Delta::new(&table, "j", None, Some(&one), at(1, None)).unwrap();
    assert_ne!(other.id(), first.id(), "the source is under the hash");
    assert!(matches!(second.verify_chain(Some(&other)), Err(DeltaError::Parent { .. })));

    let chained = |key, old: &[u8], millis| {
        let delta = Delta::new(&table, key, Some(old), Some(&three), at(millis, Some(&first))).unwrap();
        delta.verify_chain(Some(&first)).unwrap_err()
    };
    assert_eq!(chained("j", &one, 2), DeltaError::Chain(ChainError::Source));
    assert_eq!(chained("k", &two, 2), DeltaError::Chain(ChainError::State));
    assert_eq!(chained("k", &one, 1), DeltaError::Chain(ChainError::Time));

    let bytes = second.to_bytes();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert!(Delta::from_bytes(&altered).is_err(), "byte {at}");
    }
}

#[test]
fn defect_10_equal_deltas_have_one_id_and_the_same_bytes() {
    let make = |names: [&str; 3]| {
        let metadata = names.into_iter().map(|name| (name.to_owned(), "x".to_owned())).collect();
        let info = DeltaInfo { metadata, ..at(5, None) };
        Delta::new(&table(2), "k", None, Some(&f32_row(&[1.0, 2.0])), info).unwrap()
    };
    let (a, b) = (make(["b", "a", "c"]), make(["c", "b", "a"]));
    assert_eq!((a.id(), a.to_bytes()), (b.id(), b.to_bytes()));
    assert_ne!(a.id(), make(["b", "a", "d"]).id());
}

#[test]
fn defect_11_time_is_physical_first_and_never_wraps() {
    let row = f32_row(&[1.0]);
    let end = Timestamp { physical_millis: u64::MAX, logical: u32::MAX, node: 0 };
    let last = DeltaInfo { time: end, ..DeltaInfo::default() };
    let last = Delta::new(&table(1), "k", None, Some(&row), last).unwrap();
    let wrapped = Delta::new(&table(1), "k", Some(&row), None, at(0, Some(&last))).unwrap();
    assert_eq!(wrapped.verify_chain(Some(&last)), Err(DeltaError::Chain(ChainError::Time)));
    assert!(end.tick(0).is_err());
}

#[test]
fn defect_12_descent_is_followed_link_by_link_and_metadata_stays() {
    let table = table(1);
    let (mut chain, mut old) = (Vec::<Delta>::new(), None);
    for step in 1..=10u16 {
        let new = f32_row(&[f32::from(step)]);
        let mut info = at(u64::from(step), chain.last());
        info.metadata.insert("step".into(), step.to_string());
        chain.push(Delta::new(&table, "k", old.as_deref(), Some(&new), info).unwrap());
        old = Some(new);
    }
    let chain: Vec<_> = chain.iter().map(|delta| Delta::from_bytes(&delta.to_bytes()).unwrap()).collect();
    chain[0].verify_chain(None).unwrap();
    chain.windows(2).for_each(|pair| pair[1].verify_chain(Some(&pair[0])).unwrap());
    assert_eq!((chain[9].metadata().get("step").map_or("", String::as_str), chain[9].change()), ("10", Change::Update));
    assert!(chain[9].verify_chain(Some(&chain[7])).is_err());
}

#[test]
fn defect_13_a_dense_change_is_no_larger_than_the_row() {
    let mut dice = Dice(13);
    let (old, new) = (dice.row(1536 * 4), dice.row(1536 * 4));
    let dense = DeltaVector::between(Element::F32, 1536, Some(&old), Some(&new)).unwrap();
    assert_eq!(dense.to_bytes().len(), 8 + 6144);
    let nothing = DeltaVector::between(Element::F32, 1536, Some(&old), Some(&old)).unwrap();
    assert_eq!(nothing.to_bytes().len(), 8 + 1);
    let table = table(1536);
    let delta = Delta::new(&table, "key-1", Some(&old), Some(&new), at(1, None)).unwrap();
    assert!(delta.to_bytes().len() < 6144 + 180, "{}", delta.to_bytes().len());
}
