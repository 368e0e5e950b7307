//! Results as JSON and as text.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::error::CliError;
pub use crate::delta::hex;
use crate::delta::{CommitId, Element, Timestamp};
use crate::store::CommitRecord;
use crate::version::{CommitIndex, Repository};

/// Prints one JSON document.
pub fn print_json(value: &Value) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}

/// Returns a time in RFC 3339, UTC.
pub fn time(time: Timestamp) -> String {
    time.rfc3339()
}

/// Returns the size of what was written for a commit, in bytes.
pub fn delta_bytes(record: &CommitRecord) -> u64 {
    record.blocks.iter().map(|b| u64::from(b.len)).sum()
}

/// Describes a commit.
pub fn commit_json(repo: &Repository, commit: CommitIndex) -> Result<Value, CliError> {
    let record = repo.commit(commit)?;
    let body = &record.body;
    let counts = &body.counts;
    Ok(json!({
        "commit": repo.entry(commit).id.to_hex(),
        "parents": body.parents.iter().map(|p| p.to_hex()).collect::<Vec<_>>(),
        "branch": body.branch,
        "time": time(body.time),
        "author": body.author,
        "message": body.message,
        "inserted": counts.inserted,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "unchanged": counts.unchanged,
        "delta_bytes": delta_bytes(&record),
        "raw_bytes": counts.raw_bytes,
        "l2_max": f64::from_bits(record.l2_max),
        "state_root": body.state_root.to_hex(),
        "metadata": body.metadata,
        "collections": body.collections.iter().map(|c| json!({
            "name": c.name,
            "dtype": Element::from_code(c.element).map_or("unknown", Element::name),
            "dims": c.dims,
            "rows": c.rows,
            "generation": (!c.generation.is_empty()).then(|| json!({ "name": c.generation, "made_by": c.made_by })),
            "older": c.older.iter().map(|o| json!({
                "generation": (!o.generation.is_empty()).then_some(&o.generation),
                "rows": o.rows,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    }))
}

/// Returns the components of a row as JSON numbers; what is not finite is null.
pub fn numbers(element: Element, row: &[u8]) -> Vec<Value> {
    row.chunks_exact(element.size()).map(|bits| json!(element.to_f64(bits))).collect()
}

/// Returns the first digits of a hash.
pub fn short(id: CommitId) -> String {
    id.to_hex()[..12].to_owned()
}

/// Returns a size for people.
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Returns a number with a separator every three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a number of things.
pub fn plural(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Makes a text safe to print on one line of a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Returns a path as people would type it: relative to the current directory where it lies below it.
pub fn shown(path: &Path) -> String {
    let real = |path: &Path| path.canonicalize().ok();
    let here = std::env::current_dir().ok().and_then(|d| real(&d));
    let short = real(path).map(|path| match &here {
        Some(here) => path.strip_prefix(here).map(Path::to_owned).unwrap_or(path),
        None => path,
    });
    printable(&short.as_deref().unwrap_or(path).display().to_string())
}

/// Prints rows under a header: the first column is aligned to the left, the others to the right.
pub fn print_table<const N: usize>(out: &mut impl Write, header: &[&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let header = header.map(str::to_owned);
    for row in std::iter::once(&header).chain(rows) {
        write!(out, "{:<1$}", row[0], widths[0])?;
        for (cell, width) in row.iter().zip(widths).skip(1) {
            write!(out, "  {cell:>width$}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Returns a component for people: with as many digits as its type needs, and an exponent where zeros would hide it.
pub fn component(element: Element, bits: &[u8]) -> String {
    let value = element.to_f64(bits);
    let plain = value == 0.0 || !value.is_finite() || (1e-5..1e9).contains(&value.abs());
    match (element, plain) {
        (Element::F64, true) => format!("{value}"),
        (Element::F64, false) => format!("{value:e}"),
        (_, true) => format!("{}", value as f32),
        (_, false) => format!("{:e}", value as f32),
    }
}

/// Returns a number for people: six digits behind the point, or an exponent where they would hide it.
pub fn number(value: f64) -> String {
    let plain = value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&value.abs());
    if plain { format!("{value:.6}") } else { format!("{value:.3e}") }
}
