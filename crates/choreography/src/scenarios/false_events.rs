//! Events and commands that someone types by hand, as the services themselves would write them.

use contract::{
    CancelOrder, CancelReason, CancellationRejectReason, CancellationRequestReason, DeclineReason,
    FundsDeposited, Line, NotificationSent, OrderCancellationRejected, OrderCancellationRequested,
    OrderCancelled, OrderCompleted, OrderConfirmed, OrderPlaced, PaymentAuthorized, PaymentCaptured,
    PaymentDeclined, PaymentVoided, RefuseReason, RejectReason, ShipmentCancelled, ShipmentDispatched,
    ShipmentRefused, ShipmentScheduled, StockCommitted, StockReceived, StockRejected, StockReleased,
    StockReserved, Template,
};
use saga::Said;

use crate::{Settings, services};

use super::{
    Scenario, outcomes,
    shop::{ENOUGH, amount, currency, deposit, id, order, quantity, receipt},
};

/// For each type of the contract, this scenario with a false message of it at any moment.
pub fn false_events(scenario: &Scenario) -> Vec<Scenario> {
    with_each(scenario, |_| true)
}

/// Any two of them about an order that would complete, in either order. Left out are those that no
/// service hears, since they change nothing, and the same twice, which is a repeat.
pub fn pairs_of_false_events() -> Vec<Scenario> {
    let services = services(&Settings::default());
    let is_heard =
        |said: &Said| services.iter().any(|s| s.hears().any(|subscription| subscription.kind == said.kind));
    let one = with_each(&outcomes()[0], is_heard);
    let others = |(i, one)| with_each(one, is_heard).split_off(i + 1);
    one.iter().enumerate().flat_map(others).collect()
}

/// This scenario with each false message that is `wanted`, always in the same order.
fn with_each(scenario: &Scenario, wanted: impl Fn(&Said) -> bool) -> Vec<Scenario> {
    let commands = commands().into_iter().filter(&wanted);
    let events = [of_orders(), of_payments(), of_inventory(), of_shipments()].into_iter().flatten();
    let with_commands = commands.map(|command| scenario.clone().with_another_command(command));
    let with_events = events.filter(&wanted).map(|event| scenario.clone().with_false_event(event));
    with_commands.chain(with_events).collect()
}

/// Commands are anyone's to write: these are only not the customer's.
fn commands() -> Vec<Said> {
    let mut other = order("order-1", &ENOUGH);
    other.items.pop();
    vec![
        other.into(),
        CancelOrder { order_id: id("order-1"), reason: None }.into(),
        deposit("deposit-2", 2000, "EUR").into(),
        receipt("receipt-3", "tea", 2).into(),
    ]
}

fn of_orders() -> Vec<Said> {
    let order_id = id("order-1");
    let placed = order("order-1", &ENOUGH);
    vec![
        // Of less than what was ordered.
        OrderPlaced {
            order_id: order_id.clone(),
            customer_id: placed.customer_id,
            currency: placed.currency,
            items: placed.items[..1].to_vec(),
            destination: placed.destination,
            total: amount(500),
        }
        .into(),
        OrderCancellationRequested {
            order_id: order_id.clone(),
            reason: CancellationRequestReason::CustomerRequest,
            detail: None,
        }
        .into(),
        OrderCancellationRejected {
            order_id: order_id.clone(),
            reason: CancellationRejectReason::AlreadyConfirmed,
        }
        .into(),
        OrderConfirmed { order_id: order_id.clone() }.into(),
        OrderCompleted { order_id: order_id.clone() }.into(),
        OrderCancelled {
            order_id: order_id.clone(),
            reason: CancelReason::CustomerRequest,
            compensated: Vec::new(),
        }
        .into(),
        NotificationSent {
            order_id,
            customer_id: id("ada"),
            template: Template::OrderCompleted,
            channel: "email".to_owned(),
        }
        .into(),
    ]
}

fn of_payments() -> Vec<Said> {
    let (order_id, payment_id, eur) = (id("order-1"), id("false-payment"), currency("EUR"));
    vec![
        PaymentAuthorized {
            order_id: order_id.clone(),
            payment_id: payment_id.clone(),
            amount: amount(2000),
            currency: eur,
        }
        .into(),
        PaymentDeclined { order_id: order_id.clone(), reason: DeclineReason::InsufficientFunds }.into(),
        PaymentVoided {
            order_id: order_id.clone(),
            payment_id: Some(payment_id.clone()),
            amount: 2000,
            currency: Some(eur),
        }
        .into(),
        PaymentCaptured { order_id, payment_id, amount: amount(2000), currency: eur }.into(),
        FundsDeposited {
            customer_id: id("ada"),
            amount: amount(2000),
            currency: eur,
            deposit_id: id("false-deposit"),
            available: 4000,
        }
        .into(),
    ]
}

fn of_inventory() -> Vec<Said> {
    let (order_id, reservation_id) = (id("order-1"), id("false-reservation"));
    let items =
        vec![Line { sku: id("cup"), quantity: quantity(1) }, Line { sku: id("tea"), quantity: quantity(2) }];
    vec![
        StockReserved {
            order_id: order_id.clone(),
            reservation_id: reservation_id.clone(),
            items: items.clone(),
        }
        .into(),
        StockRejected { order_id: order_id.clone(), reason: RejectReason::OutOfStock, shortages: Vec::new() }
            .into(),
        StockReleased {
            order_id: order_id.clone(),
            reservation_id: Some(reservation_id.clone()),
            items: items.clone(),
        }
        .into(),
        StockCommitted { order_id, reservation_id, items }.into(),
        StockReceived {
            sku: id("tea"),
            quantity: quantity(2),
            receipt_id: id("false-receipt"),
            available: 4,
        }
        .into(),
    ]
}

fn of_shipments() -> Vec<Said> {
    let (order_id, shipment_id) = (id("order-1"), id("false-shipment"));
    let destination = order("order-1", &ENOUGH).destination;
    vec![
        ShipmentScheduled {
            order_id: order_id.clone(),
            shipment_id: shipment_id.clone(),
            destination: destination.clone(),
        }
        .into(),
        ShipmentRefused { order_id: order_id.clone(), reason: RefuseReason::DestinationNotServed }.into(),
        ShipmentCancelled {
            order_id: order_id.clone(),
            shipment_id: Some(shipment_id.clone()),
            destination: Some(destination),
        }
        .into(),
        ShipmentDispatched { order_id, shipment_id, tracking_number: id("false-tracking") }.into(),
    ]
}
