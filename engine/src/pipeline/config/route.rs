//! `[[route]]`: reading it, where it leads, and whether anything reaches it.

use super::check::Checks;
use super::codes::{
    OUT_OF_RANGE, ROUTE_MATCHES_NOTHING, SHADOWED, SOURCE_UNROUTED, TTL, UNKNOWN_SINK, UNKNOWN_WINDOW, WHICH_WINDOW,
};
use super::diagnostic::Diagnostic;
use super::suggest::{nearest, one_of};
use super::table::{ROUTE, WHEN};
use super::tree::Node;
use super::types::{Close, Route, Sink, When, Window};
use super::view::View;
use super::window::BUILT_IN;
use crate::delta::Glob;
use crate::route::{Hours, Priority};

/// Reads the routes; without any there is one that takes everything.
pub(super) fn read(rows: &[Node], windows: &[Window], sinks: &[Sink]) -> Vec<Route> {
    let window = match windows {
        [only] => only.name.as_str(),
        _ => BUILT_IN,
    };
    let all_sinks = || sinks.iter().map(|sink| sink.name.clone()).collect();
    if rows.is_empty() {
        return vec![Route {
            name: "default".to_owned(),
            matches: "**".to_owned(),
            when: When::default(),
            window: window.to_owned(),
            to: all_sinks(),
            continues: false,
            priority: Priority::Normal,
            ttl: None,
        }];
    }
    let read_row = |(index, row): (usize, &Node)| {
        let view = View::new(Some(row), &ROUTE);
        Route {
            name: view.text("name").unwrap_or_else(|| format!("route-{}", index + 1)),
            matches: view.text("match").unwrap_or_default(),
            when: when(View::new(view.given("when"), &WHEN)),
            window: view.text("window").unwrap_or_else(|| window.to_owned()),
            to: view.texts("to").unwrap_or_else(all_sinks),
            continues: view.bool("continue").unwrap_or(false),
            priority: view.choice("priority").unwrap_or_default(),
            ttl: view.duration("ttl"),
        }
    };
    rows.iter().enumerate().map(read_row).collect()
}

fn when(view: View<'_>) -> When {
    When {
        min_l2: view.number("min_l2"),
        max_l2: view.number("max_l2"),
        min_max_abs: view.number("min_max_abs"),
        max_cosine: view.number("max_cosine"),
        min_dims: view.count_32("min_dims"),
        meta: view.map("meta"),
        exists: view.texts("exists").unwrap_or_default(),
        hours: view.text("hours").and_then(|text| Hours::parse(&text).ok()),
        change: view.choices("change").unwrap_or_default(),
        collection: view.text("collection"),
    }
}

/// Checks where routes lead and whether each can be reached.
pub(super) fn check(checks: &mut Checks<'_, '_>) {
    if checks.place(&["route"]).is_none() {
        return check_default(checks);
    }
    let routes = &checks.pipeline.routes;
    for (index, route) in routes.iter().enumerate() {
        check_targets(checks, index, route);
        check_meta(checks, index, route);
        check_ttl(checks, index, route);
        if checks.sound("route", &index.to_string()) {
            check_shadow(checks, index, route);
            check_match(checks, index, route);
        }
    }
    check_every_source_is_routed(checks);
}

/// Without routes there must be no doubt about the window.
fn check_default(checks: &mut Checks<'_, '_>) {
    let windows: Vec<String> = checks
        .pipeline
        .windows
        .iter()
        .filter(|window| window.name != BUILT_IN || checks.place(&["window", BUILT_IN]).is_some())
        .map(|window| format!("\"{}\"", window.name))
        .collect();
    if windows.len() > 1 {
        let diagnostic = Diagnostic::error(WHICH_WINDOW, "no route says which window to use")
            .label(format!("{} are defined", windows.len()))
            .help(format!("add a [[route]] with `window` set to {}", one_of(&windows)));
        checks.report_key(&["window"], diagnostic);
    }
}

