//! `vecdelta search`: the nearest vectors to a query, at any revision.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::arguments::positive;
use super::error::{CliError, NOT_FOUND};
use super::open::{commit, reader};
use super::output::{count, number, plural, print_json, printable, short};
use super::progress::Progress;
use crate::answer::{Results, check_generations, like_query, metric_name, query_vector, search_json};
use crate::capture::read::read_vector;
use crate::version::{CommitIndex, Found, Metric, Query, Repository, resolve, search, table};

/// Find the nearest vectors to a query, as they were at any revision.
///
/// Every row is compared, in f64; equal ones come in the order of their keys. With --like the query is the vector that
/// the source has at that revision, and the source itself is left out. Rows without a score (NaN in them, or no
/// direction for the cosine) come last.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("query").required(true)))]
#[command(after_help = "Like this one:      vecdelta search table.vd --like vectors/apple\n\
                        In March:           vecdelta search table.vd --vector q.npy --at @2026-03-01T00:00:00Z\n\
                        What came and went: vecdelta search table.vd --vector q.npy --against main~1")]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// Search with the vector of this source.
    #[arg(long, value_name = "COLLECTION/KEY", group = "query")]
    like: Option<String>,
    /// Search with the one vector in this file: .npy, .fvecs, a JSON array, or a table of one row.
    #[arg(long, value_name = "FILE", group = "query")]
    vector: Option<PathBuf>,
    /// When: a branch, tag, hash, REV~N or @TIME.
    #[arg(long, value_name = "REV")]
    at: Option<String>,
    /// Search at this revision as well and show which results differ.
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    /// How many results.
    #[arg(short, default_value = "10", value_name = "N", value_parser = positive)]
    k: usize,
    /// How near is measured.
    #[arg(long, value_enum, default_value = "cosine")]
    metric: MetricArg,
    /// The collection, when there are several and a file is searched with.
    #[arg(long, value_name = "NAME", conflicts_with = "like")]
    collection: Option<String>,
    /// Compare vectors of different generations all the same, though different models made them.
    #[arg(long)]
    mixed: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum MetricArg {
    /// The cosine of the angle: 1 is the same direction.
    Cosine,
    /// The Euclidean distance: 0 is the same vector.
    L2,
    /// The dot product: larger is nearer.
    Dot,
}

impl MetricArg {
    fn metric(self) -> Metric {
        match self {
            MetricArg::Cosine => Metric::Cosine,
            MetricArg::L2 => Metric::L2,
            MetricArg::Dot => Metric::Dot,
        }
    }
}

