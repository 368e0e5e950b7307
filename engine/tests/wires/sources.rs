//! Sources on servers, as pipelines use them: killed again and again, nothing is lost, doubled or out of order.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vecdelta::store::disk_at;
use vecdelta::version::{MAIN, Repository};
use vecdelta::wire::nats::{Keeps, Place};

use super::commands::{succeeds, vecdelta};
use super::servers::{alone, client, crash_database, database, nats, restart_nats, together};
use super::sinks::{Rows, replay, write_epochs};
use super::support::files::Dir;
use super::support::random::Rng;

/// Starts a run that goes on until it is ended.
pub fn start(dir: &Path, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vecdelta"));
    let command = command.arg("run").args(arguments).current_dir(dir).env("VECDELTA_AUTHOR", "tester");
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Lets a run go on for a while and kills it; returns whether it was still at work.
fn kill_after(mut run: Child, millis: u64) -> bool {
    std::thread::sleep(Duration::from_millis(millis));
    let at_work = run.try_wait().unwrap().is_none();
    run.kill().unwrap();
    run.wait().unwrap();
    at_work
}

/// Returns the table of a repository's collection.
pub fn table_of(store: &Path, collection: &str) -> Rows {
    let repo = Repository::open(disk_at(store).unwrap()).unwrap();
    let Some(head) = repo.head(MAIN) else { return Rows::new() };
    let found = super::support::oracle::read(&repo, head).unwrap().remove(collection).unwrap().rows;
    let bits = |row: Vec<u8>| row.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
    found.into_iter().map(|(key, row)| (key, bits(row))).collect()
}

/// Waits until something holds.
pub fn until(what: &str, holds: &mut dyn FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn new_place(name: &str, partitions: u32) -> Place {
    let name = format!("{name}_{}", std::process::id());
    Place { url: nats(), stream: name.clone(), subject: name, partitions, keeps: Keeps::default() }
}

/// What a follower of a stream is told, with a sink that shows each delta that it committed.
pub fn follower(dir: &Path, from: &Place, to: &Place, store: &str, follow: bool) {
    let text = format!(
        "config_version = 1\n[pipeline]\nstore = \"{store}\"\ndrain = \"60s\"\n[source.t]\nkind = \"nats\"\nurl = \"{}\"\n\
         stream = \"{}\"\nsubject = \"{}\"\npartitions = {}\nfollow = {follow}\n[window.live]\nclose = {{ after = \"40ms\", count = 70 }}\n\
         [sink.bus]\nkind = \"nats\"\nurl = \"{}\"\nstream = \"{}\"\nsubject = \"{}\"\npartitions = {}\n",
        from.url, from.stream, from.subject, from.partitions, to.url, to.stream, to.subject, to.partitions
    );
    std::fs::write(dir.join(if follow { "live.toml" } else { "rest.toml" }), text).unwrap();
}

fn publisher(dir: &Path, to: &Place) {
    let text = format!(
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n[source.t]\nkind = \"jsonl\"\npath = \"e*.jsonl\"\nmissing = \"delete\"\n\
         [sink.bus]\nkind = \"nats\"\nurl = \"{}\"\nstream = \"{}\"\nsubject = \"{}\"\npartitions = {}\n",
        to.url, to.stream, to.subject, to.partitions
    );
    std::fs::write(dir.join("publish.toml"), text).unwrap();
}

#[test]
fn a_follower_that_is_killed_again_and_again_has_every_delta_once() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let (from, to) = (new_place("followed", 4), new_place("onward", 2));
    let want = write_epochs(dir, 300, 30, 21);
    publisher(dir, &from);
    follower(dir, &from, &to, "f.vd", true);
    follower(dir, &from, &to, "f.vd", false);
    succeeds(dir, &["run", "publish.toml"]);
    let mut rng = Rng::new(4);
    let mut killed = 0;
    for _ in 0..20 {
        killed += u32::from(kill_after(start(dir, &["live.toml"]), 50 + rng.below(700) as u64));
    }
    assert_eq!(killed, 20);
    succeeds(dir, &["run", "rest.toml"]);
    assert!(table_of(&dir.join("f.vd"), "t") == want);
    assert!(replay(&to).0 == want);
    let before = succeeds(dir, &["log", "f.vd", "--json"]);
    succeeds(dir, &["run", "rest.toml"]);
    assert_eq!(succeeds(dir, &["log", "f.vd", "--json"]), before, "nothing comes again");
}

/// The servers are killed under a publisher, a follower, and a table at its end.
#[test]
fn a_chain_outlives_its_servers() {
    let _alone = alone();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let (from, to) = (new_place("chain", 3), new_place("chain_end", 1));
    let want = write_epochs(dir, 800, 25, 22);
    publisher(dir, &from);
    follower(dir, &from, &to, "f.vd", true);
    follower(dir, &from, &to, "f.vd", false);
    // The stream has to be there before it is followed.
    vecdelta::wire::nats::Publisher::open(&from).unwrap();
    let live = start(dir, &["live.toml"]);
    let publish = std::thread::scope(|scope| {
        let run = scope.spawn(|| vecdelta(dir, &["run", "publish.toml"]));
        for pause in [500, 900, 600] {
            std::thread::sleep(Duration::from_millis(pause));
            restart_nats();
        }
        run.join().unwrap()
    });
    assert!(publish.status.success(), "{}", String::from_utf8_lossy(&publish.stderr));
    until("the follower goes on when its server is back", &mut || table_of(&dir.join("f.vd"), "t") == want);
    assert!(kill_after(live, 0), "it still follows");
    succeeds(dir, &["run", "rest.toml"]);
    assert!(replay(&to).0 == want);
}

/// Messages of other programs: rows, rows that are gone, several lines in one; the place is kept within a message.
#[test]
fn lines_of_others_are_followed_through_kills_and_a_gap_is_told() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let (from, to) = (new_place("lines", 1), new_place("lines_end", 1));
    let text = |on_gap: &str, follow: bool| {
        format!(
            "config_version = 1\n[pipeline]\nstore = \"l.vd\"\n[source.t]\nkind = \"nats\"\nformat = \"jsonl\"\nurl = \"{}\"\n\
             stream = \"{}\"\nsubject = \"{}.>\"\nid = \"id\"\nvector = {{ column = \"v\", dims = 4 }}\ndeleted = \"gone\"\nfollow = {follow}\n\
             {on_gap}\n[window.live]\nclose = {{ after = \"30ms\", count = 20 }}\n[sink.bus]\nkind = \"nats\"\nurl = \"{}\"\n\
             stream = \"{}\"\nsubject = \"{}\"\npartitions = 1\n",
            from.url, from.stream, from.subject, to.url, to.stream, to.subject
        )
    };
    std::fs::write(dir.join("live.toml"), text("", true)).unwrap();
    std::fs::write(dir.join("rest.toml"), text("", false)).unwrap();
    std::fs::write(dir.join("skip.toml"), text("on_gap = \"skip\"", false)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stream = runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(&from.url).await.unwrap());
        let subjects = vec![format!("{}.>", from.subject)];
        let config =
            async_nats::jetstream::stream::Config { name: from.stream.clone(), subjects, ..Default::default() };
        let stream = context.create_stream(config).await.unwrap();
        (context, stream)
    });
    let (context, stream) = stream;
    let mut rng = Rng::new(9);
    let mut want = Rows::new();
    let send = |rng: &mut Rng, want: &mut Rows| {
        let mut lines = String::new();
        for _ in 0..1 + rng.below(30) {
            let key = format!("id-{}", rng.below(25));
            if rng.below(4) == 0 {
                lines += &format!("{{\"id\": \"{key}\", \"gone\": true}}\n");
                want.remove(&key);
            } else {
                let row: Vec<f32> = (0..4).map(|_| rng.below(1 << 16) as f32 / 64.0).collect();
                lines += &format!("{{\"id\": \"{key}\", \"v\": {row:?}}}\n");
                want.insert(key, row.into_iter().map(f32::to_bits).collect());
            }
        }
        let subject = format!("{}.{}", from.subject, rng.below(3));
        runtime.block_on(async { context.publish(subject, lines.into()).await.unwrap().await.unwrap() }).sequence
    };
    for _ in 0..12 {
        let run = start(dir, &["live.toml"]);
        let millis = 80 + rng.below(400) as u64;
        for _ in 0..15 {
            send(&mut rng, &mut want);
        }
        kill_after(run, millis);
    }
    succeeds(dir, &["run", "rest.toml"]);
    assert!(table_of(&dir.join("l.vd"), "t") == want);
    assert!(replay(&to).0 == want);
    // What the stream removes before it is read is missed.
    let first = send(&mut rng, &mut want.clone());
    let last = send(&mut rng, &mut want.clone());
    runtime.block_on(async { stream.purge().sequence(last).await.unwrap() });
    let told = vecdelta(dir, &["run", "rest.toml"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(74), "{said}");
    assert!(
        said.contains(&format!("messages {first} to {}", last - 1)) && said.contains("on_gap = \"skip\""),
        "{said}"
    );
    succeeds(dir, &["run", "skip.toml"]);
    // A line that is none is named.
    runtime.block_on(async {
        context.publish(format!("{}.x", from.subject), "{\"id\": 1, \"v\": [1]}".into()).await.unwrap().await.unwrap()
    });
    std::fs::write(dir.join("stop.toml"), text("on_reject = \"stop\"", false)).unwrap();
    let told = vecdelta(dir, &["run", "stop.toml"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(!told.status.success() && said.contains(&format!("message {}, line 1", last + 1)), "{said}");
}

/// Lines that cannot be read become dead letters, once, and the others around them are taken; killed or not.
#[test]
fn lines_of_others_that_cannot_be_read_are_dead_letters() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let from = new_place("bad_lines", 1);
    let text = |follow: bool| {
        format!(
            "config_version = 1\n[pipeline]\nstore = \"l.vd\"\n[source.t]\nkind = \"nats\"\nformat = \"jsonl\"\nurl = \"{}\"\n\
             stream = \"{}\"\nsubject = \"{}.>\"\nid = \"id\"\nvector = \"v\"\ndeleted = \"gone\"\nfollow = {follow}\n\
             [window.live]\nclose = {{ after = \"30ms\", count = 20 }}\n",
            from.url, from.stream, from.subject
        )
    };
    std::fs::write(dir.join("live.toml"), text(true)).unwrap();
    std::fs::write(dir.join("rest.toml"), text(false)).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let context = runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(&from.url).await.unwrap());
        let subjects = vec![format!("{}.>", from.subject)];
        let config =
            async_nats::jetstream::stream::Config { name: from.stream.clone(), subjects, ..Default::default() };
        context.create_stream(config).await.unwrap();
        context
    });
    let mut rng = Rng::new(11);
    let (mut want, mut bad) = (Rows::new(), std::collections::BTreeMap::new());
    let mut send = |rng: &mut Rng, first: bool| {
        let mut lines = Vec::new();
        let count = 1 + rng.below(12);
        for _ in 0..count {
            let (number, key) = (bad.len(), format!("id-{}", rng.below(9)));
            match if first { 0 } else { rng.below(12) } {
                0..=4 => {
                    let row: Vec<f32> = (0..4).map(|_| rng.below(1 << 16) as f32 / 64.0).collect();
                    lines.push(format!("{{\"id\": \"{key}\", \"v\": {row:?}}}"));
                    want.insert(key, row.into_iter().map(f32::to_bits).collect());
                }
                5 => {
                    lines.push(format!("{{\"id\": \"{key}\", \"gone\": true}}"));
                    want.remove(&key);
                }
                kind => {
                    let (line, reason) = match kind {
                        6 | 7 => (format!("no JSON {number}"), "JSON"),
                        8 => (format!("{{\"id\": \"w{number}\", \"v\": [1, 2]}}"), "2 wide"),
                        9 => (format!("{{\"id\": \"g{number}\", \"gone\": 7}}"), "neither true nor false"),
                        10 => (format!("{{\"gone\": true, \"n\": {number}}}"), "there is no `id`"),
                        _ => (format!("{{\"id\": \"n{number}\"}}"), ""),
                    };
                    bad.insert(line.clone(), (lines.len() + 1, reason));
                    lines.push(line);
                }
            }
        }
        let (subject, body) = (format!("{}.x", from.subject), lines.join("\n"));
        runtime.block_on(async { context.publish(subject, body.into()).await.unwrap().await.unwrap() });
    };
    send(&mut rng, true);
    for _ in 0..6 {
        let run = start(dir, &["live.toml"]);
        for _ in 0..12 {
            send(&mut rng, false);
        }
        kill_after(run, 80 + rng.below(300) as u64);
    }
    succeeds(dir, &["run", "rest.toml"]);
    assert!(table_of(&dir.join("l.vd"), "t") == want);
    let disk = vecdelta::store::LocalDisk::new(dir.join("l.vd"));
    let letters = vecdelta::store::Letters::read(&disk).unwrap();
    let mut kept: Vec<&str> = Vec::new();
    for (_, letter, _) in letters.iter() {
        let line = std::str::from_utf8(&letter.bits).unwrap();
        let (number, reason) = bad[line];
        let place = format!(", line {number}: ");
        assert!(letter.message.contains(&place) && letter.message.contains(reason), "{line}: {}", letter.message);
        kept.push(line);
    }
    kept.sort_unstable();
    assert!(kept.len() > 50 && kept.iter().eq(bad.keys()), "{} of {}", kept.len(), bad.len());
    // One that can be read after all, by other settings, is when it is tried again.
    let say = |line: &'static str| {
        let subject = format!("{}.x", from.subject);
        runtime.block_on(async { context.publish(subject, line.into()).await.unwrap().await.unwrap() });
    };
    say("{\"id\": \"late\", \"w\": [1, 2, 3, 4]}");
    succeeds(dir, &["run", "rest.toml"]);
    let letter = |key: &str| {
        let letters = vecdelta::store::Letters::read(&disk).unwrap();
        letters.iter().find(|(_, letter, _)| letter.key == key).map(|(id, _, _)| id.to_owned())
    };
    succeeds(dir, &["dlq", "replay", "l.vd", &letter("late").unwrap()]);
    say("{\"id\": \"other\", \"w\": [5, 6, 7, 8]}");
    std::fs::write(dir.join("other.toml"), text(false).replace("vector = \"v\"", "vector = \"w\"")).unwrap();
    succeeds(dir, &["run", "other.toml"]);
    want.insert("late".to_owned(), [1f32, 2.0, 3.0, 4.0].map(f32::to_bits).into());
    want.insert("other".to_owned(), [5f32, 6.0, 7.0, 8.0].map(f32::to_bits).into());
    assert!(table_of(&dir.join("l.vd"), "t") == want);
    assert_eq!(letter("late"), None);
}

