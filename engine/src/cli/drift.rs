//! `vecdelta drift`: how far two revisions lie apart.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::arguments::positive;
use super::error::CliError;
use super::histogram;
use super::open::reader;
use super::output::{count, number, plural, print_json, printable, short};
use super::progress::Progress;
use crate::answer::{bins, drift_json, percentiles};
use crate::version::{CommitIndex, Drift, DriftOptions, Moves, Repository, drift, generations_at, resolve, table};

/// Measure how far a table moved between two revisions.
///
/// Over the sources that are on both sides and differ: the Euclidean length of each move and the cosine between before
/// and after (percentiles are exact, by nearest rank), and which sources and components moved most. Over all rows: how
/// far the mean vector moved. With --neighbours K also whether the K nearest neighbours (exact, by cosine) of a source
/// before are still among its K nearest after, asked of a sample. Between revisions of another width or element type
/// there are no distances, but neighbours can be compared.
#[derive(clap::Args)]
#[command(
    after_help = "How much did a re-embedding change search?  vecdelta drift table.vd main~1 main --neighbours 10"
)]
pub struct Args {
    /// The repository.
    repo: PathBuf,
    /// The earlier revision.
    a: String,
    /// The later revision.
    b: String,
    /// The collection, when there are several.
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Compare so many nearest neighbours.
    #[arg(long, value_name = "K", value_parser = positive)]
    neighbours: Option<usize>,
    /// Ask so many sources for their neighbours, at most.
    #[arg(long, value_name = "N", default_value = "1000", requires = "neighbours", value_parser = positive)]
    sample: usize,
    /// Choose another sample; the same seed asks the same sources.
    #[arg(long, value_name = "S", default_value_t = 0, requires = "neighbours")]
    seed: u64,
    /// List so many of the sources and components that moved most.
    #[arg(long, value_name = "M", default_value_t = 5)]
    top: usize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let repo = reader(&args.repo)?;
    let (a, b) = (resolve(&repo, &args.a)?, resolve(&repo, &args.b)?);
    let collection = table(&repo, b, args.collection.as_deref())?.collection;
    let options = DriftOptions { neighbours: args.neighbours, sample: args.sample, seed: args.seed, top: args.top };
    let progress = Progress::new();
    let found = drift(&repo, (a, b), &collection, options, &mut |step| progress.step(step));
    progress.done();
    let found = found?;
    let made = [generations_at(&repo, a, &collection)?, generations_at(&repo, b, &collection)?];
    if args.json {
        print_json(&drift_json(&found, args.seed, &made))?;
    } else {
        let mut out = io::BufWriter::new(io::stdout().lock());
        print(&mut out, &repo, (a, b), &found, &args)?;
        generations(&mut out, &made)?;
        out.flush()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says when the vectors are not all of one generation: then moves are between models, not of sources.
fn generations(out: &mut impl Write, made: &[Vec<String>; 2]) -> io::Result<()> {
    let names: BTreeSet<&String> = made.iter().flatten().collect();
    if names.len() < 2 {
        return Ok(());
    }
    let side = |names: &Vec<String>| {
        let shown = names.iter().map(|n| if n.is_empty() { "unknown".to_owned() } else { printable(n) });
        shown.collect::<Vec<_>>().join(" and ")
    };
    writeln!(out, "\ngenerations  from {}, to {}: distances between models mean little", side(&made[0]), side(&made[1]))
}

fn print(
    out: &mut impl Write,
    repo: &Repository,
    (a, b): (CommitIndex, CommitIndex),
    found: &Drift,
    args: &Args,
) -> Result<(), CliError> {
    let width = [&args.a, &args.b].iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for (word, name, commit, side) in [("from", &args.a, a, &found.before), ("to", &args.b, b, &found.after)] {
        let message = repo.commit(commit)?.body.message;
        let (id, table) = (short(repo.entry(commit).id), &side.table);
        let shape = format!("{} x {} {}", plural(side.rows, "row"), table.dims, table.element.name());
        writeln!(out, "{word:<4}  {:<width$}  {id}  {shape}  {}", printable(name), printable(&message))?;
    }
    let [changed, inserted, deleted] = [found.changed, found.inserted, found.deleted].map(count);
    writeln!(out, "\n{}: {changed} changed, {inserted} inserted, {deleted} deleted", found.after.table.collection)?;
    if found.changed + found.inserted + found.deleted == 0 {
        return Ok(writeln!(out, "the same table on both sides, bit for bit")?);
    }
    match &found.moves {
        None => writeln!(out, "no distances: the two sides differ in width or element type")?,
        Some(moves) => print_moves(out, found, moves)?,
    }
    print_rows(out, found, args)?;
    if let Some(moves) = &found.moves {
        print_most(out, &found.after.table.collection, moves)?;
    }
    Ok(())
}

/// Prints the lengths and angles of the moves.
fn print_moves(out: &mut impl Write, found: &Drift, moves: &Moves) -> io::Result<()> {
    if found.changed == 0 {
        return writeln!(out, "no source that is on both sides moved");
    }
    let l2 = percentiles(found, |m| &m.l2, 0.0);
    let cosine = percentiles(found, |m| &m.cosine, 1.0);
    let cells = |names: [&str; 4], values: [Option<f64>; 4]| {
        let cells: Vec<String> = names.iter().zip(values).map(|(n, v)| format!("{n} {:<10}", shown(v))).collect();
        cells.join("  ").trim_end().to_owned()
    };
    writeln!(out, "how far each changed source moved, L2")?;
    writeln!(out, "  {}", cells(["p50", "p90", "p99", "max"], [50, 90, 99, 100].map(l2)))?;
    histogram::print(out, &bins(&moves.l2), number)?;
    if moves.not_finite > 0 {
        writeln!(out, "  left out: {} of no finite length (NaN or infinity in a row)", count(moves.not_finite))?;
    }
    writeln!(out, "cosine between before and after, 1 is the same direction")?;
    writeln!(out, "  {}", cells(["p50", "p10", "p01", "min"], [50, 10, 1, 0].map(cosine)))?;
    if moves.no_direction > 0 {
        writeln!(out, "  left out: {} without a direction (length 0, NaN or infinity)", count(moves.no_direction))?;
    }
    Ok(())
}

/// Prints what is found over all rows.
fn print_rows(out: &mut impl Write, found: &Drift, args: &Args) -> io::Result<()> {
    let norms = [&found.before, &found.after].map(|s| shown(s.mean_norm));
    if let Some(shift) = found.centroid_shift {
        writeln!(out, "the mean vector moved by {}", number(shift))?;
    }
    writeln!(out, "the mean length of a row was {} and is {}", norms[0], norms[1])?;
    for (word, side) in [("before", &found.before), ("after", &found.after)] {
        if side.not_finite > 0 {
            writeln!(out, "  left out {word}: {} with NaN or infinity", plural(side.not_finite, "row"))?;
        }
    }
    if let Some(overlap) = found.neighbours {
        let sample = format!("{}, seed {}", plural(overlap.sample as u64, "source"), args.seed);
        match overlap.mean {
            Some(mean) => writeln!(
                out,
                "of the {} nearest neighbours {:.1} % stayed (exact, by cosine; asked of {sample})",
                overlap.k,
                mean * 100.0
            )?,
            None => writeln!(out, "nobody in the sample has neighbours on both sides")?,
        }
    }
    Ok(())
}

/// Prints who and what moved most.
fn print_most(out: &mut impl Write, collection: &str, moves: &Moves) -> io::Result<()> {
    if !moves.sources.is_empty() {
        writeln!(out, "\nsources that moved most")?;
        let width = moves.sources.iter().map(|s| number(s.l2).len()).max().unwrap_or(0);
        for s in &moves.sources {
            let source = printable(&format!("{collection}/{}", s.key));
            writeln!(out, "  L2 {:<width$}  cosine {:<9}  {source}", number(s.l2), shown(s.cosine))?;
        }
    }
    if !moves.dims.is_empty() {
        writeln!(out, "\ndimensions that moved most, over the changed sources")?;
        let width = moves.dims.iter().map(|d| d.dim.to_string().len()).max().unwrap_or(0);
        for d in &moves.dims {
            writeln!(out, "  dim {:>width$}  root mean square {:<10}  mean {}", d.dim, number(d.rms), number(d.mean))?;
        }
    }
    Ok(())
}

fn shown(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), number)
}
