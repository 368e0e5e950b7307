//! `[source.NAME]`: reading it, and what its settings demand of each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::check::Checks;
use super::codes::{DELETE_WITHOUT_EPOCH, MISSING_KEY, NOT_WITH_KIND, STDIN, WATCH};
use super::diagnostic::Diagnostic;
use super::followed;
use super::table::{SOURCE, VECTOR};
use super::tree::{Node, Place};
use super::types::{FileOrder, Input, OnReject, Source, SourceKind};
use super::view::View;
use crate::capture::Missing;

/// Reads one source.
pub(super) fn read(name: &str, node: &Node, base_dir: &Path) -> Source {
    let view = View::new(Some(node), &SOURCE);
    let vector = view.table("vector", &VECTOR);
    let inputs = view.texts("path").unwrap_or_default();
    let column = vector.map_or_else(|| view.text("vector"), |vector| vector.text("column"));
    let kind = view.choice("kind").unwrap_or(SourceKind::Files);
    let server = followed::read(kind, view, column.clone(), base_dir);
    let inputs: Vec<Input> = match kind {
        SourceKind::Feed => vec![Input::Feed],
        SourceKind::Socket | SourceKind::Nats | SourceKind::Postgres => Vec::new(),
        _ => inputs.iter().map(|path| input(base_dir, path)).collect(),
    };
    let epoch = server.is_none() && view.bool("epoch").unwrap_or(true);
    let source = Source {
        name: name.to_owned(),
        kind,
        inputs,
        meta: view.texts("meta").unwrap_or_default(),
        watch: view.bool("watch").unwrap_or(false),
        order: view.choice("order").unwrap_or(FileOrder::FileName),
        id: view.text("id"),
        vector: column,
        dims: vector.and_then(|vector| vector.count_32("dims")),
        collection: view.text("collection").unwrap_or_else(|| name.to_owned()),
        missing: view.choice("missing").unwrap_or(Missing::Keep),
        epoch,
        deleted: view.text("deleted").filter(|_| kind == SourceKind::Jsonl),
        server,
        on_reject: OnReject::Stop,
    };
    let live = source.live() || source.server.is_some();
    let usual = if live && !epoch { OnReject::DeadLetter } else { OnReject::Stop };
    Source { on_reject: view.choice("on_reject").unwrap_or(usual), ..source }
}

fn input(base_dir: &Path, text: &str) -> Input {
    if text == "-" {
        return Input::Stdin;
    }
    let Some(wildcard) = text.find(['*', '?', '[', '{', '\\']) else {
        return Input::File(absolute(base_dir, text));
    };
    let cut = text[..wildcard].rfind('/').map_or(0, |slash| slash + 1);
    Input::Glob { directory: absolute(base_dir, &text[..cut]), pattern: text[cut..].to_owned() }
}

/// Joins a path to the file's directory and drops `.` on the way; `..` stays, because a link may stand before it.
pub(super) fn absolute(base_dir: &Path, text: &str) -> PathBuf {
    base_dir.join(text).components().collect()
}

/// Checks what the settings of each source demand of each other.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    let mut stdin: BTreeMap<&str, Place> = BTreeMap::new();
    for source in &checks.pipeline.sources {
        if source.inputs.contains(&Input::Stdin)
            && let Some(place) = checks.place(&["source", &source.name, "path"])
        {
            stdin.insert(&source.name, place);
        }
        if checks.sound("source", &source.name) {
            check_missing(checks, source);
            check_kind(checks, source);
            check_stdin(checks, source);
            check_watch(checks, source);
            check_on_reject(checks, source);
            check_deleted(checks, source);
            check_path(checks, source);
            followed::check(checks, source);
        }
    }
    if stdin.len() > 1
        && let Some((name, place)) = stdin.pop_last()
    {
        let names: Vec<&str> = stdin.keys().copied().collect();
        let diagnostic = Diagnostic::error(
            STDIN,
            format!("sources \"{}\" and \"{name}\" both read standard input", names.join("\", \"")),
        )
        .label("there is only one standard input")
        .help("read one of them from files");
        checks.report(&place, diagnostic);
    }
}

fn check_missing(checks: &mut Checks<'_, '_>, source: &Source) {
    if source.missing == Missing::Delete && !source.epoch {
        let diagnostic =
            Diagnostic::error(DELETE_WITHOUT_EPOCH, format!("source \"{}\" cannot delete missing ids", source.name))
                .label("`epoch = false`: a stream of changes never says which ids are missing")
                .help("set `missing = \"keep\"`, or `epoch = true` when each file holds all rows");
        checks.report_at(&["source", &source.name, "missing"], diagnostic);
    }
}

/// Refuses names of columns in formats that have none.
fn check_kind(checks: &mut Checks<'_, '_>, source: &Source) {
    let plain = matches!(source.kind, SourceKind::Npy | SourceKind::Fvecs);
    let ids = plain || source.kind == SourceKind::Safetensors;
    if ids && source.id.is_some() {
        refuse(checks, source, &["id"], "ids are row numbers");
    }
    if plain && source.vector.is_some() {
        let path: &[&str] =
            if source.dims.is_some() || checks.place(&["source", &source.name, "vector", "column"]).is_some() {
                &["vector", "column"]
            } else {
                &["vector"]
            };
        refuse(checks, source, path, "there are no columns");
    }
}