/// A table that others write meanwhile, some in transactions that end late; the follower and the server are killed.
#[test]
fn a_table_is_followed_through_late_transactions_kills_and_crashes() {
    let _alone = alone();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    for (kind, default) in [("xid8", "pg_current_xact_id()"), ("timestamptz", "clock_timestamp()")] {
        let (table, end) = (format!("source_{kind}"), format!("end_{kind}_{}", std::process::id()));
        let sql = format!(
            "DROP TABLE IF EXISTS {table}, {end}; CREATE TABLE {table} (id bigint PRIMARY KEY, embedding real[], \
             gone boolean NOT NULL DEFAULT false, version {kind} NOT NULL DEFAULT {default}); CREATE INDEX ON {table} (version)"
        );
        client().batch_execute(&sql).unwrap();
        let pipeline = |follow: bool| {
            let url = database();
            format!(
                "config_version = 1\n[pipeline]\nstore = \"{kind}.vd\"\n[source.t]\nkind = \"postgres\"\nurl = \"{url}\"\ntable = \"{table}\"\n\
                 version = \"version\"\ndeleted = \"gone\"\npoll = \"50ms\"\noverlap = \"4s\"\nfollow = {follow}\n\
                 [window.live]\nclose = {{ after = \"50ms\", count = 100 }}\n[sink.end]\nkind = \"postgres\"\nurl = \"{url}\"\ntable = \"{end}\"\n"
            )
        };
        std::fs::write(dir.join("live.toml"), pipeline(true)).unwrap();
        std::fs::write(dir.join("rest.toml"), pipeline(false)).unwrap();
        let mut rng = Rng::new(31);
        let write = |rng: &mut Rng, client: &mut postgres::Client| {
            let mut transaction = client.transaction().unwrap();
            for _ in 0..1 + rng.below(40) {
                let (id, gone) = (rng.below(300) as i64, rng.below(6) == 0);
                let row: Vec<f32> = (0..8).map(|_| rng.below(1 << 16) as f32 / 64.0).collect();
                let row = (!gone).then_some(row);
                let sql = format!(
                    "INSERT INTO {table} (id, embedding, gone) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE \
                     SET embedding = EXCLUDED.embedding, gone = EXCLUDED.gone, version = {default}"
                );
                transaction.execute(&sql, &[&id, &row, &gone]).unwrap();
            }
            transaction.commit().unwrap();
        };
        for round in 0..6i32 {
            let run = start(dir, &["live.toml"]);
            let mut own = client();
            // One that takes its version now, and ends when newer ones were taken already.
            let mut other = client();
            let mut late = other.transaction().unwrap();
            let sql = format!("INSERT INTO {table} (id, embedding) VALUES ($1, $2)");
            late.execute(&sql, &[&(1_000 + i64::from(round)), &vec![round as f32; 8]]).unwrap();
            for _ in 0..12 {
                write(&mut rng, &mut own);
                std::thread::sleep(Duration::from_millis(30));
            }
            late.commit().unwrap();
            if round == 3 {
                drop((own, other));
                crash_database();
                write(&mut rng, &mut client());
            }
            kill_after(run, rng.below(600) as u64);
        }
        let live = start(dir, &["live.toml"]);
        let sql = format!("SELECT id::text, embedding FROM {table} WHERE NOT gone");
        let found = client().query(&sql, &[]).unwrap();
        let bits = |v: Vec<f32>| v.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
        let want: Rows = found.iter().map(|r| (r.get(0), bits(r.get(1)))).collect();
        assert!(want.len() > 50);
        until(&format!("the follower of {kind} has it all"), &mut || {
            table_of(&dir.join(format!("{kind}.vd")), "t") == want
        });
        assert!(kill_after(live, 0), "it still follows");
        succeeds(dir, &["run", "rest.toml"]);
        assert!(table_of(&dir.join(format!("{kind}.vd")), "t") == want);
        assert!(super::sinks::rows_of(&end) == want);
    }
}

