//! An Arrow column of texts or integers as keys.

use std::fmt::Write;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, GenericStringArray, OffsetSizeTrait};
use arrow_schema::DataType;

use super::error::Fault;
use super::vectors::first_null;
use crate::delta::{KEY_BYTES_MAX, Keys, SourceError};

/// Returns the keys of the rows `range` of a column; integers are written in decimal.
///
/// The texts are copied: they are checked once, as UTF-8 and for their length, and cannot change with the file after that.
pub(super) fn keys(column: &ArrayRef, range: Range<usize>, first_row: u64) -> Result<Keys, Fault> {
    if let Some(row) = first_null(column.as_ref(), range.clone()) {
        return Err(Fault::row(first_row + row as u64, "the id is null").help("every row needs an id"));
    }
    let mut list = KeyList::new(first_row + range.start as u64, range.len());
    add(&mut list, column, range)?;
    list.finish()
}

fn add(list: &mut KeyList, column: &ArrayRef, range: Range<usize>) -> Result<(), Fault> {
    match column.data_type() {
        DataType::Utf8 => add_texts(list, column.as_string::<i32>(), range),
        DataType::LargeUtf8 => add_texts(list, column.as_string::<i64>(), range),
        DataType::Utf8View => {
            let views = column.as_string_view();
            range.into_iter().try_for_each(|row| list.push(views.value(row).as_bytes()))
        }
        DataType::Dictionary(..) => add_dictionary(list, column, range),
        DataType::Int8 => add_integers::<Int8Type>(list, column, range),
        DataType::Int16 => add_integers::<Int16Type>(list, column, range),
        DataType::Int32 => add_integers::<Int32Type>(list, column, range),
        DataType::Int64 => add_integers::<Int64Type>(list, column, range),
        DataType::UInt8 => add_integers::<UInt8Type>(list, column, range),
        DataType::UInt16 => add_integers::<UInt16Type>(list, column, range),
        DataType::UInt32 => add_integers::<UInt32Type>(list, column, range),
        DataType::UInt64 => add_integers::<UInt64Type>(list, column, range),
        other => Err(Fault::data(format!("the id column changed its type to {other}"))),
    }
}

fn add_texts<O: OffsetSizeTrait>(
    list: &mut KeyList,
    texts: &GenericStringArray<O>,
    range: Range<usize>,
) -> Result<(), Fault> {
    let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
    range.into_iter().try_for_each(|row| list.push(&bytes[offsets[row].as_usize()..offsets[row + 1].as_usize()]))
}

fn add_integers<T>(list: &mut KeyList, column: &ArrayRef, range: Range<usize>) -> Result<(), Fault>
where
    T: ArrowPrimitiveType<Native: std::fmt::Display>,
{
    let integers = column.as_primitive::<T>();
    let mut text = String::new();
    for row in range {
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", integers.value(row));
        list.push(text.as_bytes())?;
    }
    Ok(())
}

fn add_dictionary(list: &mut KeyList, column: &ArrayRef, range: Range<usize>) -> Result<(), Fault> {
    let column = column.slice(range.start, range.len());
    let dictionary = column.as_any_dictionary();
    let values = dictionary.values();
    if column.is_empty() {
        return Ok(());
    }
    for value in dictionary.normalized_keys() {
        if values.is_null(value) {
            return Err(Fault::row(list.next_row(), "the id is null").help("every row needs an id"));
        }
        add(list, values, value..value + 1)?;
    }
    Ok(())
}

/// Keys that are being collected, each checked as it comes.
pub(super) struct KeyList {
    first_row: u64,
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl KeyList {
    /// Starts a list; `first_row` is the number of its first key within the file, for messages.
    pub fn new(first_row: u64, rows: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { first_row, bytes: Vec::new(), ends }
    }

    /// Returns how many keys there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Adds the bytes of one key.
    pub fn push(&mut self, key: &[u8]) -> Result<(), Fault> {
        let fault = match key.len() {
            0 => SourceError::EmptyKey,
            bytes if bytes > KEY_BYTES_MAX => SourceError::LongKey(bytes),
            _ => {
                self.bytes.extend_from_slice(key);
                self.ends
                    .push(u32::try_from(self.bytes.len()).map_err(|_| Fault::data("a batch of ids passes 4 GiB"))?);
                return Ok(());
            }
        };
        Err(Fault::row(self.next_row(), fault.to_string()))
    }

    /// Returns the keys, if all of them are UTF-8.
    pub fn finish(self) -> Result<Keys, Fault> {
        if let Err(error) = std::str::from_utf8(&self.bytes) {
            return Err(self.not_text(error.valid_up_to()));
        }
        let first_row = self.first_row;
        // Two halves of a character in two neighbours pass the check of the whole, not the check of each end.
        Keys::from_parts(self.bytes.into(), self.ends)
            .ok_or_else(|| Fault::row(first_row, "an id in this batch of rows is not UTF-8"))
    }

    fn next_row(&self) -> u64 {
        self.first_row + self.len() as u64
    }

    fn not_text(&self, at: usize) -> Fault {
        let before = self.ends.partition_point(|&end| end as usize <= at);
        Fault::row(self.first_row + before.saturating_sub(1) as u64, "the id is not UTF-8")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::{DictionaryArray, Int64Array, LargeStringArray, StringArray, StringViewArray};

    use super::*;

    const IDS: [&str; 5] = ["doc-1", "ключ", "🙂", "a/b\nc", "-7"];

    #[test]
    fn every_text_type_gives_the_same_keys() {
        let columns: [ArrayRef; 4] = [
            Arc::new(StringArray::from_iter_values(IDS)),
            Arc::new(LargeStringArray::from_iter_values(IDS)),
            Arc::new(StringViewArray::from_iter_values(IDS)),
            Arc::new(IDS.into_iter().collect::<DictionaryArray<Int32Type>>()),
        ];
        for column in columns {
            let found = keys(&column.slice(1, 4), 1..3, 0).unwrap();
            assert_eq!(found.iter().collect::<Vec<_>>(), IDS[2..4], "{}", column.data_type());
        }
    }

    #[test]
    fn integers_are_written_in_decimal() {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX]));
        let found = keys(&column, 0..3, 0).unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), ["-9223372036854775808", "0", "9223372036854775807"]);
    }

    #[test]
    fn the_first_bad_id_is_named() {
        let row = |ids: Vec<Option<&str>>| {
            let column: ArrayRef = Arc::new(StringArray::from(ids));
            keys(&column, 0..3, 50).unwrap_err().at(Path::new("t")).row()
        };
        let long = "x".repeat(KEY_BYTES_MAX + 1);
        assert_eq!(row(vec![Some("a"), None, Some("b")]), Some(51));
        assert_eq!(row(vec![Some("a"), Some("b"), Some("")]), Some(52));
        assert_eq!(row(vec![Some(&long), Some("b"), Some("")]), Some(50));
        let mut list = KeyList::new(7, 2);
        list.push(b"ok").unwrap();
        list.push(b"\xff").unwrap();
        assert_eq!(list.finish().unwrap_err().at(Path::new("t")).row(), Some(8));
    }
}
