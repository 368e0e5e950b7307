//! An error or a warning, with its place.

use std::ops::Range;

use super::tree::Place;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The pipeline does not run.
    Error,
    /// The pipeline runs; the user should know.
    Warning,
}

/// One finding about a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The code, for example `VD0104`; [`super::explain`] knows more about it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The `--set KEY=VALUE` argument at fault; span, line and column then count in its text.
    pub flag: Option<String>,
    /// The bytes at fault.
    pub span: Option<Range<usize>>,
    /// What to say beside the caret.
    pub label: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The way out.
    pub help: Option<String>,
    /// What else is good to know.
    pub notes: Vec<String>,
}

impl Diagnostic {
    pub(super) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message.into())
    }

    pub(super) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message.into())
    }

    fn new(code: &'static str, severity: Severity, message: String) -> Self {
        Self {
            code,
            severity,
            message,
            flag: None,
            span: None,
            label: None,
            line: 1,
            column: 1,
            help: None,
            notes: Vec::new(),
        }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Everything that is wrong with a pipeline file; `errors` is never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What keeps the pipeline from running, in the order of the file.
    pub errors: Vec<Diagnostic>,
    /// What the user should know.
    pub warnings: Vec<Diagnostic>,
}

/// The texts that places point into, and what was found about them.
pub(super) struct Report<'a> {
    text: &'a str,
    flags: Vec<String>,
    found: Vec<(usize, Diagnostic)>,
}

impl<'a> Report<'a> {
    /// Starts a report on a file and the `--set` arguments beside it.
    pub(super) fn new(text: &'a str, flags: Vec<String>) -> Self {
        Self { text, flags, found: Vec::new() }
    }

    /// Adds a finding at a place.
    pub(super) fn push(&mut self, place: &Place, mut diagnostic: Diagnostic) {
        let flag = place.flag.and_then(|i| self.flags.get(i));
        let text = flag.map_or(self.text, String::as_str);
        let span = clamp(text, &place.span);
        (diagnostic.line, diagnostic.column) = line_column(text, span.start);
        diagnostic.span = Some(span);
        diagnostic.flag = flag.cloned();
        let order = place.flag.map_or(0, |i| i + 1);
        self.found.push((order, diagnostic));
    }

    /// Returns how many errors there are.
    pub(super) fn error_count(&self) -> usize {
        self.found.iter().filter(|(_, d)| d.severity == Severity::Error).count()
    }

    /// Returns the line of a place, if it lies in the file.
    pub(super) fn line_of(&self, place: &Place) -> Option<usize> {
        place.flag.is_none().then(|| line_column(self.text, clamp(self.text, &place.span).start).0)
    }

    /// Sorts the findings by place and splits them by severity.
    pub(super) fn finish(mut self) -> Diagnosis {
        self.found.sort_by_key(|(order, d)| {
            let start = d.span.as_ref().map_or(0, |span| span.start);
            (*order, start)
        });
        let (errors, warnings) =
            self.found.into_iter().map(|(_, diagnostic)| diagnostic).partition(|d| d.severity == Severity::Error);
        Diagnosis { errors, warnings }
    }
}

/// Moves a span into the text and onto character boundaries.
pub(super) fn clamp(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Returns the line and the column in characters of a byte offset, both from 1.
fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
