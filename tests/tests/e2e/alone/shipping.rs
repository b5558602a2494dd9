//! `serve shipping`.

use e2e::{
    lanes::names_in,
    samples::{sample, with},
};
use serde_json::json;

use super::{Alone, serve};

#[test]
fn shipping_alone() {
    let alone = serve("shipping");
    let mut orders = names_in(1, "order");
    let mut next = || orders.next().expect("there is always a next name");

    it_schedules_and_dispatches_and_stands_repeats(&alone, &next(), &next());
    it_hears_the_reservation_before_the_order(&alone, &next(), &next());
    it_refuses_a_country_that_is_not_served(&alone, &next());
    it_cancels_what_it_scheduled(&alone, &next());
    what_is_cancelled_before_it_is_asked_for_is_never_scheduled(&alone, &next(), &next());
    alone.finish();
}

fn it_schedules_and_dispatches_and_stands_repeats(alone: &Alone, order: &str, behind: &str) {
    let destination = json!({"country": "FR", "postal_code": "75001", "city": "Paris", "line1": "1 rue X"});
    alone.say(&with(sample("OrderPlaced", order), "destination", destination.clone()));
    alone.say(&sample("StockReserved", order));
    let scheduled = alone.heard("ShipmentScheduled", order);
    assert_eq!(scheduled.data["destination"], destination);
    alone.say(&sample("StockReserved", order));
    alone.say(&sample("OrderConfirmed", order));
    let dispatched = alone.heard("ShipmentDispatched", order);
    assert_eq!(dispatched.text("shipment_id"), scheduled.text("shipment_id"));
    assert!(dispatched.text("tracking_number").is_some());
    for kind in ["StockReserved", "OrderPlaced", "OrderConfirmed", "OrderCancellationRequested"] {
        alone.say(&sample(kind, order));
    }
    dispatch(alone, behind);
    alone.has_said(order, &["ShipmentScheduled", "ShipmentDispatched"]);
}

fn it_hears_the_reservation_before_the_order(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("StockReserved", order));
    dispatch(alone, behind);
    alone.has_said(order, &[]);
    dispatch(alone, order);
    alone.has_said(order, &["ShipmentScheduled", "ShipmentDispatched"]);
}

fn it_refuses_a_country_that_is_not_served(alone: &Alone, order: &str) {
    alone.say(&with(sample("OrderPlaced", order), "destination", json!({"country": "BR"})));
    alone.say(&sample("StockReserved", order));
    assert_eq!(alone.heard("ShipmentRefused", order).text("reason"), Some("destination_not_served"));
    alone.say(&sample("OrderCancellationRequested", order));
    assert_eq!(alone.heard("ShipmentCancelled", order).text("shipment_id"), None);
    alone.has_said(order, &["ShipmentRefused", "ShipmentCancelled"]);
}

fn it_cancels_what_it_scheduled(alone: &Alone, first: &str) {
    for (order, kind) in [(first, "OrderCancellationRequested"), ("safety-net", "OrderCancelled")] {
        alone.say(&sample("OrderPlaced", order));
        alone.say(&sample("StockReserved", order));
        let scheduled = alone.heard("ShipmentScheduled", order);
        alone.say(&sample(kind, order));
        assert_eq!(alone.heard("ShipmentCancelled", order).data, scheduled.data, "after {kind}");
        alone.has_said(order, &["ShipmentScheduled", "ShipmentCancelled"]);
    }
}

fn what_is_cancelled_before_it_is_asked_for_is_never_scheduled(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("OrderCancellationRequested", order));
    let cancelled = alone.heard("ShipmentCancelled", order);
    assert_eq!((cancelled.text("shipment_id"), &cancelled.data["destination"]), (None, &json!(null)));
    for kind in ["StockReserved", "OrderPlaced", "OrderCancellationRequested"] {
        alone.say(&sample(kind, order));
    }
    dispatch(alone, behind);
    alone.has_said(order, &["ShipmentCancelled"]);
}

/// The good course; when it is over, all that stood before it in its lane has been heard.
#[track_caller]
fn dispatch(alone: &Alone, order: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("StockReserved", order));
    alone.heard("ShipmentScheduled", order);
    alone.say(&sample("OrderConfirmed", order));
    alone.heard("ShipmentDispatched", order);
}
