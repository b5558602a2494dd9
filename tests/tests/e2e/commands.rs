//! Commands, in every form in which a person or a program may write them.

use e2e::{
    lanes::{LANES, lane_of, names_in},
    log::Event,
    saga::{Saga, sandbox},
    samples::{items, sample, with, without},
    topics::{INVENTORY_COMMANDS, ORDERS_COMMANDS, PAYMENTS_COMMANDS},
};
use serde_json::{Value, json};

use crate::stories;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn every_form_is_understood() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let kcat = saga.kcat();

    saga.say(&sample("PlaceOrder", "bare"));

    let structured = json!({
        "specversion": "1.0", "id": "command-1", "source": "/shop", "type": "PlaceOrder",
        "subject": "structured", "correlationid": "checkout-1", "traceparent": TRACEPARENT,
        "data": data("structured")
    });
    kcat.write(ORDERS_COMMANDS)
        .key("structured")
        .header("content-type", "application/cloudevents+json; charset=UTF-8")
        .value(structured.to_string());

    kcat.write(ORDERS_COMMANDS)
        .key("binary")
        .header("content-type", "application/json")
        .header("ce_specversion", "1.0")
        .header("ce_id", "command-2")
        .header("ce_source", "/shop")
        .header("ce_type", "PlaceOrder")
        .header("ce_correlationid", "checkout-2")
        .header("ce_traceparent", TRACEPARENT)
        .value(data("binary").to_string());

    // Structured, but for the attributes that CloudEvents demands.
    let lax = json!({"type": "PlaceOrder", "data": data("lax")});
    kcat.write(ORDERS_COMMANDS).key("lax").value(lax.to_string());

    for order in ["bare", "structured", "binary", "lax"] {
        assert_eq!(saga.ended(order), "completed", "{order}");
    }
    let log = saga.log();
    for order in ["bare", "structured", "binary", "lax"] {
        assert_eq!(log.story(order), stories::COMPLETED, "{order}");
    }
    for (order, id, correlation) in
        [("structured", "command-1", "checkout-1"), ("binary", "command-2", "checkout-2")]
    {
        assert_eq!(log.the("OrderPlaced", order).attribute("causationid"), Some(id), "{order}");
        for event in log.said_of(order) {
            assert_eq!(event.attribute("correlationid"), Some(correlation), "{}", event.shown());
            let parent = event.attribute("traceparent").unwrap_or_default();
            assert!(parent.contains(TRACE), "the trace goes on: {}", event.shown());
        }
    }
    for order in ["bare", "lax"] {
        let place = command(&saga, order).record.place();
        for event in log.said_of(order) {
            assert_eq!(event.attribute("correlationid"), Some(place.as_str()), "{}", event.shown());
        }
    }
}

#[test]
fn the_same_command_twice_has_one_effect() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    let kcat = saga.kcat();
    let [order, behind] = neighbours("again");

    saga.say(&sample("PlaceOrder", &order));
    saga.say(&sample("PlaceOrder", &order));
    assert_eq!(saga.ended(&order), "completed");
    // Also after the end, and in another form.
    let structured = json!({
        "specversion": "1.0", "id": "x", "source": "/shop", "type": "PlaceOrder", "data": data(&order)
    });
    kcat.write(ORDERS_COMMANDS).key(&order).value(structured.to_string());

    let deposit = with(sample("DepositFunds", "deposit-x"), "amount", 500);
    let receipt = with(sample("ReceiveStock", "receipt-x"), "quantity", 5);
    for command in [&deposit, &receipt, &deposit, &receipt] {
        saga.say(command);
    }
    // The same cancellation has the same id.
    for _ in 0..2 {
        kcat.write(ORDERS_COMMANDS)
            .key(&order)
            .header("ce_specversion", "1.0")
            .header("ce_id", "cancel-1")
            .header("ce_source", "/shop")
            .header("ce_type", "CancelOrder")
            .value(json!({"order_id": order}).to_string());
    }

    // What stands behind all that is handled after it.
    saga.say(&sample("PlaceOrder", &behind));
    assert_eq!(saga.ended(&behind), "completed");
    assert_eq!(saga.deposit("ada", 1), 100_000 + 500 + 1 - 2 * 4998);
    assert_eq!(saga.receive("tea", 1), 100 + 5 + 1 - 2 * 2);
    let mut expected = stories::COMPLETED.to_vec();
    expected.insert(3, "OrderCancellationRejected");
    assert_eq!(saga.log().story(&order), expected);
    assert_eq!(saga.dead_letters(), []);
}

