//! What is written comes back bit for bit, through the readers that users have; what fails leaves nothing behind.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, UInt32Type};
use bytes::Bytes;
use serde_json::{Map, json};

use super::*;
use crate::capture::read::{ReadOptions, open};
use crate::delta::{Change, CommitId, DeltaBatch, DeltaRow, Element, Keys, Measure, Table};

/// A directory of its own for each test, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vecdelta-export-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn table(element: Element, dims: u32) -> Table {
    Table { collection: "docs".to_owned(), element, dims }
}

/// Bytes that are every bit pattern sooner or later: signalling NaNs, -0.0, subnormals, infinities.
fn bits(bytes: usize) -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let special = [0x7FA0_0001u32, 0x8000_0000, 0x7F80_0000, 0xFF80_0000, 1, 0xFFFF_FFFF];
    let words = (0..bytes.div_ceil(4)).map(|i| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if i % 5 == 0 { special[i / 5 % special.len()] } else { (state >> 32) as u32 }
    });
    words.flat_map(u32::to_le_bytes).take(bytes).collect()
}

fn keys(range: std::ops::Range<usize>) -> Vec<String> {
    let odd = ["a/b", "ключ", "🙂", "..", "%2e", "x y", "\"quoted\", 'twice'"];
    range.map(|i| format!("{}-{i}", odd[i % odd.len()])).collect()
}

fn texts(keys: &[String]) -> Keys {
    Keys::from_texts(keys.iter().map(String::as_str))
}

fn read(path: &Path) -> (Vec<String>, Vec<u8>, Element, u32) {
    let mut reader = open(path, &ReadOptions::default()).unwrap();
    let (mut keys, mut rows) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next().unwrap() {
        assert_eq!(batch.first_row, keys.len() as u64);
        keys.extend(batch.keys.iter().map(str::to_owned));
        rows.extend_from_slice(&batch.rows);
    }
    assert_eq!(reader.rows_hint(), Some(keys.len() as u64));
    (keys, rows, reader.element(), reader.dims())
}

#[test]
fn every_type_and_format_comes_back_bit_for_bit() {
    let scratch = Scratch::new("exact");
    for element in Element::ALL {
        for (dims, count) in [(1, 10_000), (3, 7), (384, 3_000)] {
            let table = table(element, dims);
            let names = keys(0..count);
            let rows = bits(count * table.row_bytes());
            for name in ["t.parquet", "t.arrow", "t.npy"] {
                if name == "t.npy" && element == Element::Bf16 {
                    continue;
                }
                let path = scratch.path(name);
                let mut writer = TableWriter::create(&path, format_of(&path).unwrap(), &table).unwrap();
                // One piece, many small ones, and an unaligned slice of something longer.
                let cut = count / 2;
                let cut_bytes = cut * table.row_bytes();
                writer.write(&texts(&names[..cut]), rows.slice(..cut_bytes)).unwrap();
                for i in cut..count.min(cut + 3) {
                    let row = rows.slice(i * table.row_bytes()..(i + 1) * table.row_bytes());
                    writer.write(&texts(&names[i..=i]), row).unwrap();
                }
                let rest = count.min(cut + 3);
                let mut shifted = vec![0];
                shifted.extend_from_slice(&rows[rest * table.row_bytes()..]);
                writer.write(&texts(&names[rest..]), Bytes::from(shifted).slice(1..)).unwrap();
                assert_eq!(writer.finish().unwrap(), count as u64);
                let found = read(&path);
                assert!(found == (names.clone(), rows.to_vec(), element, dims), "{name} {element:?} {dims}");
            }
        }
    }
}

#[test]
fn an_empty_table_is_a_table() {
    let scratch = Scratch::new("empty");
    for name in ["t.parquet", "t.arrow", "t.npy"] {
        for dims in [0, 16] {
            let path = scratch.path(name);
            let writer = TableWriter::create(&path, format_of(&path).unwrap(), &table(Element::F32, dims)).unwrap();
            assert_eq!(writer.finish().unwrap(), 0);
            assert_eq!(read(&path), (vec![], vec![], Element::F32, dims), "{name} {dims}");
        }
    }
}

#[test]
fn a_dropped_writer_leaves_nothing_and_keeps_what_was_there() {
    let scratch = Scratch::new("dropped");
    let path = scratch.path("t.arrow");
    std::fs::write(&path, "before").unwrap();
    for name in ["t.parquet", "t.arrow", "t.npy"] {
        let path = scratch.path(name);
        let table = table(Element::F64, 4);
        let mut writer = TableWriter::create(&path, format_of(&path).unwrap(), &table).unwrap();
        writer.write(&texts(&keys(0..4)), bits(4 * table.row_bytes())).unwrap();
        drop(writer);
    }
    assert_eq!(scratch.names(), ["t.arrow"]);
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
}

