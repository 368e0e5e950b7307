//! `vecdelta merge`: one history into another, with conflicts named.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use vecdelta_kernels::measure;

use super::branch::unknown;
use super::error::{BAD_CONFIG, CliError, NOT_FOUND, note};
use super::events::Events;
use super::open::{actor, writer};
use super::output::{component, numbers, plural, print_json, printable, short};
use crate::delta::{Element, Source};
use crate::event::Event;
use crate::store::Resolution;
use crate::version::{
    Conflict, Ending, MAIN, Merge, Merged, Policy, Repository, Strategy, abandon, merge, park, parked_merge, resolve,
    resolve_conflicts,
};

/// So many conflicts are shown to people; all of them with --json.
const SHOWN: u64 = 20;

/// Merge a branch or commit into a branch, component by component.
#[derive(clap::Args)]
#[command(
    override_usage = "vecdelta merge REPO FROM [--into BRANCH] [--strategy STRATEGY] [--dry-run | --park]\n       \
                      vecdelta merge REPO --resolve SOURCE... --take STRATEGY\n       \
                      vecdelta merge REPO --continue | --abandon | --status",
    after_help = "What one side changed is taken. Where both changed a component differently there is a conflict:\n\
                  a strategy resolves it, or nothing is written and the conflicts are listed (exit code 1)."
)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["from", "resolve", "go_on", "abandon", "status"])))]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// What to merge: a branch, tag, hash, REV~N or @TIME.
    #[arg(value_name = "FROM")]
    from: Option<String>,
    /// The branch to merge into.
    #[arg(long, value_name = "BRANCH", default_value = MAIN)]
    into: String,
    /// What resolves conflicts: ours, theirs, newest, oldest, average or sum; reject resolves none.
    #[arg(long, hide_possible_values = true, value_parser = Strategy::ALL.map(|(name, _)| name), default_value = "reject")]
    strategy: String,
    /// A file of rules, one a line: COLLECTION [FIRST..END] STRATEGY; the last that fits counts.
    #[arg(long, value_name = "FILE", conflicts_with = "strategy")]
    policy: Option<PathBuf>,
    /// The commit's message.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Make a commit even where moving the branch would do.
    #[arg(long)]
    no_fast_forward: bool,
    /// Show the conflicts and what would become of them; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// If conflicts are open, keep the merge with them for --resolve.
    #[arg(long, conflicts_with = "dry_run", help_heading = "A merge that waits")]
    park: bool,
    /// Resolve these sources of the parked merge, as --take says.
    #[arg(long, value_name = "SOURCE", num_args = 1.., requires = "how", help_heading = "A merge that waits")]
    resolve: Vec<String>,
    /// What the sources become: ours, theirs, newest, oldest, average, sum, or delete.
    #[arg(long, value_name = "STRATEGY", group = "how", help_heading = "A merge that waits")]
    take: Option<String>,
    /// The bits that the sources become: the little-endian bytes in hex.
    #[arg(long, value_name = "HEX", group = "how", help_heading = "A merge that waits")]
    bits: Option<String>,
    /// Commit the parked merge.
    #[arg(long = "continue", help_heading = "A merge that waits")]
    go_on: bool,
    /// Give the parked merge up.
    #[arg(long, help_heading = "A merge that waits")]
    abandon: bool,
    /// Show the parked merge and the conflicts that are open.
    #[arg(long, help_heading = "A merge that waits")]
    status: bool,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let mut repo = writer(&args.repo)?;
    if !repo.branches().contains_key(&args.into) {
        return Err(unknown("branch", &args.into, repo.branches()));
    }
    if !args.resolve.is_empty() {
        return resolve_some(&mut repo, &args);
    }
    if args.abandon {
        abandon(&mut repo, &args.into, &actor())?;
        return said(&args, &format!("gave up the merge into {}", printable(&args.into)));
    }
    let request = match &args.from {
        Some(from) => from_revision(&repo, &args, from)?,
        None => Merge { dry_run: args.status, ..parked_merge(&repo, &args.into)? },
    };
    let events = args.events.open()?;
    let mut told = Told::new(args.json);
    let merged = merge(&mut repo, &request, &actor(), &mut |conflict| told.conflict(conflict))?;
    let parks = merged.ending == Ending::Conflicts && args.park;
    if parks {
        park(&mut repo, &args.into, request.theirs, &request.policy, &actor())?;
    }
    if let Some(commit) = merged.commit {
        let (into, id) = (args.into.clone(), repo.entry(commit).id.to_hex());
        if merged.ending == Ending::Commit {
            events.tell(&Event::DeltaVersioned { commit: id.clone(), branch: into.clone(), deltas: merged.merged });
        }
        let (source, deltas, conflicts) = (request.name.clone(), merged.merged, merged.conflicts);
        events.tell(&Event::BranchMerged { source, target: into, commit: id, deltas, conflicts });
    }
    let code = told.end(&repo, &args, &request, &merged, parks)?;
    events.close()?;
    Ok(code)
}

