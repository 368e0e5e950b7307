//! A table of the file as typed values, with the defaults of the [`super::table`].
//!
//! The walk has reported every bad value already, so a view gives `None` for one and stays silent.

use std::borrow::Cow;
use std::time::Duration;

use toml::de::DeValue;

use super::choice::Choice;
use super::keys::{Need, Section};
use super::tree::{Entry, Node, Value, node};
use super::value;

/// One table and what its keys mean.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    table: Option<&'a Node>,
    section: &'static Section,
}

impl<'a> View<'a> {
    pub(super) fn new(table: Option<&'a Node>, section: &'static Section) -> Self {
        Self { table, section }
    }

    /// Returns the node of a key, if the file gives it.
    pub(super) fn given(&self, key: &str) -> Option<&'a Node> {
        self.table?.entry(key).map(|entry| &entry.node)
    }

    /// Returns the table of a key, if the file gives one.
    pub(super) fn table(&self, key: &str, section: &'static Section) -> Option<View<'a>> {
        let node = self.given(key)?;
        matches!(node.value, Value::Table(_)).then_some(View::new(Some(node), section))
    }

    /// Returns the tables below a key by name.
    pub(super) fn named(&self, key: &str) -> &'a [Entry] {
        self.given(key).map_or(&[], Node::entries)
    }

    /// Returns the rows of a key.
    pub(super) fn rows(&self, key: &str) -> &'a [Node] {
        self.given(key).map_or(&[], Node::items)
    }

    fn or_default(&self, key: &str) -> Option<Cow<'a, Node>> {
        if let Some(node) = self.given(key) {
            return Some(Cow::Borrowed(node));
        }
        match self.section.key(key)?.need {
            Need::Default(text) => Some(Cow::Owned(default_node(text))),
            _ => None,
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<String> {
        self.or_default(key)?.text().map(str::to_owned)
    }

    /// Returns the texts of a list, or the single text.
    pub(super) fn texts(&self, key: &str) -> Option<Vec<String>> {
        let node = self.or_default(key)?;
        Some(node.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect())
    }

    /// Returns the names of a free table, each with its text or texts.
    pub(super) fn map(&self, key: &str) -> Vec<(String, Vec<String>)> {
        let texts = |node: &Node| node.items().iter().filter_map(|item| item.text().map(str::to_owned)).collect();
        self.given(key).map_or(&[][..], Node::entries).iter().map(|e| (e.key.clone(), texts(&e.node))).collect()
    }

    pub(super) fn bool(&self, key: &str) -> Option<bool> {
        match self.or_default(key)?.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: &str) -> Option<u64> {
        match self.or_default(key)?.value {
            Value::Integer(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }

    pub(super) fn count_32(&self, key: &str) -> Option<u32> {
        u32::try_from(self.count(key)?).ok()
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        number(&*self.or_default(key)?)
    }

    pub(super) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        Some(self.or_default(key)?.items().iter().filter_map(number).collect())
    }

    pub(super) fn size(&self, key: &str) -> Option<u64> {
        value::size(&self.text(key)?).ok()
    }

    pub(super) fn duration(&self, key: &str) -> Option<Duration> {
        value::duration(&self.text(key)?).ok()
    }

    pub(super) fn choice<T: Choice>(&self, key: &str) -> Option<T> {
        T::from_word(&self.text(key)?)
    }

    pub(super) fn choices<T: Choice>(&self, key: &str) -> Option<Vec<T>> {
        Some(self.texts(key)?.iter().filter_map(|word| T::from_word(word)).collect())
    }
}

/// Reads the default of a key, which the table holds as TOML.
pub(super) fn default_node(text: &'static str) -> Node {
    let parsed = DeValue::parse(text).expect("the defaults of the table are TOML");
    node(parsed.get_ref(), parsed.span(), None, 0)
}

fn number(node: &Node) -> Option<f64> {
    match node.value {
        // A test's vector may hold any number that its element type can.
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        _ => None,
    }
}
