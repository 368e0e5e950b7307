//! One value against one kind: the type, then the content.

use super::codes::{
    DIM_RANGE, DURATION, EMPTY, GLOB, HOURS, NAME, NOT_SUPPORTED, OUT_OF_RANGE, PLACEHOLDER, SIZE, STDIN, UNKNOWN_WORD,
    URL,
};
use super::diagnostic::Diagnostic;
use super::keys::{Kind, Word};
use super::suggest::nearest;
use super::table::LATER;
use super::tree::{Node, Value};
use super::value;
use super::walk::{bad_name, wrong_type};
use crate::delta::{Glob, Timestamp, check_collection, check_ref};
use crate::route::Hours;

/// Returns whether a value has the TOML type of a kind, whatever its content.
pub(super) fn fits(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Count { .. } => matches!(value, Value::Integer(_)),
        Kind::Number { .. } | Kind::AnyNumber => {
            matches!(value, Value::Integer(_) | Value::Float(_))
        }
        Kind::Bool | Kind::True => matches!(value, Value::Bool(_)),
        Kind::List(..) => matches!(value, Value::List(_)),
        Kind::Table(_) | Kind::Map(_) | Kind::Named(_) | Kind::Rows(_) => matches!(value, Value::Table(_)),
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(kind, value)),
        _ => matches!(value, Value::Text { .. }),
    }
}

/// Returns what is wrong with a value that is neither a list nor a table; `what` names it in messages.
pub(super) fn problem(node: &Node, kind: &Kind, name: &str, what: &str) -> Option<Diagnostic> {
    if !fits(kind, &node.value) {
        return Some(with_unit(node, kind, wrong_type(node, what, &kind.expected())));
    }
    match &node.value {
        Value::Text { text, .. } if text.is_empty() => {
            let diagnostic = Diagnostic::error(EMPTY, format!("{what} is empty"));
            Some(diagnostic.label(format!("expected {}", kind.expected())))
        }
        Value::Text { text, .. } => match kind {
            Kind::Name => check_collection(text).err().map(|_| bad_name(what, &node.shown())),
            Kind::Word(words) => {
                let known = words.iter().any(|word| word.name == text);
                (!known).then(|| unknown_word(node, text, words, name, what))
            }
            kind => text_problem(text, kind).map(|(code, problem)| {
                Diagnostic::error(code, format!("{what} cannot be {}", node.shown())).label(problem)
            }),
        },
        Value::Integer(number) => integer_problem(*number, kind, what),
        Value::Float(number) => number_problem(*number, kind, what),
        Value::Bool(false) if matches!(kind, Kind::True) => {
            let diagnostic = Diagnostic::error(OUT_OF_RANGE, format!("{what} can only be true"));
            Some(diagnostic.label("found false").help(format!("remove `{name}`")))
        }
        _ => None,
    }
}

/// Adds what a bare number of bytes is in units.
fn with_unit(node: &Node, kind: &Kind, diagnostic: Diagnostic) -> Diagnostic {
    match (kind, &node.value) {
        (Kind::Size, Value::Integer(bytes)) if *bytes > 0 => match u64::try_from(*bytes) {
            Ok(bytes) => diagnostic.help(format!("for {bytes} bytes write \"{}\"", value::show_size(bytes))),
            Err(_) => diagnostic,
        },
        (Kind::Duration { .. }, Value::Integer(seconds)) if *seconds >= 0 => {
            diagnostic.help(format!("for {seconds} seconds write \"{seconds}s\""))
        }
        (kind, Value::Integer(number)) if fits(kind, &Value::Text { text: String::new(), env: None }) => {
            diagnostic.help(format!("write it in quotes: \"{number}\""))
        }
        _ => diagnostic,
    }
}

/// Returns the code and the way out when a text does not mean what its key needs.
fn text_problem(text: &str, kind: &Kind) -> Option<(&'static str, String)> {
    match kind {
        Kind::Branch => check_ref(text).err().map(|problem| (NAME, problem.to_owned())),
        Kind::Path if text == "-" => Some((STDIN, "only a source reads standard input".to_owned())),
        Kind::PathGlob | Kind::SourceGlob => Glob::new(text).err().map(|problem| (GLOB, problem.to_string())),
        Kind::Template(names) => value::template(text, names).err().map(|problem| (PLACEHOLDER, problem)),
        Kind::Size => match value::size(text) {
            Ok(0) => Some((OUT_OF_RANGE, "expected more than 0 bytes".to_owned())),
            Ok(_) => None,
            Err(problem) => Some((SIZE, problem)),
        },
        Kind::Duration { zero } => match value::duration(text) {
            Ok(time) if time.is_zero() && !zero => Some((OUT_OF_RANGE, "expected more than 0".to_owned())),
            Ok(_) => None,
            Err(problem) => Some((DURATION, problem)),
        },
        Kind::DimRange => value::dim_range(text).err().map(|problem| (DIM_RANGE, problem)),
        Kind::Hours => Hours::parse(text).err().map(|problem| (HOURS, problem)),
        Kind::Moment => match Timestamp::parse_rfc3339(text) {
            Some(_) => None,
            None => Some((HOURS, "write a moment such as \"2026-01-05T09:00:00Z\"".to_owned())),
        },
        Kind::Url => value::url(text).err().map(|problem| (URL, problem)),
        _ => None,
    }
}

fn unknown_word(node: &Node, text: &str, words: &[Word], name: &str, what: &str) -> Diagnostic {
    let names: Vec<&str> = words.iter().map(|word| word.name).collect();
    let later = LATER
        .iter()
        .filter(|later| what.contains(&format!("in {} \"", later.noun())))
        .find(|later| later.key == name && later.value == Some(text));
    let allowed = format!("allowed: {}", names.join(", "));
    if let Some(later) = later {
        return Diagnostic::error(
            NOT_SUPPORTED,
            format!("{} for {what} is not supported by this version", node.shown()),
        )
        .label("cannot be honoured")
        .help(later.instead)
        .note(allowed);
    }
    let diagnostic = Diagnostic::error(UNKNOWN_WORD, format!("{what} cannot be {}", node.shown())).note(allowed);
    match nearest(text, names) {
        Some(near) => diagnostic.label(format!("did you mean \"{near}\"?")),
        None => diagnostic.label("not one of the allowed words"),
    }
}

fn integer_problem(number: i128, kind: &Kind, what: &str) -> Option<Diagnostic> {
    match *kind {
        Kind::Count { min, max } => {
            let fits = number >= i128::from(min) && number <= i128::from(max);
            (!fits).then(|| out_of_range(&number.to_string(), kind, what))
        }
        // Rounding cannot carry a number across a bound: the bounds are small.
        _ => number_problem(number as f64, kind, what),
    }
}

fn number_problem(number: f64, kind: &Kind, what: &str) -> Option<Diagnostic> {
    let Kind::Number { min, max } = *kind else {
        return None;
    };
    let fits = number.is_finite() && number >= min && number <= max;
    (!fits).then(|| out_of_range(&number.to_string(), kind, what))
}

fn out_of_range(found: &str, kind: &Kind, what: &str) -> Diagnostic {
    Diagnostic::error(OUT_OF_RANGE, format!("{what} cannot be {found}")).label(format!("expected {}", kind.expected()))
}

/// Returns what is wrong with the name of a section.
pub(super) fn name_problem(name: &str, what: &str) -> Option<Diagnostic> {
    let bad = check_collection(name).is_err();
    bad.then(|| bad_name(what, &format!("`{}`", name.escape_debug())))
}