fn from_revision(repo: &Repository, args: &Args, from: &str) -> Result<Merge<'static>, CliError> {
    if *from == args.into {
        return Err(CliError::new(2, format!("`{}` cannot be merged into itself", printable(from))));
    }
    Ok(Merge {
        into: args.into.clone(),
        theirs: resolve(repo, from)?,
        name: from.to_owned(),
        policy: policy(args)?,
        resolved: Vec::new(),
        custom: None,
        fast_forward: !args.no_fast_forward,
        dry_run: args.dry_run,
        message: args.message.clone(),
    })
}

fn policy(args: &Args) -> Result<Policy, CliError> {
    let Some(path) = &args.policy else {
        let strategy = Strategy::from_name(&args.strategy);
        return Ok(Policy::from(strategy.ok_or_else(|| CliError::new(2, "there is no such strategy"))?));
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| CliError::new(NOT_FOUND, format!("cannot read the merge policy {shown}: {e}")))?;
    Policy::parse(&text).map_err(|e| CliError::new(BAD_CONFIG, format!("{shown}, {e}")))
}

fn resolve_some(repo: &mut Repository, args: &Args) -> Result<ExitCode, CliError> {
    let parse = |s: &String| Source::parse(s).map_err(|e| CliError::new(2, e.to_string()));
    let sources = args.resolve.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let resolution = match (&args.take, &args.bits) {
        (Some(word), _) if word == "delete" => Resolution::Delete,
        (Some(word), _) => Resolution::Strategy(word.clone()),
        (None, Some(hex)) => Resolution::Bits(bytes(hex)?),
        (None, None) => return Err(CliError::new(2, "say what they become with --take or --bits")),
    };
    resolve_conflicts(repo, &args.into, &sources, resolution, &actor())?;
    said(args, &format!("{} resolved; `--status` shows what is open", plural(sources.len() as u64, "source")))
}

fn bytes(hex: &str) -> Result<Vec<u8>, CliError> {
    let wrong = || CliError::new(2, "bits are an even number of hex digits");
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !hex.len().is_multiple_of(2) {
        return Err(wrong());
    }
    hex.as_bytes().chunks(2).map(|pair| byte(pair).ok_or_else(wrong)).collect()
}

