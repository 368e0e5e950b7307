//! The smallest form is taken.

use super::Dice;
use crate::delta::{DeltaVector, Element, Payload};

/// Returns the change of the given components of a row, every bit of them flipped.
fn flip(element: Element, dims: u32, components: impl IntoIterator<Item = usize>) -> DeltaVector {
    let size = element.size();
    let old = Dice(u64::from(dims)).row(dims as usize * size);
    let mut new = old.clone();
    for component in components {
        new[component * size..][..size].iter_mut().for_each(|byte| *byte ^= 0xff);
    }
    DeltaVector::between(element, dims, Some(&old), Some(&new)).unwrap()
}

#[test]
fn each_form_has_its_changes() {
    for element in Element::ALL {
        let size = element.size();
        let sparse = flip(element, 1000, [3, 500, 999]);
        assert!(matches!(sparse.payload(), Payload::Sparse { .. }));
        assert_eq!(sparse.to_bytes().len(), 8 + 1 + (1 + 2 + 2) + 3 * size);
        let runs = flip(element, 1000, (20..120).chain(300..305));
        assert!(matches!(runs.payload(), Payload::Runs { runs, .. } if runs[..] == [(20, 100), (300, 5)]));
        assert_eq!(runs.to_bytes().len(), 8 + 1 + (1 + 1) + (2 + 1) + 105 * size);
        let dense = flip(element, 1000, 0..1000);
        assert!(matches!(dense.payload(), Payload::Dense(_)));
        assert_eq!(dense.to_bytes().len(), 8 + 1000 * size);
        let whole = DeltaVector::between(element, 2, None, Some(&vec![0; 2 * size])).unwrap();
        assert!(matches!(whole.payload(), Payload::Whole(_)));
        assert_eq!(whole.to_bytes().len(), 8 + 2 * size);
    }
}

#[test]
fn no_form_is_larger_than_another_would_be() {
    let varint = |number: usize| {
        if number < 128 {
            1
        } else if number < 16_384 {
            2
        } else {
            3
        }
    };
    let mut dice = Dice(7);
    for round in 0..4_000 {
        let element = Element::ALL[round % 6];
        let dims = 1 + dice.below(700);
        let share = dice.below(64);
        let stretch = 1 + dice.below(40);
        let changed: Vec<usize> = (0..dims.div_ceil(stretch))
            .filter(|_| dice.below(64) < share)
            .flat_map(|block| block * stretch..dims.min(block * stretch + stretch))
            .collect();
        let bits = changed.len() * element.size();
        let (mut sparse, mut runs, mut count, mut next) = (varint(changed.len()), 0, 0, 0);
        changed.iter().for_each(|&at| {
            sparse += varint(at - next);
            next = at + 1;
        });
        next = 0;
        for run in changed.chunk_by(|a, b| a + 1 == *b) {
            runs += varint(run[0] - next) + varint(run.len() - 1);
            count += 1;
            next = run[0] + run.len() + 1;
        }
        let smallest = (sparse + bits).min(varint(count) + runs + bits).min(dims * element.size());
        let change = flip(element, dims as u32, changed);
        assert_eq!(change.to_bytes().len(), 8 + smallest);
    }
}

#[test]
fn many_changes_compose_as_one_by_one() {
    let mut dice = Dice(9);
    for (element, dims, share) in [(Element::F32, 300, 3), (Element::U8, 5_000, 1), (Element::F64, 40, 64)] {
        let mut row = dice.row(dims * element.size());
        let mut steps = Vec::new();
        for _ in 0..60 {
            let next = dice.edit(&row, element.size(), share);
            steps.push(DeltaVector::between(element, dims as u32, Some(&row), Some(&next)).unwrap());
            row = next;
        }
        let one_by_one = steps.iter().skip(1).fold(steps[0].clone(), |all, step| all.compose(step).unwrap());
        assert_eq!(DeltaVector::compose_all(&steps).unwrap(), Some(one_by_one));
    }
    assert_eq!(DeltaVector::compose_all(&[]), Ok(None));
}
