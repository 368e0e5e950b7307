//! An Arrow column of lists as rows of little-endian bytes, without a copy where the rows lie one after another.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, GenericListArray, GenericListViewArray, OffsetSizeTrait};
use arrow_schema::DataType;
use bytes::Bytes;

use super::columns::check_dims;
use super::error::Fault;
use crate::delta::Element;

/// The shape which the rows of one file share; the width is fixed by the first row where the type does not name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub element: Element,
    pub dims: Option<u32>,
}

impl Shape {
    /// Returns the rows `range` of a column, `dims * element` bytes each.
    ///
    /// `first_row` is the number of the column's row 0 within the file, for messages.
    pub fn rows(&mut self, column: &ArrayRef, range: Range<usize>, first_row: u64) -> Result<Bytes, Fault> {
        if let Some(row) = first_null(column.as_ref(), range.clone()) {
            return Err(
                Fault::row(first_row + row as u64, "the vector is null").help("leave out rows without a vector")
            );
        }
        match column.data_type() {
            DataType::FixedSizeList(_, dims) => {
                let list = column.as_fixed_size_list();
                let dims = self.width(u64::try_from(*dims).unwrap_or(0), first_row)?;
                let start = list.value_offset_at(range.start);
                self.slice(list.values(), start, range, dims, first_row)
            }
            DataType::List(_) => self.list_rows(column.as_list::<i32>(), range, first_row),
            DataType::LargeList(_) => self.list_rows(column.as_list::<i64>(), range, first_row),
            DataType::ListView(_) => self.view_rows(column.as_list_view::<i32>(), range, first_row),
            DataType::LargeListView(_) => self.view_rows(column.as_list_view::<i64>(), range, first_row),
            other => Err(Fault::data(format!("the vector column changed its type to {other}"))),
        }
    }

    /// Takes over the width of a row, or refuses another one.
    fn width(&mut self, dims: u64, row: u64) -> Result<usize, Fault> {
        let known = match self.dims {
            Some(known) => known,
            None => *self.dims.insert(check_dims(dims)?),
        };
        if u64::from(known) != dims {
            return Err(Fault::row(row, format!("the vector is {dims} wide, the ones before are {known} wide"))
                .help("one table holds vectors of one width"));
        }
        Ok(known as usize)
    }

    fn list_rows<O: OffsetSizeTrait>(
        &mut self,
        list: &GenericListArray<O>,
        range: Range<usize>,
        first_row: u64,
    ) -> Result<Bytes, Fault> {
        let offsets = &list.value_offsets()[range.start..=range.end];
        let mut dims = 0;
        for (i, ends) in offsets.windows(2).enumerate() {
            let width = ends[1].as_usize() - ends[0].as_usize();
            dims = self.width(width as u64, first_row + (range.start + i) as u64)?;
        }
        self.slice(list.values(), offsets[0].as_usize(), range, dims, first_row)
    }

    fn view_rows<O: OffsetSizeTrait>(
        &mut self,
        list: &GenericListViewArray<O>,
        range: Range<usize>,
        first_row: u64,
    ) -> Result<Bytes, Fault> {
        let mut rows = Vec::new();
        for row in range {
            let dims = self.width(list.value_size(row).as_usize() as u64, first_row + row as u64)?;
            let start = list.value_offset(row).as_usize();
            rows.extend_from_slice(&self.slice(list.values(), start, row..row + 1, dims, first_row)?);
        }
        Ok(rows.into())
    }

    /// Returns the bytes of the rows `range`, whose values start at `start`.
    fn slice(
        &self,
        values: &ArrayRef,
        start: usize,
        range: Range<usize>,
        dims: usize,
        first_row: u64,
    ) -> Result<Bytes, Fault> {
        let values = values.slice(start, range.len() * dims);
        if let Some(at) = first_null(values.as_ref(), 0..values.len()) {
            let row = first_row + (range.start + at / dims) as u64;
            return Err(Fault::row(row, format!("component {} of the vector is null", at % dims))
                .help("a vector has a number in every component"));
        }
        let data = values.to_data();
        let size = self.element.size();
        let buffer = data.buffers()[0].slice_with_length(data.offset() * size, data.len() * size);
        Ok(Bytes::from_owner(buffer))
    }
}

/// Returns the first null of a range, looking at single rows only when the range has one.
pub(super) fn first_null(array: &dyn Array, range: Range<usize>) -> Option<usize> {
    let nulls = array.nulls()?;
    if nulls.null_count() == 0 || nulls.slice(range.start, range.len()).null_count() == 0 {
        return None;
    }
    range.into_iter().find(|&i| nulls.is_null(i))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use arrow_array::types::Float32Type;
    use arrow_array::{FixedSizeListArray, LargeListArray, ListArray, ListViewArray};

    use super::*;

    const SHAPE: Shape = Shape { element: Element::F32, dims: None };

    type Row = Option<Vec<Option<f32>>>;

    fn values() -> Vec<Row> {
        (0..6).map(|row| Some((0..3).map(|i| Some((row * 3 + i) as f32)).collect())).collect()
    }

    fn bytes_of(range: Range<i32>) -> Vec<u8> {
        range.flat_map(|x| (x as f32).to_le_bytes()).collect()
    }

    #[test]
    fn every_list_type_gives_the_same_rows() {
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>(values());
        let columns: [ArrayRef; 4] = [
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(values(), 3)),
            Arc::new(LargeListArray::from_iter_primitive::<Float32Type, _, _>(values())),
            Arc::new(ListViewArray::from(list.clone())),
            Arc::new(list),
        ];
        for column in columns {
            let rows = SHAPE.clone().rows(&column, 1..3, 0).unwrap();
            assert_eq!(rows, bytes_of(3..9), "{}", column.data_type());
            // A column that is itself a slice of a longer one.
            let rows = SHAPE.clone().rows(&column.slice(2, 3), 1..3, 0).unwrap();
            assert_eq!(rows, bytes_of(9..15), "{}", column.data_type());
        }
    }

    #[test]
    fn the_first_bad_row_is_named() {
        let fault = |edit: &dyn Fn(&mut Vec<Row>)| {
            let mut rows = values();
            edit(&mut rows);
            let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
            SHAPE.clone().rows(&list, 0..6, 100).unwrap_err().at(Path::new("t"))
        };
        assert_eq!(fault(&|rows| rows[4] = None).row(), Some(104));
        assert_eq!(fault(&|rows| rows[5] = Some(vec![Some(1.0); 2])).row(), Some(105));
        let inside = fault(&|rows| rows[2].as_mut().unwrap()[1] = None);
        assert!(inside.row() == Some(102) && inside.message.contains("component 1"), "{inside}");
        assert!(fault(&|rows| rows[0] = Some(vec![])).message.contains("no components"));
    }
}
