//! `quadrille`: hosts any set of the services, and lets people try them.

mod cli;
mod demo;
mod host;
mod logging;
mod sandbox;
mod settings;
mod story;
mod topics;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    end_quietly_with_the_reader();
    let cli = Cli::try_parse().unwrap_or_else(|error| cli::refuse(&error));
    let result = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Into::into);
    let result = result.and_then(|runtime| {
        let result = runtime.block_on(run(cli));
        // A thread that did not stop in time must not hold up the end.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quadrille: {error:#}");
            ExitCode::FAILURE
        }
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

/// `quadrille map | head`: who reads has had enough, and that is no failure.
fn end_quietly_with_the_reader() {
    let otherwise = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str().is_some_and(|text| text.contains("Broken pipe")) {
            std::process::exit(0);
        }
        otherwise(panic);
    }));
}
