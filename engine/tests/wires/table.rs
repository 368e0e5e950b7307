//! A table of PostgreSQL that is kept in step.

use std::collections::BTreeMap;

use vecdelta::delta::Element;
use vecdelta::wire::postgres::{Rows, TableWriter, Target, check};

use super::servers::{alone, client, crash_database, database, end_sessions, together};
use super::support::random::{Rng, row};

fn target(table: &str) -> Target {
    client()
        .batch_execute(&format!("DROP TABLE IF EXISTS {table}; DELETE FROM vecdelta.sink WHERE place = '{table}'"))
        .ok();
    Target { url: database(), table: table.to_owned(), id: "id".to_owned(), vector: "embedding".to_owned() }
}

fn f32_row(row: &[u8]) -> Option<(Element, &[u8])> {
    Some((Element::F32, row))
}

fn floats(row: &[u8]) -> Vec<u32> {
    row.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()
}

fn rows(table: &str) -> BTreeMap<String, Vec<u32>> {
    let found = client().query(&format!("SELECT id::text, embedding FROM {table}"), &[]).unwrap();
    let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect();
    found.iter().map(|r| (r.get(0), bits(r.get(1)))).collect()
}

/// Random rows come and go, the session is ended in between; the table is what was said, to the bit.
#[test]
fn a_table_keeps_in_step_through_lost_connections() {
    let _alone = alone();
    let target = target("wires_step");
    let mut writer = TableWriter::open(&target, "step").unwrap();
    assert_eq!(writer.cursor(), None);
    let mut rng = Rng::new(3);
    let mut want: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for round in 0..40 {
        let keys: Vec<String> = (0..rng.below(60) + 1).map(|_| format!("ключ-{}", rng.below(100))).collect();
        let new: Vec<Option<Vec<u8>>> =
            keys.iter().map(|_| rng.chance(80).then(|| row(&mut rng, Element::F32, 12))).collect();
        let batch: Rows<'_> =
            keys.iter().map(String::as_str).zip(new.iter().map(|r| r.as_deref().and_then(f32_row))).collect();
        if round % 7 == 3 {
            assert!(end_sessions(std::process::id()) > 0);
        }
        writer.write(&batch, &round.to_string()).unwrap();
        for (key, row) in batch {
            match row {
                Some((_, row)) => drop(want.insert(key.to_owned(), row.to_vec())),
                None => drop(want.remove(key)),
            }
        }
        if round % 9 == 0 {
            writer = TableWriter::open(&target, "step").unwrap();
            assert_eq!(writer.cursor(), Some(round.to_string().as_str()));
        }
    }
    let want: BTreeMap<String, Vec<u32>> = want.iter().map(|(k, r)| (k.clone(), floats(r))).collect();
    assert!(rows("wires_step") == want);
}

/// The server is killed between the writes: rows and cursor are always those of one moment.
#[test]
fn rows_and_cursor_outlive_a_crash_together() {
    let _alone = alone();
    let target = target("wires_crash");
    let mut writer = TableWriter::open(&target, "crash").unwrap();
    for round in 0u32..6 {
        let row: Vec<u8> = (0..8).flat_map(|i| ((round * 10 + i) as f32).to_le_bytes()).collect();
        let crash = (round % 2 == 1).then(|| std::thread::spawn(crash_database));
        let keys: Vec<String> = (0..200).map(|i| format!("k{i}")).collect();
        let batch = keys.iter().map(|k| (k.as_str(), f32_row(&row))).collect();
        writer.write(&batch, &round.to_string()).unwrap();
        crash.into_iter().for_each(|c| c.join().unwrap());
        assert!(rows("wires_crash").values().all(|found| *found == floats(&row)));
        assert_eq!(TableWriter::open(&target, "crash").unwrap().cursor(), Some(round.to_string().as_str()));
        writer = TableWriter::open(&target, "crash").unwrap();
    }
}

#[test]
fn two_writers_of_one_name_do_not_mix() {
    let _together = together();
    let target = target("wires_two");
    let mut first = TableWriter::open(&target, "two").unwrap();
    let mut second = TableWriter::open(&target, "two").unwrap();
    let row = [0; 8];
    let batch: Rows<'_> = [("a", f32_row(&row))].into();
    second.write(&batch, "1").unwrap();
    let error = first.write(&BTreeMap::new(), "1").unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
}

#[test]
fn a_table_that_cannot_be_kept_is_refused_before_anything_is_written() {
    let _together = together();
    let target = target("wires_odd");
    check(&target).unwrap();
    for (sql, says) in [
        ("CREATE TABLE wires_odd (id text, embedding real[])", "not unique"),
        ("CREATE TABLE wires_odd (id text PRIMARY KEY, embedding text)", "a vector is real[]"),
        ("CREATE TABLE wires_odd (id text PRIMARY KEY, other real[])", "no column embedding, but id, other"),
    ] {
        client().batch_execute(&format!("DROP TABLE IF EXISTS wires_odd; {sql}")).unwrap();
        for error in [check(&target).unwrap_err(), TableWriter::open(&target, "odd").err().unwrap()] {
            assert!(error.to_string().contains(says), "{error}");
        }
    }
    client()
        .batch_execute("DROP TABLE wires_odd; CREATE TABLE wires_odd (id bigint PRIMARY KEY, embedding real[])")
        .unwrap();
    let mut writer = TableWriter::open(&target, "odd").unwrap();
    let row = [0; 16];
    let batch: Rows<'_> = [("12", f32_row(&row))].into();
    let wide: Rows<'_> = [("12", Some((Element::F64, &row[..])))].into();
    let error = writer.write(&wide, "1").unwrap_err();
    assert!(error.to_string().contains("would round f64"), "{error}");
    writer.write(&batch, "1").unwrap();
    assert_eq!(rows("wires_odd").len(), 1);
    let odd: Rows<'_> = [("no number", f32_row(&row))].into();
    assert!(writer.write(&odd, "2").unwrap_err().to_string().contains("no number"));
    writer.write(&[("12", None)].into(), "2").unwrap();
    assert!(rows("wires_odd").is_empty());
}
