//! Rows of live sources that are refused: they are kept with the reason, the stream goes on, and they can be tried again.

use serde_json::Value;

use crate::shell::Session;

fn pipeline(extra: &str) -> String {
    format!(
        "config_version = 1\n[pipeline]\nstore = \"t.vd\"\n\
         [source.live]\nkind = \"jsonl\"\npath = \"-\"\nepoch = false\nmeta = [\"lang\"]\n{extra}\
         [window.w]\nclose = {{ after = \"1h\" }}\n\
         [apply]\ntransform = [{{ scale = 2.0 }}]\nvalidate = [{{ max_abs = 20.0 }}, {{ max_magnitude = 15.0 }}]\n"
    )
}

/// Width, JSON, range, size and move: one row of each kind that is refused.
const ROWS: &str = "{\"id\":\"a\",\"v\":[1,2]}\n\
                    {\"id\":\"wide\",\"v\":[1,2,3]}\n\
                    no json at all\n\
                    {\"id\":\"huge\",\"v\":[1e39,2],\"lang\":\"de\"}\n\
                    {\"id\":\"far\",\"v\":[11,2],\"lang\":\"de\"}\n\
                    {\"id\":\"a\",\"v\":[-8,2],\"lang\":\"fr\"}\n\
                    {\"id\":\"b\",\"v\":[5,6]}\n";

fn letters(s: &Session) -> Vec<(String, String, Value)> {
    let all = s.quiet(&["dlq", "ls", "t.vd", "--json"]).exits(0).lines();
    let whole = |letter: &Value| {
        let id = letter["id"].as_str().unwrap();
        let whole = s.quiet(&["dlq", "show", "t.vd", id]).exits(0).json();
        (letter["source"].as_str().unwrap().to_owned(), letter["message"].as_str().unwrap().to_owned(), whole)
    };
    let mut all: Vec<_> = all.iter().map(whole).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn vector(s: &Session, key: &str) -> Value {
    s.quiet(&["get", "t.vd", &format!("live/{key}"), "--json"]).exits(0).json()["vector"].clone()
}

#[test]
fn a_stream_goes_on_behind_a_row_that_is_refused() {
    let s = Session::new("rejects");
    s.write("t.toml", &pipeline(""));
    let done = s.quiet_with(&["run", "t.toml"], ROWS).exits(0);
    assert!(done.out.contains("source live: 5 rows refused and kept apart"), "{}", done.out);
    assert_eq!((vector(&s, "a"), vector(&s, "b")), (serde_json::json!([2.0, 4.0]), serde_json::json!([10.0, 12.0])));
    let found = letters(&s);
    let keys: Vec<&str> = found.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["live/", "live/a", "live/far", "live/huge", "live/wide"]);
    for ((_, message, _), wanted) in
        found.iter().zip(["line 3: ", "moves is 18", "component is 22", "line 4: ", "line 2: "])
    {
        assert!(message.contains(wanted), "{message}");
    }
    // The bytes are those that came: of a vector before the transformers, of a line that is none the line.
    let whole = |n: usize| &found[n].2;
    assert_eq!((&whole(2)["bits"], &whole(2)["metadata"]["lang"]), (&"0000304100000040".into(), &"de".into()));
    assert_eq!((&whole(0)["text"], &whole(0)["change"]), (&"no json at all".into(), &"json".into()));
    assert_eq!(whole(4)["text"], "{\"id\":\"wide\",\"v\":[1,2,3]}");
    assert!(found.iter().all(|(_, _, letter)| letter["reason"] == "invalid" && letter["from"] == "live"));
    s.quiet(&["verify", "t.vd"]).exits(0);
    // Once the limits are wider, those that fit are taken; the others stay.
    s.write("t.toml", &pipeline("").replace("20.0", "30.0").replace("15.0", "100.0"));
    s.quiet(&["dlq", "replay", "t.vd"]).exits(0);
    s.quiet_with(&["run", "t.toml"], "").exits(0);
    let keys: Vec<String> = letters(&s).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(keys, ["live/", "live/huge", "live/wide"]);
    assert_eq!((vector(&s, "far"), vector(&s, "a")), (serde_json::json!([22.0, 4.0]), serde_json::json!([-16.0, 4.0])));
    assert!(letters(&s).iter().all(|(_, _, letter)| letter["replay"] == false));
    // A row comes back as it is, and is no second commit.
    let log = s.quiet(&["log", "t.vd", "--json"]).out;
    s.quiet_with(&["run", "t.toml"], "").exits(0);
    assert_eq!(s.quiet(&["log", "t.vd", "--json"]).out, log);
}

#[test]
fn a_stream_may_stop_instead() {
    let s = Session::new("rejects_stop");
    s.write("t.toml", &pipeline("on_reject = \"stop\"\n"));
    let done = s.quiet_with(&["run", "t.toml"], ROWS).exits(65);
    assert!(done.err.contains("line 2"), "{}", done.err);
    let far = "{\"id\":\"b\",\"v\":[5,6]}\n{\"id\":\"far\",\"v\":[11,2]}\n{\"id\":\"c\",\"v\":[5,6]}\n";
    let done = s.quiet_with(&["run", "t.toml"], far).exits(65);
    assert!(done.err.contains("`far` was refused"), "{}", done.err);
    // The rows before it are in the write-ahead log, and so is it: it must not end every other run as well.
    s.quiet_with(&["run", "t.toml"], "{\"id\":\"d\",\"v\":[5,6]}\n").exits(0);
    assert_eq!(vector(&s, "b"), serde_json::json!([10.0, 12.0]));
    assert_eq!(letters(&s).iter().map(|(key, ..)| key.as_str()).collect::<Vec<_>>(), ["live/far"]);
}

#[test]
fn a_late_row_is_tried_again() {
    let s = Session::new("rejects_late");
    let text = pipeline("").replace("meta = [\"lang\"]", "meta = [\"at\"]").replace(
        "{ after = \"1h\" }",
        "{ every = \"1m\" }\nclock = { kind = \"event\", column = \"at\", idle = \"5s\" }\nlate = \"dead_letter\"",
    );
    s.write("t.toml", &text);
    let row = |id: &str, at: &str| format!("{{\"id\":\"{id}\",\"v\":[1,2],\"at\":\"2026-03-01T{at}Z\"}}\n");
    s.quiet_with(&["run", "t.toml"], &(row("a", "12:00:00") + &row("late", "11:00:00"))).exits(0);
    assert_eq!(letters(&s).len(), 1);
    s.quiet(&["dlq", "replay", "t.vd"]).exits(0);
    s.quiet_with(&["run", "t.toml"], &row("b", "12:05:00")).exits(0);
    assert_eq!((letters(&s).len(), vector(&s, "late")), (0, serde_json::json!([2.0, 4.0])));
}
