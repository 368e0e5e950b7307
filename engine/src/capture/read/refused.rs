//! Rows that cannot be taken over: from a stream that must go on, they are handed out as they came.

use super::error::{Fault, Place};

/// How the bytes of a refused row are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// A line of text that should have been one JSON object.
    Json,
    /// An Arrow IPC stream of this one row.
    Arrow,
}

impl RowForm {
    /// Returns the word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            RowForm::Json => "json",
            RowForm::Arrow => "arrow",
        }
    }
}

/// A row that cannot be taken over, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Where it stood.
    pub place: Option<Place>,
    /// Its id, if it can be told.
    pub id: Option<String>,
    /// Why it is refused.
    pub reason: String,
    /// How its bytes are written.
    pub form: RowForm,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Who is given the rows that cannot be taken over, as they come; without one, the first of them ends the reading.
pub type Refuser = Box<dyn FnMut(RefusedRow) + Send>;

impl RefusedRow {
    /// Makes one of a fault; gives the fault back when it is not that of a row.
    pub(super) fn of(fault: Fault, id: Option<String>, form: RowForm, bytes: Vec<u8>) -> Result<Self, Fault> {
        match fault.is_data() {
            true => Ok(Self { place: fault.place(), id, reason: fault.reason(), form, bytes }),
            false => Err(fault),
        }
    }
}
