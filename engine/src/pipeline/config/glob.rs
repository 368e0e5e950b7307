//! Globs over `collection/key` and over paths, for what must be known before anything runs: whether a pattern is good,
//! and whether it can match anything below a collection. The stages match with `globset`; a test holds the two together.
//!
//! Braces and `**/` are written out as alternatives, each a list of steps. All steps that a text may have reached are
//! carried along together, so the time is bounded by pattern times text, whatever the wildcards.

use globset::GlobBuilder;

/// A compiled pattern.
///
/// `*` and `?` stay within one segment, `**` crosses segments, `{a,b}` is either, `[a-z]` and `[!a-z]` are classes, `\`
/// takes the next character as it is. Routes match it against `collection/key`, sources against paths relative to the
/// glob's directory, with `/` between segments.
#[derive(Clone, Debug)]
pub(super) struct Glob {
    alternatives: Vec<Alternative>,
}

/// How many alternatives a pattern may have.
const ALTERNATIVES_MAX: usize = 1024;

/// A plain head, then steps.
#[derive(Clone, Debug)]
struct Alternative {
    head: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Char(char),
    /// One character but `/`.
    One,
    /// One character inside or outside of these ranges, `/` included as in `globset`.
    Class {
        inside: bool,
        ranges: Vec<(char, char)>,
    },
    /// Any text without `/`.
    Segment,
    /// Any text.
    Text,
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        let mut alternatives = Vec::new();
        for plain in without_braces(pattern)? {
            for steps in compile(&plain)? {
                alternatives.push(Alternative::new(steps));
            }
            limit(alternatives.len())?;
        }
        // The stages compile the same pattern, so what they would refuse is refused here.
        let built = GlobBuilder::new(pattern).literal_separator(true).build();
        built.map_err(|error| error.kind().to_string())?;
        Ok(Self { alternatives })
    }

    /// Returns whether some longer text that starts with `prefix` matches.
    pub(super) fn matches_below(&self, prefix: &str) -> bool {
        self.alternatives
            .iter()
            .any(|alternative| alternative.matches_below(prefix))
    }
}

impl Alternative {
    fn new(mut steps: Vec<Step>) -> Self {
        let plain = steps
            .iter()
            .take_while(|step| matches!(step, Step::Char(_)))
            .count();
        let head = steps.drain(..plain).filter_map(|step| match step {
            Step::Char(c) => Some(c),
            _ => None,
        });
        Self {
            head: head.collect(),
            steps,
        }
    }

    fn matches_below(&self, prefix: &str) -> bool {
        match prefix.strip_prefix(self.head.as_str()) {
            // Every step can match something, so any place before the end will do.
            Some(rest) => reached(&self.steps, rest)[..self.steps.len()].contains(&true),
            None => self.head.len() > prefix.len() && self.head.starts_with(prefix),
        }
    }
}

/// Returns before which steps one may stand after reading a text; the last place is behind all steps.
fn reached(steps: &[Step], text: &str) -> Vec<bool> {
    let mut here = vec![false; steps.len() + 1];
    here[0] = true;
    skip_empty(steps, &mut here);
    let mut next = here.clone();
    for c in text.chars() {
        next.fill(false);
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| here[*at]) {
            match step {
                Step::Segment => next[at] |= c != '/',
                Step::Text => next[at] = true,
                step => next[at + 1] |= step.takes(c),
            }
        }
        skip_empty(steps, &mut next);
        std::mem::swap(&mut here, &mut next);
    }
    here
}

/// Steps over everything that may match nothing.
fn skip_empty(steps: &[Step], here: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        here[at + 1] |= here[at] && matches!(step, Step::Segment | Step::Text);
    }
}

impl Step {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::One => c != '/',
            Self::Class { inside, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) == *inside
            }
            Self::Segment | Self::Text => false,
        }
    }
}

fn limit(count: usize) -> Result<(), String> {
    if count > ALTERNATIVES_MAX {
        return Err(format!(
            "the pattern has more than {ALTERNATIVES_MAX} alternatives"
        ));
    }
    Ok(())
}

