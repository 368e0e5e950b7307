//! Apply: check deltas before they change the table.

mod validate;

pub use validate::{Rejection, Validator, validate};
