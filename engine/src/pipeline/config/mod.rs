//! The pipeline file: TOML text to typed values, with all errors at once.
//!
//! A setting that cannot be honoured is an error: unknown keys, sinks that nothing reaches, windows that never close.
//! Every finding has a code, a place, and a way out. No I/O: text and environment come in as values.
//!
//! ```text
//! text -> syntax -> tree -> overrides, environment -> walk along the table of keys -> typed values -> cross checks
//! ```

mod build;
mod cases;
mod check;
mod choice;
mod codes;
mod data;
mod diagnostic;
mod explain;
mod followed;
mod graph;
mod keys;
mod overrides;
mod reference;
mod render;
mod route;
mod scalar;
mod schema;
mod servers;
mod sink;
mod source;
mod suggest;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod unknown;
mod value;
mod view;
mod walk;
mod window;

use std::path::Path;

pub use data::dims_differ;
pub use diagnostic::{Diagnosis, Diagnostic, Severity};
pub use explain::{codes, explain};
pub use followed::{Followed, Listen, MessageFormat, OnGap, SourceServer};
pub use graph::{graph_dot, graph_json, graph_mermaid};
pub use reference::reference;
pub use render::render;
pub(in crate::pipeline) use route::may_match;
pub use schema::json_schema;
pub use servers::{Built, NatsStream, SinkServer, SqlTable, StreamKeeps};
pub use types::{
    Apply, Capture, Clock, ClockKind, Close, Expect, FileOrder, Given, IndexMetric, Input, Late, OnReject, Pipeline,
    Route, Settings, Sink, SinkContent, SinkField, SinkKind, SnapshotRule, Source, SourceKind, Test, Triggers, Version,
    When, Window,
};

pub use crate::apply::{Transformer, Validator};
pub use crate::capture::{Detector, Missing, Threshold};
pub use crate::delta::Change;
pub use crate::pipeline::deliver::OnSlow;
pub use crate::route::{DeliveryGuarantee, Hours, Priority};

use diagnostic::Report;

/// Reads a pipeline file; returns it with the warnings.
///
/// Relative paths are resolved against `base_dir`, which should be absolute. `overrides` are the `KEY=VALUE` pairs of
/// `--set`, in order; `env` looks up the environment variables that `{ env = "NAME" }` asks for.
///
/// # Errors
/// Returns everything that is wrong, in the order of the file, and the warnings as well.
pub fn parse(
    file_name: &str,
    text: &str,
    base_dir: &Path,
    overrides: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Pipeline, Vec<Diagnostic>), Diagnosis> {
    parse_for(Built::HERE, file_name, text, base_dir, overrides, env)
}

/// Reads a pipeline file for a program that was built in another way.
fn parse_for(
    built: Built,
    file_name: &str,
    text: &str,
    base_dir: &Path,
    overrides: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Pipeline, Vec<Diagnostic>), Diagnosis> {
    let mut report = Report::new(text, overrides::shown(overrides));
    let Some(mut parsed) = syntax::parse(text, &mut report) else {
        return Err(report.finish());
    };
    overrides::apply(&mut parsed.root, overrides, &mut report);
    overrides::resolve_env(&mut parsed.root, env, &mut report);
    let unsound = walk::walk(&parsed.root, parsed.whole, &mut report);
    let pipeline = build::build(&parsed.root, file_name, base_dir);
    if parsed.whole {
        check::check(&pipeline, &parsed.root, &unsound, built, &mut report);
    }
    let diagnosis = report.finish();
    if diagnosis.errors.is_empty() { Ok((pipeline, diagnosis.warnings)) } else { Err(diagnosis) }
}
