//! Where an order stands, whatever the order in which its events arrive.

use serde_json::json;

use super::kit::{BEGIN_MS, Chance, Kit, PLACED, completed, event, out_of_stock, said, story};
use crate::{Batch, DEAD_LETTER, Event, Filter, Status, Summary, Timeline};

/// All that is shown of an order, without its name.
fn shown(kit: &Kit, order: &str) -> (Timeline, Option<Summary>) {
    let text = |text: &str| text.replace(order, "order");
    let mut timeline = kit.timeline(order);
    timeline.order_id = text(&timeline.order_id);
    for entry in &mut timeline.events {
        entry.causes.iter_mut().for_each(|cause| *cause = text(cause));
        let event = &mut entry.event;
        event.id = text(&event.id);
        event.cause = event.cause.as_deref().map(text);
        event.order = text(&event.order);
        event.data["order_id"] = "order".into();
    }
    let all = kit.list(&Filter { limit: usize::MAX, ..Filter::default() });
    let summary = all.into_iter().find(|summary| summary.order_id == order);
    (timeline, summary.map(|summary| Summary { order_id: "order".to_owned(), ..summary }))
}

/// Adds the events in this order, cut into batches, and some of them once more.
fn add_in_pieces(kit: &mut Kit, events: &[Event], chance: &mut Chance) {
    let mut rest = events;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(1 + chance.below(rest.len()));
        assert_eq!(kit.add(batch), batch.len());
        let known = events.len() - after.len();
        assert_eq!(
            kit.add(&[events[chance.below(known)].clone(), batch[0].clone()]),
            0,
            "a repeat adds nothing"
        );
        rest = after;
    }
}

#[test]
fn the_order_of_arrival_and_repeats_make_no_difference() {
    let cancelled_late = [
        ("CancelOrder", ""),
        ("OrderCancellationRequested", "CancelOrder"),
        ("PaymentVoided", "OrderCancellationRequested"),
        ("StockReleased", "OrderCancellationRequested"),
        ("ShipmentCancelled", "OrderCancellationRequested"),
        ("OrderCancelled", "ShipmentCancelled"),
    ];
    let cancelled = |order: &str| story(order, &[&PLACED[..], &cancelled_late[..]].concat());
    let under_way = |order: &str| cancelled(order)[..8].to_vec();
    let mut chance = Chance::new(1);
    for tell in [&completed as &dyn Fn(&str) -> Vec<Event>, &out_of_stock, &cancelled, &under_way] {
        let mut kit = Kit::new();
        kit.add(&tell("in-order"));
        let expected = shown(&kit, "in-order");
        assert_eq!(
            expected.0.events.iter().map(|e| &e.event.kind).collect::<Vec<_>>(),
            tell("in-order").iter().map(|e| &e.kind).collect::<Vec<_>>()
        );
        for i in 0..100 {
            let order = format!("shuffled-{i}");
            let mut events = tell(&order);
            chance.shuffle(&mut events);
            add_in_pieces(&mut kit, &events, &mut chance);
            assert_eq!(shown(&kit, &order), expected, "{events:?}");
        }
    }
}

#[test]
fn every_permutation_of_what_decides_the_status_gives_the_same() {
    let kinds = ["PlaceOrder", "OrderPlaced", "OrderCancellationRequested", "OrderCancelled", DEAD_LETTER];
    let mut kit = Kit::new();
    for (i, permutation) in permutations(&kinds).into_iter().enumerate() {
        let order = format!("order-{i}");
        for kind in permutation {
            kit.add(&[event(&order, kind, "", kinds.iter().position(|k| *k == kind).unwrap() as i64)]);
        }
        let (timeline, summary) = shown(&kit, &order);
        let summary = summary.unwrap();
        assert_eq!(timeline.events.len(), kinds.len());
        assert_eq!(summary.reason.as_deref(), Some("out_of_stock"));
        assert_eq!((summary.status, summary.placed_ms), (Status::Cancelled, BEGIN_MS + 1000));
        assert_eq!((summary.total, summary.updated_ms), (Some(4998), BEGIN_MS + 4000));
    }
}

