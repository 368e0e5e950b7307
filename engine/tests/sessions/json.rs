//! Every JSON document of the contract: it parses, it is alone on standard output, and no key of it is gone.

use serde_json::Value;

use crate::history::ingested;
use crate::shell::Session;

const COMMIT: &str = "commit:hash parents:list branch:text time:time author:text message:text inserted:count updated:count \
                      deleted:count unchanged:count delta_bytes:count raw_bytes:count l2_max:number state_root:hash metadata:object";
const RUN: &str = "commits:list rows_read:count seconds:number repository:text";
const DIFF: &str = "source:text change:text changed_dims:count l2:number cosine:number? max_abs:number";
const MERGE: &str = "commit:hash? merged:count conflicts:list open:count base:hash ending:text parked:bool";
const DRIFT: &str = "rows:count changed:count inserted:count deleted:count l2:object cosine:object centroid_shift:number \
                     neighbour_overlap:number?";
const SEARCH: &str = "collection:text at:hash metric:text k:count results:list";
const TRANSFER: &str = "commits:count blocks:count bytes:count branches:list tags:list vector:object";
const DELTA: &str = "delta:hash source:text change:text commit:hash time:time parent:hash? base:hash? result:hash? \
                     changed_dims:count l2:number cosine:number? max_abs:number? dtype:text dims:count vector:list? bits:text?";
const LETTER: &str = "id:text reason:text message:text time:time from:text subscriber:text commit:hash source:text \
                      change:text metadata:object replay:bool";
const NAME: &str = "name:text commit:hash";

/// Each command of the program, with what it is asked and the keys of its answer.
pub const COMMANDS: &[(&str, &[(&str, &str)])] = &[
    ("ingest", &[("ingest fruit.vd wed.jsonl", RUN)]),
    ("run", &[("run fruit.toml", RUN)]),
    ("log", &[("log fruit.vd", COMMIT), ("log fruit.vd main~1 --source vectors/fig", COMMIT)]),
    ("show", &[("show fruit.vd main~1", COMMIT), ("show fruit.vd main:vectors/apple", DELTA)]),
    (
        "find",
        &[
            ("find fruit.vd", DELTA),
            ("find fruit.vd main --source vectors/apple --since 2020-01-01T00:00:00Z --limit 1", DELTA),
            ("find fruit.vd --collection vectors --until 2999-01-01T00:00:00Z", DELTA),
        ],
    ),
    ("diff", &[("diff fruit.vd main~2 main", DIFF), ("diff fruit.vd main~2 main~1 --source vectors/apple", DIFF)]),
    (
        "get",
        &[(
            "get fruit.vd vectors/apple",
            "source:text commit:hash hash:hash dtype:text dims:count vector:list bits:text",
        )],
    ),
    ("blame", &[("blame fruit.vd vectors/apple", "source:text at:hash dims:count blame:list touched_by:list")]),
    (
        "drift",
        &[
            ("drift fruit.vd main~2 main", DRIFT),
            ("drift fruit.vd main main", DRIFT),
            ("drift fruit.vd main~1 main --neighbours 1 --sample 5 --seed 7", DRIFT),
        ],
    ),
    (
        "search",
        &[
            ("search fruit.vd --like vectors/apple -k 2", SEARCH),
            ("search fruit.vd --vector query.json --metric l2 --at main~2 --against main", SEARCH),
        ],
    ),
    ("replay", &[("replay fruit.vd", "delta:hash commit:hash source:text change:text")]),
    ("branch", &[("branch fruit.vd", NAME)]),
    ("tag", &[("tag fruit.vd first --at main~2", NAME)]),
    ("verify", &[("verify fruit.vd", "ok:bool commits:count bytes:count problems:list")]),
    (
        "check",
        &[
            ("check fruit.toml", "ok:bool errors:list warnings:list"),
            ("check bad.toml", "ok:bool errors:list warnings:list"),
        ],
    ),
    ("plan", &[("plan fruit.toml", "commits:list")]),
    ("test", &[("test fruit.toml", "ok:bool tests:list")]),
    ("checkpoint", &[("checkpoint fruit.vd", "origin:text size:count root:hash")]),
    ("rollback", &[("rollback fruit.vd --last 1", COMMIT)]),
    ("merge", &[("merge fruit.vd trial --strategy ours", MERGE)]),
    ("undo", &[("undo fruit.vd", "undone:text")]),
    (
        "operations",
        &[("operations fruit.vd", "operation:count time:time author:text undoes:count? what:text moved:object?")],
    ),
    ("compact", &[("compact fruit.vd", "commits:count ways:count bytes_before:count bytes_after:count")]),
    ("gc", &[("gc fruit.vd", "records:count bytes_before:count bytes_after:count")]),
    ("demo", &[("demo shop", "repository:text damaged:text commits:count")]),
    ("snapshot", &[("snapshot fruit.vd --at main~1", "commit:hash")]),
    (
        "export",
        &[("export fruit.vd --output t.arrow", "output:text"), ("export fruit.vd --deltas --output d", "output:text")],
    ),
    ("reindex", &[("reindex fruit.vd", "rows:count")]),
    ("prove", &[("prove fruit.vd main --output p.json", "file:text checkpoint:text")]),
    (
        "check-proof",
        &[
            ("prove fruit.vd vectors/fig --at main --output p.json", "checkpoint:text"),
            ("check-proof p.json", "ok:bool checkpoint:text commit:hash source:text held:bool bits:text vector:list"),
        ],
    ),
    (
        "bundle",
        &[("bundle fruit.vd --output f.vdpack", "file:text bytes:count commits:count branches:list needs:list")],
    ),
    ("clone", &[("clone fruit.vd c.vd", "repository:text commits:count bytes:count branches:list")]),
    ("pull", &[("clone fruit.vd c.vd", "commits:count"), ("pull c.vd fruit.vd", TRANSFER)]),
    ("push", &[("clone fruit.vd c.vd", "commits:count"), ("push fruit.vd c.vd --branch main", TRANSFER)]),
    ("dlq", &[("run brief.toml", RUN), ("dlq ls fruit.vd", LETTER)]),
    ("graph", &[]),
    ("explain", &[]),
    ("completions", &[]),
    ("inspect", &[]),
    // These need a server that runs: their documents are read in the sessions `serve` and `live`.
    ("serve", &[]),
    ("top", &[]),
    ("tap", &[]),
];

