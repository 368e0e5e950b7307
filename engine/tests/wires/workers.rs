//! Several workers share a stream; they are killed at random, and others take over.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use serde_json::Value;
use vecdelta::store::is_taken;
use vecdelta::wire::nats::{Place, Publisher};

use super::commands::{succeeds, vecdelta};
use super::pauses::Looked;
use super::servers::{database, together};
use super::sinks::{Rows, replay, write_epochs};
use super::sources::{new_place, start, table_of, until};
use super::support::files::Dir;
use super::support::random::Rng;

const PARTITIONS: u32 = 4;

/// The place where the sink of a partition shows what was committed.
fn onward(from: &Place, partition: u32) -> Place {
    let name = format!("{}_on{partition}", from.stream);
    Place { stream: name.clone(), subject: name, partitions: 1, ..from.clone() }
}

fn files(dir: &Path, from: &Place, store: &str) {
    let sink = format!("kind = \"nats\"\nurl = \"{}\"\n", from.url);
    let stream = format!("stream = \"{0}\"\nsubject = \"{0}\"\npartitions = {1}\n", from.stream, from.partitions);
    let publish = format!(
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n[source.t]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\nmissing = \"delete\"\n\
         [sink.bus]\n{sink}{stream}"
    );
    std::fs::write(dir.join("publish.toml"), publish).unwrap();
    let work = format!(
        "config_version = 1\n[pipeline]\nstore = \"{store}\"\n[source.t]\n{sink}{stream}\
         [window.live]\nclose = {{ after = \"30ms\", count = 60 }}\n\
         [sink.on]\n{sink}stream = \"{0}_on{{partition}}\"\nsubject = \"{0}_on{{partition}}\"\npartitions = 1\n",
        from.stream
    );
    std::fs::write(dir.join("work.toml"), work).unwrap();
}

/// The store of a partition that lies in a directory.
const STORE: &str = "part-{partition}.vd";

fn store_of(dir: &Path, store: &str, partition: u32) -> PathBuf {
    let own = store.replace("{partition}", &partition.to_string());
    if own.contains("://") { own.into() } else { dir.join(own) }
}

/// Returns the tables of all partitions together.
fn all(dir: &Path, store: &str) -> Rows {
    let mut rows = Rows::new();
    for partition in 0..PARTITIONS {
        let own = store_of(dir, store, partition);
        if is_taken(&own).unwrap() {
            rows.extend(table_of(&own, "t"));
        }
    }
    rows
}

#[test]
fn workers_that_are_killed_are_taken_over_and_no_delta_is_lost_doubled_or_overtaken() {
    let _together = together();
    let dir = Dir::new();
    killed_and_taken_over(dir.0.as_path(), &new_place("shared", PARTITIONS), STORE, 9);
}

/// The same where the lease is the lock of a session of PostgreSQL.
#[test]
fn leases_in_a_database_are_taken_over() {
    let _together = together();
    let dir = Dir::new();
    let store = format!("{}?repo=leased-{}-{{partition}}", database(), std::process::id());
    killed_and_taken_over(dir.0.as_path(), &new_place("leased", PARTITIONS), &store, 4);
}

