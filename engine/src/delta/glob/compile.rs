//! A pattern without braces as steps.

use super::{GlobError, Step};

/// Compiles a pattern without braces.
pub(super) fn compile(plain: &str) -> Result<Vec<Step>, GlobError> {
    if plain.ends_with('/') {
        return Err(bad("nothing stands behind the last `/`; `**` there takes everything below"));
    }
    let mut steps = Vec::new();
    let mut rest = plain;
    while let Some(c) = rest.chars().next() {
        let segment_start = rest.len() == plain.len() || plain[..plain.len() - rest.len()].ends_with('/');
        rest = &rest[c.len_utf8()..];
        let step = match c {
            '*' if rest.starts_with('*') => {
                rest = &rest[1..];
                match (segment_start, rest.strip_prefix('/')) {
                    (true, Some(below)) => {
                        rest = below;
                        // Twice says no more than once.
                        if steps.last() == Some(&Step::Folders) {
                            continue;
                        }
                        Step::Folders
                    }
                    (true, None) if rest.is_empty() => Step::Text,
                    _ => return Err(bad("`**` must be a whole segment")),
                }
            }
            '*' => Step::Segment,
            '?' => Step::One,
            '[' => {
                let (step, below) = class(rest)?;
                rest = below;
                step
            }
            '\\' => {
                let next = rest.chars().next().ok_or_else(|| bad("nothing stands behind `\\`"))?;
                rest = &rest[next.len_utf8()..];
                Step::Char(next)
            }
            c => Step::Char(c),
        };
        steps.push(step);
    }
    Ok(steps)
}

fn bad(problem: &str) -> GlobError {
    GlobError(problem.to_owned())
}

/// Reads a class from behind its `[`; returns what stands behind its `]`.
fn class(text: &str) -> Result<(Step, &str), GlobError> {
    let body = text.strip_prefix(['!', '^']);
    let (inside, body) = (body.is_none(), body.unwrap_or(text));
    let end = body.find(']').ok_or_else(|| bad("`[` is not closed"))?;
    let chars: Vec<char> = body[..end].chars().collect();
    if chars.is_empty() {
        return Err(bad("`[]` matches nothing"));
    }
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&low) = chars.get(at) {
        let (range, read) = match chars.get(at + 1..at + 3) {
            Some(&['-', high]) => ((low, high), 3),
            _ => ((low, low), 1),
        };
        at += read;
        if range.0 > range.1 {
            return Err(GlobError(format!("the range {}-{} is upside down", range.0, range.1)));
        }
        ranges.push(range);
    }
    Ok((Step::Class { inside, ranges }, &body[end + 1..]))
}
