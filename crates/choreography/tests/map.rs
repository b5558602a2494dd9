//! The map of the five services, as it was last looked at by a person.

use std::{collections::BTreeSet, env, fs, path::Path};

use choreography::{
    Settings,
    scenarios::{self, Scenario},
    services,
};
use contract::topics;
use saga::{
    explorer::{Verdict, View},
    map::Map,
};

fn golden(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(file);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, actual).expect("the golden file lies in the source tree, which can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "the services no longer react as {} says. If that is meant, run\n\
         \x20   UPDATE_GOLDEN=1 cargo test -p choreography --test map\n\
         and look at what changes. The map is now:\n\n{actual}",
        path.display()
    );
}

#[test]
fn the_text_is_what_it_was() {
    golden("map.txt", &choreography::map().text());
}

#[test]
fn the_picture_is_what_it_was() {
    golden("map.mmd", &choreography::map().mermaid());
}

#[test]
fn the_text_fits_100_columns() {
    let text = choreography::map().text();
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:?}");
}

/// Whoever still holds something when an order is cancelled undoes it; where everyone tells the
/// truth, everything has been undone by then.
#[test]
fn the_safety_net_is_idle_in_the_normal_course() {
    let map = choreography::map();
    for service in ["payment", "inventory", "shipping"] {
        let reaction = map.reaction(service, "OrderCancelled").expect("it listens to OrderCancelled");
        assert!(reaction.says.is_empty(), "{service} says {:?}", reaction.says);
    }
}

fn awaited<const H: usize, const S: usize>(
    service: &str,
    heard: [&str; H],
    said: [&str; S],
) -> Vec<&'static str> {
    choreography::map().awaited(service, &heard.into(), &said.into()).into_iter().collect()
}

#[test]
fn each_service_is_awaited_from_what_it_hears_to_what_it_says() {
    assert_eq!(awaited("order", ["PlaceOrder"], []), ["OrderPlaced"]);
    assert!(awaited("order", ["PlaceOrder"], ["OrderPlaced"]).is_empty(), "the others have the word");
    assert_eq!(awaited("payment", ["OrderPlaced"], []), ["PaymentAuthorized", "PaymentDeclined"]);
    assert!(awaited("payment", ["OrderPlaced"], ["PaymentDeclined"]).is_empty());
    assert!(awaited("inventory", ["OrderPlaced"], []).is_empty(), "nobody has paid");
    assert_eq!(
        awaited("inventory", ["OrderPlaced", "PaymentAuthorized"], []),
        ["StockRejected", "StockReserved"]
    );
    assert!(awaited("shipping", ["OrderPlaced"], []).is_empty(), "there is nothing to send");
    assert_eq!(
        awaited("shipping", ["OrderPlaced", "StockReserved"], []),
        ["ShipmentRefused", "ShipmentScheduled"]
    );
    assert!(awaited("notification", ["OrderPlaced"], []).is_empty(), "it has not ended");
    assert_eq!(awaited("notification", ["OrderPlaced", "OrderCompleted"], []), ["NotificationSent"]);
}

#[test]
fn after_the_pivot_everyone_s_closing_is_awaited() {
    let heard = ["OrderPlaced", "PaymentAuthorized", "StockReserved", "OrderConfirmed"];
    assert_eq!(awaited("payment", heard, ["PaymentAuthorized"]), ["PaymentCaptured"]);
    assert_eq!(awaited("inventory", heard, ["StockReserved"]), ["StockCommitted"]);
    assert_eq!(awaited("shipping", heard, ["ShipmentScheduled"]), ["ShipmentDispatched"]);
    assert!(awaited("shipping", heard, ["ShipmentScheduled", "ShipmentDispatched"]).is_empty());

    let said = ["OrderPlaced", "OrderConfirmed"];
    let closed = ["PlaceOrder", "ShipmentScheduled", "PaymentCaptured", "StockCommitted"];
    assert!(awaited("order", closed, said).is_empty(), "shipping has not closed");
    let [place, scheduled, captured, committed] = closed;
    let closed = [place, scheduled, captured, committed, "ShipmentDispatched"];
    assert_eq!(awaited("order", closed, said), ["OrderCompleted"]);
    assert!(awaited("order", closed, ["OrderPlaced", "OrderConfirmed", "OrderCompleted"]).is_empty());
}