fn permutations<'a>(things: &[&'a str]) -> Vec<Vec<&'a str>> {
    let [first, rest @ ..] = things else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for place in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(place, first);
            all.push(longer);
        }
    }
    all
}

#[test]
fn the_status_follows_the_story() {
    let mut kit = Kit::new();
    let statuses: Vec<&str> = completed("o")
        .iter()
        .map(|event| {
            kit.add(std::slice::from_ref(event));
            kit.timeline("o").status.name()
        })
        .collect();
    let mut expected = vec!["accepted", "placed", "placed", "placed", "placed"];
    expected.extend(["confirmed", "confirmed", "confirmed", "confirmed", "completed", "completed"]);
    assert_eq!(statuses, expected);
}

#[test]
fn what_only_place_order_says_is_shown_until_order_placed_says_it() {
    let mut kit = Kit::new();
    let mut command = event("o", "PlaceOrder", "", 0);
    kit.add(&[command.clone()]);
    let (_, summary) = shown(&kit, "o");
    let summary = summary.unwrap();
    assert_eq!(
        serde_json::to_value(Summary { waiting_for: Vec::new(), ..summary }).unwrap(),
        json!({"order_id": "order", "status": "accepted", "customer_id": "ada", "total": 4998, "currency": "EUR",
            "placed_at": "2026-11-21T10:00:00.000Z", "updated_at": "2026-11-21T10:00:00.000Z", "waiting_for": []})
    );
    // Another content under the same id: what was there first counts, then what the service says.
    command.id = "another".to_owned();
    command.time_ms += 1;
    command.data["customer_id"] = "bob".into();
    kit.add(&[command.clone()]);
    assert_eq!(shown(&kit, "o").1.unwrap().customer_id.as_deref(), Some("ada"));
    let mut placed = event("o", "OrderPlaced", "PlaceOrder", 1);
    placed.data["customer_id"] = "eve".into();
    kit.add(&[placed]);
    command.id = "a third".to_owned();
    kit.add(&[command]);
    let summary = shown(&kit, "o").1.unwrap();
    assert_eq!((summary.customer_id.as_deref(), summary.placed_ms), (Some("eve"), BEGIN_MS + 1000));
}

#[test]
fn a_command_that_makes_no_sense_is_shown_as_far_as_it_does() {
    let mut kit = Kit::new();
    for (order, data) in [
        ("none", json!(null)),
        ("text", json!("order")),
        ("numbers", json!({"customer_id": 7, "currency": [], "items": {"sku": 1}})),
        ("too-much", json!({"items": [{"sku": "tea", "quantity": 2, "unit_price": i64::MAX}]})),
    ] {
        kit.add(&[Event { data: data.clone(), ..event(order, "PlaceOrder", "", 0) }]);
        let summary = kit.list(&Filter { limit: 1, ..Filter::default() }).remove(0);
        assert_eq!((summary.order_id.as_str(), summary.status), (order, Status::Accepted));
        assert_eq!((summary.customer_id, summary.total, summary.currency), (None, None, None));
        assert_eq!(kit.timeline(order).events[0].event.data, data);
    }
}

#[test]
fn fields_are_read_however_they_are_written() {
    let mut kit = Kit::new();
    let mut said = said(&[event("o", "OrderPlaced", "", 0), event("o", "OrderCancelled", "", 1)]);
    said[0].data = r#" {"customer_\u0069d": "\u0061da", "total": 1, "total" : 2, "currency":null}"#.into();
    said[1].data = r#"{ "reason": "out_of\u005fstock" }"#.into();
    kit.store.add(&Batch { events: said, ..Batch::default() }).unwrap();
    let summary = shown(&kit, "o").1.unwrap();
    assert_eq!(
        (summary.customer_id.as_deref(), summary.total, summary.currency),
        (Some("ada"), Some(2), None)
    );
    assert_eq!(summary.reason.as_deref(), Some("out_of_stock"));
}

