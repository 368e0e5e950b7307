//! Bit-exact loops over embedding rows.

mod element;

pub use element::Element;
