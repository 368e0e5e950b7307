//! The query bar: words and conditions, all of which a commit must fit.
//!
//! `lamp mag>0.5 branch:main author:ana tag:v1 sources>=100 after:2026-01-05` — a word fits in any case of letters, in
//! the message, author, branch, a name that points there, or the beginning of the identity.

use super::history::History;
use crate::ask::CommitNumber;

/// What a commit must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Word(String),
    Author(String),
    Branch(String),
    Tag(String),
    Number(Figure, Order, f64),
    /// Days since 1970, from or up to.
    After(String),
    Before(String),
}

/// A figure that a condition compares.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    Magnitude,
    Sources,
    Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Less,
    More,
    AtMost,
    AtLeast,
}

impl Query {
    /// Reads a query.
    pub fn parse(text: &str) -> Self {
        Self { terms: text.split_whitespace().map(term).collect() }
    }

    /// Returns whether everything fits.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns whether a commit fits. One whose record is not known yet fits by what is known of it.
    pub fn fits(&self, history: &History, commit: CommitNumber) -> bool {
        self.terms.iter().all(|term| term.fits(history, commit))
    }
}

fn term(text: &str) -> Term {
    let lower = text.to_lowercase();
    let named = |name: &str| lower.strip_prefix(name).filter(|rest| !rest.is_empty()).map(str::to_owned);
    if let Some(name) = named("author:") {
        return Term::Author(name);
    }
    if let Some(name) = named("branch:") {
        return Term::Branch(name);
    }
    if let Some(name) = named("tag:") {
        return Term::Tag(name);
    }
    if let Some(day) = named("after:") {
        return Term::After(day);
    }
    if let Some(day) = named("before:") {
        return Term::Before(day);
    }
    for (name, figure) in [("mag", Figure::Magnitude), ("sources", Figure::Sources), ("bytes", Figure::Bytes)] {
        let Some(rest) = lower.strip_prefix(name) else { continue };
        for (sign, order) in [("<=", Order::AtMost), (">=", Order::AtLeast), ("<", Order::Less), (">", Order::More)] {
            if let Some(value) = rest.strip_prefix(sign).and_then(|v| v.parse().ok()) {
                return Term::Number(figure, order, value);
            }
        }
    }
    Term::Word(lower)
}

impl Term {
    fn fits(&self, history: &History, commit: CommitNumber) -> bool {
        let record = history.record(commit);
        let branch = || history.branch_name(history.branch(commit)).to_lowercase();
        let label = |word: &str, tags_only: bool| {
            let labels = history.labels(commit).iter();
            labels.filter(|l| l.tag || !tags_only).any(|l| l.name.to_lowercase().contains(word))
        };
        match self {
            Term::Word(word) => {
                let id = format!("{:016x}", history.id(commit));
                id.starts_with(word.as_str())
                    || branch().contains(word.as_str())
                    || label(word, false)
                    || record.is_some_and(|r| {
                        r.message.to_lowercase().contains(word.as_str())
                            || r.author.to_lowercase().contains(word.as_str())
                    })
            }
            Term::Author(name) => record.is_some_and(|r| r.author.to_lowercase().contains(name.as_str())),
            Term::Branch(name) => branch().contains(name.as_str()),
            Term::Tag(name) => label(name, true),
            Term::After(day) => super::format::day(history.time(commit)).as_str() >= day.as_str(),
            Term::Before(day) => super::format::day(history.time(commit)).as_str() < day.as_str(),
            Term::Number(figure, order, value) => record.is_some_and(|r| {
                let have = match figure {
                    Figure::Magnitude => r.l2(),
                    Figure::Sources => r.sources() as f64,
                    Figure::Bytes => r.stored as f64,
                };
                match order {
                    Order::Less => have < *value,
                    Order::More => have > *value,
                    Order::AtMost => have <= *value,
                    Order::AtLeast => have >= *value,
                }
            }),
        }
    }
}

/// A search under way: it looks at some commits at a time, newest first.
#[derive(Default)]
pub struct Search {
    /// What is typed.
    pub text: String,
    query: Query,
    /// Commits that fit, newest first.
    found: Vec<CommitNumber>,
    next: Option<CommitNumber>,
    seen: Option<(String, u32, u32)>,
}

impl Search {
    /// Begins a search.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }

    /// Looks on; returns whether there is more to look at. `budget` is how many commits are looked at in this step.
    pub fn step(&mut self, history: &History, budget: u32) -> bool {
        let state = (self.text.clone(), history.len(), history.recorded());
        if self.seen.as_ref() != Some(&state) {
            self.query = Query::parse(&self.text);
            self.found.clear();
            self.next = history.len().checked_sub(1).filter(|_| !self.query.is_empty());
            self.seen = Some(state);
        }
        for _ in 0..budget {
            let Some(commit) = self.next else { return false };
            if self.query.fits(history, commit) {
                self.found.push(commit);
            }
            self.next = commit.checked_sub(1);
        }
        self.next.is_some()
    }

    /// Returns whether anything is searched for.
    pub fn is_active(&self) -> bool {
        !self.query.is_empty()
    }

    /// Returns the commits that fit so far, newest first.
    pub fn found(&self) -> &[CommitNumber] {
        &self.found
    }

    /// Returns whether a commit was found.
    pub fn contains(&self, commit: CommitNumber) -> bool {
        self.found.binary_search_by(|probe| commit.cmp(probe)).is_ok()
    }

    /// Returns the next match from a commit on, towards older ones or newer ones; at the end it begins again.
    pub fn next_from(&self, commit: Option<CommitNumber>, older: bool) -> Option<CommitNumber> {
        let at = commit.unwrap_or(CommitNumber::MAX);
        match older {
            true => self.found.iter().find(|&&c| c < at).or(self.found.first()).copied(),
            false => self.found.iter().rev().find(|&&c| c > at).or(self.found.last()).copied(),
        }
    }
}
