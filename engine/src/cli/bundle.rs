//! `vecdelta bundle`: a repository in one file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::error::{CANNOT_CREATE, CliError};
use super::open::reader;
use super::output::{plural, print_json, printable, size};
use super::progress::Progress;
use crate::store::{Disk, LocalDisk, log_bytes};
use crate::version::bundle;

/// Write a repository into one file: a back-up, a hand-over, and what a browser reads by ranges. All commands that
/// read take it in place of a repository.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The file to write, by convention NAME.vdpack.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let (disk, name) = place(&args.output)?;
    let bar = Progress::new();
    bar.begin("writing the bundle", log_bytes(repo.log())?, "bytes");
    let bytes = bundle(&repo, disk.as_ref(), &name, &mut |n| bar.advance(n));
    bar.done();
    let (bytes, commits) = (bytes?, repo.len() as u64);
    let shown = args.output.display().to_string();
    if args.json {
        print_json(&json!({
            "file": shown,
            "bytes": bytes,
            "commits": commits,
            "branches": repo.branches().keys().collect::<Vec<_>>(),
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}: {} in {}", printable(&shown), plural(commits, "commit"), size(bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the directory and the name of a file that is to be made.
pub fn place(path: &Path) -> Result<(Arc<dyn Disk>, String), CliError> {
    let shown = path.display();
    if path.exists() {
        return Err(CliError::new(CANNOT_CREATE, format!("{shown} exists already"))
            .hint("name another place, or remove what is there"));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let name = name.ok_or_else(|| CliError::new(2, format!("{shown} names no file")))?;
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !dir.is_dir() {
        return Err(CliError::new(CANNOT_CREATE, format!("there is no directory {}", dir.display())));
    }
    Ok((Arc::new(LocalDisk::new(dir)), name))
}
