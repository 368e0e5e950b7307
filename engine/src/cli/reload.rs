//! Reading the pipeline file again while it runs: on SIGHUP, or when it changes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::error::{CliError, report};
use crate::event::{Event, Listener};
use crate::pipeline::{self, config::Pipeline};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// The file that a run follows.
pub struct Reload {
    path: PathBuf,
    set: Vec<String>,
    asked: Arc<AtomicBool>,
    /// When it is to be looked at again, and how it was then.
    watched: Option<(Instant, Stamp)>,
}

/// Size and time of a file.
type Stamp = Option<(u64, Option<SystemTime>)>;

impl Reload {
    /// Follows a pipeline file from now on; `watch` says that a change of it is enough.
    pub fn new(path: PathBuf, set: Vec<String>, watch: bool) -> Result<Self, CliError> {
        let asked = Arc::<AtomicBool>::default();
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGHUP, asked.clone())?;
        let watched = watch.then(|| (Instant::now(), stamp(&path)));
        Ok(Self { path, set, asked, watched })
    }

    /// Returns what to go on with, if somebody asked for it and it fits; what does not is said, and the old one runs on.
    pub fn look(&mut self, old: &Pipeline, tell: Listener<'_>) -> Option<Pipeline> {
        if !self.asked.swap(false, Ordering::Relaxed) && !self.has_changed() {
            return None;
        }
        let reasons = match super::config::load(&self.path, &self.set) {
            Ok(new) => {
                let reasons = pipeline::refusals(old, &new);
                if reasons.is_empty() {
                    return Some(new);
                }
                reasons
            }
            Err(error) => {
                let _ = report(&error);
                vec![error.message]
            }
        };
        let mut out = io::stderr().lock();
        let _ = writeln!(out, "{} is not taken over, the pipeline runs on as it was:", self.path.display());
        reasons.iter().for_each(|reason| drop(writeln!(out, "  {reason}")));
        tell(&Event::PipelineReloadRefused { reasons });
        None
    }

    /// Returns whether the file is another one than at the last look.
    fn has_changed(&mut self) -> bool {
        let Some((next, before)) = &mut self.watched else { return false };
        if *next > Instant::now() {
            return false;
        }
        *next = Instant::now() + LOOK;
        let now = stamp(&self.path);
        now.is_some() && std::mem::replace(before, now) != now
    }
}

fn stamp(path: &std::path::Path) -> Stamp {
    std::fs::metadata(path).ok().map(|m| (m.len(), m.modified().ok()))
}
