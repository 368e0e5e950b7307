//! Results as JSON and as text.

use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::error::CliError;
pub use crate::answer::{commit_json, delta_bytes, numbers, printable, time};
pub use crate::delta::hex;
use crate::delta::{CommitId, Element};

/// Prints one JSON document.
pub fn print_json(value: &Value) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
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
