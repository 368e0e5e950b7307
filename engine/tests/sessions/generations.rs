//! Another model makes the vectors: half-way re-embeddings are seen, and a new width is declared, not stumbled into.

use crate::shell::Session;

#[test]
fn a_new_generation_comes_row_by_row() {
    let mut s = Session::new("generations");
    s.table("old.jsonl", &[("apple", &[1.0, 0.0, 0.5]), ("pear", &[0.0, 1.0, 0.5]), ("plum", &[0.5, 0.5, 0.0])]);
    s.table("half.jsonl", &[("apple", &[0.9, 0.1, 0.4]), ("pear", &[0.1, 0.9, 0.4])]);
    s.table("rest.jsonl", &[("plum", &[0.4, 0.6, 0.1])]);
    s.run("ingest fruit.vd old.jsonl --generation small-1 --made-by model=small --made-by provider=ours").exits(0);
    s.run("ingest fruit.vd half.jsonl --generation small-2 --made-by model=small").exits(0);
    s.run("show fruit.vd main").exits(0);
    s.run("search fruit.vd --like vectors/apple").exits(65);
    s.run("search fruit.vd --like vectors/apple --mixed").exits(0);
    s.run("drift fruit.vd main~1 main --top 1").exits(0);
    s.run("ingest fruit.vd rest.jsonl").exits(0);
    s.run("search fruit.vd --like vectors/apple").exits(0);
    s.run("show fruit.vd main").exits(0);
    s.run("ingest fruit.vd rest.jsonl --generation x --made-by mode=small").exits(2);
    s.remark("one name stands for one thing; more may be said about it");
    s.run("ingest fruit.vd rest.jsonl --generation small-2 --made-by model=large").exits(2);
    s.run("ingest fruit.vd rest.jsonl --generation small-2 --made-by provider=ours").exits(0);
    s.remark("the name was free again after another: a rollback restores what it stood for before");
    s.quiet(&["ingest", "fruit.vd", "old.jsonl", "--generation", "between"]).exits(0);
    s.quiet(&["ingest", "fruit.vd", "old.jsonl", "--generation", "small-2", "--made-by", "model=new"]).exits(0);
    s.quiet(&["rollback", "fruit.vd", "--to", "main~2"]).exits(0);
    s.run("show fruit.vd main").exits(0);
    s.quiet(&["verify", "fruit.vd"]).exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_new_width_is_declared() {
    let mut s = Session::new("widths");
    s.table("narrow.jsonl", &[("apple", &[1.0, 0.0]), ("pear", &[0.0, 1.0]), ("plum", &[0.5, 0.5])]);
    s.table("wide.jsonl", &[("apple", &[1.0, 0.0, 0.5]), ("pear", &[0.0, 1.0, 0.5]), ("fig", &[0.0, 0.0, 1.0])]);
    s.table("wider.jsonl", &[("apple", &[1.0, 0.25, 0.5])]);
    s.run("ingest fruit.vd narrow.jsonl --generation small").exits(0);
    s.run("ingest fruit.vd wide.jsonl").exits(65);
    s.run("ingest fruit.vd wide.jsonl --generation large").exits(65);
    s.run("ingest fruit.vd wide.jsonl --generation large --missing delete").exits(0);
    s.run("ingest fruit.vd wider.jsonl").exits(0);
    s.run("diff fruit.vd main~2 main").exits(0);
    s.run("diff fruit.vd main~2 main~1").exits(0);
    s.run("get fruit.vd vectors/plum --at main~2").exits(0);
    s.run("get fruit.vd vectors/plum").exits(66);
    s.run("rollback fruit.vd --to main~2").exits(0);
    s.run("show fruit.vd main").exits(0);
    s.run("diff fruit.vd main~3 main --exit-code").exits(0);
    s.run("drift fruit.vd main~1 main").exits(0);
    s.run("verify fruit.vd").exits(0);
    s.run("compact fruit.vd").exits(0);
    s.run("reindex fruit.vd").exits(0);
    s.run("verify fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn a_pipeline_can_forbid_a_mix() {
    let mut s = Session::new("forbid");
    s.table("old.jsonl", &[("apple", &[1.0, 0.0]), ("pear", &[0.0, 1.0])]);
    s.table("half.jsonl", &[("apple", &[0.9, 0.1])]);
    s.write(
        "re.toml",
        "config_version = 1\n[pipeline]\nstore = \"fruit.vd\"\n[source.vectors]\nkind = \"jsonl\"\npath = \"half.jsonl\"\n\
         [version]\ngeneration = { name = \"b\", model = \"small\" }\nforbid_mixed = true\n",
    );
    s.run("ingest fruit.vd old.jsonl --generation a").exits(0);
    s.run("run re.toml").exits(65);
    s.run("log fruit.vd").exits(0);
    insta::assert_snapshot!(s.transcript());
}
