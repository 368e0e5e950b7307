//! Sinks on servers, as pipelines use them: killed again and again, each delta is in the stream once, and the table in step.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use vecdelta::delta::{Applied, Delta};
use vecdelta::wire::nats::{Follower, Keeps, Place, unpack};

use super::commands::{succeeds, vecdelta};
use super::servers::{alone, client, crash_database, database, nats, restart_nats, together};
use super::support::files::Dir;
use super::support::random::Rng;

/// A table in memory: id, and the bits of its vector.
pub type Rows = BTreeMap<String, Vec<u32>>;

/// Writes epoch after epoch of a table that changes here and there, and returns the last one.
pub fn write_epochs(dir: &Path, rows: usize, epochs: usize, seed: u64) -> Rows {
    let mut rng = Rng::new(seed);
    let mut table = Rows::new();
    let vector = |rng: &mut Rng| (0..16).map(|_| (rng.below(1 << 20) as f32 / 1024.0).to_bits()).collect::<Vec<u32>>();
    for i in 0..rows {
        table.insert(format!("row-{i}"), vector(&mut rng));
    }
    for epoch in 0..epochs {
        for i in 0..rows {
            let key = format!("row-{i}");
            match rng.below(20) {
                0 => drop(table.remove(&key)),
                1..=5 => drop(table.insert(key, vector(&mut rng))),
                _ => {}
            }
        }
        write_rows(&dir.join(format!("e{epoch:03}.jsonl")), &table);
    }
    table
}

/// Writes a table as JSON lines.
pub fn write_rows(path: &Path, table: &Rows) {
    let line = |(key, row): (&String, &Vec<u32>)| {
        let numbers: Vec<String> = row.iter().map(|bits| f32::from_bits(*bits).to_string()).collect();
        format!("{{\"id\": \"{key}\", \"vector\": [{}]}}\n", numbers.join(", "))
    };
    std::fs::write(path, table.iter().map(line).collect::<String>()).unwrap();
}

/// Reads all partitions, and applies every delta: each must change the state that the one before it left.
pub fn replay(place: &Place) -> (Rows, usize) {
    let (mut states, mut count) = (BTreeMap::<String, Option<Vec<u8>>>::new(), 0);
    for partition in 0..place.partitions {
        let mut follower = Follower::open(place, &place.partition(partition), 0).unwrap();
        while let Some(message) = follower.next(Duration::from_millis(700)).unwrap() {
            for delta in unpack(&message.payload).unwrap() {
                apply(&mut states, &delta, place, partition);
                count += 1;
            }
        }
    }
    let bits = |row: Vec<u8>| row.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    (states.into_iter().filter_map(|(key, row)| Some((key, bits(row?)))).collect(), count)
}

fn apply(states: &mut BTreeMap<String, Option<Vec<u8>>>, delta: &Delta, place: &Place, partition: u32) {
    let key = &delta.source().key;
    assert_eq!(place.partition_of(&delta.source().collection, key), partition);
    let state = states.entry(key.clone()).or_default();
    assert_eq!(delta.apply_to(key, state).unwrap(), Applied::Changed, "{key} came twice");
}

/// Returns the rows of a table.
pub fn rows_of(table: &str) -> Rows {
    let found = client().query(&format!("SELECT id::text, embedding FROM {table}"), &[]).unwrap();
    found.iter().map(|r| (r.get(0), r.get::<_, Vec<f32>>(1).into_iter().map(f32::to_bits).collect())).collect()
}

/// A stream and a table of one pipeline.
struct Outlets {
    place: Place,
    table: String,
}

fn outlets(name: &str) -> Outlets {
    let name = format!("{name}_{}", std::process::id());
    client().batch_execute(&format!("DROP TABLE IF EXISTS {name}")).unwrap();
    let place =
        Place { url: nats(), stream: name.clone(), subject: name.clone(), partitions: 3, keeps: Keeps::default() };
    Outlets { place, table: name }
}

fn pipeline(dir: &Path, to: &Outlets) {
    let (Outlets { place, table }, database) = (to, database());
    let text = format!(
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\ndrain = \"60s\"\n[source.t]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\n\
         missing = \"delete\"\n[sink.bus]\nkind = \"nats\"\nurl = \"{}\"\nstream = \"{}\"\nsubject = \"{}\"\npartitions = 3\n\
         [sink.table]\nkind = \"postgres\"\nurl = \"{database}\"\ntable = \"{table}\"\n",
        place.url, place.stream, place.subject
    );
    std::fs::write(dir.join("p.toml"), text).unwrap();
}

#[test]
fn a_pipeline_that_is_killed_again_and_again_sends_each_delta_once() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let to = outlets("sinks_killed");
    let want = write_epochs(dir, 1_500, 60, 5);
    pipeline(dir, &to);
    let mut rng = Rng::new(8);
    let mut killed = 0;
    // Runs are as long as the machine is slow: they get a little more time after each kill, and less when one was through before.
    let mut longest = 100;
    for _ in 0..25 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vecdelta"));
        let command = command.args(["run", "p.toml"]).current_dir(dir).env("VECDELTA_AUTHOR", "tester");
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + rng.below(longest) as u64));
        let works = run.try_wait().unwrap().is_none();
        killed += u32::from(works);
        longest = if works { longest + 40 } else { longest * 2 / 3 };
        run.kill().unwrap();
        run.wait().unwrap();
    }
    assert!(killed > 2, "{killed}");
    succeeds(dir, &["run", "p.toml"]);
    let (found, deltas) = replay(&to.place);
    assert!(found == want && rows_of(&to.table) == want);
    // One more run has nothing to say.
    succeeds(dir, &["run", "p.toml"]);
    assert_eq!(replay(&to.place).1, deltas);
}

/// Both servers are killed while the sinks write: the run waits, and goes on when they are back.
#[test]
fn sinks_outlive_their_servers() {
    let _alone = alone();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let to = outlets("sinks_servers");
    let want = write_epochs(dir, 1_500, 40, 6);
    pipeline(dir, &to);
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| vecdelta(dir, &["run", "p.toml"]));
        for round in 0..3 {
            std::thread::sleep(Duration::from_millis(700 + 300 * round));
            if run.is_finished() {
                break;
            }
            if round % 2 == 0 { restart_nats() } else { crash_database() }
        }
        run.join().unwrap()
    });
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    assert!(replay(&to.place).0 == want && rows_of(&to.table) == want);
}

#[test]
fn a_sink_whose_server_is_not_there_says_so_and_goes_on_in_the_next_run() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let mut to = outlets("sinks_absent");
    let want = write_epochs(dir, 50, 3, 7);
    let there = std::mem::replace(&mut to.place.url, "nats://127.0.0.1:1".to_owned());
    pipeline(dir, &to);
    let absent = vecdelta(dir, &["run", "p.toml", "--set", "pipeline.drain=1s"]);
    let said = String::from_utf8_lossy(&absent.stderr).into_owned();
    assert_eq!(absent.status.code(), Some(74), "{said}");
    assert!(said.contains("127.0.0.1:1") && said.contains("goes on where each sink is"), "{said}");
    assert!(rows_of(&to.table) == want);
    to.place.url = there;
    pipeline(dir, &to);
    succeeds(dir, &["run", "p.toml"]);
    assert!(replay(&to.place).0 == want);
}
