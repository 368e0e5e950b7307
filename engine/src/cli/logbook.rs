//! The log of a command that runs for long: one JSON object a line, on standard error or added to a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use super::error::{CANNOT_CREATE, CliError};
use super::open::now_millis;
use crate::delta::Timestamp;
use crate::event::Event;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// What cannot go on.
    Error,
    /// What goes on, but not as it should.
    Warn,
    /// What happens once a commit or less often.
    Info,
    /// Every event.
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// Where the log goes, and how much of it.
#[derive(clap::Args)]
pub struct LogArgs {
    /// Say what happens, one JSON object a line: on standard error (`-`), or added to a file.
    #[arg(long = "log", value_name = "FILE|-")]
    place: Option<PathBuf>,
    /// How much is said.
    #[arg(long = "log-level", value_enum, value_name = "LEVEL", default_value = "info", requires = "place")]
    level: Level,
}

impl LogArgs {
    /// Opens the log; without a place nothing is said.
    pub fn open(&self) -> Result<Logbook, CliError> {
        self.place.as_deref().map_or(Ok(Logbook::none()), |place| Logbook::open(place, self.level))
    }
}

/// The log of a command.
pub struct Logbook {
    out: Option<Mutex<Box<dyn Write + Send>>>,
    level: Level,
    on_stderr: bool,
}

impl Logbook {
    /// A log that says nothing.
    pub fn none() -> Self {
        Self { out: None, level: Level::Error, on_stderr: false }
    }

    /// Opens a log; a file is added to, behind what is there.
    pub fn open(place: &Path, level: Level) -> Result<Self, CliError> {
        let on_stderr = place.as_os_str() == "-";
        let out: Box<dyn Write + Send> = if on_stderr {
            Box::new(io::stderr())
        } else {
            let file = OpenOptions::new().create(true).append(true).open(place);
            let cannot = |e| CliError::new(CANNOT_CREATE, format!("cannot write the log to {}: {e}", place.display()));
            Box::new(file.map_err(cannot)?)
        };
        Ok(Self { out: Some(Mutex::new(out)), level, on_stderr })
    }

    /// Returns whether standard error has lines of JSON, so that texts for people would be in their way.
    pub fn is_on_stderr(&self) -> bool {
        self.on_stderr
    }

    /// Writes a line; `fields` is an object. That it cannot be written stops nothing.
    pub fn say(&self, level: Level, stage: &str, message: &str, fields: Value) {
        let Some(out) = self.out.as_ref().filter(|_| level <= self.level) else { return };
        let time = Timestamp { physical_millis: now_millis(), ..Timestamp::default() }.rfc3339();
        let head = [("time", time.as_str()), ("level", level.name()), ("stage", stage), ("message", message)];
        let mut line: Map<String, Value> =
            head.map(|(key, value)| (key.to_owned(), json!(value))).into_iter().collect();
        if let Value::Object(fields) = fields {
            // `message` and the others above are this log's own words.
            line.extend(fields.into_iter().map(|(key, value)| match head.iter().any(|(name, _)| *name == key) {
                true => (format!("event_{key}"), value),
                false => (key, value),
            }));
        }
        let line = format!("{}\n", Value::Object(line));
        let _ = out.lock().expect("no thread panics with it").write_all(line.as_bytes());
    }

    /// Writes what an event says, of a partition where the work is divided.
    pub fn on(&self, event: &Event, partition: Option<u32>) {
        let level = level_of(event);
        if self.out.is_none() || level > self.level {
            return;
        }
        let mut fields = event.fields();
        fields.insert("event".to_owned(), json!(event.name()));
        fields.extend(partition.map(|partition| ("partition".to_owned(), json!(partition))));
        self.say(level, stage_of(event), &message_of(event), Value::Object(fields));
    }

