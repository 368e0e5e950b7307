//! A diagnostic as text for a terminal.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity, clamp};
use super::value::masked;

/// Renders a diagnostic with the line at fault, a caret, and the way out; ends without a line break.
///
/// `text` is the text that [`super::parse`] was given. With `color` the result holds ANSI escapes.
pub fn render(file_name: &str, text: &str, diagnostic: &Diagnostic, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let (path, source) = match &diagnostic.flag {
        Some(flag) => ("command line", flag.as_str()),
        None => (file_name, text),
    };
    let source = &*masked(source);
    let mut group =
        level.primary_title(diagnostic.message.as_str()).id(diagnostic.code).element(snippet(path, source, diagnostic));
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.no_name().message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// The line at fault alone: a value that spans several lines is marked on its first.
fn snippet<'a>(
    path: &'a str,
    source: &'a str,
    diagnostic: &'a Diagnostic,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let span = clamp(source, &diagnostic.span.clone().unwrap_or(0..0));
    let start = span.start;
    let first = source[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = source[start..].find('\n').map_or(source.len(), |newline| start + newline);
    let line = source[first..last].trim_end_matches('\r');
    let end = span.end.clamp(start, (first + line.len()).max(start)) - first;
    let mark = AnnotationKind::Primary.span(start - first..end).label(diagnostic.label.as_deref());
    Snippet::source(line).line_start(diagnostic.line).path(path).annotation(mark)
}
