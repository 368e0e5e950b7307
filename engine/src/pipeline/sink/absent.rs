//! Sinks for which this program was not built: the configuration refuses them, and so do they.

use std::path::PathBuf;

use super::{Delivered, Resume, Sink, SinkError};
use crate::route::Cursor;

/// A sink for which this program was not built.
pub struct Absent(pub &'static str);

impl Absent {
    fn error(&self) -> SinkError {
        SinkError::fatal(format!("this program was built without `{0}`: build it with `--features {0}`", self.0))
    }
}

impl Sink for Absent {
    fn resume(&mut self) -> Result<Resume, SinkError> {
        Err(self.error())
    }

    fn write(&mut self, _: &[Delivered]) -> Result<(), SinkError> {
        Err(self.error())
    }

    fn flush(&mut self, _: &Cursor) -> Result<bool, SinkError> {
        Err(self.error())
    }

    fn close(&mut self, _: &Cursor) -> Result<Vec<PathBuf>, SinkError> {
        Err(self.error())
    }
}
