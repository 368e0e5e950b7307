//! A histogram that fits between two paragraphs of a terminal.

use std::io::{self, Write};

use super::output::count;
use crate::answer::Bin;

/// How many characters the longest bar takes.
const WIDTH: usize = 40;

/// Prints bins as bars.
pub fn print(out: &mut impl Write, bins: &[Bin], digits: impl Fn(f64) -> String) -> io::Result<()> {
    let edges: Vec<[String; 2]> = bins.iter().map(|b| [digits(b.from), digits(b.to)]).collect();
    let width = |i: usize| edges.iter().map(|e| e[i].len()).max().unwrap_or(0);
    let (left, right) = (width(0), width(1));
    let most = bins.iter().map(|b| b.count).max().unwrap_or(0);
    let counts = count(most).len();
    for (bin, [from, to]) in bins.iter().zip(&edges) {
        let range = if from == to { from.clone() } else { format!("{from:>left$} .. {to:<right$}") };
        let line = format!("  {range}  {:>counts$}  {}", count(bin.count), bar(bin.count, most));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Returns a bar in eighths of a character; what is not zero shows.
fn bar(n: u64, most: u64) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = ((n as f64 / most.max(1) as f64 * (WIDTH * 8) as f64).round() as usize).max(usize::from(n > 0));
    let mut out = "█".repeat(eighths / 8);
    out.extend((eighths % 8 > 0).then(|| PARTS[eighths % 8]));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_the_length_of_their_share() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10), "█".repeat(40));
        assert_eq!(bar(5, 10), "█".repeat(20));
        assert_eq!(bar(1, 1_000_000), "▏");
    }
}
