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
