//! A small table through its life: epochs, names, travel in time, a roll-back, proofs.

use crate::shell::Session;

/// Three epochs of four rows.
pub fn small(name: &str) -> Session {
    let s = Session::new(name);
    s.table("mon.jsonl", &[("apple", &[1.0, 0.0, 0.5]), ("pear", &[0.0, 1.0, 0.5]), ("plum", &[0.5, 0.5, 0.0])]);
    s.table("tue.jsonl", &[("apple", &[1.0, 0.0, 0.25]), ("pear", &[0.0, 1.0, 0.5]), ("fig", &[0.25, 0.0, 1.0])]);
    s.table("wed.jsonl", &[("apple", &[1.0, 0.5, 0.25]), ("pear", &[0.0, 1.0, 0.5]), ("fig", &[0.25, 0.0, 1.0])]);
    s
}

/// The same, ingested.
pub fn ingested(name: &str) -> Session {
    let s = small(name);
    s.quiet(&["ingest", "fruit.vd", "mon.jsonl", "tue.jsonl", "wed.jsonl", "--missing", "delete"]).exits(0);
    s
}

#[test]
fn a_table_and_its_history() {
    let mut s = small("history");
    s.run("ingest fruit.vd mon.jsonl").exits(0);
    s.run("ingest fruit.vd tue.jsonl wed.jsonl --missing delete").exits(0);
    s.remark("equal to the head: a commit without deltas");
    s.run("ingest fruit.vd wed.jsonl").exits(0);
    s.run("log fruit.vd").exits(0);
    s.run("log fruit.vd --source vectors/fig --limit 1").exits(0);
    s.run("show fruit.vd main~2").exits(0);
    s.run("diff fruit.vd main~3 main").exits(0);
    s.run("diff fruit.vd main~1 main --exit-code").exits(0);
    s.run("diff fruit.vd main~2 main --exit-code").exits(1);
    s.run("get fruit.vd vectors/apple").exits(0);
    s.run("get fruit.vd vectors/apple --at main~3").exits(0);
    s.run("replay fruit.vd --source vectors/apple").exits(0);
    s.run("replay fruit.vd --from main~3 --to main~2").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn names_and_roll_backs() {
    let mut s = ingested("names");
    s.run("tag fruit.vd monday --at main~2").exits(0);
    s.run("branch fruit.vd trial --at monday").exits(0);
    s.run("branch fruit.vd").exits(0);
    s.run("ingest fruit.vd wed.jsonl --branch trial --message fresh").exits(0);
    s.run("log fruit.vd trial").exits(0);
    s.run("rollback fruit.vd --to monday").exits(0);
    s.run("diff fruit.vd monday main --exit-code").exits(0);
    s.run("log fruit.vd --limit 2").exits(0);
    s.run("rollback fruit.vd --last 1").exits(0);
    s.run("diff fruit.vd main~2 main --exit-code").exits(0);
    s.run("branch fruit.vd --delete trial").exits(0);
    s.run("tag fruit.vd --delete monday").exits(0);
    s.run("tag fruit.vd").exits(0);
    s.run("verify fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}

/// A delta is found by whatever is known of it.
#[test]
fn a_delta_is_found() {
    let mut s = ingested("find");
    s.run("find fruit.vd --source vectors/apple").exits(0);
    s.run("find fruit.vd main~1 --source vectors/apple --limit 1").exits(0);
    s.run("find fruit.vd --text").exits(2);
    s.run("find fruit.vd --text tue.jsonl --collection vectors").exits(0);
    let hash = s.quiet(&["get", "fruit.vd", "vectors/apple", "--at", "main~1", "--json"]).exits(0).json();
    let hash = hash["hash"].as_str().unwrap().to_owned();
    s.remark("where those bits come from, and what became of them");
    s.run(&format!("find fruit.vd --result {hash}")).exits(0);
    s.run(&format!("find fruit.vd --base {hash}")).exits(0);
    let found = s.quiet(&["find", "fruit.vd", "--result", &hash, "--json"]).exits(0).json();
    let delta = found["delta"].as_str().unwrap().to_owned();
    s.run(&format!("show fruit.vd {delta}")).exits(0);
    s.run("show fruit.vd main~1:vectors/apple").exits(0);
    s.run(&format!("find fruit.vd --parent {delta}")).exits(0);
    s.run("show fruit.vd main~1:vectors/plum").exits(0);
    s.run("show fruit.vd main:vectors/pear").exits(66);
    s.run("find fruit.vd --result 1234").exits(2);
    s.run("find fruit.vd --metadata nothing=here").exits(0);
    s.remark("the cache may be lost: then rows are read to find it");
    let before = s.quiet(&["find", "fruit.vd", "--result", &hash, "--json"]).exits(0).out;
    std::fs::remove_dir_all(s.dir.join("fruit.vd/cache")).unwrap();
    assert_eq!(s.quiet(&["find", "fruit.vd", "--result", &hash, "--json"]).exits(0).out, before);
    s.quiet(&["reindex", "fruit.vd"]).exits(0);
    assert_eq!(s.quiet(&["find", "fruit.vd", "--result", &hash, "--json"]).exits(0).out, before);
    insta::assert_snapshot!(s.transcript());
}

/// A name is given, taken back and kept in one step each; `main` stays.
#[test]
fn names_move_in_one_step() {
    let mut s = ingested("one-step");
    s.run("branch fruit.vd trial --at main~1").exits(0);
    s.run("branch fruit.vd trial --rename kept").exits(0);
    s.run("undo fruit.vd").exits(0);
    s.run("branch fruit.vd").exits(0);
    s.run("branch fruit.vd --delete main").exits(2);
    s.run("branch fruit.vd main --rename trunk").exits(2);
    s.run("operations fruit.vd --name trial").exits(0);
    s.run("operations fruit.vd --kind commit --limit 1").exits(0);
    s.run("operations fruit.vd --kind tag").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_pinned_checkpoint() {
    let mut s = ingested("checkpoint");
    let pin = s.run("checkpoint fruit.vd").exits(0).out;
    s.write("pin.txt", &pin);
    s.run("snapshot fruit.vd").exits(0);
    s.run("snapshot fruit.vd").exits(0);
    s.run("show fruit.vd main").exits(0);
    s.run("snapshot fruit.vd --at main~1 --every 3").exits(0);
    s.run("snapshot fruit.vd --at main~1 --every 3 --or-bytes 10").exits(0);
    s.quiet(&["ingest", "fruit.vd", "mon.jsonl", "tue.jsonl", "wed.jsonl", "--snapshot-every", "2"]).exits(0);
    s.run("log fruit.vd").exits(0);
    s.run("verify fruit.vd --since pin.txt").exits(0);
    s.run("reindex fruit.vd").exits(0);
    s.remark("another repository does not continue this one");
    s.quiet(&["ingest", "other.vd", "mon.jsonl", "tue.jsonl"]).exits(0);
    s.run("verify other.vd --since pin.txt").exits(76);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn snapshots_are_listed_and_let_go() {
    let mut s = ingested("snapshots");
    s.run("snapshot fruit.vd --list").exits(0);
    s.quiet(&["snapshot", "fruit.vd", "--at", "main~2"]).exits(0);
    s.quiet(&["tag", "fruit.vd", "old", "--at", "main~2"]).exits(0);
    s.quiet(&["snapshot", "fruit.vd", "--at", "main~1"]).exits(0);
    s.run("snapshot fruit.vd --list").exits(0);
    s.run("snapshot fruit.vd --delete main~1").exits(2);
    s.quiet(&["snapshot", "fruit.vd"]).exits(0);
    let listed = s.quiet(&["snapshot", "fruit.vd", "--list", "--json"]).exits(0).lines();
    let bases: Vec<_> = listed.iter().map(|line| line["base_of"].to_string()).collect();
    assert_eq!(bases, ["[\"old\"]", "[]", "[\"main\"]"]);
    s.run("snapshot fruit.vd --delete main~1").exits(0);
    s.run("snapshot fruit.vd --delete main~1").exits(66);
    s.run("snapshot fruit.vd --delete nothing").exits(66);
    assert_eq!(s.quiet(&["snapshot", "fruit.vd", "--list", "--json"]).exits(0).lines().len(), 2);
    s.run("verify fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn commands_tell_what_they_changed() {
    let s = ingested("told");
    s.table("side.jsonl", &[("apple", &[9.0, 9.0, 9.0])]);
    let tell = |command: &[&str]| s.quiet(&[command, &["--events", "events.jsonl"]].concat());
    tell(&["branch", "fruit.vd", "side", "--at", "main~1"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "side.jsonl", "--branch", "side"]).exits(0);
    tell(&["merge", "fruit.vd", "side", "--strategy", "theirs"]).exits(0);
    tell(&["merge", "fruit.vd", "side"]).exits(0);
    tell(&["merge", "fruit.vd", "main", "--into", "side"]).exits(0);
    tell(&["rollback", "fruit.vd", "--last", "2"]).exits(0);
    tell(&["snapshot", "fruit.vd"]).exits(0);
    tell(&["snapshot", "fruit.vd"]).exits(0);
    tell(&["replay", "fruit.vd"]).exits(0);
    tell(&["branch", "fruit.vd", "--delete", "side"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "mon.jsonl", "tue.jsonl"]).exits(0);
    tell(&["compact", "fruit.vd"]).exits(0);
    let text = s.read("events.jsonl");
    let told: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "BranchCreated",
            "DeltaVersioned",
            "BranchMerged",
            "BranchMerged",
            "DeltaRolledBack",
            "DeltaVersioned",
            "SnapshotCreated",
            "ReplayStarted",
            "ReplayCompleted",
            "StreamCompacted"
        ]
    );
    assert_eq!(
        (&told[2]["source"], &told[2]["target"], &told[2]["conflicts"]),
        (&"side".into(), &"main".into(), &1.into())
    );
    assert_eq!(told[2]["commit"], told[1]["commit"]);
    assert_eq!(told[4]["deltas"].as_array().unwrap().len(), 2);
    assert_eq!(told[8]["to"], told[7]["to"]);
    assert!(told[9]["before"].as_u64() > told[9]["after"].as_u64());
    // A file that cannot be written is found before anything is done.
    let before = s.quiet(&["log", "fruit.vd", "--json"]).exits(0).out;
    s.quiet(&["rollback", "fruit.vd", "--last", "1", "--events", "no/such/events.jsonl"]).exits(73);
    assert_eq!(s.quiet(&["log", "fruit.vd", "--json"]).exits(0).out, before);
}

#[test]
fn an_exported_stream() {
    let mut s = ingested("stream-export");
    s.run("export fruit.vd --deltas --output all").exits(0);
    s.run("export fruit.vd --deltas --from main~1 --output last").exits(0);
    s.run("verify fruit.vd --manifest all").exits(0);
    s.run("export fruit.vd --output fruit.npy --at main~1").exits(0);
    assert_eq!(s.read("fruit.npy.ids.txt"), "apple\npear\nfig\n");
    let file = s.dir.join("all/vectors-00000.parquet");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[40] ^= 1;
    std::fs::write(file, bytes).unwrap();
    s.remark("one bit of the export is flipped");
    s.run("verify fruit.vd --manifest all").exits(76);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn what_differs_as_a_table() {
    let mut s = ingested("differs");
    s.run("diff fruit.vd main~2 main~1 --output changes.csv").exits(0);
    assert_eq!(
        s.read("changes.csv"),
        "source,change,changed_dims,l2,cosine,max_abs\n\
         vectors/apple,update,1,0.25,0.9761870601839527,0.25\n\
         vectors/fig,insert,3,1.0307764064044151,,1\n\
         vectors/plum,delete,3,0.7071067811865476,,0.5\n"
    );
    s.run("diff fruit.vd main~2 main --output changes.arrow --json --exit-code").exits(1);
    s.run("diff fruit.vd main main --output changes.npy").exits(2);
    assert!(!s.dir.join("changes.npy").exists());
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_part_of_a_table_as_csv() {
    let s = ingested("part");
    let export = |file: &str, more: &[&str]| -> Vec<String> {
        s.quiet(&[&["export", "fruit.vd", "--output", file][..], more].concat()).exits(0);
        s.read(file).lines().map(str::to_owned).collect()
    };
    let all = export("all.csv", &[]);
    assert_eq!(all[0], "id,0,1,2");
    let ids = |lines: &[String]| -> Vec<String> {
        lines[1..].iter().map(|l| l.split(',').next().unwrap().to_owned()).collect()
    };
    let two = export("two.csv", &["--only", "apple", "--only=pear"]);
    assert_eq!(ids(&two), ["apple", "pear"]);
    assert!(two.iter().all(|line| all.contains(line)), "{two:?}");
    // From one commit to the next, and between two that lie further apart.
    for since in ["main~1", "main~2"] {
        let diff = s.quiet(&["diff", "fruit.vd", since, "main", "--json"]).exits(0).out;
        let changed = export("changed.csv", &["--changed-since", since]);
        for id in ids(&all) {
            let differs = diff.contains(&format!("/{id}\""));
            assert_eq!(ids(&changed).contains(&id), differs, "{id} since {since}: {diff}");
        }
    }
    assert!(export("none.csv", &["--changed-since", "main"]).len() == 1, "the head alone");
    let nobody = s.quiet(&["export", "fruit.vd", "--only", "nobody", "--output", "x.csv"]).exits(66);
    assert!(nobody.err.contains("vectors/nobody"), "{}", nobody.err);
    assert!(!s.dir.join("x.csv").exists());
}

/// Deleting `cache/` costs time, never data.
#[test]
fn the_cache_may_be_deleted() {
    let s = ingested("cache");
    let before = s.quiet(&["get", "fruit.vd", "vectors/apple", "--json"]).exits(0).out;
    std::fs::remove_dir_all(s.dir.join("fruit.vd/cache")).unwrap();
    assert_eq!(s.quiet(&["get", "fruit.vd", "vectors/apple", "--json"]).exits(0).out, before);
    let again = s.quiet(&["ingest", "fruit.vd", "wed.jsonl", "--json"]).exits(0).json();
    assert_eq!(again["commits"][0]["unchanged"], 3);
    s.quiet(&["verify", "fruit.vd"]).exits(0);
}
