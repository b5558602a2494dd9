//! The command line.

use std::{env, path::PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{
    plan::{Ids, Mix},
    raw::{RawArgs, Synchronous},
    side::{Layout, Side},
};

/// Measures the program against the raw chain: the same records, reads and writes, without its rules
/// and guarantees. Both run in turn, on the same Kafka, which is started here.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  bench                                       all of it, in about ten minutes
  bench closed --orders 20000 --rounds 5
  bench closed --program before=/tmp/quadrille-before --program after=target/release/quadrille
  bench closed --mix happy,s1 --ids ordered,random --layout one,own --tracker yes,no --normal
  bench open --rate 50,1000 --seconds 30
  bench soak --orders 1000000

Nothing else should run meanwhile. Tables go to stdout; target/bench/ gets them as JSON and SVG.
Exit codes: 0 done, 1 failed or a run was void, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Orders that all wait at the start: how many are done in a second
    Closed(Closed),
    /// Orders at a steady rate: how long each takes from when it was meant to be placed
    Open(Open),
    /// Very many orders: memory, and whether the last are done as fast as the first
    Soak(Soak),
    /// Nothing to do: what that costs, on a real Kafka and in the sandbox
    Idle(Idle),
    /// kill -9 while orders wait: how long until the first is completed
    Restart(Restart),
    /// The raw chain itself
    #[command(hide = true)]
    Raw(RawArgs),
}

/// Who is compared.
#[derive(Debug, Args, Clone, Default)]
pub struct Compared {
    /// A build of the program; repeatable [default: the quadrille beside this executable]
    #[arg(long, value_name = "[LABEL=]PATH")]
    pub program: Vec<String>,
    /// Leave the raw chain out
    #[arg(long)]
    pub no_raw: bool,
    /// The raw chain with synchronous=NORMAL, too (the program has FULL only)
    #[arg(long)]
    pub normal: bool,
}

impl Compared {
    /// The sides in the order of the table.
    ///
    /// # Errors
    /// When a program is not there, or two have the same label.
    pub fn sides(&self) -> Result<Vec<Side>> {
        let mut sides = Vec::new();
        if !self.no_raw {
            sides.push(Side::raw(Synchronous::Full));
        }
        if self.normal {
            sides.push(Side::raw(Synchronous::Normal));
        }
        if self.program.is_empty() {
            let own = env::current_exe().context("this executable does not know where it is")?;
            sides.push(Side::of_program("quadrille", &own.with_file_name("quadrille"))?);
        }
        for program in &self.program {
            let (label, path) = match program.split_once('=') {
                Some((label, path)) => (label, PathBuf::from(path)),
                None => ("quadrille", PathBuf::from(program)),
            };
            sides.push(Side::of_program(label, &path)?);
        }
        for (place, side) in sides.iter().enumerate() {
            let is_new = sides[..place].iter().all(|other| other.label != side.label);
            ensure!(
                is_new,
                "two programs are called {}: give each a label, as --program LABEL=PATH",
                side.label
            );
        }
        Ok(sides)
    }
}

#[derive(Debug, Args, Clone)]
pub struct Closed {
    #[command(flatten)]
    pub compared: Compared,
    /// How many orders
    #[arg(long, default_value_t = 20_000, value_parser = orders)]
    pub orders: usize,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How they end; several are measured one after the other, and so with the next
    #[arg(long, value_enum, value_delimiter = ',', default_value = "happy")]
    pub mix: Vec<Mix>,
    /// The order of their ids
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ordered")]
    pub ids: Vec<Ids>,
    /// All services in one process, or each in its own
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one")]
    pub layout: Vec<Layout>,
    /// Whether there is a tracker, on all sides
    #[arg(long, value_enum, value_delimiter = ',', default_value = "yes")]
    pub tracker: Vec<YesNo>,
}

#[derive(Debug, Args, Clone)]
pub struct Open {
    #[command(flatten)]
    pub compared: Compared,
    /// Orders a second; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [50, 1_000], value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Vec<u32>,
    /// For how long; the first two seconds don't count
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(3..=3_600))]
    pub seconds: u32,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How orders end
    #[arg(long, value_enum, value_delimiter = ',', default_value = "happy")]
    pub mix: Vec<Mix>,
    /// All services in one process, or each in its own
    #[arg(long, value_enum, value_delimiter = ',', default_value = "one")]
    pub layout: Vec<Layout>,
    /// Whether there is a tracker, on all sides
    #[arg(long, value_enum, value_delimiter = ',', default_value = "yes")]
    pub tracker: Vec<YesNo>,
}

#[derive(Debug, Args, Clone)]
pub struct Soak {
    #[command(flatten)]
    pub compared: Compared,
    /// How many orders
    #[arg(long, default_value_t = 1_000_000, value_parser = orders)]
    pub orders: usize,
    /// How many of them wait or are under way at a time, at most
    #[arg(long, default_value_t = 20_000, value_parser = orders)]
    pub window: usize,
    /// How often each side runs
    #[arg(long, default_value_t = 1)]
    pub rounds: usize,
}

#[derive(Debug, Args, Clone)]
pub struct Idle {
    #[command(flatten)]
    pub compared: Compared,
    /// For how long
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
}

#[derive(Debug, Args, Clone)]
pub struct Restart {
    #[command(flatten)]
    pub compared: Compared,
    /// How many orders wait
    #[arg(long, default_value_t = 20_000, value_parser = orders)]
    pub orders: usize,
    /// How often each side runs
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

fn orders(text: &str) -> Result<usize, String> {
    match text.replace('_', "").parse() {
        Ok(orders @ 20..=4_000_000) => Ok(orders),
        _ => Err("a number from 20 to 4,000,000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
