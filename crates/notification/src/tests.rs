use contract::*;
use saga::{
    Said,
    testing::{Given, given},
};

use super::{Notification, service};

const ORDER: &str = "order-42";

// What notification hears.

fn order_placed() -> Said {
    OrderPlaced {
        order_id: id(ORDER),
        customer_id: id("ada"),
        currency: "EUR".try_into().unwrap(),
        items: vec![Item {
            sku: id("tea"),
            quantity: 2.try_into().unwrap(),
            unit_price: 2499.try_into().unwrap(),
        }],
        destination: Destination {
            country: "DE".try_into().unwrap(),
            postal_code: None,
            city: None,
            line1: None,
        },
        total: 4998.try_into().unwrap(),
    }
    .into()
}

fn order_completed() -> Said {
    OrderCompleted { order_id: id(ORDER) }.into()
}

fn order_cancelled() -> Said {
    let (reason, compensated) = (CancelReason::OutOfStock, vec!["PaymentVoided".to_owned()]);
    OrderCancelled { order_id: id(ORDER), reason, compensated }.into()
}

fn everything() -> [Said; 3] {
    [order_placed(), order_completed(), order_cancelled()]
}

// What notification says.

fn sent(template: Template) -> Said {
    let channel = "email".to_owned();
    NotificationSent { order_id: id(ORDER), customer_id: id("ada"), template, channel }.into()
}

fn id(text: &str) -> Id {
    text.try_into().unwrap()
}

fn new() -> Given {
    given(Notification)
}

/// Each ending, and what the customer is told of it.
fn endings() -> [(Said, Said); 2] {
    [(order_completed(), sent(Template::OrderCompleted)), (order_cancelled(), sent(Template::OrderCancelled))]
}

#[test]
fn the_customer_is_told_once_how_the_order_ended() {
    for (ending, told) in endings() {
        new()
            .silent_on([order_placed(), order_placed()])
            .and_ended(ORDER, false)
            .when(ending)
            .then([told])
            .and_ended(ORDER, true)
            .silent_on(everything())
            .silent_on(everything());
    }
}

#[test]
fn the_ending_may_come_before_order_placed() {
    for (ending, told) in endings() {
        new()
            .silent_on([ending.clone(), ending])
            .and_ended(ORDER, false)
            .when(order_placed())
            .then([told])
            .and_ended(ORDER, true)
            .silent_on(everything());
    }
}

#[test]
fn the_first_ending_counts() {
    new()
        .silent_on([order_cancelled(), order_completed()])
        .when(order_placed())
        .then([sent(Template::OrderCancelled)]);
}

#[test]
fn nothing_that_can_not_be_used_is_answered_and_only_order_placed_opens_an_order() {
    assert!(service().hears().all(|subscription| !subscription.answers_unusable));
    let opening: Vec<_> = service()
        .hears()
        .filter(|subscription| subscription.opens)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(opening, ["OrderPlaced"]);
}
