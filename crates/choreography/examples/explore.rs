//! Tries every interleaving of the scenarios and prints a line for each: how long it took, and how
//! many states there are.
//!
//!     cargo run --release -p choreography --example explore             what the tests try
//!     cargo run --release -p choreography --example explore -- --all    and what takes minutes
//!     cargo run --release -p choreography --example explore -- --all refused    only some of it

use std::{env, process::ExitCode, time::Instant};

use choreography::{Settings, scenarios, services};
use saga::explorer::Verdict;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let all = arguments.first().is_some_and(|a| a == "--all");
    let words = arguments.split_off(usize::from(all));
    let mut cases = scenarios::quick();
    cases.extend(scenarios::wide());
    if all {
        cases.extend(scenarios::widest());
    }
    cases.retain(|case| words.iter().all(|word| case.name.contains(word)));
    let (begin, mut states, mut wrong) = (Instant::now(), 0, 0);
    for case in &cases {
        let start = Instant::now();
        let report = case.explorer(services(&Settings::default())).explore();
        println!("{:7.2} s  {}: {report}", start.elapsed().as_secs_f64(), case.name);
        states += report.states;
        wrong += usize::from(report.verdict != Verdict::Holds);
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{seconds:7.2} s  {} cases, {states} states, {wrong} cases are wrong", cases.len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
