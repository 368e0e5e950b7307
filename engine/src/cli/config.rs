//! The commands that look at a pipeline file: `check`, `plan`, `test`, `graph`, `explain`.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::error::{BAD_CONFIG, CANNOT_CREATE, CliError, NOT_FOUND, note};
use super::open::{author, now_millis};
use super::output::{commit_json, count, delta_bytes, plural, print_json, size};
use super::progress::Progress;
use crate::event::Event;
use crate::pipeline::config::{self, Diagnosis, Diagnostic, Pipeline};
use crate::pipeline::{Asked, Context, Live, ask_servers, check_widths, plan as plan_run, run_case};
use crate::store::probe;

/// Print all errors of a pipeline file at once, with line and column; nothing is written.
///
/// Where a source names `dims` and its files are there, the first of them is compared.
#[derive(clap::Args)]
pub struct CheckArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Override a setting, such as --set pipeline.store=other.vd
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Also ask the servers that the file names whether they can do what it asks of them; nothing is written.
    #[arg(long)]
    online: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Dry run: read the input and forecast deltas, bytes and counts per route; the repository is not touched.
#[derive(clap::Args)]
pub struct PlanArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Override a setting, such as --set pipeline.store=other.vd
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Run the [[test]] cases of a pipeline file.
#[derive(clap::Args)]
pub struct TestArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Draw the stages and links of a pipeline.
#[derive(clap::Args)]
pub struct GraphArgs {
    /// The pipeline file.
    pipeline: PathBuf,
    /// The form of the drawing.
    #[arg(long, default_value = "mermaid")]
    format: GraphFormat,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum GraphFormat {
    /// For Markdown pages.
    Mermaid,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
}

/// Explain an error code of a pipeline file.
#[derive(clap::Args)]
pub struct ExplainArgs {
    /// The code, such as VD0104.
    code: String,
}

/// Runs `vecdelta check`.
pub fn check(args: CheckArgs) -> Result<ExitCode, CliError> {
    let (text, result) = parse(&args.pipeline, &args.set)?;
    let (errors, warnings, pipeline) = match result {
        Ok((pipeline, warnings)) => (check_widths(&text, &pipeline), warnings, Some(pipeline)),
        Err(found) => (found.errors, found.warnings, None),
    };
    let online = pipeline.filter(|_| args.online && errors.is_empty());
    let asked = online.as_ref().map(ask_servers).unwrap_or_default();
    let refused: Vec<String> =
        (asked.iter()).filter_map(|asked| Some(format!("{}: {}", asked.who, asked.answer.as_ref().err()?))).collect();
    let server = online.map(|pipeline| probe(&pipeline.for_partition(0).settings.store)).transpose()?.flatten();
    if args.json {
        let list = |all: &[Diagnostic]| all.iter().map(diagnostic_json).collect::<Vec<_>>();
        let mut document = json!({ "ok": errors.is_empty(), "errors": list(&errors), "warnings": list(&warnings) });
        if args.online {
            document["server"] = json!(server);
            document["servers"] = asked.iter().map(asked_json).collect();
            document["ok"] = json!(errors.is_empty() && refused.is_empty());
        }
        print_json(&document)?;
    } else {
        show(&args.pipeline, &text, &errors);
        show(&args.pipeline, &text, &warnings);
        if errors.is_empty() {
            let n = warnings.len();
            writeln!(io::stdout(), "{}: no errors, {}", args.pipeline.display(), plural(n as u64, "warning"))?;
            if let Some(server) = server {
                writeln!(io::stdout(), "the store is at {server}, which can keep it")?;
            }
            for Asked { who, answer } in &asked {
                if let Ok(answer) = answer {
                    writeln!(io::stdout(), "{who}: {answer}")?;
                }
            }
        }
    }
    if !refused.is_empty() {
        return Err(CliError::new(super::error::IO, refused.join("\nerror: ")).hint("nothing was changed there"));
    }
    Ok(ExitCode::from(if errors.is_empty() { 0 } else { BAD_CONFIG }))
}

fn asked_json(asked: &Asked) -> Value {
    let (said, problem) = match &asked.answer {
        Ok(said) => (Some(said), None),
        Err(problem) => (None, Some(problem)),
    };
    json!({ "who": asked.who, "server": said, "problem": problem })
}

/// Runs `vecdelta plan`.
pub fn plan(args: PlanArgs) -> Result<ExitCode, CliError> {
    let pipeline = load(&args.pipeline, &args.set)?;
    refuse_divided(&pipeline)?;
    let scratch = Scratch::new()?;
    let progress = Progress::new();
    let listener = |event: &Event| progress.on(event);
    let stop = AtomicBool::new(false);
    let context = Context {
        now: &now_millis,
        stop: &stop,
        listener: &listener,
        author: author(),
        resume: true,
        live: Live::default(),
    };
    let result = plan_run(&pipeline, &scratch.0, &context);
    progress.done();
    let forecast = result?;
    let repo = &forecast.repo;
    if args.json {
        let commits = forecast.report.commits.iter().map(|&c| commit_json(repo, c)).collect::<Result<Vec<_>, _>>()?;
        print_json(&json!({
            "commits": commits,
            "rows_read": forecast.report.rows_read,
            "routes": forecast.routed,
            "skipped": forecast.report.skipped,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    for &commit in &forecast.report.commits {
        let record = repo.commit(commit)?;
        let c = record.body.counts;
        let (inserted, updated, deleted) = (count(c.inserted), count(c.updated), count(c.deleted));
        let (message, bytes) = (&record.body.message, size(delta_bytes(&record)));
        writeln!(out, "{message}: {inserted} inserted, {updated} updated, {deleted} deleted, {bytes}")?;
    }
    for (route, deltas) in &forecast.routed {
        writeln!(out, "route {route}: {}", plural(*deltas, "delta"))?;
    }
    let commits = plural(forecast.report.commits.len() as u64, "commit");
    writeln!(out, "{commits} would be made; nothing was written")?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `vecdelta test`.
pub fn test(args: TestArgs) -> Result<ExitCode, CliError> {
    let pipeline = load(&args.pipeline, &[])?;
    let mut results: Vec<Value> = Vec::new();
    let mut failed = 0;
    for test in &pipeline.tests {
        let wrong = run_case(&pipeline, test)?;
        failed += usize::from(!wrong.is_empty());
        if !args.json {
            let mut out = io::stdout().lock();
            writeln!(out, "{} {}", if wrong.is_empty() { "ok    " } else { "FAILED" }, test.name)?;
            wrong.iter().try_for_each(|w| writeln!(out, "       {w}"))?;
        }
        results.push(json!({ "name": test.name, "ok": wrong.is_empty(), "problems": wrong }));
    }
    if args.json {
        print_json(&json!({ "ok": failed == 0, "tests": results }))?;
    } else {
        writeln!(io::stdout(), "{} passed, {failed} failed", pipeline.tests.len() - failed)?;
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Runs `vecdelta graph`.
pub fn graph(args: GraphArgs) -> Result<ExitCode, CliError> {
    let pipeline = load(&args.pipeline, &[])?;
    let text = match args.format {
        GraphFormat::Mermaid => config::graph_mermaid(&pipeline),
        GraphFormat::Dot => config::graph_dot(&pipeline),
        GraphFormat::Json => config::graph_json(&pipeline).to_string(),
    };
    writeln!(io::stdout(), "{}", text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `vecdelta explain`.
pub fn explain(args: ExplainArgs) -> Result<ExitCode, CliError> {
    match config::explain(&args.code) {
        Some(text) => {
            writeln!(io::stdout(), "{}", text.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let codes = config::codes().collect::<Vec<_>>().join(", ");
            Err(CliError::new(2, format!("there is no code `{}`", args.code)).hint(format!("the codes are {codes}")))
        }
    }
}

/// Reads a pipeline file; its errors are printed.
pub fn load(path: &Path, set: &[String]) -> Result<Pipeline, CliError> {
    let (text, result) = parse(path, set)?;
    match result {
        Ok((pipeline, warnings)) => {
            show(path, &text, &warnings);
            Ok(pipeline)
        }
        Err(found) => {
            show(path, &text, &found.errors);
            show(path, &text, &found.warnings);
            let n = found.errors.len();
            let message = format!("{} has {n} error{}", path.display(), if n == 1 { "" } else { "s" });
            Err(CliError::new(BAD_CONFIG, message).hint("`vecdelta explain CODE` tells more about one"))
        }
    }
}

/// Refuses to run all partitions of a pipeline as one.
pub fn refuse_divided(pipeline: &Pipeline) -> Result<(), CliError> {
    match pipeline.is_divided() {
        true => Err(CliError::new(BAD_CONFIG, "`store` names a {partition}, and this run has none")
            .hint("`vecdelta run PIPELINE --partition 1/1` works on all of them")),
        false => Ok(()),
    }
}

type Parsed = Result<(Pipeline, Vec<Diagnostic>), Diagnosis>;

fn parse(path: &Path, set: &[String]) -> Result<(String, Parsed), CliError> {
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => CliError::new(NOT_FOUND, format!("there is no file {}", path.display())),
        io::ErrorKind::InvalidData => CliError::new(BAD_CONFIG, format!("{} is not UTF-8 text", path.display())),
        _ => CliError::new(super::error::IO, format!("cannot read {}: {e}", path.display())),
    })?;
    let mut overrides = Vec::new();
    for pair in set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| CliError::new(2, format!("--set {pair}: write KEY=VALUE")))?;
        overrides.push((key.to_owned(), value.to_owned()));
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let base = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    let env = |name: &str| std::env::var(name).ok();
    let result = config::parse(&path.display().to_string(), &text, &base, &overrides, &env);
    Ok((text, result))
}

fn show(path: &Path, text: &str, diagnostics: &[Diagnostic]) {
    let color = io::stderr().is_terminal();
    for diagnostic in diagnostics {
        note(config::render(&path.display().to_string(), text, diagnostic, color));
    }
}

fn diagnostic_json(d: &Diagnostic) -> Value {
    json!({ "code": d.code, "message": d.message, "line": d.line, "column": d.column, "help": d.help })
}

/// A directory that goes when the command ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("vecdelta-plan-{}-{}", std::process::id(), now_millis()));
        std::fs::create_dir_all(&path)
            .map_err(|e| CliError::new(CANNOT_CREATE, format!("cannot create {}: {e}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
