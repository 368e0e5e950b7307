//! What the settings of a sink demand of each other.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::Checks;
use super::codes::{GUARANTEE, MIXED_COLLECTIONS, NOT_WITH_KIND, SAME_OUTPUT};
use super::diagnostic::Diagnostic;
use super::route::may_match;
use super::servers;
use super::types::{Sink, SinkContent, SinkField, SinkKind};
use crate::pipeline::deliver::OnSlow;
use crate::route::DeliveryGuarantee;

/// The fields that a row of a table has; the others belong to a change.
const TABLE_FIELDS: &[SinkField] = &[
    SinkField::Source,
    SinkField::Collection,
    SinkField::Id,
    SinkField::Commit,
    SinkField::Time,
    SinkField::Vector,
    SinkField::Bits,
];

/// Checks every sink.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    let sinks = &checks.pipeline.sinks;
    for (index, sink) in sinks.iter().enumerate() {
        if checks.sound("sink", &sink.name) {
            check_kind(checks, sink);
            servers::check_sink(checks, sink);
            check_content(checks, sink);
            check_delivery(checks, sink);
            check_fields(checks, sink);
            check_output(checks, index, sink);
            check_collections(checks, sink);
        }
    }
}

fn check_kind(checks: &mut Checks<'_, '_>, sink: &Sink) {
    if sink.kind == SinkKind::Npy && sink.what == SinkContent::Deltas {
        let diagnostic = Diagnostic::error(NOT_WITH_KIND, format!("sink \"{}\" cannot write deltas", sink.name))
            .label("`npy` holds a plain table")
            .help("add `what = \"table\"`, or use `parquet`, `arrow` or `jsonl`");
        checks.report_at(&["sink", &sink.name, "kind"], diagnostic);
    }
}

/// What makes sense for one kind of content only.
fn check_content(checks: &mut Checks<'_, '_>, sink: &Sink) {
    let server = sink.server.is_some() || matches!(sink.kind, SinkKind::Webhook | SinkKind::RuVector);
    let table = server && sink.what == SinkContent::Table;
    let rolls = sink.what == SinkContent::Deltas && matches!(sink.kind, SinkKind::Parquet | SinkKind::Arrow);
    for (key, wrong) in [("what", table), ("roll", !rolls)] {
        if wrong && checks.place(&["sink", &sink.name, key]).is_some() {
            let diagnostic =
                Diagnostic::error(NOT_WITH_KIND, format!("`{key}` cannot be honoured in sink \"{}\"", sink.name))
                    .label(match key {
                        "roll" => "only deltas as `parquet` or `arrow` are written in parts".to_owned(),
                        _ => format!("`{}` is told of deltas, not of whole tables", sink.kind.name()),
                    })
                    .help(format!("remove `{key}`"));
            checks.report_at(&["sink", &sink.name, key], diagnostic);
        }
    }
}

/// A promise must be one that the sink can keep.
fn check_delivery(checks: &mut Checks<'_, '_>, sink: &Sink) {
    let path = ["sink", &sink.name, "guarantee"];
    let given = checks.place(&path).is_some();
    if given && sink.kind == SinkKind::Webhook && sink.guarantee == DeliveryGuarantee::ExactlyOnce {
        let diagnostic = Diagnostic::error(GUARANTEE, format!("sink \"{}\" cannot deliver exactly once", sink.name))
            .label("a server keeps no place in the history for us")
            .help("use `at_least_once`, and let the server pass over a `delta` that it has");
        checks.report_at(&path, diagnostic);
    } else if sink.on_slow == OnSlow::DropOldest && sink.guarantee != DeliveryGuarantee::AtMostOnce {
        let diagnostic =
            Diagnostic::error(GUARANTEE, format!("sink \"{}\" promises more than `drop_oldest` keeps", sink.name))
                .label("it leaves deltas out")
                .help("set `guarantee = \"at_most_once\"`, or use `spill`");
        checks.report_at(&["sink", &sink.name, "on_slow"], diagnostic);
    }
    let table = sink.what == SinkContent::Table;
    for key in ["guarantee", "on_slow"] {
        if table && checks.place(&["sink", &sink.name, key]).is_some() {
            let diagnostic =
                Diagnostic::error(NOT_WITH_KIND, format!("`{key}` cannot be honoured in sink \"{}\"", sink.name))
                    .label("a whole table is written at the end of a run")
                    .help(format!("remove `{key}`, or set `what = \"deltas\"`"));
            checks.report_at(&["sink", &sink.name, key], diagnostic);
        }
    }
}

