//! Keys and rows as Arrow columns, and the schemas they have in files.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, StringArray, make_array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};
use bytes::Bytes;

use crate::capture::read::ELEMENT_METADATA;
use crate::delta::{Element, Keys, Table};

/// The name of the vectors' column.
pub(super) const VECTOR: &str = "embedding";

/// Returns the Arrow type that holds the bits of an element.
fn item_type(element: Element) -> DataType {
    match element {
        Element::F32 => DataType::Float32,
        Element::F64 => DataType::Float64,
        Element::F16 => DataType::Float16,
        Element::Bf16 => DataType::UInt16,
        Element::I8 => DataType::Int8,
        Element::U8 => DataType::UInt8,
    }
}

/// Returns the field of a column of vectors; its items are named as Parquet wants them.
///
/// A table without a width has no rows; its vectors are lists.
pub(super) fn vector_field(name: &str, table: &Table, nullable: bool) -> Field {
    let item: FieldRef = Arc::new(Field::new("element", item_type(table.element), false));
    let kind = match i32::try_from(table.dims) {
        Ok(dims) if dims > 0 => DataType::FixedSizeList(item, dims),
        _ => DataType::List(item),
    };
    let field = Field::new(name, kind, nullable);
    match table.element {
        Element::Bf16 => field.with_metadata(HashMap::from([(ELEMENT_METADATA.to_owned(), "bf16".to_owned())])),
        _ => field,
    }
}

/// Returns the schema of a table: `id` and `embedding`.
pub(super) fn table_schema(table: &Table) -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Utf8, false), vector_field(VECTOR, table, false)]))
}

/// Returns keys as a column of text.
pub(super) fn texts(keys: &Keys) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(keys.iter()))
}

/// Returns rows as a column of the type of `field`, without a copy where they are aligned.
pub(super) fn vectors(
    field: &Field,
    table: &Table,
    rows: Bytes,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, ArrowError> {
    let values = rows.len() / table.element.size();
    let count = rows.len() / table.row_bytes().max(1);
    let items = ArrayData::builder(item_type(table.element))
        .len(values)
        .add_buffer(Buffer::from(rows))
        .align_buffers(true)
        .build()?;
    let mut list = ArrayData::builder(field.data_type().clone()).len(count).nulls(nulls).add_child_data(items);
    if let DataType::List(_) = field.data_type() {
        list = list.add_buffer(Buffer::from_vec(vec![0i32]));
    }
    Ok(make_array(list.build()?))
}
