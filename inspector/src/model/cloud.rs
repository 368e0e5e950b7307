//! The points of a projection at one commit, as they follow the replay: step by step where that is near, or all anew.

use crate::ask::{CommitNumber, Kind, NONE, Places, Points, Shifts};

/// How many points are held at most, about; of more, one of every few.
pub const HELD_MAX: u32 = 1_000_000;

/// How many steps are gone one by one before all points are asked for anew.
const STEPS_MAX: usize = 16;

/// What has to be asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing: everything is here.
    Nothing,
    /// Points of a commit, from a slot on.
    Points(CommitNumber, u32),
    /// What a commit did, from a change on.
    Shifts(CommitNumber, u32),
}

/// The points.
#[derive(Debug)]
pub struct Cloud {
    at: Option<CommitNumber>,
    held: Held,
    every: u32,
    slots: u32,
    coming: Option<(CommitNumber, u32, Held)>,
    moves: Moves,
    /// A commit of which nobody can say what it did.
    untold: Option<CommitNumber>,
    version: u64,
}

/// Places of slots, and who wrote them.
#[derive(Clone, Debug, Default)]
struct Held {
    at: Vec<[f32; 3]>,
    by: Vec<CommitNumber>,
}

/// What one commit did.
#[derive(Clone, Debug)]
struct Moves {
    commit: CommitNumber,
    before: CommitNumber,
    next: Option<u32>,
    slots: Vec<u32>,
    kinds: Vec<Kind>,
    l2: Vec<f64>,
    old: Held,
    new: Held,
}

/// One change, for drawing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// The slot.
    pub slot: u32,
    /// What happened.
    pub kind: Kind,
    /// The length of the change; NaN where there is none.
    pub l2: f64,
    /// Where it was; a NaN where it was not, or cannot be drawn.
    pub old: [f32; 3],
    /// Where it is.
    pub new: [f32; 3],
}

impl Default for Moves {
    fn default() -> Self {
        let (old, new) = (Held::default(), Held::default());
        Self {
            commit: NONE,
            before: NONE,
            next: Some(0),
            slots: Vec::new(),
            kinds: Vec::new(),
            l2: Vec::new(),
            old,
            new,
        }
    }
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            at: None,
            held: Held::default(),
            every: 1,
            slots: 0,
            coming: None,
            moves: Moves::default(),
            untold: None,
            version: 0,
        }
    }
}

impl Held {
    fn extend(&mut self, places: &Places) {
        self.at.extend(places.at.iter().map(|p| p.map(f32::from_bits)));
        self.by.extend(&places.by);
    }

    fn set(&mut self, i: usize, from: &Self, j: usize) {
        if i >= self.at.len() {
            self.at.resize(i + 1, [f32::NAN; 3]);
            self.by.resize(i + 1, NONE);
        }
        (self.at[i], self.by[i]) = (from.at[j], from.by[j]);
    }
}

fn fits(places: &Places, len: usize) -> bool {
    places.at.len() == len && places.by.len() == len
}

impl Cloud {
    /// Returns the commit whose points are held.
    pub fn at(&self) -> Option<CommitNumber> {
        self.at
    }

    /// Returns a number that changes whenever what is drawn does.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns every how many slots one point is held.
    pub fn every(&self) -> u32 {
        self.every
    }

    /// Returns how many rows are there and cannot be drawn.
    pub fn undrawn(&self) -> usize {
        self.held.at.iter().zip(&self.held.by).filter(|(at, by)| at[0].is_nan() && **by != NONE).count()
    }

