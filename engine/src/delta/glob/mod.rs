//! Globs over `collection/key` and over paths.
//!
//! Braces are written out as alternatives, each a list of steps. What stands before the first wildcard and behind the last one is
//! compared as it is. Between them all steps that a text may have reached are carried along together, so the time is bounded by
//! pattern times text, whatever the wildcards; what is no longer reached costs nothing.

mod braces;
mod compile;

use std::fmt;
use std::ops::Range;

use braces::without_braces;
use compile::compile;

/// A compiled pattern.
///
/// `*` and `?` stay within one segment, `**` crosses segments and is a whole segment itself, `{a,b}` is either, `[a-z]`
/// and `[!a-z]` are classes, `\` takes the next character as it is. Routes match it against `collection/key`, sources
/// against paths relative to the glob's directory, with `/` between segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    alternatives: Vec<Alternative>,
}

/// A pattern without braces.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alternative {
    steps: Vec<Step>,
    /// The characters before the first wildcard, and behind the last one.
    ends: (String, String),
    /// The steps between them.
    middle: Range<usize>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobError(String);

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GlobError {}

/// How many bytes a pattern may have, also with its braces written out.
const BYTES_MAX: usize = 1 << 14;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Char(char),
    /// One character but `/`.
    One,
    /// One character inside or outside of these ranges.
    Class {
        inside: bool,
        ranges: Vec<(char, char)>,
    },
    /// Any text without `/`.
    Segment,
    /// Nothing, or any text that ends with `/`.
    Folders,
    /// Any text.
    Text,
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn new(pattern: &str) -> Result<Self, GlobError> {
        let plain = without_braces(pattern)?;
        let alternatives = plain.iter().map(|plain| Ok(Alternative::new(compile(plain)?))).collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Returns whether every text matches; no text is needed to tell.
    pub fn takes_all(&self) -> bool {
        self.alternatives.iter().any(|own| own.steps == [Step::Text])
    }

    /// Returns whether a text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.alternatives.iter().any(|own| own.is_match([text, "", ""]))
    }

    /// Returns whether `collection/key` matches, without putting that text together.
    pub fn is_source(&self, collection: &str, key: &str) -> bool {
        self.alternatives.iter().any(|own| own.is_match([collection, "/", key]))
    }

    /// Returns whether some longer text that starts with `prefix` matches.
    pub fn matches_below(&self, prefix: &str) -> bool {
        self.alternatives.iter().any(|own| reaches(&own.steps, prefix.chars(), Goal::BeforeEnd))
    }
}

impl Alternative {
    fn new(steps: Vec<Step>) -> Self {
        let plain = |step: &Step| if let Step::Char(c) = step { Some(*c) } else { None };
        let start: String = steps.iter().map_while(plain).collect();
        let first = start.chars().count();
        let end: Vec<char> = steps[first..].iter().rev().map_while(plain).collect();
        let middle = first..steps.len() - end.len();
        Self { ends: (start, end.into_iter().rev().collect()), middle, steps }
    }

    /// Returns whether a text matches that is in three parts.
    fn is_match(&self, text: [&str; 3]) -> bool {
        // The end first: keys of one collection differ there.
        let Some(text) = without_end(text, self.ends.1.as_bytes()) else { return false };
        let Some(text) = without_start(text, self.ends.0.as_bytes()) else { return false };
        match &self.steps[self.middle.clone()] {
            [] => text.iter().all(|part| part.is_empty()),
            [Step::Text] => true,
            [Step::Segment] => text.iter().all(|part| !part.contains('/')),
            steps => reaches(steps, text.iter().flat_map(|part| part.chars()), Goal::End),
        }
    }
}

/// Returns what stands behind a start, if the text has it.
fn without_start<'t>(mut text: [&'t str; 3], mut start: &[u8]) -> Option<[&'t str; 3]> {
    for part in &mut text {
        let shared = start.len().min(part.len());
        let (own, rest) = start.split_at(shared);
        // Where bytes of two texts are the same up to the end of one, a character of the other ends there too.
        are_same(&part.as_bytes()[..shared], own).then_some(())?;
        *part = part.get(shared..)?;
        start = rest;
    }
    start.is_empty().then_some(text)
}

/// Returns what stands before an end, if the text has it.
fn without_end<'t>(mut text: [&'t str; 3], mut end: &[u8]) -> Option<[&'t str; 3]> {
    for part in text.iter_mut().rev() {
        let shared = end.len().min(part.len());
        let (rest, own) = end.split_at(end.len() - shared);
        are_same(&part.as_bytes()[part.len() - shared..], own).then_some(())?;
        *part = part.get(..part.len() - shared)?;
        end = rest;
    }
    end.is_empty().then_some(text)
}

/// Compares a few bytes, which a call of the C library would take longer for.
fn are_same(a: &[u8], b: &[u8]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Where a text must lead.
#[derive(Clone, Copy)]
enum Goal {
    /// Behind all steps.
    End,
    /// Before any step: every step can match something, so a longer text can match.
    BeforeEnd,
}

/// How many words of places are held without asking for memory: enough for usual patterns.
const WORDS_NEAR: usize = 4;

/// Returns whether a text leads to a goal. Place `n` stands before step `n`, the last place behind all steps.
fn reaches(steps: &[Step], text: impl Iterator<Item = char>, goal: Goal) -> bool {
    let words = steps.len() / 64 + 1;
    let (mut near, mut far) = ([0; 2 * WORDS_NEAR], Vec::new());
    let places = if words <= WORDS_NEAR {
        &mut near[..2 * words]
    } else {
        far.resize(2 * words, 0);
        far.as_mut_slice()
    };
    let (mut here, mut next) = places.split_at_mut(words);
    enter(steps, here, 0);
    for c in text {
        next.fill(0);
        for (word, bits) in here.iter().enumerate() {
            for at in ones(*bits).map(|bit| word * 64 + bit) {
                match steps.get(at) {
                    Some(Step::Text) => return true,
                    Some(Step::Segment) if c != '/' => enter(steps, next, at),
                    Some(Step::Folders) if c == '/' => {
                        set(next, at);
                        enter(steps, next, at + 1);
                    }
                    Some(Step::Folders) => set(next, at),
                    Some(step) if step.takes(c) => enter(steps, next, at + 1),
                    _ => {}
                }
            }
        }
        std::mem::swap(&mut here, &mut next);
        if here.iter().all(|bits| *bits == 0) {
            return false;
        }
    }
    match goal {
        Goal::End => is_set(here, steps.len()),
        Goal::BeforeEnd => (0..steps.len()).any(|at| is_set(here, at)),
    }
}

/// Sets a place, and those behind it that are reached without reading on.
fn enter(steps: &[Step], places: &mut [u64], at: usize) {
    let skipped = steps[at..].iter().take_while(|step| step.may_be_empty()).count();
    (at..=at + skipped).for_each(|at| set(places, at));
}

fn set(places: &mut [u64], at: usize) {
    places[at / 64] |= 1 << (at % 64);
}

fn is_set(places: &[u64], at: usize) -> bool {
    places[at / 64] >> (at % 64) & 1 == 1
}

/// Returns the numbers of the bits that are 1.
fn ones(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(bit)
    })
}

impl Step {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::One => c != '/',
            Self::Class { inside, ranges } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) == *inside,
            Self::Segment | Self::Folders | Self::Text => false,
        }
    }

    fn may_be_empty(&self) -> bool {
        matches!(self, Self::Segment | Self::Folders | Self::Text)
    }
}

#[cfg(test)]
mod tests;
