//! Which column of a table holds the ids, and which the vectors.

use arrow_schema::{DataType, Field, Schema};

use super::error::Fault;
use super::{DIMS_MAX, ReadOptions};
use crate::delta::Element;

/// The key of a field's metadata that names an element type which Arrow cannot: `bf16`, stored as `UInt16`.
pub(crate) const ELEMENT_METADATA: &str = "vecdelta.element";

/// Names that an id column has when there are several that could be one.
const ID_NAMES: [&str; 5] = ["id", "_id", "key", "pk", "uuid"];

/// The two columns of a table that are read.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// The number of the id column.
    pub id: usize,
    /// The number of the vector column.
    pub vector: usize,
    /// The type of each component.
    pub element: Element,
    /// The width, where the column's type names one.
    pub dims: Option<u32>,
    /// The numbers of the columns of metadata.
    pub meta: Vec<usize>,
    /// Their names.
    pub meta_names: std::sync::Arc<[String]>,
}

/// Finds the id and the vector column of a schema.
///
/// The vectors are in the only column of lists of numbers. The ids are in the column named `id`, else in the only text
/// column, else in the only text column with a usual name, else the same among integer columns.
pub(super) fn find(schema: &Schema, options: &ReadOptions) -> Result<Columns, Fault> {
    let vector = find_vector(schema, options.vector.as_deref())?;
    let id = find_id(schema, options.id.as_deref())?;
    let (element, dims) = vector_type(schema.field(vector)).ok_or_else(|| Fault::data("no vector column"))?;
    if let Some(dims) = dims {
        check_dims(u64::from(dims))?;
    }
    let meta = options.meta.iter().map(|name| find_meta(schema, name, id, vector)).collect::<Result<_, _>>()?;
    Ok(Columns { id, vector, element, dims, meta, meta_names: options.meta.clone() })
}

fn find_meta(schema: &Schema, name: &str, id: usize, vector: usize) -> Result<usize, Fault> {
    let at = match positions(schema, |field| field.name() == name)[..] {
        [at] => at,
        [] => {
            return Err(Fault::data(format!("there is no column `{name}`"))
                .help(format!("`meta` can name some of {}", all_names(schema))));
        }
        _ => return Err(Fault::data(format!("there are several columns `{name}`")).help("give them different names")),
    };
    let kind = schema.field(at).data_type();
    if at == id || at == vector || !super::meta::is_meta(kind) {
        return Err(Fault::data(format!("column `{name}` holds {kind}, and cannot be metadata"))
            .help("metadata are texts, numbers, times, true or false, in columns of their own"));
    }
    Ok(at)
}

/// Checks that a width is 1 to [`DIMS_MAX`].
pub(super) fn check_dims(dims: u64) -> Result<u32, Fault> {
    match u32::try_from(dims) {
        Ok(0) => Err(Fault::data("the vectors have no components: a vector is at least 1 wide")),
        Ok(dims) if dims <= DIMS_MAX => Ok(dims),
        _ => Err(Fault::data(format!(
            "the vectors are {dims} components wide, more than the {DIMS_MAX} that a collection can hold"
        ))),
    }
}

fn find_vector(schema: &Schema, name: Option<&str>) -> Result<usize, Fault> {
    if let Some(name) = name {
        let at = named(schema, name, "--vector")?;
        let field = schema.field(at);
        return match vector_type(field) {
            Some(_) => Ok(at),
            None => {
                Err(Fault::data(format!("column `{name}` holds {}, not vectors: {VECTOR_TYPES}", field.data_type())))
            }
        };
    }
    let found = positions(schema, |field| vector_type(field).is_some());
    match found[..] {
        [at] => Ok(at),
        [] => Err(no_vector(schema)),
        _ => Err(Fault::data(format!("{} could all be the vectors", names(schema, &found)))
            .help(format!("name one with --vector {}", schema.field(found[0]).name()))),
    }
}

const VECTOR_TYPES: &str = "a vector is a list of f32, f64, f16, i8 or u8";

fn no_vector(schema: &Schema) -> Fault {
    let lists = positions(schema, |field| list_item(field.data_type()).is_some());
    match lists[..] {
        [] => Fault::data(format!("there is no vector column among {}", all_names(schema))).help(VECTOR_TYPES),
        [at, ..] => Fault::data(format!(
            "column `{}` holds {}, not vectors",
            schema.field(at).name(),
            schema.field(at).data_type()
        ))
        .help(VECTOR_TYPES),
    }
}

fn find_id(schema: &Schema, name: Option<&str>) -> Result<usize, Fault> {
    if let Some(name) = name {
        let at = named(schema, name, "--id")?;
        let kind = schema.field(at).data_type();
        return match is_text(kind) || kind.is_integer() {
            true => Ok(at),
            false => Err(Fault::data(format!("column `{name}` holds {kind}, not ids: an id is text or an integer"))),
        };
    }
    let texts = positions(schema, |field| is_text(field.data_type()));
    let integers = positions(schema, |field| field.data_type().is_integer());
    if let [at] = with_name(schema, &[&texts[..], &integers[..]].concat(), "id")[..] {
        return Ok(at);
    }
    for candidates in [texts, integers] {
        match candidates[..] {
            [] => continue,
            [at] => return Ok(at),
            _ => return usual_name(schema, &candidates),
        }
    }
    Err(Fault::data(format!("there is no id column among {}", all_names(schema)))
        .help("an id column holds text or integers"))
}

/// Picks the only candidate that has a usual name, the most usual name first.
fn usual_name(schema: &Schema, candidates: &[usize]) -> Result<usize, Fault> {
    ID_NAMES
        .iter()
        .find_map(|name| match with_name(schema, candidates, name)[..] {
            [at] => Some(at),
            _ => None,
        })
        .ok_or_else(|| {
            Fault::data(format!("{} could all be the ids", names(schema, candidates)))
                .help(format!("name one with --id {}", schema.field(candidates[0]).name()))
        })
}

