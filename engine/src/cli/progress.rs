//! The progress bar: on a terminal, on standard error; silence otherwise.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::Event;
use crate::version::Step;

/// A bar that follows the events of a run.
pub struct Progress(ProgressBar);

impl Progress {
    /// Makes a bar, hidden when nobody can see it.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(15));
        if std::io::stderr().is_terminal() {
            let style =
                ProgressStyle::with_template("{msg:30!} [{bar:30}] {human_pos}/{human_len} {prefix}  {per_sec}  {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.enable_steady_tick(Duration::from_millis(200));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.set_prefix("rows");
        Self(bar)
    }

    /// Begins a piece of work that has a length in some unit.
    pub fn begin(&self, what: &str, length: u64, unit: &'static str) {
        self.0.set_message(what.to_owned());
        self.0.set_prefix(unit);
        self.0.set_position(0);
        self.0.set_length(length);
    }

    /// Moves on.
    pub fn advance(&self, by: u64) {
        self.0.inc(by);
    }

    /// Takes notice of an event.
    pub fn on(&self, event: &Event) {
        match event {
            Event::SourceOpened { file, rows, .. } => {
                let name = Path::new(file).file_name().map_or(file.clone(), |n| n.to_string_lossy().into_owned());
                self.0.set_message(name);
                self.0.set_position(0);
                self.0.set_length(rows.unwrap_or(0));
            }
            Event::ChangeDetected { rows, .. } => self.0.inc(*rows),
            _ => {}
        }
    }

    /// Takes notice of a pass over rows.
    pub fn step(&self, step: Step) {
        match step {
            Step::Begin { what, rows } => {
                self.0.set_message(what);
                self.0.reset();
                self.0.set_length(rows);
            }
            Step::Rows(rows) => self.0.inc(rows),
        }
    }

    /// Takes the bar away.
    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar for work of a known number of steps.
pub struct Steps(ProgressBar);

impl Steps {
    /// Makes a bar with a word for what is done, hidden when nobody can see it.
    pub fn new(what: &'static str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(15));
        if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{msg:30!} [{bar:30}] {human_pos}/{human_len}  {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.set_message(what);
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self(bar)
    }

    /// Shows how many steps are done of how many.
    pub fn at(&self, done: u64, all: u64) {
        self.0.set_length(all);
        self.0.set_position(done);
    }

    /// Takes the bar away.
    pub fn done(&self) {
        self.0.finish_and_clear();
    }
}
