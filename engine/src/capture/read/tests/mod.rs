//! Tables that must be refused, tables that must be read, and a few hundred thousand damaged ones that must do either.
//!
//! Other people's files decide what is in memory here: a reader that panics, hangs or asks for gigabytes because of a wrong
//! byte takes a whole pipeline down.

use std::path::Path;
use std::sync::{Arc, Mutex};

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, FixedSizeListArray, ListArray, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use super::*;

mod cases;
mod hostile;

const ROWS: usize = 20;
const DIMS: usize = 4;

type Row = Option<Vec<Option<f32>>>;

fn rows() -> Vec<Row> {
    (0..ROWS).map(|row| Some((0..DIMS).map(|i| Some((row * DIMS + i) as f32 / 7.0)).collect())).collect()
}

fn names() -> Vec<Option<String>> {
    (0..ROWS).map(|row| Some(format!("k{row}"))).collect()
}

fn list(rows: Vec<Row>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
}

fn fixed() -> ArrayRef {
    Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(rows(), DIMS as i32))
}

fn ids(names: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(names))
}

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn good() -> RecordBatch {
    table(vec![("id", ids(names())), ("embedding", fixed())])
}

fn parquet_file(table: &RecordBatch, codec: Compression, version: WriterVersion) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_data_page_size_limit(100)
        .set_write_batch_size(8)
        .set_max_row_group_row_count(Some(12))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_options(codec: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(codec).unwrap()
}

fn arrow_file(table: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &table.schema(), arrow_options(codec)).unwrap();
    writer.write(&table.slice(0, ROWS / 2)).unwrap();
    writer.write(&table.slice(ROWS / 2, table.num_rows() - ROWS / 2)).unwrap();
    writer.into_inner().unwrap()
}

fn arrow_stream(table: &RecordBatch, codec: Option<CompressionType>) -> Vec<u8> {
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &table.schema(), arrow_options(codec)).unwrap();
    writer.write(table).unwrap();
    writer.into_inner().unwrap()
}

fn values() -> Vec<u8> {
    rows().into_iter().flatten().flatten().flat_map(|x| x.unwrap().to_le_bytes()).collect()
}

fn npy(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend_from_slice(&(text.len() as u16).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    file.extend_from_slice(data);
    file
}

fn vecs(data: &[u8], size: usize) -> Vec<u8> {
    data.chunks(DIMS * size).flat_map(|row| [&(DIMS as i32).to_le_bytes(), row].concat()).collect()
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn json_lines() -> Vec<u8> {
    let lines = rows().into_iter().flatten().zip(names().into_iter().flatten()).map(|(row, name)| {
        let row: Vec<f32> = row.into_iter().flatten().collect();
        format!("{{\"id\":\"{name}\",\"text\":\"x\",\"embedding\":{row:?}}}\n")
    });
    lines.collect::<String>().into_bytes()
}

/// A file of every format, each with the same table.
fn good_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let lists = table(vec![("id", ids(names())), ("embedding", list(rows()))]);
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(Default::default()),
    ];
    for (i, codec) in codecs.into_iter().enumerate() {
        files.push((format!("v1-{i}.parquet"), parquet_file(&good(), codec, WriterVersion::PARQUET_1_0)));
        files.push((format!("v2-{i}.parquet"), parquet_file(&lists, codec, WriterVersion::PARQUET_2_0)));
    }
    for codec in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        files.push((format!("{codec:?}.arrow"), arrow_file(&good(), codec)));
        files.push((format!("{codec:?}.arrows"), arrow_stream(&lists, codec)));
    }
    let header = r#"{"e":{"dtype":"F32","shape":[20,4],"data_offsets":[0,320]},"__metadata__":{"a":"b"}}"#;
    files.push(("t.safetensors".to_owned(), safetensors(header, &values())));
    files.push(("t.npy".to_owned(), npy("<f4", "False", "(20, 4)", &values())));
    files.push(("t.fvecs".to_owned(), vecs(&values(), 4)));
    files.push(("t.jsonl".to_owned(), json_lines()));
    files
}

/// Reads a table from memory as `open` does from a file.
fn read(name: &str, file: &[u8], options: &ReadOptions) -> Result<(Vec<String>, Vec<u8>), ReadError> {
    let path = Path::new(name);
    let bytes = Bytes::copy_from_slice(file);
    let opened = open_bytes(path, bytes, options).and_then(|opened| Reader::new(path, opened, options));
    read_all(opened.map_err(|fault| fault.at(path))?)
}

fn read_all(mut reader: Reader) -> Result<(Vec<String>, Vec<u8>), ReadError> {
    let (mut keys, mut rows) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next()? {
        keys.extend(batch.keys.iter().map(str::to_owned));
        rows.extend_from_slice(&batch.rows);
        assert_eq!(batch.rows.len(), batch.keys.len() * reader.dims() as usize * reader.element().size());
    }
    Ok((keys, rows))
}

fn refusal(name: &str, file: &[u8]) -> ReadError {
    match read(name, file, &ReadOptions::default()) {
        Ok((keys, _)) => panic!("{name} was read: {} rows", keys.len()),
        Err(error) => error,
    }
}
