//! Capture: read a source, find what changed against the mirror, and say it as deltas.

mod compare;
mod detect;
mod epoch;
mod error;
mod observer;
mod pace;
mod policy;
#[cfg(feature = "native")]
pub mod read;
mod spare;
#[cfg(test)]
mod tests;

pub use compare::Pending;
pub use detect::{Detector, Threshold};
pub use epoch::{Capture, Captured};
pub use error::CaptureError;
pub use observer::{Observer, ObserverMetrics, ObserverStatus};
pub use pace::Pace;
pub use policy::{CapturePolicy, Missing};
pub use spare::Spare;