fn set_up(name: &str) -> Session {
    let s = ingested(name);
    s.write(
        "fruit.toml",
        "config_version = 1\n[pipeline]\nstore = \"fruit.vd\"\n[source.vectors]\nkind = \"jsonl\"\npath = \"tue.jsonl\"\n",
    );
    // What was committed before is older than this route allows.
    s.write(
        "brief.toml",
        "config_version = 1\n[pipeline]\nstore = \"fruit.vd\"\n[source.vectors]\nkind = \"jsonl\"\npath = \"tue.jsonl\"\n\
         [[route]]\nname = \"all\"\nttl = \"1ms\"\nto = [\"out\"]\n[sink.out]\nkind = \"jsonl\"\npath = \"out.jsonl\"\n",
    );
    s.quiet(&["branch", "fruit.vd", "trial", "--at", "main~1"]).exits(0);
    s.table("thu.jsonl", &[("apple", &[1.0, 0.75, 0.25]), ("fig", &[0.25, 0.5, 1.0])]);
    s.quiet(&["ingest", "fruit.vd", "thu.jsonl", "--branch", "trial"]).exits(0);
    s.write("query.json", "[1, 0, 0.5]");
    s.write("bad.toml", "config_version = 1\n[pipeline]\nstore = \"x.vd\"\nnmae = \"x\"\n");
    s
}

#[test]
fn every_document_has_its_keys() {
    for (command, cases) in COMMANDS {
        let s = set_up(&format!("json-{command}"));
        for (line, keys) in *cases {
            let words: Vec<&str> = line.split_whitespace().chain(["--json"]).collect();
            let done = s.quiet(&words);
            assert!(done.code == 0 || line.contains("bad.toml"), "{line}: {} {}", done.code, done.err);
            let documents = done.lines();
            assert!(!documents.is_empty(), "{line} says nothing");
            for document in &documents {
                has(line, document, keys);
                for commit in document["commits"].as_array().into_iter().flatten() {
                    has(line, commit, COMMIT);
                }
                for conflict in document["conflicts"].as_array().into_iter().flatten() {
                    let keys = "source:text dims:list base:list? ours:list? theirs:list? result:list? l2:number? cosine:number?";
                    has(line, conflict, keys);
                }
                for error in document["errors"].as_array().into_iter().flatten() {
                    has(line, error, "code:text message:text line:count column:count help:text?");
                }
            }
        }
    }
}

/// Every command of the help is in the table above.
#[test]
fn no_command_is_forgotten() {
    let help = Session::new("json-help").quiet(&["--help"]).exits(0).out;
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for line in list.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")) {
        let command = line.split_whitespace().next().unwrap();
        assert!(command == "help" || COMMANDS.iter().any(|(c, _)| *c == command), "{command} is not checked");
    }
}

/// A failure says nothing on standard output and everything on standard error.
#[test]
fn failures_leave_standard_output_empty() {
    let s = set_up("json-failures");
    for line in [
        "log no.vd",
        "show fruit.vd no",
        "get fruit.vd vectors/no",
        "diff fruit.vd main no",
        "run no.toml",
        "ingest fruit.vd no.npy",
    ] {
        let words: Vec<&str> = line.split_whitespace().chain(["--json"]).collect();
        let done = s.quiet(&words).exits(66);
        assert_eq!(done.out, "", "{line}");
        assert!(done.err.starts_with("error: "), "{line}: {}", done.err);
    }
}

/// What a script computes from the bits is what the numbers say; what is not finite is null.
#[test]
fn bits_and_numbers_agree() {
    let s = ingested("json-bits");
    let found = s.quiet(&["get", "fruit.vd", "vectors/apple", "--at", "main~1", "--json"]).exits(0).json();
    assert_eq!(found["vector"], serde_json::json!([1.0, 0.0, 0.25]));
    assert_eq!(found["bits"], "0000803f000000000000803e");
    let line = &s.quiet(&["diff", "fruit.vd", "main~1", "main", "--json"]).exits(0).lines()[0];
    assert_eq!(line["changed_dims"], 1);
    assert_eq!(line["l2"], 0.5);
    assert_eq!(line["max_abs"], 0.5);
}

#[track_caller]
fn has(line: &str, document: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        let (name, kind) = key.split_once(':').unwrap();
        let value = document.get(name).unwrap_or_else(|| panic!("{line}: no key `{name}` in {document}"));
        let text = |fits: &dyn Fn(&str) -> bool| value.as_str().is_some_and(fits);
        let good = match kind.trim_end_matches('?') {
            _ if kind.ends_with('?') && value.is_null() => true,
            "text" => value.is_string(),
            "hash" => text(&|t| t.len() == 64 && t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))),
            "time" => text(&|t| t.ends_with('Z') && t.as_bytes().get(10) == Some(&b'T')),
            "count" => value.is_u64(),
            "number" => value.is_number(),
            "bool" => value.is_boolean(),
            "list" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("no kind {other}"),
        };
        assert!(good, "{line}: `{name}` is {value}, not a {kind}");
    }
}
