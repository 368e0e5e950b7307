//! Transfer: a repository as one file, copies of it, and what one has and another lacks.

mod whole;

pub use whole::bundle;
