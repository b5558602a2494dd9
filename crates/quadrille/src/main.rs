//! `quadrille`: hosts any set of the services, and lets people try them.

mod cli;
mod demo;
mod host;
mod logging;
mod sandbox;
mod settings;
mod story;
mod topics;

use std::{
    any::Any,
    panic::{catch_unwind, resume_unwind, set_hook, take_hook},
    process::ExitCode,
};

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| cli::refuse(&error));
    be_quiet_when_the_reader_leaves();
    let result = catch_unwind(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let result = runtime.block_on(run(cli));
        // A thread that did not stop in time must not hold up the end.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("quadrille: {error:#}");
            ExitCode::FAILURE
        }
        Err(panic) if is_broken_pipe(panic.as_ref()) => ExitCode::SUCCESS,
        Err(panic) => resume_unwind(panic),
    }
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // The demo tells a story, in which what the program says of itself would only stand in the way.
    logging::start(&cli.logging, if matches!(cli.command, Command::Demo) { "warn" } else { "info" });
    match cli.command {
        Command::Up(up) => host::up(up).await,
        Command::Serve(serve) => host::serve(serve).await,
        Command::Demo => demo::run().await,
        Command::Topics(topics) => topics::run(topics).await,
        Command::Map { format } => {
            let map = choreography::map();
            print!(
                "{}",
                match format {
                    cli::MapFormat::Text => map.text(),
                    cli::MapFormat::Mermaid => map.mermaid(),
                }
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// `quadrille map | head`: who reads has had enough, and that is no failure. The standard library's
/// printing panics then; unwinding removes what the sandbox has made.
fn be_quiet_when_the_reader_leaves() {
    let otherwise = take_hook();
    set_hook(Box::new(move |panic| {
        if !is_broken_pipe(panic.payload()) {
            otherwise(panic);
        }
    }));
}

fn is_broken_pipe(payload: &dyn Any) -> bool {
    payload.downcast_ref::<String>().is_some_and(|text| text.contains("Broken pipe"))
}
