//! A test's hands and eyes: says commands and events as a person would type them, and waits for
//! what is said in answer.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::Value;

use crate::{
    audit,
    kcat::{Kcat, Record},
    log::{Event, Log},
    ports::free_port,
    program::{Program, quadrille},
    samples::{key_of, sample, with},
    topics::{DEAD_LETTERS, ORDERS, topic_of},
    wait,
};

/// How long the program has for what it does within moments.
const LIMIT: Duration = Duration::from_secs(15);

/// The topics, as one test sees them.
#[derive(Debug, Clone)]
pub struct Saga {
    kcat: Kcat,
}

/// A sandbox of its own, and its topics.
///
/// # Panics
/// When it does not become ready.
#[track_caller]
pub fn sandbox(args: &[&str]) -> (Program, Saga) {
    let address = format!("127.0.0.1:{}", free_port());
    let command = quadrille(["up", "--kafka-addr", address.as_str()]);
    let program = args.iter().fold(command, |command, arg| command.arg(*arg)).start();
    (program, Saga::on(Kcat::new(address)))
}

impl Saga {
    /// The topics of the Kafka that kcat speaks to.
    pub fn on(kcat: Kcat) -> Self {
        Saga { kcat }
    }

    /// kcat.
    pub fn kcat(&self) -> &Kcat {
        &self.kcat
    }

    /// Says a command or an event: bare JSON, on its topic, under its key.
    #[track_caller]
    pub fn say(&self, fields: &Value) {
        let topic = topic_of(fields["type"].as_str().unwrap_or_default());
        self.kcat.write(topic).key(key_of(fields)).value(fields.to_string());
    }

    /// Says many at once; those of one topic in order.
    #[track_caller]
    pub fn say_all<'v>(&self, all: impl IntoIterator<Item = &'v Value>) {
        let mut by_topic: BTreeMap<&str, Vec<(String, Value)>> = BTreeMap::new();
        for fields in all {
            let topic = topic_of(fields["type"].as_str().unwrap_or_default());
            by_topic.entry(topic).or_default().push((key_of(fields).to_owned(), fields.clone()));
        }
        for (topic, records) in by_topic {
            self.kcat.write_all(topic, &records);
        }
    }

    /// Pays in; returns what the customer can spend now.
    #[track_caller]
    pub fn deposit(&self, customer: &str, amount: i64) -> i64 {
        let id = unique("deposit");
        let command = with(with(sample("DepositFunds", &id), "customer_id", customer), "amount", amount);
        self.say(&command);
        self.heard("FundsDeposited", &id).number("available")
    }

    /// Puts into stock; returns how many can be reserved now.
    #[track_caller]
    pub fn receive(&self, sku: &str, quantity: i64) -> i64 {
        let id = unique("receipt");
        let command = with(with(sample("ReceiveStock", &id), "sku", sku), "quantity", quantity);
        self.say(&command);
        self.heard("StockReceived", &id).number("available")
    }

    /// Waits until a service has said this of an order; or of a deposit or a receipt.
    #[track_caller]
    pub fn heard(&self, kind: &str, id: &str) -> Event {
        let of = match kind {
            "FundsDeposited" => "deposit_id",
            "StockReceived" => "receipt_id",
            _ => "order_id",
        };
        let matches = |event: &Event| event.kind == kind && event.text(of) == Some(id);
        self.await_event(topic_of(kind), &format!("{kind} of {id}"), matches)
    }

    /// Waits until an order has ended and its customer knows: with `completed`, or the reason.
    #[track_caller]
    pub fn ended(&self, order: &str) -> String {
        let ends = |event: &Event| {
            matches!(event.kind.as_str(), "OrderCompleted" | "OrderCancelled") && event.order() == Some(order)
        };
        let end = self.await_event(ORDERS, &format!("the end of {order}"), ends);
        self.heard("NotificationSent", order);
        end.text("reason").unwrap_or("completed").to_owned()
    }

    /// Waits until this many orders have ended and their customers know; returns all that was said.
    #[track_caller]
    pub fn all_ended(&self, orders: usize, limit: Duration) -> Log {
        wait::until(&format!("{orders} orders to end"), limit, || {
            let log = self.log();
            let count =
                |kinds: &[&str]| log.said().filter(|event| kinds.contains(&event.kind.as_str())).count();
            let (ended, told) = (count(&["OrderCompleted", "OrderCancelled"]), count(&["NotificationSent"]));
            if ended >= orders && told >= orders {
                Ok(log)
            } else {
                Err(format!("{ended} ended, {told} told"))
            }
        })
    }

    /// Waits until there are this many dead letters of a record, by whichever services.
    #[track_caller]
    pub fn dead_letters_of(&self, record: &Record, count: usize) -> Vec<Record> {
        let awaited = format!("{count} dead letters of {}", record.place());
        self.kcat.find(DEAD_LETTERS, &awaited, LIMIT, |letters| {
            let found: Vec<Record> =
                letters.iter().filter(|l| is_dead_letter_of(l, record)).cloned().collect();
            Some(found).filter(|found| found.len() >= count)
        })
    }

    /// Every dead letter.
    #[track_caller]
    pub fn dead_letters(&self) -> Vec<Record> {
        self.kcat.read(DEAD_LETTERS)
    }

    /// Everything that was said.
    #[track_caller]
    pub fn log(&self) -> Log {
        Log::read(&self.kcat)
    }

    /// Checks money and stock: what can be spent and reserved, asked from outside by paying in and
    /// putting into stock once more, is what everything that was said adds up to.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn adds_up(&self) {
        let log = self.log();
        for (customer, available) in audit::available_funds(&log) {
            assert!(available >= 0, "{customer} can spend {available}");
            assert_eq!(self.deposit(&customer, 1), available + 1, "what {customer} can spend");
        }
        for (sku, available) in audit::available_stock(&log) {
            assert!(available >= 0, "{available} of {sku} can be reserved");
            assert_eq!(self.receive(&sku, 1), available + 1, "how many of {sku} can be reserved");
        }
    }

    #[track_caller]
    fn await_event(&self, topic: &str, awaited: &str, matches: impl Fn(&Event) -> bool) -> Event {
        self.kcat.find(topic, awaited, LIMIT, |records| {
            // What the test itself said does not count.
            records.iter().filter_map(Event::of).find(|event| event.service().is_some() && matches(event))
        })
    }
}

fn is_dead_letter_of(letter: &Record, record: &Record) -> bool {
    letter.header("dlq-topic") == Some(&record.topic)
        && letter.header("dlq-partition") == Some(&record.partition.to_string())
        && letter.header("dlq-offset") == Some(&record.offset.to_string())
}

/// An id that no other deposit or receipt of this process has.
fn unique(what: &str) -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("{what}-{}", LAST.fetch_add(1, Ordering::Relaxed) + 1)
}
