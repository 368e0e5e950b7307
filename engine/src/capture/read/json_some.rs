//! Some fields of a line of JSON; the others, such as a long vector, are passed over without making anything of them.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Reads some fields of a line; `None` where it is no object. Of one that stands there twice the last counts.
pub(crate) fn some_fields(line: &[u8], wanted: &[&str]) -> Option<Map<String, Value>> {
    let mut json = serde_json::Deserializer::from_slice(line);
    let found = json.deserialize_map(Wanted(wanted)).ok()?;
    json.end().ok()?;
    Some(found)
}

/// The fields that are read.
struct Wanted<'a>(&'a [&'a str]);

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match self.0.contains(&&*name) {
                true => drop(found.insert(name.into_owned(), map.next_value()?)),
                false => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wanted_is_as_in_the_whole_object() {
        let wanted = ["id", "gone", "größe"];
        for line in [
            r#"{"id":"a","v":[1,2,[3,{"id":4}]],"gone":true}"#,
            r#" { "v" : 1e999, "id" : 7, "gone" : null } "#,
            r#"{"\u0067one":false,"id":"x","id":"y","gr\u00f6\u00dfe":{"a":[1]}}"#,
            "{}",
        ] {
            // A number that is too large is none of ours.
            let whole: Map<String, Value> = serde_json::from_str(&line.replace("1e999", "0")).unwrap_or_default();
            let expected: Map<String, Value> =
                whole.into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect();
            assert_eq!(some_fields(line.as_bytes(), &wanted), Some(expected), "{line}");
        }
        for line in ["", "[1]", "3", "{\"id\":1", "{\"id\":1} x", "{id:1}", "\u{0}"] {
            assert_eq!(some_fields(line.as_bytes(), &wanted), None, "{line}");
        }
        assert_eq!(some_fields(b"{\"id\":1}", &["id"]), json!({ "id": 1 }).as_object().cloned());
    }
}
