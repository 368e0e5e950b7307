//! Bytes from outside that nobody wrote.

use super::{Dice, at, table};
use crate::delta::{Delta, DeltaError, DeltaVector, Element, VectorError};

fn header(form: u8, element: Element, dims: u32) -> Vec<u8> {
    let mut bytes = vec![1, form, element.code(), 0];
    bytes.extend_from_slice(&dims.to_le_bytes());
    bytes
}

fn read(form: u8, dims: u32, body: &[u8]) -> Result<DeltaVector, VectorError> {
    DeltaVector::from_bytes(&[header(form, Element::U8, dims), body.to_vec()].concat())
}

/// Changes some bytes, cuts, repeats.
fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.below(3) {
        let at = dice.below(bytes.len().max(1)).min(bytes.len());
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.next() as u8),
            2 => bytes.extend_from_within(at..),
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            _ if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ => {}
        }
    }
}

#[test]
fn mutated_vectors_never_panic_and_what_is_read_is_canonical() {
    let mut dice = Dice(1);
    let mut accepted = 0;
    for round in 0..100_000 {
        let element = Element::ALL[round % 6];
        let dims = 1 + dice.below(40);
        let old = dice.row(dims * element.size());
        let share = [3, 20, 64][dice.below(3)];
        let new = dice.edit(&old, element.size(), share);
        let old = (dice.below(5) > 0).then_some(old.as_slice());
        let mut bytes = DeltaVector::between(element, dims as u32, old, Some(&new)).unwrap().to_bytes();
        mutate(&mut dice, &mut bytes);
        let Ok(read) = DeltaVector::from_bytes(&bytes) else { continue };
        accepted += 1;
        assert_eq!(read.to_bytes(), bytes, "one change, one encoding");
        let _ = read.apply(&mut new.clone());
        read.compose(&read).unwrap();
        DeltaVector::compose_all(&[read.clone(), read.clone(), read]).unwrap();
    }
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn mutated_deltas_never_panic_and_are_refused() {
    let mut dice = Dice(2);
    let mut accepted = 0;
    for round in 0..100_000u64 {
        let old = dice.row(16);
        let new = dice.edit(&old, 4, 20);
        let mut info = at(round, None);
        info.metadata.insert("a".into(), "b".into());
        info.metadata.insert("c".into(), "d".into());
        let delta = Delta::new(&table(4), "key", Some(&old), Some(&new), info).unwrap();
        let mut bytes = delta.to_bytes();
        mutate(&mut dice, &mut bytes);
        assert!(bytes == delta.to_bytes() || Delta::from_bytes(&bytes).is_err());
        let forged = forge(bytes.get(33..).unwrap_or_default());
        if let Ok(read) = Delta::from_bytes(&forged) {
            accepted += 1;
            assert_eq!(read.to_bytes(), forged);
            let _ = read.apply_to("key", &mut Some(old));
        }
    }
    assert!(accepted > 1_000, "{accepted}");
}

/// Puts the right id in front of a body, so that the body is looked at.
fn forge(body: &[u8]) -> Vec<u8> {
    let id = blake3::keyed_hash(&crate::delta::domain("vecdelta v1 delta"), body);
    [&[1], id.as_bytes().as_slice(), body].concat()
}

#[test]
fn metadata_out_of_order_and_a_wrong_code_of_the_change_are_refused() {
    let mut info = at(1, None);
    for key in ["a", "b"] {
        info.metadata.insert(key.to_owned(), "x".to_owned());
    }
    let delta = Delta::new(&table(1), "key", None, Some(&[0; 4]), info).unwrap().to_bytes();
    let body = &delta[33..];
    assert!(Delta::from_bytes(&forge(body)).is_ok());
    let first = body.windows(6).position(|window| window == [1, 0, 0, 0, b'a', 1]).unwrap() + 4;
    let second = body.windows(6).position(|window| window == [1, 0, 0, 0, b'b', 1]).unwrap() + 4;
    for names in [[b'b', b'a'], [b'a', b'a']] {
        let mut altered = body.to_vec();
        (altered[first], altered[second]) = (names[0], names[1]);
        assert_eq!(Delta::from_bytes(&forge(&altered)), Err(DeltaError::Envelope));
    }
    for code in [1, 2, 3, 255] {
        let mut altered = body.to_vec();
        altered[4 + 4 + 4 + 3] = code;
        assert_eq!(Delta::from_bytes(&forge(&altered)), Err(DeltaError::NotCanonical));
    }
}

#[test]
fn widths_and_lengths_from_outside_allocate_nothing() {
    let wide =
        |form, body: &[u8]| DeltaVector::from_bytes(&[header(form, Element::F64, u32::MAX), body.to_vec()].concat());
    for form in 0..4 {
        assert!(matches!(wide(form, &[0xff, 0xff, 0xff, 0xff, 0x0f]), Err(VectorError::Truncated { .. })), "{form}");
    }
    let one = wide(0, &[1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let two = wide(0, &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let both = DeltaVector::compose_all(&[one.clone(), two.clone()]).unwrap().unwrap();
    assert_eq!((both.changed_dims(), &both), (2, &two.compose(&one).unwrap()));
    assert!(both.apply(&mut [0; 64]).is_err());
    let mut last_three = vec![1, 0xfc, 0xff, 0xff, 0xff, 0x0f, 2];
    last_three.extend_from_slice(&[1; 24]);
    assert_eq!(wide(1, &last_three).unwrap().changed_dims(), 3);
    last_three[1] = 0xfd;
    assert!(matches!(wide(1, &last_three), Err(VectorError::Index { .. })));
}

#[test]
fn only_canonical_bytes_are_read() {
    assert!(read(0, 9, &[1, 3, 7]).is_ok());
    assert!(matches!(read(0, 9, &[1, 3, 0]), Err(VectorError::NotCanonical(_))), "no change of a listed component");
    assert!(matches!(read(0, 9, &[1, 9, 7]), Err(VectorError::Index { index: 9, dims: 9 })));
    assert!(matches!(read(0, 9, &[2, 3, 5, 7, 7]), Err(VectorError::Index { index: 9, .. })));
    assert!(matches!(read(0, 9, &[1, 0x83, 0, 7]), Err(VectorError::Corrupt { .. })), "an overlong number");
    assert!(matches!(read(0, 9, &[1, 3, 7, 0]), Err(VectorError::Corrupt { .. })), "a byte behind the end");
    assert!(matches!(read(0, 9, &[1, 3]), Err(VectorError::Truncated { .. })));
    assert!(matches!(read(0, 9, &[4, 0, 0, 0, 0, 1, 1, 1, 1]), Err(VectorError::NotCanonical(_))), "runs are smaller");
    assert!(read(1, 9, &[1, 0, 3, 1, 1, 1, 1]).is_ok());
    assert!(matches!(read(1, 9, &[1, 6, 3, 1, 1, 1, 1]), Err(VectorError::Index { .. })), "a run over the end");
    assert!(matches!(read(2, 9, &[0; 9]), Err(VectorError::NotCanonical(_))), "no change is sparse");
    assert!(read(2, 9, &[1; 9]).is_ok());
    assert!(read(3, 9, &[0; 9]).is_ok());
    assert!(matches!(read(3, 0, &[]), Err(VectorError::NoDims)));
    assert!(matches!(read(4, 9, &[0; 9]), Err(VectorError::Form(4))));
    assert!(matches!(DeltaVector::from_bytes(&[2, 0, 0, 0, 1, 0, 0, 0, 0]), Err(VectorError::Version(2))));
    assert!(matches!(DeltaVector::from_bytes(&[1, 0, 6, 0, 1, 0, 0, 0, 0]), Err(VectorError::Element(6))));
    assert!(matches!(DeltaVector::from_bytes(&[1, 0, 0, 1, 1, 0, 0, 0, 0]), Err(VectorError::NotCanonical(_))));
    assert!(matches!(Delta::from_bytes(&[1; 32]), Err(DeltaError::Envelope)));
}
