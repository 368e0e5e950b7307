//! The window's side of the worker: what was asked, and the answers that are kept.
//!
//! A view says in every frame what it wants; what is no longer wanted is not sent. So a newer wish comes first by
//! itself, and the worker never has more than a few small questions before it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::ask::{Answer, Ask, Cost, Reply, Request, Trouble};

/// How many questions the worker has at a time.
const IN_FLIGHT_MAX: usize = 2;

/// How many bytes of answers are kept, about.
const KEPT_BYTES_MAX: usize = 192 << 20;

/// How many answers' costs are kept.
const COSTS: usize = 500;

/// The way to the worker and back; neither call waits.
pub trait Wire {
    /// Hands over a question.
    fn send(&mut self, request: Request);
    /// Returns an answer that has come.
    fn receive(&mut self) -> Option<Reply>;
}

/// What there is of an answer.
#[derive(Clone)]
pub enum Loaded {
    /// It is here.
    Ready(Arc<Answer>),
    /// It is on its way.
    Waiting,
    /// There is none.
    Failed(Arc<Trouble>),
}

/// Questions and answers.
pub struct Desk {
    wire: Box<dyn Wire>,
    next: u64,
    in_flight: HashMap<u64, Ask>,
    wanted: Vec<Ask>,
    kept: HashMap<Ask, Kept>,
    kept_bytes: usize,
    frame: u64,
    costs: VecDeque<(Ask, Cost)>,
}

struct Kept {
    loaded: Loaded,
    bytes: usize,
    used: u64,
}

impl Desk {
    /// Makes a desk that sends its questions over a wire.
    pub fn new(wire: Box<dyn Wire>) -> Self {
        let (in_flight, kept) = (HashMap::new(), HashMap::new());
        Self { wire, next: 0, in_flight, wanted: Vec::new(), kept, kept_bytes: 0, frame: 0, costs: VecDeque::new() }
    }

    /// Returns the answer to a question; asks it when it is not there.
    pub fn get(&mut self, ask: Ask) -> Loaded {
        if let Some(kept) = self.kept.get_mut(&ask) {
            kept.used = self.frame;
            return kept.loaded.clone();
        }
        self.want(ask);
        Loaded::Waiting
    }

    /// Asks a question whose answer [`Desk::pump`] hands over.
    pub fn want(&mut self, ask: Ask) {
        if !self.wanted.contains(&ask) {
            self.wanted.push(ask);
        }
    }

    /// Returns whether anything is under way.
    pub fn is_busy(&self) -> bool {
        !self.in_flight.is_empty() || !self.wanted.is_empty()
    }

    /// Forgets everything; answers on their way come to nothing.
    pub fn clear(&mut self) {
        self.in_flight.clear();
        self.wanted.clear();
        self.kept.clear();
        self.kept_bytes = 0;
        self.costs.clear();
    }

    /// Returns what the last answers cost, oldest first.
    pub fn costs(&self) -> &VecDeque<(Ask, Cost)> {
        &self.costs
    }

    /// Sends what was wanted since the last call and takes in what has come. Hands over the answers to which `takes` says
    /// yes, with their questions, and keeps the others.
    pub fn pump(&mut self, takes: fn(&Ask) -> bool) -> Vec<(Ask, Result<Answer, Trouble>)> {
        self.frame += 1;
        let mut out = Vec::new();
        while let Some(reply) = self.wire.receive() {
            let Some(ask) = self.in_flight.remove(&reply.number) else { continue };
            if self.costs.len() == COSTS {
                self.costs.pop_front();
            }
            self.costs.push_back((ask.clone(), reply.cost));
            if takes(&ask) {
                out.push((ask, reply.result));
            } else {
                self.keep(ask, reply.result);
            }
        }
        for ask in std::mem::take(&mut self.wanted) {
            // What was answered just now was wanted before the answer was seen.
            if out.iter().any(|(answered, _)| *answered == ask) {
                continue;
            }
            let asked = self.in_flight.values().any(|a| *a == ask) || self.kept.contains_key(&ask);
            if asked || self.in_flight.len() >= IN_FLIGHT_MAX {
                continue;
            }
            self.next += 1;
            self.in_flight.insert(self.next, ask.clone());
            self.wire.send(Request { number: self.next, ask });
        }
        out
    }

    fn keep(&mut self, ask: Ask, result: Result<Answer, Trouble>) {
        let bytes = result.as_ref().map_or(256, Answer::weight);
        let loaded = match result {
            Ok(answer) => Loaded::Ready(Arc::new(answer)),
            Err(trouble) => Loaded::Failed(Arc::new(trouble)),
        };
        self.kept_bytes += bytes;
        if let Some(old) = self.kept.insert(ask, Kept { loaded, bytes, used: self.frame }) {
            self.kept_bytes -= old.bytes;
        }
        // What was used in the last frame stays, whatever its size: it is on the screen.
        while self.kept_bytes > KEPT_BYTES_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, k)| k.used).map(|(ask, k)| (ask.clone(), k.used));
            let Some((ask, used)) = oldest else { break };
            if used + 1 >= self.frame {
                break;
            }
            if let Some(old) = self.kept.remove(&ask) {
                self.kept_bytes -= old.bytes;
            }
        }
    }
}

impl Answer {
    /// Returns about how many bytes of memory it takes.
    fn weight(&self) -> usize {
        match self {
            Answer::Changes(c) => 64 + c.keys.len() + c.len() * 27,
            Answer::Graph(g) => 64 + g.ids.len() * 26,
            Answer::Records(r) => 64 + r.records.len() * 160,
            Answer::Versions(v) => 64 + v.bits.len() + v.versions.len() * 16,
            Answer::Drift(d) => 256 + 8 * (d.l2.len() + d.cosine.len() + d.sums[0].len() + d.sums[1].len()),
            Answer::Spread(s) => 64 + s.len() * 40,
            Answer::Merge(m) => 128 + m.rows.iter().map(|r| 64 + r.source.len()).sum::<usize>(),
            Answer::Conflict(c) => 64 + c.dims.len() * 4 + c.rows.iter().flatten().map(Vec::len).sum::<usize>(),
            Answer::Axes(a) => 128 + a.mean.len() * 24,
            Answer::Points(p) => 64 + p.places.at.len() * 16,
            Answer::Shifts(s) => 64 + s.slots.len() * 48,
            Answer::Key(key) => 64 + key.as_ref().map_or(0, String::len),
            Answer::Generations(g) => 64 + g.since.iter().map(|s| 40 + s.1.len()).sum::<usize>(),
            Answer::Export(piece) => 64 + piece.bytes.len(),
            Answer::Stages(stages) => 64 + stages.lines.len(),
            Answer::Rehash(r) => 128 + r.problems.iter().map(|p| 32 + p.1.len()).sum::<usize>(),
            Answer::Opened(_) | Answer::Commit(_) | Answer::Merged(_) => 2048,
        }
    }
}
