//! A histogram that fits between two paragraphs of a terminal.

use std::io::{self, Write};

use super::output::count;

/// How many lines it takes, at most.
const BINS: usize = 8;
/// How many characters the longest bar takes.
const WIDTH: usize = 40;
/// From this ratio on between the ends, every line covers the same ratio instead of the same length.
const RATIO: f64 = 30.0;

/// How many numbers lie between two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// The lower end.
    pub from: f64,
    /// The upper end; it belongs to the next line, except for the last one.
    pub to: f64,
    /// How many numbers.
    pub count: u64,
}

/// Sorts ascending numbers into lines of equal length; of equal ratio when they go from small to very large.
pub fn bins(ascending: &[f64]) -> Vec<Bin> {
    let (Some(&least), Some(&most)) = (ascending.first(), ascending.last()) else {
        return Vec::new();
    };
    if least == most {
        return vec![Bin { from: least, to: most, count: ascending.len() as u64 }];
    }
    let by_ratio = least > 0.0 && most / least >= RATIO;
    let edge = |i: usize| match (i, by_ratio) {
        (0, _) => least,
        (BINS, _) => most,
        (_, true) => least * (most / least).powf(i as f64 / BINS as f64),
        (_, false) => least + (most - least) * (i as f64 / BINS as f64),
    };
    let below = |edge: f64| ascending.partition_point(|&x| x < edge);
    let bin = |i: usize| {
        let end = if i + 1 == BINS { ascending.len() } else { below(edge(i + 1)) };
        Bin { from: edge(i), to: edge(i + 1), count: end.saturating_sub(below(edge(i))) as u64 }
    };
    (0..BINS).map(bin).collect()
}

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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every number is in exactly one line, the one between whose ends it lies.
        #[test]
        fn every_number_is_counted_once(mut numbers in prop::collection::vec(1e-6..1e3f64, 0..200)) {
            numbers.sort_by(f64::total_cmp);
            let bins = bins(&numbers);
            prop_assert_eq!(bins.iter().map(|b| b.count).sum::<u64>(), numbers.len() as u64);
            for (i, bin) in bins.iter().enumerate() {
                let last = i + 1 == bins.len();
                let inside = numbers.iter().filter(|&&x| bin.from <= x && (x < bin.to || last)).count();
                prop_assert_eq!(bin.count, inside as u64);
            }
        }
    }

    #[test]
    fn bars_have_the_length_of_their_share() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10), "█".repeat(40));
        assert_eq!(bar(5, 10), "█".repeat(20));
        assert_eq!(bar(1, 1_000_000), "▏");
    }
}
