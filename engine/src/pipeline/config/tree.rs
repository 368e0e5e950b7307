//! The parsed file as a tree whose every key and value knows its place.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::value::masked;

/// Where a key or a value stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Which `--set` argument holds it; the file when absent.
    pub(super) flag: Option<usize>,
    /// The bytes.
    pub(super) span: Range<usize>,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What TOML can hold.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A text; `env` names the environment variable that it came from.
    Text {
        text: String,
        env: Option<String>,
    },
    Integer(i128),
    Float(f64),
    Bool(bool),
    Date,
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// A value that was reported already: everyone passes over it in silence.
    Poison,
}

/// A key, its place and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Node {
    /// Returns the entries of a table; nothing for other values.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the entry of a key in this table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Follows keys and list indices downwards.
    pub(super) fn find(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, step| match &node.value {
            Value::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.entry(step).map(|entry| &entry.node),
        })
    }

    /// Returns the items of a list, or the single value itself.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// Returns the text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns how to quote the text in a message; a value from the environment may be a secret and is not shown.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::Text { env: Some(name), .. } => format!("the value of {name}"),
            Value::Text { text, .. } => format!("`{}`", masked(text).escape_debug()),
            other => other.article().to_owned(),
        }
    }
}

impl Value {
    /// Returns the TOML type with its article, for messages.
    pub(super) fn article(&self) -> &'static str {
        match self {
            Self::Text { .. } => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a decimal number",
            Self::Bool(_) => "true or false",
            Self::Date => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Poison => "a faulty value",
        }
    }
}

/// Copies a TOML value into the tree; spans move by `shift`.
pub(super) fn node(value: &DeValue<'_>, span: Range<usize>, flag: Option<usize>, shift: usize) -> Node {
    let value = match value {
        DeValue::String(text) => Value::Text { text: text.to_string(), env: None },
        DeValue::Integer(number) => {
            i128::from_str_radix(number.as_str(), number.radix()).map_or(Value::Float(f64::INFINITY), Value::Integer)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item.get_ref(), item.span(), flag, shift)).collect())
        }
        DeValue::Table(entries) => Value::Table(table(entries, flag, shift)),
    };
    Node { value, place: place(span, flag, shift) }
}

/// Copies a TOML table into the tree, in the order of the file.
pub(super) fn table(entries: &DeTable<'_>, flag: Option<usize>, shift: usize) -> Vec<Entry> {
    let mut entries: Vec<Entry> = entries
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            place: place(key.span(), flag, shift),
            node: node(value.get_ref(), value.span(), flag, shift),
        })
        .collect();
    entries.sort_by_key(|entry| entry.place.span.start);
    entries
}

fn place(span: Range<usize>, flag: Option<usize>, shift: usize) -> Place {
    Place { flag, span: span.start + shift..span.end + shift }
}
