//! Windows that run by the time that rows bring along: what is in order, what is late, and what becomes of it.

use serde_json::Value;

use crate::shell::Session;

/// A pipeline whose windows are minutes by the clock of the rows.
fn minutes(source: &str, late: &str) -> String {
    format!(
        "config_version = 1\n[pipeline]\nstore = \"minutes.vd\"\n\
         [source.live]\nkind = \"jsonl\"\n{source}\nepoch = false\nmeta = [\"at\"]\n\
         [window.minute]\nclose = {{ every = \"1m\" }}\n\
         clock = {{ kind = \"event\", column = \"at\", lateness = \"10s\", idle = \"5s\" }}\nlate = \"{late}\"\n"
    )
}

/// Rows of one component, each at a time of 2026-03-01.
fn rows(rows: &[(&str, f64, &str)]) -> String {
    let line = |(id, x, at): &(&str, f64, &str)| {
        format!("{{\"id\":\"{id}\",\"embedding\":[{x}],\"at\":\"2026-03-01T{at}Z\"}}\n")
    };
    rows.iter().map(line).collect()
}

/// Why each commit's window was closed, and what it holds.
fn commits(session: &Session) -> Vec<(String, Vec<String>)> {
    let mut all = session.quiet(&["log", "minutes.vd", "--json"]).exits(0).lines();
    all.reverse();
    let keys = |commit: &Value| -> Vec<String> {
        let id = commit["commit"].as_str().unwrap();
        let found = session.quiet(&["find", "minutes.vd", id, "--json"]).exits(0).lines();
        let own = found.iter().filter(|delta| delta["commit"] == id);
        let mut keys: Vec<String> = own.map(|d| d["source"].as_str().unwrap().replace("live/", "")).collect();
        keys.sort();
        keys
    };
    all.iter().map(|c| (c["metadata"]["closed_by"].as_str().unwrap().to_owned(), keys(c))).collect()
}

fn letters(session: &Session) -> Vec<(String, String)> {
    let all = session.quiet(&["dlq", "ls", "minutes.vd", "--json"]).exits(0).lines();
    let text = |letter: &Value, key: &str| letter[key].as_str().unwrap().to_owned();
    let mut all: Vec<_> = all.iter().map(|letter| (text(letter, "source"), text(letter, "reason"))).collect();
    all.sort();
    all
}

fn value(session: &Session, key: &str) -> Option<f64> {
    let done = session.quiet(&["get", "minutes.vd", &format!("live/{key}"), "--json"]);
    (done.code == 0).then(|| done.json()["vector"][0].as_f64().unwrap())
}

fn wanted(commits: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
    commits.iter().map(|(reason, k)| ((*reason).to_owned(), keys(k))).collect()
}

/// All of it comes in one piece: what is late must not depend on how rows are cut into batches.
const MIXED: [(&str, f64, &str); 6] = [
    ("a", 1.0, "12:00:05"),
    ("b", 2.0, "12:01:30"),
    ("a", 9.0, "12:00:10"), // behind the clock, which is at 12:01:20
    ("c", 3.0, "12:01:25"), // out of order, not late
    ("d", 4.0, "12:03:00"),
    ("b", 8.0, "12:01:31"), // late as well
];

#[test]
fn late_rows_become_dead_letters() {
    for (name, input) in [("late_stdin", "path = \"-\""), ("late_file", "path = \"rows.jsonl\"")] {
        let s = Session::new(name);
        s.write("rows.jsonl", &rows(&MIXED));
        s.write("minutes.toml", &minutes(input, "dead_letter"));
        s.quiet_with(&["run", "minutes.toml"], &rows(&MIXED)).exits(0);
        let late = |key: &str| (format!("live/{key}"), "late".to_owned());
        assert_eq!(letters(&s), [late("a"), late("b")], "{name}");
        assert_eq!(commits(&s), wanted(&[("time", &["a"]), ("time", &["b", "c"]), ("drain", &["d"])]), "{name}");
        assert_eq!((value(&s, "a"), value(&s, "b")), (Some(1.0), Some(2.0)), "{name}");
        let shown = s.quiet(&["dlq", "ls", "minutes.vd", "--json"]).exits(0).lines();
        let a = shown.iter().find(|letter| letter["source"] == "live/a").unwrap();
        let whole = s.quiet(&["dlq", "show", "minutes.vd", a["id"].as_str().unwrap()]).exits(0).json();
        assert_eq!((&whole["bits"], &whole["metadata"]["at"]), (&"00001041".into(), &"2026-03-01T12:00:10Z".into()));
    }
}

#[test]
fn late_rows_are_a_new_version() {
    let s = Session::new("late_version");
    s.write("minutes.toml", &minutes("path = \"-\"", "new_version"));
    s.quiet_with(&["run", "minutes.toml"], &rows(&MIXED)).exits(0);
    assert_eq!(letters(&s), []);
    let all = [("time", &["a"][..]), ("time", &["a", "b", "c"]), ("time", &["b"]), ("drain", &["d"])];
    assert_eq!(commits(&s), wanted(&all));
    assert_eq!((value(&s, "a"), value(&s, "b"), value(&s, "c")), (Some(9.0), Some(8.0), Some(3.0)));
}

/// The clock of a source goes on from file to file.
#[test]
fn a_row_is_late_behind_the_file_before() {
    let s = Session::new("late_files");
    s.write("1.jsonl", &rows(&[("a", 1.0, "12:00:05"), ("b", 2.0, "12:01:30")]));
    s.write("2.jsonl", &rows(&[("a", 9.0, "12:00:50"), ("c", 3.0, "12:01:25"), ("d", 4.0, "12:02:20")]));
    s.write("minutes.toml", &minutes("path = [\"1.jsonl\", \"2.jsonl\"]", "dead_letter"));
    s.quiet(&["run", "minutes.toml"]).exits(0);
    assert_eq!(letters(&s), [("live/a".to_owned(), "late".to_owned())]);
    assert_eq!(commits(&s), wanted(&[("time", &["a"]), ("time", &["b", "c"]), ("drain", &["d"])]));
}