/// Kills one of three workers again and again while epochs come.
fn killed_and_taken_over(dir: &Path, from: &Place, store: &str, rounds: usize) {
    files(dir, from, store);
    Publisher::open(from).unwrap();
    let want = write_epochs(dir, 500, rounds * 4, 41);
    // The epochs come a few at a time, so that there is work all the while.
    std::fs::create_dir(dir.join("later")).unwrap();
    let epoch = |n: usize| format!("e{n:03}.jsonl");
    (0..rounds * 4).for_each(|n| std::fs::rename(dir.join(epoch(n)), dir.join("later").join(epoch(n))).unwrap());
    let roles: [&[&str]; 3] = [
        &["work.toml", "--partition", "1/2", "--standby"],
        &["work.toml", "--partition", "2/2", "--standby"],
        &["work.toml", "--standby"],
    ];
    let mut workers: Vec<Child> = roles.iter().map(|role| start(dir, role)).collect();
    let mut rng = Rng::new(17);
    for round in 0..rounds {
        for n in round * 4..round * 4 + 4 {
            std::fs::rename(dir.join("later").join(epoch(n)), dir.join(epoch(n))).unwrap();
        }
        let mut publish = start(dir, &["publish.toml"]);
        std::thread::sleep(Duration::from_millis(rng.below(900) as u64));
        let victim = rng.below(3);
        assert!(workers[victim].try_wait().unwrap().is_none(), "worker {victim} has ended by itself");
        workers[victim].kill().unwrap();
        workers[victim].wait().unwrap();
        std::thread::sleep(Duration::from_millis(300 + rng.below(900) as u64));
        workers[victim] = start(dir, roles[victim]);
        assert!(publish.wait().unwrap().success());
    }
    until("all is taken over", &mut || all(dir, store) == want);
    // What each committed, as its sink tells it: every delta once, and in the order of its source.
    let mut found = Rows::new();
    until("the sinks have it all", &mut || {
        found = (0..PARTITIONS).flat_map(|partition| replay(&onward(from, partition)).0).collect();
        found == want
    });
    for mut worker in workers {
        assert!(worker.try_wait().unwrap().is_none());
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    for partition in 0..PARTITIONS {
        let place = store_of(dir, store, partition);
        succeeds(dir, &["verify", &place.to_string_lossy()]);
        let own = |key: &String| from.partition_of("t", key) == partition;
        assert!(table_of(&place, "t").keys().all(own));
    }
}

#[test]
fn a_share_that_makes_no_sense_is_refused() {
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let from = Place { url: "nats://127.0.0.1:1".to_owned(), ..new_place("refused", PARTITIONS) };
    files(dir, &from, STORE);
    for (arguments, code, says) in [
        (&["run", "work.toml"][..], 78, "--partition 1/1"),
        (&["plan", "work.toml"], 78, "--partition 1/1"),
        (&["run", "work.toml", "--partition", "3/2"], 2, "write K/N"),
        (&["run", "work.toml", "--partition", "5/5"], 78, "4 partitions"),
        (&["run", "publish.toml", "--partition", "1/2"], 78, "`{partition}`"),
        (&["run", "work.toml", "--partition", "1/2", "--listen", "nowhere"], 2, "no address and port"),
    ] {
        let told = vecdelta(dir, arguments);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(code) && said.contains(says), "{arguments:?} {:?}: {said}", told.status);
    }
}

/// A worker reads its pipeline file again: all its partitions go on with it, and lose nothing.
#[test]
fn a_worker_goes_on_with_other_settings() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let from = new_place("resettled", PARTITIONS);
    files(dir, &from, STORE);
    Publisher::open(&from).unwrap();
    let want = write_epochs(dir, 300, 8, 43);
    let told = || {
        let text = std::fs::read_to_string(dir.join("told.jsonl")).unwrap_or_default();
        text.matches("\"PipelineReloaded\"").count()
    };
    let mut worker = start(dir, &["work.toml", "--partition", "1/1", "--events", "told.jsonl"]);
    let text = std::fs::read_to_string(dir.join("work.toml")).unwrap();
    let mut publish = start(dir, &["publish.toml"]);
    for change in 1..=3 {
        until("the worker works", &mut || is_taken(&store_of(dir, STORE, 0)).unwrap());
        std::fs::write(dir.join("work.toml"), text.replace("count = 60", &format!("count = {}", 60 + change))).unwrap();
        let id = worker.id().to_string();
        assert!(std::process::Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        until("the other settings", &mut || told() >= change);
    }
    assert!(publish.wait().unwrap().success());
    until("all is there", &mut || all(dir, STORE) == want);
    let id = worker.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(worker.wait().unwrap().code(), Some(0));
    // What is told of a partition names it, and what is told of all does not.
    let text = std::fs::read_to_string(dir.join("told.jsonl")).unwrap();
    let of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["partition"].clone();
    let named = |event: &str| text.lines().filter(|line| line.contains(event)).map(of).collect::<Vec<_>>();
    assert!((0..4).all(|partition| named("\"DeltaVersioned\"").contains(&Value::from(partition))), "{text}");
    assert!(named("\"PipelineReloaded\"").iter().all(Value::is_null), "{text}");
    let found: Rows = (0..PARTITIONS).flat_map(|partition| replay(&onward(&from, partition)).0).collect();
    assert!(found == want);
}

