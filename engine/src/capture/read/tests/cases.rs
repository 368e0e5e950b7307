//! Tables that must be read, and tables that must be refused with the place.

use arrow_array::Int32Array;

use super::*;

#[test]
fn every_format_gives_the_same_table() {
    for (name, file) in good_files() {
        let (keys, rows) = read(&name, &file, &ReadOptions::default()).unwrap();
        let numbered = !["parquet", "arrow", "arrows", "jsonl"].iter().any(|known| name.ends_with(known));
        let prefix = if numbered { "" } else { "k" };
        let wanted: Vec<String> = (0..ROWS).map(|row| format!("{prefix}{row}")).collect();
        assert_eq!(keys, wanted, "{name}");
        assert_eq!(rows, values(), "{name}");
        // The content alone tells most formats.
        if !name.ends_with("fvecs") {
            assert_eq!(read("no-extension", &file, &ReadOptions::default()).unwrap().1, values(), "{name}");
        }
    }
}

#[test]
fn bad_rows_are_refused_with_their_number() {
    let row_of = |column: &str, array: ArrayRef| {
        let (ids, vectors) = if column == "id" { (array, fixed()) } else { (ids(names()), array) };
        let table = table(vec![("id", ids), ("embedding", vectors)]);
        let snappy = parquet_file(&table, Compression::SNAPPY, WriterVersion::PARQUET_1_0);
        let errors = [refusal("t.parquet", &snappy), refusal("t.arrow", &arrow_file(&table, None))];
        assert_eq!(errors[0].row(), errors[1].row());
        assert_eq!(errors[0].message, errors[1].message);
        let text = errors[0].to_string();
        assert!(text.starts_with("t.parquet, row ") && errors[0].kind == ReadErrorKind::BadData, "{text}");
        (errors[0].row().unwrap(), errors[0].message.clone())
    };
    let vector = |at: usize, row: Row| {
        let mut rows = rows();
        rows[at] = row;
        row_of("embedding", list(rows))
    };
    let id = |at: usize, name: Option<&str>| {
        let mut names = names();
        names[at] = name.map(str::to_owned);
        row_of("id", ids(names))
    };
    assert_eq!(vector(13, None), (13, "the vector is null".to_owned()));
    assert_eq!(vector(19, Some(vec![Some(0.0); 3])).0, 19);
    assert_eq!(vector(14, Some(vec![])).0, 14);
    assert!(vector(15, Some(vec![Some(0.0), None, None, Some(0.0)])).1.contains("component 1 of the vector is null"));
    assert_eq!(id(12, None), (12, "the id is null".to_owned()));
    assert_eq!(id(11, Some("")).0, 11);
    assert!(id(0, Some(&"x".repeat(5_000))).1.contains("5000 bytes long"));
}

#[test]
fn tables_without_the_two_columns_are_refused() {
    let message = |columns| {
        refusal("t.parquet", &parquet_file(&table(columns), Compression::SNAPPY, WriterVersion::PARQUET_1_0))
            .to_string()
    };
    let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(0..ROWS as i32));
    assert!(message(vec![("id", ids(names())), ("x", numbers)]).contains("no vector column among `id`, `x`"));
    assert!(message(vec![("embedding", fixed())]).contains("no id column"));
    let two = message(vec![("a", ids(names())), ("b", ids(names())), ("embedding", fixed())]);
    assert!(two.contains("--id a"), "{two}");
    let texts: ArrayRef = {
        let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
        (0..ROWS).for_each(|_| builder.append_value([Some("1")]));
        Arc::new(builder.finish())
    };
    assert!(message(vec![("id", ids(names())), ("embedding", texts)]).contains("not vectors"));
}