fn with_name(schema: &Schema, candidates: &[usize], name: &str) -> Vec<usize> {
    let same = |at: &usize| schema.field(*at).name().eq_ignore_ascii_case(name);
    candidates.iter().copied().filter(same).collect()
}

fn named(schema: &Schema, name: &str, flag: &str) -> Result<usize, Fault> {
    match positions(schema, |field| field.name() == name)[..] {
        [at] => Ok(at),
        [] => Err(Fault::data(format!("there is no column `{name}`"))
            .help(format!("{flag} can name one of {}", all_names(schema)))),
        _ => Err(Fault::data(format!("there are several columns `{name}`")).help("give them different names")),
    }
}

fn positions(schema: &Schema, wanted: impl Fn(&Field) -> bool) -> Vec<usize> {
    let found = |(at, field): (usize, &std::sync::Arc<Field>)| wanted(field).then_some(at);
    schema.fields().iter().enumerate().filter_map(found).collect()
}

fn names(schema: &Schema, columns: &[usize]) -> String {
    const SHOWN_MAX: usize = 12;
    let quoted = columns.iter().take(SHOWN_MAX).map(|&at| format!("`{}`", schema.field(at).name()));
    let mut text = quoted.collect::<Vec<_>>().join(", ");
    if columns.len() > SHOWN_MAX {
        text += &format!(" and {} more", columns.len() - SHOWN_MAX);
    }
    text
}

fn all_names(schema: &Schema) -> String {
    match schema.fields().len() {
        0 => "no columns at all".to_owned(),
        count => names(schema, &(0..count).collect::<Vec<_>>()),
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(index, value) => index.is_dictionary_key_type() && is_text(value),
        _ => false,
    }
}

/// Returns the item of a list type, and the width where the type has one.
fn list_item(kind: &DataType) -> Option<(&Field, Option<u32>)> {
    match kind {
        // A negative width cannot be a width; 0 is refused with a message of its own.
        DataType::FixedSizeList(item, dims) => Some((item, Some(u32::try_from(*dims).unwrap_or(0)))),
        DataType::List(item) | DataType::LargeList(item) | DataType::ListView(item) | DataType::LargeListView(item) => {
            Some((item, None))
        }
        _ => None,
    }
}

/// Returns the element type and the width of a vector column, or nothing if the column holds no vectors.
fn vector_type(field: &Field) -> Option<(Element, Option<u32>)> {
    let (item, dims) = list_item(field.data_type())?;
    let element = match item.data_type() {
        DataType::Float32 => Element::F32,
        DataType::Float64 => Element::F64,
        DataType::Float16 => Element::F16,
        DataType::Int8 => Element::I8,
        DataType::UInt8 => Element::U8,
        DataType::UInt16 if field.metadata().get(ELEMENT_METADATA).is_some_and(|name| name == "bf16") => Element::Bf16,
        _ => return None,
    };
    Some((element, dims))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> Schema {
        Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>())
    }

    fn list(kind: DataType) -> DataType {
        DataType::List(Arc::new(Field::new("item", kind, true)))
    }

    fn id_of(texts: &[&str], integers: &[&str]) -> Result<String, String> {
        let mut fields = vec![("v", list(DataType::Float32))];
        fields.extend(integers.iter().map(|name| (*name, DataType::Int32)));
        fields.extend(texts.iter().map(|name| (*name, DataType::Utf8)));
        let schema = schema(&fields);
        match find(&schema, &ReadOptions::default()) {
            Ok(columns) => Ok(schema.field(columns.id).name().clone()),
            Err(fault) => Err(fault.at(Path::new("t")).to_string()),
        }
    }

    #[test]
    fn the_id_column_is_found_or_the_candidates_are_named() {
        assert_eq!(id_of(&["title"], &["year"]).unwrap(), "title");
        assert_eq!(id_of(&["title", "text"], &["id"]).unwrap(), "id");
        assert_eq!(id_of(&["title", "ID"], &["n"]).unwrap(), "ID");
        assert_eq!(id_of(&["title", "uuid", "key"], &[]).unwrap(), "key");
        assert_eq!(id_of(&[], &["row"]).unwrap(), "row");
        assert_eq!(id_of(&[], &["row", "pk"]).unwrap(), "pk");
        let several = id_of(&["title", "text"], &["row"]).unwrap_err();
        assert!(several.contains("`title`, `text`") && several.contains("--id title"), "{several}");
        assert!(id_of(&[], &[]).unwrap_err().contains("no id column among `v`"));
    }

    #[test]
    fn the_vector_column_is_found_or_the_candidates_are_named() {
        let options = ReadOptions::default();
        let text =
            |fields: &[(&str, DataType)]| find(&schema(fields), &options).unwrap_err().at(Path::new("t")).to_string();
        let id = ("id", DataType::Utf8);
        assert!(text(&[id.clone(), ("x", DataType::Int64)]).contains("no vector column among `id`, `x`"));
        assert!(text(&[id.clone(), ("x", list(DataType::Utf8))]).contains("`x` holds List"));
        let two = text(&[id.clone(), ("a", list(DataType::Int8)), ("b", list(DataType::Float64))]);
        assert!(two.contains("`a`, `b`") && two.contains("--vector a"), "{two}");
        let none = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), 0);
        assert!(text(&[id.clone(), ("v", none)]).contains("no components"));
        let wide = DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, false)), i32::MAX);
        assert!(text(&[id, ("v", wide)]).contains("more than the"));
    }
}