fn said(args: &Args, text: &str) -> Result<ExitCode, CliError> {
    match args.json {
        true => print_json(&json!({ "branch": args.into, "done": text }))?,
        false => writeln!(io::stdout(), "{text}")?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What was told of the conflicts so far: they are printed as they are found.
struct Told {
    json: bool,
    conflicts: u64,
}

impl Told {
    fn new(json: bool) -> Self {
        Self { json, conflicts: 0 }
    }

    fn conflict(&mut self, conflict: &Conflict) -> Result<(), CliError> {
        self.conflicts += 1;
        let mut out = io::stdout().lock();
        if self.json {
            write!(out, "{}{}", if self.conflicts == 1 { "{\"conflicts\":[" } else { "," }, describe(conflict))?;
        } else if self.conflicts <= SHOWN {
            show(&mut out, conflict)?;
        }
        Ok(())
    }

    fn end(
        &self,
        repo: &Repository,
        args: &Args,
        request: &Merge<'_>,
        merged: &Merged,
        parked: bool,
    ) -> Result<ExitCode, CliError> {
        let mut out = io::stdout().lock();
        let code = if merged.ending == Ending::Conflicts { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        if self.json {
            let rest = json!({
                "commit": merged.commit.map(|c| repo.entry(c).id.to_hex()),
                "merged": merged.merged,
                "open": merged.open,
                "base": repo.entry(merged.base).id.to_hex(),
                "ending": match merged.ending {
                    Ending::AlreadyMerged => "already merged",
                    Ending::FastForward => "fast-forward",
                    Ending::Commit => "merged",
                    Ending::Conflicts => "conflicts",
                    Ending::DryRun => "dry run",
                },
                "parked": parked,
            });
            let start = if self.conflicts == 0 { "{\"conflicts\":[" } else { "" };
            writeln!(out, "{start}],{}", &rest.to_string()[1..])?;
            return Ok(code);
        }
        if self.conflicts > SHOWN {
            writeln!(out, "  ... and {} more; --json lists all", self.conflicts - SHOWN)?;
        }
        let (from, into) = (printable(&request.name), printable(&request.into));
        let sources = plural(merged.merged, "source");
        let resolved = match merged.conflicts - merged.open {
            0 => String::new(),
            n => format!(", {} resolved", plural(n, "conflict")),
        };
        match (merged.ending, merged.commit) {
            (Ending::AlreadyMerged, _) => writeln!(out, "{from} is merged into {into} already")?,
            (Ending::FastForward, Some(c)) => {
                writeln!(out, "{into} moved forward to {} ({sources} changed)", short(repo.entry(c).id))?;
            }
            (Ending::Commit, Some(c)) => {
                writeln!(out, "{}: merged {from} into {into}, {sources} changed{resolved}", short(repo.entry(c).id))?;
            }
            (Ending::Conflicts, _) => {
                let open = plural(merged.open, "conflict");
                writeln!(out, "{open} between {into} and {from}{resolved}; nothing was merged")?;
                hint(args, parked);
            }
            _ => writeln!(out, "{sources} would change in {into}{resolved}; nothing was written")?,
        }
        Ok(code)
    }
}

fn hint(args: &Args, parked: bool) {
    let waits = parked || args.status || args.go_on;
    note(if waits {
        "hint: --resolve SOURCE... --take ours|theirs|average|... settles some, --continue commits, --abandon gives up"
    } else {
        "hint: choose a --strategy (ours, theirs, newest, oldest, average, sum) or a --policy, or --park to go one by one"
    });
}

fn describe(c: &Conflict) -> Value {
    let element = c.table.element;
    let at = |row: &[u8]| pick(element, row, &c.dims).flat_map(|bits| numbers(element, bits)).collect::<Vec<_>>();
    let state = |row: &Option<Vec<u8>>| row.as_deref().map(at);
    let change = c.ours.as_ref().zip(c.theirs.as_ref()).map(|(a, b)| measure(element, a, b));
    json!({
        "source": format!("{}/{}", c.table.collection, c.key),
        "dims": c.dims,
        "base": state(&c.base),
        "ours": state(&c.ours),
        "theirs": state(&c.theirs),
        "result": c.result.as_ref().map(state),
        "resolved": c.result.is_some(),
        "l2": change.as_ref().map(|m| m.l2()),
        "cosine": change.as_ref().and_then(|m| m.cosine()),
    })
}

/// Returns the bits of some dimensions of a row.
fn pick<'a>(element: Element, row: &'a [u8], dims: &'a [u32]) -> impl Iterator<Item = &'a [u8]> {
    let size = element.size();
    dims.iter().filter_map(move |&d| row.get(d as usize * size..(d as usize + 1) * size))
}

fn show(out: &mut impl Write, c: &Conflict) -> io::Result<()> {
    let element = c.table.element;
    let state = |row: &Option<Vec<u8>>| match row {
        None => "gone".to_owned(),
        Some(row) => {
            let cells: Vec<String> = pick(element, row, &c.dims).take(3).map(|bits| component(element, bits)).collect();
            cells.join(" ") + if c.dims.len() > 3 { " ..." } else { "" }
        }
    };
    let dims: Vec<String> = c.dims.iter().take(6).map(u32::to_string).collect();
    let more = if c.dims.len() > 6 { format!(", ... ({} in all)", c.dims.len()) } else { String::new() };
    writeln!(out, "{}/{}  dims {}{more}", c.table.collection, printable(&c.key), dims.join(", "))?;
    write!(out, "    base {}  ours {}  theirs {}", state(&c.base), state(&c.ours), state(&c.theirs))?;
    match &c.result {
        Some(result) => write!(out, "  result {}", state(result))?,
        None => write!(out, "  open")?,
    }
    if let Some(m) = c.ours.as_ref().zip(c.theirs.as_ref()).map(|(a, b)| measure(element, a, b)) {
        write!(out, "  L2 {:.4}", m.l2())?;
        if let Some(cosine) = m.cosine() {
            write!(out, " cosine {cosine:.4}")?;
        }
    }
    writeln!(out)
}
