//! What holds for all rows.

use proptest::prelude::*;

use super::Dice;
use crate::delta::{
    Applied, Change, Delta, DeltaError, DeltaInfo, DeltaVector, Element, Magnitude, Table, VectorError,
};

/// An element type, dims, and four rows: not related, slightly changed, in stretches, with special values.
fn rows() -> impl Strategy<Value = (Element, u32, Vec<Vec<u8>>)> {
    (0..6usize, 1..=257u32, any::<u64>(), 0..=64u64).prop_map(|(element, dims, seed, share)| {
        let element = Element::ALL[element];
        let (size, mut dice) = (element.size(), Dice(seed));
        let bytes = dims as usize * size;
        let first = dice.row(bytes);
        let second = dice.edit(&first, size, share);
        let mut third = second.clone();
        let (start, end) = (dice.below(dims as usize), dice.below(dims as usize + 1));
        let stretch = start.min(end) * size..start.max(end) * size;
        let fresh = dice.row(stretch.len());
        third[stretch].copy_from_slice(&fresh);
        let mut fourth = third.clone();
        let special = [0u64, 0x8000, 0x7f80_0000, 0x7fc0_0001, 0x8000_0000, 1, u64::MAX, 0x7ff8 << 48, 1 << 63];
        for cell in fourth.chunks_exact_mut(size) {
            if dice.below(4) == 0 {
                cell.copy_from_slice(&special[dice.below(special.len())].to_le_bytes()[..size]);
            }
        }
        (element, dims, vec![first, second, third, fourth])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_change_leads_there_and_back((element, dims, rows) in rows()) {
        for (old, new) in rows.iter().flat_map(|old| rows.iter().map(move |new| (old, new))) {
            let change = DeltaVector::between(element, dims, Some(old), Some(new)).unwrap();
            let mut row = old.clone();
            change.apply(&mut row).unwrap();
            prop_assert_eq!(&row, new);
            change.invert().unwrap().apply(&mut row).unwrap();
            prop_assert_eq!(&row, old);
            let changed = old.chunks(element.size()).zip(new.chunks(element.size())).filter(|(a, b)| a != b).count();
            prop_assert_eq!(change.changed_dims() as usize, changed);
            let magnitude = Magnitude::between(element, dims, Some(old), Some(new)).unwrap();
            prop_assert_eq!(magnitude.changed as usize, changed);
            prop_assert_eq!(magnitude.is_significant(0.0), changed > 0);
            prop_assert_eq!(change.compose(&change).unwrap().changed_dims(), 0);
        }
    }

    #[test]
    fn rows_come_and_go((element, dims, rows) in rows()) {
        let between = |old, new| DeltaVector::between(element, dims, old, new).unwrap();
        let insert = between(None, Some(rows[0].as_slice()));
        let mut row = rows[1].clone();
        insert.apply(&mut row).unwrap();
        prop_assert_eq!(&row, &rows[0]);
        prop_assert_eq!(insert.invert(), Err(VectorError::NotInvertible));
        let delete = between(Some(rows[0].as_slice()), None);
        delete.apply(&mut row).unwrap();
        prop_assert!(row.iter().all(|byte| *byte == 0));
        delete.invert().unwrap().apply(&mut row).unwrap();
        prop_assert_eq!(&row, &rows[0]);
    }

    #[test]
    fn composing_is_associative((element, dims, rows) in rows()) {
        let between = |i: Option<usize>, j: usize| {
            DeltaVector::between(element, dims, i.map(|i| rows[i].as_slice()), Some(&rows[j])).unwrap()
        };
        for first in [Some(0), None] {
            for second in [Some(1), None] {
                let [a, b, c] = [between(first, 1), between(second, 2), between(Some(2), 3)];
                let left = a.compose(&b).unwrap().compose(&c).unwrap();
                let right = a.compose(&b.compose(&c).unwrap()).unwrap();
                prop_assert_eq!(left.to_bytes(), right.to_bytes());
                prop_assert_eq!(&DeltaVector::compose_all(&[a, b, c]).unwrap().unwrap(), &left);
                let direct = between(if second.is_none() { None } else { first }, 3);
                prop_assert_eq!(left, direct);
            }
        }
    }

    #[test]
    fn bytes_are_canonical_and_come_back((element, dims, rows) in rows()) {
        let pairs = [(Some(0), Some(1)), (Some(1), Some(2)), (Some(2), Some(3)), (None, Some(0)), (Some(3), None)];
        for (old, new) in pairs {
            let row = |i: Option<usize>| i.map(|i: usize| rows[i].as_slice());
            let change = DeltaVector::between(element, dims, row(old), row(new)).unwrap();
            let bytes = change.to_bytes();
            prop_assert!(bytes.len() <= 8 + rows[0].len());
            let read = DeltaVector::from_bytes(&bytes).unwrap();
            prop_assert_eq!(read.to_bytes(), bytes);
            prop_assert_eq!(read, change);
        }
    }

    #[test]
    fn a_delta_is_applied_once((element, dims, rows) in rows(), key in "\\PC{1,40}", name in "\\PC{0,9}") {
        let table = Table { collection: "c".into(), element, dims };
        let states = [None, Some(rows[0].clone()), Some(rows[1].clone()), None];
        let mut row = None;
        for pair in states.windows(2) {
            let info = DeltaInfo { metadata: [(name.clone(), key.clone())].into(), ..DeltaInfo::default() };
            let delta = Delta::new(&table, &key, pair[0].as_deref(), pair[1].as_deref(), info).unwrap();
            let delta = Delta::from_bytes(&delta.to_bytes()).unwrap();
            delta.verify().unwrap();
            let same = pair[0] == pair[1];
            let expected = if same { Applied::Already } else { Applied::Changed };
            prop_assert_eq!(delta.apply_to(&key, &mut row).unwrap(), expected);
            prop_assert_eq!(&row, &pair[1]);
            prop_assert_eq!(delta.apply_to(&key, &mut row).unwrap(), Applied::Already);
            prop_assert_eq!(delta.change() == Change::Delete, pair[1].is_none());
            let mut other = Some([rows[3].as_slice(), &[1]].concat());
            let before = other.clone();
            let conflict = matches!(delta.apply_to(&key, &mut other), Err(DeltaError::Conflict { .. }));
            prop_assert!(conflict);
            prop_assert_eq!(other, before);
        }
    }
}
