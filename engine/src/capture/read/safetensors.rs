//! `.safetensors`: one 2-D tensor, by name when there are several.
//!
//! ```text
//! header length: u64
//! header: {"name": {"dtype": "F32", "shape": [rows, width], "data_offsets": [start, end]}, ..., "__metadata__": {...}}
//! tensors
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

use super::ReadOptions;
use super::error::Fault;
use super::numbered::Matrix;
use crate::delta::Element;

/// The longest header which the format allows.
const HEADER_BYTES_MAX: u64 = 100_000_000;

struct Tensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl Tensor {
    fn from_json(value: &Value) -> Option<Self> {
        let numbers = |key: &str| value[key].as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>();
        Some(Self {
            dtype: value["dtype"].as_str()?.to_owned(),
            shape: numbers("shape")?,
            data_offsets: numbers("data_offsets")?.try_into().ok()?,
        })
    }
}

/// Returns whether a file can be one: its first 8 bytes are the length of something within it that begins as an object.
pub(super) fn looks_like(file: &[u8]) -> bool {
    header_bytes(file).is_ok() && file.get(8) == Some(&b'{')
}

/// Finds the tensor in a mapped file.
pub(super) fn open(file: Bytes, options: &ReadOptions) -> Result<Matrix, Fault> {
    let length = header_bytes(&file)?;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&file[8..8 + length])
        .map_err(|error| Fault::offset(8, format!("the header is damaged: {error}")))?;
    let (name, tensor, element) = choose(header, options.vector.as_deref())?;
    let data = file.slice(8 + length..);
    let [start, end] = tensor.data_offsets;
    if start > end || end > data.len() as u64 {
        return Err(Fault::data(format!(
            "tensor `{name}` should lie at bytes {start} to {end} of the data, which is {} bytes long",
            data.len()
        ))
        .help("the file is cut short or damaged: fetch or write it again"));
    }
    let [rows, dims] = tensor.shape[..] else {
        return Err(Fault::data(format!("tensor `{name}` has {} dimensions, a table has 2", tensor.shape.len())));
    };
    let data = data.slice(start as usize..end as usize);
    let (row_bytes, dims) = Matrix::check_shape(rows, dims, element, end - start)?;
    let read =
        move |range: Range<u64>| Ok(data.slice((range.start * row_bytes) as usize..(range.end * row_bytes) as usize));
    Ok(Matrix { element, rows, dims, place: (8 + length as u64 + start, row_bytes), read: Box::new(read) })
}

fn header_bytes(file: &[u8]) -> Result<usize, Fault> {
    let length = file.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let length = length.ok_or_else(|| Fault::offset(0, "the file ends within the length of its header"))?;
    if length > HEADER_BYTES_MAX || length > file.len() as u64 - 8 {
        return Err(Fault::offset(
            0,
            format!("the header should be {length} bytes long, the file has {}", file.len() - 8),
        )
        .help("the file is cut short or no .safetensors file"));
    }
    Ok(length as usize)
}

/// Picks the tensor with the given name, or the only one that is a table.
fn choose(header: BTreeMap<String, Value>, name: Option<&str>) -> Result<(String, Tensor, Element), Fault> {
    let all = header.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    for (key, value) in header {
        if key == "__metadata__" || name.is_some_and(|name| name != key) {
            continue;
        }
        let tensor = Tensor::from_json(&value)
            .ok_or_else(|| Fault::data(format!("the header of tensor `{key}` is damaged: {value}")))?;
        let element = element(&tensor.dtype);
        match element {
            Some(element) if tensor.shape.len() == 2 || name.is_some() => found.push((key, tensor, element)),
            None if name.is_some() => {
                return Err(Fault::data(format!("tensor `{key}` holds {}", tensor.dtype))
                    .help("a vector is of F32, F64, F16, BF16, I8 or U8"));
            }
            _ => {}
        }
    }
    let names = found.iter().map(|(name, ..)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let count = found.len();
    match found.pop() {
        Some(only) if count == 1 => Ok(only),
        Some((last, ..)) => Err(Fault::data(format!("tensors {names} could all be the vectors"))
            .help(format!("name one with --vector {last}"))),
        None => {
            let wanted = name.map_or("2-D tensor of numbers".to_owned(), |name| format!("tensor `{name}`"));
            Err(Fault::data(format!("there is no {wanted} among {all}")))
        }
    }
}

fn element(dtype: &str) -> Option<Element> {
    Some(match dtype {
        "F32" => Element::F32,
        "F64" => Element::F64,
        "F16" => Element::F16,
        "BF16" => Element::Bf16,
        "I8" => Element::I8,
        "U8" => Element::U8,
        _ => return None,
    })
}
