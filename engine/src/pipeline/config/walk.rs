//! The walk over the tree along the table of keys: unknown keys, missing keys, wrong types, bad values.

use std::collections::BTreeSet;

use super::codes::{CHOOSE_ONE, DUPLICATE, EMPTY, MISSING_KEY, NAME, WRONG_TYPE};
use super::diagnostic::{Diagnostic, Report};
use super::keys::{Kind, Need, Section};
use super::suggest::one_of;
use super::table::ROOT;
use super::tree::{Entry, Node, Place, Value};
use super::{scalar, unknown};

/// The items that have errors of their own, as `("route", "0")` or `("window", "live")`: what follows from them is not
/// worth a second error.
pub(super) type Unsound = BTreeSet<(&'static str, String)>;

/// Checks a tree against the table of keys.
///
/// Without `whole` some of the file was left out, so nothing is said about absent keys.
pub(super) fn walk(root: &Node, whole: bool, report: &mut Report<'_>) -> Unsound {
    let mut walk = Walk { report, whole, unsound: Unsound::new() };
    let top = Place::default();
    walk.section(root, &ROOT, "the file", &top);
    walk.unsound
}

struct Walk<'a, 't> {
    report: &'a mut Report<'t>,
    whole: bool,
    unsound: Unsound,
}

impl Walk<'_, '_> {
    /// Checks the keys of one table; `title` names it in messages, `place` is where it starts.
    fn section(&mut self, node: &Node, section: &'static Section, title: &str, place: &Place) {
        if !matches!(node.value, Value::Table(_)) {
            return self.wrong_type(node, title, &format!("a table `{}`", section.header));
        }
        for entry in node.entries() {
            match section.key(&entry.key) {
                Some(key) => self.value(entry, &entry.node, &key.kind, key.name, title),
                None => self.report.push(&entry.place, unknown::key(entry, section, title)),
            }
        }
        if self.whole {
            self.missing_keys(node, section, title, place);
        }
    }

    fn missing_keys(&mut self, node: &Node, section: &'static Section, title: &str, place: &Place) {
        let given = || section.keys.iter().filter(|key| node.entry(key.name).is_some());
        if section.choose_one && given().count() != 1 {
            let names: Vec<&str> = section.names().collect();
            let diagnostic = Diagnostic::error(CHOOSE_ONE, format!("{title} needs exactly one key"))
                .label(format!("{} are given", given().count()))
                .help(format!("give one of {}", one_of(&names)));
            return self.report.push(place, diagnostic);
        }
        // A misspelt key is the likelier reason: one error is enough.
        if node
            .entries()
            .iter()
            .any(|entry| unknown::stands_for(entry, section).is_some_and(|key| node.entry(key).is_none()))
        {
            return;
        }
        for key in section.keys {
            if matches!(key.need, Need::Required) && node.entry(key.name).is_none() {
                self.report.push(place, missing(key.name, &key.kind, title));
            }
        }
    }

    /// Checks one value; `name` is the key's, `title` the table's that holds it.
    fn value(&mut self, entry: &Entry, node: &Node, kind: &'static Kind, name: &'static str, title: &str) {
        if matches!(node.value, Value::Poison) {
            return;
        }
        let what = format!("`{name}` in {title}");
        match kind {
            Kind::Table(section) if matches!(node.value, Value::List(_)) && section.header.starts_with('[') => {
                self.brackets(entry, node, name, "[", "[[");
            }
            Kind::Table(section) if section.header.starts_with('[') => {
                let before = self.report.error_count();
                self.section(node, section, section.header, &entry.place);
                self.note_unsound(before, section.noun, String::new());
            }
            Kind::Table(section) if section.choose_one => {
                let title = format!("a {} in {title}", section.noun);
                self.section(node, section, &title, &node.place);
            }
            Kind::Table(section) => self.section(node, section, &what, &node.place),
            Kind::Map(item) => self.map(node, item, name, &what, title),
            Kind::Named(section) => self.named(entry, node, section),
            Kind::Rows(section) => self.rows(entry, node, section),
            Kind::List(item, min) => self.list(entry, node, item, *min, name, title),
            Kind::Either(kinds) => match kinds.iter().find(|kind| scalar::fits(kind, &node.value)) {
                Some(kind) => self.value(entry, node, kind, name, title),
                None => self.wrong_type(node, &what, &kind.expected()),
            },
            _ => {
                if let Some(diagnostic) = scalar::problem(node, kind, name, &what) {
                    self.report.push(&node.place, diagnostic);
                }
            }
        }
    }

    fn map(&mut self, node: &Node, item: &'static Kind, name: &'static str, what: &str, title: &str) {
        if !matches!(node.value, Value::Table(_)) {
            return self.wrong_type(node, what, &Kind::Map(item).expected());
        }
        if node.entries().is_empty() {
            let diagnostic = Diagnostic::error(EMPTY, format!("{what} is empty"));
            self.report.push(&node.place, diagnostic.label("expected a name and a value").help("remove the key"));
        }
        for below in node.entries() {
            self.value(below, &below.node, item, name, title);
        }
    }

    fn list(&mut self, entry: &Entry, node: &Node, item: &'static Kind, min: usize, name: &'static str, title: &str) {
        let what = format!("`{name}` in {title}");
        let Value::List(items) = &node.value else {
            let mut diagnostic = wrong_type(node, &what, &format!("a list, each {}", item.expected()));
            if let Some(text) = node.text().filter(|_| scalar::fits(item, &node.value)) {
                diagnostic = diagnostic.help(format!("write {name} = [\"{}\"]", text.escape_debug()));
            }
            return self.report.push(&node.place, diagnostic);
        };
        if items.len() < min {
            let diagnostic = Diagnostic::error(EMPTY, format!("{what} is empty"))
                .label(format!("expected at least {min}"))
                .help("add an entry, or remove the key");
            self.report.push(&node.place, diagnostic);
        }
        for item_node in items {
            self.value(entry, item_node, item, name, title);
        }
    }

    fn named(&mut self, entry: &Entry, node: &Node, section: &'static Section) {
        if matches!(node.value, Value::List(_)) {
            return self.brackets(entry, node, section.noun, section.header, "[[");
        }
        if !matches!(node.value, Value::Table(_)) {
            return self.wrong_type(node, &format!("`{}`", section.noun), &format!("tables `{}`", section.header));
        }
        if let Some(first) = node
            .entries()
            .iter()
            .find(|below| section.key(&below.key).is_some() && !matches!(below.node.value, Value::Table(_)))
        {
            let diagnostic = Diagnostic::error(WRONG_TYPE, format!("this {} has no name", section.noun))
                .label(format!("`{}` belongs to a {} with a name", first.key, section.noun))
                .help(format!("write {} and choose NAME", section.header));
            return self.report.push(&entry.place, diagnostic);
        }
        for below in node.entries() {
            let before = self.report.error_count();
            if let Some(diagnostic) = scalar::name_problem(&below.key, &format!("the name of a {}", section.noun)) {
                self.report.push(&below.place, diagnostic);
            }
            let title = format!("{} \"{}\"", section.noun, below.key.escape_debug());
            self.section(&below.node, section, &title, &below.place);
            self.note_unsound(before, section.noun, below.key.clone());
        }
    }

    fn rows(&mut self, entry: &Entry, node: &Node, section: &'static Section) {
        if matches!(node.value, Value::Table(_)) {
            self.brackets(entry, node, section.noun, "[[", "[");
        }
        let mut names: Vec<(&str, &Place)> = Vec::new();
        for (index, item) in node.items().iter().enumerate() {
            let before = self.report.error_count();
            let name = item.entry("name").and_then(|entry| Some((entry.node.text()?, &entry.node.place)));
            let title = match name {
                Some((name, _)) => format!("{} \"{}\"", section.noun, name.escape_debug()),
                None => format!("{} {}", section.noun, index + 1),
            };
            self.section(item, section, &title, &header_place(item, &entry.place));
            if let Some((name, place)) = name {
                match names.iter().find(|(other, _)| *other == name) {
                    Some((_, first)) => self.duplicate(section.noun, name, place, first),
                    None => names.push((name, place)),
                }
            }
            self.note_unsound(before, section.noun, index.to_string());
        }
    }

    fn duplicate(&mut self, noun: &str, name: &str, place: &Place, first: &Place) {
        let mut diagnostic = Diagnostic::error(DUPLICATE, format!("two {noun}s are named \"{}\"", name.escape_debug()))
            .label("taken")
            .help("give each its own name");
        if let Some(line) = self.report.line_of(first) {
            diagnostic = diagnostic.note(format!("first used on line {line}"));
        }
        self.report.push(place, diagnostic);
    }

    fn note_unsound(&mut self, errors_before: usize, noun: &'static str, item: String) {
        if self.report.error_count() > errors_before {
            self.unsound.insert((noun, item));
        }
    }

    /// Reports `[route]` for `[[route]]`, and the like.
    fn brackets(&mut self, entry: &Entry, node: &Node, noun: &str, right: &str, wrong: &str) {
        let right = match right {
            "[" => format!("[{noun}]"),
            "[[" => format!("[[{noun}]]"),
            header => header.to_owned(),
        };
        let diagnostic = Diagnostic::error(WRONG_TYPE, format!("a {noun} is written {right}"))
            .label(format!(
                "found {}",
                if wrong == "[" { format!("[{noun}]") } else { node.value.article().to_owned() }
            ))
            .help(format!("write {right}"));
        self.report.push(&entry.place, diagnostic);
    }

    fn wrong_type(&mut self, node: &Node, what: &str, expected: &str) {
        if !matches!(node.value, Value::Poison) {
            self.report.push(&node.place, wrong_type(node, what, expected));
        }
    }
}

/// Returns where a `[[row]]` starts; the parser's span of an inline row is the row itself.
fn header_place(item: &Node, fallback: &Place) -> Place {
    if item.place.span.is_empty() { fallback.clone() } else { item.place.clone() }
}

pub(super) fn wrong_type(node: &Node, what: &str, expected: &str) -> Diagnostic {
    Diagnostic::error(WRONG_TYPE, format!("{what} must be {expected}")).label(format!("found {}", node.value.article()))
}

fn missing(name: &str, kind: &Kind, title: &str) -> Diagnostic {
    let help = match kind {
        Kind::Named(section) | Kind::Rows(section) => format!("add a section {}", section.header),
        Kind::Table(section) if section.header.starts_with('[') => {
            format!("add a section {}", section.header)
        }
        Kind::Count { .. } if name == "config_version" => "write `config_version = 1` as the first line".to_owned(),
        kind => format!("add `{name} = ..`: {}", kind.expected()),
    };
    Diagnostic::error(MISSING_KEY, format!("`{name}` is missing in {title}"))
        .label(format!("no `{name}` here"))
        .help(help)
}

/// Reports a name that cannot be used.
pub(super) fn bad_name(what: &str, shown: &str) -> Diagnostic {
    Diagnostic::error(NAME, format!("{shown} cannot be {what}"))
        .label("not usable as a name")
        .help("use 1 to 128 letters, digits, `_`, `-` or `.`, and no `.` in front")
}
