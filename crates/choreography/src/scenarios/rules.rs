//! What must hold, whatever happens: section 5 of the contract.
//!
//! What a service said counts, not what someone else wrote in its name. How much must hold depends
//! on how many false events there are about an order:
//!
//! | | none | one | several |
//! | --- | --- | --- | --- |
//! | it ends once; nothing is done, undone or closed twice, or both undone and closed | yes | yes | yes |
//! | the sums add up; what ends or is to be cancelled leaves nothing set aside | yes | yes | yes |
//! | the order service keeps to its own words | yes | yes | yes |
//! | where it has completed everything is closed in the end, where it is cancelled nothing | yes | yes | no |
//! | it ends; what the services say of each other is so, and said at its time | yes | no | no |

use std::collections::BTreeSet;

use contract::{
    CancelOrder, NotificationSent, OrderCancellationRejected, OrderCancellationRequested, OrderCancelled,
    OrderCompleted, OrderConfirmed, OrderPlaced, PaymentAuthorized, PaymentCaptured, PaymentDeclined,
    PaymentVoided, ShipmentCancelled, ShipmentDispatched, ShipmentRefused, ShipmentScheduled, StockCommitted,
    StockRejected, StockReleased, StockReserved, topics,
};
use saga::{
    Message,
    explorer::{Record, View},
};
use serde_json::Value;

use super::{Ending, Scenario, sums};

/// A step, how it is undone and how it is closed.
const STEPS: [[&str; 3]; 3] = [
    [PaymentAuthorized::TYPE, PaymentVoided::TYPE, PaymentCaptured::TYPE],
    [StockReserved::TYPE, StockReleased::TYPE, StockCommitted::TYPE],
    [ShipmentScheduled::TYPE, ShipmentCancelled::TYPE, ShipmentDispatched::TYPE],
];

/// What names a step in its events; who had nothing to undo leaves it out.
const STEP_IDS: [&str; 3] = ["payment_id", "reservation_id", "shipment_id"];

/// What is said of one order at most once.
const ONCE: [&str; 18] = [
    OrderPlaced::TYPE,
    OrderCancellationRequested::TYPE,
    OrderConfirmed::TYPE,
    OrderCompleted::TYPE,
    OrderCancelled::TYPE,
    PaymentAuthorized::TYPE,
    PaymentDeclined::TYPE,
    PaymentVoided::TYPE,
    PaymentCaptured::TYPE,
    StockReserved::TYPE,
    StockRejected::TYPE,
    StockReleased::TYPE,
    StockCommitted::TYPE,
    ShipmentScheduled::TYPE,
    ShipmentRefused::TYPE,
    ShipmentCancelled::TYPE,
    ShipmentDispatched::TYPE,
    NotificationSent::TYPE,
];

/// What must hold at every moment; else what is wrong, in words.
pub(super) fn always(scenario: &Scenario, view: &View) -> Result<(), String> {
    for order in orders(scenario, view) {
        order.nothing_twice()?;
        order.order_service_keeps_its_word()?;
        if scenario.false_events_about(order.id) == 0 {
            order.says_what_is_so()?;
        }
    }
    sums::add_up(view)
}

/// What must hold when nothing happens any more; else what is wrong, in words.
pub(super) fn at_rest(scenario: &Scenario, view: &View) -> Result<(), String> {
    let orders = orders(scenario, view);
    for order in &orders {
        order.leaves_nothing_set_aside()?;
        if scenario.false_events_about(order.id) <= 1 {
            order.is_closed_as_it_ended()?;
        }
    }
    let placed =
        |order: &OrderLog| order.said(OrderPlaced::TYPE) && scenario.false_events_about(order.id) == 0;
    let orders: Vec<OrderLog> = orders.into_iter().filter(placed).collect();
    let notifies = !scenario.without.contains(&"notification");
    for order in &orders {
        order.has_ended(notifies)?;
    }
    if scenario.false_events == 0 {
        sums::nothing_set_aside(view)?;
    }
    ends_as_meant(scenario, &orders)
}

/// All that was written about one order.
struct OrderLog<'a> {
    id: &'a str,
    records: Vec<&'a Record>,
}

fn orders<'a>(scenario: &'a Scenario, view: &View<'a>) -> Vec<OrderLog<'a>> {
    let log = |id: &'a str| OrderLog { id, records: view.records().filter(|r| r.key == id).collect() };
    scenario.orders.iter().map(|order| log(&order.order_id)).collect()
}

