//! Braces written out as alternatives.

use super::{BYTES_MAX, GlobError};

/// Writes out the braces: `a{b,c}` becomes `ab` and `ac`.
pub(super) fn without_braces(pattern: &str) -> Result<Vec<String>, GlobError> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    let mut bytes = pattern.len();
    while let Some(pattern) = open.pop() {
        if bytes > BYTES_MAX {
            return Err(GlobError(format!("the pattern has more than {BYTES_MAX} bytes with its braces written out")));
        }
        match Braces::first(&pattern)? {
            Some(braces) => {
                bytes -= pattern.len();
                for part in braces.parts.iter().rev() {
                    let (before, after) = (&pattern[..braces.start], &pattern[braces.end..]);
                    let written = format!("{before}{part}{after}");
                    bytes += written.len();
                    open.push(written);
                }
            }
            None => done.push(pattern),
        }
    }
    Ok(done)
}

/// The first braces of a pattern, and what stands between their commas; inner braces are left as they are.
struct Braces {
    start: usize,
    end: usize,
    parts: Vec<String>,
}

impl Braces {
    fn first(pattern: &str) -> Result<Option<Self>, GlobError> {
        let (mut depth, mut class, mut escaped) = (0_usize, false, false);
        let (mut start, mut part_start, mut parts) = (0, 0, Vec::new());
        for (at, c) in pattern.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                ']' => class = false,
                _ if class => {}
                '[' => class = true,
                '{' => {
                    depth += 1;
                    if depth == 1 {
                        (start, part_start) = (at, at + 1);
                    }
                }
                ',' if depth == 1 => {
                    parts.push(pattern[part_start..at].to_owned());
                    part_start = at + 1;
                }
                '}' if depth == 0 => return Err(GlobError("`}` has no `{`".to_owned())),
                '}' if depth == 1 => {
                    parts.push(pattern[part_start..at].to_owned());
                    let end = at + 1;
                    return Self { start, end, parts }.checked().map(Some);
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        if depth > 0 { Err(GlobError("`{` is not closed".to_owned())) } else { Ok(None) }
    }

    fn checked(self) -> Result<Self, GlobError> {
        if self.parts.iter().any(String::is_empty) {
            return Err(GlobError("an alternative of `{..}` is empty".to_owned()));
        }
        Ok(self)
    }
}
