//! Calendar: moments as people write them, in RFC 3339.
//!
//! Source for both directions: Hinnant, "chrono-compatible low-level date algorithms" (2013).

/// The last moment that is written: the end of the year 262142, as in other programs.
const MILLIS_MAX: u64 = 8_210_266_876_799_999;

const DAY: i64 = 86_400;

/// Returns year, month and day of a number of days since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn days_of((year, month, day): (i64, i64, i64)) -> i64 {
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Reads a moment like `2026-03-01T12:00:00Z` as milliseconds since 1970, negative before; what is finer is cut off.
pub fn read_moment(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, len: usize| {
        let digits = bytes.get(from..from + len)?.iter();
        digits.into_iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let limited = |from: usize, max: i64| number(from, 2).filter(|n| *n <= max);
    let marks = [(4, "-"), (7, "-"), (10, "Tt "), (13, ":"), (16, ":")];
    if !marks.iter().all(|&(at, signs)| bytes.get(at).is_some_and(|b| signs.as_bytes().contains(b))) {
        return None;
    }
    let date = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    // A day that is not in the calendar comes back as another one.
    let days = Some(days_of(date)).filter(|&d| date.1 <= 12 && date_of(d) == date)?;
    // A leap second is the first of the next minute.
    let seconds = limited(11, 23)? * 3600 + limited(14, 59)? * 60 + limited(17, 60)?;
    let (mut at, mut millis) = (19, 0);
    if bytes.get(at) == Some(&b'.') {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        let read = (0..3).map(|i| if i < digits { number(at + 1 + i, 1).unwrap_or(0) } else { 0 });
        millis = read.fold(0, |n, digit| n * 10 + digit);
        at += if digits == 0 { return None } else { 1 + digits };
    }
    let (offset, end) = match bytes.get(at)? {
        b'Z' | b'z' => (0, at + 1),
        sign @ (b'+' | b'-') if bytes.get(at + 3) == Some(&b':') => {
            let offset = limited(at + 1, 23)? * 3600 + limited(at + 4, 59)? * 60;
            (if *sign == b'-' { -offset } else { offset }, at + 6)
        }
        _ => return None,
    };
    (end == bytes.len()).then_some((days * DAY + seconds - offset) * 1000 + millis)
}

/// Writes a moment in UTC, to the millisecond.
pub fn write_moment(millis: u64) -> String {
    let millis = millis.min(MILLIS_MAX) as i64;
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (year, month, day) = date_of(seconds / DAY);
    let second = seconds % DAY;
    let mut out = String::with_capacity(24);
    if year > 9999 {
        out.push('+');
    }
    let parts = [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (second / 3600, 2, ':'), (second / 60 % 60, 2, ':')];
    for (number, width, mark) in parts.into_iter().chain([(second % 60, 2, '.'), (millis, 3, 'Z')]) {
        let from = out.len();
        let mut rest = number;
        while rest > 0 || out.len() < from + width {
            out.insert(from, char::from(b'0' + (rest % 10) as u8));
            rest /= 10;
        }
        out.push(mark);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_a_thousand_years_comes_back() {
        let mut last = (1599, 12, 31);
        for days in days_of((1600, 1, 1))..days_of((2600, 1, 1)) {
            let date = date_of(days);
            assert!(date > last && days_of(date) == days);
            last = date;
        }
    }

    #[test]
    fn moments_are_written_and_read() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in known {
            assert_eq!((write_moment(millis).as_str(), read_moment(text)), (text, Some(millis as i64)));
        }
        assert_eq!(write_moment(253_402_300_800_000), "+10000-01-01T00:00:00.000Z");
        assert_eq!(write_moment(u64::MAX), "+262142-12-31T23:59:59.999Z");
    }

    #[test]
    fn other_ways_to_write_them_are_read_and_what_is_none_is_not() {
        let noon = read_moment("2026-03-01T12:00:00Z");
        for same in [
            "2026-03-01t12:00:00z",
            "2026-03-01 14:30:00+02:30",
            "2026-02-28T23:00:00.000-13:00",
            "2026-03-01T11:59:60Z",
        ] {
            assert_eq!(read_moment(same), noon, "{same}");
        }
        assert_eq!(read_moment("2026-03-01T12:00:00.1239999999Z"), noon.map(|n| n + 123));
        assert_eq!(read_moment("1969-12-31T23:59:59.5Z"), Some(-500));
        let none = "|2026|2026-02-29T00:00:00Z|2026-00-01T00:00:00Z|2026-13-01T00:00:00Z|2026-04-31T00:00:00Z|2026-03-01T24:00:00Z\
            |2026-03-01T12:60:00Z|2026-03-01T12:00:61Z|2026-03-01T12:00:00|2026-03-01T12:00:00.Z|2026-03-01T12:00:00+02|2026-03-01T12:00:00+24:00\
            |2026-03-01T12:00:00Zx|2026-03-01T12:00Z|+2026-03-01T12:00:00Z|2026-3-01T12:00:00Z|2026-03-01T12:00:00+02:3é|２026-03-01T12:00:00Z";
        for text in none.split('|') {
            assert_eq!(read_moment(text), None, "{text}");
        }
    }
}