/// What a worker says of itself while it runs.
fn seen(worker: &Looked) -> Value {
    let answer = worker.ask("GET /v1/stages");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn statuses(seen: &Value) -> Vec<(u64, String)> {
    let partitions = seen["partitions"].as_array().unwrap().iter();
    partitions.map(|own| (own["partition"].as_u64().unwrap(), own["status"].as_str().unwrap().to_owned())).collect()
}

fn read(of: &Value) -> u64 {
    of["stages"][0]["total"].as_u64().unwrap()
}

/// A worker that listens shows its partitions, and those that it takes over; each can be told to wait by itself.
#[test]
fn a_worker_is_looked_at() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let from = new_place("looked", PARTITIONS);
    files(dir, &from, STORE);
    Publisher::open(&from).unwrap();
    let want = write_epochs(dir, 400, 6, 44);
    let later = dir.join("later.hidden");
    std::fs::rename(dir.join("e005.jsonl"), &later).unwrap();
    let mut other = Looked::start(dir, &["work.toml", "--partition", "2/2"]);
    until("the other one's partitions", &mut || {
        [1, 3].iter().all(|&partition| is_taken(&store_of(dir, STORE, partition)).unwrap())
    });
    let worker = Looked::start(dir, &["work.toml", "--partition", "1/2", "--standby"]);
    let mut tap = std::process::Command::new(env!("CARGO_BIN_EXE_vecdelta"));
    let tap = tap.args(["tap", "version", &worker.url(), "--partition", "2", "--limit", "2"]);
    let tap = tap.stdout(std::process::Stdio::piped()).spawn().unwrap();
    until("the tap", &mut || seen(&worker)["taps"] == 1);
    succeeds(dir, &["run", "publish.toml"]);
    let shares =
        |own: &str, others: &str| (0..4).map(|n| (n, [own, others][n as usize % 2].to_owned())).collect::<Vec<_>>();
    until("rows of both partitions", &mut || {
        let seen = seen(&worker);
        statuses(&seen) == shares("active", "waiting") && [0, 2].iter().all(|&n| read(&seen["partitions"][n]) > 0)
    });
    assert!(worker.ask("GET /healthz").contains("ready"));
    let holder = format!("process {} works on it", other.child.id());
    until("who has the others", &mut || seen(&worker)["partitions"][1]["problem"] == holder);
    let page = worker.ask("GET /metrics");
    for sample in [
        "vecdelta_partition_active{partition=\"2\"} 1",
        "vecdelta_partition_active{partition=\"3\"} 0",
        "vecdelta_source_records_total{partition=\"0\",source=\"t\"}",
        "vecdelta_stage_busy_seconds_total{partition=\"2\",stage=\"version\"}",
    ] {
        assert!(page.contains(sample), "{sample} in {page}");
    }
    let passed = String::from_utf8(tap.wait_with_output().unwrap().stdout).unwrap();
    let events: Vec<Value> = passed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.len() == 2 && events.iter().all(|event| event["partition"] == 2), "{passed}");
    let view = succeeds(dir, &["top", &worker.url(), "--once"]);
    assert!(view.contains("partition ") && view.contains("waiting"), "{view}");
    // One that is told to wait does; the other one goes on.
    assert!(worker.ask("POST /v1/stages/t/pause?partition=0").contains("\"partitions\":[0]"));
    assert!(worker.ask("POST /v1/stages/t/pause?partition=4").contains("404"));
    assert!(worker.ask("POST /v1/collections/t").contains("publish them there"));
    until("nothing on its way", &mut || {
        let before = read(&seen(&worker));
        std::thread::sleep(Duration::from_millis(700));
        before == read(&seen(&worker))
    });
    let before = seen(&worker);
    std::fs::rename(&later, dir.join("e005.jsonl")).unwrap();
    succeeds(dir, &["run", "publish.toml"]);
    until("rows of the one that goes on", &mut || {
        read(&seen(&worker)["partitions"][2]) > read(&before["partitions"][2])
    });
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(read(&seen(&worker)["partitions"][0]), read(&before["partitions"][0]));
    assert!(worker.ask("POST /v1/stages/t/resume").contains("200"));
    // What another one leaves behind is shown once it is taken over.
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    until("all is taken over", &mut || {
        all(dir, STORE) == want && statuses(&seen(&worker)) == shares("active", "active")
    });
    let told = seen(&worker);
    let each: u64 = told["partitions"].as_array().unwrap().iter().map(read).sum();
    assert!(each > 0 && read(&told) >= each, "{told}");
}

/// A worker is not well when one of its partitions is not.
#[test]
fn a_worker_says_which_partition_is_not_well() {
    let dir = Dir::new();
    let dir = dir.0.as_path();
    // Nobody is there: the partitions are worked on all the same, and wait for the server.
    let from = Place { url: "nats://127.0.0.1:1".to_owned(), ..new_place("unwell", PARTITIONS) };
    files(dir, &from, STORE);
    let text = std::fs::read_to_string(dir.join("work.toml")).unwrap();
    let sink = "[sink.gone]\nkind = \"jsonl\"\npath = \"work.toml/none-{partition}.jsonl\"\n";
    std::fs::write(dir.join("work.toml"), text + sink).unwrap();
    let worker = Looked::start(dir, &["work.toml", "--partition", "2/3"]);
    until("the trouble", &mut || worker.ask("GET /healthz").contains("503"));
    let said = worker.ask("GET /healthz");
    assert!(said.contains("partition 1: ") && !said.contains("partition 0"), "{said}");
    assert_eq!(statuses(&seen(&worker)), [(1, "active".to_owned())]);
}
