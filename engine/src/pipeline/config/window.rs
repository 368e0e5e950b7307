//! `[window.NAME]`: reading it, and whether it closes.

use std::time::Duration;

use super::check::Checks;
use super::codes::{CHOOSE_ONE, CLOCK as CLOCK_CODE, EPOCH_OF_STREAM, MAY_WAIT, MEMORY, META_UNREAD, NEVER_CLOSES};
use super::diagnostic::Diagnostic;
use super::route::may_match;
use super::table::{CLOCK, CLOSE, WINDOW};
use super::tree::Entry;
use super::types::{Clock, ClockKind, Close, Late, Route, Source, Triggers, Window};
use super::value::{show_duration, show_size};
use super::view::View;

/// The window that exists without being defined.
pub(super) const BUILT_IN: &str = "epoch";

/// Reads the windows that the file defines.
pub(super) fn read(entries: &[Entry]) -> Vec<Window> {
    entries
        .iter()
        .map(|entry| {
            let window = View::new(Some(&entry.node), &WINDOW);
            let view = View::new(window.given("close"), &CLOSE);
            let close = match view.bool("epoch") {
                Some(true) => Close::Epoch,
                _ => Close::First(triggers(view)),
            };
            let clock = clock(View::new(window.given("clock"), &CLOCK));
            let late = window.choice("late").unwrap_or_default();
            Window { name: entry.key.clone(), close, clock, late }
        })
        .collect()
}

impl Window {
    /// Says in words when it closes, and by whose time.
    pub(in crate::pipeline) fn policy_text(&self) -> String {
        let mut parts = Vec::new();
        match &self.close {
            Close::Epoch => parts.push("epoch".to_owned()),
            Close::First(t) => {
                let time =
                    |name: &str, time: Option<Duration>| time.map(|time| format!("{name} {}", show_duration(time)));
                parts.extend(time("after", t.after));
                parts.extend(time("every", t.every));
                parts.extend(time("gap", t.gap));
                parts.extend(t.count.map(|count| format!("count {count}")));
                parts.extend(t.bytes.map(|bytes| format!("bytes {}", show_size(bytes))));
                parts.extend(t.on_meta.as_ref().map(|column| format!("on_meta {column}")));
            }
        }
        if self.clock.kind == ClockKind::Event {
            let (column, lateness) = (self.clock.column.as_deref().unwrap_or_default(), self.clock.lateness);
            let idle = self.clock.idle.map_or_else(String::new, |idle| format!(" idle {}", show_duration(idle)));
            parts.push(format!("clock {column} lateness {}{idle}", show_duration(lateness)));
        }
        if self.late == Late::DeadLetter {
            parts.push("late dead_letter".to_owned());
        }
        parts.join(", ")
    }
}

fn triggers(view: View<'_>) -> Triggers {
    Triggers {
        after: view.duration("after"),
        every: view.duration("every"),
        gap: view.duration("gap"),
        on_meta: view.text("on_meta"),
        count: view.count("count"),
        bytes: view.size("bytes"),
    }
}

fn clock(view: View<'_>) -> Clock {
    Clock {
        kind: view.choice("kind").unwrap_or_default(),
        column: view.text("column"),
        lateness: view.duration("lateness").unwrap_or_default(),
        idle: view.duration("idle"),
    }
}

/// Adds the built-in window when a route uses it and the file does not define one of that name.
pub(super) fn add_built_in(windows: &mut Vec<Window>, routes: &[Route]) {
    let used = routes.iter().any(|route| route.window == BUILT_IN);
    let defined = windows.iter().any(|window| window.name == BUILT_IN);
    if used && !defined {
        windows.push(Window::new(BUILT_IN.to_owned(), Close::Epoch));
    }
}

/// Checks that every window closes and fits into memory.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    for window in &checks.pipeline.windows {
        if !checks.sound("window", &window.name) {
            continue;
        }
        check_clock(checks, window);
        match &window.close {
            Close::Epoch => check_epoch(checks, window),
            Close::First(triggers) if *triggers == Triggers::default() => never_closes(checks, window),
            Close::First(triggers) => {
                check_wait(checks, window, triggers);
                check_memory(checks, window, triggers);
            }
        }
    }
}

fn never_closes(checks: &mut Checks<'_, '_>, window: &Window) {
    let diagnostic = Diagnostic::error(NEVER_CLOSES, format!("window \"{}\" can stay open for ever", window.name))
        .label("nothing here closes it")
        .help("add `after = \"2s\"`, or use `epoch = true`");
    checks.report_at(&["window", &window.name, "close"], diagnostic);
}

