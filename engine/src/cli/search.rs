//! `vecdelta search`: the nearest vectors to a query, at any revision.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};
use vecdelta_kernels::{all_finite, norm_squared, widen};

use super::arguments::positive;
use super::error::{BAD_DATA, CliError, NOT_FOUND};
use super::open::{commit, reader};
use super::output::{count, number, plural, print_json, printable, short};
use super::progress::Progress;
use crate::capture::read::read_vector;
use crate::delta::{Element, Source, Table};
use crate::version::{CommitIndex, Found, Metric, Query, Repository, generations_at, resolve, search, table, value};

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

    fn name(self) -> &'static str {
        match self {
            MetricArg::Cosine => "cosine",
            MetricArg::L2 => "l2",
            MetricArg::Dot => "dot",
        }
    }

    /// Returns the key under which JSON has the measure: more of a score is nearer, more of a distance is farther.
    fn key(self) -> &'static str {
        if self == MetricArg::L2 { "distance" } else { "score" }
    }
}

/// What was found at one revision.
struct Side {
    name: String,
    commit: CommitIndex,
    table: Arc<Table>,
    found: Vec<Found>,
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
        check_generations(&repo, std::iter::once(&here).chain(&against))?;
    }
    if args.json {
        print_json(&document(&repo, &here, against.as_ref(), &args))?;
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

/// Refuses to compare vectors that different models made: their distances mean nothing.
fn check_generations<'s>(repo: &Repository, sides: impl Iterator<Item = &'s Side>) -> Result<(), CliError> {
    let mut names = BTreeSet::new();
    for side in sides {
        names.extend(generations_at(repo, side.commit, &side.table.collection)?);
    }
    if names.len() < 2 {
        return Ok(());
    }
    let shown = |name: &String| if name.is_empty() { "an unknown one".to_owned() } else { printable(name) };
    let names: Vec<String> = names.iter().map(shown).collect();
    let text = format!("the vectors are of {} generations: {}", names.len(), names.join(", "));
    Err(CliError::new(BAD_DATA, text)
        .hint("--mixed compares them all the same; `vecdelta show` tells how many rows are of which"))
}

/// Searches at one revision.
fn side(repo: &Repository, at: CommitIndex, name: String, args: &Args) -> Result<Side, CliError> {
    let (table, vector, except) = match (&args.like, &args.vector) {
        (Some(like), _) => {
            let source = Source::parse(like).map_err(|e| CliError::new(2, e.to_string()))?;
            let found = value(repo, at, &source)?;
            let what = format!("`{}` at {name}", printable(like));
            let vector = query(found.table.element, &found.row, &what, args.metric)?;
            (found.table, vector, Some(source.key))
        }
        (None, Some(file)) => {
            let table = table(repo, at, args.collection.as_deref())?;
            (table.clone(), from_file(file, &table, args.metric)?, None)
        }
        (None, None) => return Err(CliError::new(2, "give --like or --vector")),
    };
    let (table, query) = (Arc::new(table), Query { vector, except, metric: args.metric.metric(), k: args.k });
    let progress = Progress::new();
    let found = search(repo, at, &table, &query, &mut |step| progress.step(step));
    progress.done();
    Ok(Side { name, commit: at, table, found: found? })
}

fn from_file(file: &Path, table: &Table, metric: MetricArg) -> Result<Vec<u8>, CliError> {
    let (element, row) = read_vector(file)?;
    let dims = row.len() / element.size();
    if dims != table.dims as usize {
        let have = format!("collection `{}` holds vectors {} wide", table.collection, table.dims);
        return Err(CliError::new(BAD_DATA, format!("{}: the query is {dims} wide, {have}", file.display()))
            .hint("search with a vector of the model that made the collection"));
    }
    query(element, &row, &file.display().to_string(), metric)
}

