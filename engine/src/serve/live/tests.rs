//! A worker's partitions, looked at without any server that they would follow.

use std::path::Path;

use serde_json::{Value, json};

use super::{Boards, Standing, switch};
use crate::event::Event;
use crate::pipeline::config::{self, Pipeline};
use crate::pipeline::{Live, Metrics};
use crate::serve::http::Head;
use crate::serve::metrics::Exposition;

fn pipeline() -> Pipeline {
    let text = "config_version = 1\n[pipeline]\nname = \"p\"\nstore = \"p.vd\"\n[source.t]\nkind = \"jsonl\"\npath = \"t.jsonl\"\n\
                [sink.out]\nkind = \"jsonl\"\npath = \"out.jsonl\"\n";
    config::parse("p.toml", text, Path::new("/nowhere"), &[], &|_| None).expect("it is sound").0
}

fn clocked() -> Live {
    Live { metrics: Metrics::with_clock(|| 0).into(), ..Live::default() }
}

fn captured(deltas: u64) -> Event {
    Event::DeltaCaptured { source: "t".into(), deltas, bytes: 4 * deltas }
}

fn versioned(deltas: u64) -> Event {
    Event::DeltaVersioned { commit: "c".into(), branch: "main".into(), deltas }
}

/// A worker with three partitions: two that it worked on, and one that somebody else has.
fn worker() -> Boards {
    let boards = Boards::of_partitions(&pipeline(), &[0, 2, 5], clocked);
    for (number, board) in boards.partitions() {
        match number {
            5 => board.stand(Standing::Waiting("process 7 works on it".into())),
            _ => board.stand(Standing::Active),
        }
    }
    for (number, board) in boards.partitions().filter(|(number, _)| *number != 5) {
        board.on(&captured(10 + u64::from(number)));
        board.on(&Event::DeltaRouted { route: "all".into(), deltas: 10 });
        board.on(&versioned(3));
        let metrics = board.live().metrics;
        metrics.update(|figures| {
            figures.memory_bytes = (100, 0);
            *figures.dead_letters.entry("late").or_default() += 1;
            figures.stages.entry("capture").or_default().queue_bytes = 5;
            figures.sinks.entry("out".into()).or_default().status = "active";
        });
    }
    boards
}

#[test]
fn a_worker_is_shown_as_one_run_and_each_partition_by_itself() {
    let boards = worker();
    let shown = boards.stages();
    let stage = |of: &Value, name: &str| {
        let stages = of["stages"].as_array().expect("a list");
        stages.iter().find(|stage| stage["stage"] == name).cloned().unwrap_or_default()
    };
    // What is added up.
    assert_eq!(shown["stages"].as_array().map(Vec::len), Some(6));
    assert_eq!(
        (&stage(&shown, "capture")["total"], &stage(&shown, "capture")["queue_bytes"]),
        (&json!(22), &json!(10))
    );
    assert_eq!(
        (&shown["commits"], &shown["routes"], &shown["dead_letters"]),
        (&json!(2), &json!({ "all": 20 }), &json!({ "late": 2 }))
    );
    assert_eq!(shown["memory_bytes"]["budget"], 200);
    // What says whose it is; what was never worked on has nothing yet.
    let whose = |list: &str, name: &str| {
        let parts = shown[list].as_array().expect("a list").iter();
        parts.map(|part| (part[name].clone(), part["partition"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(whose("sources", "source"), [(json!("t"), json!(0)), (json!("t"), json!(2))]);
    assert_eq!(whose("sinks", "sink"), [(json!("out"), json!(0)), (json!("out"), json!(2))]);
    // Each.
    let partitions = shown["partitions"].as_array().expect("a list");
    let own: Vec<_> = partitions.iter().map(|own| (own["partition"].clone(), own["status"].clone())).collect();
    assert_eq!(own, [(json!(0), json!("active")), (json!(2), json!("active")), (json!(5), json!("waiting"))]);
    assert_eq!((&stage(&partitions[1], "capture")["total"], &partitions[1]["commits"]), (&json!(12), &json!(1)));
    assert_eq!((&partitions[2]["problem"], &partitions[2]["commits"]), (&json!("process 7 works on it"), &json!(0)));
    // One run says nothing of partitions.
    let run = Boards::of_run(&pipeline(), &clocked());
    run.on(&captured(4));
    let shown = run.stages();
    assert_eq!((&stage(&shown, "capture")["total"], &shown["partitions"]), (&json!(4), &Value::Null));
    assert_eq!((&shown["sources"][0]["source"], &shown["sources"][0]["partition"]), (&json!("t"), &Value::Null));
}

#[test]
fn figures_of_a_worker_name_the_partition() {
    let page = |boards: &Boards| {
        let mut page = Exposition::default();
        boards.expose(&mut page);
        page.text()
    };
    let worker = page(&worker());
    let samples: Vec<&str> = worker.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.iter().all(|line| line.contains("{partition=\"")), "{worker}");
    for line in [
        "vecdelta_deltas_captured_total{partition=\"2\",source=\"t\"} 12",
        "vecdelta_commits_total{partition=\"0\"} 1",
        "vecdelta_partition_active{partition=\"2\"} 1",
        "vecdelta_partition_active{partition=\"5\"} 0",
    ] {
        assert!(samples.contains(&line), "{line} in {worker}");
    }
    assert!(!worker.contains("vecdelta_commits_total{partition=\"5\"}"), "it was never worked on");
    // A reader refuses a page with a metric told of twice.
    let mut types: Vec<&str> = worker.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let before = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), before);
    assert!(!page(&Boards::of_run(&pipeline(), &clocked())).contains("partition"));
}

#[test]
fn a_worker_is_well_when_all_its_partitions_are() {
    let boards = worker();
    assert_eq!(boards.problems(), Vec::<String>::new(), "to wait for another worker is no trouble");
    let board = |wanted: u32| boards.partitions().find(|(number, _)| *number == wanted).expect("it is there").1;
    board(2).on(&Event::ObserverError { source: "t".into(), message: "it is cut short".into() });
    board(0).live().metrics.update(|figures| figures.failure = Some("the disk is full".into()));
    assert_eq!(
        boards.problems(),
        ["partition 0: the run ends: the disk is full", "partition 2: source t: it is cut short"]
    );
    board(2).stand(Standing::Error("lost p.vd".into()));
    board(0).stand(Standing::Ended);
    assert_eq!(boards.problems(), ["partition 2: lost p.vd"]);
}

#[test]
fn one_partition_or_all_are_told_to_wait() {
    let boards = worker();
    let told = |query: &str, order| {
        let query = query.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (method, path) = ("POST".to_owned(), "/".to_owned());
        let head = Head { method, path, query: query.into_iter().collect(), headers: Vec::new(), modern: true };
        switch::answer(&boards, &head, "t", order).map(|_| ()).map_err(|refusal| refusal.status)
    };
    let waiting = || {
        let wait = boards.partitions().filter(|(_, board)| board.live().controls.is_source_paused("t"));
        wait.map(|(number, _)| number).collect::<Vec<_>>()
    };
    assert_eq!((told("partition=2", switch::Order::Pause), waiting()), (Ok(()), vec![2]));
    // Also of one that it does not work on yet.
    assert_eq!((told("", switch::Order::Pause), waiting()), (Ok(()), vec![0, 2, 5]));
    assert_eq!((told("partition=0", switch::Order::Resume), waiting()), (Ok(()), vec![2, 5]));
    assert_eq!((told("partition=1", switch::Order::Resume), waiting()), (Err(404), vec![2, 5]));
    assert_eq!(told("partition=x", switch::Order::Resume), Err(400));
}