    /// Writes how a command ended, and hands that on.
    pub fn end<T>(&self, result: Result<T, CliError>, done: &str) -> Result<T, CliError> {
        match &result {
            Ok(_) => self.say(Level::Info, "run", done, json!({})),
            Err(error) => {
                let fields = json!({ "exit_code": error.code, "help": error.hint });
                self.say(Level::Error, "run", &error.message, fields);
            }
        }
        result
    }
}

fn level_of(event: &Event) -> Level {
    match event {
        Event::ObserverError { .. } => Level::Error,
        Event::PipelineReloadRefused { .. }
        | Event::SubscriberBackpressured { .. }
        | Event::DeltaDead { .. }
        | Event::DeltaRejected { .. }
        | Event::TargetStateCorrupted { .. }
        | Event::DeltaUnrouted { .. } => Level::Warn,
        Event::SourceOpened { .. }
        | Event::ObserverPaused { .. }
        | Event::PipelineReloaded { .. }
        | Event::AggregationPolicyChanged { .. }
        | Event::ChannelCreated { .. }
        | Event::SubscriptionChanged { .. }
        | Event::DeltaVersioned { .. }
        | Event::BranchCreated { .. }
        | Event::SnapshotCreated { .. } => Level::Info,
        _ => Level::Debug,
    }
}

fn stage_of(event: &Event) -> &'static str {
    match event {
        Event::PipelineReloaded { .. } | Event::PipelineReloadRefused { .. } => "run",
        Event::SubscriberBackpressured { .. }
        | Event::ChannelCreated { .. }
        | Event::SubscriptionChanged { .. }
        | Event::DeltaPublished { .. }
        | Event::DeltaDelivered { .. }
        | Event::DeltaAcknowledged { .. }
        | Event::DeltaDead { .. } => "deliver",
        other => other.stage(),
    }
}

fn message_of(event: &Event) -> String {
    match event {
        Event::SourceOpened { source, file, .. } => format!("source {source} reads {file}"),
        Event::ObserverError { source, message } => format!("source {source}: {message}"),
        Event::ObserverPaused { source, reason } => format!("source {source} waits: {reason}"),
        Event::Heartbeat { source } => format!("source {source} is quiet"),
        Event::PipelineReloaded { pipeline } => format!("pipeline {pipeline} goes on with other settings"),
        Event::PipelineReloadRefused { reasons } => format!("other settings are refused: {}", reasons.join("; ")),
        Event::AggregationPolicyChanged { source, window, old_policy, new_policy } => {
            let text = |policy: &Option<String>| policy.clone().unwrap_or_else(|| "nothing".to_owned());
            format!("window {window} closes for source {source} by {}, not {}", text(new_policy), text(old_policy))
        }
        Event::SubscriberBackpressured { subscriber, pending, reason } => {
            format!("sink {subscriber} takes nothing, {pending} deltas wait: {reason}")
        }
        Event::ChannelCreated { channel, .. } => format!("branch {channel} is read by sinks"),
        Event::SubscriptionChanged { subscriber, .. } => format!("sink {subscriber} goes on at its cursor"),
        Event::DeltaDead { subscriber, deltas, message, .. } => {
            format!("{deltas} dead letters of {subscriber}: {message}")
        }
        Event::DeltaRejected { target, reason } => format!("{target} is refused: {reason}"),
        Event::DeltaUnrouted { deltas } => format!("{deltas} deltas fit no route"),
        Event::DeltaVersioned { commit, branch, deltas } => {
            format!("{} of {deltas} deltas on {branch}", commit.get(..12).unwrap_or(commit))
        }
        Event::BranchCreated { branch, .. } => format!("branch {branch} begins"),
        Event::SnapshotCreated { commit, .. } => format!("snapshot of {}", commit.get(..12).unwrap_or(commit)),
        Event::TargetStateCorrupted { collection } => {
            format!("the mirror of {collection} was damaged and is made anew from the log")
        }
        other => other.name().to_owned(),
    }
}