/// Writes out the braces: `a{b,c}` becomes `ab` and `ac`.
fn without_braces(pattern: &str) -> Result<Vec<String>, String> {
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

/// Compiles a pattern without braces; each `**/` doubles it: with nothing there, and with any folders.
fn compile(plain: &str) -> Result<Vec<Vec<Step>>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(pattern: &str, text: &str) -> bool {
        let glob = Glob::new(pattern).expect("a good pattern");
        let whole = |a: &Alternative| {
            let rest = text.strip_prefix(a.head.as_str());
            rest.is_some_and(|rest| reached(&a.steps, rest)[a.steps.len()])
        };
        glob.alternatives.iter().any(whole)
    }

    #[test]
    fn wildcards_know_segments_and_characters() {
        for (pattern, text) in [
            ("**", "dump/a/b"),
            ("dump/{berlin,paris}/**", "dump/paris/x/y"),
            ("dump/*", "dump/äöü"),
            ("dump/?", "dump/ä"),
            ("dump/[ä-ü]x", "dump/öx"),
            ("dump/[a-]", "dump/-"),
            ("**/x", "x"),
            ("a/**/b", "a/1/2/b"),
            ("{a,{b,c}d}/*.npy", "cd/x.npy"),
            ("a\\*/b", "a*/b"),
        ] {
            assert!(hit(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("dump/*", "dump/a/b"),
            ("dump/**", "dumps/a"),
            ("dump/?", "dump/ab"),
            ("dump/[!a]", "dump/a"),
            ("**/x", "ax"),
            ("a\\*/b", "ab/b"),
        ] {
            assert!(!hit(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        let many = ["{a,b}".repeat(11), "**/".repeat(11)];
        let bad = [
            "[a", "{a", "a}", "[]", "[z-a]", "a\\", "{a,[}", "a{,b}", "x**", "**x", "***", "a/",
        ];
        for bad in bad.into_iter().chain(many.iter().map(String::as_str)) {
            assert!(Glob::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_wildcards_take_no_longer_than_pattern_times_text() {
        assert!(!hit(&"*a".repeat(60), &"a".repeat(59)));
        assert!(hit(&"*a".repeat(60), &"ba".repeat(400)));
    }

    #[test]
    fn prefixes_tell_what_can_still_match() {
        let below = |pattern: &str| {
            Glob::new(pattern)
                .expect("a good pattern")
                .matches_below("dump/")
        };
        for pattern in [
            "**",
            "d*/x",
            "dump/**",
            "{dump,x}/a",
            "*/a",
            "**/a",
            "dump/a",
        ] {
            assert!(below(pattern), "{pattern}");
        }
        for pattern in ["dmp/**", "*", "eu*", "dump", "dump2/**", "?/a"] {
            assert!(!below(pattern), "{pattern}");
        }
    }

    fn word(mut n: usize, letters: &[&str]) -> String {
        let mut word = String::new();
        while n > 0 {
            word.push_str(letters[n % letters.len()]);
            n /= letters.len();
        }
        word
    }

    /// Keys with `ä` are left out: `?` is one byte in `globset`, and one character here.
    #[test]
    fn short_patterns_mean_the_same_as_in_the_stages() {
        let pieces = ["a", "b", "/", "*", "?", "**", "/**/", "{a,b/}", "[!a]"];
        let mut compared = 0;
        for pattern in (0..9_usize.pow(4)).map(|n| word(n, &pieces)) {
            let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else {
                continue;
            };
            if Glob::new(&pattern).is_err() {
                continue;
            }
            let matcher = glob.compile_matcher();
            for text in (0..81).map(|n| word(n, &["a", "b", "/"])) {
                assert_eq!(
                    hit(&pattern, &text),
                    matcher.is_match(&text),
                    "{pattern:?} {text:?}"
                );
                compared += 1;
            }
        }
        assert!(compared > 100_000);
    }
}
