//! An export as the window sees it: what it writes and how far it is, and the command that would do the same.

use super::branches::quoted;
use crate::ask::{Export, ExportPiece};

/// An export that is under way.
#[derive(Clone, Debug)]
pub struct Exporting {
    /// What is written.
    pub what: Export,
    /// The file; in a browser its name.
    pub to: String,
    /// The piece that comes next.
    pub turn: u32,
    /// How much was looked at, of a hundred.
    pub percent: u8,
    /// How many rows were written.
    pub rows: u64,
}

impl Exporting {
    /// Begins.
    pub fn new(what: Export, to: String) -> Self {
        Self { what, to, turn: 0, percent: 0, rows: 0 }
    }

    /// Takes notice of the piece that was asked for.
    pub fn take(&mut self, piece: &ExportPiece) {
        self.turn += 1;
        (self.percent, self.rows) = (piece.percent, piece.rows);
    }
}

/// Returns the command that writes the same file. `id` names a commit.
pub fn command(repo: &str, what: &Export, to: &str, id: impl Fn(u32) -> String) -> String {
    let mut out = format!("vecdelta export {} --at {}", quoted(repo), id(what.commit));
    if let Some(since) = what.since {
        out.push_str(&format!(" --changed-since {}", id(since)));
    }
    for key in &what.keys {
        // One word with `=`: a key may begin with a dash.
        out.push_str(&format!(" --only={}", quoted(key)));
    }
    out.push_str(&format!(" --collection {} --output {}", quoted(&what.collection), quoted(to)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::Format;

    #[test]
    fn the_command_says_all_of_it() {
        let what = Export {
            commit: 3,
            collection: "my docs".to_owned(),
            keys: vec!["-a".to_owned(), "it's".to_owned()],
            since: Some(1),
            format: Format::Csv,
        };
        let text = command("shop.vd", &what, "out.csv", |c| format!("c{c}"));
        let expected = "vecdelta export shop.vd --at c3 --changed-since c1 --only=-a --only='it'\\''s' \
                        --collection 'my docs' --output out.csv";
        assert_eq!(text, expected);
    }
}