fn refuse(checks: &mut Checks<'_, '_>, source: &Source, path: &[&str], why: &str) {
    let key = path.last().copied().unwrap_or_default();
    let diagnostic =
        Diagnostic::error(NOT_WITH_KIND, format!("`{key}` cannot be honoured in source \"{}\"", source.name))
            .label(format!("in `{}` {why}", source.kind.name()))
            .help(format!("remove `{key}`"));
    let full: Vec<&str> = ["source", &source.name].into_iter().chain(path.iter().copied()).collect();
    checks.report_at(&full, diagnostic);
}

/// A source that waits for files must be told by a pattern which ones, and cannot wait for the end of one.
fn check_watch(checks: &mut Checks<'_, '_>, source: &Source) {
    if !source.watch {
        return;
    }
    let pattern = source.inputs.iter().all(|input| matches!(input, Input::Glob { .. }));
    if !pattern {
        let diagnostic = Diagnostic::error(WATCH, format!("source \"{}\" has nothing to wait for", source.name))
            .label("`path` names one file, not a pattern")
            .help("write a pattern such as \"dumps/*.parquet\", or remove `watch`");
        checks.report_at(&["source", &source.name, "watch"], diagnostic);
    }
}

/// A file is committed as it is, or not at all.
fn check_on_reject(checks: &mut Checks<'_, '_>, source: &Source) {
    let live = source.live() || source.server.is_some();
    if source.on_reject == OnReject::DeadLetter && (source.epoch || !live) {
        let why =
            if source.live() { "an epoch is taken whole or not at all" } else { "a file can be mended and read again" };
        let diagnostic =
            Diagnostic::error(NOT_WITH_KIND, format!("`on_reject` cannot be honoured in source \"{}\"", source.name))
                .label(why)
                .help("remove it, or read a stream of changes: standard input or a feed with `epoch = false`");
        checks.report_at(&["source", &source.name, "on_reject"], diagnostic);
    }
}

/// In a file of a stream an id may come back behind its end, and batches of rows do not say where.
fn check_deleted(checks: &mut Checks<'_, '_>, source: &Source) {
    if source.deleted.is_some() && !source.epoch {
        refuse(checks, source, &["deleted"], "only files that are epochs say that ids are gone");
    }
}

fn check_path(checks: &mut Checks<'_, '_>, source: &Source) {
    let given = checks.place(&["source", &source.name, "path"]);
    match (source.kind, given) {
        (SourceKind::Feed, Some(place)) => {
            let diagnostic =
                Diagnostic::error(NOT_WITH_KIND, format!("`path` cannot be honoured in source \"{}\"", source.name))
                    .label("rows are handed in by the program around the pipeline")
                    .help("remove `path`");
            checks.report(&place, diagnostic);
        }
        (SourceKind::Feed, None) if source.epoch => {
            let diagnostic = Diagnostic::error(NOT_WITH_KIND, format!("source \"{}\" has no epochs", source.name))
                .label("rows that are handed in are a stream of changes")
                .help("add `epoch = false`");
            checks.report_at(&["source", &source.name, "kind"], diagnostic);
        }
        (SourceKind::Feed | SourceKind::Socket | SourceKind::Nats | SourceKind::Postgres, None) | (_, Some(_)) => {}
        // What has no kind either is no source, and was reported.
        (_, None) if checks.place(&["source", &source.name, "kind"]).is_none() => {}
        (_, None) => {
            let diagnostic = Diagnostic::error(MISSING_KEY, format!("`path` is missing in source \"{}\"", source.name))
                .label("no `path` here")
                .help("add `path = ..`: a path or glob, or a list of them");
            checks.report_key(&["source", &source.name], diagnostic);
        }
    }
}

fn check_stdin(checks: &mut Checks<'_, '_>, source: &Source) {
    if !source.inputs.contains(&Input::Stdin) {
        return;
    }
    let path = ["source", &source.name, "path"];
    if !matches!(source.kind, SourceKind::Jsonl | SourceKind::Arrow) {
        let diagnostic = Diagnostic::error(
            STDIN,
            format!("source \"{}\" cannot read `{}` from standard input", source.name, source.kind.name()),
        )
        .label("`-` is standard input")
        .help("set `kind = \"jsonl\"` or `kind = \"arrow\"`, or give a path");
        checks.report_at(&path, diagnostic);
    } else if source.inputs.len() > 1 {
        let diagnostic = Diagnostic::error(STDIN, format!("source \"{}\" reads standard input and files", source.name))
            .label("`-` must be alone")
            .help("make two sources of it; they may fill the same collection");
        checks.report_at(&path, diagnostic);
    }
    if checks.place(&["source", &source.name, "order"]).is_some() {
        let diagnostic = Diagnostic::error(STDIN, format!("`order` cannot be honoured in source \"{}\"", source.name))
            .label("standard input is not a list of files")
            .help("remove `order`");
        checks.report_at(&["source", &source.name, "order"], diagnostic);
    }
}
