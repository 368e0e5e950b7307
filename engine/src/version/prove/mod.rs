//! Prove: small files that show, to whoever pinned a checkpoint, what a repository held.

mod audit;
mod check;
mod document;
mod make;

pub use check::{Proven, Row, check_proof};
pub use document::{Proof, Shows, SourcePart};
pub use make::{prove_commit, prove_since, prove_source};
