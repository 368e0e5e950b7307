//! Somebody keeps one line; later they are shown what the repository held.

use crate::history::ingested;

#[test]
fn a_vector_is_proven_to_somebody_who_kept_a_line() {
    let mut s = ingested("proofs");
    let pin = s.run("checkpoint fruit.vd").exits(0).out;
    s.write("pin.txt", &pin);
    s.run("prove fruit.vd vectors/apple --at main~1 --output apple.json").exits(0);
    s.run("prove fruit.vd vectors/plum --at main --output plum.json").exits(0);
    s.run("prove fruit.vd main~2 --output monday.json").exits(0);
    s.remark("elsewhere, without the repository");
    s.run("check-proof apple.json --checkpoint pin.txt").exits(0);
    s.run("check-proof plum.json --checkpoint pin.txt --json").exits(0);
    s.run("check-proof monday.json").exits(0);
    s.remark("the table goes on; a proof leads to the new checkpoint, or to the one that was pinned");
    s.quiet(&["ingest", "fruit.vd", "mon.jsonl"]).exits(0);
    s.run("prove fruit.vd main~1 --output now.json --json").exits(0);
    s.run("check-proof now.json --checkpoint pin.txt").exits(1);
    s.run("prove fruit.vd main~1 --checkpoint pin.txt --output then.json").exits(0);
    s.run("check-proof then.json --checkpoint pin.txt").exits(0);
    s.run("prove fruit.vd main --checkpoint pin.txt").exits(2);
    s.run("prove fruit.vd --since pin.txt --output since.json").exits(0);
    s.run("check-proof since.json").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn what_is_no_proof() {
    let mut s = ingested("no-proofs");
    s.run("prove fruit.vd").exits(2);
    s.run("prove fruit.vd vectors/apple").exits(66);
    s.run("prove fruit.vd apple --at main").exits(2);
    s.run("prove fruit.vd main --output mon.jsonl").exits(73);
    s.run("check-proof nothing.json").exits(66);
    s.run("check-proof mon.jsonl").exits(65);
    s.quiet(&["prove", "fruit.vd", "vectors/apple", "--at", "main", "--output", "apple.json"]).exits(0);
    let text = s.read("apple.json");
    s.write("apple.json", &text.replace("\"apple\"", "\"pear\""));
    s.run("check-proof apple.json").exits(65);
    s.remark("another history cannot be proven under a pinned line");
    let pin = s.quiet(&["checkpoint", "fruit.vd"]).exits(0).out;
    s.write("pin.txt", &pin);
    s.quiet(&["ingest", "other.vd", "mon.jsonl"]).exits(0);
    s.run("prove other.vd main --checkpoint pin.txt").exits(76);
    insta::assert_snapshot!(s.transcript());
}
