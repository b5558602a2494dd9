//! `quadrille demo`: one order for every ending, told as it happens, by what the tracker knows.

use std::{
    collections::HashMap,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use choreography::Settings;
use contract::{CancelOrder, DepositFunds, PlaceOrder, ReceiveStock};
use runtime::{Commands, Shutdown, Worker, now_ms};
use saga::{Message, Said};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::sleep};
use tracker::{Timeline, Tracker};

use crate::{
    cli::ServiceName,
    client::{read, table},
    host::Host,
    output,
    sandbox::Sandbox,
    story::{self, Teller},
};

/// How long an order of the demo may take to be confirmed.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the demo waits for anything.
const LIMIT: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// The columns of its output where there is no terminal.
const COLUMNS: usize = 80;

const INTRODUCTION: &str = "\
Five services, and nobody in charge: each hears events on Kafka topics, does its
part, and says what it did, which is an event again. When a step fails, the
failure is an event like any other, and who had already done something undoes it
because it heard that.

Below, ada has 500.00 EUR and bob has 10.00; there are 10 packets of tea and
1 vase. Shipping goes to the EU and some others. The deadline is 2 s.
Payment, shipping and e-mail are simulated: nothing is paid, sent or mailed.
";

/// The services that take part.
const SERVICES: [ServiceName; 5] = [
    ServiceName::Order,
    ServiceName::Payment,
    ServiceName::Inventory,
    ServiceName::Shipping,
    ServiceName::Notification,
];

