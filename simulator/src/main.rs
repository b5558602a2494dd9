//! `simulator simulate`: runs many seeds, or one with its story.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulator::{mutant, plan::Plan, shrink::shrink, simulate};

/// Production code over a scripted world.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs seeds, and tells which fail, and why.
    Simulate {
        /// How many.
        #[arg(long, default_value_t = 5_000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Only this one, with its story.
        #[arg(long)]
        seed: Option<u64>,
        /// Tells the story of this seed as it is, and not a shorter one.
        #[arg(long)]
        whole: bool,
        /// On how many threads.
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// With an engine that is wrong in this way.
        #[arg(long)]
        mutant: Option<String>,
        /// After how many failures it ends.
        #[arg(long, default_value_t = 10)]
        failures: usize,
    },
    /// Looks for the first seed that finds each wrong engine.
    Mutants {
        /// How many seeds to try.
        #[arg(long, default_value_t = 2_000)]
        seeds: u64,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().what {
        Command::Simulate { seed: Some(seed), whole, mutant, .. } => {
            one(seed, whole, find(mutant.as_deref()))
        }
        Command::Simulate { seeds, from, threads, mutant, failures, .. } => {
            many(from, seeds, threads, find(mutant.as_deref()), failures)
        }
        Command::Mutants { seeds } => mutants(seeds),
    }
}

fn find(name: Option<&str>) -> Option<mutant::Mutant> {
    let name = name?;
    let found = mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    if found.is_none() {
        eprintln!("there is no mutant {name}: {:?}", mutant::ALL);
    }
    found
}

fn one(seed: u64, whole: bool, mutant: Option<mutant::Mutant>) -> ExitCode {
    let plan = Plan::of(seed);
    let outcome = simulate::run(&plan, mutant, true);
    let outcome = match (&outcome.failure, whole) {
        (Some(_), false) => simulate::run(&shrink(&plan, mutant), mutant, true),
        _ => outcome,
    };
    outcome.story.iter().for_each(|line| println!("{line}"));
    match outcome.failure {
        None => {
            println!("seed {seed}: all is well (trace {:016x})", outcome.trace);
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("seed {seed}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, seeds: u64, threads: usize, mutant: Option<mutant::Mutant>, failures: usize) -> ExitCode {
    let start = std::time::Instant::now();
    let tell = |seed: u64, failure: &str| println!("seed {seed}: {failure}");
    let summary = simulate::seeds(from, seeds, threads, mutant, failures, &tell);
    for (what, count) in &summary.seen {
        println!("{count:>9}  {what}");
    }
    println!("{} failures; {:.1?}", summary.failures.len(), start.elapsed());
    if summary.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn mutants(seeds: u64) -> ExitCode {
    let mut all_are_found = true;
    for mutant in mutant::ALL {
        let found = simulate::seeds(1, seeds, 2, Some(mutant), 1, &|_, _| {});
        match found.failures.first_key_value() {
            Some((seed, why)) => println!("(Mutant::{mutant:?}, {seed}), // {why:.110}"),
            None => {
                all_are_found = false;
                println!("{mutant:?} is not found");
            }
        }
    }
    if all_are_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