#[test]
fn while_an_order_is_being_cancelled_everyone_s_answer_is_awaited() {
    let heard = ["OrderPlaced", "PaymentAuthorized", "StockReserved", "OrderCancellationRequested"];
    assert_eq!(awaited("payment", heard, ["PaymentAuthorized"]), ["PaymentVoided"]);
    assert_eq!(awaited("inventory", heard, ["StockReserved"]), ["StockReleased"]);
    assert_eq!(awaited("inventory", heard, []), ["StockReleased"], "also when it had reserved nothing");
    assert_eq!(awaited("shipping", heard, []), ["ShipmentCancelled"]);
    assert!(awaited("shipping", heard, ["ShipmentCancelled"]).is_empty());
}

/// Whose word is awaited for an order, from all that was written about it.
fn awaited_of(map: &Map, view: &View, order: &str) -> Vec<&'static str> {
    let kinds: BTreeSet<&str> = view.records().filter(|r| r.key == order).map(|r| r.kind).collect();
    map.services().filter(|service| !map.awaited(service, &kinds, &kinds).is_empty()).collect()
}

/// What waits for nobody has ended, and nobody is awaited who never speaks: that is what makes the
/// map fit to tell what an order waits for. It holds where the map was learned, and also where
/// orders compete.
#[test]
fn an_order_waits_for_someone_until_nothing_more_happens() {
    let map = choreography::map();
    let waits = |view: &View| awaited_of(&map, view, "order-1");
    let until_it_ends = |view: &View| {
        let wrote = |topic, kinds: &[&str]| view.log(topic, "order-1").any(|r| kinds.contains(&r.kind));
        let placed = wrote(topics::ORDERS_COMMANDS, &["PlaceOrder"]);
        let ended = wrote(topics::ORDERS, &["OrderCompleted", "OrderCancelled"]);
        let fine = !placed || ended || !waits(view).is_empty();
        if fine { Ok(()) } else { Err("it waits for nobody".to_owned()) }
    };
    let not_in_vain = |view: &View| {
        let awaited = waits(view);
        if awaited.is_empty() { Ok(()) } else { Err(format!("it waits for {awaited:?} in vain")) }
    };
    let outcomes = scenarios::outcomes().into_iter().filter(|s| s.unusable.is_none());
    let outcomes = outcomes.flat_map(|s| [s.clone(), s.with_cancellation()]);
    let competing = scenarios::competing().into_iter().map(Scenario::patient);
    for scenario in outcomes.chain(competing) {
        let explorer = scenario.explorer(services(&Settings::default())).without_repeats();
        let report = explorer.always(until_it_ends).at_rest(not_in_vain).explore();
        assert_eq!(report.verdict, Verdict::Holds, "{}: {report}", scenario.name);
    }
}

#[test]
fn the_readme_shows_the_picture() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(&readme).expect("the README lies at the root of the repository");
    let before = text.split_once("```mermaid\n").map(|(before, _)| before.len() + "```mermaid\n".len());
    let start = before.expect("the README has a picture");
    let end = start + text[start..].find("```").expect("the picture ends");
    let picture = choreography::map().mermaid();
    if env::var_os("UPDATE_GOLDEN").is_some() {
        let updated = format!("{}{picture}{}", &text[..start], &text[end..]);
        fs::write(&readme, updated).expect("the README can be written");
    } else {
        assert!(text[start..end] == picture, "the README's picture is old: run with UPDATE_GOLDEN=1");
    }
}
