//! Numbers, sizes, times and texts for people: one way to write each.

use std::sync::atomic::{AtomicBool, Ordering};

use vecdelta::delta::date_of;

/// Returns a number with a thin gap every three digits.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a number in at most five characters.
pub fn brief(n: u64) -> String {
    let units = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut unit) = (n as f64, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => n.to_string(),
        _ if value < 9.95 => format!("{value:.1}{}", units[unit]),
        _ => format!("{value:.0}{}", units[unit]),
    }
}

/// Returns a size in bytes.
pub fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Returns a time span in seconds, in its two largest units.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "–".to_owned();
    }
    let whole = seconds as u64;
    match (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60) {
        (0, 0, 0, s) if s < 10 => format!("{seconds:.1} s"),
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{} d {h} h", count(d)),
    }
}

/// Returns a number of things.
pub fn plural(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Returns a measure with four significant digits.
pub fn measure(value: f64) -> String {
    match value {
        v if v.is_nan() => "–".to_owned(),
        v if v.is_infinite() => (if v > 0.0 { "∞" } else { "-∞" }).to_owned(),
        0.0 => "0".to_owned(),
        v if (1e-3..1e5).contains(&v.abs()) => {
            let digits = (3 - v.abs().log10().floor() as i32).clamp(0, 6) as usize;
            format!("{v:.digits$}")
        }
        v => format!("{v:.2e}"),
    }
}

/// Returns a time as date and minute in UTC; `millis` counts from 1970.
pub fn minute(millis: u64) -> String {
    let (y, m, d) = date_of((millis / 86_400_000) as i64);
    let minute = millis / 60_000 % 1440;
    format!("{y:04}-{m:02}-{d:02} {:02}:{:02}", minute / 60, minute % 60)
}

/// Returns a time as date and second in UTC.
pub fn second(millis: u64) -> String {
    format!("{}:{:02}", minute(millis), millis / 1000 % 60)
}

/// Returns a time as a date in UTC.
pub fn day(millis: u64) -> String {
    let (y, m, d) = date_of((millis / 86_400_000) as i64);
    format!("{y:04}-{m:02}-{d:02}")
}

static FEW_SIGNS: AtomicBool = AtomicBool::new(false);

/// Says that only the inspector's own fonts are there: from now on [`line`] writes signs that these lack by their numbers,
/// so that two texts in any script can be told apart.
pub fn few_signs() {
    FEW_SIGNS.store(true, Ordering::Relaxed);
}

/// Returns whether the inspector's own fonts have a sign; see assets/make_fonts.sh.
fn has_sign(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201a}' | '\u{201c}'..='\u{201e}')
        || "•…‰′″‹›€←↑→↓↗↘↵∆∑−√∞≈≠≤≥■□▲▶▼◀○●⌘✓✗\u{fffd}".contains(c)
}

/// Makes a text that came out of a file safe to paint on one line: control characters and those that turn the direction
/// of writing become a visible mark; at most `max` characters are kept.
pub fn line(text: &str, max: usize) -> String {
    line_with(text, max, FEW_SIGNS.load(Ordering::Relaxed))
}

fn line_with(text: &str, max: usize, few: bool) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut chars = text.trim_end().chars();
    let mut out = String::new();
    for c in chars.by_ref().take(max) {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if c.is_control() || turns(c) || c == '\u{2028}' || c == '\u{2029}' => out.push('·'),
            c if few && !has_sign(c) => out.push_str(&format!("‹{:X}›", u32::from(c))),
            c => out.push(c),
        }
    }
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_right() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1.0k"), (9_949, "9.9k"), (9_950, "10k"), (999_499, "999k")] {
            assert_eq!(brief(n), text);
        }
        assert_eq!(brief(999_500), "1.0M");
        assert_eq!(brief(u64::MAX), "18E");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(
            [duration(1.25), duration(75.0), duration(7260.0), duration(90_000.0)],
            ["1.2 s", "1 min 15 s", "2 h 1 min", "1 d 1 h"]
        );
        assert_eq!(duration(f64::NAN), "–");
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(measure(f64::NAN), "–");
        assert_eq!(measure(0.123_456), "0.1235");
        assert_eq!(measure(12_345.6), "12346");
        assert_eq!(measure(1e-9), "1.00e-9");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(minute(0), "1970-01-01 00:00");
        assert_eq!(minute(951_782_400_000), "2000-02-29 00:00");
        assert_eq!(minute(1_767_603_600_000), "2026-01-05 09:00");
        assert_eq!(day(253_402_300_799_999), "9999-12-31");
        assert!(day(u64::MAX).starts_with("584"), "no overflow at the end of time");
    }

    #[test]
    fn a_text_cannot_break_the_line() {
        assert_eq!(line("a\nb\u{7}c\u{202e}d", 99), "a b·c·d");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(line_with("lámpara 灯 ランプ", 99, true), "lámpara ‹706F› ‹30E9›‹30F3›‹30D7›");
        assert_ne!(line_with("灯", 9, true), line_with("椅", 9, true));
        assert_eq!(line_with("灯", 9, false), "灯");
    }
}
