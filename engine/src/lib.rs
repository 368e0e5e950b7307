//! Version control and change streaming for embedding tables.

pub mod apply;
pub mod capture;
#[doc(hidden)]
pub mod cli;
pub mod codec;
pub mod delta;
pub mod event;
pub mod export;
pub mod pipeline;
pub mod route;
pub mod store;
pub mod version;
pub mod window;
