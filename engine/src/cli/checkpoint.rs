//! `vecdelta checkpoint`: one line that pins the history.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::error::CliError;
use super::open::reader;
use super::output::print_json;

/// Print one line `origin size root` to keep elsewhere: `verify --since` then finds a rewritten or shortened history.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let checkpoint = crate::version::checkpoint(&reader(&args.repo)?);
    if args.json {
        let line = checkpoint.to_string();
        let words: Vec<&str> = line.split(' ').collect();
        print_json(&serde_json::json!({ "origin": words[0], "size": checkpoint.size, "root": words[2] }))?;
    } else {
        writeln!(std::io::stdout(), "{checkpoint}")?;
    }
    Ok(ExitCode::SUCCESS)
}
