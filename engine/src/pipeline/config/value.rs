//! Values that TOML has no type for: sizes, durations, ranges, templates.

use std::time::Duration;

use super::suggest::nearest;

/// The units of a size, with the bytes of each.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The units of a duration, with the milliseconds of each.
const DURATION_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a size such as `64MiB` to bytes.
///
/// # Errors
/// Says what to write instead.
pub(super) fn size(text: &str) -> Result<u64, String> {
    quantity(text, SIZE_UNITS, "64MiB")
}

/// Reads a duration such as `250ms`; the finest unit is the millisecond.
///
/// # Errors
/// Says what to write instead.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    quantity(text, DURATION_UNITS, "30s").map(Duration::from_millis)
}

fn quantity(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = (text[..split].replace('_', ""), text[split..].trim_start());
    let names = || units.iter().map(|(name, _)| *name);
    let listed = names().collect::<Vec<_>>().join(", ");
    if number.is_empty() {
        return Err(format!("write a number and a unit, for example \"{example}\""));
    }
    if unit.is_empty() {
        return Err(format!("add a unit: {listed}"));
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(match nearest(unit, names()) {
            Some(near) => format!("did you mean \"{number}{near}\"?"),
            None => format!("use one of the units {listed}"),
        });
    };
    scaled(&number, *scale)
        .ok_or_else(|| format!("write a number that is a whole count and fits, for example \"{example}\""))
}

/// Multiplies a decimal text exactly; `None` when the result is not a whole number of 63 bits.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = u32::try_from(part.len()).ok()?;
    let tens = 10_u128.checked_pow(digits)?;
    let count = whole.parse::<u128>().ok()?.checked_mul(tens)?.checked_add(part.parse().ok()?)?;
    let scaled = count.checked_mul(u128::from(scale))?;
    let exact = (scaled % tens == 0).then_some(scaled / tens)?;
    i64::try_from(exact).ok()?.try_into().ok()
}

/// Writes bytes in the largest unit that divides them.
pub(super) fn show_size(bytes: u64) -> String {
    show(bytes, &SIZE_UNITS[5..])
        .unwrap_or_else(|| show(bytes, &SIZE_UNITS[..5]).unwrap_or_else(|| format!("{bytes}B")))
}

/// Writes a duration in the largest unit that divides it.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, DURATION_UNITS).unwrap_or_else(|| format!("{millis}ms"))
}

fn show(count: u64, units: &[(&str, u64)]) -> Option<String> {
    let (name, scale) = units.iter().rev().find(|(_, scale)| count > 0 && count.is_multiple_of(*scale))?;
    Some(format!("{}{name}", count / scale))
}

/// Reads a range of dimensions such as `0..8`: from the first, before the last.
///
/// # Errors
/// Says what to write instead.
pub(super) fn dim_range(text: &str) -> Result<(u32, u32), String> {
    let bounds = text
        .split_once("..")
        .and_then(|(start, end)| Some((start.trim().parse::<u32>().ok()?, end.trim().parse::<u32>().ok()?)));
    match bounds {
        Some((start, end)) if start < end => Ok((start, end)),
        Some((start, end)) if start == end => {
            Err(format!("`{start}..{end}` is empty: the end is not part of the range"))
        }
        Some((start, end)) => Err(format!("did you mean \"{end}..{start}\"?")),
        None => Err("write two whole numbers, for example \"0..8\" for the first eight".to_owned()),
    }
}

/// Checks an address of a server.
///
/// # Errors
/// Says what to write instead; never shows a password.
pub(super) fn url(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme)) else {
        return Err(match text.starts_with("https://") {
            true => "TLS is not built in: let a local proxy speak it, and write its `http://` address".to_owned(),
            false => "write an address such as \"http://127.0.0.1:8080/hook\"".to_owned(),
        });
    };
    if has_password(text) {
        return Err(match scheme {
            "http" => "leave the password out: everybody who reads the file would see it".to_owned(),
            "nats" => "leave it out, and put it into NATS_USER and NATS_PASSWORD, or NATS_TOKEN".to_owned(),
            _ => "leave the password out, and put it into PGPASSWORD or the file ~/.pgpass".to_owned(),
        });
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let usable = !host.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if usable { Ok(()) } else { Err("it names no server, or holds spaces".to_owned()) }
}