/// `quadrille demo`.
pub async fn run(json: bool) -> Result<ExitCode> {
    let mut demo = Demo::start(json).await?;
    let endings = every_ending(&mut demo).await;
    // Also what was cut short leaves nothing running.
    let stopped = demo.stop().await;
    let endings = endings?;
    stopped?;
    demo.say(&format!("{:<14} {:<11} {:<18} undone", "order", "ended", "why"))?;
    for ending in &endings {
        let undone = if ending.undone.is_empty() { "nothing".to_owned() } else { ending.undone.join(", ") };
        demo.say(&format!("{:<14} {:<11} {:<18} {undone}", ending.order, ending.status, ending.reason))?;
    }
    let right = endings.iter().filter(|ending| ending.is_right).count();
    demo.say(&format!("\n{right} of {} orders ended as they should.", endings.len()))?;
    if json {
        output::data(json!({"orders": endings.iter().map(Ending::json).collect::<Vec<_>>()}))?;
    }
    Ok(if right == endings.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn every_ending(demo: &mut Demo) -> Result<Vec<Ending>> {
    demo.say(INTRODUCTION)?;
    demo.fill().await?;
    let mut endings = Vec::new();

    demo.title("completed", "ada orders 2 tea; everything goes well")?;
    demo.place("completed", "ada", "tea", 2, "DE").await?;
    endings.push(demo.until_the_end("completed", "completed").await?);

    demo.title("declined", "bob orders 2 tea for more than he has; nobody else has acted yet")?;
    demo.place("declined", "bob", "tea", 2, "DE").await?;
    endings.push(demo.until_the_end("declined", "payment_declined").await?);

    demo.title("out-of-stock", "ada orders 2 vases, and there is 1; payment undoes what it did")?;
    demo.place("out-of-stock", "ada", "vase", 2, "DE").await?;
    endings.push(demo.until_the_end("out-of-stock", "out_of_stock").await?);

    demo.title("refused", "ada wants tea in Antarctica; payment and inventory undo what they did")?;
    demo.place("refused", "ada", "tea", 2, "AQ").await?;
    endings.push(demo.until_the_end("refused", "shipment_refused").await?);

    demo.title("cancelled", "ada changes her mind, while shipping happens to be stopped")?;
    demo.stop_shipping().await?;
    demo.place("cancelled", "ada", "tea", 2, "DE").await?;
    demo.until("cancelled", "StockReserved").await?;
    demo.cancel("cancelled").await?;
    demo.until("cancelled", "PaymentVoided").await?;
    demo.until("cancelled", "StockReleased").await?;
    demo.start_shipping()?;
    endings.push(demo.until_the_end("cancelled", "customer_request").await?);

    demo.title("late", "shipping is stopped again, and the deadline passes")?;
    demo.stop_shipping().await?;
    demo.place("late", "ada", "tea", 2, "DE").await?;
    demo.until("late", "StockReserved").await?;
    demo.say_what_is_awaited("late")?;
    demo.until("late", "PaymentVoided").await?;
    demo.until("late", "StockReleased").await?;
    demo.start_shipping()?;
    endings.push(demo.until_the_end("late", "deadline_exceeded").await?);
    Ok(endings)
}

struct Ending {
    order: String,
    status: String,
    reason: String,
    undone: Vec<String>,
    is_right: bool,
}

impl Ending {
    fn json(&self) -> Value {
        let Ending { order, status, reason, undone, is_right } = self;
        json!({"order_id": order, "status": status, "reason": reason, "undone": undone, "as_it_should": is_right})
    }
}

struct Demo {
    host: Host,
    workers: HashMap<ServiceName, (Shutdown, Worker)>,
    tracker: Option<(Shutdown, Tracker)>,
    commands: Commands,
    tellers: HashMap<String, Teller>,
    /// Whether programs read along: then only JSON is printed.
    json: bool,
    // Last, so that it outlives its clients.
    sandbox: Sandbox,
}

impl Demo {
    async fn start(json: bool) -> Result<Demo> {
        let sandbox = Sandbox::start("127.0.0.1:0").await?;
        let settings = Settings { order_deadline: DEADLINE, ..Settings::default() };
        let host = Host::new(settings, sandbox.kafka(), "the sandbox", Duration::MAX)?;
        let shutdown = Shutdown::default();
        let tracker = host.start_tracker(sandbox.folder().join("tracker.db"), shutdown.clone())?;
        let mut demo = Demo {
            commands: host.commands("you")?,
            host,
            workers: HashMap::new(),
            tracker: Some((shutdown, tracker)),
            tellers: HashMap::new(),
            json,
            sandbox,
        };
        for name in SERVICES {
            demo.start_service(name)?;
        }
        Ok(demo)
    }

    fn say(&self, text: &str) -> Result<()> {
        if self.json { Ok(()) } else { output::data(text) }
    }

    fn start_service(&mut self, name: ServiceName) -> Result<()> {
        let shutdown = Shutdown::default();
        let store = self.sandbox.folder().join(format!("{name}.db"));
        let worker = self.host.start(name, store, shutdown.clone())?;
        self.workers.insert(name, (shutdown, worker));
        Ok(())
    }

    fn start_shipping(&mut self) -> Result<()> {
        self.say("shipping starts again, and hears what it has missed")?;
        self.start_service(ServiceName::Shipping)
    }

    async fn stop_shipping(&mut self) -> Result<()> {
        self.stop_service(ServiceName::Shipping).await
    }

    async fn stop_service(&mut self, name: ServiceName) -> Result<()> {
        let Some((shutdown, worker)) = self.workers.remove(&name) else { return Ok(()) };
        shutdown.now();
        spawn_blocking(move || worker.join()).await?
    }

    async fn stop(&mut self) -> Result<()> {
        for (shutdown, _) in self.workers.values() {
            shutdown.now();
        }
        for name in SERVICES {
            self.stop_service(name).await?;
        }
        let Some((shutdown, tracker)) = self.tracker.take() else { return Ok(()) };
        shutdown.now();
        spawn_blocking(move || tracker.join()).await?
    }

    fn title(&self, order: &str, what: &str) -> Result<()> {
        self.say(&format!("{order}: {what}"))
    }

    /// Gives it stock and accounts.
    async fn fill(&mut self) -> Result<()> {
        for (customer, amount) in [("ada", 50_000), ("bob", 1_000)] {
            let deposit =
                json!({"customer_id": customer, "amount": amount, "currency": "EUR", "deposit_id": customer});
            self.command::<DepositFunds>(ServiceName::Payment, deposit).await?;
        }
        for (sku, quantity) in [("tea", 10), ("vase", 1)] {
            let receipt = json!({"sku": sku, "quantity": quantity, "receipt_id": sku});
            self.command::<ReceiveStock>(ServiceName::Inventory, receipt).await?;
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
        self.command::<PlaceOrder>(ServiceName::Order, data).await
    }

    async fn cancel(&self, order: &str) -> Result<()> {
        self.command::<CancelOrder>(ServiceName::Order, json!({"order_id": order})).await
    }

    /// Writes a command, and waits until its service has read it.
    async fn command<M: Message>(&self, reader: ServiceName, data: Value) -> Result<()> {
        let command = Said::from(saga::decode::<M>(&data).map_err(|reason| anyhow!(reason))?);
        let id = format!("{}-{}", command.kind, command.key);
        let place = self.commands.write(&command, &id, now_ms()).await;
        let place = place.map_err(|_| anyhow!("the sandbox's broker does not take a command"))?;
        let (_, worker) = self.workers.get(&reader).context("the service that reads a command is stopped")?;
        if !worker.health().has_read(command.topic, place.partition, place.offset, LIMIT).await {
            return Err(anyhow!("the {reader} service does not read a command"));
        }
        Ok(())
    }

    fn timeline(&self, order: &str) -> Result<Option<Timeline>> {
        let (_, tracker) = self.tracker.as_ref().context("the tracker is stopped")?;
        tracker.handle().view().timeline(order, now_ms())
    }

    /// Tells what happens, until it has told an event of this type.
    async fn until(&mut self, order: &str, kind: &str) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            if let Some(timeline) = self.timeline(order)?
                && self.tell(order, &timeline, kind)?
            {
                return Ok(());
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Err(anyhow!("nothing more was heard of the order '{order}'"))
    }

    /// Tells what is new; returns whether it has told an event of this type.
    fn tell(&mut self, order: &str, timeline: &Timeline, kind: &str) -> Result<bool> {
        let as_json = json!(timeline);
        let story: story::Timeline = read(&as_json)?;
        let columns = table::width().unwrap_or(COLUMNS);
        let teller = self.tellers.entry(order.to_owned()).or_insert_with(|| Teller::new(Some(columns)));
        let news = teller.news(&story, false);
        if self.json {
            for place in &news {
                output::data(&as_json["events"][place])?;
            }
        } else if !news.is_empty() {
            output::data(teller.text(&story, &news))?;
        }
        Ok(teller.has_told(&story, kind))
    }

    fn say_what_is_awaited(&self, order: &str) -> Result<()> {
        if let Some(timeline) = self.timeline(order)? {
            let story: story::Timeline = read(&json!(timeline))?;
            story.waiting().iter().try_for_each(|waiting| self.say(waiting))?;
        }
        Ok(())
    }

    /// Tells the rest of an order's story, and how it ended.
    async fn until_the_end(&mut self, order: &str, expected: &str) -> Result<Ending> {
        self.until(order, "NotificationSent").await?;
        let timeline = self.timeline(order)?.context("an order that was told of is known")?;
        let events = || timeline.events.iter().map(|entry| &entry.event);
        let end = events().rfind(|event| event.kind == "OrderCancelled");
        let reason = end.and_then(|end| end.data["reason"].as_str()).unwrap_or_default().to_owned();
        let undone = events().filter(|event| event.undoes());
        let undone = undone.map(|event| event.kind.clone()).collect();
        let status = timeline.status.to_string();
        self.say(&format!("{order} has ended: {status}\n"))?;
        let is_right = expected == if reason.is_empty() { &status } else { &reason };
        Ok(Ending { order: order.to_owned(), status, reason, undone, is_right })
    }
}
