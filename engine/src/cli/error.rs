//! Failures of a command, as they are printed.

use std::io::Write;
use std::process::ExitCode;

pub use crate::answer::Failure as CliError;
pub use crate::answer::{BAD_CONFIG, BAD_DATA, CANNOT_CREATE, CORRUPT, IO, NOT_FOUND, TRY_AGAIN};

/// Prints a failure and returns its code.
pub fn report(error: &CliError) -> ExitCode {
    // Where nobody reads standard error any more, the code still tells.
    let mut out = std::io::stderr().lock();
    if !error.message.is_empty() {
        let _ = writeln!(out, "error: {}", error.message);
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(out, "hint: {hint}");
    }
    ExitCode::from(error.code)
}

/// Says something beside the result. Where nobody reads standard error any more, that stops nothing.
pub fn note(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            // Whoever read the output has seen enough.
            return Self::new(0, String::new());
        }
        Self::new(IO, format!("cannot write the result: {error}"))
    }
}
