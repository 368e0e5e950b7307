//! Webhook: deltas as JSON lines in the body of `POST` requests, to a server that answers with a status.
//!
//! | answer | means |
//! |---|---|
//! | 2xx | all were taken |
//! | 408, 425, 429, 5xx, or no answer | the server is away: the same request is sent again, with growing waits |
//! | any other | they are refused: they are sent one by one, and those that are refused again become dead letters |
//!
//! Each line has `delta`, which is the same when a delta comes again: a receiver that keeps it takes each once.

use std::path::PathBuf;
use std::time::Duration;

use super::line::delta_line;
use super::{Delivered, Resume, Sink, SinkError};
use crate::pipeline::config::{self, SinkField};
use crate::route::Cursor;

/// The deltas of one request at most.
const REQUEST_DELTAS: usize = 500;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is told of deltas.
pub struct Webhook {
    url: String,
    fields: Vec<SinkField>,
    agent: ureq::Agent,
    done: usize,
}

impl Webhook {
    /// Makes the sink of a URL.
    pub fn new(sink: &config::Sink) -> Self {
        let config = ureq::Agent::config_builder();
        let config = config.timeout_global(Some(TIMEOUT)).http_status_as_error(false).max_redirects(0).build();
        let mut fields = sink.fields.clone();
        if !fields.contains(&SinkField::Delta) {
            fields.insert(0, SinkField::Delta);
        }
        Self { url: sink.url.clone().unwrap_or_default(), fields, agent: config.into(), done: 0 }
    }

    fn post(&self, deltas: &[Delivered]) -> Result<(), SinkError> {
        let mut body = String::new();
        for delta in deltas {
            body += &delta_line(&self.fields, delta).to_string();
            body.push('\n');
        }
        let request = self.agent.post(&self.url).header("content-type", "application/x-ndjson");
        let request = request.header("user-agent", concat!("vecdelta/", env!("CARGO_PKG_VERSION")));
        let response = request.send(&body).map_err(|error| SinkError::unavailable(format!("{}: {error}", self.url)))?;
        let status = response.status().as_u16();
        let message = || format!("{} answered {}", self.url, response.status());
        match status {
            200..300 => Ok(()),
            408 | 425 | 429 | 500.. => Err(SinkError::unavailable(message())),
            _ => Err(SinkError::refused((0..deltas.len()).collect(), message())),
        }
    }
}

impl Sink for Webhook {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        Ok(Resume::Unknown)
    }

    fn write(&mut self, deltas: &[Delivered]) -> Result<(), SinkError> {
        // What was taken before the server went away is not sent again when the same slice comes.
        let chunks = deltas.chunks(REQUEST_DELTAS).skip(self.done);
        for chunk in chunks {
            let posted = self.post(chunk);
            let Err(error) = posted else {
                self.done += 1;
                continue;
            };
            let first = std::mem::take(&mut self.done) * REQUEST_DELTAS;
            return Err(match error.failure {
                super::SinkFailure::Refused(which) => {
                    let rest = deltas.len() - first - chunk.len();
                    let behind = (0..rest).map(|i| first + chunk.len() + i);
                    SinkError::refused(which.iter().map(|i| first + i).chain(behind).collect(), error.message)
                }
                _ => error,
            });
        }
        self.done = 0;
        Ok(())
    }

    fn flush(&mut self, _: &Cursor) -> Result<bool, SinkError> {
        Ok(true)
    }

    fn close(&mut self, _: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        Ok(Vec::new())
    }
}
