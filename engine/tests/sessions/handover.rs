//! A repository is handed to somebody else: as one file, as a copy, as what came since.

use crate::history::ingested;

#[test]
fn one_file_holds_the_whole_history() {
    let mut s = ingested("bundle");
    s.quiet(&["tag", "fruit.vd", "monday", "--at", "main~2"]).exits(0);
    s.run("bundle fruit.vd --output fruit.vdpack").exits(0);
    s.remark("every command that reads takes the file");
    s.run("log fruit.vdpack").exits(0);
    s.run("get fruit.vdpack vectors/apple --at monday").exits(0);
    s.run("diff fruit.vdpack main~1 main").exits(0);
    s.run("export fruit.vdpack --at main~1 --output tue.npy").exits(0);
    s.run("verify fruit.vdpack").exits(0);
    s.run("checkpoint fruit.vdpack --json").exits(0);
    s.remark("nothing writes into it, and nothing writes over it");
    s.run("ingest fruit.vdpack mon.jsonl").exits(2);
    s.run("bundle fruit.vd --output fruit.vdpack").exits(73);
    s.run("bundle fruit.vd --output nowhere/fruit.vdpack").exits(73);
    s.run("bundle nothing.vd --output other.vdpack").exits(66);
    let bundle = s.dir.join("fruit.vdpack");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes.pop();
    std::fs::write(&bundle, &bytes).unwrap();
    s.remark("a byte is missing at the end");
    s.run("log fruit.vdpack").exits(76);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn two_copies_exchange_what_they_have() {
    let mut s = ingested("exchange");
    s.quiet(&["tag", "fruit.vd", "monday", "--at", "main~2"]).exits(0);
    s.run("clone fruit.vd copy.vd").exits(0);
    s.run("ingest copy.vd mon.jsonl --message theirs").exits(0);
    s.run("push copy.vd fruit.vd").exits(0);
    s.run("pull copy.vd fruit.vd").exits(0);
    s.remark("both go on");
    s.quiet(&["ingest", "fruit.vd", "tue.jsonl"]).exits(0);
    s.quiet(&["ingest", "copy.vd", "wed.jsonl"]).exits(0);
    s.quiet(&["tag", "fruit.vd", "week"]).exits(0);
    s.quiet(&["tag", "copy.vd", "week"]).exits(0);
    s.run("pull copy.vd fruit.vd").exits(1);
    s.run("push copy.vd fruit.vd --branch main").exits(1);
    s.run("pull copy.vd fruit.vd --branch main --as theirs").exits(0);
    s.run("diff copy.vd main theirs").exits(0);
    s.run("verify copy.vd").exits(0);
    s.remark("what is not there");
    s.run("pull copy.vd fruit.vd --branch trial").exits(66);
    s.run("push copy.vd nowhere.vd").exits(66);
    s.run("pull copy.vd mon.jsonl").exits(76);
    s.run("clone fruit.vd copy.vd").exits(73);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn what_came_since_fits_in_a_small_file() {
    let mut s = ingested("since");
    s.quiet(&["clone", "fruit.vd", "copy.vd"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "mon.jsonl", "tue.jsonl"]).exits(0);
    s.run("bundle fruit.vd --from main~2 --output week.vdpack").exits(0);
    let day = s.quiet(&["bundle", "fruit.vd", "--from", "main~1", "--output", "day.vdpack", "--json"]).exits(0).json();
    assert_eq!((&day["commits"], day["needs"].as_array().unwrap().len()), (&1.into(), 1));
    s.run("log week.vdpack").exits(2);
    s.run("clone week.vdpack other.vd").exits(2);
    s.remark("the second file builds on what is in the first");
    s.run("pull copy.vd day.vdpack").exits(1);
    s.run("pull copy.vd week.vdpack").exits(0);
    s.run("pull copy.vd day.vdpack").exits(0);
    s.run("log copy.vd --limit 2").exits(0);
    assert_eq!(root(&s, "copy.vd"), root(&s, "fruit.vd"));
    let pulled = s.quiet(&["pull", "copy.vd", "fruit.vd", "--json"]).exits(0).json();
    assert_eq!((&pulled["commits"], &pulled["branches"][0]["outcome"]), (&0.into(), &"current".into()));
    assert_eq!(pulled["vector"].as_object().unwrap().len(), 1);
    insta::assert_snapshot!(s.transcript());
}

fn root(s: &crate::shell::Session, repo: &str) -> serde_json::Value {
    s.quiet(&["show", repo, "main", "--json"]).exits(0).json()["state_root"].clone()
}