/// Returns a query as `f64`, if it can be compared with anything.
fn query(element: Element, row: &[u8], what: &str, metric: MetricArg) -> Result<Vec<u8>, CliError> {
    if !all_finite(element, row) {
        return Err(CliError::new(BAD_DATA, format!("{what} holds a NaN or an infinity: nothing is near to it")));
    }
    if metric == MetricArg::Cosine && norm_squared(element, row) == 0.0 {
        return Err(
            CliError::new(BAD_DATA, format!("{what} has length 0 and so no direction")).hint("search with --metric l2")
        );
    }
    let mut vector = Vec::new();
    widen(element, row, &mut vector);
    Ok(vector)
}

fn document(repo: &Repository, here: &Side, against: Option<&Side>, args: &Args) -> Value {
    let results = |side: &Side| -> Vec<Value> {
        let one =
            |(i, f): (usize, &Found)| json!({ "rank": i + 1, "source": source(side, f), args.metric.key(): f.score });
        side.found.iter().enumerate().map(one).collect()
    };
    let only = |side: &Side, other: &Side| -> Vec<String> {
        let others: HashSet<&str> = other.found.iter().map(|f| f.key.as_str()).collect();
        side.found.iter().filter(|f| !others.contains(f.key.as_str())).map(|f| source(side, f)).collect()
    };
    let mut out = json!({
        "collection": here.table.collection,
        "at": repo.entry(here.commit).id.to_hex(),
        "metric": args.metric.name(),
        "k": args.k,
        "left_out": args.like,
        "results": results(here),
    });
    if let Some(against) = against {
        out["against"] = json!({
            "at": repo.entry(against.commit).id.to_hex(),
            "results": results(against),
            "only_here": only(here, against),
            "only_there": only(against, here),
        });
    }
    out
}

fn source(side: &Side, found: &Found) -> String {
    format!("{}/{}", side.table.collection, found.key)
}

/// Says what was asked, and of what.
fn header(out: &mut impl Write, repo: &Repository, sides: &[&Side], args: &Args) -> Result<(), CliError> {
    let what = match (&args.like, &args.vector) {
        (Some(like), _) => format!("{} (itself left out)", printable(like)),
        (None, file) => file.as_ref().map(|f| printable(&f.display().to_string())).unwrap_or_default(),
    };
    writeln!(out, "nearest to {what}, by {}", args.metric.name())?;
    let width = sides.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    for side in sides {
        let record = repo.commit(side.commit)?;
        let rows = record.body.collections.iter().find(|c| c.name == side.table.collection).map_or(0, |c| c.rows);
        let (id, message) = (short(repo.entry(side.commit).id), printable(&record.body.message));
        let rows = format!("{} of {}", plural(rows, "row"), side.table.collection);
        writeln!(out, "at {:<width$}  {id}  {rows}  {message}", printable(&side.name))?;
    }
    Ok(writeln!(out)?)
}

fn score(found: &Found) -> String {
    if found.score.is_nan() { "none".to_owned() } else { number(found.score) }
}

fn list(out: &mut impl Write, side: &Side) -> io::Result<()> {
    let width = side.found.iter().map(|f| score(f).len()).max().unwrap_or(0);
    let ranks = count(side.found.len() as u64).len();
    for (i, f) in side.found.iter().enumerate() {
        writeln!(out, "{:>ranks$}  {:>width$}  {}", i + 1, score(f), printable(&source(side, f)))?;
    }
    Ok(())
}

/// Prints the results of both revisions as one list: those here in their order, then those that are only there.
fn compare(out: &mut impl Write, here: &Side, there: &Side) -> io::Result<()> {
    let ranks = |side: &Side| -> HashMap<String, usize> {
        side.found.iter().enumerate().map(|(i, f)| (f.key.clone(), i)).collect()
    };
    let (own, other) = (ranks(here), ranks(there));
    let keys = here.found.iter().chain(there.found.iter().filter(|f| !own.contains_key(&f.key)));
    let cells = |side: &Side, at: Option<&usize>| match at {
        Some(&i) => [(i + 1).to_string(), score(&side.found[i])],
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
        rows.push((sign, cells(here, a), cells(there, b), printable(&source(here, f))));
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
