//! The audit of a run: whether every order has ended as it had to, exactly once, by what stands on the
//! topics. A run that fails it is void.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use e2e::topics;
use rdkafka::Message as _;
use serde::Deserialize;

use crate::{
    broker::Broker,
    plan::{Ending, Plan},
    raw::type_number,
    side::Side,
};

const LIMIT: Duration = Duration::from_secs(30);

/// The topics that are judged.
const JUDGED: [&str; 5] =
    [topics::ORDERS, topics::PAYMENTS, topics::INVENTORY, topics::SHIPMENTS, topics::NOTIFICATIONS];

/// Whether records may stand there again, as after `kill -9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// None.
    No,
    /// With the same number.
    Allowed,
}

/// The types of the events that an order with this ending has, each once: a bit for each, by
/// [`type_number`].
pub fn expected_types(ending: Ending, notified: bool) -> u32 {
    let types: &[&str] = match ending {
        Ending::Completed => &[
            "OrderPlaced",
            "PaymentAuthorized",
            "StockReserved",
            "ShipmentScheduled",
            "OrderConfirmed",
            "PaymentCaptured",
            "StockCommitted",
            "ShipmentDispatched",
            "OrderCompleted",
        ],
        Ending::Declined => &["OrderPlaced", "PaymentDeclined", "OrderCancelled"],
        Ending::OutOfStock => {
            &["OrderPlaced", "PaymentAuthorized", "StockRejected", "PaymentVoided", "OrderCancelled"]
        }
        Ending::Refused => &[
            "OrderPlaced",
            "PaymentAuthorized",
            "StockReserved",
            "ShipmentRefused",
            "PaymentVoided",
            "StockReleased",
            "OrderCancelled",
        ],
    };
    let told = if notified { &["NotificationSent"][..] } else { &[] };
    types.iter().chain(told).filter_map(|kind| type_number(kind)).map(|number| 1 << number).sum()
}

#[derive(Deserialize)]
struct Event<'r> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'r, str>,
    #[serde(borrow)]
    sequence: Cow<'r, str>,
    #[serde(borrow)]
    data: Data<'r>,
}

#[derive(Deserialize)]
struct Data<'r> {
    #[serde(borrow)]
    order_id: Option<Cow<'r, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'r, str>>,
}

/// Judges what stands on the topics of a side once all orders of a plan have ended.
///
/// # Errors
/// What is wrong.
pub fn judge(broker: &Broker, side: &Side, plan: &Plan, repeats: Repeats) -> Result<()> {
    ensure!(broker.count(&side.topic(topics::DEAD_LETTERS))? == 0, "there are dead letters");
    let ends = broker.ends(&JUDGED.map(|name| side.topic(name)))?;
    let mut left: i64 = ends.values().sum();
    let from: BTreeMap<(String, i32), i64> = ends.keys().map(|place| (place.clone(), 0)).collect();
    let consumer = broker.consumer(&from)?;
    let mut judge = Judge {
        places: plan.places(),
        said: vec![0; plan.len()],
        numbers: HashMap::new(),
        are_numbered: side.program().is_some(),
        repeats,
    };
    let mut heard = Instant::now();
    while left > 0 {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else {
            ensure!(heard.elapsed() < LIMIT, "{left} records can't be read for the audit");
            continue;
        };
        let message = message?;
        heard = Instant::now();
        left -= 1;
        let value = message.payload().unwrap_or_default();
        let place = (message.topic(), message.partition());
        judge.hear(value, place).with_context(|| {
            format!("{}[{}] at {}", message.topic(), message.partition(), message.offset())
        })?;
    }
    judge.end(plan)
}

struct Judge<'p> {
    places: HashMap<&'p str, usize>,
    /// The types that were said of each order.
    said: Vec<u32>,
    /// The last number of each partition.
    numbers: HashMap<(String, i32), u64>,
    /// Whether records are numbered without gaps: those of the raw chain are not.
    are_numbered: bool,
    repeats: Repeats,
}

impl Judge<'_> {
    fn hear(&mut self, value: &[u8], place: (&str, i32)) -> Result<()> {
        let event: Event = serde_json::from_slice(value).context("a record is no event")?;
        if self.are_numbered && !self.is_next(&event, place)? {
            return Ok(());
        }
        let Some(order) = event.data.order_id.as_deref() else { return Ok(()) };
        let Some(place) = self.places.get(order) else { bail!("nobody placed the order {order}") };
        let number = type_number(&event.kind).with_context(|| format!("{} of {order}", event.kind))?;
        let (said, bit) = (&mut self.said[*place], 1 << number);
        let is_repeat = *said & bit != 0;
        ensure!(
            !is_repeat || (self.repeats == Repeats::Allowed && !self.are_numbered),
            "{} of {order} stands there twice",
            event.kind
        );
        *said |= bit;
        let reason = Ending::of(order).and_then(Ending::reason);
        if self.are_numbered && event.kind == "OrderCancelled" {
            ensure!(event.data.reason.as_deref() == reason, "{order} was cancelled for another reason");
        }
        Ok(())
    }

    /// Whether the record is new; its number follows on the last.
    fn is_next(&mut self, event: &Event, (topic, partition): (&str, i32)) -> Result<bool> {
        let number: u64 = event.sequence.parse().context("a record has no number")?;
        let last = self.numbers.entry((topic.to_owned(), partition)).or_default();
        if number <= *last && self.repeats == Repeats::Allowed {
            return Ok(false);
        }
        ensure!(number == *last + 1, "number {number} follows on {last}");
        *last = number;
        Ok(true)
    }

    fn end(self, plan: &Plan) -> Result<()> {
        for (id, said) in plan.ids().iter().zip(&self.said) {
            let expected = Ending::of(id).map_or(0, |ending| expected_types(ending, true));
            ensure!(
                *said == expected,
                "{id} has not ended as it had to: it has the types {said:b}, not {expected:b}"
            );
        }
        Ok(())
    }
}
