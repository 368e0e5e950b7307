//! Version control and change streaming for embedding tables.

pub mod delta;
