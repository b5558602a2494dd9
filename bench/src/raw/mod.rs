//! The raw chain: as many services, records, bytes, reads and writes as the program's saga has, and
//! nothing else. What the program adds to it is what its rules and guarantees cost.
//!
//! Each service is a thread with a consumer, a producer and an SQLite file, with the program's client
//! and database settings. Of each record that it hears it reads one row of state and writes it, and
//! puts what it says into an outbox; the positions go with them, in one transaction a batch. What was
//! committed is handed to the producer, and what Kafka has is taken out with the next batch. The
//! tracker stores each event once.
//!
//! It has no dead letters, timers, checks, sequences, HTTP or orderly stop, takes every record for
//! well-formed, and can start again where it was killed.
//!
//! It was written first, and is then left alone: what is measured against it must not move.

mod clients;
mod records;
mod saga;
mod service;
mod store;
mod tracker;

use std::{path::PathBuf, sync::mpsc::channel, thread};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use e2e::topics;

pub use self::{records::type_number, tracker::tracked};

/// How a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Synchronous {
    /// Each does, as in the program.
    Full,
    /// Only checkpoints do: what was committed last may be lost with the power.
    Normal,
}

impl Synchronous {
    /// As SQLite has it, in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Synchronous::Full => "full",
            Synchronous::Normal => "normal",
        }
    }
}

/// What `bench raw` is told.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// The services of this process, or the tracker
    #[arg(required = true, value_name = "SERVICE")]
    services: Vec<String>,
    /// The broker
    #[arg(long, value_name = "HOST:PORT")]
    kafka: String,
    /// The folder of the stores
    #[arg(long, value_name = "FOLDER")]
    data_dir: PathBuf,
    /// How a commit waits for the disk
    #[arg(long, value_enum)]
    synchronous: Synchronous,
}

/// The raw chain's name of a topic.
pub fn topic(name: &str) -> String {
    format!("raw.{name}")
}

/// Runs services until the process is killed, or one of them fails; says `ready` when all of them have
/// heard from all their partitions.
///
/// # Errors
/// Why one of them has failed.
pub fn run(args: &RawArgs) -> Result<()> {
    let (tell, told) = channel();
    for name in &args.services {
        let file = args.data_dir.join(format!("{name}.db"));
        let (kafka, synchronous, name) = (args.kafka.clone(), args.synchronous, name.clone());
        let (is_ready, tell) = (tell.clone(), tell.clone());
        thread::Builder::new().name(name.clone()).spawn(move || {
            let is_ready = move || {
                // Nobody listens only when the process ends.
                let _ = is_ready.send(None);
            };
            let run = || match name.as_str() {
                "tracker" => tracker::run(&kafka, &file, synchronous, is_ready),
                name => service::run(saga::service(name)?, &kafka, &file, synchronous, is_ready),
            };
            let _ = tell.send(Some(run().with_context(|| format!("the raw {name}"))));
        })?;
    }
    let mut ready = 0;
    loop {
        match told.recv().context("all services have ended")? {
            None => ready += 1,
            Some(ended) => return ended,
        }
        if ready == args.services.len() {
            println!("ready");
        }
    }
}

/// The topics that hold what is said of orders.
const FOLLOWED: [&str; 6] = [
    topics::ORDERS_COMMANDS,
    topics::ORDERS,
    topics::PAYMENTS,
    topics::INVENTORY,
    topics::SHIPMENTS,
    topics::NOTIFICATIONS,
];
