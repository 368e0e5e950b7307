//! Damaged files: whatever the damage, there is no panic, and every finding has a place inside the text that it is about.

use std::path::Path;

use super::super::{Diagnostic, parse, render};

const INPUTS: u64 = 100_000;

const WHOLE: &str = r#"config_version = 1
[pipeline]
store = "c.vd"
memory = "2GiB"
author = { env = "USER" }
[source.dump]
kind = "parquet"
path = ["a/*.parquet", "b.parquet"]
vector = { column = "emb", dims = 4 }
[source.edits]
kind = "jsonl"
path = "-"
collection = "dump"
epoch = false
[capture]
detect = { any = [{ l2 = 0.02 }, { cosine = 1e-4 }] }
heartbeat = "60s"
[[route]]
name = "eü"
match = "dump/{b,p}/**"
when = { min_l2 = 0.05, change = ["insert"] }
window = "live"
continue = true
[[route]]
window = "bulk"
to = ["lake"]
[window.live]
close = { after = "2s", count = 500 }
[window.bulk]
close = { after = "5m", bytes = "64MiB" }
[apply]
transform = ["renormalise", { round = "bf16" }, { mask = ["0..1"] }]
validate = ["finite", { lock_dims = "0..2" }, { max_magnitude = 0.5 }]
[version]
message = "{source}: {file}"
[sink.lake]
kind = "jsonl"
path = "out/{branch}"
fields = ["id", "l2"]
[[test]]
name = "x"
given = { id = "a", after = [1, nan] }
expect = { route = "eü", changed_dims = 2 }
"#;

/// Pieces that make damage look like a file again.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    "\n",
    ",",
    ".",
    "#",
    "\\",
    "\"\"\"",
    "\r\n",
    "\t",
    "\0",
    "é",
    "🧀",
    "-",
    "0",
    "-1",
    "1e999",
    "nan",
    "true",
    "[route]",
    "[[route]]",
    "[window.live]",
    "[source]",
    "epoch = true",
    "kind = \"npy\"",
    "{ env = \"X\" }",
    "\"**\"",
    "[a",
    "0..9",
    "\"9999999999TiB\"",
    "99999999999999999999999999999999999999999999",
    "1979-05-27",
    "\u{feff}",
];

/// A small generator: the same damage on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % bound.max(1)
    }
}

#[test]
fn no_damage_panics_or_loses_its_place() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut good = 0;
    for round in 0..INPUTS {
        let mut text = WHOLE.to_owned();
        for _ in 0..=random.below(3) {
            damage(&mut text, &mut random);
        }
        let sets = if random.below(4) == 0 { vec![override_of(&mut random)] } else { Vec::new() };
        let found = match parse("p.toml", &text, Path::new("/base"), &sets, &|_| Some("me".to_owned())) {
            Ok((_, warnings)) => {
                good += 1;
                warnings
            }
            Err(diagnosis) => {
                assert!(!diagnosis.errors.is_empty());
                [diagnosis.errors, diagnosis.warnings].concat()
            }
        };
        for diagnostic in &found {
            check_place(&text, diagnostic);
        }
        if round % 64 == 0 {
            found.iter().for_each(|diagnostic| check_rendering(&text, diagnostic));
        }
    }
    assert!(good > INPUTS / 100, "damage should sometimes leave a good file, but only {good} were");
}

fn check_place(text: &str, diagnostic: &Diagnostic) {
    let text = diagnostic.flag.as_deref().unwrap_or(text);
    let line = text.split('\n').nth(diagnostic.line - 1).unwrap_or_else(|| panic!("no such line: {diagnostic:?}"));
    let columns = line.chars().count() + 1;
    assert!((1..=columns).contains(&diagnostic.column), "no such column: {diagnostic:?}");
    let span = diagnostic.span.clone().expect("every finding has a span");
    assert!(text.get(span).is_some(), "no such span: {diagnostic:?}");
}

fn check_rendering(text: &str, diagnostic: &Diagnostic) {
    let place = format!(":{}:{}", diagnostic.line, diagnostic.column);
    let plain = render("p.toml", text, diagnostic, false);
    assert!(plain.contains(diagnostic.code) && plain.contains(&place), "{diagnostic:?}\n{plain}");
    assert!(render("p.toml", text, diagnostic, true).contains("\u{1b}["));
}

fn damage(text: &mut String, random: &mut Random) {
    let at = boundary(text, random.below(text.len() + 1));
    let end = boundary(text, (at + random.below(12)).min(text.len()));
    match random.below(6) {
        0 => text.replace_range(at..end, ""),
        1 => text.insert_str(at, PIECES[random.below(PIECES.len())]),
        2 => text.replace_range(at..end, PIECES[random.below(PIECES.len())]),
        3 => {
            let copy = text[at..end].to_owned();
            let to = boundary(text, random.below(text.len() + 1));
            text.insert_str(to, &copy);
        }
        4 => text.truncate(at),
        _ => move_line(text, random),
    }
}

fn move_line(text: &mut String, random: &mut Random) {
    let mut lines: Vec<&str> = text.split('\n').collect();
    let line = lines.remove(random.below(lines.len()));
    if random.below(3) > 0 {
        lines.insert(random.below(lines.len() + 1), line);
    }
    *text = lines.join("\n");
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn override_of(random: &mut Random) -> (String, String) {
    let keys =
        ["pipeline.memory", "route.0.to", "route.eü.window", "a..b", "source.dump", "window.live.close", "ü\n = "];
    let mut value = "{ after = \"1s\" }".to_owned();
    damage(&mut value, random);
    (keys[random.below(keys.len())].to_owned(), value)
}
