//! TOML to tree, with every syntax error in one run.
//!
//! The parser recovers by itself, but one unclosed bracket makes it misread the rest of the file. So: take the first
//! error, blank out the statement that holds it (same length, so that places stay true), parse again.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::codes::{DUPLICATE, SYNTAX};
use super::diagnostic::{Diagnostic, Report};
use super::tree::{Node, Place, Value, table};

/// How many syntax errors one run shows; further ones are hardly read.
const ERRORS_MAX: usize = 16;

/// The parsed file.
pub(super) struct Parsed {
    /// The table at the top.
    pub(super) root: Node,
    /// Whether nothing was left out: then what is absent is really absent.
    pub(super) whole: bool,
}

/// Parses a file and reports its syntax errors; `None` when there are too many to make sense of the rest.
pub(super) fn parse(text: &str, report: &mut Report<'_>) -> Option<Parsed> {
    let mut work = text.to_owned();
    for round in 0..=ERRORS_MAX {
        let (root, errors) = DeTable::parse_recoverable(&work);
        let Some(error) = errors.iter().min_by_key(|error| offset(error)) else {
            let value = Value::Table(table(root.get_ref(), None, 0));
            let place = Place::default();
            return Some(Parsed { root: Node { value, place }, whole: round == 0 });
        };
        let statement = Statement::around(&work, root.get_ref(), offset(error));
        let (span, diagnostic) = describe(&work, root.get_ref(), error, &statement);
        report.push(&Place { flag: None, span }, diagnostic);
        work = blanked(&work, &statement.lines)?;
    }
    None
}

fn offset(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// The lines that stand or fall with an error.
struct Statement {
    lines: Range<usize>,
    /// The key, when its value runs into the next statement: it was never closed.
    unclosed: Option<(String, Range<usize>)>,
}

impl Statement {
    fn around(text: &str, root: &DeTable<'_>, at: usize) -> Self {
        let at = at.min(text.len());
        let mut holder = None;
        find_holder(text, root, at, &mut holder);
        let Some((key, key_span, value_end)) = holder else {
            return Self::plain(text, at);
        };
        let start = line_start(text, key_span.start);
        let end = line_end(text, value_end.max(at));
        let next =
            lines_from(text, line_end(text, key_span.end)).find(|&line| line < end && is_statement(&text[line..]));
        Self { lines: start..next.unwrap_or(end), unclosed: next.map(|_| (key, key_span)) }
    }

    /// The line of the error; a faulty header takes its whole section along, whose keys would land elsewhere.
    fn plain(text: &str, at: usize) -> Self {
        let start = line_start(text, at);
        let end = line_end(text, at);
        let header = text[start..].starts_with('[');
        let next = lines_from(text, end).find(|&line| text[line..].starts_with('['));
        Self { lines: start..if header { next.unwrap_or(text.len()) } else { end }, unclosed: None }
    }
}

/// Finds the outermost `key = value` around an offset: its key and where the value ends.
fn find_holder(text: &str, table: &DeTable<'_>, at: usize, found: &mut Option<(String, Range<usize>, usize)>) {
    for (key, value) in table.iter() {
        let (key_span, end) = (key.span(), value.span().end);
        let header = text[line_start(text, key_span.start)..].starts_with('[');
        let outer = found.as_ref().is_none_or(|(_, span, _)| key_span.start < span.start);
        if !header && outer && key_span.start <= at && at <= end {
            *found = Some((key.get_ref().to_string(), key_span, end));
        }
        find_in_value(text, value.get_ref(), at, found);
    }
}

fn find_in_value(text: &str, value: &DeValue<'_>, at: usize, found: &mut Option<(String, Range<usize>, usize)>) {
    match value {
        DeValue::Table(table) => find_holder(text, table, at, found),
        DeValue::Array(items) => items.iter().for_each(|item| find_in_value(text, item.get_ref(), at, found)),
        _ => {}
    }
}

/// Returns whether a line looks like the start of a statement: `key =` or `[header`, not indented.
fn is_statement(line: &str) -> bool {
    let line = line.lines().next().unwrap_or_default();
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let header = line.trim_start_matches('[');
    if header.len() < line.len() {
        return header.starts_with(bare) && header.contains(']') && !header.contains(['=', ',', '"']);
    }
    line.starts_with(bare) && line.trim_start_matches(bare).trim_start().starts_with('=')
}

fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1)
}

/// Returns where the line after `at` starts.
fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text.as_bytes()[at..].iter().position(|&b| b == b'\n').map_or(text.len(), |newline| at + newline + 1)
}

fn lines_from(text: &str, start: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(start), |&line| Some(line_end(text, line))).take_while(|&line| line < text.len())
}

/// Replaces lines by spaces; `None` when there was nothing to replace.
fn blanked(text: &str, lines: &Range<usize>) -> Option<String> {
    let body = &text[lines.clone()];
    if body.trim().is_empty() {
        return None;
    }
    let blank: String = body.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
    Some(format!("{}{blank}{}", &text[..lines.start], &text[lines.end..]))
}

fn describe(text: &str, root: &DeTable<'_>, error: &Error, statement: &Statement) -> (Range<usize>, Diagnostic) {
    let span = error.span().unwrap_or(0..0);
    if let Some((key, key_span)) = &statement.unclosed {
        let diagnostic = Diagnostic::error(SYNTAX, format!("the value of `{key}` is not closed"))
            .label("this value runs into the next line's key")
            .help("add the missing `]`, `}` or quote");
        return (key_span.clone(), diagnostic);
    }
    let (message, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
    if message == "duplicate key" {
        return (span.clone(), duplicate(text, root, span));
    }
    let diagnostic = Diagnostic::error(SYNTAX, message);
    let diagnostic = match (message, expected) {
        ("string values must be quoted", _) => diagnostic.label("write it in quotes"),
        (_, "" | "nothing") => diagnostic.label("not TOML"),
        (_, expected) => diagnostic.label(format!("expected {expected}")),
    };
    (span, diagnostic)
}

fn duplicate(text: &str, root: &DeTable<'_>, span: Range<usize>) -> Diagnostic {
    let key = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
    let diagnostic = Diagnostic::error(DUPLICATE, format!("`{key}` is given twice"))
        .label("given before")
        .help("remove one of the two");
    let line_number = |at: usize| text[..at].matches('\n').count() + 1;
    let first = last_before(root, key, span.start).map(line_number);
    match first.or_else(|| same_line_before(text, span.start)) {
        Some(line) => diagnostic.note(format!("first given on line {line}")),
        None => diagnostic,
    }
}

/// Returns the number of an earlier line with the same text: the first of two equal headers.
fn same_line_before(text: &str, at: usize) -> Option<usize> {
    let start = line_start(text, at);
    let line = text[start..line_end(text, start)].trim();
    Some(text[..start].lines().position(|other| other.trim() == line)? + 1)
}

/// Returns where a key of this name last stands before an offset.
fn last_before(table: &DeTable<'_>, name: &str, before: usize) -> Option<usize> {
    let here = |key: &str, at: usize| (key == name && at < before).then_some(at);
    table
        .iter()
        .flat_map(|(key, value)| {
            let below = match value.get_ref() {
                DeValue::Table(table) => last_before(table, name, before),
                DeValue::Array(items) => {
                    items.iter().filter_map(|item| last_before(item.get_ref().as_table()?, name, before)).max()
                }
                _ => None,
            };
            [here(key.get_ref(), key.span().start), below]
        })
        .flatten()
        .max()
}
