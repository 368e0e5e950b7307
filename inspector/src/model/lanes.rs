//! Which lane each commit is drawn in, and which lines pass it.
//!
//! One pass from the newest commit to the oldest: a lane waits for one commit; the leftmost lane that waits for a
//! commit is the commit's own and goes on to its first parent, the others end there. `main` keeps the leftmost lane.
//! Only the lane of each commit is kept, and the state of the pass at every [`STRIDE`]th row: what is drawn of a few rows
//! is found by running the pass again from the state before them.

use std::ops::Range;

use super::history::{Branch, History};
use crate::ask::{CommitNumber, NONE};

/// How many rows lie between two kept states.
pub const STRIDE: u32 = 256;

/// How many lines run beside each other at most; further ones are not drawn.
pub const LANES_MAX: usize = 4096;

/// A line on its way down to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The commit it leads to.
    pub target: CommitNumber,
    /// The branch whose colour it has.
    pub branch: Branch,
    /// Whether it is drawn: what keeps the leftmost lane free for `main` is not.
    pub drawn: bool,
}

/// The lanes of a history, by row; row 0 is the newest commit.
#[derive(Default)]
pub struct Lanes {
    lane: Vec<u16>,
    width: Vec<u16>,
    states: Vec<Box<[Option<Line>]>>,
}

/// One row as it is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The commit.
    pub commit: CommitNumber,
    /// Its lane.
    pub lane: u16,
    /// The lines that come in from above, by lane.
    pub above: Vec<(u16, Line)>,
    /// The lines that leave below, by lane.
    pub below: Vec<(u16, Line)>,
    /// The lanes below that lead to its parents, the first parent in front.
    pub to_parents: Vec<u16>,
}

impl Lanes {
    /// Lays out a whole history.
    pub fn of(history: &History) -> Self {
        let n = history.len();
        let mut pass = Pass::begin(history);
        // The lanes that wait for each commit, as lists: so no row has to look through all lanes.
        let mut first = vec![u16::MAX; n as usize];
        let mut next = vec![u16::MAX; LANES_MAX];
        if let Some(head) = history.head() {
            first[head as usize] = 0;
        }
        let mut out = Self { lane: Vec::with_capacity(n as usize), ..Self::default() };
        let mut ended = Vec::new();
        for row in 0..n {
            if row.is_multiple_of(STRIDE) {
                out.states.push(pass.state());
                out.width.push(1);
            }
            let commit = n - 1 - row;
            let some = |lane: u16| (lane != u16::MAX).then_some(lane);
            let waiting = |commit: CommitNumber| {
                std::iter::successors(some(first[commit as usize]), |&at| some(next[usize::from(at)]))
            };
            ended.clear();
            ended.extend(waiting(commit));
            ended.sort_unstable();
            let parents = history.parents(commit);
            // The leftmost, as when the pass is run again: the list has the latest in front.
            let second = if parents[1] == NONE { None } else { waiting(parents[1]).min() };
            let step = pass.step(history, commit, &ended, second);
            for (i, parent) in parents.into_iter().enumerate() {
                let lane = step.to[i];
                if usize::from(lane) < LANES_MAX && !(i == 1 && second.is_some()) {
                    next[usize::from(lane)] = std::mem::replace(&mut first[parent as usize], lane);
                }
            }
            out.lane.push(step.lane);
            if let Some(width) = out.width.last_mut() {
                *width = (*width).max(step.lane + 1).max(pass.used as u16);
            }
        }
        out
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> u32 {
        self.lane.len() as u32
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.lane.is_empty()
    }

    /// Returns the lane of a row's commit.
    pub fn lane(&self, row: u32) -> u16 {
        self.lane.get(row as usize).copied().unwrap_or(0)
    }

    /// Returns how many lanes the rows of a range use at most.
    pub fn width(&self, rows: Range<u32>) -> u16 {
        let pieces = rows.start / STRIDE..rows.end.div_ceil(STRIDE);
        pieces.filter_map(|p| self.width.get(p as usize)).copied().max().unwrap_or(1)
    }

    /// Returns what is drawn in a range of rows.
    pub fn rows(&self, history: &History, rows: Range<u32>) -> Vec<Row> {
        let end = rows.end.min(self.len());
        let Some(state) = self.states.get((rows.start / STRIDE) as usize) else { return Vec::new() };
        let mut pass = Pass::resume(state);
        let mut out = Vec::new();
        for row in rows.start / STRIDE * STRIDE..end {
            let commit = history.len() - 1 - row;
            let wanted = row >= rows.start;
            let above = if wanted { pass.drawn() } else { Vec::new() };
            let second = history.parents(commit)[1];
            let second = if second == NONE { None } else { pass.waiting_for(second).next() };
            let ended: Vec<u16> = pass.waiting_for(commit).collect();
            let step = pass.step(history, commit, &ended, second);
            if wanted {
                let to_parents = step.to.into_iter().filter(|&l| usize::from(l) < LANES_MAX).collect();
                out.push(Row { commit, lane: step.lane, above, below: pass.drawn(), to_parents });
            }
        }
        out
    }
}

/// What one row does.
struct Step {
    lane: u16,
    /// The lanes to the parents; `u16::MAX` for none.
    to: [u16; 2],
}

/// The state of the pass.
struct Pass {
    lanes: Vec<Option<Line>>,
    /// Words of bits: which lanes are free.
    free: Vec<u64>,
    used: usize,
}

impl Pass {
    /// The leftmost lane is kept for the head of the main branch.
    fn begin(history: &History) -> Self {
        let mut pass = Self::resume(&[]);
        if let Some(head) = history.head() {
            pass.put(0, Line { target: head, branch: history.branch(head), drawn: false });
        }
        pass
    }