fn check_fields(checks: &mut Checks<'_, '_>, sink: &Sink) {
    let path = ["sink", &sink.name, "fields"];
    if !matches!(sink.kind, SinkKind::Jsonl | SinkKind::Webhook) && checks.place(&path).is_some() {
        let diagnostic =
            Diagnostic::error(NOT_WITH_KIND, format!("`fields` cannot be honoured in sink \"{}\"", sink.name))
                .label(format!("the columns of `{}` are fixed", sink.kind.name()))
                .help("remove `fields`, or set `kind = \"jsonl\"`");
        return checks.report_at(&path, diagnostic);
    }
    for (index, field) in sink.fields.iter().enumerate() {
        let index = index.to_string();
        if sink.what == SinkContent::Table && !TABLE_FIELDS.contains(field) {
            let diagnostic =
                Diagnostic::error(NOT_WITH_KIND, format!("sink \"{}\" has no field `{}`", sink.name, field.name()))
                    .label("a row of a table is not a change")
                    .help("remove it, or set `what = \"deltas\"`");
            checks.report_at(&["sink", &sink.name, "fields", &index], diagnostic);
        } else if sink.fields.iter().filter(|other| *other == field).count() > 1 && checks.place(&path).is_some() {
            let diagnostic = Diagnostic::error(
                super::codes::DUPLICATE,
                format!("sink \"{}\" lists `{}` twice", sink.name, field.name()),
            )
            .label("listed more than once")
            .help("list each field once");
            return checks.report_at(&["sink", &sink.name, "fields", &index], diagnostic);
        }
    }
}

fn check_output(checks: &mut Checks<'_, '_>, index: usize, sink: &Sink) {
    if sink.kind == SinkKind::Webhook || sink.server.is_some() {
        return servers::check_same_place(checks, index, sink);
    }
    let pipeline = checks.pipeline;
    let path = ["sink", &sink.name, "path"];
    if let Some(other) = pipeline.sinks[..index].iter().find(|other| other.path == sink.path) {
        let diagnostic = Diagnostic::error(
            SAME_OUTPUT,
            format!("sinks \"{}\" and \"{}\" write to the same path", other.name, sink.name),
        )
        .label("already taken")
        .help("give each sink its own path");
        return checks.report_at(&path, diagnostic);
    }
    if checks.place(&["pipeline", "store"]).is_some() && Path::new(&sink.path).starts_with(&pipeline.settings.store) {
        let diagnostic = Diagnostic::error(SAME_OUTPUT, format!("sink \"{}\" writes into the repository", sink.name))
            .label("inside `store`")
            .help("choose a path outside of the repository");
        checks.report_at(&path, diagnostic);
    }
}

/// Tables of several collections may differ in width: they need a file each.
fn check_collections(checks: &mut Checks<'_, '_>, sink: &Sink) {
    let pipeline = checks.pipeline;
    let into: Vec<_> = pipeline.routes.iter().filter(|route| route.to.contains(&sink.name)).collect();
    let collections: BTreeSet<&str> = pipeline
        .sources
        .iter()
        .map(|source| source.collection.as_str())
        .filter(|collection| into.iter().any(|route| may_match(route, collection)))
        .collect();
    let one_place = !sink.by_collection();
    if !matches!(sink.kind, SinkKind::Jsonl | SinkKind::Webhook) && one_place && collections.len() > 1 {
        let names: Vec<&str> = collections.into_iter().collect();
        let key = sink.server.as_ref().map_or("path", |server| server.place().0);
        let diagnostic =
            Diagnostic::error(MIXED_COLLECTIONS, format!("sink \"{}\" would mix collections in one output", sink.name))
                .label(format!("{} arrive here", names.join(", ")))
                .help(format!("put `{{collection}}` into the {key}"));
        checks.report_at(&["sink", &sink.name, key], diagnostic);
    }
}
