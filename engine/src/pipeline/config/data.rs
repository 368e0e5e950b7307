//! Findings that need the data. Nothing here reads it: whoever did says what was found.

use super::codes::DIMS_DIFFER;
use super::diagnostic::{Diagnostic, Report};
use super::syntax;
use super::types::Source;

/// Returns the error that a source's `dims` is not the width of its data.
///
/// `text` is the file that the source came from; `found` is the width of the data; `note` says where it was seen.
pub fn dims_differ(text: &str, source: &Source, found: u32, note: &str) -> Diagnostic {
    let said = source.dims.map_or_else(|| "no width".to_owned(), |dims| dims.to_string());
    let diagnostic = Diagnostic::error(DIMS_DIFFER, "vector width does not match the data")
        .label(format!("config says {said}"))
        .note(note)
        .help(format!("set `dims = {found}`, or use a column of that width"));
    let mut report = Report::new(text, Vec::new());
    let parsed = syntax::parse(text, &mut report);
    let path = ["source", &source.name, "vector", "dims"];
    // `dims` may come from `--set`: then the nearest table of the file is shown.
    let place = parsed
        .and_then(|parsed| (1..=path.len()).rev().find_map(|len| Some(parsed.root.find(&path[..len])?.place.clone())));
    report.push(&place.unwrap_or_default(), diagnostic.clone());
    report.finish().errors.pop().unwrap_or(diagnostic)
}