#[test]
fn an_order_that_nobody_placed_has_a_timeline_and_is_not_listed() {
    let mut kit = Kit::new();
    kit.add(&story("o", &[(DEAD_LETTER, ""), ("CancelOrder", ""), ("PaymentVoided", "")]));
    assert_eq!((kit.timeline("o").status, kit.timeline("o").events.len()), (Status::Unknown, 3));
    for status in [None, Some(Status::Unknown), Some(Status::Accepted), Some(Status::Cancelled)] {
        for stuck_for_ms in [None, Some(0)] {
            assert_eq!(kit.list(&Filter { status, stuck_for_ms, ..Filter::default() }), []);
        }
    }
    assert_eq!(kit.view.timeline("p", BEGIN_MS).unwrap(), None);
}

#[test]
fn an_ending_alone_is_listed_as_of_when_it_was_heard_of_first() {
    let mut kit = Kit::new();
    kit.add(&[event("o", "NotificationSent", "", 9), event("o", "OrderCompleted", "", 8)]);
    let summary = shown(&kit, "o").1.unwrap();
    assert_eq!((summary.status, summary.placed_ms), (Status::Completed, BEGIN_MS + 8000));
    assert_eq!((summary.customer_id, summary.reason), (None, None));
}

#[test]
fn the_list_has_the_newest_first_and_what_passes_the_filter() {
    let mut kit = Kit::new();
    let later = |events: Vec<Event>, ms: i64| -> Vec<Event> {
        events.into_iter().map(|e| Event { time_ms: e.time_ms + ms, ..e }).collect()
    };
    kit.add(&later(story("placed", &PLACED[..3]), 10));
    kit.add(&later(completed("completed"), 40));
    kit.add(&later(out_of_stock("cancelled"), 30));
    kit.add(&later(story("accepted", &PLACED[..1]), 1050));
    kit.add(&later(story("placed-lately", &PLACED[..2]), 20));
    let list = |status, stuck_for_ms, limit| {
        kit.listed(&Filter { status, stuck_for_ms, limit, ..Filter::default() })
    };
    let all = ["accepted", "completed", "cancelled", "placed-lately", "placed"];
    assert_eq!(list(None, None, 100), all);
    assert_eq!(list(None, None, 2), all[..2]);
    assert_eq!(list(Some(Status::Completed), None, 100), ["completed"]);
    assert_eq!(list(Some(Status::Cancelled), None, 100), ["cancelled"]);
    assert_eq!(list(Some(Status::Placed), None, 100), ["placed-lately", "placed"]);
    assert_eq!(list(Some(Status::Placed), None, 1), ["placed-lately"]);
    assert_eq!(list(Some(Status::Accepted), None, 100), ["accepted"]);
    assert_eq!(list(None, Some(0), 100), ["accepted", "placed-lately", "placed"]);
    assert_eq!(list(Some(Status::Completed), Some(0), 100), [""; 0]);
    // The last thing that happened to 'placed' is two seconds and 10 ms after the beginning.
    let hour = 3_600_000;
    assert_eq!(list(None, Some(hour - 2010), 100), ["accepted", "placed-lately", "placed"]);
    assert_eq!(list(None, Some(hour - 2009), 100), ["accepted", "placed-lately"]);
    assert_eq!(list(Some(Status::Placed), Some(hour - 2009), 100), ["placed-lately"]);
    assert_eq!(list(None, Some(i64::MAX), 100), [""; 0]);
}

#[test]
fn a_status_is_named_as_the_contract_names_it() {
    for status in Status::ALL {
        assert_eq!(serde_json::to_value(status).unwrap(), status.to_string());
        assert_eq!(status.name().parse().ok(), Some(status).filter(|s| *s != Status::Unknown));
        assert_eq!(Status::ALL[status as usize], status, "its place is its number");
    }
    assert_eq!(
        "Placed".parse::<Status>().unwrap_err(),
        "'Placed' is not a status, which is one of accepted, placed, cancelling, confirmed, cancelled, completed"
    );
}
