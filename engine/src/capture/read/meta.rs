//! Columns of metadata as notes of the rows: every value as text.

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};

use super::error::Fault;
use crate::delta::{Cell, Timestamp};

/// Returns whether values of a type can be metadata.
pub(super) fn is_meta(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => true,
        DataType::Float32 | DataType::Float64 | DataType::Timestamp(..) => true,
        DataType::Dictionary(_, value) => is_meta(value),
        other => other.is_integer(),
    }
}

/// Returns the value of one row.
pub(super) fn cell(column: &ArrayRef, row: usize) -> Result<Cell, Fault> {
    if column.is_null(row) {
        return Ok(None);
    }
    let text = match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::LargeUtf8 => column.as_string::<i64>().value(row).to_owned(),
        DataType::Utf8View => column.as_string_view().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Dictionary(..) => {
            let slice = column.slice(row, 1);
            let dictionary = slice.as_any_dictionary();
            return cell(dictionary.values(), dictionary.normalized_keys()[0]);
        }
        DataType::Int8 => number::<Int8Type>(column, row),
        DataType::Int16 => number::<Int16Type>(column, row),
        DataType::Int32 => number::<Int32Type>(column, row),
        DataType::Int64 => number::<Int64Type>(column, row),
        DataType::UInt8 => number::<UInt8Type>(column, row),
        DataType::UInt16 => number::<UInt16Type>(column, row),
        DataType::UInt32 => number::<UInt32Type>(column, row),
        DataType::UInt64 => number::<UInt64Type>(column, row),
        DataType::Float32 => number::<Float32Type>(column, row),
        DataType::Float64 => number::<Float64Type>(column, row),
        DataType::Timestamp(TimeUnit::Second, _) => {
            moment(column.as_primitive::<TimestampSecondType>().value(row).saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            moment(column.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            moment(column.as_primitive::<TimestampMicrosecondType>().value(row).div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            moment(column.as_primitive::<TimestampNanosecondType>().value(row).div_euclid(1_000_000))
        }
        other => return Err(Fault::data(format!("a metadata column holds {other}"))),
    };
    Ok(Some(Arc::from(text)))
}

fn number<T: ArrowPrimitiveType<Native: Display>>(column: &ArrayRef, row: usize) -> String {
    column.as_primitive::<T>().value(row).to_string()
}

fn moment(millis: i64) -> String {
    Timestamp { physical_millis: u64::try_from(millis).unwrap_or(0), ..Timestamp::default() }.rfc3339()
}