#[test]
fn a_table_that_cannot_be_followed_is_refused() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let text = format!(
        "config_version = 1\n[pipeline]\nstore = \"odd.vd\"\n[source.t]\nkind = \"postgres\"\nurl = \"{}\"\ntable = \"source_odd\"\n\
         version = \"version\"\nfollow = false\n[window.live]\nclose = {{ after = \"50ms\" }}\n",
        database()
    );
    std::fs::write(dir.join("p.toml"), text).unwrap();
    for (columns, says) in [
        ("id text PRIMARY KEY, embedding real[], version bigint", "SET NOT NULL"),
        ("id text PRIMARY KEY, embedding real[], version text NOT NULL", "a version is xid8"),
        ("id text PRIMARY KEY, embedding json, version bigint NOT NULL", "a vector is real[]"),
        ("id text PRIMARY KEY, version bigint NOT NULL", "no column embedding"),
    ] {
        let sql = format!("DROP TABLE IF EXISTS source_odd; CREATE TABLE source_odd ({columns})");
        client().batch_execute(&sql).unwrap();
        let told = vecdelta(dir, &["run", "p.toml"]);
        let said = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(74) && said.contains(says), "{said}");
    }
    for (row, says) in [
        ("'a', NULL, 1", "row `a`: embedding is NULL"),
        ("'b', '{1,NULL}', 1", "row `b`: embedding is no list of numbers"),
        ("'c', '{}', 1", "row `c`: the vector is 0 wide"),
    ] {
        let sql = format!(
            "DROP TABLE IF EXISTS source_odd; CREATE TABLE source_odd (id text PRIMARY KEY, embedding real[], version bigint NOT NULL); \
             INSERT INTO source_odd VALUES ({row})"
        );
        client().batch_execute(&sql).unwrap();
        let said = String::from_utf8_lossy(&vecdelta(dir, &["run", "p.toml"]).stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
}
