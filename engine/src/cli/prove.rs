//! `vecdelta prove`: a small file that shows what the repository holds to whoever pinned a checkpoint.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::check_proof::describe;
use super::error::{CANNOT_CREATE, CORRUPT, CliError};
use super::open::{pinned_line, reader};
use super::output::{print_json, printable};
use super::progress::Progress;
use crate::delta::Source;
use crate::version::{
    Checkpoint, Proof, Repository, check_proof, check_since, checkpoint, prove_commit, prove_since, prove_source,
    resolve,
};

/// Prove that a commit is in the log, or what one vector was at a commit; `check-proof` needs only the proof and a
/// pinned checkpoint.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("subject").required(true).args(["what", "since"])))]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The commit to prove; or with --at, the vector to prove: collection/key.
    #[arg(value_name = "REV|SOURCE")]
    what: Option<String>,
    /// The commit at which a vector is proven: a branch, tag, hash, REV~N or @TIME.
    #[arg(long, value_name = "REV", requires = "what")]
    at: Option<String>,
    /// Prove that the log continues this older checkpoint (the line, or a file that holds it).
    #[arg(long, value_name = "CHECKPOINT", conflicts_with_all = ["at", "checkpoint"])]
    since: Option<String>,
    /// The checkpoint that the proof leads to (the line, or a file that holds it); the present one unless given.
    #[arg(long, value_name = "CHECKPOINT")]
    checkpoint: Option<String>,
    /// The file to write; standard output unless given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// With --output: print one JSON document that says what was proven.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let proof = match (&args.what, &args.since) {
        (_, Some(since)) => {
            let since = pinned_line(since)?;
            check(&repo, &since)?;
            prove_since(&repo, &since)?
        }
        (Some(what), None) => prove(&repo, what, &args)?,
        (None, None) => return Err(CliError::new(2, "name what is to be proven")),
    };
    // What is not whole here would convince nobody either.
    let proven = check_proof(&proof, None).map_err(|e| CliError::new(CORRUPT, format!("nothing is proven: {e}")))?;
    let Some(path) = &args.output else {
        write!(std::io::stdout(), "{}", proof.to_text())?;
        return Ok(ExitCode::SUCCESS);
    };
    write(path, &proof)?;
    if args.json {
        let said = json!({ "file": path.display().to_string(), "checkpoint": proof.checkpoint.to_string() });
        print_json(&said)?;
    } else {
        let mut out = std::io::stdout().lock();
        describe(&mut out, &proven)?;
        writeln!(out, "checkpoint  {}", proof.checkpoint)?;
        writeln!(out, "written to  {}", printable(&path.display().to_string()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn prove(repo: &Repository, what: &str, args: &Args) -> Result<Proof, CliError> {
    let under = match &args.checkpoint {
        Some(text) => pinned_line(text)?,
        None => checkpoint(repo),
    };
    check(repo, &under)?;
    let Some(at) = &args.at else {
        let commit = resolve(repo, what).map_err(|error| match Source::parse(what) {
            Ok(_) => CliError::from(error).hint("to prove a vector, say at which commit: --at REV"),
            Err(_) => error.into(),
        })?;
        return Ok(prove_commit(repo, commit, &under)?);
    };
    let source = Source::parse(what).map_err(|e| CliError::new(2, e.to_string()))?;
    let commit = resolve(repo, at)?;
    let bar = Progress::new();
    let slots = repo.collection_number(&source.collection).map_or(0, |c| repo.slots(commit, c));
    bar.begin("hashing the table", u64::from(slots), "rows");
    let proof = prove_source(repo, commit, &source, &under, &|rows| bar.advance(rows));
    bar.done();
    Ok(proof?)
}

/// A proof under a checkpoint that the log does not continue would convince nobody.
fn check(repo: &Repository, pinned: &Checkpoint) -> Result<(), CliError> {
    check_since(repo, pinned).map_err(|problem| CliError::new(CORRUPT, problem))
}

fn write(path: &Path, proof: &Proof) -> Result<(), CliError> {
    let write = || {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(proof.to_text().as_bytes())?;
        file.sync_all()
    };
    write().map_err(|e| {
        let error = CliError::new(CANNOT_CREATE, format!("cannot create {}: {e}", path.display()));
        match e.kind() {
            std::io::ErrorKind::AlreadyExists => error.hint("name another place, or remove what is there"),
            _ => error,
        }
    })
}
