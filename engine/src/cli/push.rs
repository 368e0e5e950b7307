//! `vecdelta push`: gives another repository what this one has and that one lacks.

use std::path::PathBuf;
use std::process::ExitCode;

use super::error::CliError;
use super::open::{is_url, reader, writer};
use super::pull::{report, take};
use crate::store::is_taken;
use crate::version::{Sender, Wanted};

/// Give another repository the branches, commits and tags that it lacks; a branch there that would lose commits stays.
#[derive(clap::Args)]
pub struct Args {
    /// The repository or bundle that gives.
    repo: PathBuf,
    /// The repository that takes.
    to: PathBuf,
    /// A branch to give; may be given several times. All branches unless given.
    #[arg(long = "branch", value_name = "B")]
    branches: Vec<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let from = reader(&args.repo)?;
    let (own, other) = (args.repo.display(), args.to.display());
    if !is_url(&args.to) && !is_taken(&args.to)? {
        return Err(CliError::new(super::error::NOT_FOUND, format!("no repository at {other}"))
            .hint(format!("`vecdelta clone {own} {other}` makes one")));
    }
    let mut repo = writer(&args.to)?;
    let wanted = Wanted { branches: args.branches, rename: None };
    let received = take(&mut repo, &Sender::of(&from), &wanted)?;
    let advice = |name: &str| {
        format!(
            "`vecdelta pull {own} {other} --branch {name} --as NAME` brings what is there; merge it, and push again"
        )
    };
    report(&received, args.json, "there", &advice)
}
