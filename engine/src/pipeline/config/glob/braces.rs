//! Braces written out as alternatives.

use super::limit;

/// Writes out the braces: `a{b,c}` becomes `ab` and `ac`.
pub(super) fn without_braces(pattern: &str) -> Result<Vec<String>, String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        match Braces::first(&pattern)? {
            Some(braces) => open.extend(braces.parts.iter().rev().map(|part| {
                let (before, after) = (&pattern[..braces.start], &pattern[braces.end..]);
                format!("{before}{part}{after}")
            })),
            None => done.push(pattern),
        }
        limit(done.len() + open.len())?;
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
    fn first(pattern: &str) -> Result<Option<Self>, String> {
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
                '}' if depth == 0 => return Err("`}` has no `{`".to_owned()),
                '}' if depth == 1 => {
                    parts.push(pattern[part_start..at].to_owned());
                    let end = at + 1;
                    return Self { start, end, parts }.checked().map(Some);
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
        if depth > 0 {
            Err("`{` is not closed".to_owned())
        } else {
            Ok(None)
        }
    }

    fn checked(self) -> Result<Self, String> {
        if self.parts.iter().any(String::is_empty) {
            return Err("an alternative of `{..}` is empty".to_owned());
        }
        Ok(self)
    }
}