fn check_targets(checks: &mut Checks<'_, '_>, index: usize, route: &Route) {
    let pipeline = checks.pipeline;
    let index = index.to_string();
    let windows: Vec<&str> = pipeline.windows.iter().map(|window| window.name.as_str()).collect();
    if !windows.contains(&route.window.as_str()) && checks.is_text(&["route", &index, "window"]) {
        let known: Vec<&str> = windows.iter().copied().chain([BUILT_IN]).collect();
        let diagnostic = unknown(UNKNOWN_WINDOW, "window", &route.name, &route.window, &known);
        checks.report_at(&["route", &index, "window"], diagnostic);
    }
    let sinks: Vec<&str> = pipeline.sinks.iter().map(|sink| sink.name.as_str()).collect();
    for (item, name) in checks.texts(&["route", &index, "to"]) {
        if !sinks.contains(&name.as_str()) {
            let diagnostic = unknown(UNKNOWN_SINK, "sink", &route.name, &name, &sinks);
            checks.report_at(&["route", &index, "to", &item.to_string()], diagnostic);
        }
    }
}

fn unknown(code: &'static str, noun: &str, route: &str, name: &str, known: &[&str]) -> Diagnostic {
    let name = name.escape_debug();
    let diagnostic = Diagnostic::error(code, format!("route \"{route}\" leads to an unknown {noun} \"{name}\""));
    let diagnostic = match nearest(&name.to_string(), known.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean \"{near}\"?")),
        None => diagnostic.label(format!("no [{noun}.{name}] in this file")),
    };
    if known.is_empty() {
        return diagnostic.help(format!("add a section [{noun}.{name}]"));
    }
    diagnostic.note(format!("known {noun}s: {}", known.join(", ")))
}

fn check_shadow(checks: &mut Checks<'_, '_>, index: usize, route: &Route) {
    let earlier = &checks.pipeline.routes[..index];
    let shadow = earlier
        .iter()
        .enumerate()
        .find(|(at, other)| !other.continues && covers(other, route) && checks.sound("route", &at.to_string()));
    let Some((at, other)) = shadow else { return };
    let diagnostic = Diagnostic::error(SHADOWED, format!("route \"{}\" is never reached", route.name))
        .label(format!("route \"{}\" takes all of these first", other.name))
        .help(format!("move this route before \"{0}\", or set `continue = true` in \"{0}\"", other.name));
    let line = checks.line_of(&["route", &at.to_string()]);
    let diagnostic = match line {
        Some(line) => diagnostic.note(format!("route \"{}\" is on line {line}", other.name)),
        None => diagnostic,
    };
    checks.report_route(index, "match", diagnostic);
}

/// Returns whether everything that `later` takes is taken by `earlier`. It may say no when it cannot tell.
fn covers(earlier: &Route, later: &Route) -> bool {
    let wide = &earlier.matches;
    let pattern = wide == "**"
        || *wide == later.matches
        || wide
            .strip_suffix("**")
            .is_some_and(|prefix| prefix.ends_with('/') && is_literal(prefix) && later.matches.starts_with(prefix));
    pattern && when_covers(&earlier.when, &later.when)
}

fn when_covers(earlier: &When, later: &When) -> bool {
    let least = |a: Option<f64>, b: Option<f64>| a.is_none_or(|a| b.is_some_and(|b| a <= b));
    let most = |a: Option<f64>, b: Option<f64>| a.is_none_or(|a| b.is_some_and(|b| a >= b));
    let dims = |when: &When| when.min_dims.map(f64::from);
    let l2 = least(earlier.min_l2, later.min_l2)
        && most(earlier.max_l2, later.max_l2)
        && least(earlier.min_max_abs, later.min_max_abs)
        && most(earlier.max_cosine, later.max_cosine)
        && least(dims(earlier), dims(later))
        && meta_covers(earlier, later)
        && (earlier.hours.is_none() || earlier.hours == later.hours);
    let change = earlier.change.is_empty()
        || (!later.change.is_empty() && later.change.iter().all(|change| earlier.change.contains(change)));
    let collection = earlier.collection.is_none() || earlier.collection == later.collection;
    l2 && change && collection
}

