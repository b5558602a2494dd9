//! `bench`: what the program does in a second and how long an order takes, against the raw chain that
//! does the same work without its rules and guarantees.

mod allocator;
mod audit;
mod broker;
mod chart;
mod cli;
mod closed;
mod idle;
mod machine;
mod open;
mod plan;
mod raw;
mod report;
mod restart;
mod results;
mod rounds;
mod side;
mod soak;
mod suite;
mod usage;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;

use crate::cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let (name, sides, series) = match cli.command {
        Some(Command::Raw(args)) => return raw::run(&args).map(|()| ExitCode::SUCCESS),
        None => suite::all()?,
        Some(Command::Closed(args)) => suite::closed(&args)?,
        Some(Command::Open(args)) => suite::open(&args)?,
        Some(Command::Soak(args)) => suite::soak(&args)?,
        Some(Command::Idle(args)) => suite::idle(&args)?,
        Some(Command::Restart(args)) => suite::restart(&args)?,
    };
    report::give(name, &sides, &series)
}
