//! Measures code on a machine that is never quiet.
//!
//! Memory bandwidth here can change by half from one second to the next. So candidates take
//! turns, round after round, with the floor they are compared with among them. Two ratios are
//! told: that of the best times, and the median of the ratios within each round.

mod table;

pub use table::{Bits, Table};

use std::hint::black_box;
use std::time::Instant;

/// One thing to measure.
pub struct Candidate<'a> {
    /// What it is called in the table.
    pub name: &'static str,
    /// The candidate which no one can beat at the same work, or whose speed is the measure.
    pub floor: Option<&'static str>,
    /// Bytes, or other units, of work in one run.
    pub work: f64,
    /// What runs.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Candidate<'a> {
    /// Returns a candidate that does `work` units in one run.
    pub fn new<R>(name: &'static str, work: usize, mut run: impl FnMut() -> R + 'a) -> Self {
        Candidate {
            name,
            floor: None,
            work: work as f64,
            run: Box::new(move || {
                black_box(run());
            }),
        }
    }

    /// Sets what the speed is compared with.
    pub fn against(mut self, floor: &'static str) -> Self {
        self.floor = Some(floor);
        self
    }
}

/// The times of one candidate.
pub struct Times {
    /// What it is called in the table.
    pub name: &'static str,
    /// What the speed is compared with.
    pub floor: Option<&'static str>,
    work: f64,
    /// Seconds of each round.
    seconds: Vec<f64>,
}

impl Times {
    /// Returns the shortest time in seconds.
    pub fn best(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Returns the highest speed in units of work per second.
    pub fn speed(&self) -> f64 {
        self.work / self.best()
    }

    /// Returns this speed divided by that of the floor: of the best times, and the median of
    /// the rounds.
    pub fn ratio(&self, floor: &Times) -> (f64, f64) {
        let work = self.work / floor.work;
        let pairs = self.seconds.iter().zip(&floor.seconds);
        let mut rounds: Vec<f64> = pairs.map(|(own, floor)| work * floor / own).collect();
        rounds.sort_by(f64::total_cmp);
        (self.speed() / floor.speed(), rounds[rounds.len() / 2])
    }
}

/// Lets the candidates take turns for a number of rounds, after one that does not count.
pub fn measure(rounds: usize, mut candidates: Vec<Candidate>) -> Vec<Times> {
    let mut seconds = vec![Vec::with_capacity(rounds); candidates.len()];
    for round in 0..=rounds {
        for (candidate, seconds) in candidates.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            (candidate.run)();
            if round > 0 {
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
    }
    let finished = candidates.into_iter().zip(seconds);
    finished
        .map(|(candidate, seconds)| Times {
            name: candidate.name,
            floor: candidate.floor,
            work: candidate.work,
            seconds,
        })
        .collect()
}

/// Returns the times of the named candidate.
///
/// # Panics
/// If there is none.
pub fn named<'a>(times: &'a [Times], name: &str) -> &'a Times {
    times.iter().find(|times| times.name == name).expect("a candidate of that name was measured")
}

/// Prints speeds in units of 1e9, and each beside its floor.
///
/// # Panics
/// If a floor was not measured.
pub fn print(times: &[Times]) {
    let columns = ["ms", "G/s", "ratio", "median"];
    let [ms, speed, ratio, median] = columns;
    println!("{:<38}{ms:>9}{speed:>8}{ratio:>8}{median:>8}", "");
    for own in times {
        let (ms, speed) = (own.best() * 1e3, own.speed() / 1e9);
        print!("{:<38}{ms:>9.2}{speed:>8.1}", own.name);
        match own.floor.map(|name| named(times, name)) {
            Some(floor) => {
                let (best, median) = own.ratio(floor);
                println!("{:>7.0}%{:>7.0}%", best * 100.0, median * 100.0);
            }
            None => println!("{:>8}", "floor"),
        }
    }
}

/// Returns the processor's name where the system tells it.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown processor", |(_, name)| name).to_owned()
}
