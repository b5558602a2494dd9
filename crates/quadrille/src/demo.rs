//! `quadrille demo`: one order for every ending, told as it happens.

use std::{collections::HashMap, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use choreography::Settings;
use clap::ValueEnum;
use contract::topics::{self, PARTITIONS};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{Consumer, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use runtime::{Stop, Worker, partition_of};
use saga::Message;
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    cli::ServiceName,
    host::Host,
    sandbox::Sandbox,
    story::{Event, Teller, heading},
};

/// How long an order of the demo may take to be confirmed.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the demo waits for anything.
const LIMIT: Duration = Duration::from_secs(10);

const INTRODUCTION: &str = "\
Five services, and nobody in charge: each hears events on Kafka topics, does its part, and says what
it did, which is an event again. When a step fails, the failure is an event like any other, and who
had already done something undoes it because it heard that.

Below, ada has 500.00 EUR and bob has 10.00; there are 10 packets of tea and 1 vase. Shipping goes
to the EU and some others. An order has 2 s to be confirmed.
";

/// `quadrille demo`.
pub async fn run() -> Result<ExitCode> {
    let mut demo = Demo::start().await?;
    println!("{INTRODUCTION}");
    demo.fill().await?;
    let mut endings = Vec::new();

    demo.title("completed", "ada orders 2 tea; everything goes well");
    demo.place("completed", "ada", "tea", 2, "DE").await?;
    endings.push(demo.until_the_end("completed", "completed").await?);

    demo.title("declined", "bob orders 2 tea for more than he has; nobody else has done anything yet");
    demo.place("declined", "bob", "tea", 2, "DE").await?;
    endings.push(demo.until_the_end("declined", "payment_declined").await?);

    demo.title("out-of-stock", "ada orders 2 vases, and there is 1; payment undoes what it did");
    demo.place("out-of-stock", "ada", "vase", 2, "DE").await?;
    endings.push(demo.until_the_end("out-of-stock", "out_of_stock").await?);

    demo.title("refused", "ada wants her tea in Antarctica; payment and inventory undo what they did");
    demo.place("refused", "ada", "tea", 2, "AQ").await?;
    endings.push(demo.until_the_end("refused", "shipment_refused").await?);

    demo.title("cancelled", "ada changes her mind, while the shipping service happens to be stopped");
    demo.stop_shipping().await?;
    demo.place("cancelled", "ada", "tea", 2, "DE").await?;
    demo.until("cancelled", "StockReserved").await?;
    demo.cancel("cancelled").await?;
    demo.until("cancelled", "PaymentVoided").await?;
    demo.until("cancelled", "StockReleased").await?;
    demo.start_shipping()?;
    endings.push(demo.until_the_end("cancelled", "customer_request").await?);

    demo.title("late", "shipping is stopped again, and the deadline passes");
    demo.stop_shipping().await?;
    demo.place("late", "ada", "tea", 2, "DE").await?;
    demo.until("late", "PaymentVoided").await?;
    demo.until("late", "StockReleased").await?;
    demo.start_shipping()?;
    endings.push(demo.until_the_end("late", "deadline_exceeded").await?);

    demo.stop().await?;
    println!("{:<14} {:<11} {:<18} undone", "order", "ended", "why");
    for ending in &endings {
        println!("{:<14} {:<11} {:<18} {}", ending.order, ending.status, ending.reason, ending.undone);
    }
    let right = endings.iter().filter(|ending| ending.is_right).count();
    println!("\n{right} of {} orders ended as they should.", endings.len());
    Ok(if right == endings.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Ending {
    order: String,
    status: &'static str,
    reason: String,
    undone: String,
    is_right: bool,
}

struct Demo {
    host: Host,
    workers: HashMap<ServiceName, (Stop, Worker)>,
    producer: FutureProducer,
    consumer: StreamConsumer,
    tellers: HashMap<String, Teller>,
    seen: Vec<Event>,
    // Last, so that it outlives its clients.
    sandbox: Sandbox,
}

impl Demo {
    async fn start() -> Result<Demo> {
        let sandbox = Sandbox::start("127.0.0.1:0").await?;
        let kafka = sandbox.kafka();
        let host = Host::new(
            Settings { order_deadline: DEADLINE, ..Settings::default() },
            kafka.clone(),
            Duration::MAX,
        );
        let mut config = kafka.client();
        config.set_log_level(RDKafkaLogLevel::Emerg);
        let producer = config.clone().set("message.timeout.ms", "5000").create()?;
        let consumer: StreamConsumer =
            config.set("group.id", "quadrille-demo").set("fetch.wait.max.ms", "5").create()?;
        let mut all = TopicPartitionList::new();
        for topic in topics::ALL {
            for partition in 0..PARTITIONS {
                all.add_partition_offset(topic.name, partition, Offset::Beginning)?;
            }
        }
        consumer.assign(&all)?;
        let mut demo = Demo {
            host,
            workers: HashMap::new(),
            producer,
            consumer,
            tellers: HashMap::new(),
            seen: Vec::new(),
            sandbox,
        };
        for name in ServiceName::value_variants() {
            demo.start_service(*name)?;
        }
        Ok(demo)
    }

    fn start_service(&mut self, name: ServiceName) -> Result<()> {
        let stop = Stop::default();
        let store = self.sandbox.folder().join(format!("{name}.db"));
        let worker = self.host.start(name, store, stop.clone())?;
        self.workers.insert(name, (stop, worker));
        Ok(())
    }

    fn start_shipping(&mut self) -> Result<()> {
        println!("{:>7}shipping      starts again, and hears what it has missed", "");
        self.start_service(ServiceName::Shipping)
    }

    async fn stop_shipping(&mut self) -> Result<()> {
        self.stop_service(ServiceName::Shipping).await
    }

    async fn stop_service(&mut self, name: ServiceName) -> Result<()> {
        let Some((stop, worker)) = self.workers.remove(&name) else { return Ok(()) };
        stop.now();
        spawn_blocking(move || worker.join()).await?
    }

    async fn stop(&mut self) -> Result<()> {
        for (stop, _) in self.workers.values() {
            stop.now();
        }
        for name in ServiceName::value_variants() {
            self.stop_service(*name).await?;
        }
        Ok(())
    }

    fn title(&self, order: &str, what: &str) {
        println!("{order}: {what}\n{}", heading());
    }

    /// Gives it stock and accounts.
    async fn fill(&mut self) -> Result<()> {
        for (customer, amount) in [("ada", 50_000), ("bob", 1_000)] {
            let deposit = json!({"customer_id": customer, "amount": amount, "currency": "EUR", "deposit_id": format!("deposit-{customer}")});
            self.command(topics::PAYMENTS_COMMANDS, "DepositFunds", customer, deposit).await?;
            self.until(customer, "FundsDeposited").await?;
        }
        for (sku, quantity) in [("tea", 10), ("vase", 1)] {
            let receipt = json!({"sku": sku, "quantity": quantity, "receipt_id": format!("receipt-{sku}")});
            self.command(topics::INVENTORY_COMMANDS, "ReceiveStock", sku, receipt).await?;
            self.until(sku, "StockReceived").await?;
        }
        Ok(())
    }

    async fn place(
        &self,
        order: &str,
        customer: &str,
        sku: &str,
        quantity: u32,
        country: &str,
    ) -> Result<()> {
        let data = json!({
            "order_id": order, "customer_id": customer, "currency": "EUR",
            "items": [{"sku": sku, "quantity": quantity, "unit_price": 2499}],
            "destination": {"country": country},
        });
        self.command(topics::ORDERS_COMMANDS, contract::PlaceOrder::TYPE, order, data).await
    }

    async fn cancel(&self, order: &str) -> Result<()> {
        self.command(topics::ORDERS_COMMANDS, contract::CancelOrder::TYPE, order, json!({"order_id": order}))
            .await
    }

    async fn command(&self, topic: &str, kind: &str, key: &str, data: Value) -> Result<()> {
        let time = jiff::Timestamp::now();
        let value = json!({
            "specversion": "1.0", "id": format!("{kind}-{key}"), "source": "/demo/you", "type": kind, "subject": key,
            "time": format!("{time:.3}"), "datacontenttype": "application/json", "data": data,
        });
        let value = value.to_string();
        let record =
            FutureRecord::to(topic).key(key).payload(&value).partition(partition_of(key, PARTITIONS));
        self.producer
            .send(record, LIMIT)
            .await
            .map_err(|(error, _)| error)
            .context("a command can't be published")?;
        Ok(())
    }

    /// Tells what happens, until the order's story has an event of this type.
    async fn until(&mut self, order: &str, kind: &str) -> Result<Event> {
        self.until_any(order, |event| event.kind == kind).await
    }

    async fn until_any(&mut self, order: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        loop {
            if let Some(event) = self.seen.iter().find(|event| event.key == order && wanted(event)) {
                return Ok(event.clone());
            }
            let message = timeout(LIMIT, self.consumer.recv()).await;
            let message =
                message.with_context(|| format!("nothing more was heard of the order '{order}'"))??;
            let Some(event) = message.payload().and_then(Event::read) else {
                bail!("there is a record on {} that is none of the demo's", message.topic());
            };
            // Deposits and receipts set the scene, and are no story.
            if event.data["order_id"].is_string() {
                let teller = self.tellers.entry(event.key.clone()).or_insert_with(Teller::new);
                for line in teller.hear(event.clone()) {
                    println!("{line}");
                }
            }
            self.seen.push(event);
        }
    }

    /// Tells the rest of an order's story, and how it ended.
    async fn until_the_end(&mut self, order: &str, expected: &str) -> Result<Ending> {
        let end = self.until_any(order, Event::is_an_ending).await?;
        self.until(order, "NotificationSent").await?;
        let status = if end.kind == "OrderCompleted" { "completed" } else { "cancelled" };
        let reason = end.data["reason"].as_str().unwrap_or_default().to_owned();
        let undone: Vec<&str> = self
            .seen
            .iter()
            .filter(|event| event.key == order && event.undoes())
            .map(|event| event.kind.as_str())
            .collect();
        let undone = if undone.is_empty() { "nothing".to_owned() } else { undone.join(", ") };
        println!("{:>7}{order} has ended: {status}\n", "");
        let is_right = expected == if end.kind == "OrderCompleted" { "completed" } else { &reason };
        Ok(Ending { order: order.to_owned(), status, reason, undone, is_right })
    }
}
