//! Deltas as links, and against states they were not made for.

use super::{at, f32_row, table};
use crate::delta::{
    Applied, Change, Delta, DeltaError, DeltaVector, Element, Source, key_hash, key_hashes, row_hash, row_hashes,
};

#[test]
fn a_delta_whose_bits_do_not_lead_to_its_result_writes_nothing() {
    let (one, two, three) = (f32_row(&[1.0]), f32_row(&[2.0]), f32_row(&[3.0]));
    let source = Source { collection: "docs".into(), key: "k".into() };
    let hash = |row: &[u8]| Some(row_hash("k", Element::F32, row));
    let vector = DeltaVector::between(Element::F32, 1, Some(&one), Some(&two)).unwrap();
    for result in [hash(&three), None] {
        let delta = Delta::from_parts(source.clone(), hash(&one), result, vector.clone(), at(1, None)).unwrap();
        let mut row = Some(one.clone());
        assert_eq!(delta.apply_to("k", &mut row), Err(DeltaError::Result));
        assert_eq!(row, Some(one.clone()));
    }
    let insert = Delta::from_parts(source.clone(), None, hash(&two), vector.clone(), at(1, None));
    assert_eq!(insert, Err(DeltaError::InsertOfXor));
    assert_eq!(Delta::from_parts(source, None, None, vector, at(1, None)), Err(DeltaError::NoState));
}

#[test]
fn composed_parts_make_a_delta() {
    let (one, two, three) = (f32_row(&[1.0]), f32_row(&[2.0]), f32_row(&[3.0]));
    let table = table(1);
    let first = Delta::new(&table, "k", Some(&one), Some(&two), at(1, None)).unwrap();
    let second = Delta::new(&table, "k", Some(&two), Some(&three), at(2, Some(&first))).unwrap();
    let vector = first.vector().compose(second.vector()).unwrap();
    let both = Delta::from_parts(first.source().clone(), first.base(), second.result(), vector, at(2, None)).unwrap();
    assert_eq!(both, Delta::new(&table, "k", Some(&one), Some(&three), at(2, None)).unwrap());
    let mut row = Some(one);
    assert_eq!(both.apply_to("k", &mut row), Ok(Applied::Changed));
    assert_eq!(row, Some(three));
}

#[test]
fn names_are_checked_when_a_delta_is_made_and_read() {
    let row = f32_row(&[1.0]);
    let long = "k".repeat(1025);
    for key in ["", &long] {
        assert!(matches!(Delta::new(&table(1), key, None, Some(&row), at(1, None)), Err(DeltaError::Source(_))));
    }
    let delta = Delta::new(&table(1), "a/b", None, Some(&row), at(1, None)).unwrap();
    assert!(matches!(delta.apply_to("a/c", &mut None), Err(DeltaError::OtherKey { .. })));
    assert_eq!((delta.source().to_string().as_str(), delta.change()), ("docs/a/b", Change::Insert));
}

#[test]
fn the_bytes_of_a_delta_are_those_of_the_document() {
    let delta = Delta::new(&table(1), "k", None, Some(&f32_row(&[1.0])), at(5, None)).unwrap();
    let result = delta.result().unwrap();
    let mut body = vec![4, 0, 0, 0];
    body.extend_from_slice(b"docs");
    body.extend_from_slice(&[1, 0, 0, 0, b'k', 0, 0, 1]);
    body.extend_from_slice(&result.0);
    body.extend_from_slice(&[0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    body.extend_from_slice(&[0, 0, 0, 0, 12, 0, 0, 0]);
    body.extend_from_slice(&[1, 3, 0, 0, 1, 0, 0, 0, 0, 0, 0x80, 0x3f]);
    assert_eq!(delta.to_bytes()[33..], body);
    assert_eq!(delta.to_bytes()[..33], [&[1], delta.id().0.as_slice()].concat());
}

#[test]
fn hashes_of_many_are_those_of_each() {
    let rows: Vec<(String, Vec<u8>)> =
        (0..61).map(|i: usize| ("ключ".repeat(i % 7) + &i.to_string(), vec![i as u8; (i * 37) % 1700 * 4])).collect();
    for count in [0, 1, 2, 7, 8, 9, 16, 61] {
        let rows = &rows[..count];
        let each = |(key, row): &(String, Vec<u8>)| row_hash(key, Element::F32, row);
        let many = row_hashes(Element::F32, rows.iter().map(|(key, row)| (key.as_str(), row.as_slice())));
        assert_eq!(many, rows.iter().map(each).collect::<Vec<_>>());
        let keys = key_hashes(rows.iter().map(|(key, _)| key.as_str()));
        assert_eq!(keys, rows.iter().map(|(key, _)| key_hash(key)).collect::<Vec<_>>());
    }
}