fn meta_covers(earlier: &When, later: &When) -> bool {
    let within = |(name, values): &(String, Vec<String>)| {
        later.meta.iter().any(|(other, some)| other == name && some.iter().all(|value| values.contains(value)))
    };
    let has = |name: &String| later.exists.contains(name) || later.meta.iter().any(|(other, _)| other == name);
    earlier.meta.iter().all(within) && earlier.exists.iter().all(has)
}

fn is_literal(pattern: &str) -> bool {
    !pattern.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

/// Returns whether a route may take rows of a collection.
pub(in crate::pipeline) fn may_match(route: &Route, collection: &str) -> bool {
    let wanted = route.when.collection.as_deref().unwrap_or(collection);
    // A pattern that cannot be read was reported; nothing is concluded from it.
    let below = || Glob::new(&route.matches).map_or(true, |glob| glob.matches_below(&format!("{collection}/")));
    wanted == collection && below()
}

fn check_meta(checks: &mut Checks<'_, '_>, index: usize, route: &Route) {
    let at = index.to_string();
    for (name, _) in &route.when.meta {
        super::window::check_column(checks, name, &["route", &at, "when", "meta", name]);
    }
    for (number, name) in route.when.exists.iter().enumerate() {
        super::window::check_column(checks, name, &["route", &at, "when", "exists", &number.to_string()]);
    }
    let (least, most) = (route.when.min_l2, route.when.max_l2);
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        let diagnostic = Diagnostic::error(OUT_OF_RANGE, format!("route \"{}\" takes nothing", route.name))
            .label(format!("below `min_l2`, which is {least}"))
            .help("swap the two");
        checks.report_at(&["route", &at, "when", "max_l2"], diagnostic);
    }
}

/// A delta waits in its window before anybody can get it.
fn check_ttl(checks: &mut Checks<'_, '_>, index: usize, route: &Route) {
    let window = checks.pipeline.windows.iter().find(|window| window.name == route.window);
    let (Some(ttl), Some(Close::First(triggers))) = (route.ttl, window.map(|window| &window.close)) else { return };
    let longest = triggers.after.or(triggers.every);
    if let Some(longest) = longest
        && ttl <= longest
    {
        let diagnostic =
            Diagnostic::error(TTL, format!("`ttl` of route \"{}\" ends before its window does", route.name))
                .label(format!("window \"{}\" stays open for {}", route.window, super::value::show_duration(longest)))
                .help("make `ttl` longer, or the window shorter");
        checks.report_at(&["route", &index.to_string(), "ttl"], diagnostic);
    }
}

fn check_match(checks: &mut Checks<'_, '_>, index: usize, route: &Route) {
    let sources = &checks.pipeline.sources;
    let sound = sources.iter().all(|source| checks.sound("source", &source.name));
    if !sound || sources.iter().any(|source| may_match(route, &source.collection)) {
        return;
    }
    let collections: Vec<&str> = sources.iter().map(|source| source.collection.as_str()).collect();
    let first = route.matches.split('/').next().unwrap_or_default();
    let wanted = route.when.collection.as_deref().unwrap_or(first);
    let diagnostic = Diagnostic::warning(ROUTE_MATCHES_NOTHING, format!("route \"{}\" matches no source", route.name));
    let diagnostic = match nearest(wanted, collections.iter().copied()) {
        Some(near) => diagnostic.label(format!("did you mean the collection \"{near}\"?")),
        None if !route.matches.contains('/') => diagnostic.label("it is compared with `collection/key`: add `/**`"),
        None => diagnostic.label("no source fills such a collection"),
    };
    checks.report_route(index, "match", diagnostic.note(format!("collections: {}", collections.join(", "))));
}

fn check_every_source_is_routed(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    let sound = (0..pipeline.routes.len()).all(|index| checks.sound("route", &index.to_string()));
    for source in &pipeline.sources {
        let routed = pipeline.routes.iter().any(|route| may_match(route, &source.collection));
        if sound && !routed && checks.sound("source", &source.name) {
            let diagnostic =
                Diagnostic::warning(SOURCE_UNROUTED, format!("no route takes rows of source \"{}\"", source.name))
                    .label("its changes go nowhere")
                    .help("add a last [[route]] with `match = \"**\"`");
            checks.report_key(&["source", &source.name], diagnostic);
        }
    }
}