/// What was found at one revision, which has a name.
struct Side {
    name: String,
    results: Results,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let at = commit(&repo, args.at.as_deref())?;
    let at = at.ok_or_else(|| CliError::new(NOT_FOUND, "the repository has no commit yet"))?;
    let branch = || repo.branches().iter().find(|(_, c)| **c == at).map(|(name, _)| name.clone());
    let name = args.at.clone().or_else(branch).unwrap_or_else(|| "head".to_owned());
    let here = side(&repo, at, name, &args)?;
    let against = match &args.against {
        Some(name) => Some(side(&repo, resolve(&repo, name)?, name.clone(), &args)?),
        None => None,
    };
    if !args.mixed {
        let sides = std::iter::once(&here).chain(&against).map(|side| &side.results);
        check_generations(&repo, sides).map_err(|e| {
            e.hint("--mixed compares them all the same; `vecdelta show` tells how many rows are of which")
        })?;
    }
    if args.json {
        let (metric, against) = (args.metric.metric(), against.as_ref().map(|side| &side.results));
        print_json(&search_json(&repo, &here.results, against, (metric, args.k), args.like.as_deref()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut sides = vec![&here];
    sides.extend(&against);
    header(&mut out, &repo, &sides, &args)?;
    match &against {
        None => list(&mut out, &here)?,
        Some(against) => compare(&mut out, &here, against)?,
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Searches at one revision.
fn side(repo: &Repository, at: CommitIndex, name: String, args: &Args) -> Result<Side, CliError> {
    let metric = args.metric.metric();
    let (table, query) = match (&args.like, &args.vector) {
        (Some(like), _) => like_query(repo, (at, &name), like, (metric, args.k))?,
        (None, Some(file)) => {
            let table = table(repo, at, args.collection.as_deref())?;
            let (element, row) = read_vector(file)?;
            let vector = query_vector(&table, element, &row, &file.display().to_string(), metric)?;
            (table, Query { vector, except: None, metric, k: args.k })
        }
        (None, None) => return Err(CliError::new(2, "give --like or --vector")),
    };
    let table = Arc::new(table);
    let progress = Progress::new();
    let found = search(repo, at, &table, &query, &mut |step| progress.step(step));
    progress.done();
    Ok(Side { name, results: Results { commit: at, table, found: found? } })
}

/// Says what was asked, and of what.
fn header(out: &mut impl Write, repo: &Repository, sides: &[&Side], args: &Args) -> Result<(), CliError> {
    let what = match (&args.like, &args.vector) {
        (Some(like), _) => format!("{} (itself left out)", printable(like)),
        (None, file) => file.as_ref().map(|f| printable(&f.display().to_string())).unwrap_or_default(),
    };
    writeln!(out, "nearest to {what}, by {}", metric_name(args.metric.metric()))?;
    let width = sides.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    for side in sides {
        let record = repo.commit(side.results.commit)?;
        let rows =
            record.body.collections.iter().find(|c| c.name == side.results.table.collection).map_or(0, |c| c.rows);
        let (id, message) = (short(repo.entry(side.results.commit).id), printable(&record.body.message));
        let rows = format!("{} of {}", plural(rows, "row"), side.results.table.collection);
        writeln!(out, "at {:<width$}  {id}  {rows}  {message}", printable(&side.name))?;
    }
    Ok(writeln!(out)?)
}

fn score(found: &Found) -> String {
    if found.score.is_nan() { "none".to_owned() } else { number(found.score) }
}

fn list(out: &mut impl Write, side: &Side) -> io::Result<()> {
    let width = side.results.found.iter().map(|f| score(f).len()).max().unwrap_or(0);
    let ranks = count(side.results.found.len() as u64).len();
    for (i, f) in side.results.found.iter().enumerate() {
        writeln!(out, "{:>ranks$}  {:>width$}  {}", i + 1, score(f), printable(&side.results.source(f)))?;
    }
    Ok(())
}

/// Prints the results of both revisions as one list: those here in their order, then those that are only there.
fn compare(out: &mut impl Write, here: &Side, there: &Side) -> io::Result<()> {
    let ranks = |side: &Side| -> HashMap<String, usize> {
        side.results.found.iter().enumerate().map(|(i, f)| (f.key.clone(), i)).collect()
    };
    let (own, other) = (ranks(here), ranks(there));
    let keys = here.results.found.iter().chain(there.results.found.iter().filter(|f| !own.contains_key(&f.key)));
    let cells = |side: &Side, at: Option<&usize>| match at {
        Some(&i) => [(i + 1).to_string(), score(&side.results.found[i])],
        None => ["-".to_owned(), String::new()],
    };
    let mut rows = Vec::new();
    for f in keys {
        let (a, b) = (own.get(&f.key), other.get(&f.key));
        let sign = match (a, b) {
            (Some(_), None) => "+",
            (None, Some(_)) => "-",
            _ => " ",
        };
        rows.push((sign, cells(here, a), cells(there, b), printable(&here.results.source(f))));
    }
    let width = rows.iter().flat_map(|r| [r.1[1].len(), r.2[1].len()]).max().unwrap_or(0);
    let titles = [&here.name, &there.name].map(|name| printable(name));
    let column = titles.iter().map(|t| t.chars().count()).max().unwrap_or(0).max(width + 5);
    writeln!(out, "{}", format!("   {:<column$}  {:<column$}", titles[0], titles[1]).trim_end())?;
    for (sign, [rank, score], [old_rank, old_score], source) in rows {
        let cell = |rank: &str, score: &str| format!("{rank:>3}  {score:>width$}");
        let (a, b) = (cell(&rank, &score), cell(&old_rank, &old_score));
        writeln!(out, "{sign}  {a:<column$}  {b:<column$}  {source}")?;
    }
    let both = own.keys().filter(|key| other.contains_key(*key)).count();
    let [here_only, there_only] = [own.len() - both, other.len() - both];
    writeln!(out, "\n{both} at both, {here_only} only at {}, {there_only} only at {}", titles[0], titles[1])
}
