//! `vecdelta verify`: every byte, every hash, every chain.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::error::{CORRUPT, CliError};
use super::open::{bundle, disk, pinned_line};
use super::output::{plural, print_json, size};
use crate::export::check_manifest;
use crate::store::Damage;
use crate::version::{Repository, check_since, verify};

/// Check every byte, hash and chain of a repository, and rebuild every state.
#[derive(clap::Args)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Also check that the history continues this checkpoint (the line, or a file that holds it).
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<String>,
    /// Also check the files of an export against its manifest.
    #[arg(long, value_name = "DIR")]
    manifest: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let pinned = args.since.as_deref().map(pinned_line).transpose()?;
    let mut report = verify(&disk(&args.repo)?)?;
    if let Some(bundle) = bundle(&args.repo)? {
        report.problems.extend(bundle.check()?);
    }
    if let Some(pinned) = &pinned
        && report.problems.is_empty()
        && let Err(problem) = check_since(&Repository::open_checked(disk(&args.repo)?)?, pinned)
    {
        report.problems.push(Damage { path: args.repo.display().to_string(), offset: None, commit: None, problem });
    }
    if let Some(dir) = &args.manifest {
        let found = check_manifest(dir)?.into_iter();
        report.problems.extend(found.map(|p| Damage {
            path: p.path,
            offset: p.offset,
            commit: None,
            problem: p.problem,
        }));
    }
    let ok = report.problems.is_empty();
    if args.json {
        print_json(&json!({
            "ok": ok,
            "commits": report.commits,
            "bytes": report.bytes,
            "problems": report.problems.iter().map(|p| json!({
                "path": p.path,
                "offset": p.offset,
                "commit": p.commit.map(|c| c.to_hex()),
                "problem": p.problem,
            })).collect::<Vec<_>>(),
        }))?;
    } else {
        let mut out = io::stdout().lock();
        for problem in &report.problems {
            writeln!(out, "damaged: {problem}")?;
        }
        let (commits, bytes) = (plural(report.commits, "commit"), size(report.bytes));
        let verdict = if ok { "whole" } else { "NOT whole" };
        writeln!(out, "{verdict}: {commits} rebuilt, {bytes} compared with their hashes")?;
        if let (true, Some(pinned)) = (ok, &pinned) {
            writeln!(out, "the history continues the checkpoint of size {}", pinned.size)?;
        }
        if let (true, Some(dir)) = (ok, &args.manifest) {
            writeln!(out, "{}: every file is as its manifest says", dir.display())?;
        }
    }
    Ok(ExitCode::from(if ok { 0 } else { CORRUPT }))
}
