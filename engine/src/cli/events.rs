//! The event log of a command: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::error::{CANNOT_CREATE, CliError, IO};
use super::open::now_millis;
use crate::delta::Timestamp;
use crate::event::Event;

/// Where a command tells what it did.
#[derive(clap::Args)]
pub struct Events {
    /// Add one JSON object a line to this file for each event; `docs/events.md` lists them.
    #[arg(long = "events", value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Events {
    /// Opens the file, if there is to be one: before anything is changed.
    pub fn open(&self) -> Result<Teller, CliError> {
        Ok(Teller(self.file.as_deref().map(EventLog::open).transpose()?))
    }
}

/// Tells events to the file, if there is one.
pub struct Teller(Option<EventLog>);

impl Teller {
    /// Returns whether anybody is told.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells one.
    pub fn tell(&self, event: &Event) {
        self.0.iter().for_each(|log| log.on(event, None));
    }

    /// Says at the end whether every event was written.
    pub fn close(self) -> Result<(), CliError> {
        self.0.map_or(Ok(()), EventLog::close)
    }
}

/// A file to which events are added.
pub struct EventLog {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    file: File,
    /// The first failure; after it nothing more is written.
    failed: Option<io::Error>,
}

impl EventLog {
    /// Opens the file, behind what an earlier run wrote.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file =
            file.map_err(|e| CliError::new(CANNOT_CREATE, format!("cannot write events to {}: {e}", path.display())))?;
        Ok(Self { path: path.to_owned(), state: Mutex::new(State { file, failed: None }) })
    }

    /// Adds an event, of a partition where the work is divided; whole lines only. A failure does not stop the run.
    pub fn on(&self, event: &Event, partition: Option<u32>) {
        let time = Timestamp { physical_millis: now_millis(), ..Timestamp::default() }.rfc3339();
        let mut line: Map<String, Value> = [("time", json!(time)), ("event", json!(event.name()))]
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
        line.extend(event.fields());
        line.extend(partition.map(|partition| ("partition".to_owned(), json!(partition))));
        let line = format!("{}\n", Value::Object(line));
        let mut state = self.state.lock().expect("no thread panics with it");
        if state.failed.is_none() {
            state.failed = state.file.write_all(line.as_bytes()).err();
        }
    }

    /// Says at the end whether every event was written.
    pub fn close(self) -> Result<(), CliError> {
        let state = self.state.into_inner().expect("no thread panics with it");
        match state.failed {
            None => Ok(()),
            Some(error) => {
                let message =
                    format!("the events after some point could not be written to {}: {error}", self.path.display());
                Err(CliError::new(IO, message).hint("the run itself is done, and what it reported is safe"))
            }
        }
    }
}
