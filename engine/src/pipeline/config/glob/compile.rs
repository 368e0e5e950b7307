//! A pattern without braces as steps.

use super::{Step, limit};

/// Compiles a pattern without braces; each `**/` doubles it: with nothing there, and with any folders.
pub(super) fn compile(plain: &str) -> Result<Vec<Vec<Step>>, String> {
    if plain.ends_with('/') {
        return Err(
            "nothing stands behind the last `/`; `**` there takes everything below".to_owned(),
        );
    }
    let mut all = vec![Vec::new()];
    let mut rest = plain;
    while let Some(c) = rest.chars().next() {
        let segment_start =
            rest.len() == plain.len() || plain[..plain.len() - rest.len()].ends_with('/');
        rest = &rest[c.len_utf8()..];
        let step = match c {
            '*' if rest.starts_with('*') => {
                rest = &rest[1..];
                match (segment_start, rest.strip_prefix('/')) {
                    (true, Some(below)) => {
                        rest = below;
                        double(&mut all)?;
                        continue;
                    }
                    (true, None) if rest.is_empty() => Step::Text,
                    _ => return Err("`**` must be a whole segment".to_owned()),
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
                let next = rest.chars().next().ok_or("nothing stands behind `\\`")?;
                rest = &rest[next.len_utf8()..];
                Step::Char(next)
            }
            c => Step::Char(c),
        };
        all.iter_mut().for_each(|steps| steps.push(step.clone()));
    }
    Ok(all)
}

fn double(all: &mut Vec<Vec<Step>>) -> Result<(), String> {
    limit(all.len() * 2)?;
    let with_folders: Vec<Vec<Step>> = all
        .iter()
        .map(|steps| [steps.as_slice(), &[Step::Text, Step::Char('/')]].concat())
        .collect();
    all.extend(with_folders);
    Ok(())
}

/// Reads a class from behind its `[`; returns what stands behind its `]`.
fn class(text: &str) -> Result<(Step, &str), String> {
    let body = text.strip_prefix(['!', '^']);
    let (inside, body) = (body.is_none(), body.unwrap_or(text));
    let end = body.find(']').ok_or("`[` is not closed")?;
    let chars: Vec<char> = body[..end].chars().collect();
    if chars.is_empty() {
        return Err("`[]` matches nothing".to_owned());
    }
    let (mut ranges, mut at) = (Vec::new(), 0);
    while let Some(&low) = chars.get(at) {
        let (range, read) = match chars.get(at + 1..at + 3) {
            Some(&['-', high]) => ((low, high), 3),
            _ => ((low, low), 1),
        };
        at += read;
        if range.0 > range.1 {
            return Err(format!("the range {}-{} is upside down", range.0, range.1));
        }
        ranges.push(range);
    }
    Ok((Step::Class { inside, ranges }, &body[end + 1..]))
}
