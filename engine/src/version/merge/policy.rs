//! Merge policy: which strategy resolves a conflict, by collection and by dimensions.
//!
//! ```text
//! # one rule a line: collection, dimensions where they matter, strategy; the last rule that fits counts
//! *              reject
//! products       newest
//! products 0..64 average
//! ```

use std::fmt;
use std::ops::Range;

use crate::delta::Glob;

/// What becomes of a component that both sides changed in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It stays a conflict.
    Reject,
    /// The bits of the branch that is merged into.
    Ours,
    /// The bits of what is merged.
    Theirs,
    /// The bits of the side that changed the source last, in hybrid logical time.
    Newest,
    /// The bits of the side that changed the source first.
    Oldest,
    /// The mean in f64, rounded once to the element type.
    Average,
    /// The base and both differences in f64, rounded once to the element type.
    Sum,
}

impl Strategy {
    /// All of them, as the command line names them.
    pub const ALL: [(&'static str, Self); 7] = [
        ("reject", Self::Reject),
        ("ours", Self::Ours),
        ("theirs", Self::Theirs),
        ("newest", Self::Newest),
        ("oldest", Self::Oldest),
        ("average", Self::Average),
        ("sum", Self::Sum),
    ];

    /// Returns the strategy of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, s)| *s)
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, s)| *s == self).expect("every strategy has a name").0
    }
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: String,
    collection: Glob,
    dims: Option<Range<u32>>,
    strategy: Strategy,
}

/// Which strategy resolves what; the last rule that fits counts.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// A line of a policy that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl From<Strategy> for Policy {
    fn from(strategy: Strategy) -> Self {
        Self { rules: vec![rule("*", None, strategy.name()).expect("a rule for everything")] }
    }
}

impl Policy {
    /// Reads a policy; where no rule fits, a conflict is rejected.
    ///
    /// # Errors
    /// Names the first line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut rules = Vec::new();
        for (i, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
            let rule = match words[..] {
                [] => continue,
                [collection, strategy] => rule(collection, None, strategy),
                [collection, dims, strategy] => rule(collection, Some(dims), strategy),
                _ => Err("a rule is: COLLECTION [FIRST..END] STRATEGY".to_owned()),
            };
            rules.push(rule.map_err(|problem| PolicyError { line: i + 1, problem })?);
        }
        Ok(Self { rules })
    }

    /// Returns the strategy for one dimension of a collection.
    pub fn strategy(&self, collection: &str, dim: u32) -> Strategy {
        let fits = |r: &&Rule| r.collection.is_match(collection) && r.dims.as_ref().is_none_or(|d| d.contains(&dim));
        self.rules.iter().rev().find(fits).map_or(Strategy::Reject, |r| r.strategy)
    }

    /// Returns the strategy for a source as a whole, which is what one side deleted and the other changed.
    pub fn whole(&self, collection: &str) -> Strategy {
        let fits = |r: &&Rule| r.collection.is_match(collection) && r.dims.is_none();
        self.rules.iter().rev().find(fits).map_or(Strategy::Reject, |r| r.strategy)
    }

    /// Returns the strategies of the dimensions of a collection.
    pub fn strategies(&self, collection: &str, dims: u32) -> Vec<Strategy> {
        let mut out = vec![Strategy::Reject; dims as usize];
        for rule in self.rules.iter().filter(|r| r.collection.is_match(collection)) {
            let range = rule.dims.clone().unwrap_or(0..dims);
            out[(range.start.min(dims) as usize)..(range.end.min(dims) as usize)].fill(rule.strategy);
        }
        out
    }

    /// Returns whether it can leave conflicts.
    pub fn may_reject(&self) -> bool {
        use Strategy::{Newest, Oldest, Ours, Theirs};
        let always = |r: &Rule| matches!(r.strategy, Ours | Theirs | Newest | Oldest);
        let all = |r: &Rule| r.dims.is_none() && r.pattern == "*";
        !(self.rules.first().is_some_and(all) && self.rules.iter().all(always))
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            write!(f, "{}", rule.pattern)?;
            if let Some(dims) = &rule.dims {
                write!(f, " {}..{}", dims.start, dims.end)?;
            }
            writeln!(f, " {}", rule.strategy.name())?;
        }
        Ok(())
    }
}

fn rule(collection: &str, dims: Option<&str>, strategy: &str) -> Result<Rule, String> {
    let glob = Glob::new(if collection == "*" { "**" } else { collection })
        .map_err(|e| format!("`{collection}` is no pattern: {e}"))?;
    let names = || Strategy::ALL.map(|(name, _)| name).join(", ");
    let strategy =
        Strategy::from_name(strategy).ok_or_else(|| format!("`{strategy}` is no strategy; there are {}", names()))?;
    let range = |text: &str| {
        let (first, end) = text.split_once("..")?;
        let (first, end) = (first.parse().ok()?, end.parse().ok()?);
        (first < end).then_some(first..end)
    };
    let dims = match dims {
        None => None,
        Some(text) => Some(range(text).ok_or_else(|| format!("`{text}` are no dimensions; write them as 0..64"))?),
    };
    Ok(Rule { pattern: collection.to_owned(), collection: glob, dims, strategy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_fits_counts() {
        let policy =
            Policy::parse("# all\n* reject\nproducts newest # x\nproducts 4..6 average\nfinal* 0..2 sum").unwrap();
        let at = |c: &str, d| policy.strategy(c, d);
        assert_eq!((at("other", 5), at("products", 3)), (Strategy::Reject, Strategy::Newest));
        assert_eq!((at("products", 4), at("products", 6)), (Strategy::Average, Strategy::Newest));
        assert_eq!((at("finals", 1), at("finals", 2)), (Strategy::Sum, Strategy::Reject));
        assert_eq!(policy.whole("products"), Strategy::Newest);
        for (collection, dims) in [("products", 8), ("finals", 3), ("other", 1), ("products", 0)] {
            let all: Vec<_> = (0..dims).map(|d| at(collection, d)).collect();
            assert_eq!(policy.strategies(collection, dims), all);
        }
        assert_eq!(Policy::parse(&policy.to_string()).unwrap().to_string(), policy.to_string());
        assert!(policy.may_reject() && !Policy::from(Strategy::Ours).may_reject());
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, line) in [("* best", 1), ("* ours\n\na 4..4 ours", 3), ("a b c d", 1), ("a", 1), ("a 1-2 ours", 1)] {
            assert_eq!(Policy::parse(text).unwrap_err().line, line, "{text}");
        }
    }
}
