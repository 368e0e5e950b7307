//! Epochs of JSON lines that say which ids are gone.

use crate::shell::Session;

fn keys(s: &Session, repo: &str) -> Vec<String> {
    s.quiet(&["export", repo, "--output", "table.npy"]).exits(0);
    s.read("table.npy.ids.txt").lines().map(str::to_owned).collect()
}

#[test]
fn an_epoch_says_which_ids_are_gone() {
    let s = Session::new("deletes");
    s.write("1.jsonl", "{\"id\":\"a\",\"v\":[1,2]}\n{\"id\":\"b\",\"v\":[3,4]}\n{\"id\":\"c\",\"v\":[5,6]}\n");
    // Deletes stand before, between and behind rows; one is of an id that was never there.
    let second = "{\"id\":\"a\",\"gone\":true}\n{\"id\":\"d\",\"v\":[7,8],\"gone\":false}\n{\"id\":\"x\",\"gone\":true}\n\
                  {\"id\":\"b\",\"v\":[3,5],\"gone\":null}\n{\"id\":\"c\",\"gone\":true}\n";
    s.write("2.jsonl", second);
    let done = s.quiet(&["ingest", "t.vd", "1.jsonl", "2.jsonl", "--deleted", "gone", "--json"]).exits(0).json();
    let counts = ["inserted", "updated", "deleted", "unchanged"].map(|key| done["commits"][1][key].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 2, 1], "{done}");
    assert_eq!(keys(&s, "t.vd"), ["b", "d"]);
    // An epoch of deletes alone, and one that deletes what it does not mention as well.
    s.write("3.jsonl", "{\"id\":\"d\",\"gone\":true}\n");
    s.quiet(&["ingest", "t.vd", "3.jsonl", "--deleted", "gone"]).exits(0);
    assert_eq!(keys(&s, "t.vd"), ["b"]);
    s.write("4.jsonl", "{\"id\":\"e\",\"v\":[1,1]}\n{\"id\":\"b\",\"gone\":true}\n");
    s.quiet(&["ingest", "t.vd", "4.jsonl", "--deleted", "gone", "--missing", "delete"]).exits(0);
    assert_eq!(keys(&s, "t.vd"), ["e"]);
    // The same in a pipeline.
    s.write("5.jsonl", "{\"id\":\"e\",\"gone\":true}\n{\"id\":\"f\",\"v\":[2,2]}\n");
    let pipeline = "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n[source.vectors]\nkind = \"jsonl\"\n\
                    path = \"5.jsonl\"\ndeleted = \"gone\"\n";
    s.write("t.toml", pipeline);
    s.quiet(&["run", "t.toml"]).exits(0);
    assert_eq!(keys(&s, "t.vd"), ["f"]);
    s.quiet(&["verify", "t.vd"]).exits(0);
    // What cannot be right is refused whole, with file and line.
    let log = s.quiet(&["log", "t.vd", "--json"]).out;
    for (text, message) in [
        ("{\"id\":\"g\",\"v\":[1,1]}\n{\"id\":\"g\",\"gone\":true}\n", "`g`"),
        ("{\"id\":\"g\",\"gone\":true}\n{\"id\":\"g\",\"v\":[1,1]}\n", "`g`"),
        ("{\"id\":\"g\",\"v\":[1,1]}\n{\"id\":\"h\",\"gone\":\"yes\"}\n", "line 2: `gone` is neither true nor false"),
        ("{\"gone\":true}\n", "line 1: there is no `id`"),
    ] {
        s.write("bad.jsonl", text);
        let done = s.quiet(&["ingest", "t.vd", "bad.jsonl", "--deleted", "gone"]).exits(65);
        assert!(done.err.contains(message), "{text}: {}", done.err);
    }
    let done = s.quiet(&["ingest", "t.vd", "table.npy", "--deleted", "gone"]).exits(65);
    assert!(done.err.contains("only JSON lines say that an id is gone"), "{}", done.err);
    assert_eq!(s.quiet(&["log", "t.vd", "--json"]).out, log);
}
