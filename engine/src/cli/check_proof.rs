//! `vecdelta check-proof`: checks a proof without the repository.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::error::{BAD_DATA, CliError, NOT_FOUND};
use super::open::pinned_line;
use super::output::{component, hex, numbers, print_json, printable, time};
use crate::version::{Proof, Proven, Row, check_proof};

/// No proof of some hundred vectors' width comes near this size.
const BYTES_MAX: u64 = 256 << 20;

/// Check a proof with nothing but the file and the checkpoint that was pinned; says what is proven.
#[derive(clap::Args)]
pub struct Args {
    /// The proof that `vecdelta prove` wrote.
    file: PathBuf,
    /// The checkpoint that was pinned (the line, or a file that holds it); without it the proof is worth only as much
    /// as the checkpoint inside it.
    #[arg(long, value_name = "LINE")]
    checkpoint: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let pinned = args.checkpoint.as_deref().map(pinned_line).transpose()?;
    let proof = read(&args)?;
    let proven = check_proof(&proof, pinned.as_ref());
    if args.json {
        print_json(&document(&proof, proven.as_ref()))?;
        return Ok(ExitCode::from(u8::from(proven.is_err())));
    }
    let proven = proven.map_err(|problem| {
        let error = CliError::new(1, format!("{}: nothing is proven: {problem}", args.file.display()));
        match pinned.is_some_and(|p| p != proof.checkpoint) {
            true => error
                .hint(format!("it leads to {}; `vecdelta prove --checkpoint LINE` leads to yours", proof.checkpoint)),
            false => error,
        }
    })?;
    let mut out = io::stdout().lock();
    describe(&mut out, &proven)?;
    writeln!(out, "checkpoint  {}", proof.checkpoint)?;
    let worth = match pinned {
        Some(_) => "proven: it leads to the checkpoint that was pinned",
        None => {
            "proven, if this checkpoint is yours: compare it with the line that was pinned, or give it with --checkpoint"
        }
    };
    writeln!(out, "{worth}")?;
    Ok(ExitCode::SUCCESS)
}

fn read(args: &Args) -> Result<Proof, CliError> {
    let shown = args.file.display();
    let failed = |e: &io::Error| match e.kind() {
        io::ErrorKind::NotFound => CliError::new(NOT_FOUND, format!("there is no file {shown}")),
        io::ErrorKind::InvalidData => CliError::new(BAD_DATA, format!("{shown} is no proof: it is not text")),
        _ => CliError::new(super::error::IO, format!("cannot read {shown}: {e}")),
    };
    let len = std::fs::metadata(&args.file).map_err(|e| failed(&e))?.len();
    if len > BYTES_MAX {
        return Err(CliError::new(BAD_DATA, format!("{shown} is no proof: it is larger than any of them")));
    }
    let text = std::fs::read_to_string(&args.file).map_err(|e| failed(&e))?;
    Proof::parse(&text).map_err(|problem| CliError::new(BAD_DATA, format!("{shown} is no proof: {problem}")))
}

/// Says what was proven.
pub fn describe(out: &mut impl Write, proven: &Proven) -> io::Result<()> {
    let (id, sequence, body, row) = match proven {
        Proven::Commit { id, sequence, body, row } => (id, sequence, body, row),
        Proven::History { since } => return writeln!(out, "continues   {since}"),
    };
    if let Some(row) = row {
        let name = printable(&row.source.to_string());
        match &row.held {
            None => writeln!(out, "source      {name} is not in the table")?,
            Some((table, bits)) => {
                writeln!(out, "source      {name}  {} x {}", table.dims, table.element.name())?;
                let values = bits.chunks_exact(table.element.size()).map(|b| component(table.element, b));
                writeln!(out, "vector      {}", values.collect::<Vec<_>>().join(" "))?;
                writeln!(out, "bits        {}", hex(bits))?;
            }
        }
    }
    writeln!(out, "commit      {id}  record {sequence} of the log")?;
    writeln!(out, "made        {} by {} on {}", time(body.time), printable(&body.author), printable(&body.branch))?;
    writeln!(out, "message     {}", printable(&body.message))?;
    writeln!(out, "state root  {}", body.state_root)
}

fn document(proof: &Proof, proven: Result<&Proven, &String>) -> Value {
    let mut out = json!({ "ok": proven.is_ok(), "checkpoint": proof.checkpoint.to_string() });
    match proven {
        Err(problem) => out["problem"] = json!(problem),
        Ok(Proven::History { since }) => out["since"] = json!(since.to_string()),
        Ok(Proven::Commit { id, sequence, body, row }) => {
            out["commit"] = json!(id.to_hex());
            out["record"] = json!(sequence);
            out["branch"] = json!(body.branch);
            out["time"] = json!(time(body.time));
            out["author"] = json!(body.author);
            out["message"] = json!(body.message);
            out["state_root"] = json!(body.state_root.to_hex());
            if let Some(row) = row {
                add_row(&mut out, row);
            }
        }
    }
    out
}

fn add_row(out: &mut Value, row: &Row) {
    out["source"] = json!(row.source.to_string());
    out["held"] = json!(row.held.is_some());
    if let Some((table, bits)) = &row.held {
        out["dtype"] = json!(table.element.name());
        out["dims"] = json!(table.dims);
        out["vector"] = json!(numbers(table.element, bits));
        out["bits"] = json!(hex(bits));
    }
}