#[test]
fn an_order_that_is_placed_again_with_other_content_is_a_dead_letter() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    saga.say(&sample("PlaceOrder", "changed"));
    assert_eq!(saga.ended("changed"), "completed");
    saga.say(&with(sample("PlaceOrder", "changed"), "items", items([("tea", 1, 2499)])));
    let commands = saga.kcat().read(ORDERS_COMMANDS);
    let again =
        commands.iter().rfind(|record| record.key.as_deref() == Some("changed")).expect("it is there");
    let [letter] = &saga.dead_letters_of(again, 1)[..] else { panic!("one dead letter") };
    assert_eq!((letter.header("dlq-service"), &letter.value), (Some("order"), &again.value));
    assert_eq!(saga.log().story("changed"), stories::COMPLETED);
}

#[test]
fn a_cancellation_that_comes_too_late_is_rejected() {
    let (_program, saga) = sandbox(&[]);
    furnish(&saga);
    saga.say(&sample("CancelOrder", "nowhere"));
    assert_eq!(saga.heard("OrderCancellationRejected", "nowhere").text("reason"), Some("unknown_order"));
    saga.say(&sample("PlaceOrder", "done"));
    assert_eq!(saga.ended("done"), "completed");
    saga.say(&sample("CancelOrder", "done"));
    assert_eq!(saga.heard("OrderCancellationRejected", "done").text("reason"), Some("already_ended"));
}

#[test]
fn a_command_in_the_wrong_lane_is_forwarded() {
    let (_program, saga) = sandbox(&[]);
    let kcat = saga.kcat();
    let elsewhere = |key: &str| (lane_of(key) + 1) % LANES;

    // No key: it may have come to any lane, so the wrong one is chosen for it.
    let deposit = with(sample("DepositFunds", "deposit-1"), "amount", 100_000);
    kcat.write(PAYMENTS_COMMANDS).partition(elsewhere("ada")).value(deposit.to_string());
    kcat.write(INVENTORY_COMMANDS)
        .partition(elsewhere("tea"))
        .value(sample("ReceiveStock", "receipt-1").to_string());
    saga.heard("FundsDeposited", "deposit-1");
    saga.heard("StockReceived", "receipt-1");

    kcat.write(ORDERS_COMMANDS)
        .partition(elsewhere("no-key"))
        .value(sample("PlaceOrder", "no-key").to_string());
    kcat.write(ORDERS_COMMANDS)
        .partition(elsewhere("astray"))
        .key("astray")
        .value(sample("PlaceOrder", "astray").to_string());
    kcat.write(ORDERS_COMMANDS).key("a-key").partition(elsewhere("named")).value(
        json!({
            "specversion": "1.0", "id": "command-7", "source": "/shop", "type": "PlaceOrder",
            "data": data("named")
        })
        .to_string(),
    );
    for order in ["no-key", "astray", "named"] {
        assert_eq!(saga.ended(order), "completed", "{order}");
        let log = saga.log();
        let commands: Vec<_> =
            log.all().iter().filter(|e| e.kind == "PlaceOrder" && e.order() == Some(order)).collect();
        assert_eq!(commands.len(), 2, "as it came, and forwarded: {commands:?}");
        let original = commands.iter().find(|c| c.record.partition == elsewhere(order)).expect("as it came");
        let forwarded = commands.iter().find(|c| c.record.partition == lane_of(order)).expect("forwarded");
        assert_eq!(forwarded.record.key.as_deref(), Some(order), "the right key");
        assert_eq!(forwarded.id, original.id, "it keeps its id, if only where it first arrived");
        assert_eq!(forwarded.attribute("sequence"), None, "a forwarded command has no number");
        let placed = log.the("OrderPlaced", order);
        assert_eq!(placed.attribute("causationid"), Some(original.id.as_str()));
    }
    assert_eq!(saga.dead_letters(), []);
}

/// Money and stock for a few orders.
fn furnish(saga: &Saga) {
    saga.deposit("ada", 100_000);
    saga.receive("tea", 100);
}

fn data(order: &str) -> Value {
    without(sample("PlaceOrder", order), "type")
}

/// The command that placed an order.
fn command(saga: &Saga, order: &str) -> Event {
    let log = saga.log();
    let mut commands = log.all().iter().filter(|e| e.kind == "PlaceOrder" && e.order() == Some(order));
    commands.next().expect("it was placed").clone()
}

/// Two orders in one lane.
fn neighbours(prefix: &str) -> [String; 2] {
    let mut names = names_in(2, prefix);
    [(); 2].map(|()| names.next().expect("there is always a next name"))
}
