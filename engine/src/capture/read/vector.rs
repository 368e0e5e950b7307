//! One vector from a file: what somebody searches with.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use super::error::Fault;
use super::{ReadError, ReadOptions, npy, open};
use crate::delta::Element;
use crate::store::map::Mapping;

/// The longest JSON text; a vector of the greatest width in 60 digits a number fits.
const TEXT_BYTES_MAX: u64 = 64 << 20;

/// Reads the one vector of a file: a JSON array, a `.npy` of one or two dimensions, or any table of one row.
///
/// Returns its element type and its bits. Numbers of a JSON array are `f64`.
///
/// # Errors
/// When there is no such file, or it does not hold exactly one vector.
pub fn read_vector(path: &Path) -> Result<(Element, Vec<u8>), ReadError> {
    if let Some(found) = alone(path).map_err(|fault| fault.at(path))? {
        return Ok(found);
    }
    let mut reader = open(path, &ReadOptions::default())?;
    let first = reader.next()?;
    let rows = first.as_ref().map_or(0, |batch| batch.keys.len() as u64);
    let several = rows > 1 || (rows == 1 && reader.next()?.is_some());
    match first {
        Some(batch) if !several => Ok((reader.element(), batch.rows.to_vec())),
        _ => Err(not_one(reader.rows_hint().unwrap_or(rows)).at(path)),
    }
}

/// Reads the formats that tables do not have: a JSON array, and an array of one dimension.
fn alone(path: &Path) -> Result<Option<(Element, Vec<u8>)>, Fault> {
    let file = File::open(path).map_err(|error| Fault::io(&error))?;
    let regular = file.metadata().map_err(|error| Fault::io(&error))?.is_file();
    if regular && file.metadata().map_err(|error| Fault::io(&error))?.len() > 0 {
        let mapping = Mapping::of(&file).map_err(|error| Fault::io(&error))?;
        let bytes = mapping.bytes();
        let array = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        return match () {
            () if npy::is(&bytes) => npy_row(bytes).map(Some),
            () if array => json_row(&bytes).map(Some),
            () => Ok(None),
        };
    }
    if regular || path.is_dir() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| Fault::io(&error))?;
    json_row(&text).map(Some)
}

fn npy_row(file: Bytes) -> Result<(Element, Vec<u8>), Fault> {
    let mut matrix = npy::open_any(file)?;
    match matrix.rows {
        1 => Ok((matrix.element, (matrix.read)(0..1)?.to_vec())),
        rows => Err(not_one(rows)),
    }
}

fn json_row(text: &[u8]) -> Result<(Element, Vec<u8>), Fault> {
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(Fault::data("the text is too long for one vector"));
    }
    let numbers: Vec<f64> = serde_json::from_slice(text).map_err(|error| {
        Fault::data(format!("this is not a JSON array of numbers: {error}")).help("write one vector as [0.1, 0.2, ...]")
    })?;
    if numbers.is_empty() {
        return Err(Fault::data("the array has no numbers"));
    }
    Ok((Element::F64, numbers.into_iter().flat_map(f64::to_le_bytes).collect()))
}

fn not_one(rows: u64) -> Fault {
    Fault::data(format!("the file holds {rows} vectors, a query is one"))
        .help("write the one vector to a file of its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<(Element, Vec<u8>), ReadError> {
        let path = std::env::temp_dir().join(format!("vecdelta-vector-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let found = read_vector(&path);
        std::fs::remove_file(&path).unwrap();
        found
    }

    fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend_from_slice(&(header.len() as u16).to_le_bytes());
        out.extend_from_slice(header.as_bytes());
        out.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        out
    }

    #[test]
    fn every_way_to_write_one_vector() {
        let single: Vec<u8> = [0.5f32, -2.0].into_iter().flat_map(f32::to_le_bytes).collect();
        let double: Vec<u8> = [0.1f64, -2.0].into_iter().flat_map(f64::to_le_bytes).collect();
        let fvecs = [&2i32.to_le_bytes()[..], &single].concat();
        assert_eq!(read("a.json", b" [0.1, -2]\n").unwrap(), (Element::F64, double));
        assert_eq!(read("b.npy", &npy("(2,)", &[0.5, -2.0])).unwrap(), (Element::F32, single.clone()));
        assert_eq!(read("c.npy", &npy("(1, 2)", &[0.5, -2.0])).unwrap(), (Element::F32, single.clone()));
        assert_eq!(read("d.fvecs", &fvecs).unwrap(), (Element::F32, single.clone()));
        assert_eq!(read("e.jsonl", b"{\"id\":\"a\",\"v\":[0.5,-2]}\n").unwrap(), (Element::F32, single));
    }

    #[test]
    fn what_is_not_one_vector_is_refused() {
        let fvecs = [&1i32.to_le_bytes()[..], &[0; 4], &1i32.to_le_bytes(), &[0; 4]].concat();
        for (name, bytes, says) in [
            ("a.json", b"[]".to_vec(), "no numbers"),
            ("b.json", b"[1, null]".to_vec(), "JSON array of numbers"),
            ("c.json", b"[[1], [2]]".to_vec(), "JSON array of numbers"),
            ("d.npy", npy("(2, 1)", &[0.5, -2.0]), "holds 2 vectors"),
            ("e.npy", npy("(1, 1, 2)", &[0.5, -2.0]), "3 dimensions"),
            ("f.npy", npy("(3,)", &[0.5, -2.0]), "should follow"),
            ("g.fvecs", fvecs, "holds 2 vectors"),
            ("h.json", Vec::new(), "empty"),
        ] {
            let error = read(name, &bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
        }
    }
}
