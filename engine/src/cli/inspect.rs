//! `vecdelta inspect`: the inspector's window.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use super::error::{CliError, NOT_FOUND};

/// Open the inspector: the graph of commits, their vectors, and how they change.
///
/// It is a program of its own, vecdelta-inspector, and is looked for beside this one.
#[derive(clap::Args)]
pub struct Args {
    /// A repository, a bundle or the address of a server; without it the inspector's start page is shown.
    #[arg(value_name = "REPO")]
    repo: Option<String>,
    /// What else the inspector is to be told, such as --state or --screenshot.
    #[arg(last = true, value_name = "OPTIONS")]
    more: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let program = beside()?;
    let mut command = Command::new(&program);
    command.args(&args.repo).args(&args.more);
    let status = command.status().map_err(|e| missing(&program, &e.to_string()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Returns where the inspector's program has to be.
fn beside() -> Result<PathBuf, CliError> {
    let own = std::env::current_exe().map_err(|e| missing(&PathBuf::from("vecdelta-inspector"), &e.to_string()))?;
    let program = own.with_file_name(format!("vecdelta-inspector{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() { Ok(program) } else { Err(missing(&program, "there is no such file")) }
}

fn missing(program: &std::path::Path, why: &str) -> CliError {
    CliError::new(NOT_FOUND, format!("cannot start {}: {why}", program.display()))
        .hint("`cargo build --release -p vecdelta-inspector` builds it beside this program".to_owned())
}
