//! `vecdelta pull`: takes over what another repository or a bundle has and this one lacks.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::error::{CliError, NOT_FOUND};
use super::open::{actor, bundle, reader, writer};
use super::output::{plural, print_json, printable, short, size, time};
use super::progress::Progress;
use crate::delta::{CommitId, Timestamp};
use crate::store::Disk;
use crate::version::{
    Arriving, BranchMove, Outcome, Received, Repository, Sender, Thin, VersionError, VersionVector, Wanted, receive,
};

/// Take over branches, commits and tags from another repository or a bundle; a branch that would lose commits stays.
#[derive(clap::Args)]
pub struct Args {
    /// The repository that takes.
    repo: PathBuf,
    /// The repository or bundle that gives.
    from: PathBuf,
    /// A branch to take; may be given several times. All branches unless given.
    #[arg(long = "branch", value_name = "B")]
    branches: Vec<String>,
    /// The name that the one branch gets here.
    #[arg(long = "as", value_name = "NAME", requires = "branches")]
    rename: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    if args.rename.is_some() && args.branches.len() > 1 {
        return Err(CliError::new(2, "--as names one branch: give one --branch with it"));
    }
    let from = Other::open(&args.from)?;
    let mut repo = writer(&args.repo)?;
    let wanted = Wanted { branches: args.branches, rename: args.rename };
    let received = take(&mut repo, &from.sender(), &wanted)?;
    let advice = |name: &str| {
        let (repo, from) = (args.repo.display(), args.from.display());
        format!(
            "`vecdelta pull {repo} {from} --branch {name} --as NAME` brings it as a branch of its own, to be merged"
        )
    };
    report(&received, args.json, "here", &advice)
}

/// Whoever gives.
enum Other {
    Repository(Box<Repository>),
    Thin(Box<Thin>),
}

impl Other {
    fn open(path: &Path) -> Result<Self, CliError> {
        match bundle(path)?.filter(|b| b.is_thin()) {
            Some(bundle) => Ok(Other::Thin(Box::new(Thin::open(Arc::new(bundle) as Arc<dyn Disk>)?))),
            None => Ok(Other::Repository(Box::new(reader(path)?))),
        }
    }

    fn sender(&self) -> Sender<'_> {
        match self {
            Other::Repository(repo) => Sender::of(repo),
            Other::Thin(thin) => thin.sender(),
        }
    }
}

/// Takes over what is wanted, with a bar.
pub fn take(repo: &mut Repository, sender: &Sender<'_>, wanted: &Wanted) -> Result<Received, CliError> {
    let bar = Progress::new();
    bar.begin("checking what arrives", 0, "rows");
    let received = receive(repo, sender, wanted, &actor(), &|step| match step {
        Arriving::Checked(slots) => bar.advance(slots),
        Arriving::Begins(commits) => bar.begin("writing", commits, "commits"),
        Arriving::Written => bar.advance(1),
    });
    bar.done();
    received.map_err(|error| match error {
        VersionError::UnknownRevision { text, near } => {
            let there =
                if near.is_empty() { "it has none".to_owned() } else { format!("there is {}", near.join(", ")) };
            CliError::new(NOT_FOUND, format!("no branch `{}` is offered ({there})", printable(&text)))
        }
        other => other.into(),
    })
}

/// Says what arrived; ends with 1 when a branch was refused.
pub fn report(
    received: &Received,
    json: bool,
    place: &str,
    advice: &dyn Fn(&str) -> String,
) -> Result<ExitCode, CliError> {
    let refused: Vec<&BranchMove> = received.branches.iter().filter(|b| b.is_refused()).collect();
    if json {
        print_json(&document(received))?;
    } else {
        print(received, place)?;
    }
    match refused.as_slice() {
        [] => Ok(ExitCode::SUCCESS),
        [first, ..] => {
            let names: Vec<String> = refused.iter().map(|b| printable(&b.name)).collect();
            Err(CliError::new(1, format!("not moved: {}", names.join(", "))).hint(advice(&first.name)))
        }
    }
}

fn print(received: &Received, place: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for branch in &received.branches {
        let (name, to) = (printable(&branch.name), short(branch.to));
        let from = branch.from.map(short).unwrap_or_default();
        match &branch.outcome {
            Outcome::New => writeln!(out, "{name:<12} {to}  new {place}")?,
            Outcome::Forward => writeln!(out, "{name:<12} {to}  moved on from {from}")?,
            Outcome::Current => writeln!(out, "{name:<12} {to}  the same on both sides")?,
            Outcome::Ahead => writeln!(out, "{name:<12} {from}  goes on from {to} already")?,
            Outcome::Unusable(problem) => writeln!(out, "{name:<12} {to}  refused: {problem}")?,
            Outcome::Diverged { ours, theirs } => {
                let side = |(commits, vector): &(u64, VersionVector)| {
                    let nodes: Vec<String> =
                        vector.nodes().map(|(n, t)| format!("node {n:08x} up to {}", time(t))).collect();
                    format!("{} by {}", plural(*commits, "commit"), nodes.join(", "))
                };
                writeln!(out, "{name:<12} {from}  refused: both sides went on")?;
                writeln!(out, "{:<12} it has         {}", "", side(ours))?;
                writeln!(out, "{:<12} it is offered  {}", "", side(theirs))?;
            }
        }
    }
    for tag in &received.tags {
        let (name, to) = (printable(&tag.name), short(tag.to));
        match &tag.clash {
            None => writeln!(out, "{name:<12} {to}  new tag")?,
            Some(problem) => writeln!(out, "{name:<12} {to}  tag not taken: {problem}")?,
        }
    }
    let (commits, blocks) = (plural(received.commits, "commit"), plural(received.blocks, "block"));
    writeln!(out, "{commits} arrived, {blocks} of {}", size(received.bytes))
}

fn document(received: &Received) -> Value {
    let hash = |id: CommitId| id.to_hex();
    let vector = |vector: &VersionVector| -> Value {
        vector.nodes().map(|(node, at): (u32, Timestamp)| (format!("{node:08x}"), json!(time(at)))).collect()
    };
    let branches = received.branches.iter().map(|branch| {
        let mut out = json!({ "name": branch.name, "from": branch.from.map(hash), "to": hash(branch.to) });
        out["outcome"] = json!(match &branch.outcome {
            Outcome::New => "new",
            Outcome::Forward => "forward",
            Outcome::Current => "current",
            Outcome::Ahead => "ahead",
            Outcome::Diverged { .. } => "diverged",
            Outcome::Unusable(_) => "unusable",
        });
        match &branch.outcome {
            Outcome::Diverged { ours, theirs } => {
                out["ours"] = json!({ "commits": ours.0, "vector": vector(&ours.1) });
                out["theirs"] = json!({ "commits": theirs.0, "vector": vector(&theirs.1) });
            }
            Outcome::Unusable(problem) => out["problem"] = json!(problem),
            _ => {}
        }
        out
    });
    let tag = |t: &crate::version::TagMove| json!({ "name": t.name, "to": hash(t.to), "problem": t.clash });
    json!({
        "commits": received.commits,
        "blocks": received.blocks,
        "bytes": received.bytes,
        "branches": branches.collect::<Vec<_>>(),
        "tags": received.tags.iter().map(tag).collect::<Vec<_>>(),
        "vector": vector(&received.vector),
    })
}
