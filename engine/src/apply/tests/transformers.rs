//! Transformers: their order, their rounding, and targets that keep another row than was sent.

use proptest::prelude::*;

use super::{after, chain, row};
use crate::apply::{
    ApplicationPolicy, ApplicationStatus, ApplyError, Dims, Transformer, Validator, transform, transform_rows,
};
use crate::delta::{Element, Keys, RowBatch};

fn f32s(transformers: &[Transformer], values: &[f32]) -> Result<Vec<f32>, String> {
    let mut bits = row(values);
    transform(transformers, Element::F32, &mut bits)?;
    Ok(bits.chunks_exact(4).map(|bits| f32::from_le_bytes(bits.try_into().unwrap())).collect())
}

#[test]
fn each_step_and_their_order() {
    use Transformer::{Clip, Mask, Renormalise, Round, Scale};
    let mask = || Mask(Dims::new([(1, 2)]));
    assert_eq!(f32s(&[Renormalise], &[3.0, 4.0]), Ok(vec![0.6, 0.8]));
    assert_eq!(f32s(&[mask(), Renormalise], &[3.0, 4.0]), Ok(vec![1.0, 0.0]));
    assert_eq!(f32s(&[Renormalise, mask()], &[3.0, 4.0]), Ok(vec![0.6, 0.0]));
    assert_eq!(f32s(&[Scale(2.0), Clip(5.0)], &[3.0, -4.0]), Ok(vec![5.0, -5.0]));
    assert_eq!(f32s(&[Clip(5.0), Scale(2.0)], &[3.0, -4.0]), Ok(vec![6.0, -8.0]));
    assert_eq!(f32s(&[Round(Element::Bf16)], &[1.003, 3e38]), Ok(vec![1.0, 3.004_055_3e38]));
    assert_eq!(f32s(&[Round(Element::F16)], &[0.1, 2e-8]), Ok(vec![0.099_975_586, 0.0]));
    assert_eq!(f32s(&[Clip(1.0)], &[f32::INFINITY, f32::NEG_INFINITY]), Ok(vec![1.0, -1.0]));
    assert_eq!(f32s(&[], &[1.0]), Ok(vec![1.0]));
}

#[test]
fn extreme_rows_have_a_unit_length_and_rows_without_a_direction_are_refused() {
    for values in [[3e38f32, 3e38], [1e-45, 1e-45], [1e-45, 3e38]] {
        let unit = f32s(&[Transformer::Renormalise], &values).unwrap();
        let length: f64 = unit.iter().map(|&value| f64::from(value).powi(2)).sum();
        assert!((length - 1.0).abs() < 1e-6, "{values:?} {unit:?}");
    }
    for values in [[0.0f32, -0.0], [1.0, f32::NAN], [f32::INFINITY, 1.0]] {
        assert!(f32s(&[Transformer::Renormalise], &values).is_err(), "{values:?}");
    }
    // What was finite does not become infinite in silence.
    assert!(f32s(&[Transformer::Scale(1e10)], &[1.0, 1e30]).unwrap_err().starts_with("component 1 becomes 1"));
    assert!(f32s(&[Transformer::Round(Element::F16)], &[7e4]).unwrap_err().ends_with("too large for f16"));
    let mut bytes = [100u8];
    assert!(transform(&[Transformer::Scale(3.0)], Element::U8, &mut bytes).is_err());
    assert_eq!(bytes, [100]);
}

#[test]
fn what_is_not_changed_keeps_its_bits() {
    let nan = f32::from_bits(0xffc0_0123);
    let mut bits = row(&[nan, -0.0, 1e-45, 0.5]);
    let before = bits.clone();
    transform(&[Transformer::Clip(0.5), Transformer::Scale(1.0)], Element::F32, &mut bits).unwrap();
    assert_eq!(bits, before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// The steps together are rounded once, not after each: against the same formula written out in f64.
    #[test]
    fn a_row_is_rounded_once(values in prop::collection::vec(-1e6f32..1e6, 1..40), factor in -4.0f64..4.0, max in 0.0f64..8.0) {
        let steps = [Transformer::Scale(factor), Transformer::Clip(max), Transformer::Scale(1.0 / 3.0)];
        let naive: Vec<f32> = values.iter().map(|&v| ((f64::from(v) * factor).max(-max).min(max) * (1.0 / 3.0)) as f32).collect();
        prop_assert_eq!(row(&f32s(&steps, &values).unwrap()), row(&naive));
    }

    /// A batch is what its rows are, for any number of threads; a bad row is named, the first of them.
    #[test]
    fn a_batch_is_transformed_row_by_row(values in prop::collection::vec(-9i8..9, 1..400), bad in 0usize..800) {
        let mut values: Vec<f32> = values.into_iter().map(|v| f32::from(v) + 0.5).collect();
        if bad < values.len() {
            values[bad] = 0.0;
        }
        let keys: Vec<String> = (0..values.len()).map(|i| format!("k{i}")).collect();
        let batch = RowBatch { keys: Keys::from_texts(keys.iter().map(String::as_str)), rows: row(&values).into(), first_row: 7, notes: crate::delta::Notes::default() };
        match transform_rows(&[Transformer::Renormalise], Element::F32, batch) {
            Ok(done) => {
                let want: Vec<f32> = values.iter().map(|value| value.signum()).collect();
                prop_assert_eq!((done.rows.to_vec(), done.first_row), (row(&want), 7));
            }
            Err(rejection) => prop_assert_eq!(rejection.key, format!("k{bad}")),
        }
    }
}

#[test]
fn a_target_keeps_the_transformed_row_and_follows_the_sender() {
    let transformers = vec![Transformer::Renormalise, Transformer::Mask(Dims::new([(0, 1)]))];
    let validators = vec![Validator::MaxL2(0.95)];
    let policy = ApplicationPolicy { transformers, validators, ..ApplicationPolicy::default() };
    let deltas = chain(&[&[3.0, 4.0], &[3.0, -4.0], &[0.0, 9.0]]);
    let mut target = after(&deltas[..2], policy.clone());
    assert_eq!(target.row(), Some(&row(&[0.0, -0.8])[..]));
    assert_eq!(target.saved().row, Some(row(&[3.0, -4.0])), "the next delta builds on the sender's row");
    let error = target.apply(&deltas[2]).unwrap_err();
    assert!(matches!(error, ApplyError::ValidationFailed(_)), "rules hold for the row that is kept: {error}");
    let again = target.apply(&deltas[1]).unwrap();
    assert!(again.transformed && again.status == ApplicationStatus::Already && again.state == target.hash());
    target.rollback(1).unwrap();
    assert_eq!(target.row(), Some(&row(&[0.0, 0.8])[..]));
    target.verify().unwrap();
}
