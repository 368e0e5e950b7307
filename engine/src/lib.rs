//! Version control and change streaming for embedding tables.
//!
//! Somebody who keeps vectors changes them over and over. vecdelta takes each new epoch, or a stream of changes, works
//! out what really changed, keeps it bit for bit in an append-only, hash-chained log, and lets people travel in time.
//!
//! ```
//! use std::sync::Arc;
//! use vecdelta::store::MemoryDisk;
//! use vecdelta::version::{CommitInfo, Repository, Stage, new_origin, resolve};
//!
//! # fn main() -> vecdelta::version::Result<()> {
//! let mut repo = Repository::open_writer(Arc::new(MemoryDisk::default()), Some(new_origin(0, 1)))?;
//! let info = CommitInfo { branch: "main".into(), message: "nothing yet".into(), ..CommitInfo::default() };
//! let staged = Stage::begin(&repo, &info, 1_000)?.finish(info)?;
//! let commit = repo.take(staged)?;
//! assert_eq!(resolve(&repo, "main")?, commit);
//! # Ok(())
//! # }
//! ```
//!
//! Data flows one way; every room may use [`delta`] and [`event`], and only [`store`] touches the disk:
//!
//! ```text
//!  file --> capture --> route --> window --> apply --> version --> export --> file
//!             |                                           |
//!             '---- compares with a mirror ---- store ----'  log, head, cache
//! ```
//!
//! - [`pipeline`] wires the rooms and is the only one with threads; [`codec`] is how rows become small.
//! - A [`version::Repository`] is a graph of commits; [`version::read_table`], [`version::value`],
//!   [`version::compare`] and [`version::verify`] ask it.
//!
//! Without the feature `native` (tables in files, pipelines, the command line) the engine compiles for wasm32.

#[cfg(feature = "native")]
#[doc(hidden)]
pub mod answer;
pub mod apply;
pub mod capture;
#[cfg(feature = "native")]
#[doc(hidden)]
pub mod cli;
pub mod codec;
pub mod delta;
pub mod demo;
pub mod event;
#[cfg(feature = "native")]
pub mod export;
#[cfg(feature = "native")]
pub mod pipeline;
#[cfg(feature = "native")]
pub mod route;
#[cfg(feature = "native")]
pub mod serve;
pub mod store;
pub mod version;
pub mod window;
#[cfg(any(feature = "nats", feature = "postgres"))]
pub mod wire;