impl<'a> OrderLog<'a> {
    /// What the services themselves said of this type.
    fn all(&self, kind: &str) -> impl Iterator<Item = &'a Record> {
        self.records.iter().copied().filter(move |r| r.kind == kind && r.by.is_some())
    }

    fn first(&self, kind: &str) -> Option<&'a Record> {
        self.all(kind).next()
    }

    fn said(&self, kind: &str) -> bool {
        self.first(kind).is_some()
    }

    fn require(&self, holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{}: {}", self.id, otherwise())) }
    }

    /// The order ends at most once, and each step is done at most once, and undone or closed at
    /// most once and only when done.
    fn nothing_twice(&self) -> Result<(), String> {
        for kind in ONCE {
            self.require(self.all(kind).count() <= 1, || format!("{kind} is said twice"))?;
        }
        let twice = self.said(OrderCompleted::TYPE) && self.said(OrderCancelled::TYPE);
        self.require(!twice, || "it ends twice, completed and cancelled".to_owned())?;
        for [done, undone, closed] in STEPS {
            let undoes = self.first(undone).is_some_and(undoes);
            let both = undoes && self.said(closed);
            self.require(!both, || format!("{done} is both undone by {undone} and closed by {closed}"))?;
            let done_first = self.said(done) || !undoes && !self.said(closed);
            self.require(done_first, || format!("{undone} or {closed} is said of what was never done"))?;
            let ids: BTreeSet<&str> =
                [done, undone, closed].iter().filter_map(|kind| step_id(self.first(kind)?)).collect();
            self.require(ids.len() <= 1, || format!("{done}, {undone} and {closed} name different ids"))?;
        }
        Ok(())
    }

    /// What the order service says of its own doing is so, whatever others tell it: what it
    /// confirmed it does not cancel, it completes what it confirmed and nothing else, the reason to
    /// cancel is one that it heard, each `CancelOrder` is answered at most once, and after the end
    /// it says nothing more.
    fn order_service_keeps_its_word(&self) -> Result<(), String> {
        let requested = self.first(OrderCancellationRequested::TYPE);
        let confirmed = self.said(OrderConfirmed::TYPE);
        let both = confirmed && requested.is_some();
        self.require(!both, || "it is confirmed and to be cancelled".to_owned())?;
        let fine = confirmed || !self.said(OrderCompleted::TYPE);
        self.require(fine, || "it is completed and was not confirmed".to_owned())?;
        if let Some(cancelled) = self.first(OrderCancelled::TYPE) {
            self.require(!confirmed, || "it is cancelled after it was confirmed".to_owned())?;
            let written = |kind| self.records.iter().any(|r| r.kind == kind);
            let reason = text(cancelled, "reason");
            let happened = match reason {
                "payment_declined" => written(PaymentDeclined::TYPE),
                "out_of_stock" => written(StockRejected::TYPE),
                "shipment_refused" => written(ShipmentRefused::TYPE),
                _ => requested.is_some_and(|r| text(r, "reason") == reason),
            };
            self.require(happened, || format!("it is cancelled because of {reason}, which did not happen"))?;
        }
        let mut own = self.records.iter().filter(|r| r.topic == topics::ORDERS && r.by.is_some());
        own.find(|r| matches!(r.kind, OrderCompleted::TYPE | OrderCancelled::TYPE));
        let late = own.find(|r| r.kind != OrderCancellationRejected::TYPE);
        self.require(late.is_none(), || {
            format!("after the order has ended, {} is said", late.map_or("", |r| r.kind))
        })?;
        let cancelled = self.records.iter().filter(|r| r.kind == CancelOrder::TYPE).count();
        let by_customer = requested.is_some_and(|r| text(r, "reason") == "customer_request");
        let answers = self.all(OrderCancellationRejected::TYPE).count() + usize::from(by_customer);
        self.require(answers <= cancelled, || "one CancelOrder is answered twice".to_owned())
    }

    /// Where everyone tells the truth, what an event says of the others is so.
    fn says_what_is_so(&self) -> Result<(), String> {
        let confirmed = self.said(OrderConfirmed::TYPE);
        if self.said(OrderCompleted::TYPE) {
            let closings = STEPS.iter().all(|[_, _, closed]| self.said(closed));
            self.require(closings, || "it is completed before everyone has closed".to_owned())?;
        }
        for [_, _, closed] in STEPS {
            let fine = confirmed || !self.said(closed);
            self.require(fine, || format!("{closed} is said before the order is confirmed"))?;
        }
        if let Some(cancelled) = self.first(OrderCancelled::TYPE) {
            self.cancelled_rightly(cancelled)?;
        }
        if let Some(sent) = self.first(NotificationSent::TYPE) {
            let ending = match text(sent, "template") {
                "order_completed" => OrderCompleted::TYPE,
                _ => OrderCancelled::TYPE,
            };
            let fine = self.said(ending) && text(sent, "customer_id") == "ada";
            self.require(fine, || format!("the notification is wrong: {}", sent.data))?;
        }
        Ok(())
    }

    /// Everything is undone, and `compensated` names exactly what undid something.
    fn cancelled_rightly(&self, cancelled: &Record) -> Result<(), String> {
        let mut undoing = Vec::new();
        for step @ [done, undone, _] in STEPS {
            self.require(!self.is_open(step), || format!("it is cancelled, and {done} is not undone"))?;
            undoing.extend(self.first(undone).is_some_and(undoes).then_some(undone));
        }
        let fine = cancelled.data["compensated"] == Value::from(undoing.clone());
        self.require(fine, || {
            format!("compensated is {}, but {undoing:?} undid something", cancelled.data["compensated"])
        })
    }

    /// Whether a step was done, and is neither undone nor closed.
    fn is_open(&self, [done, undone, closed]: [&str; 3]) -> bool {
        self.said(done) && !self.said(closed) && !self.first(undone).is_some_and(undoes)
    }

    /// Once a cancellation is requested or an order cancelled, by whomever, and once an order has
    /// completed, nothing stays set aside.
    fn leaves_nothing_set_aside(&self) -> Result<(), String> {
        let to_be_undone = [OrderCancellationRequested::TYPE, OrderCancelled::TYPE];
        let to_be_undone = self.records.iter().any(|r| to_be_undone.contains(&r.kind));
        for step in STEPS {
            let (done, open) = (step[0], self.is_open(step));
            self.require(!(open && to_be_undone), || {
                format!("it is to be cancelled, and {done} is never undone")
            })?;
            let fine = !open || !self.said(OrderCompleted::TYPE);
            self.require(fine, || format!("it is completed, and {done} is never closed"))?;
        }
        Ok(())
    }

    /// An order that has completed is closed by everyone, if late, and one that was cancelled by
    /// nobody.
    fn is_closed_as_it_ended(&self) -> Result<(), String> {
        for [_, _, closed] in STEPS {
            let fine = self.said(closed) || !self.said(OrderCompleted::TYPE);
            self.require(fine, || format!("it is completed, and {closed} is never said"))?;
            let fine = !self.said(closed) || !self.said(OrderCancelled::TYPE);
            self.require(fine, || format!("it is cancelled, and {closed} is said"))?;
        }
        Ok(())
    }

    /// The order has ended, every step is undone or closed, and the customer knows.
    fn has_ended(&self, notifies: bool) -> Result<(), String> {
        let (completed, cancelled) = (self.said(OrderCompleted::TYPE), self.said(OrderCancelled::TYPE));
        self.require(completed || cancelled, || "it never ends".to_owned())?;
        let fine = completed || !self.said(OrderConfirmed::TYPE);
        self.require(fine, || "it was confirmed and did not complete".to_owned())?;
        for step in STEPS {
            self.require(!self.is_open(step), || format!("{} is neither undone nor closed", step[0]))?;
        }
        let knows = self.said(NotificationSent::TYPE) == notifies;
        self.require(knows, || "the customer was not notified".to_owned())?;
        let answered =
            self.said(OrderCancellationRejected::TYPE) || self.said(OrderCancellationRequested::TYPE);
        let asked = self.records.iter().any(|r| r.kind == CancelOrder::TYPE);
        self.require(answered || !asked, || "a CancelOrder is never answered".to_owned())
    }
}