/// The kinds of addresses.
const SCHEMES: &[&str] = &["http", "nats", "postgres", "postgresql"];

/// Returns whether an address holds what should be a secret.
pub(super) fn has_password(text: &str) -> bool {
    secrets(text).next().is_some()
}

/// Crosses out the passwords of the addresses in a text; it keeps its length.
pub(super) fn masked(text: &str) -> std::borrow::Cow<'_, str> {
    let mut shown = std::borrow::Cow::Borrowed(text);
    for range in secrets(text) {
        let stars = "*".repeat(range.len());
        shown.to_mut().replace_range(range, &stars);
    }
    shown
}

/// Finds passwords: between `://USER:` and `@`, before an `@` of NATS, and behind `password=`.
fn secrets(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let in_front = text.match_indices("://").filter_map(move |(at, _)| {
        let start = at + 3;
        let rest = &text[start..];
        let end = rest.find(['/', '?', '#', '"', '\'', ' ', '\n']).unwrap_or(rest.len());
        let user = &rest[..rest[..end].rfind('@')?];
        let secret = match user.split_once(':') {
            Some((name, _)) => start + name.len() + 1,
            // A user alone is no secret, but of NATS it is a token.
            None if text[..at].ends_with("nats") => start,
            None => return None,
        };
        Some(secret..start + user.len())
    });
    let behind = text.match_indices("password=").map(move |(at, word)| {
        let start = at + word.len();
        let rest = &text[start..];
        start..start + rest.find(['&', '"', '\'', ' ', '\n']).unwrap_or(rest.len())
    });
    in_front.chain(behind)
}

/// Checks that every `{name}` of a template is allowed and every brace is closed.
///
/// # Errors
/// Says what to write instead.
pub(super) fn template(text: &str, allowed: &[&str]) -> Result<(), String> {
    let list = || {
        let names: Vec<String> = allowed.iter().map(|name| format!("{{{name}}}")).collect();
        names.join(" ")
    };
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let body = &rest[open + 1..];
        let close = body.find('}').filter(|_| rest[open..].starts_with('{'));
        let Some(close) = close else {
            return Err(format!("close every brace; this text may hold {}", list()));
        };
        let name = &body[..close];
        if !allowed.contains(&name) {
            return Err(match nearest(name, allowed.iter().copied()) {
                Some(near) => format!("`{{{name}}}` is not known; did you mean `{{{near}}}`?"),
                None => format!("`{{{name}}}` is not known; this text may hold {}", list()),
            });
        }
        rest = &body[close + 1..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_exact() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("1_000B"), Ok(1000));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "B", "1", "1.5B", "0.0001s", "99999999999TiB", "1..2s", "-1s", "1e3B", "٣s"] {
            assert!(size(bad).is_err() && duration(bad).is_err(), "{bad}");
        }
        assert_eq!(size("64mb"), Err("did you mean \"64MB\"?".to_owned()));
    }

    #[test]
    fn passwords_are_found_and_crossed_out() {
        for (text, shown) in [
            ("url = \"postgres://ann:pässword@h/d?x=1\"", "url = \"postgres://ann:*********@h/d?x=1\""),
            ("postgres://ann@h/d?password=hidden&x=1", "postgres://ann@h/d?password=******&x=1"),
            ("nats://s3cr3t@h:4222", "nats://******@h:4222"),
            ("nats://a:b:c@h", "nats://a:***@h"),
        ] {
            assert_eq!(masked(text), shown);
            assert!(has_password(text));
        }
        for text in ["postgres://ann@h/d", "nats://h:4222", "http://h:80/a@b:c"] {
            assert!(!has_password(text) && url(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn quantities_are_written_as_they_are_read() {
        for bytes in [1, 1000, 1024, 1536, 1 << 31, 999_999_999, u64::MAX / 2] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "90s");
        assert_eq!(show_duration(Duration::ZERO), "0ms");
    }
}
