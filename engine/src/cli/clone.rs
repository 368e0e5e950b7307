//! `vecdelta clone`: a copy of a repository with its whole history.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::bundle::place;
use super::error::{CANNOT_CREATE, CliError};
use super::open::{own_origin, reader};
use super::output::{plural, print_json, printable, size};
use super::progress::Progress;
use crate::store::{Disk, LocalDisk, StoreError, disk_at, is_address, is_taken, log_bytes, rename_in_database};
use crate::version::{Repository, clone_into};

/// Copy a repository or a bundle with its whole history to a new place.
#[derive(clap::Args)]
pub struct Args {
    /// The repository or bundle to copy.
    from: PathBuf,
    /// The repository to make, by convention NAME.vd.
    to: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.from)?;
    let bytes = log_bytes(repo.log())?;
    match args.to.to_str().filter(|to| is_address(to)) {
        Some(to) => into_database(&repo, to, bytes)?,
        None => into_directory(&repo, &args, bytes)?,
    }
    let (shown, commits) = (args.to.display().to_string(), repo.len() as u64);
    if args.json {
        print_json(&json!({
            "repository": shown,
            "commits": commits,
            "bytes": bytes,
            "branches": repo.branches().keys().collect::<Vec<_>>(),
        }))?;
    } else {
        writeln!(std::io::stdout(), "{}: {}, {}", printable(&shown), plural(commits, "commit"), size(bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies under another name, which the whole copy then loses.
fn into_database(repo: &Repository, to: &str, bytes: u64) -> Result<(), CliError> {
    if is_taken(Path::new(to))? {
        return Err(CliError::new(CANNOT_CREATE, format!("{to} exists already")).hint("name another repository"));
    }
    let new = format!("{to}.new");
    let disk = disk_at(Path::new(&new))?;
    // One that was cut short.
    disk.remove("").map_err(StoreError::io("remove", &new))?;
    if let Err(error) = copy(repo, &disk, bytes) {
        let _ = disk.remove("");
        return Err(error);
    }
    Ok(rename_in_database(&new, to)?)
}

/// Copies into a directory beside the one that is to be, and renames it.
fn into_directory(repo: &Repository, args: &Args, bytes: u64) -> Result<(), CliError> {
    let (parent, name) = place(&args.to)?;
    let new = format!("{name}.new");
    let path = args.to.with_file_name(&new);
    make_room(&path)?;
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(&path));
    if let Err(error) = copy(repo, &disk, bytes) {
        // What was copied so far is of no use to anybody; one that stays is in nobody's way but the next clone's.
        let _ = parent.remove(&new);
        return Err(error);
    }
    let rename = parent.rename(&new, &name).and_then(|()| parent.sync_dir(""));
    rename.map_err(StoreError::io("create", args.to.display().to_string()))?;
    Ok(())
}

/// Makes the directory that gets the copy until it is whole.
fn make_room(path: &Path) -> Result<(), CliError> {
    std::fs::create_dir(path).map_err(|e| {
        let error = CliError::new(CANNOT_CREATE, format!("cannot create {}: {e}", path.display()));
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => {
                error.hint("another clone is being made, or one was cut short: remove it then")
            }
            _ => error,
        }
    })
}

fn copy(repo: &Repository, disk: &Arc<dyn Disk>, bytes: u64) -> Result<(), CliError> {
    let bar = Progress::new();
    bar.begin("copying", bytes, "bytes");
    let copy = clone_into(repo, disk, own_origin(), &mut |n| bar.advance(n));
    bar.done();
    copy?;
    Ok(())
}
