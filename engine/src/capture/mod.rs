//! Capture: read a source, find what changed against the mirror, and say it as deltas.

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

pub use detect::{Detector, Threshold};
pub use epoch::{Capture, Captured, Pending};
pub use error::CaptureError;
pub use observer::{Observer, ObserverMetrics, ObserverStatus};
pub use pace::Pace;
pub use policy::{CapturePolicy, Missing};
pub use spare::Spare;
