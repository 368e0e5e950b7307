//! `vecdelta ingest`: files into a history, one commit a file.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::CliError;
use super::events::Events;
use super::run::{execute, live, print_report};
use crate::delta::check_collection;
use crate::pipeline::Live;
use crate::pipeline::config::{
    self, Capture, Close, FileOrder, Input, Missing, OnReject, Pipeline, Settings, Source, SourceKind, Version, Window,
};
use crate::version::{Generation, MADE_BY, MAIN, SnapshotRule};

/// Ingest table files: one commit a file, each file a full epoch of the collection.
///
/// Formats: Parquet, Arrow IPC (file and stream), NumPy .npy, .fvecs, .bvecs, .safetensors, JSON lines. The id and
/// the vector column are found by themselves when there is one of each kind.
#[derive(clap::Args)]
pub struct Args {
    /// The repository; it is made when it does not exist.
    repo: PathBuf,
    /// The files, in the order in which they became true.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The table that the rows belong to.
    #[arg(long, default_value = "vectors")]
    collection: String,
    /// The column that holds the ids.
    #[arg(long, value_name = "COL")]
    id: Option<String>,
    /// The column that holds the vectors.
    #[arg(long, value_name = "COL")]
    vector: Option<String>,
    /// The branch to commit to.
    #[arg(long, default_value = MAIN)]
    branch: String,
    /// What becomes of ids that a file does not mention.
    #[arg(long, default_value = "keep")]
    missing: MissingArg,
    /// The field of JSON lines that says that an id is gone: {"id": "a", "gone": true} with --deleted gone.
    #[arg(long, value_name = "FIELD")]
    deleted: Option<String>,
    /// Leave out components that moved by no more than this (0 keeps every bit).
    #[arg(long, default_value_t = 0.0)]
    epsilon: f64,
    /// The message of the commits; `{file}` stands for the file's name.
    #[arg(long)]
    message: Option<String>,
    /// What makes the vectors from here on; a new name may bring another width or element type.
    #[arg(long, value_name = "NAME")]
    generation: Option<String>,
    /// More about the generation: provider, model, revision, normalisation, preprocessing or quantisation.
    #[arg(long, value_name = "WORD=TEXT", requires = "generation", value_parser = made_by)]
    made_by: Vec<(String, String)>,
    /// Write the whole table down after so many commits, so that later reads start there.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    snapshot_every: Option<u32>,
    /// The same after so many bytes of deltas.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    snapshot_bytes: Option<u64>,
    #[command(flatten)]
    events: Events,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum MissingArg {
    /// They stay as they are.
    Keep,
    /// They are deleted.
    Delete,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    check_collection(&args.collection).map_err(|e| CliError::new(2, e.to_string()))?;
    crate::version::check_name("branch", &args.branch)?;
    if args.epsilon.is_nan() || args.epsilon < 0.0 {
        return Err(CliError::new(2, "--epsilon is a number of at least 0"));
    }
    let start = Instant::now();
    let pipeline = pipeline(&args);
    let events = args.events.open()?;
    let is_heard = events.is_heard();
    let live = Live { checksums: Some(Arc::new(move || is_heard)), ..live() };
    let (repo, report, _) = execute(pipeline, false, &|event| events.tell(event), live, None)?;
    let code = print_report(&repo, &args.repo, &report, start.elapsed(), args.json)?;
    events.close().map(|()| code)
}

fn made_by(text: &str) -> Result<(String, String), String> {
    let (word, value) = text.split_once('=').ok_or("write it as model=NAME")?;
    match MADE_BY.contains(&word) {
        true => Ok((word.to_owned(), value.to_owned())),
        false => Err(format!("there is no `{word}`; there are {}", MADE_BY.join(", "))),
    }
}

/// Says as a pipeline what the flags say.
fn pipeline(args: &Args) -> Pipeline {
    let epoch = "epoch".to_owned();
    let made_by = || args.made_by.iter().cloned().collect();
    let generation = args.generation.clone().map(|name| Generation { name, made_by: made_by() });
    Pipeline {
        settings: Settings {
            name: "ingest".to_owned(),
            store: args.repo.clone(),
            // More on its way between the stages would only be more memory to clear.
            memory_bytes: 64 << 20,
            // Nobody has said how long a stop may take.
            drain: Duration::MAX,
            ..Settings::default()
        },
        sources: vec![Source {
            name: args.collection.clone(),
            kind: SourceKind::Files,
            inputs: args.files.iter().cloned().map(Input::File).collect(),
            order: FileOrder::Given,
            id: args.id.clone(),
            vector: args.vector.clone(),
            dims: None,
            collection: args.collection.clone(),
            missing: match args.missing {
                MissingArg::Keep => Missing::Keep,
                MissingArg::Delete => Missing::Delete,
            },
            epoch: true,
            meta: Vec::new(),
            watch: false,
            deleted: args.deleted.clone(),
            server: None,
            on_reject: OnReject::Stop,
        }],
        capture: Capture { epsilon: args.epsilon, ..Capture::default() },
        routes: vec![config::Route {
            name: "all".to_owned(),
            matches: "**".to_owned(),
            when: config::When::default(),
            window: epoch.clone(),
            to: Vec::new(),
            continues: false,
            priority: config::Priority::Normal,
            ttl: None,
        }],
        windows: vec![Window::new(epoch, Close::Epoch)],
        version: Version {
            branch: args.branch.clone(),
            message: args.message.clone(),
            generation,
            snapshot: (args.snapshot_every.is_some() || args.snapshot_bytes.is_some())
                .then_some(SnapshotRule { every_commits: args.snapshot_every, or_bytes: args.snapshot_bytes }),
            ..Version::default()
        },
        ..Pipeline::default()
    }
}
