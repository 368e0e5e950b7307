//! `[[test]]`: cases that cannot pass, whatever the pipeline does.

use super::check::Checks;
use super::codes::TEST_CANNOT_PASS;
use super::diagnostic::Diagnostic;
use super::suggest::nearest;
use super::types::Test;
use crate::delta::Change;

/// Checks every test.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    let tests = &checks.pipeline.tests;
    for (index, test) in tests.iter().enumerate() {
        let index = index.to_string();
        if checks.sound("test", &index) {
            check_collection(checks, &index, test);
            check_vectors(checks, &index, test);
            check_change(checks, &index, test);
            check_names(checks, &index, test);
        }
    }
}

fn impossible(test: &Test, why: &str) -> Diagnostic {
    Diagnostic::error(TEST_CANNOT_PASS, format!("test \"{}\" cannot pass: {why}", test.name.escape_debug()))
}

fn check_collection(checks: &mut Checks<'_, '_>, index: &str, test: &Test) {
    let sources = &checks.pipeline.sources;
    let known: Vec<&str> = sources.iter().map(|source| source.collection.as_str()).collect();
    let collection = test.given.collection.as_str();
    if known.is_empty() || known.contains(&collection) {
        return;
    }
    let diagnostic = if collection.is_empty() {
        impossible(test, "it names no collection").label("the file has several collections")
    } else {
        let diagnostic = impossible(test, "no source fills its collection");
        match nearest(collection, known.iter().copied()) {
            Some(near) => diagnostic.label(format!("did you mean \"{near}\"?")),
            None => diagnostic.label("not a collection of this file"),
        }
    };
    checks.report_at(
        &["test", index, "given", "collection"],
        diagnostic.note(format!("collections: {}", known.join(", "))),
    );
}

fn check_vectors(checks: &mut Checks<'_, '_>, index: &str, test: &Test) {
    let (before, after) = (test.given.before.as_ref(), test.given.after.as_ref());
    let width = after.or(before).map_or(0, Vec::len);
    if before.is_none() && after.is_none() {
        let diagnostic = impossible(test, "nothing happens in it")
            .label("neither `before` nor `after`")
            .help("give `after` for an insert, `before` for a delete, both for an update");
        checks.report_at(&["test", index, "given"], diagnostic);
    } else if before.is_some_and(|before| before.len() != width) {
        let diagnostic = impossible(test, "its vectors differ in width")
            .label(format!("{} numbers before, {width} after", before.map_or(0, Vec::len)))
            .help("give both the same number of components");
        checks.report_at(&["test", index, "given", "before"], diagnostic);
    } else if let Some(changed) =
        test.expect.changed_dims.filter(|changed| usize::try_from(*changed).is_ok_and(|changed| changed > width))
    {
        let diagnostic = impossible(test, "more components change than there are")
            .label(format!("{changed} of {width}"))
            .help(format!("expect {width} or fewer"));
        checks.report_at(&["test", index, "expect", "changed_dims"], diagnostic);
    }
}

fn check_change(checks: &mut Checks<'_, '_>, index: &str, test: &Test) {
    let (given, expect) = (&test.given, &test.expect);
    let change = match (&given.before, &given.after) {
        (None, Some(_)) => Change::Insert,
        (Some(_), None) => Change::Delete,
        (Some(_), Some(_)) => Change::Update,
        (None, None) => return,
    };
    if expect.change.is_some_and(|expected| expected != change) {
        let diagnostic = impossible(test, "it expects another kind of change")
            .label(format!("`before` and `after` make it {}", change.name()))
            .help(format!("expect \"{}\"", change.name()));
        checks.report_at(&["test", index, "expect", "change"], diagnostic);
    }
    let follows =
        expect.change.is_some() || expect.route.is_some() || expect.to.as_ref().is_some_and(|to| !to.is_empty());
    if expect.captured == Some(false) && follows {
        let diagnostic = impossible(test, "it expects what only a captured change has")
            .label("a change that is not captured has no route and no kind")
            .help("expect `captured = false` alone");
        checks.report_at(&["test", index, "expect", "captured"], diagnostic);
    }
}

fn check_names(checks: &mut Checks<'_, '_>, index: &str, test: &Test) {
    let pipeline = checks.pipeline;
    let routes: Vec<&str> = pipeline.routes.iter().map(|route| route.name.as_str()).collect();
    let sinks: Vec<&str> = pipeline.sinks.iter().map(|sink| sink.name.as_str()).collect();
    if let Some(route) = test.expect.route.as_deref() {
        check_name(checks, test, &["test", index, "expect", "route"], ("route", route), &routes);
    }
    for (item, sink) in checks.texts(&["test", index, "expect", "to"]) {
        let item = item.to_string();
        check_name(checks, test, &["test", index, "expect", "to", &item], ("sink", &sink), &sinks);
    }
}

fn check_name(checks: &mut Checks<'_, '_>, test: &Test, path: &[&str], (noun, name): (&str, &str), known: &[&str]) {
    if known.contains(&name) {
        return;
    }
    let diagnostic = impossible(test, &format!("there is no {noun} \"{}\"", name.escape_debug()));
    let diagnostic = match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean \"{near}\"?")),
        None => diagnostic.label("not known"),
    };
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    checks.report_at(path, diagnostic.note(format!("{noun}s of this file: {known}")));
}
