//! `vecdelta bundle`: a repository in one file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::error::{CANNOT_CREATE, CliError, IO};
use super::open::{self, reader};
use super::output::{plural, print_json, printable, short, size};
use super::progress::Progress;
use crate::delta::CommitId;
use crate::store::{Disk, LocalDisk, log_bytes};
use crate::version::{Thin, bundle, bundle_since, resolve};

/// Write a repository into one file: a back-up, a hand-over, and what a browser reads by ranges. All commands that
/// read take it in place of a repository.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The file to write, by convention NAME.vdpack.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Only what whoever holds this commit does not have yet: a branch, tag, hash, REV~N or @TIME. Such a file cannot
    /// be read by itself; `vecdelta pull` takes it over.
    #[arg(long, value_name = "REV")]
    from: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let (disk, name) = place(&args.output)?;
    let bar = Progress::new();
    let written = match &args.from {
        None => {
            bar.begin("writing the bundle", log_bytes(repo.log())?, "bytes");
            let bytes = bundle(&repo, disk.as_ref(), &name, &mut |n| bar.advance(n));
            bytes.map(|bytes| (bytes, repo.len() as u64))
        }
        Some(from) => {
            let from = resolve(&repo, from)?;
            bar.begin("writing the bundle", repo.len() as u64, "commits");
            bundle_since(&repo, from, disk.as_ref(), &name, &mut |n| bar.advance(n))
        }
    };
    bar.done();
    let (bytes, commits) = written?;
    let needs = args.from.is_some().then(|| needs(&args.output)).transpose()?;
    let shown = args.output.display().to_string();
    if args.json {
        print_json(&json!({
            "file": shown,
            "bytes": bytes,
            "commits": commits,
            "branches": repo.branches().keys().collect::<Vec<_>>(),
            "needs": needs.iter().flatten().map(|id| id.to_hex()).collect::<Vec<_>>(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {} in {}", printable(&shown), plural(commits, "commit"), size(bytes))?;
    if let Some(needs) = &needs {
        let needs: Vec<String> = needs.iter().map(|id| short(*id)).collect();
        let needs = if needs.is_empty() { "no other commit".to_owned() } else { needs.join(", ") };
        writeln!(out, "for a repository that holds {needs}: `vecdelta pull REPO {}` takes it over", printable(&shown))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the commits that whoever takes over a thin bundle has to hold.
fn needs(path: &Path) -> Result<Vec<CommitId>, CliError> {
    match open::bundle(path)? {
        Some(bundle) => Ok(Thin::open(Arc::new(bundle))?.needs()),
        None => Err(CliError::new(IO, format!("{} is gone", path.display()))),
    }
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