#[test]
fn what_a_format_cannot_hold_is_refused_with_the_way_out() {
    let scratch = Scratch::new("refused");
    let text = format_of(Path::new("t.xls")).unwrap_err().to_string();
    assert!(text.starts_with("t.xls: ") && text.contains(".parquet, .arrow, .npy or .csv"), "{text}");
    let path = scratch.path("t.npy");
    let text = TableWriter::create(&path, TableFormat::Npy, &table(Element::Bf16, 2)).unwrap_err().to_string();
    assert!(text.contains("t.npy") && text.contains("bf16") && text.contains(".arrow"), "{text}");
    let mut writer = TableWriter::create(&path, TableFormat::Npy, &table(Element::U8, 1)).unwrap();
    writer.write(&Keys::from_texts(["a\nb"]), Bytes::from_static(&[7])).unwrap();
    let text = writer.finish().unwrap_err().to_string();
    assert!(text.contains("line break") && text.contains("a\\nb"), "{text}");
    let nowhere = scratch.path("no/such/t.arrow");
    let error = TableWriter::create(&nowhere, TableFormat::Arrow, &table(Element::U8, 1)).unwrap_err();
    assert!(matches!(error, ExportError::Create { .. }), "{error}");
    assert!(scratch.names().is_empty());
}

fn deltas(table: &Arc<Table>, range: std::ops::Range<usize>) -> DeltaBatch {
    let changes = [Change::Insert, Change::Update, Change::Delete];
    let count = range.len();
    DeltaBatch {
        table: table.clone(),
        keys: texts(&keys(range.clone())),
        deltas: range
            .map(|i| DeltaRow {
                slot: i as u32,
                change: changes[i % 3],
                changed_dims: i as u32,
                l2: i as f64 / 8.0,
                max_abs: 0.0,
                cosine: None,
                length: 1.0,
            })
            .collect(),
        old: vec![0; count * table.row_bytes()].into(),
        new: bits(count * table.row_bytes()).to_vec().into(),
        notes: crate::delta::Notes::default(),
    }
}

#[test]
fn a_delta_stream_comes_back_in_parts_under_a_manifest() {
    let scratch = Scratch::new("deltas");
    let table = Arc::new(table(Element::F32, 24));
    let mut writer = DeltaWriter::create(&scratch.0, table.clone(), 1 << 20).unwrap();
    let commits = [CommitId([1; 32]), CommitId([2; 32])];
    let batches = [deltas(&table, 0..20_000), deltas(&table, 20_000..20_500)];
    for (i, batch) in batches.iter().enumerate() {
        writer.write(commits[i], 1_700_000_000_000 + i as u64, batch).unwrap();
    }
    let parts = writer.finish().unwrap();
    assert_eq!(parts.iter().map(|part| part.deltas).sum::<u64>(), 20_500);
    assert!(parts.len() > 1, "20,500 deltas of 96 bytes are more than one part of 1 MiB");

    let mut at = 0;
    for part in &parts {
        let file = std::fs::File::open(&part.path).unwrap();
        for columns in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let columns = columns.unwrap();
            let vectors = columns.column(6).as_fixed_size_list();
            for row in 0..columns.num_rows() {
                let (commit, i) = if at < 20_000 { (0, at) } else { (1, at - 20_000) };
                let batch = &batches[commit];
                assert_eq!(columns.column(0).as_string::<i32>().value(row), commits[commit].to_hex());
                let source = format!("docs/{}", batch.keys.get(i));
                assert_eq!(columns.column(2).as_string::<i32>().value(row), source);
                assert_eq!(columns.column(3).as_string::<i32>().value(row), batch.deltas[i].change.name());
                assert_eq!(columns.column(4).as_primitive::<UInt32Type>().value(row), at as u32);
                match vectors.is_null(row) {
                    true => assert_eq!(batch.deltas[i].change, Change::Delete),
                    false => {
                        let vector = vectors.value(row);
                        let values = vector.as_primitive::<Float32Type>().values();
                        assert_eq!(values.inner().as_slice(), batch.rows(i).1);
                    }
                }
                at += 1;
            }
        }
    }
    assert_eq!(at, 20_500);
    let again = DeltaWriter::create(&scratch.0, table, 1 << 20).unwrap().write(commits[0], 0, &batches[1]);
    assert!(matches!(again, Err(ExportError::Create { .. })), "a part is never overwritten");
}

