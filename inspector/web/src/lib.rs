//! The inspector in a browser. One module, instantiated twice: on the page it draws, in a worker it answers.
//!
//! ```text
//!  page/main.js ── page.rs ── the window ── asks ──▶ page/worker.js ── answer.rs ── the repository
//!       ▲            │ mirror.rs: what is drawn, as ARIA elements         │ what bytes are lacking
//!       └────────────┴──────────────── answers ◀──────────────────────────┴──▶ fetch by ranges, slices of a file
//! ```
//!
//! The scripts are in `page/`; `scripts/build-web.sh` puts all into `dist/`.
#![cfg(target_arch = "wasm32")]

mod answer;
mod host;
mod mirror;
mod page;
