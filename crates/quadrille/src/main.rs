//! `quadrille`: hosts any set of the services, and lets people try them.

mod asyncapi;
mod cli;
mod client;
mod demo;
mod hints;
mod host;
mod http;
mod logging;
mod moment;
mod output;
mod running;
mod sandbox;
mod settings;
mod signals;
mod story;
mod topics;
mod try_it;

use std::{
    panic::{set_hook, take_hook},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};

use crate::{
    cli::{Cli, Command},
    output::NobodyReads,
};

/// A quarter of the time under load went into allocations; the C libraries use it, too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| cli::refuse(error));
    be_quiet_about_panics_that_are_expected();
    match run(cli) {
        Ok(code) => code,
        Err(error) if error.is::<NobodyReads>() => ExitCode::SUCCESS,
        Err(error) => {
            // Where nobody reads it, the exit code says it.
            let _ = output::message(format_args!("quadrille: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // Only who hosts services has something to say of itself; elsewhere it would stand in the way.
    let is_host = matches!(cli.command, Command::Up(_) | Command::Serve(_) | Command::Topics(_));
    logging::start(&cli.logging, if is_host { "info" } else { "warn" });
    let json = cli.json;
    match cli.command {
        Command::Up(up) => block_on(host::up(up, json)),
        Command::Demo => block_on(demo::run(json)),
        Command::Serve(serve) => block_on(host::serve(serve, json)),
        Command::Order(order) => client::order::run(order, json),
        Command::Stock(stock) => client::stock::run(stock, json),
        Command::Account(account) => client::account::run(account, json),
        Command::Trace(trace) => client::trace::run(trace, json),
        Command::Orders(orders) => client::orders::run(orders, json),
        Command::DeadLetters(letters) => client::dead_letters::run(letters, json),
        Command::Status(status) => client::status::run(status, json),
        Command::Topics(topics) => block_on(topics::run(topics, json)),
        Command::Map { format } => {
            let map = choreography::map();
            match format {
                cli::MapFormat::Asyncapi => output::data(format_args!("{:#}", asyncapi::document(&map)))?,
                _ if json => output::data(map.json())?,
                cli::MapFormat::Text => output::data(map.text().trim_end())?,
                cli::MapFormat::Mermaid => output::data(map.mermaid().trim_end())?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quadrille", &mut script);
            let script = String::from_utf8(script)?;
            if json {
                output::data(serde_json::json!({"shell": shell.to_string(), "script": script}))?;
            } else {
                output::data(script.trim_end())?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(command);
    // A thread that did not stop in time must not hold up the end.
    runtime.shutdown_background();
    result
}

/// The Kafka client panics over a header whose name is not UTF-8, which is caught where headers are
/// read.
fn be_quiet_about_panics_that_are_expected() {
    let otherwise = take_hook();
    set_hook(Box::new(move |panic| {
        if panic.location().is_none_or(|place| !place.file().contains("/rdkafka-")) {
            otherwise(panic);
        }
    }));
}
