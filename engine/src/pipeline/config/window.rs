//! `[window.NAME]`: reading it, and whether it closes.

use super::check::Checks;
use super::codes::{CHOOSE_ONE, EPOCH_OF_STREAM, MAY_WAIT, MEMORY, NEVER_CLOSES};
use super::diagnostic::Diagnostic;
use super::route::may_match;
use super::table::{CLOSE, WINDOW};
use super::tree::Entry;
use super::types::{Close, Route, Source, Triggers, Window};
use super::value::show_size;
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
            Window { name: entry.key.clone(), close }
        })
        .collect()
}

fn triggers(view: View<'_>) -> Triggers {
    Triggers { after: view.duration("after"), count: view.count("count"), bytes: view.size("bytes") }
}

/// Adds the built-in window when a route uses it and the file does not define one of that name.
pub(super) fn add_built_in(windows: &mut Vec<Window>, routes: &[Route]) {
    let used = routes.iter().any(|route| route.window == BUILT_IN);
    let defined = windows.iter().any(|window| window.name == BUILT_IN);
    if used && !defined {
        windows.push(Window { name: BUILT_IN.to_owned(), close: Close::Epoch });
    }
}

/// Checks that every window closes and fits into memory.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    for window in &checks.pipeline.windows {
        if !checks.sound("window", &window.name) {
            continue;
        }
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

/// An epoch window follows files; mixing it with other triggers would cut a file into several commits.
fn check_epoch(checks: &mut Checks<'_, '_>, window: &Window) {
    let close = ["window", &window.name, "close"];
    let others: Vec<&str> = ["after", "count", "bytes"]
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
    if triggers.after.is_some() {
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
