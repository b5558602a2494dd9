//! What false events can do to an order, as section 5 of the contract has it. That they can do no
//! more is tried in `explorer.rs`; here, that they can do no less: nothing is allowed in vain.

use std::{cell::RefCell, collections::BTreeSet};

use choreography::{
    Settings,
    scenarios::{self, Scenario},
    services,
};
use saga::explorer::{Record, Verdict, View};
use serde_json::Value;

/// A step that others compete for, how it is undone and how it is closed.
const HOLDS: [[&str; 3]; 2] = [
    ["PaymentAuthorized", "PaymentVoided", "PaymentCaptured"],
    ["StockReserved", "StockReleased", "StockCommitted"],
];

const CLOSINGS: [&str; 3] = ["PaymentCaptured", "StockCommitted", "ShipmentDispatched"];

/// What a service itself said of the order.
fn said<'a>(view: &View<'a>, kind: &str) -> Option<&'a Record> {
    view.records().find(|r| r.kind == kind && r.key == "order-1" && r.by.is_some())
}

/// All that is wrong with the order in any interleaving.
fn harm(case: &Scenario) -> BTreeSet<String> {
    let harm = RefCell::new(BTreeSet::new());
    let note = |is_so: bool, what: &str| {
        if is_so {
            harm.borrow_mut().insert(what.to_owned());
        }
    };
    let explorer = case.explorer(services(&Settings::default()));
    let explorer = explorer.always(|view| {
        let open = CLOSINGS.iter().any(|closing| said(view, closing).is_none());
        note(open && said(view, "OrderCompleted").is_some(), "completed early");
        Ok(())
    });
    let explorer = explorer.at_rest(|view| {
        let (completed, cancelled) = (said(view, "OrderCompleted"), said(view, "OrderCancelled"));
        let held = HOLDS.iter().all(|[done, undone, closed]| {
            said(view, done).is_some() && said(view, undone).or(said(view, closed)).is_none()
        });
        note(held, "waiting while money and stock are held");
        note(cancelled.is_some(), "cancelled");
        for closing in CLOSINGS {
            let closed = said(view, closing).is_some();
            note(cancelled.is_some() && closed, &format!("cancelled with {closing}"));
            note(completed.is_some() && !closed, &format!("completed without {closing}"));
        }
        if let Some(cancelled) = cancelled {
            let undone = |answer: &&str| {
                let ids = ["payment_id", "reservation_id", "shipment_id"];
                said(view, answer).is_some_and(|r| ids.iter().any(|id| r.data.get(id).is_some()))
            };
            let answers = ["PaymentVoided", "StockReleased", "ShipmentCancelled"].into_iter();
            let undone: Vec<&str> = answers.filter(undone).collect();
            note(cancelled.data["compensated"] != Value::from(undone), "compensated is wrong");
        }
        if let Some(sent) = said(view, "NotificationSent") {
            let ending = if sent.data["template"] == "order_completed" { completed } else { cancelled };
            note(ending.is_none(), "the notification is wrong");
        }
        Ok(())
    });
    assert_eq!(explorer.explore().verdict, Verdict::Holds);
    harm.into_inner()
}

/// The deadline is no excuse: without the false event, the order would complete.
#[test]
fn one_can_do_all_that_the_contract_says() {
    let cases = scenarios::false_events(&scenarios::outcomes()[0]);
    let harm: BTreeSet<String> = cases.into_iter().flat_map(|case| harm(&case.patient())).collect();
    let expected = [
        "cancelled",
        "compensated is wrong",
        "completed early",
        "the notification is wrong",
        "waiting while money and stock are held",
    ];
    assert_eq!(harm.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn two_can_leave_it_cancelled_though_something_was_closed_or_completed_though_it_was_not() {
    let pairs = scenarios::pairs_of_false_events();
    let by = |one: &str, other: &str| {
        let name = format!("completes, false {one}, false {other}");
        let case = pairs.iter().find(|s| s.name == name).expect("there is such a pair");
        let ends = |what: &String| what.contains(" with ") || what.contains(" without ");
        harm(case).into_iter().filter(ends).collect::<Vec<_>>()
    };
    let (captured, committed) = ("cancelled with PaymentCaptured", "cancelled with StockCommitted");
    let dispatched = "cancelled with ShipmentDispatched";
    assert_eq!(by("OrderConfirmed", "PaymentDeclined"), [captured, dispatched, committed]);
    assert_eq!(by("OrderConfirmed", "PaymentVoided"), [captured]);
    assert_eq!(by("OrderConfirmed", "StockRejected"), [dispatched, committed]);
    assert_eq!(by("OrderConfirmed", "StockReleased"), [committed]);
    assert_eq!(by("OrderConfirmed", "ShipmentRefused"), [dispatched]);
    let (uncaptured, uncommitted) = ("completed without PaymentCaptured", "completed without StockCommitted");
    assert_eq!(by("PaymentCaptured", "StockRejected"), [uncaptured]);
    assert_eq!(by("PaymentCaptured", "ShipmentRefused"), [uncaptured]);
    assert_eq!(by("StockCommitted", "ShipmentRefused"), [uncommitted]);
}
