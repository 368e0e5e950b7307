//! A repository without commits: there is nothing to say, and that is no error.

use crate::shell::Session;

#[test]
fn a_repository_without_commits() {
    let mut s = Session::checkout("empty");
    s.run_with("run pipelines/stream.toml", "").exits(0);
    for command in ["log", "verify", "replay", "branch", "tag"] {
        s.run(&format!("{command} out/stream.vd")).exits(0);
    }
    s.run("export out/stream.vd --output empty.parquet").exits(0);
    s.run("checkpoint out/stream.vd").exits(0);
    s.run("reindex out/stream.vd").exits(0);
    s.remark("what needs a commit says so");
    s.run("show out/stream.vd main").exits(66);
    s.run("get out/stream.vd products/lamp").exits(66);
    s.run("tag out/stream.vd first").exits(66);
    s.run("rollback out/stream.vd --last 1");
    s.run("snapshot out/stream.vd").exits(66);
    insta::assert_snapshot!(s.transcript());
}
