//! Globs over `collection/key` and over paths, for what must be known before anything runs: whether a pattern is good,
//! and whether it can match anything below a collection. The stages match with `globset`; a test holds the two together.
//!
//! Braces and `**/` are written out as alternatives, each a list of steps. All steps that a text may have reached are
//! carried along together, so the time is bounded by pattern times text, whatever the wildcards.

mod braces;
mod compile;

use globset::GlobBuilder;

use braces::without_braces;
use compile::compile;

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

#[cfg(test)]
mod tests;
