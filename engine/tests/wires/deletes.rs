//! What is said of rows that are gone comes along, through servers and to the sinks.

use std::path::Path;

use serde_json::Value;

use super::commands::succeeds;
use super::servers::{client, database, together};
use super::sources::new_place;
use super::support::files::Dir;

/// Routes by shelf into two files.
const ROUTED: &str = r#"
[[route]]
name = "red"
when = { meta = { shelf = ["red"] } }
to   = ["red"]

[[route]]
name = "rest"
to   = ["rest"]

[window.live]
close = { after = "30ms", count = 20 }

[sink.red]
kind   = "jsonl"
path   = "red.jsonl"
fields = ["id", "change", "meta"]

[sink.rest]
kind   = "jsonl"
path   = "rest.jsonl"
fields = ["id", "change", "meta"]
"#;

/// Returns the deletes that a sink got: id and shelf.
fn deletes(dir: &Path, sink: &str) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(dir.join(format!("{sink}.jsonl"))).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let deletes = lines.filter(|line| line["change"] == "delete");
    deletes.map(|line| (line["id"].as_str().unwrap().to_owned(), line["meta"]["shelf"].clone())).collect()
}

/// One leaves from the shelf to which it came, one from another one, and of one nothing is said.
#[track_caller]
fn are_routed(dir: &Path) {
    assert_eq!(deletes(dir, "red"), [("a".to_owned(), "red".into()), ("d".to_owned(), "red".into())]);
    assert_eq!(deletes(dir, "rest"), [("b".to_owned(), "blue".into()), ("c".to_owned(), Value::Null)]);
}

/// Lines of others become a stream of our deltas, and that is followed.
#[test]
fn deletes_in_messages_keep_their_metadata() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let (lines, deltas) = (new_place("shelves", 1), new_place("shelved", 2));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let publish = |context: &async_nats::jetstream::Context, text: String| {
        runtime.block_on(async { context.publish(lines.subject.clone(), text.into()).await.unwrap().await.unwrap() });
    };
    let context = runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(&lines.url).await.unwrap());
        let subjects = vec![lines.subject.clone()];
        let config =
            async_nats::jetstream::stream::Config { name: lines.stream.clone(), subjects, ..Default::default() };
        context.create_stream(config).await.unwrap();
        context
    });
    let url = &lines.url;
    let take = format!(
        "config_version = 1\n[pipeline]\nstore = \"first.vd\"\n[source.t]\nkind = \"nats\"\nformat = \"jsonl\"\nurl = \"{url}\"\n\
         stream = \"{0}\"\nsubject = \"{0}\"\nid = \"id\"\nvector = {{ column = \"v\", dims = 2 }}\ndeleted = \"gone\"\n\
         meta = [\"shelf\"]\nfollow = false\n[window.live]\nclose = {{ after = \"30ms\", count = 20 }}\n\
         [sink.bus]\nkind = \"nats\"\nurl = \"{url}\"\nstream = \"{1}\"\nsubject = \"{1}\"\npartitions = 2\n",
        lines.stream, deltas.stream
    );
    std::fs::write(dir.join("take.toml"), take).unwrap();
    let follow = format!(
        "config_version = 1\n[pipeline]\nstore = \"second.vd\"\n[source.t]\nkind = \"nats\"\nurl = \"{url}\"\nstream = \"{0}\"\n\
         subject = \"{0}\"\npartitions = 2\nmeta = [\"shelf\"]\nfollow = false\n{ROUTED}",
        deltas.stream
    );
    std::fs::write(dir.join("follow.toml"), follow).unwrap();
    let row = |id: &str, shelf: &str| format!("{{\"id\":\"{id}\",\"v\":[1,2],\"shelf\":\"{shelf}\"}}\n");
    publish(&context, ["a", "b", "c"].map(|id| row(id, "red")).concat() + &row("d", "blue"));
    // What comes and goes within a window is never told of.
    succeeds(dir, &["run", "take.toml"]);
    succeeds(dir, &["run", "follow.toml"]);
    let gone = |id: &str, shelf: &str| format!("{{\"id\":\"{id}\",\"gone\":true{shelf}}}\n");
    for (id, shelf) in
        [("a", ",\"shelf\":\"red\""), ("b", ",\"shelf\":\"blue\""), ("c", ""), ("d", ",\"shelf\":\"red\"")]
    {
        publish(&context, gone(id, shelf));
    }
    succeeds(dir, &["run", "take.toml"]);
    succeeds(dir, &["run", "follow.toml"]);
    // Two partitions have no order between them.
    for sink in ["red", "rest"] {
        let text = std::fs::read_to_string(dir.join(format!("{sink}.jsonl"))).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        std::fs::write(dir.join(format!("{sink}.jsonl")), lines.join("\n")).unwrap();
    }
    are_routed(dir);
}

#[test]
fn deletes_in_a_table_keep_their_metadata() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    let table = format!("shelves_{}", std::process::id());
    let mut client = client();
    client
        .batch_execute(&format!(
            "CREATE TABLE {table} (id text PRIMARY KEY, embedding real[], shelf text, gone boolean NOT NULL DEFAULT false, \
             changed xid8 NOT NULL DEFAULT pg_current_xact_id()); \
             INSERT INTO {table} VALUES ('a', '{{1,2}}', 'red'), ('b', '{{1,2}}', 'red'), ('c', '{{1,2}}', 'red'), \
             ('d', '{{1,2}}', 'blue')"
        ))
        .unwrap();
    let follow = format!(
        "config_version = 1\n[pipeline]\nstore = \"f.vd\"\n[source.t]\nkind = \"postgres\"\nurl = \"{}\"\ntable = \"{table}\"\n\
         version = \"changed\"\ndeleted = \"gone\"\nmeta = [\"shelf\"]\nfollow = false\n{ROUTED}",
        database()
    );
    std::fs::write(dir.join("follow.toml"), follow).unwrap();
    succeeds(dir, &["run", "follow.toml"]);
    for (id, shelf) in [("a", "'red'"), ("b", "'blue'"), ("c", "NULL"), ("d", "'red'")] {
        let set = format!("SET gone = true, shelf = {shelf}, changed = pg_current_xact_id()");
        client.batch_execute(&format!("UPDATE {table} {set} WHERE id = '{id}'")).unwrap();
    }
    succeeds(dir, &["run", "follow.toml"]);
    are_routed(dir);
}
