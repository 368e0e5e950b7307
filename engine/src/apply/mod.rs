//! Apply: check and change deltas before they change the table, and the targets that they change.
//!
//! ```text
//!  row that came --transformers--> row that is kept --validators--> taken, or refused with its whole window
//! ```
//!
//! A pipeline transforms and checks whole batches; its targets are the rows of a repository. A [`Target`] is one vector
//! in memory, for whoever receives single deltas: it follows their chain, resolves conflicts by a policy and takes
//! back the last ones.

mod conflict;
mod dims;
mod error;
mod history;
mod outcome;
mod policy;
mod resolve;
mod target;
mod targets;
#[cfg(test)]
mod tests;
mod transform;
mod validate;

pub use conflict::{ConflictDetected, ConflictResolution, ThreeWay};
pub use dims::Dims;
pub use error::{ApplyError, WindowFailed};
pub use outcome::{Application, ApplicationStatus, LastApplied, Saved};
pub use policy::ApplicationPolicy;
pub use target::Target;
pub use targets::Targets;
pub use transform::{Transformer, transform, transform_each, transform_rows};
pub use validate::{Rejection, Validator, refusals, validate};
