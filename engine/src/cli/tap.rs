//! `vecdelta tap`: what passes a stage of a running pipeline.

use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use super::error::{CliError, NOT_FOUND};
use super::open::token;
use super::top::URL;
use crate::serve::{Client, STAGES, Url};

/// Print what passes a stage of a running pipeline, one event a line, as JSON.
///
/// The pipeline runs with `vecdelta run PIPELINE --listen ADDRESS`. It never waits for a tap: what comes too fast is left
/// out, and a line `{"left_out": N}` says how much.
#[derive(clap::Args)]
pub struct Args {
    /// The stage: read, capture, route, window, apply, version; or all.
    stage: String,
    /// Where the pipeline listens.
    #[arg(default_value = URL)]
    url: String,
    /// Of a worker only this partition; of all unless given.
    #[arg(long, value_name = "N")]
    partition: Option<u64>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// At most so many events a second.
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    if args.stage != "all" && !STAGES.contains(&args.stage.as_str()) {
        return Err(CliError::new(NOT_FOUND, format!("there is no stage `{}`", args.stage))
            .hint(format!("there is {}, and all", STAGES.join(", "))));
    }
    let mut path = "/v1/tap?".to_owned();
    let stage = (args.stage != "all").then_some(args.stage);
    let numbers = [("partition", args.partition), ("limit", args.limit), ("rate", args.rate)];
    let words = stage.map(|stage| format!("stage={stage}")).into_iter();
    let words = words.chain(numbers.iter().filter_map(|(name, n)| n.map(|n| format!("{name}={n}"))));
    path += &words.collect::<Vec<_>>().join("&");
    let client = Client::new(Url::parse(&args.url)?, token());
    let mut lines = BufReader::new(client.get(&path, &[])?.good()?);
    let mut out = io::stdout().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            // The run has ended, or was ended.
            Ok(0) | Err(_) => return Ok(ExitCode::SUCCESS),
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => {
                out.write_all(&line)?;
                out.flush()?;
            }
        }
    }
}