    fn resume(state: &[Option<Line>]) -> Self {
        let mut pass = Self { lanes: Vec::new(), free: Vec::new(), used: 0 };
        for (lane, line) in state.iter().enumerate() {
            if let Some(line) = line {
                pass.put(lane as u16, *line);
            }
        }
        pass
    }

    fn state(&self) -> Box<[Option<Line>]> {
        self.lanes[..self.used].into()
    }

    /// Takes one row. `ended` are the lanes that wait for the commit, in order; `second` is one that waits for its second
    /// parent already.
    fn step(&mut self, history: &History, commit: CommitNumber, ended: &[u16], second: Option<u16>) -> Step {
        let lane = ended.first().copied().unwrap_or_else(|| self.first_free(0));
        for &other in ended {
            self.clear(other);
        }
        let parents = history.parents(commit);
        let mut to = [u16::MAX; 2];
        if parents[0] != NONE {
            self.put(lane, Line { target: parents[0], branch: history.branch(commit), drawn: true });
            to[0] = lane;
        }
        if parents[1] != NONE {
            let reached = second.unwrap_or_else(|| {
                // Right of the commit, so that the line does not cross its own lane.
                let free = self.first_free(lane + 1);
                self.put(free, Line { target: parents[1], branch: history.branch(parents[1]), drawn: true });
                free
            });
            if let Some(Some(line)) = self.lanes.get_mut(usize::from(reached)) {
                line.drawn = true;
            }
            to[1] = reached;
        }
        Step { lane, to }
    }

    fn put(&mut self, lane: u16, line: Line) {
        let at = usize::from(lane);
        if at >= LANES_MAX {
            return;
        }
        if at >= self.lanes.len() {
            self.lanes.resize(at + 1, None);
            self.free.resize(at / 64 + 1, u64::MAX);
        }
        self.lanes[at] = Some(line);
        self.free[at / 64] &= !(1 << (at % 64));
        self.used = self.used.max(at + 1);
    }

    fn clear(&mut self, lane: u16) {
        let at = usize::from(lane);
        self.lanes[at] = None;
        self.free[at / 64] |= 1 << (at % 64);
        while self.used > 0 && self.lanes[self.used - 1].is_none() {
            self.used -= 1;
        }
    }

    fn first_free(&self, from: u16) -> u16 {
        let mut at = usize::from(from);
        loop {
            let word = self.free.get(at / 64).copied().unwrap_or(u64::MAX) >> (at % 64);
            if word != 0 {
                return (at + word.trailing_zeros() as usize).min(LANES_MAX) as u16;
            }
            at = (at / 64 + 1) * 64;
        }
    }

    /// Returns the lanes that wait for a commit, from left to right.
    fn waiting_for(&self, commit: CommitNumber) -> impl Iterator<Item = u16> {
        let lines = self.lanes[..self.used].iter().enumerate();
        lines.filter(move |(_, line)| line.is_some_and(|l| l.target == commit)).map(|(lane, _)| lane as u16)
    }

    fn drawn(&self) -> Vec<(u16, Line)> {
        let lines = self.lanes[..self.used].iter().enumerate();
        lines.filter_map(|(lane, line)| line.filter(|l| l.drawn).map(|l| (lane as u16, l))).collect()
    }
}