/// A clock of events needs a column and an end of patience, and there is one for the whole file.
fn check_clock(checks: &mut Checks<'_, '_>, window: &Window) {
    let path = ["window", &window.name, "clock"];
    let place = |key: &'static str| ["window", window.name.as_str(), "clock", key];
    if let Close::First(Triggers { on_meta: Some(column), .. }) = &window.close {
        check_column(checks, column, &["window", &window.name, "close", "on_meta"]);
    }
    if window.clock.kind == ClockKind::Processing {
        for key in ["column", "lateness", "idle"] {
            if checks.place(&place(key)).is_some() {
                let diagnostic =
                    Diagnostic::error(CLOCK_CODE, format!("`{key}` cannot be honoured in window \"{}\"", window.name))
                        .label("the time of arrival is never late")
                        .help(format!("remove `{key}`, or set `kind = \"event\"`"));
                checks.report_at(&place(key), diagnostic);
            }
        }
        if window.late != Late::NewVersion {
            let diagnostic =
                Diagnostic::error(CLOCK_CODE, format!("nothing is ever late in window \"{}\"", window.name))
                    .label("it runs by the time of arrival")
                    .help("remove `late`, or give the window a `clock = { kind = \"event\", .. }`");
            checks.report_at(&["window", &window.name, "late"], diagnostic);
        }
        return;
    }
    match &window.clock.column {
        Some(column) => check_column(checks, column, &place("column")),
        None => {
            let diagnostic =
                Diagnostic::error(CLOCK_CODE, format!("the clock of window \"{}\" has no column", window.name))
                    .label("whose time?")
                    .help("add `column = ..`: a column that the source names in `meta`");
            checks.report_at(&path, diagnostic);
        }
    }
    if window.clock.idle.is_none() {
        let diagnostic = Diagnostic::error(NEVER_CLOSES, format!("window \"{}\" can stay open for ever", window.name))
            .label("event time stands still when the source is quiet, so the last window never closes")
            .help("add `idle = \"5s\"`, or use `kind = \"processing\"`");
        checks.report_at(&path, diagnostic);
    }
    if window.close == Close::Epoch {
        let diagnostic =
            Diagnostic::error(CLOCK_CODE, format!("`clock` cannot be honoured in window \"{}\"", window.name))
                .label("an epoch ends with its file, whatever the time")
                .help("remove `clock`");
        checks.report_at(&path, diagnostic);
    }
    let pipeline = checks.pipeline;
    let other =
        pipeline.windows.iter().take_while(|w| w.name != window.name).find(|w| w.clock.kind == ClockKind::Event);
    if let Some(other) = other
        && (other.clock != window.clock || other.late != window.late)
    {
        let diagnostic =
            Diagnostic::error(CLOCK_CODE, format!("window \"{}\" has another clock of events", window.name))
                .label(format!("window \"{}\" has one already", other.name))
                .help("give both the same `clock` and `late`: rows are put in order before they are routed");
        checks.report_at(&path, diagnostic);
    }
}

/// A column of metadata must be one that a source reads.
pub(super) fn check_column(checks: &mut Checks<'_, '_>, column: &str, path: &[&str]) {
    let sources = &checks.pipeline.sources;
    let known: Vec<&str> = sources.iter().flat_map(|s| s.meta.iter().map(String::as_str)).collect();
    let sound = sources.iter().all(|source| checks.sound("source", &source.name));
    if !sound || known.contains(&column) {
        return;
    }
    let diagnostic = Diagnostic::error(META_UNREAD, format!("no source reads the column `{}`", column.escape_debug()));
    let diagnostic = match super::suggest::nearest(column, known.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => diagnostic.label("no row will ever have it"),
    };
    checks.report_at(path, diagnostic.help(format!("add `meta = [\"{}\"]` to the source", column.escape_debug())));
}

/// An epoch window follows files; mixing it with other triggers would cut a file into several commits.
fn check_epoch(checks: &mut Checks<'_, '_>, window: &Window) {
    let close = ["window", &window.name, "close"];
    let others: Vec<&str> = ["after", "every", "gap", "on_meta", "count", "bytes"]
        .into_iter()
        .filter(|key| checks.place(&[close[0], close[1], close[2], key]).is_some())
        .collect();
    if !others.is_empty() {
        let diagnostic = Diagnostic::error(
            CHOOSE_ONE,
            format!("window \"{}\" closes by epoch and by `{}`", window.name, others.join("`, `")),
        )
        .label("`epoch = true` stands alone")
        .help("remove `epoch`, or remove the others");
        checks.report_at(&close, diagnostic);
    }
    for source in streams_into(checks, window) {
        let diagnostic = Diagnostic::error(
            EPOCH_OF_STREAM,
            format!("window \"{}\" never closes for source \"{}\"", window.name, source.name),
        )
        .label("a stream of changes has no epochs")
        .help("route it to a window such as `[window.live]` with `close = { after = \"2s\", count = 500 }`");
        checks.report_at(&["source", &source.name, "epoch"], diagnostic);
    }
}

fn check_wait(checks: &mut Checks<'_, '_>, window: &Window, triggers: &Triggers) {
    if triggers.after.or(triggers.every).or(triggers.gap).is_some() {
        return;
    }
    if let Some(source) = streams_into(checks, window).first() {
        let diagnostic = Diagnostic::warning(
            MAY_WAIT,
            format!("window \"{}\" stays open while source \"{}\" is quiet", window.name, source.name),
        )
        .label("no time closes it")
        .help("add `after = \"2s\"` to bound how long a change waits for its commit");
        checks.report_at(&["window", &window.name, "close"], diagnostic);
    }
}

fn check_memory(checks: &mut Checks<'_, '_>, window: &Window, triggers: &Triggers) {
    let memory = checks.pipeline.settings.memory_bytes;
    if let Some(bytes) = triggers.bytes
        && bytes > memory
        && memory > 0
    {
        let diagnostic =
            Diagnostic::error(MEMORY, format!("window \"{}\" does not fit into the memory budget", window.name))
                .label(format!("more than `memory`, which is {}", show_size(memory)))
                .help(format!("lower it, or set `memory` in [pipeline] to \"{}\" or more", show_size(bytes)));
        checks.report_at(&["window", &window.name, "close", "bytes"], diagnostic);
    }
}

/// Returns the streams whose rows may reach a window.
fn streams_into<'p>(checks: &Checks<'p, '_>, window: &Window) -> Vec<&'p Source> {
    let pipeline = checks.pipeline;
    let routes: Vec<&Route> = pipeline.routes.iter().filter(|route| route.window == window.name).collect();
    pipeline
        .sources
        .iter()
        .filter(|source| !source.epoch && checks.sound("source", &source.name))
        .filter(|source| routes.iter().any(|route| may_match(route, &source.collection)))
        .collect()
}
