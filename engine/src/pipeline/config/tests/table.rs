//! The table of keys against everything that is made from it.

use super::super::keys::{Kind, Need, Section};
use super::super::table::{LATER, ROOT};
use super::super::tree::{Node, Value};
use super::super::view::default_node;
use super::super::{json_schema, reference, scalar};

fn fits(node: &Node, kind: &Kind) -> bool {
    match kind {
        Kind::Either(kinds) => kinds.iter().any(|kind| fits(node, kind)),
        Kind::List(item, min) => match &node.value {
            Value::List(items) => items.len() >= *min && items.iter().all(|node| fits(node, item)),
            _ => false,
        },
        Kind::Table(_) | Kind::Named(_) | Kind::Rows(_) => scalar::fits(kind, &node.value),
        kind => scalar::problem(node, kind, "", "").is_none(),
    }
}

#[test]
fn every_default_is_a_value_that_its_key_takes() {
    for section in ROOT.all_below() {
        for key in section.keys {
            if let Need::Default(text) = key.need {
                assert!(fits(&default_node(text), &key.kind), "{} {}", section.header, key.name);
            }
        }
    }
}

#[test]
fn every_key_is_in_the_reference_and_in_the_schema() {
    let (page, schema) = (reference(), json_schema().to_string());
    for section in ROOT.all_below() {
        assert!(page.contains(section.doc), "{}", section.header);
        for key in section.keys {
            assert!(page.contains(&format!("| `{}` |", key.name)), "{}", key.name);
            assert!(schema.contains(&format!("\"{}\":", key.name)), "{}", key.name);
            assert!(key.doc.ends_with('.'), "{}", key.name);
        }
    }
}

#[test]
fn what_is_not_supported_is_not_in_the_table() {
    let find = |header: &str| ROOT.all_below().into_iter().find(|section: &&Section| section.header == header);
    for later in LATER {
        let section = find(later.section).unwrap_or_else(|| panic!("no section {}", later.section));
        assert_eq!(section.key(later.key).is_some(), later.value.is_some(), "{}", later.key);
    }
}
