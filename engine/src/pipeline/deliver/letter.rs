//! Deltas as dead letters, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecdelta_kernels::{max_abs, norm_squared};

use crate::delta::{Change, CommitId, DeltaBatch, DeltaRow, Element, Keys, Note, Notes, Table};
use crate::pipeline::sink::{Delivered, Parcel};
use crate::store::{DeathReason, Letter};

/// Makes the dead letter of a delta.
pub fn of(delta: &Delivered, subscriber: &str, reason: DeathReason, message: &str, millis: u64) -> Letter {
    let note = delta.note();
    let metadata: BTreeMap<String, String> = note.values().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let table = delta.table();
    Letter {
        reason,
        message: message.to_owned(),
        millis,
        source: String::new(),
        subscriber: subscriber.to_owned(),
        commit: delta.commit().to_hex(),
        collection: table.collection.clone(),
        key: delta.key().to_owned(),
        change: delta.delta().change.name().to_owned(),
        element: table.element.code(),
        dims: table.dims,
        bits: delta.new_bits().unwrap_or_default().to_vec(),
        metadata,
    }
}

/// Makes the delta of a dead letter again: the bits that it leads to, as an insert when they are there. `None` when the
/// letter is of a row.
pub fn delivered(letter: &Letter) -> Option<Delivered> {
    let element = Element::from_code(letter.element)?;
    let table = Arc::new(Table { collection: letter.collection.clone(), element, dims: letter.dims });
    let change = match letter.change.as_str() {
        "insert" => Change::Insert,
        "update" => Change::Update,
        "delete" => Change::Delete,
        _ => return None,
    };
    let (bits, blank) = (letter.bits.clone(), vec![0; table.row_bytes()]);
    let new = if change == Change::Delete { blank.clone() } else { bits };
    (new.len() == blank.len()).then_some(())?;
    let length = norm_squared(element, &new).sqrt();
    let mut notes = Notes::default();
    notes.push_note(&Note::of(letter.metadata.iter().map(|(n, v)| (n.as_str(), v.as_str())), None));
    let batch = DeltaBatch {
        deltas: vec![DeltaRow::whole(0, change, &table, length, max_abs(element, &new))],
        keys: Keys::from_texts([letter.key.as_str()]),
        old: blank.into(),
        new: new.into(),
        notes,
        table,
    };
    let parcel = Parcel {
        commit: CommitId::from_hex(&letter.commit)?,
        millis: letter.millis,
        batch: Arc::new(batch),
        routes: Arc::new(["dead letter".to_owned()]),
        loan: None,
    };
    Some(Delivered::new(Arc::new(parcel), 0, 0, 0))
}
