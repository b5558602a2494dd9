//! `quadrille`: hosts any set of the services, and lets people try them.

mod asyncapi;
mod cli;
mod client;
mod demo;
mod host;
mod http;
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

use clap::{CommandFactory, Parser};

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| cli::refuse(&error));
    be_quiet_about_panics_that_are_expected();
    let result = catch_unwind(|| run(cli));
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
                cli::MapFormat::Asyncapi => println!("{:#}", asyncapi::document(&map)),
                _ if json => println!("{}", map.json()),
                cli::MapFormat::Text => print!("{}", map.text()),
                cli::MapFormat::Mermaid => print!("{}", map.mermaid()),
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quadrille", &mut script);
            let script = String::from_utf8(script)?;
            if json {
                println!("{}", serde_json::json!({"shell": shell.to_string(), "script": script}));
            } else {
                print!("{script}");
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

/// `quadrille map | head`: who reads has had enough, and that is no failure. The standard library's
/// printing panics then; unwinding removes what the sandbox has made. And the Kafka client panics
/// over a header whose name is not UTF-8, which is caught where headers are read.
fn be_quiet_about_panics_that_are_expected() {
    let otherwise = take_hook();
    set_hook(Box::new(move |panic| {
        let is_clients = panic.location().is_some_and(|place| place.file().contains("/rdkafka-"));
        if !is_clients && !is_broken_pipe(panic.payload()) {
            otherwise(panic);
        }
    }));
}

fn is_broken_pipe(payload: &dyn Any) -> bool {
    payload.downcast_ref::<String>().is_some_and(|text| text.contains("Broken pipe"))
}
