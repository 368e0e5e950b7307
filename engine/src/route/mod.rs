//! Route: decide which window and which subscribers get a delta, and keep what each subscriber has taken and confirmed.
//!
//! The history is the channel: a subscriber is a cursor over the commits of a branch, with the routes that lead to it as
//! its filter. What is dead, slow or full can therefore neither stop the others nor lose anything.

mod cursor;
mod hours;
mod priority;
mod router;
mod subscriber;
#[cfg(test)]
mod tests;

pub use cursor::{Cursor, Position};
pub use hours::Hours;
pub use priority::{Priority, RetryPolicy};
pub use router::{Condition, Look, Route, Router};
pub use subscriber::{
    DeliveryGuarantee, Offer, Receipt, Subscriber, SubscriberMetrics, SubscriberPolicy, SubscriberStatus, Verdict,
};
