//! What is thrown: one class for JavaScript, with a code for programs and a text for people.

use vecdelta::delta::{DeltaError, VectorError};
use vecdelta::store::StoreError;
use vecdelta::version::VersionError;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./error.js")]
extern "C" {
    /// What JavaScript catches.
    pub type VecdeltaError;

    #[wasm_bindgen(constructor)]
    fn new(code: &str, message: &str) -> VecdeltaError;
}

/// A failure on its way to JavaScript.
#[derive(Debug)]
pub struct Failure {
    /// For programs.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

/// The result of a call.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Makes a failure.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Says that an argument is not what it should be.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new("argument", message)
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        VecdeltaError::new(failure.code, &failure.message).into()
    }
}

impl From<VectorError> for Failure {
    fn from(error: VectorError) -> Self {
        let code = match &error {
            VectorError::NoDims | VectorError::NoRow => "argument",
            VectorError::Row { .. } => "length",
            VectorError::Shape { .. } => "shape",
            VectorError::NotInvertible => "not-invertible",
            VectorError::Version(_) => "version",
            _ => "damaged",
        };
        Self::new(code, error.to_string())
    }
}

impl From<DeltaError> for Failure {
    fn from(error: DeltaError) -> Self {
        let code = match error {
            DeltaError::Vector(error) => return error.into(),
            DeltaError::Source(_) | DeltaError::NoState | DeltaError::InsertOfXor | DeltaError::OtherKey { .. } => {
                "argument"
            }
            DeltaError::Version(_) => "version",
            DeltaError::Parent { .. } | DeltaError::Chain(_) => "chain",
            DeltaError::Conflict { .. } => "conflict",
            _ => "damaged",
        };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        VersionError::from(error).into()
    }
}

impl From<VersionError> for Failure {
    fn from(error: VersionError) -> Self {
        let code = match &error {
            error if error.is_waiting() => "waiting",
            VersionError::Store(StoreError::Corrupt(_)) => "damaged",
            VersionError::Store(_) => "unreadable",
            VersionError::UnknownRevision { .. }
            | VersionError::UnknownCollection { .. }
            | VersionError::UnknownSource { .. } => "not-found",
            VersionError::AmbiguousRevision { .. } => "ambiguous",
            VersionError::BadRevision { .. } | VersionError::Source(_) => "argument",
            VersionError::Compacted { .. } => "compacted",
            _ => "refused",
        };
        Self::new(code, error.to_string())
    }
}