/// Whether an answer undid something.
fn undoes(answer: &Record) -> bool {
    step_id(answer).is_some()
}

fn step_id(event: &Record) -> Option<&str> {
    STEP_IDS.iter().find_map(|field| event.data.get(field)?.as_str())
}

fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record.data[field].as_str().unwrap_or("")
}

/// Orders that nobody cancelled end as the scenario says: of several that compete, all but one.
fn ends_as_meant(scenario: &Scenario, orders: &[OrderLog]) -> Result<(), String> {
    // A deadline that is long enough is no excuse.
    let excuse = if scenario.patient { CancelOrder::TYPE } else { OrderCancellationRequested::TYPE };
    let excused = |order: &OrderLog| order.records.iter().any(|r| r.kind == excuse);
    match scenario.ending {
        Ending::Depends => Ok(()),
        Ending::Completes => orders.iter().try_for_each(|order| {
            let fine = order.said(OrderCompleted::TYPE) || excused(order);
            order.require(fine, || "it does not complete".to_owned())
        }),
        Ending::Fails { .. } if orders.len() < scenario.orders.len() || orders.iter().any(excused) => Ok(()),
        Ending::Fails { event, because, reason } => {
            let failed: Vec<&OrderLog> = orders.iter().filter(|o| o.said(OrderCancelled::TYPE)).collect();
            let expected = if orders.len() > 1 { orders.len() - 1 } else { 1 };
            if failed.len() != expected {
                return Err(format!("{} orders fail instead of {expected}", failed.len()));
            }
            failed.iter().try_for_each(|order| {
                let fails = order.first(event).is_some_and(|r| text(r, "reason") == because);
                order.require(fails, || format!("it does not fail with {event} because of {because}"))?;
                let cancelled =
                    order.first(OrderCancelled::TYPE).is_some_and(|r| text(r, "reason") == reason);
                order.require(cancelled, || format!("it is not cancelled because of {reason}"))
            })
        }
    }
}
