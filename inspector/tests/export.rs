//! What is written out, against what the engine says in another way.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::Key;
use egui_kittest::kittest::Queryable;
use vecdelta::delta::Change;
use vecdelta::version::{Repository, VersionError, diff, read_table, table};
use vecdelta_inspector::ask::{Answer, Ask, Export, Format, Place, Request};
use vecdelta_inspector::work::{Worker, demo as told};

use super::support::{demo, saved, shown};

type Rows = BTreeMap<String, Vec<u8>>;

fn repo() -> Repository {
    Repository::open(told().expect("memory does not refuse")).expect("it was just made")
}

fn whole(repo: &Repository, commit: usize) -> Rows {
    let mut rows = Rows::new();
    let shape = Arc::new(table(repo, commit, Some("products")).expect("a table"));
    read_table::<VersionError>(repo, commit, &shape, &mut |keys, bits| {
        rows.extend(keys.iter().map(str::to_owned).zip(bits.chunks_exact(shape.row_bytes()).map(<[u8]>::to_vec)));
        Ok(())
    })
    .expect("the table is read");
    rows
}

fn written(what: &Export) -> Result<Vec<u8>, String> {
    let mut worker = Worker::new(Box::new(|_| Ok((told()?, false))));
    let mut ask = |number, ask| worker.answer(&Request { number, ask }).expect("memory never waits").result;
    ask(1, Ask::Open(Place::Demo)).expect("it opens");
    let mut out = Vec::new();
    for turn in 0..1000 {
        match ask(u64::from(turn) + 2, Ask::Export { what: what.clone(), turn }) {
            Ok(Answer::Export(piece)) => {
                out.extend(piece.bytes);
                if piece.done {
                    return Ok(out);
                }
            }
            Ok(other) => panic!("{other:?}"),
            Err(trouble) => return Err(trouble.text),
        }
    }
    panic!("it never ends")
}

/// Reads the CSV of plain keys, as its description says.
fn read(csv: &[u8]) -> Rows {
    let text = std::str::from_utf8(csv).expect("it is text");
    let mut lines = text.lines();
    assert!(lines.next().expect("a head").starts_with("id,0,1,2,"));
    let number = |text: &str| match text.strip_prefix("NaN:0x") {
        Some(digits) => u32::from_str_radix(digits, 16).expect("bits").to_le_bytes(),
        None => text.parse::<f32>().expect("a number").to_le_bytes(),
    };
    let row = |line: &str| {
        let (key, numbers) = line.split_once(',').expect("numbers");
        (key.to_owned(), numbers.split(',').flat_map(number).collect())
    };
    lines.map(row).collect()
}

fn what(commit: usize, keys: &[&str], since: Option<usize>, format: Format) -> Export {
    Export {
        commit: commit as u32,
        collection: "products".to_owned(),
        keys: keys.iter().map(|k| (*k).to_owned()).collect(),
        since: since.map(|c| c as u32),
        format,
    }
}

#[test]
fn a_table_as_csv_reads_back_to_the_same_bits() {
    let repo = repo();
    for commit in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
        let csv = written(&what(commit, &[], None, Format::Csv)).expect("it is written");
        assert_eq!(read(&csv), whole(&repo, commit), "at {commit}");
    }
}

#[test]
fn chosen_and_changed_rows_are_those_and_no_others() {
    let repo = repo();
    let main = repo.head("main").expect("main");
    let some = written(&what(main, &["lamp-003", "chair-001"], None, Format::Csv)).expect("it is written");
    let all = whole(&repo, main);
    let expected: Rows = ["chair-001", "lamp-003"].iter().map(|k| ((*k).to_owned(), all[*k].clone())).collect();
    assert_eq!(read(&some), expected);
    let held = || (0..repo.len()).filter(|&c| repo.stands_for(c).is_none());
    let mut changed = 0;
    for since in held() {
        for commit in held() {
            let rows = read(&written(&what(commit, &[], Some(since), Format::Csv)).expect("it is written"));
            let mut expected = Rows::new();
            diff::<VersionError>(&repo, Some(since), Some(commit), None, &mut |part| {
                let there = part.sources.into_iter().filter(|d| d.change != Change::Delete);
                expected.extend(there.map(|d| (d.key, d.new)));
                Ok(())
            })
            .expect("a diff");
            assert_eq!(rows, expected, "{since}..{commit}");
            changed += rows.len();
        }
    }
    assert!(changed > 1000, "only {changed} rows changed anywhere");
    let missing = written(&what(main, &["nobody"], None, Format::Csv)).expect_err("nobody is there");
    assert!(missing.contains("products/nobody"), "{missing}");
}

#[test]
fn parquet_begins_and_ends_as_it_must() {
    let main = repo().head("main").expect("main");
    let bytes = written(&what(main, &[], None, Format::Parquet)).expect("it is written");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{} bytes", bytes.len());
}

#[test]
fn a_piece_out_of_order_is_refused() {
    let mut worker = Worker::new(Box::new(|_| Ok((told()?, false))));
    let mut ask = |number, ask| worker.answer(&Request { number, ask }).expect("memory never waits").result;
    ask(1, Ask::Open(Place::Demo)).expect("it opens");
    assert!(ask(2, Ask::Export { what: what(15, &[], None, Format::Csv), turn: 1 }).is_err());
    assert!(ask(3, Ask::Export { what: what(99, &[], None, Format::Csv), turn: 0 }).is_err());
}

#[test]
fn the_chosen_vector_is_written_with_the_command_that_does_the_same() {
    let mut w = demo("#c=main&vec=products/lamp-003");
    w.key_press(Key::E);
    w.run();
    assert_eq!(shown(&w)["export"]["shown"], true);
    assert!(w.query_by_label_contains("--only=lamp-003 --collection products --output products-").is_some());
    w.get_by_label("Write the file").click();
    w.run();
    let pieces = saved();
    assert!(pieces.first().is_some_and(|p| p.first) && pieces.last().is_some_and(|p| p.last));
    let bytes: Vec<u8> = pieces.iter().flat_map(|p| p.bytes.clone()).collect();
    let rows = read(&bytes);
    let repo = repo();
    let main = repo.head("main").expect("main");
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["lamp-003"]);
    assert_eq!(rows["lamp-003"], whole(&repo, main)["lamp-003"]);
    assert_eq!(shown(&w)["export"]["shown"], false, "it closes when it is done");
    assert!(pieces[0].to.ends_with(".csv"));
}
