//! The command line: one file per command.

mod arguments;
mod blame;
mod branch;
mod bundle;
mod check_proof;
mod checkpoint;
mod clone;
mod compact;
mod completions;
mod config;
mod delta;
mod demo;
mod diff;
mod dlq;
mod drift;
mod error;
mod events;
mod export;
mod find;
mod get;
mod histogram;
mod ingest;
mod inspect;
mod log;
mod logbook;
mod lookout;
mod merge;
mod open;
mod output;
mod progress;
mod prove;
mod pull;
mod push;
mod reindex;
mod reload;
mod replay;
mod rollback;
mod run;
mod search;
mod serve;
mod show;
mod snapshot;
mod tap;
mod top;
mod undo;
mod verify;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::CliError;
pub use open::actor;

/// Version control and change streaming for embedding tables.
#[derive(Parser)]
#[command(name = "vecdelta", version, about, propagate_version = true, max_term_width = 100)]
#[command(after_help = "A first result:  vecdelta ingest demo.vd monday.parquet tuesday.parquet\n\
                        What changed:    vecdelta diff demo.vd main~1 main\n\
                        As it was:       vecdelta export demo.vd --at main~1 --output monday.parquet")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Check(config::CheckArgs),
    Plan(config::PlanArgs),
    Test(config::TestArgs),
    Graph(config::GraphArgs),
    Explain(config::ExplainArgs),
    Ingest(ingest::Args),
    Log(log::Args),
    Show(show::Args),
    Find(find::Args),
    Diff(diff::Args),
    Get(get::Args),
    Blame(blame::Args),
    Drift(drift::Args),
    Search(search::Args),
    Export(export::Args),
    Replay(replay::Args),
    Branch(branch::BranchArgs),
    Tag(branch::TagArgs),
    Merge(merge::Args),
    Rollback(rollback::Args),
    Undo(undo::UndoArgs),
    Operations(undo::OperationsArgs),
    Snapshot(snapshot::Args),
    Compact(compact::CompactArgs),
    Gc(compact::GcArgs),
    Verify(verify::Args),
    Checkpoint(checkpoint::Args),
    Prove(prove::Args),
    CheckProof(check_proof::Args),
    Bundle(bundle::Args),
    Clone(clone::Args),
    Pull(pull::Args),
    Push(push::Args),
    Dlq(dlq::Args),
    Serve(serve::Args),
    Top(top::Args),
    Tap(tap::Args),
    Reindex(reindex::Args),
    Demo(demo::Args),
    Inspect(inspect::Args),
    Completions(completions::Args),
}

/// Runs the program and returns its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; everything else is wrong usage.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => error::report(&error),
    }
}

fn dispatch(command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => config::check(args),
        Command::Plan(args) => config::plan(args),
        Command::Test(args) => config::test(args),
        Command::Graph(args) => config::graph(args),
        Command::Explain(args) => config::explain(args),
        Command::Ingest(args) => ingest::run(args),
        Command::Log(args) => log::run(args),
        Command::Show(args) => show::run(args),
        Command::Find(args) => find::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Get(args) => get::run(args),
        Command::Blame(args) => blame::run(args),
        Command::Drift(args) => drift::run(args),
        Command::Search(args) => search::run(args),
        Command::Export(args) => export::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Branch(args) => branch::branch(args),
        Command::Tag(args) => branch::tag(args),
        Command::Merge(args) => merge::run(args),
        Command::Undo(args) => undo::run_undo(args),
        Command::Operations(args) => undo::run_operations(args),
        Command::Rollback(args) => rollback::run(args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Compact(args) => compact::run_compact(args),
        Command::Gc(args) => compact::run_gc(args),
        Command::Verify(args) => verify::run(args),
        Command::Checkpoint(args) => checkpoint::run(args),
        Command::Prove(args) => prove::run(args),
        Command::CheckProof(args) => check_proof::run(args),
        Command::Bundle(args) => bundle::run(args),
        Command::Clone(args) => clone::run(args),
        Command::Pull(args) => pull::run(args),
        Command::Push(args) => push::run(args),
        Command::Dlq(args) => dlq::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Top(args) => top::run(args),
        Command::Tap(args) => tap::run(args),
        Command::Reindex(args) => reindex::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Completions(args) => completions::run(args),
    }
}
