//! One line of JSON as an id and the bits of a vector, without a tree of values in between.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::error::Fault;
use super::numbers::push_number;
use crate::delta::{Cell, Element};

/// The names of the fields that are read.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub id: String,
    pub vector: String,
    pub meta: std::sync::Arc<[String]>,
}

/// The id and the width, where a line has them, and its metadata.
pub(super) type Parsed = (Option<String>, Option<u64>, Vec<Cell>);

/// Parses a line; adds the vector's bits to `values` and returns the id and the width, where the line has them.
pub(super) fn parse(line: &[u8], names: &Names, element: Element, values: &mut Vec<u8>) -> Result<Parsed, Fault> {
    let meta = vec![None; names.meta.len()];
    let mut row = Row { id: None, dims: None, meta, values, names, element };
    let mut json = serde_json::Deserializer::from_slice(line);
    json.deserialize_map(&mut row).and_then(|()| json.end()).map_err(|error| syntax(&error))?;
    Ok((row.id, row.dims, row.meta))
}

/// Says what is wrong within a line, without the line number that the parser of one line gives.
pub(super) fn syntax(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match error.classify() {
        serde_json::error::Category::Data => Fault::data(message),
        serde_json::error::Category::Eof => Fault::data(format!("the object is cut short: {message}"))
            .help("fetch or write the file again; one object a line"),
        _ => Fault::data(format!("this is not JSON: {message}, column {}", error.column()))
            .help("write one object a line"),
    }
}

/// One row while its line is parsed.
struct Row<'a> {
    id: Option<String>,
    dims: Option<u64>,
    meta: Vec<Cell>,
    /// The vectors of the batch; this row's is added at the end.
    values: &'a mut Vec<u8>,
    names: &'a Names,
    element: Element,
}

impl<'de> Visitor<'de> for &mut Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an id and a vector")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(FieldName(self.names))? {
            match field {
                Some(Which::Id) if self.id.is_none() => self.id = Some(map.next_value_seed(Id)?),
                Some(Which::Vector) if self.dims.is_none() => {
                    let vector = Vector { values: self.values, element: self.element };
                    self.dims = Some(map.next_value_seed(vector)?);
                }
                Some(Which::Meta(column)) => {
                    self.meta[column] = match map.next_value::<serde_json::Value>()? {
                        serde_json::Value::Null => None,
                        serde_json::Value::String(text) => Some(text.into()),
                        other @ (serde_json::Value::Bool(_) | serde_json::Value::Number(_)) => {
                            Some(other.to_string().into())
                        }
                        _ => {
                            let name = &self.names.meta[column];
                            return Err(A::Error::custom(format!("`{name}` is no text, number, true or false")));
                        }
                    };
                }
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Which::Id) => return Err(A::Error::custom(format!("`{}` stands there twice", self.names.id))),
                Some(Which::Vector) => {
                    return Err(A::Error::custom(format!("`{}` stands there twice", self.names.vector)));
                }
            }
        }
        Ok(())
    }
}

enum Which {
    Id,
    Vector,
    Meta(usize),
}

/// Tells which field a name is, without keeping the name.
struct FieldName<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<Which>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<Which>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match name {
            name if name == self.0.id => Some(Which::Id),
            name if name == self.0.vector => Some(Which::Vector),
            name => self.0.meta.iter().position(|known| known == name).map(Which::Meta),
        })
    }
}

/// Takes over an id: a text, or an integer in decimal.
struct Id;

impl<'de> DeserializeSeed<'de> for Id {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Id {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an integer as the id")
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<String, E> {
        Ok(id.to_owned())
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<String, E> {
        Ok(id.to_string())
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<String, E> {
        Ok(id.to_string())
    }
}

/// Adds the numbers of a vector; gives their count.
struct Vector<'a> {
    values: &'a mut Vec<u8>,
    element: Element,
}

impl<'de> DeserializeSeed<'de> for Vector<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<u64, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Vector<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers as the vector")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some(number) = seq.next_element::<Component>()? {
            push_number(self.values, self.element, number.0)
                .map_err(|message| A::Error::custom(format!("component {count} of the vector {message}")))?;
            count += 1;
        }
        Ok(count)
    }
}

/// A number of a vector.
struct Component(f64);

impl<'de> serde::Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Component;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in every component of the vector")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Component, E> {
                Ok(Component(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Component, E> {
                Ok(Component(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Component, E> {
                Ok(Component(number as f64))
            }
        }
        json.deserialize_any(Number)
    }
}