#[test]
fn expectations_of_the_caller_are_checked() {
    let file = arrow_file(&good(), None);
    let message = |options: ReadOptions| read("t.arrow", &file, &options).unwrap_err().to_string();
    let dims = ReadOptions { dims: Some(5), ..ReadOptions::default() };
    assert!(message(dims).contains("4 wide, expected 5"));
    let element = ReadOptions { element: Some(Element::F16), ..ReadOptions::default() };
    assert!(message(element).contains("f32, expected f16"));
    let id = ReadOptions { id: Some("key".to_owned()), ..ReadOptions::default() };
    assert!(message(id).contains("no column `key`; --id can name one of `id`, `embedding`"));
    let format = |name| ReadOptions { format: Some(name), ..ReadOptions::default() };
    assert!(message(format("parquet")).contains("this is `arrow`, but the `kind` of its source is `parquet`"));
    assert!(read("t.parquet", &file, &format("arrow")).is_ok(), "the content counts, not the name");
}

#[test]
fn damaged_files_of_every_format_say_what_is_wrong() {
    let parquet = parquet_file(&good(), Compression::SNAPPY, WriterVersion::PARQUET_1_0);
    let shape = |text: &str| npy("<f4", "False", text, &values());
    let header = |text: &str| safetensors(text, &values());
    let cases: [(&str, Vec<u8>, &str); 21] = [
        ("t.parquet", b"hello, I am not Parquet".to_vec(), "does not begin with `PAR1`"),
        ("t.parquet", parquet[..parquet.len() / 2].to_vec(), "cut short"),
        (
            "t.parquet",
            [&parquet[..parquet.len() - 8], &[0xFF, 0xFF, 0xFF, 0x7F], b"PAR1"].concat(),
            "the footer should be",
        ),
        ("t.arrow", b"ARROW1\0\0".to_vec(), "cut short"),
        ("t.arrow", arrow_file(&good(), None)[8..].to_vec(), "does not begin with `ARROW1`"),
        ("t.arrows", arrow_stream(&good(), None).split_last_chunk::<8>().unwrap().0.to_vec(), "cut short"),
        ("t.npy", b"\x93NUMPY\x01\x00\xff\xffxxxxx".to_vec(), "ends within its header"),
        ("t.npy", shape("(20,)"), "1 dimensions"),
        ("t.npy", shape("(21, 4)"), "21 rows of 4 f32 should follow"),
        ("t.npy", shape("(19, 4)"), "16 bytes follow"),
        ("t.npy", shape("(4611686018427387904, 4)"), "should follow"),
        ("t.npy", npy("<i8", "False", "(10, 4)", &values()), "holds `<i8`"),
        ("t.fvecs", vecs(&values(), 4)[..30].to_vec(), "ends 10 bytes into this row of 20"),
        ("t.fvecs", [i32::MAX.to_le_bytes(), [0; 4]].concat(), "2147483647 components"),
        ("t.fvecs", [&vecs(&values(), 4)[..], &5i32.to_le_bytes(), &[0; 16]].concat(), "5 wide"),
        ("t.safetensors", [&(1u64 << 62).to_le_bytes()[..], b"{}"].concat(), "header should be 4611686018427387904"),
        ("t.safetensors", header(r#"{"e":{"dtype":"F32","shape":[20,4],"data_offsets":[8,328]}}"#), "should lie at"),
        ("t.safetensors", header(r#"{"e":{"dtype":"I64","shape":[10,4],"data_offsets":[0,320]}}"#), "no 2-D tensor"),
        ("t.jsonl", b"{\"id\":\"k1\",\"embedding\":[1,2,3]}\n{\"id\":\"k2\",\"embed".to_vec(), "cut short"),
        ("t.jsonl", b"{\"id\":1,\"v\":[1,2]}\n\n{\"id\":2,\"v\":[1,null]}\n".to_vec(), "line 3"),
        ("t.bin", b"what is this".to_vec(), "neither the first bytes nor the name"),
    ];
    for (name, file, wanted) in cases {
        let error = refusal(name, &file);
        let text = error.to_string();
        assert!(text.starts_with(name) && text.contains(wanted), "{text}\n  wanted: {wanted}");
        assert!(error.kind == ReadErrorKind::BadData && !text.contains('\n'), "{text}");
    }
    let missing = open(Path::new("/no/such/file.parquet"), &ReadOptions::default()).unwrap_err();
    assert_eq!(missing.kind, ReadErrorKind::NotFound);
}

#[test]
fn numbers_of_json_are_rounded_once_and_must_fit() {
    let line = |element: Element, number: &str| {
        let file = format!("{{\"id\":\"a\",\"v\":[{number}]}}");
        let options = ReadOptions { element: Some(element), ..ReadOptions::default() };
        read("t.jsonl", file.as_bytes(), &options).map(|(_, row)| row).map_err(|error| error.to_string())
    };
    assert_eq!(line(Element::F32, "0.1").unwrap(), 0.1f32.to_le_bytes());
    assert_eq!(line(Element::F32, "-0.0").unwrap(), (-0.0f32).to_le_bytes());
    // Correctly rounded as f64, where a fast parser is one unit off.
    let subnormal = "6.631236846766476e-316";
    assert_eq!(line(Element::F64, subnormal).unwrap(), subnormal.parse::<f64>().unwrap().to_le_bytes());
    assert_eq!(line(Element::F64, "9007199254740993").unwrap(), 9007199254740992f64.to_le_bytes());
    assert_eq!(line(Element::I8, "-128").unwrap(), [0x80]);
    assert_eq!(line(Element::Bf16, "1.00390625").unwrap(), 0x3F80u16.to_le_bytes());
    assert!(
        line(Element::F32, "1e39")
            .unwrap_err()
            .contains("line 1: component 0 of the vector is 1e39, too large for f32")
    );
    assert!(line(Element::F16, "65520").unwrap_err().contains("too large for f16"));
    assert!(line(Element::U8, "256").unwrap_err().contains("not an integer from 0 to 255"));
    assert!(line(Element::U8, "1.5").unwrap_err().contains("not an integer"));
    assert!(line(Element::F32, "NaN").is_err() && line(Element::F32, "1e400").is_err());
}

#[test]
fn ids_of_a_matrix_are_the_lines_beside_it() {
    let directory = std::env::temp_dir().join(format!("vecdelta-ids-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("t.npy");
    let beside = directory.join("t.npy.ids.txt");
    // Columns first, and big-endian: the same rows as in the plain order.
    let swapped: Vec<u8> = (0..DIMS)
        .flat_map(|i| (0..ROWS).map(move |row| row * DIMS + i))
        .flat_map(|at| ((at as f32) / 7.0).to_be_bytes())
        .collect();
    std::fs::write(&path, npy(">f4", "True", "(20, 4)", &swapped)).unwrap();
    let read = || open(&path, &ReadOptions::default()).and_then(read_all);
    let lines = |count: usize| (0..count).map(|row| format!("id {row}\r\n")).collect::<String>();
    std::fs::write(&beside, lines(ROWS)).unwrap();
    let (keys, rows) = read().unwrap();
    assert_eq!(rows, values());
    assert_eq!((keys.len(), keys[19].as_str()), (ROWS, "id 19"));
    for (count, wanted) in [(ROWS - 1, "has only 19 lines"), (ROWS + 1, "has more than 20 lines")] {
        std::fs::write(&beside, lines(count)).unwrap();
        let text = read().unwrap_err().to_string();
        assert!(text.contains(wanted) && text.contains("t.npy.ids.txt"), "{text}");
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_stream_hands_on_rows_as_they_come() {
    let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
    struct Pipe(std::sync::mpsc::Receiver<Vec<u8>>);
    impl Read for Pipe {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let bytes = self.0.recv().unwrap_or_default();
            buffer[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
    sender.send(b"{\"id\":\"a\",\"v\":[1,2]}\n{\"id\":\"b\",\"v\":[3,4]}\n".to_vec()).unwrap();
    let mut reader = read_stream(Pipe(receiver), &ReadOptions::default(), None).unwrap();
    // The sender is still there: a reader that waited for a full batch would never return.
    assert_eq!(reader.next().unwrap().unwrap().keys.len(), 2);
    sender.send(b"{\"id\":7,\"v\":[3,4,5]}\n".to_vec()).unwrap();
    assert!(reader.next().unwrap_err().to_string().starts_with("-, line 3: the vector is 3 wide"));
    drop(sender);
    assert!(read_stream(std::io::empty(), &ReadOptions::default(), None).unwrap().next().unwrap().is_none());
}

#[test]
fn a_stream_goes_on_behind_rows_that_are_refused() {
    let lines = "nonsense\n{\"id\":\"a\",\"v\":[1,2]}\r\n{\"id\":7,\"v\":[3,4,5]}\n\n{\"id\":\"\",\"v\":[3,4]}\n\
                 {\"id\":\"big\",\"v\":[1e39,4]}\n{\"v\":[3,4]}\n{\"id\":\"b\",\"v\":[5,6]}\n{\"id\":\"c\",\"v\":[7,8";
    let refused = Arc::new(Mutex::new(Vec::new()));
    let into = refused.clone();
    let refuser: Refuser = Box::new(move |row| into.lock().unwrap().push(row));
    let mut reader = read_stream(lines.as_bytes(), &ReadOptions::default(), Some(refuser)).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert_eq!(batch.keys.iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(batch.rows, [1f32, 2.0, 5.0, 6.0].map(f32::to_le_bytes).concat());
    assert!(reader.next().unwrap().is_none());
    let refused = refused.lock().unwrap();
    let found: Vec<_> = refused.iter().map(|r| (r.place, r.id.as_deref(), String::from_utf8_lossy(&r.bytes))).collect();
    let line = |n| Some(Place::Line(n));
    assert_eq!(
        found,
        [
            (line(1), None, "nonsense".into()),
            (line(3), Some("7"), "{\"id\":7,\"v\":[3,4,5]}".into()),
            (line(5), Some(""), "{\"id\":\"\",\"v\":[3,4]}".into()),
            (line(6), Some("big"), "{\"id\":\"big\",\"v\":[1e39,4]}".into()),
            (line(7), None, "{\"v\":[3,4]}".into()),
            (line(9), None, "{\"id\":\"c\",\"v\":[7,8".into()),
        ]
    );
    assert!(refused.iter().all(|row| !row.reason.is_empty() && row.form == RowForm::Json));
}

#[test]
fn an_arrow_stream_goes_on_behind_rows_that_are_refused() {
    let mut all = rows();
    (all[0], all[5]) = (Some(vec![None; 3]), None);
    all[7] = Some(vec![Some(1.0); DIMS + 1]);
    let mut keys = names();
    keys[9] = None;
    let table = table(vec![("id", ids(keys)), ("embedding", list(all))]);
    let refused = Arc::new(Mutex::new(Vec::new()));
    let into = refused.clone();
    let refuser: Refuser = Box::new(move |row| into.lock().unwrap().push(row));
    let bytes = arrow_stream(&table, None).into();
    let mut reader = read_sound("-", bytes, &ReadOptions::default(), refuser).unwrap();
    let (mut keys, mut found) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.next().unwrap() {
        keys.extend(batch.keys.iter().map(str::to_owned));
        found.extend_from_slice(&batch.rows);
    }
    let bad = [0, 5, 7, 9];
    let good = || (0..ROWS).filter(|row| !bad.contains(row));
    assert_eq!(keys, good().map(|row| format!("k{row}")).collect::<Vec<_>>());
    assert_eq!(found, good().flat_map(|row| values()[row * DIMS * 4..][..DIMS * 4].to_vec()).collect::<Vec<_>>());
    let refused = refused.lock().unwrap();
    assert_eq!(refused.iter().map(|row| row.place).collect::<Vec<_>>(), bad.map(|row| Some(Place::Row(row as u64))));
    // The bytes are a stream of that row, which is refused for the same reason.
    for row in refused.iter().skip(1) {
        let options = ReadOptions { dims: Some(DIMS as u32), ..ReadOptions::default() };
        let again = Arc::new(Mutex::new(Vec::new()));
        let into = again.clone();
        let refuser: Refuser = Box::new(move |row: RefusedRow| into.lock().unwrap().push(row.reason));
        assert!(read_sound("-", row.bytes.clone().into(), &options, refuser).unwrap().next().unwrap().is_none());
        assert_eq!(*again.lock().unwrap(), std::slice::from_ref(&row.reason));
    }
}
