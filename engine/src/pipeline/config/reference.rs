//! The reference page of every key, from the table that drives the walk.

use super::keys::{Key, Kind, Need, Section, Word};
use super::table::ROOT;

/// Returns the reference of the pipeline file as Markdown.
pub fn reference() -> String {
    let mut page = format!("# Pipeline file reference\n\n{}\n\n{PREFACE}", ROOT.doc);
    for section in ROOT.all_below() {
        page.push_str(&section_text(section));
    }
    page
}

const PREFACE: &str =
    "A setting that cannot be honoured is an error: unknown keys are refused, and all errors are shown in one run.

- A *size* is a text such as `\"64MiB\"`: B, KB, MB, GB, TB, KiB, MiB, GiB or TiB.
- A *duration* is a text such as `\"250ms\"`: ms, s, m, h or d.
- A *path* is relative to the directory of the file.
- Any text may be `{ env = \"NAME\" }`: the text of an environment variable.
- `--set SECTION.KEY=VALUE` on the command line overrides a key.
";

fn section_text(section: &Section) -> String {
    let title = match section.header.strip_prefix("the ") {
        Some(title) => format!("{}{}", title[..1].to_uppercase(), &title[1..]),
        None => format!("`{}`", section.header),
    };
    let mut text =
        format!("\n## {title}\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n", section.doc);
    for key in section.keys {
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            key.name,
            cell(&value(&key.kind)),
            cell(&default(key)),
            cell(key.doc)
        ));
    }
    for key in section.keys {
        for words in words(&key.kind) {
            text.push_str(&format!("\n`{}`:\n\n", key.name));
            for word in words {
                text.push_str(&format!("- `\"{}\"`: {}\n", word.name, word.doc));
            }
        }
    }
    text
}

/// Keeps `|` from ending a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Word(_) => "one of the words below".to_owned(),
        Kind::Table(section) if section.header.starts_with('[') => {
            format!("section `{}`", section.header)
        }
        Kind::Table(section) => format!("a table, see `{}`", section.header),
        Kind::Named(section) => format!("sections `{}`", section.header),
        Kind::Rows(section) => format!("sections `{}`", section.header),
        Kind::List(item, _) => format!("a list, each {}", value(item)),
        Kind::Either(kinds) => kinds.iter().map(value).collect::<Vec<_>>().join(", or "),
        kind => kind.expected(),
    }
}

fn default(key: &Key) -> String {
    match key.need {
        Need::Required => "required".to_owned(),
        Need::Default(text) => format!("`{text}`"),
        Need::Optional(text) => text.to_owned(),
    }
}

/// Returns the lists of words that a kind holds.
fn words(kind: &Kind) -> Vec<&'static [Word]> {
    match kind {
        Kind::Word(words) => vec![words],
        Kind::List(item, _) => words(item),
        Kind::Either(kinds) => kinds.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}
