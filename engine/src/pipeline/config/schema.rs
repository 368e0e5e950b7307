//! The JSON Schema of the pipeline file, for completion in editors, from the table that drives the walk.

use serde_json::{Map, Value, json};

use super::keys::{Key, Kind, Need, Section};
use super::table::ROOT;
use super::view::default_node;

/// Returns the JSON Schema (draft 2020-12) of the pipeline file.
pub fn json_schema() -> Value {
    let mut schema = section(&ROOT);
    if let Value::Object(entries) = &mut schema {
        entries.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        entries.insert("title".into(), json!("vecdelta pipeline file"));
        entries.insert("$defs".into(), json!({ "env": env() }));
    }
    schema
}

fn env() -> Value {
    json!({
        "type": "object",
        "description": "The text of an environment variable.",
        "properties": { "env": { "type": "string" } },
        "required": ["env"],
        "additionalProperties": false
    })
}

fn section(section: &Section) -> Value {
    let properties: Map<String, Value> = section.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> =
        section.keys.iter().filter(|key| matches!(key.need, Need::Required)).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "additionalProperties": false
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if section.choose_one {
        schema["minProperties"] = json!(1);
        schema["maxProperties"] = json!(1);
    }
    schema
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    schema["description"] = json!(key.doc);
    if let Need::Default(text) = key.need {
        schema["default"] = to_json(&default_node(text));
    }
    schema
}

fn kind(kind: &Kind) -> Value {
    match kind {
        Kind::Size => text(r"^[0-9_]+(\.[0-9]+)? *([KMGT]i?)?B$"),
        Kind::Duration { .. } => text(r"^[0-9_]+(\.[0-9]+)? *(ms|s|m|h|d)$"),
        Kind::Hours => text(r"^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})$"),
        Kind::Url => text("^http://."),
        Kind::Moment => text("^[0-9]{4}-"),
        Kind::Map(item) => json!({ "type": "object", "additionalProperties": self::kind(item), "minProperties": 1 }),
        Kind::DimRange => text(r"^[0-9]+ *\.\. *[0-9]+$"),
        Kind::Count { min, max } => number("integer", json!(min), (*max < u64::MAX).then(|| json!(max))),
        Kind::Number { min, max } => number("number", json!(min), max.is_finite().then(|| json!(max))),
        Kind::AnyNumber => json!({ "type": "number" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        Kind::Word(words) => {
            let words: Vec<&str> = words.iter().map(|word| word.name).collect();
            json!({ "anyOf": [{ "enum": words }, { "$ref": "#/$defs/env" }] })
        }
        Kind::List(item, min) => {
            json!({ "type": "array", "items": self::kind(item), "minItems": min })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(self::kind).collect::<Vec<_>>() }),
        Kind::Table(below) => section(below),
        Kind::Named(below) => json!({ "type": "object", "additionalProperties": section(below) }),
        Kind::Rows(below) => json!({ "type": "array", "items": section(below) }),
        Kind::Text | Kind::Name | Kind::Branch | Kind::Path | Kind::PathGlob | Kind::SourceGlob | Kind::Template(_) => {
            text(".")
        }
    }
}

/// A text of this pattern, or from the environment.
fn text(pattern: &str) -> Value {
    json!({ "anyOf": [{ "type": "string", "pattern": pattern }, { "$ref": "#/$defs/env" }] })
}

fn number(name: &str, min: Value, max: Option<Value>) -> Value {
    let mut schema = json!({ "type": name, "minimum": min });
    if let Some(max) = max {
        schema["maximum"] = max;
    }
    schema
}

fn to_json(node: &super::tree::Node) -> Value {
    use super::tree::Value as Toml;
    match &node.value {
        Toml::Text { text, .. } => json!(text),
        Toml::Integer(number) => i64::try_from(*number).map_or(Value::Null, |number| json!(number)),
        Toml::Float(number) => json!(number),
        Toml::Bool(flag) => json!(flag),
        Toml::List(items) => items.iter().map(to_json).collect(),
        Toml::Table(_) | Toml::Date | Toml::Poison => Value::Null,
    }
}