    /// Returns the place of each slot that is held, and who wrote it; a NaN where there is none.
    pub fn points(&self) -> impl Iterator<Item = (u32, [f32; 3], CommitNumber)> + '_ {
        let places = self.held.at.iter().zip(&self.held.by).enumerate();
        places.map(|(i, (at, by))| (i as u32 * self.every, *at, *by))
    }

    /// Returns how many slots are held.
    pub fn len(&self) -> usize {
        self.held.at.len()
    }

    /// Returns whether no slot is held.
    pub fn is_empty(&self) -> bool {
        self.held.at.is_empty()
    }

    /// Returns where a slot is held.
    pub fn index(&self, slot: u32) -> usize {
        (slot / self.every) as usize
    }

    /// Returns what the commit did whose points are held, as far as it is known.
    pub fn moves(&self) -> impl Iterator<Item = Moved> + '_ {
        let m = &self.moves;
        let known = if Some(m.commit) == self.at { m.slots.len() } else { 0 };
        (0..known).map(|i| Moved {
            slot: m.slots[i],
            kind: m.kinds[i],
            l2: m.l2[i],
            old: m.old.at[i],
            new: m.new.at[i],
        })
    }

    /// Returns how much of what is asked for is here, from 0 to 1.
    pub fn share(&self) -> f32 {
        match &self.coming {
            Some((_, next, ..)) => *next as f32 / self.slots.max(1) as f32,
            None => 1.0,
        }
    }

    /// Goes as far towards a commit as is known; says what has to be asked next. `parent` tells first parents.
    pub fn towards(&mut self, target: CommitNumber, parent: impl Fn(CommitNumber) -> Option<CommitNumber>) -> Want {
        for _ in 0..2 * STEPS_MAX {
            let Some(at) = self.at else { return self.all_of(target) };
            if at == target {
                self.coming = None;
                return match self.moves_of(target) {
                    Some(next) if self.untold != Some(target) => Want::Shifts(target, next),
                    _ => Want::Nothing,
                };
            }
            let Some((through, back)) = step(at, target, &parent) else { return self.all_of(target) };
            if self.untold == Some(through) {
                return self.all_of(target);
            }
            if let Some(next) = self.moves_of(through) {
                return Want::Shifts(through, next);
            }
            let fits = if back { self.moves.before != NONE } else { self.moves.before == at };
            if !fits || (back && self.moves.before < target) {
                return self.all_of(target);
            }
            self.apply(back);
        }
        self.all_of(target)
    }

    fn all_of(&mut self, target: CommitNumber) -> Want {
        match &self.coming {
            Some((commit, next, ..)) if *commit == target => Want::Points(target, *next),
            _ => {
                self.coming = Some((target, 0, Held::default()));
                Want::Points(target, 0)
            }
        }
    }

    /// Returns the change to ask for next; `None` when all that a commit did is here.
    fn moves_of(&mut self, commit: CommitNumber) -> Option<u32> {
        if self.moves.commit != commit {
            self.moves = Moves { commit, ..Moves::default() };
        }
        self.moves.next
    }

    fn apply(&mut self, back: bool) {
        let (from, at) = if back { (&self.moves.old, self.moves.before) } else { (&self.moves.new, self.moves.commit) };
        for (j, &slot) in self.moves.slots.iter().enumerate() {
            let i = (slot / self.every) as usize;
            self.held.set(i, from, j);
        }
        self.at = Some(at);
        self.version += 1;
    }

    /// Takes over points; those that were not asked for are left aside.
    pub fn take_points(&mut self, commit: CommitNumber, from: u32, every: u32, slice: &Points) {
        let Some((wanted, next, held)) = &mut self.coming else { return };
        let goes_on = slice.next == 0 || slice.next > from;
        if (*wanted, *next) != (commit, from) || every != self.every || !goes_on {
            return;
        }
        self.slots = slice.slots;
        if slice.slots / self.every > 2 * HELD_MAX {
            self.every = slice.slots.div_ceil(HELD_MAX);
            self.coming = None;
            (self.at, self.moves) = (None, Moves::default());
            return;
        }
        if fits(&slice.places, slice.places.at.len()) {
            held.extend(&slice.places);
        }
        *next = slice.next;
        if slice.next == 0 {
            self.held = std::mem::take(held);
            (self.at, self.coming) = (Some(commit), None);
            self.version += 1;
        }
    }

    /// Takes over what a commit did; what was not asked for is left aside.
    pub fn take_shifts(&mut self, commit: CommitNumber, from: u32, slice: &Shifts) {
        let m = &mut self.moves;
        if m.commit != commit || m.next != Some(from) {
            return;
        }
        let n = slice.slots.len();
        let whole = slice.kinds.len() == n && slice.l2.len() == n && fits(&slice.old, n) && fits(&slice.new, n);
        let sane = slice.slots.iter().all(|s| s.is_multiple_of(self.every) && s / self.every <= 2 * HELD_MAX);
        if !whole || !sane {
            self.give_up(commit);
            return;
        }
        m.before = slice.before;
        m.slots.extend(&slice.slots);
        m.kinds.extend(&slice.kinds);
        m.l2.extend(slice.l2.iter().map(|b| f64::from_bits(*b)));
        m.old.extend(&slice.old);
        m.new.extend(&slice.new);
        m.next = Some(slice.next).filter(|&next| next > from);
        self.version += 1;
    }

    /// Notes that nobody can say what a commit did: then its points are read whole.
    pub fn give_up(&mut self, commit: CommitNumber) {
        self.untold = Some(commit);
        self.moves = Moves::default();
    }
}

/// Returns the commit that leads one step nearer, and whether it is to be taken back.
fn step(
    at: CommitNumber,
    target: CommitNumber,
    parent: &impl Fn(CommitNumber) -> Option<CommitNumber>,
) -> Option<(CommitNumber, bool)> {
    let leads = |from: CommitNumber, to: CommitNumber| {
        let mut last = from;
        for _ in 0..STEPS_MAX {
            let next = parent(last)?;
            if next == to {
                return Some(last);
            }
            if next < to {
                return None;
            }
            last = next;
        }
        None
    };
    if target > at { leads(target, at).map(|c| (c, false)) } else { leads(at, target).map(|_| (at, true)) }
}
