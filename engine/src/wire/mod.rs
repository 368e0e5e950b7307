//! Wires: what leads to other servers, as plain calls. Nobody else knows a network, and each wire is behind a feature.

mod error;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;

pub use error::{Result, WireError};
