//! `vecdelta reindex`: make everything under cache/ anew from the log.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::error::CliError;
use super::open::checked_writer;
use super::output::{plural, print_json};
use crate::version::{discard_mirror, index_states, open_mirror, save_mirror, tables};

/// Make the cache anew from the log, which is the truth.
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
    let repo = checked_writer(&args.repo)?;
    index_states(&repo)?;
    let mut rows = 0;
    for (branch, &head) in repo.branches() {
        for table in tables(&repo, head)? {
            discard_mirror(&repo, branch, &table.collection)?;
            let mirror = open_mirror(&repo, branch, Arc::new(table))?;
            save_mirror(&repo, branch, &mirror)?;
            rows += mirror.read().expect("no thread panics with it").len();
        }
    }
    let branches = repo.branches().len();
    if args.json {
        print_json(&serde_json::json!({ "branches": branches, "rows": rows }))?;
    } else {
        let (rows, branches) = (plural(rows, "row"), plural(branches as u64, "branch head"));
        writeln!(std::io::stdout(), "{rows} of {branches} mirrored from the log")?;
    }
    Ok(ExitCode::SUCCESS)
}
