//! Branches that part and meet: merges, conflicts, parked merges, taking back, and old history made short.

use crate::shell::Session;

/// A table that two branches changed, in different components and in the same one.
fn parted(name: &str) -> Session {
    let s = Session::new(name);
    s.table("base.jsonl", &[("apple", &[1.0, 2.0, 3.0]), ("pear", &[4.0, 5.0, 6.0]), ("plum", &[7.0, 8.0, 9.0])]);
    s.table("ours.jsonl", &[("apple", &[1.5, 2.0, 3.0]), ("pear", &[4.0, 5.5, 6.0]), ("plum", &[7.0, 8.0, 9.5])]);
    s.table("theirs.jsonl", &[("apple", &[1.0, 2.0, 3.25]), ("pear", &[4.0, 5.25, 6.0]), ("fig", &[0.0, 0.0, 1.0])]);
    s.quiet(&["ingest", "fruit.vd", "base.jsonl"]).exits(0);
    s.quiet(&["branch", "fruit.vd", "trial"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "ours.jsonl"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "theirs.jsonl", "--branch", "trial", "--missing", "delete"]).exits(0);
    s
}

#[test]
fn a_merge_names_its_conflicts() {
    let mut s = parted("merge");
    s.run("merge fruit.vd trial").exits(1);
    s.run("merge fruit.vd trial --strategy average --dry-run").exits(1);
    s.run("merge fruit.vd trial --strategy theirs").exits(0);
    s.run("get fruit.vd vectors/pear").exits(0);
    s.run("get fruit.vd vectors/plum").exits(66);
    s.run("merge fruit.vd trial").exits(0);
    s.run("log fruit.vd --limit 1").exits(0);
    s.run("rollback fruit.vd --last 1").exits(0);
    s.run("diff fruit.vd main~2 main --exit-code").exits(0);
    s.run("verify fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_merge_is_parked_and_resolved_one_by_one() {
    let mut s = parted("park");
    s.run("merge fruit.vd trial --park").exits(1);
    s.run("merge fruit.vd --resolve vectors/pear --take average").exits(0);
    s.run("merge fruit.vd --status").exits(1);
    s.run("merge fruit.vd --continue").exits(1);
    s.run("merge fruit.vd --resolve vectors/plum --take delete").exits(0);
    s.run("merge fruit.vd --continue").exits(0);
    s.run("get fruit.vd vectors/pear").exits(0);
    s.run("merge fruit.vd --continue").exits(2);
    s.run("undo fruit.vd").exits(0);
    s.run("merge fruit.vd trial --park").exits(1);
    s.run("merge fruit.vd --abandon").exits(0);
    s.run("operations fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_policy_chooses_by_collection_and_dimension() {
    let mut s = parted("policy");
    s.write("policy.txt", "* theirs\nvectors 0..2 ours   # the first two are ours\n");
    s.run("merge fruit.vd trial --policy policy.txt").exits(0);
    s.run("get fruit.vd vectors/pear").exits(0);
    s.write("wrong.txt", "* ours\nvectors 2..1 theirs\n");
    s.run("merge fruit.vd trial --policy wrong.txt").exits(78);
    s.run("merge fruit.vd trial --policy none.txt").exits(66);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn what_cannot_be_merged() {
    let mut s = parted("refused");
    s.run("merge fruit.vd main").exits(2);
    s.run("merge fruit.vd tria").exits(66);
    s.run("merge fruit.vd trial --into other").exits(66);
    s.run("merge fruit.vd --resolve vectors/pear").exits(2);
    s.run("merge fruit.vd --resolve vectors/pear --take ours").exits(2);
    s.run("merge fruit.vd").exits(2);
    s.run("branch fruit.vd behind --at main~1").exits(0);
    s.run("merge fruit.vd main --into behind").exits(0);
    s.run("branch fruit.vd behind --rename front").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn taking_back() {
    let mut s = parted("undo");
    s.run("merge fruit.vd trial --strategy ours").exits(0);
    s.run("undo fruit.vd").exits(0);
    s.run("undo fruit.vd").exits(0);
    s.run("log fruit.vd trial").exits(0);
    s.run("branch fruit.vd --delete trial").exits(0);
    s.run("undo fruit.vd").exits(0);
    s.run("branch fruit.vd").exits(0);
    s.run("operations fruit.vd --limit 3").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn old_history_is_made_short() {
    let mut s = parted("compact");
    for epoch in ["base", "ours", "base", "ours"] {
        s.quiet(&["ingest", "fruit.vd", &format!("{epoch}.jsonl")]).exits(0);
    }
    s.run("compact fruit.vd").exits(0);
    s.run("log fruit.vd").exits(0);
    s.run("get fruit.vd vectors/pear --at main~2").exits(66);
    s.run("undo fruit.vd").exits(0);
    s.run("get fruit.vd vectors/pear --at main~2").exits(0);
    s.run("compact fruit.vd --keep-every 2").exits(0);
    s.run("gc fruit.vd").exits(0);
    s.run("undo fruit.vd").exits(2);
    s.run("compact fruit.vd --keep-every 2").exits(0);
    s.run("gc fruit.vd").exits(0);
    s.run("verify fruit.vd").exits(0);
    s.run("diff fruit.vd main~1 main").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn the_demo_holds_everything_and_is_whole() {
    let mut s = Session::new("demo");
    s.run("demo shop").exits(0);
    s.run("demo shop").exits(73);
    s.run("log shop/shop.vd --limit 6").exits(0);
    s.run("merge shop/shop.vd seasonal --dry-run").exits(1);
    s.run("operations shop/shop.vd --limit 3").exits(0);
    s.run("verify shop/shop.vd").exits(0);
    s.run("verify shop/damaged.vd").exits(76);
    insta::assert_snapshot!(s.transcript());
}