#[test]
fn the_manifest_finds_every_changed_missing_cut_or_added_file() {
    let scratch = Scratch::new("manifest");
    let files: Vec<_> = ["a.parquet", "b.parquet"].iter().map(|name| scratch.path(name)).collect();
    for file in &files {
        std::fs::write(file, bits(5_000)).unwrap();
    }
    let extra = Map::from_iter([("to".to_owned(), json!("abc")), ("deltas".to_owned(), json!(12))]);
    let manifest = write_manifest(&scratch.0, &files, extra).unwrap();
    assert_eq!(check_manifest(&scratch.0).unwrap(), []);

    let problems = |edit: &dyn Fn()| {
        edit();
        let found = check_manifest(&scratch.0).unwrap();
        for file in &files {
            std::fs::write(file, bits(5_000)).unwrap();
        }
        found.into_iter().map(|problem| format!("{}: {}", problem.path, problem.problem)).collect::<Vec<_>>().join("\n")
    };
    let mut flipped = bits(5_000).to_vec();
    flipped[1234] ^= 4;
    assert!(problems(&|| std::fs::write(&files[0], &flipped).unwrap()).contains("a.parquet: the content was changed"));
    assert!(problems(&|| std::fs::write(&files[1], bits(4_999)).unwrap()).contains("b.parquet: the file has 4999"));
    assert!(problems(&|| std::fs::remove_file(&files[0]).unwrap()).contains("a.parquet: the file is missing"));
    let added = scratch.path("c.parquet");
    assert!(problems(&|| std::fs::write(&added, "x").unwrap()).contains("c.parquet: the file is not in the manifest"));
    std::fs::remove_file(&added).unwrap();

    let good = std::fs::read(&manifest).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&manifest, &bad).unwrap();
        assert_ne!(check_manifest(&scratch.0).unwrap(), [], "byte {at} of the manifest");
    }
    std::fs::remove_file(&manifest).unwrap();
    assert!(problems(&|| ()).contains("the manifest is missing"));
}

#[test]
fn changes_come_back_from_every_format() {
    let scratch = Scratch::new("changes");
    let names = keys(0..70_000);
    let all = [Change::Insert, Change::Update, Change::Delete];
    let measure = |i: usize| Measure {
        collection: 0,
        key: &names[i],
        change: all[i % 3],
        changed_dims: i as u32,
        l2: if i.is_multiple_of(7) { f64::NAN } else { (i as f64).sqrt() },
        max_abs: if i.is_multiple_of(5) { f64::INFINITY } else { 1.0 / (i as f64 + 1.0) },
        cosine: (i % 3 == 1).then_some(-1.0 / (i as f64 + 3.0)),
    };
    let row = |i: usize| {
        let m = measure(i);
        let l2 = Some(m.l2).filter(|l2| !l2.is_nan());
        (format!("docs/{}", m.key), m.change.name().to_owned(), m.changed_dims, l2, m.cosine, Some(m.max_abs))
    };
    for (name, count) in [("c.arrow", names.len()), ("c.parquet", names.len()), ("c.arrow", 0), ("c.parquet", 0)] {
        let path = scratch.path(name);
        let mut writer = ChangeWriter::create(&path).unwrap();
        (0..count).for_each(|i| writer.write("docs", &measure(i)).unwrap());
        assert_eq!(writer.finish().unwrap(), count as u64);
        let file = std::fs::File::open(&path).unwrap();
        let batches: Vec<_> = match name {
            "c.arrow" => arrow_ipc::reader::FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
            _ => ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect(),
        };
        let mut found = Vec::new();
        for batch in &batches {
            let text = |column: usize| batch.column(column).as_string::<i32>();
            let number = |column: usize, i| {
                let values = batch.column(column).as_primitive::<Float64Type>();
                values.is_valid(i).then(|| values.value(i))
            };
            let dims = batch.column(2).as_primitive::<UInt32Type>();
            found.extend((0..batch.num_rows()).map(|i| {
                let texts = (text(0).value(i).to_owned(), text(1).value(i).to_owned());
                (texts.0, texts.1, dims.value(i), number(3, i), number(4, i), number(5, i))
            }));
        }
        assert!(found == (0..count).map(row).collect::<Vec<_>>(), "{name} {count}");
    }
    let path = scratch.path("c.csv");
    let mut writer = ChangeWriter::create(&path).unwrap();
    [6, 7, 70].into_iter().for_each(|i| writer.write("docs", &measure(i)).unwrap());
    assert_eq!(writer.finish().unwrap(), 3);
    let third = 1.0 / 8.0;
    let expected = format!(
        "source,change,changed_dims,l2,cosine,max_abs\n\
         \"docs/\"\"quoted\"\", 'twice'-6\",insert,6,{},,{}\n\
         docs/a/b-7,update,7,,-0.1,{third}\n\
         docs/a/b-70,update,70,,{},inf\n",
        6f64.sqrt(),
        1.0 / 7.0,
        -1.0 / 73.0
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert!(ChangeWriter::create(&scratch.path("c.npy")).is_err());
}
