//! What differs between two revisions, as JSON.

use std::io::{self, Write};

use serde_json::{Value, json, to_writer};

use crate::delta::{Measure, Table};

/// Describes how one source differs.
pub fn change_json(table: &Table, measure: &Measure<'_>) -> Value {
    json!({
        "source": format!("{}/{}", table.collection, measure.key),
        "change": measure.change.name(),
        "changed_dims": measure.changed_dims,
        "l2": measure.l2,
        "cosine": measure.cosine,
        "max_abs": measure.max_abs,
    })
}

/// Writes what [`change_json`] describes and the end of a line, without making a document of it: lists can be long.
///
/// # Errors
/// When `out` takes no more.
pub fn write_change(out: &mut impl Write, table: &Table, measure: &Measure<'_>) -> io::Result<()> {
    write!(out, r#"{{"change":"{}","changed_dims":{},"cosine":"#, measure.change.name(), measure.changed_dims)?;
    to_writer(&mut *out, &measure.cosine)?;
    out.write_all(br#","l2":"#)?;
    to_writer(&mut *out, &measure.l2)?;
    out.write_all(br#","max_abs":"#)?;
    to_writer(&mut *out, &measure.max_abs)?;
    out.write_all(br#","source":"#)?;
    to_writer(&mut *out, &format_args!("{}/{}", table.collection, measure.key))?;
    out.write_all(b"}\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::delta::{Change, Element};

    #[test]
    fn what_is_written_is_what_is_described() {
        let table = Table { collection: "a \"b\"".to_owned(), element: Element::F32, dims: 3 };
        for (key, l2, cosine) in
            [("k", 0.1, None), ("ключ\n\u{1}\\", f64::NAN, Some(-1e-9)), ("", 1e300, Some(f64::INFINITY))]
        {
            let measure =
                Measure { collection: 0, key, change: Change::Update, changed_dims: 2, l2, cosine, max_abs: l2 };
            let mut line = Vec::new();
            write_change(&mut line, &table, &measure).unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), format!("{}\n", change_json(&table, &measure)));
        }
    }
}
