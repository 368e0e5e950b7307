//! What capture finds, beside a comparison row by row.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::{Arc, RwLock};

use proptest::prelude::*;

use super::{Capture, CapturePolicy};
use crate::delta::{Element, Keys, Notes, RowBatch, Table, key_hash, row_hash};
use crate::store::{Cost, MemoryDisk, Mirror, Written, row_sum};

const DIMS: usize = 3;
const ROWS: usize = 3_000;

fn bits(row: usize, version: u32) -> Vec<u8> {
    (0..DIMS).flat_map(|dim| (((row * DIMS + dim) as f64).sqrt() as f32 + version as f32).to_le_bytes()).collect()
}

fn key(row: usize) -> String {
    format!("row-{row}")
}

/// Makes a mirror whose rows stand at version 0; every seventh source is gone.
fn mirror() -> Mirror {
    let table = Table { collection: "t".to_owned(), element: Element::F32, dims: DIMS as u32 };
    let mut mirror = Mirror::create(Arc::new(MemoryDisk::default()), "mirror", Arc::new(table)).unwrap();
    let mut written = Vec::new();
    for row in 0..ROWS {
        let (slot, bits, key) = (mirror.keys_mut().push(&key(row)), bits(row, 0), key(row));
        mirror.write(slot, &bits).unwrap();
        let hash = (!row.is_multiple_of(7)).then(|| row_hash(&key, Element::F32, &bits));
        written.push(Written {
            slot,
            key: key_hash(&key),
            row: hash,
            sum: row_sum(slot, &bits),
            cost: Cost::default(),
        });
    }
    mirror.apply(&written, ROWS as u32);
    mirror
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever part of a batch changed, and of the batch before: each row that differs, once, with both sides.
    #[test]
    fn what_differs_is_found_in_batches_of_every_kind(
        batches in prop::collection::vec((0usize..ROWS, 0usize..2_500, 0u32..101, any::<u64>()), 1..8),
        backwards in any::<bool>(),
        epsilon in prop::sample::select(vec![0.0, 0.5, 2.0]),
    ) {
        let mirror = Arc::new(RwLock::new(mirror()));
        let policy = CapturePolicy { epsilon, ..CapturePolicy::default() };
        let mut capture = Capture::new(mirror, policy);
        for (first, len, share, seed) in batches {
            let mut rows: Vec<usize> = (first..(first + len).min(ROWS)).collect();
            if backwards {
                rows.reverse();
            }
            let mixed = |row: usize| (row as u64 + 1).wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let version = |row: usize| u32::from(mixed(row) % 100 < u64::from(share));
            let batch = RowBatch {
                keys: Keys::from_texts(rows.iter().map(|&row| key(row)).collect::<Vec<_>>().iter().map(String::as_str)),
                rows: rows.iter().flat_map(|&row| bits(row, version(row))).collect::<Vec<u8>>().into(),
                first_row: 0,
                notes: Notes::default(),
            };
            let captured = capture.step_stream(&batch, 0, None).unwrap();
            prop_assert_eq!(captured.rows(), rows.len());
            let gone = |row: usize| row.is_multiple_of(7);
            let differs = |row: &usize| gone(*row) || version(*row) == 1 && epsilon < 1.0;
            let found: Vec<usize> = rows.into_iter().filter(differs).collect();
            let names: Vec<String> = found.iter().map(|&row| key(row)).collect();
            let batches = &captured.batches;
            prop_assert_eq!(batches.iter().flat_map(|batch| batch.keys.iter()).collect::<Vec<_>>(), names);
            let new: Vec<u8> = found.iter().flat_map(|&row| bits(row, version(row))).collect();
            prop_assert_eq!(batches.iter().flat_map(|batch| batch.new.to_vec()).collect::<Vec<u8>>(), new);
            let old: Vec<u8> = batches.iter().flat_map(|batch| batch.old.to_vec()).collect();
            // What is inserted has no old side; what stands there has no meaning.
            for (i, &row) in found.iter().enumerate().filter(|(_, row)| !gone(**row)) {
                let size = 4 * DIMS;
                prop_assert_eq!(&old[i * size..(i + 1) * size], &bits(row, 0)[..]);
            }
        }
    }
}
