//! `--set KEY=VALUE` and `{ env = "NAME" }`: values from outside the file, put into the tree before it is read.

use toml::de::{DeTable, DeValue};

use super::codes::{ENVIRONMENT, OVERRIDE};
use super::diagnostic::{Diagnostic, Report};
use super::suggest::one_of;
use super::tree::{Entry, Node, Place, Value, node};

/// What stands before the key in the text that a diagnostic shows.
const PREFIX: &str = "--set ";

/// Returns the texts that diagnostics show for the arguments.
pub(super) fn shown(overrides: &[(String, String)]) -> Vec<String> {
    overrides.iter().map(|(key, value)| format!("{PREFIX}{key}={value}")).collect()
}

/// Puts the values of all `--set` arguments into the tree, in order.
pub(super) fn apply(root: &mut Node, overrides: &[(String, String)], report: &mut Report<'_>) {
    for (flag, (key, value)) in overrides.iter().enumerate() {
        let place = Place { flag: Some(flag), span: PREFIX.len()..PREFIX.len() + key.len() };
        let outcome =
            steps(key).and_then(|steps| put(root, &steps, value_node(value, flag, place.span.end + 1), &place));
        if let Err(problem) = outcome {
            let diagnostic = Diagnostic::error(OVERRIDE, format!("`{key}` cannot be set"))
                .label(problem)
                .help("write `--set SECTION.KEY=VALUE`, for example `--set pipeline.memory=4GiB`");
            report.push(&place, diagnostic);
        }
    }
}

/// Splits a dotted path by TOML's own rules for dotted keys, so that quoted names work.
fn steps(key: &str) -> Result<Vec<String>, String> {
    let bad = || "this is not a dotted path of keys".to_owned();
    let line = format!("{key} = 0");
    let parsed = DeTable::parse(&line).map_err(|_| bad())?;
    let mut table = parsed.get_ref();
    let mut steps = Vec::new();
    loop {
        let mut entries = table.iter();
        let (Some((step, value)), None) = (entries.next(), entries.next()) else {
            return Err(bad());
        };
        steps.push(step.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(below) => table = below,
            DeValue::Integer(_) => return Ok(steps),
            _ => return Err(bad()),
        }
    }
}

/// Reads a value as TOML, or else as the text itself, so that `4GiB` needs no quotes.
fn value_node(value: &str, flag: usize, shift: usize) -> Node {
    match DeValue::parse(value) {
        Ok(parsed) => node(parsed.get_ref(), parsed.span(), Some(flag), shift),
        Err(_) => Node {
            value: Value::Text { text: value.to_owned(), env: None },
            place: Place { flag: Some(flag), span: shift..shift + value.len() },
        },
    }
}

fn put(node: &mut Node, steps: &[String], value: Node, place: &Place) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return Ok(());
    };
    match &mut node.value {
        Value::Table(entries) => {
            let at = entries.iter().position(|entry| entry.key == *step);
            let at = at.unwrap_or_else(|| {
                entries.push(empty_entry(step, place));
                entries.len() - 1
            });
            put(&mut entries[at].node, rest, value, place)
        }
        Value::List(items) => {
            let at = index_of(items, step)?;
            put(&mut items[at], rest, value, place)
        }
        other => Err(format!("`{step}` would be inside {}", other.article())),
    }
}

fn empty_entry(key: &str, place: &Place) -> Entry {
    let node = Node { value: Value::Table(Vec::new()), place: place.clone() };
    Entry { key: key.to_owned(), place: place.clone(), node }
}

/// Finds an item by its index from 0 or by its `name`.
fn index_of(items: &[Node], step: &str) -> Result<usize, String> {
    let named = |item: &Node| item.entry("name").and_then(|entry| entry.node.text()) == Some(step);
    let by_index = step.parse().ok().filter(|&index: &usize| index < items.len());
    by_index.or_else(|| items.iter().position(named)).ok_or_else(|| {
        let names: Vec<&str> = items.iter().filter_map(|item| item.entry("name")?.node.text()).collect();
        let last = items.len().saturating_sub(1);
        let indices = if last == 0 { "0".to_owned() } else { format!("0 to {last}") };
        match (items.is_empty(), names.is_empty()) {
            (true, _) => "this list is empty".to_owned(),
            (false, true) => format!("there is no `{step}`; use {indices}"),
            (false, false) => {
                format!("there is no `{step}`; use {} or {indices}", one_of(&names))
            }
        }
    })
}

/// Replaces every `{ env = "NAME" }` by the variable's text.
pub(super) fn resolve_env(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, report: &mut Report<'_>) {
    match &mut node.value {
        Value::Table(entries) => {
            if let [only] = entries.as_slice()
                && only.key == "env"
                && let Some(name) = only.node.text()
            {
                node.value = lookup(name, &only.node.place, env, report);
            } else {
                entries.iter_mut().for_each(|entry| resolve_env(&mut entry.node, env, report));
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| resolve_env(item, env, report)),
        _ => {}
    }
}

fn lookup(name: &str, place: &Place, env: &dyn Fn(&str) -> Option<String>, report: &mut Report<'_>) -> Value {
    match env(name) {
        Some(text) => Value::Text { text, env: Some(name.to_owned()) },
        None => {
            let diagnostic = Diagnostic::error(ENVIRONMENT, format!("the environment variable `{name}` is not set"))
                .label("not set, or not UTF-8")
                .help(format!("run `export {name}=..` first, or write the text itself"));
            report.push(place, diagnostic);
            Value::Poison
        }
    }
}
