//! Special cases, each with the answer written down.

use super::{encode, finite_specials, wild_specials};
use crate::cell::{Cell, F16};
use crate::{
    Composer, Element, RowChange, ShapeError, all_finite, compose_sparse, differs, extract, max_abs, measure,
    norm_squared, portable, scatter_xor, xor_into,
};

fn f32s(row: &[f32]) -> Vec<u8> {
    row.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The same statistics from both paths, which must agree.
fn measure_f32(old: &[f32], new: &[f32]) -> RowChange {
    let (old, new) = (f32s(old), f32s(new));
    let fast = measure(Element::F32, &old, &new);
    let portable = portable::measure(Element::F32, &old, &new);
    assert_eq!(format!("{fast:?}"), format!("{portable:?}"));
    fast
}

#[test]
fn a_change_of_sign_of_zero_is_a_change_of_no_size() {
    let change = measure_f32(&[0.0, 1.0], &[-0.0, 1.0]);
    assert_eq!((change.changed, change.l2_squared, change.max_abs), (1, 0.0, 0.0));
    assert!(differs(&f32s(&[0.0]), &f32s(&[-0.0])));
}

#[test]
fn another_nan_payload_is_a_change() {
    let nan = f32::from_bits(0x7fc0_0001);
    let change = measure_f32(&[nan, 1.0], &[f32::NAN, 1.0]);
    assert_eq!(change.changed, 1);
    assert!(!differs(&f32s(&[nan]), &f32s(&[nan])));
}

#[test]
fn nan_is_not_hidden_by_a_maximum() {
    for place in 0..20 {
        let mut new = [2.0; 20];
        new[place] = f32::NAN;
        let change = measure_f32(&[1.0; 20], &new);
        assert!(change.max_abs.is_nan(), "NaN in component {place}");
        assert!(max_abs(Element::F32, &f32s(&new)).is_nan());
        assert!(portable::max_abs(Element::F32, &f32s(&new)).is_nan());
        assert!(!all_finite(Element::F32, &f32s(&new)));
    }
}

#[test]
fn infinity_minus_infinity_is_nan_and_infinity_alone_is_infinite() {
    assert!(measure_f32(&[f32::INFINITY], &[f32::INFINITY]).max_abs.is_nan());
    let change = measure_f32(&[0.0; 3], &[0.0, f32::NEG_INFINITY, 1.0]);
    assert_eq!((change.max_abs, change.l2_squared), (f64::INFINITY, f64::INFINITY));
    assert_eq!(change.cosine(), None);
}

#[test]
fn subnormals_count() {
    let least = f32::from_bits(1);
    let change = measure_f32(&[0.0], &[least]);
    assert_eq!(change.max_abs, 2f64.powi(-149));
    assert_eq!(change.l2_squared, 2f64.powi(-298));
    assert_eq!(change.l2(), 2f64.powi(-149));
}

#[test]
fn an_empty_row_has_no_change_and_no_direction() {
    let change = measure_f32(&[], &[]);
    assert_eq!((change.changed, change.l2(), change.max_abs), (0, 0.0, 0.0));
    assert_eq!(change.cosine(), None);
    assert!(!differs(&[], &[]) && all_finite(Element::F16, &[]));
    assert_eq!(norm_squared(Element::F64, &[]), 0.0);
}

#[test]
fn cosine_is_that_of_the_angle() {
    assert_eq!(measure_f32(&[3.0, 0.0], &[0.0, 2.0]).cosine(), Some(0.0));
    assert_eq!(measure_f32(&[1.0, 2.0], &[-1.0, -2.0]).cosine(), Some(-1.0));
    assert_eq!(measure_f32(&[0.1; 384], &[0.3; 384]).cosine().map(f64::round), Some(1.0));
    assert_eq!(measure_f32(&[0.0], &[1.0]).cosine(), None);
}

#[test]
fn integers_are_numbers_of_their_sign() {
    let change = measure(Element::I8, &[0x80], &[0x7f]);
    assert_eq!((change.max_abs, change.dot), (255.0, -128.0 * 127.0));
    let change = measure(Element::U8, &[0x80], &[0x7f]);
    assert_eq!((change.max_abs, change.dot), (1.0, 128.0 * 127.0));
    assert_eq!(max_abs(Element::I8, &[0x80, 1]), 128.0);
    assert_eq!(max_abs(Element::U8, &[0xff, 1]), 255.0);
    assert!(all_finite(Element::I8, &[0x80, 0x7f, 0xff]));
}

#[test]
fn every_f16_converts_as_the_standard_says() {
    for bits in 0..=u16::MAX {
        let ours = F16::value(bits.to_le_bytes());
        let theirs = half::f16::from_bits(bits).to_f64();
        let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(same, "{bits:#06x}: {ours} and {theirs}");
    }
}

#[test]
fn every_pair_of_specials_round_trips() {
    for element in Element::ALL {
        let mut specials = finite_specials(element);
        specials.extend(wild_specials(element));
        let bytes = |bits: u64| bits.to_le_bytes()[..element.size()].to_vec();
        for (&a, &b) in specials.iter().flat_map(|a| specials.iter().map(move |b| (a, b))) {
            let (old, new) = (bytes(a).repeat(9), [bytes(b), bytes(a).repeat(8)].concat());
            let (mut indices, mut bits) = (Vec::new(), Vec::new());
            extract(element, &old, &new, &mut indices, &mut bits);
            let mut row = old.clone();
            scatter_xor(element, &mut row, &indices, &bits).unwrap();
            assert_eq!(row, new);
            assert_eq!(indices.len(), usize::from(a != b));
        }
    }
}

#[test]
fn finite_specials_are_finite_and_wild_ones_are_not() {
    for element in Element::ALL {
        let row = |bits: u64| bits.to_le_bytes()[..element.size()].to_vec();
        assert!(finite_specials(element).into_iter().all(|s| all_finite(element, &row(s))));
        assert!(!wild_specials(element).into_iter().any(|s| all_finite(element, &row(s))));
    }
}

#[test]
fn a_damaged_sparse_row_is_refused_before_anything_is_written() {
    let mut row = [1, 2, 3, 4, 5, 6, 7, 8];
    let before = row;
    let index = scatter_xor(Element::F32, &mut row, &[0, 2], &[9; 8]);
    assert_eq!(index, Err(ShapeError::Index { index: 2, dims: 2 }));
    let length = scatter_xor(Element::F32, &mut row, &[0, 1], &[9; 7]);
    assert_eq!(length, Err(ShapeError::Length { expected: 8, found: 7 }));
    assert_eq!(row, before);

    let mut composer = Composer::new(Element::F32, 2);
    assert!(composer.add_sparse(&[0, 2], &[9; 8]).is_err());
    assert!(composer.add_sparse(&[0], &[9; 3]).is_err());
    assert!(composer.add_dense(&[9; 7]).is_err());
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    composer.finish(&mut indices, &mut bits);
    assert!(indices.is_empty() && bits.is_empty());
}

#[test]
fn a_merge_refuses_indices_out_of_order() {
    let (mut indices, mut bits) = (vec![7], vec![7]);
    let good: (&[u32], &[u8]) = (&[1, 5], &[1, 1]);
    for (bad, position) in [([3, 3, 4], 1), ([3, 4, 2], 2)] {
        let bad: (&[u32], &[u8]) = (&bad, &[1, 1, 1]);
        for (a, b) in [(good, bad), (bad, good)] {
            let result = compose_sparse(Element::U8, a, b, &mut indices, &mut bits);
            assert_eq!(result, Err(ShapeError::Order { position }));
        }
    }
    assert_eq!((indices, bits), (vec![7], vec![7]));
}

#[test]
fn a_change_of_nothing_drops_out_of_a_merge() {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    let a: (&[u32], &[u8]) = (&[0, 2, 9], &[0, 5, 0]);
    let b: (&[u32], &[u8]) = (&[2], &[5]);
    compose_sparse(Element::U8, a, b, &mut indices, &mut bits).unwrap();
    assert!(indices.is_empty() && bits.is_empty());
}

#[test]
fn errors_say_what_and_where() {
    let text = ShapeError::Index { index: 9, dims: 4 }.to_string();
    assert_eq!(text, "component index 9 is outside a row of 4");
    let text = ShapeError::Order { position: 3 }.to_string();
    assert_eq!(text, "component indices do not ascend at position 3");
    let text = ShapeError::Length { expected: 8, found: 7 }.to_string();
    assert_eq!(text, "the shape asks for 8 bytes, found 7");
}

#[test]
#[should_panic(expected = "rows of one table have one length")]
fn rows_of_two_lengths_panic() {
    differs(&[0; 4], &[0; 8]);
}

#[test]
#[should_panic(expected = "a dense delta covers its row")]
fn a_dense_delta_of_another_length_panics() {
    xor_into(&mut [0; 4], &[0; 8]);
}

#[test]
#[should_panic(expected = "a row holds whole components")]
fn half_a_component_panics() {
    measure(Element::F32, &[0; 6], &[0; 6]);
}

#[test]
fn encode_is_exact_for_small_integers() {
    for element in Element::ALL {
        assert_eq!(element.to_f64(&encode(element, 3.0)), 3.0);
    }
}
