use std::time::Duration;

use contract::{
    CancelReason::{DeadlineExceeded, OutOfStock, PaymentDeclined as Declined, ShipmentRefused as Refused},
    CancellationRejectReason::{AlreadyConfirmed, AlreadyEnded, UnknownOrder},
    *,
};
use saga::{
    Said, Timer,
    testing::{Given, given},
};

use super::{Order, State, Status};

const ORDER: &str = "order-42";
const DEADLINE: Duration = Duration::from_secs(60);

// What the order service hears.

fn place_order() -> PlaceOrder {
    PlaceOrder {
        order_id: id(ORDER),
        customer_id: id("ada"),
        currency: "EUR".try_into().unwrap(),
        items: vec![item("tea", 2, 2499), item("cup", 1, 1)],
        destination: Destination {
            country: "DE".try_into().unwrap(),
            postal_code: None,
            city: None,
            line1: None,
        },
    }
}

fn cancel_order() -> CancelOrder {
    CancelOrder { order_id: id(ORDER), reason: None }
}

fn shipment_scheduled() -> Said {
    let destination = place_order().destination;
    ShipmentScheduled { order_id: id(ORDER), shipment_id: id("s"), destination }.into()
}

fn payment_declined() -> Said {
    PaymentDeclined { order_id: id(ORDER), reason: DeclineReason::InsufficientFunds }.into()
}

fn stock_rejected() -> Said {
    StockRejected { order_id: id(ORDER), reason: RejectReason::UnknownSku, shortages: Vec::new() }.into()
}

fn shipment_refused() -> Said {
    ShipmentRefused { order_id: id(ORDER), reason: RefuseReason::DestinationNotServed }.into()
}

fn payment_voided() -> Said {
    let (payment_id, currency) = (Some(id("p")), Some(place_order().currency));
    PaymentVoided { order_id: id(ORDER), payment_id, amount: 4999, currency }.into()
}

fn stock_released() -> Said {
    let items = vec![Line { sku: id("tea"), quantity: 2.try_into().unwrap() }];
    StockReleased { order_id: id(ORDER), reservation_id: Some(id("r")), items }.into()
}

fn shipment_cancelled() -> Said {
    let destination = Some(place_order().destination);
    ShipmentCancelled { order_id: id(ORDER), shipment_id: Some(id("s")), destination }.into()
}

fn no_payment_to_void() -> Said {
    PaymentVoided { order_id: id(ORDER), payment_id: None, amount: 0, currency: None }.into()
}

fn no_stock_to_release() -> Said {
    StockReleased { order_id: id(ORDER), reservation_id: None, items: Vec::new() }.into()
}

fn no_shipment_to_cancel() -> Said {
    ShipmentCancelled { order_id: id(ORDER), shipment_id: None, destination: None }.into()
}

fn payment_captured() -> Said {
    let PlaceOrder { order_id, currency, .. } = place_order();
    PaymentCaptured { order_id, payment_id: id("p"), amount: 4999.try_into().unwrap(), currency }.into()
}

fn stock_committed() -> Said {
    StockCommitted { order_id: id(ORDER), reservation_id: id("r"), items: Vec::new() }.into()
}

fn shipment_dispatched() -> Said {
    ShipmentDispatched { order_id: id(ORDER), shipment_id: id("s"), tracking_number: id("t") }.into()
}

fn all_failures() -> [Said; 3] {
    [payment_declined(), stock_rejected(), shipment_refused()]
}

fn all_answers() -> [Said; 3] {
    [payment_voided(), stock_released(), shipment_cancelled()]
}

fn all_closings() -> [Said; 3] {
    [payment_captured(), stock_committed(), shipment_dispatched()]
}

/// Everything that other services say to it.
fn all_progress() -> Vec<Said> {
    [vec![shipment_scheduled()], all_failures().into(), all_answers().into(), all_closings().into()].concat()
}

/// Three messages in each of their orders.
fn in_any_order([a, b, c]: [Said; 3]) -> [[Said; 3]; 6] {
    let (a, b, c) = (|| a.clone(), || b.clone(), || c.clone());
    [[a(), b(), c()], [a(), c(), b()], [b(), a(), c()], [b(), c(), a()], [c(), a(), b()], [c(), b(), a()]]
}

// What the order service says.

fn placed() -> Said {
    let PlaceOrder { order_id, customer_id, currency, items, destination } = place_order();
    let total = 4999.try_into().unwrap();
    OrderPlaced { order_id, customer_id, currency, items, destination, total }.into()
}

fn requested(reason: CancellationRequestReason) -> Said {
    OrderCancellationRequested { order_id: id(ORDER), reason, detail: None }.into()
}

fn rejected(reason: CancellationRejectReason) -> Said {
    OrderCancellationRejected { order_id: id(ORDER), reason }.into()
}

fn confirmed() -> Said {
    OrderConfirmed { order_id: id(ORDER) }.into()
}

fn completed() -> Said {
    OrderCompleted { order_id: id(ORDER) }.into()
}

fn cancelled(reason: CancelReason, compensated: &[&str]) -> Said {
    let compensated = compensated.iter().map(|answer| (*answer).to_owned()).collect();
    OrderCancelled { order_id: id(ORDER), reason, compensated }.into()
}

const AT_REQUEST: CancelReason = CancelReason::CustomerRequest;
const BY_CUSTOMER: CancellationRequestReason = CancellationRequestReason::CustomerRequest;
const BY_DEADLINE: CancellationRequestReason = CancellationRequestReason::DeadlineExceeded;
const EVERYTHING: [&str; 3] = ["PaymentVoided", "StockReleased", "ShipmentCancelled"];

fn id(text: &str) -> Id {
    text.try_into().unwrap()
}

fn item(sku: &str, quantity: i64, unit_price: i64) -> Item {
    Item { sku: id(sku), quantity: quantity.try_into().unwrap(), unit_price: unit_price.try_into().unwrap() }
}

// Where an order may stand.

fn unknown() -> Given {
    given(Order { deadline: DEADLINE })
}

fn a_placed_order() -> Given {
    unknown().heard(place_order())
}

fn a_cancelling_order() -> Given {
    a_placed_order().when_with_id("c-1", cancel_order()).then([requested(BY_CUSTOMER)])
}

fn a_confirmed_order() -> Given {
    a_placed_order().heard(shipment_scheduled())
}

fn a_completed_order() -> Given {
    a_confirmed_order().heard_all(all_closings())
}

fn a_cancelled_order() -> Given {
    a_cancelling_order().heard_all(all_answers())
}

/// One in each status, but unknown.
fn each_known_order() -> [Given; 5] {
    [a_placed_order(), a_cancelling_order(), a_confirmed_order(), a_completed_order(), a_cancelled_order()]
}

// PlaceOrder.

#[test]
fn place_order_places_it_and_starts_the_deadline() {
    unknown().when(place_order()).then([placed()]).and_timer(ORDER, Timer::Start(DEADLINE));
}

#[test]
fn the_same_place_order_again_does_nothing_wherever_the_order_stands() {
    for order in each_known_order() {
        order.silent_on([place_order().into()]);
    }
}

#[test]
fn another_place_order_with_the_same_id_is_refused_wherever_the_order_stands() {
    let other = || PlaceOrder { items: vec![item("tea", 3, 2499), item("cup", 1, 1)], ..place_order() };
    for order in each_known_order() {
        order
            .when(other())
            .then_refused("'order-42' was placed with other content")
            .silent_on([place_order().into()]);
    }
}

#[test]
fn any_difference_is_other_content() {
    let at = |city: Option<&str>| Destination { city: city.map(str::to_owned), ..place_order().destination };
    for other in [
        PlaceOrder { customer_id: id("bob"), ..place_order() },
        PlaceOrder { currency: "USD".try_into().unwrap(), ..place_order() },
        PlaceOrder { items: vec![item("tea", 2, 2499)], ..place_order() },
        PlaceOrder { items: vec![item("tea", 2, 2498), item("cup", 1, 3)], ..place_order() },
        PlaceOrder { destination: at(Some("Bonn")), ..place_order() },
    ] {
        a_placed_order().when(other).then_refused("other content");
    }
}

#[test]
fn an_order_whose_total_leaves_63_bits_is_refused() {
    let items = vec![item("tea", 2, i64::MAX / 2 + 1)];
    unknown().when(PlaceOrder { items, ..place_order() }).then_refused("63 bits").and_ended(ORDER, false);
}

// ShipmentScheduled: the pivot. All three closings: completed.

#[test]
fn shipment_scheduled_confirms_the_order_and_ends_the_deadline() {
    a_placed_order()
        .when(shipment_scheduled())
        .then([confirmed()])
        .and_timer(ORDER, Timer::Cancel)
        .silent_on([shipment_scheduled()]);
}

#[test]
fn only_all_three_closings_in_any_order_complete_it() {
    for [first, second, third] in in_any_order(all_closings()) {
        a_confirmed_order()
            .silent_on([first.clone(), first, second.clone(), second])
            .when(third.clone())
            .then([completed()])
            .silent_on([third]);
    }
}

#[test]
fn closings_heard_before_the_pivot_count() {
    a_placed_order()
        .heard_all([payment_captured(), stock_committed()])
        .when(shipment_scheduled())
        .then([confirmed()])
        .when(shipment_dispatched())
        .then([completed()]);
    a_placed_order()
        .heard_all(all_closings())
        .when(shipment_scheduled())
        .then([confirmed(), completed()])
        .and_timer(ORDER, Timer::Cancel);
}

#[test]
fn all_that_was_heard_before_place_order_counts() {
    unknown()
        .heard(shipment_scheduled())
        .when(place_order())
        .then([placed(), confirmed()])
        .and_timer(ORDER, Timer::Keep);
    unknown()
        .heard_all(all_closings())
        .heard(shipment_scheduled())
        .when(place_order())
        .then([placed(), confirmed(), completed()])
        .and_timer(ORDER, Timer::Keep);
}

#[test]
fn failures_after_the_pivot_change_nothing() {
    let order = a_confirmed_order().silent_on(all_failures()).silent_on(all_answers());
    order.heard_all([payment_captured(), stock_committed()]).when(shipment_dispatched()).then([completed()]);
}

// PaymentDeclined, StockRejected, ShipmentRefused: cancelled, once the others have answered.

#[test]
fn payment_declined_cancels_it_at_once() {
    a_placed_order()
        .when(payment_declined())
        .then([cancelled(Declined, &[])])
        .and_timer(ORDER, Timer::Cancel);
}

#[test]
fn stock_rejected_cancels_it_with_payment_voided() {
    a_placed_order()
        .silent_on([stock_rejected(), stock_rejected()])
        .when(payment_voided())
        .then([cancelled(OutOfStock, &["PaymentVoided"])])
        .and_timer(ORDER, Timer::Cancel);
}

#[test]
fn shipment_refused_cancels_it_with_both_payment_voided_and_stock_released() {
    let both = ["PaymentVoided", "StockReleased"];
    a_placed_order()
        .silent_on([shipment_refused(), payment_voided(), payment_voided()])
        .when(stock_released())
        .then([cancelled(Refused, &both)])
        .and_timer(ORDER, Timer::Cancel);
    a_placed_order()
        .silent_on([shipment_refused(), stock_released(), stock_released()])
        .when(payment_voided())
        .then([cancelled(Refused, &both)]);
}

#[test]
fn answers_heard_before_the_failure_that_explains_them_count() {
    a_placed_order()
        .silent_on([payment_voided()])
        .when(stock_rejected())
        .then([cancelled(OutOfStock, &["PaymentVoided"])]);
    for [first, second, third] in in_any_order([payment_voided(), stock_released(), shipment_refused()]) {
        a_placed_order()
            .silent_on([first, second])
            .when(third)
            .then([cancelled(Refused, &["PaymentVoided", "StockReleased"])]);
    }
}

#[test]
fn failures_and_answers_heard_before_place_order_count() {
    unknown()
        .heard(payment_declined())
        .when(place_order())
        .then([placed(), cancelled(Declined, &[])])
        .and_timer(ORDER, Timer::Keep);
    unknown()
        .heard_all([payment_voided(), stock_rejected()])
        .when(place_order())
        .then([placed(), cancelled(OutOfStock, &["PaymentVoided"])]);
    unknown()
        .heard_all([shipment_refused(), payment_voided()])
        .when(place_order())
        .then([placed()])
        .and_timer(ORDER, Timer::Start(DEADLINE))
        .when(stock_released())
        .then([cancelled(Refused, &["PaymentVoided", "StockReleased"])]);
}

#[test]
fn the_reason_is_the_first_that_was_heard() {
    a_placed_order()
        .heard_all([stock_rejected(), shipment_refused()])
        .when(payment_voided())
        .then([cancelled(OutOfStock, &["PaymentVoided"])]);
    unknown()
        .heard_all([shipment_refused(), payment_declined()])
        .when(place_order())
        .then([placed(), cancelled(Refused, &[])]);
}

#[test]
fn nothing_is_said_of_an_order_that_nobody_has_placed() {
    unknown().silent_on(all_progress());
}

#[test]
fn a_failed_order_is_not_confirmed() {
    a_placed_order().heard(stock_rejected()).silent_on([shipment_scheduled()]);
}

#[test]
fn compensated_names_only_the_answers_that_undid_something() {
    a_placed_order().heard(stock_rejected()).when(no_payment_to_void()).then([cancelled(OutOfStock, &[])]);
    a_placed_order()
        .heard(shipment_refused())
        .heard(no_payment_to_void())
        .when(stock_released())
        .then([cancelled(Refused, &["StockReleased"])]);
    a_cancelling_order()
        .heard_all([payment_voided(), no_stock_to_release()])
        .when(no_shipment_to_cancel())
        .then([cancelled(AT_REQUEST, &["PaymentVoided"])]);
    a_cancelling_order()
        .heard_all([no_payment_to_void(), no_stock_to_release()])
        .when(shipment_cancelled())
        .then([cancelled(AT_REQUEST, &["ShipmentCancelled"])]);
    a_cancelling_order()
        .heard_all([no_payment_to_void(), no_stock_to_release()])
        .when(no_shipment_to_cancel())
        .then([cancelled(AT_REQUEST, &[])]);
}

#[test]
fn a_service_answers_once_so_what_it_said_first_counts() {
    a_cancelling_order()
        .heard_all([payment_voided(), no_payment_to_void()])
        .silent_on([no_stock_to_release(), stock_released()])
        .when(no_shipment_to_cancel())
        .then([cancelled(AT_REQUEST, &["PaymentVoided"])]);
}

// CancelOrder.

#[test]
fn cancel_order_requests_the_cancellation_of_a_placed_order_and_ends_the_deadline() {
    a_placed_order()
        .when(cancel_order())
        .then([requested(BY_CUSTOMER)])
        .and_timer(ORDER, Timer::Cancel)
        .when_timer(ORDER)
        .then_nothing();
}

#[test]
fn what_the_customer_says_is_the_detail() {
    let detail = Some("found it cheaper".to_owned());
    a_placed_order()
        .when(CancelOrder { reason: detail.clone(), ..cancel_order() })
        .then([OrderCancellationRequested { order_id: id(ORDER), reason: BY_CUSTOMER, detail }.into()]);
}

#[test]
fn only_all_three_answers_in_any_order_end_a_requested_cancellation() {
    for [first, second, third] in in_any_order(all_answers()) {
        a_cancelling_order()
            .silent_on([first.clone(), first, second.clone(), second])
            .when(third)
            .then([cancelled(AT_REQUEST, &EVERYTHING)]);
    }
}

#[test]
fn no_failure_ends_a_requested_cancellation_nor_becomes_its_reason() {
    for failure in all_failures() {
        a_cancelling_order()
            .silent_on([failure, payment_voided(), stock_released()])
            .when(no_shipment_to_cancel())
            .then([cancelled(AT_REQUEST, &["PaymentVoided", "StockReleased"])]);
    }
}

#[test]
fn a_shipment_that_is_scheduled_too_late_does_not_confirm_it() {
    a_cancelling_order()
        .silent_on([shipment_scheduled(), payment_voided(), stock_released()])
        .when(shipment_cancelled())
        .then([cancelled(AT_REQUEST, &EVERYTHING)]);
}

#[test]
fn a_cancellation_while_a_failure_is_being_undone_waits_for_all_three_and_keeps_the_first_reason() {
    a_placed_order()
        .heard(stock_rejected())
        .when(cancel_order())
        .then([requested(BY_CUSTOMER)])
        .silent_on([payment_voided(), no_stock_to_release()])
        .when(no_shipment_to_cancel())
        .then([cancelled(OutOfStock, &["PaymentVoided"])]);
}

#[test]
fn answers_heard_before_the_cancellation_count_for_it() {
    a_placed_order()
        .heard_all([shipment_refused(), payment_voided()])
        .when(cancel_order())
        .then([requested(BY_CUSTOMER)])
        .silent_on([stock_released()])
        .when(no_shipment_to_cancel())
        .then([cancelled(Refused, &["PaymentVoided", "StockReleased"])]);
    a_placed_order()
        .heard_all(all_answers())
        .when(cancel_order())
        .then([requested(BY_CUSTOMER), cancelled(AT_REQUEST, &EVERYTHING)])
        .and_timer(ORDER, Timer::Cancel);
}

#[test]
fn another_cancel_order_while_it_is_cancelling_does_nothing() {
    a_cancelling_order().when_with_id("c-2", cancel_order()).then_nothing();
    a_placed_order()
        .when_timer(ORDER)
        .then([requested(BY_DEADLINE)])
        .when_with_id("c-1", cancel_order())
        .then_nothing();
}

#[test]
fn cancel_order_is_rejected_when_the_order_is_unknown_confirmed_or_ended() {
    for (order, reason) in [
        (unknown(), UnknownOrder),
        (a_confirmed_order(), AlreadyConfirmed),
        (a_completed_order(), AlreadyEnded),
        (a_cancelled_order(), AlreadyEnded),
        (a_placed_order().heard(payment_declined()), AlreadyEnded),
    ] {
        order
            .when_with_id("c-2", cancel_order())
            .then([rejected(reason)])
            .when_with_id("c-2", cancel_order())
            .then_nothing()
            .when_with_id("c-3", cancel_order())
            .then([rejected(reason)]);
    }
}

#[test]
fn an_order_is_unknown_until_it_is_placed_whatever_else_was_heard_of_it() {
    unknown().heard_all(all_progress()).when(cancel_order()).then([rejected(UnknownOrder)]);
}

#[test]
fn a_cancel_order_that_was_rejected_does_nothing_when_the_order_is_placed_later() {
    unknown()
        .when_with_id("c-1", cancel_order())
        .then([rejected(UnknownOrder)])
        .when(place_order())
        .then([placed()])
        .and_timer(ORDER, Timer::Start(DEADLINE))
        .when_with_id("c-1", cancel_order())
        .then_nothing()
        .when_with_id("c-2", cancel_order())
        .then([requested(BY_CUSTOMER)]);
}

#[test]
fn the_cancel_order_that_was_accepted_does_nothing_again_also_after_the_end() {
    let order = a_cancelling_order().when_with_id("c-1", cancel_order()).then_nothing();
    order.heard_all(all_answers()).when_with_id("c-1", cancel_order()).then_nothing();
}

#[test]
fn a_cancel_order_that_was_of_no_consequence_is_not_answered_after_the_end_either() {
    let order = a_cancelling_order().when_with_id("c-2", cancel_order()).then_nothing();
    order.heard_all(all_answers()).when_with_id("c-2", cancel_order()).then_nothing();
}

#[test]
fn a_cancel_order_that_was_rejected_does_nothing_again_when_more_has_happened() {
    let order = a_confirmed_order().when_with_id("c-1", cancel_order()).then([rejected(AlreadyConfirmed)]);
    order.heard_all(all_closings()).when_with_id("c-1", cancel_order()).then_nothing();
}

#[test]
fn a_rejected_cancellation_does_not_stop_the_order() {
    let order = a_confirmed_order().when(cancel_order()).then([rejected(AlreadyConfirmed)]);
    order.heard_all([payment_captured(), stock_committed()]).when(shipment_dispatched()).then([completed()]);
}

#[test]
fn the_101st_cancellation_of_an_order_is_refused() {
    let hundred = (1..=100).fold(unknown(), |order, n| {
        order.when_with_id(&format!("c-{n}"), cancel_order()).then([rejected(UnknownOrder)])
    });
    hundred
        .when_with_id("c-101", cancel_order())
        .then_refused("'order-42' has 100 cancellations already")
        .when_with_id("c-1", cancel_order())
        .then_nothing();
}

// The deadline.

#[test]
fn the_deadline_requests_the_cancellation_of_a_placed_order() {
    a_placed_order()
        .when_timer(ORDER)
        .then([requested(BY_DEADLINE)])
        .silent_on([payment_voided(), stock_released()])
        .when(shipment_cancelled())
        .then([cancelled(DeadlineExceeded, &EVERYTHING)]);
}

#[test]
fn the_deadline_while_a_failure_is_being_undone_requests_it_too_and_keeps_the_first_reason() {
    a_placed_order()
        .heard(shipment_refused())
        .and_timer(ORDER, Timer::Start(DEADLINE))
        .when_timer(ORDER)
        .then([requested(BY_DEADLINE)])
        .silent_on([payment_voided(), stock_released()])
        .when(no_shipment_to_cancel())
        .then([cancelled(Refused, &["PaymentVoided", "StockReleased"])]);
}

#[test]
fn the_deadline_does_nothing_in_any_other_status() {
    for order in
        [unknown(), a_cancelling_order(), a_confirmed_order(), a_completed_order(), a_cancelled_order()]
    {
        order.when_timer(ORDER).then_nothing();
    }
}

#[test]
fn the_deadline_fires_once() {
    a_placed_order().when_timer(ORDER).then([requested(BY_DEADLINE)]).when_timer(ORDER).then_nothing();
}

// What people are shown of an order.

#[test]
fn the_status_says_where_the_order_stands() {
    let statuses = each_known_order().map(|order| order.state::<State>(ORDER).status);
    let [placed, cancelling, confirmed, completed, cancelled] = statuses;
    assert_eq!((placed, cancelling, cancelled), (Status::Placed, Status::Cancelling, Status::Cancelled));
    assert_eq!((confirmed, completed), (Status::Confirmed, Status::Completed));
    // A failure that is being undone is no status of its own.
    assert_eq!(a_placed_order().heard(stock_rejected()).state::<State>(ORDER).status, Status::Placed);
}

#[test]
fn the_reason_is_shown_from_when_it_is_heard_but_never_for_an_order_behind_the_pivot() {
    let reason = |order: Given| order.state::<State>(ORDER).reason;
    assert_eq!(reason(a_placed_order()), None);
    assert_eq!(reason(a_placed_order().heard(stock_rejected())), Some(OutOfStock));
    assert_eq!(reason(a_cancelling_order()), Some(AT_REQUEST));
    assert_eq!(reason(a_confirmed_order().heard_all(all_failures())), None);
    assert_eq!(reason(a_completed_order().heard_all(all_failures())), None);
}

// The end.

#[test]
fn nothing_that_comes_after_the_end_does_anything() {
    for order in [
        a_completed_order(),
        a_cancelled_order(),
        a_placed_order().heard(payment_declined()),
        a_placed_order().heard_all([stock_rejected(), payment_voided()]),
        a_placed_order().heard_all([shipment_refused(), payment_voided(), stock_released()]),
    ] {
        order.silent_on(all_progress()).when_timer(ORDER).then_nothing().and_ended(ORDER, true);
    }
}

#[test]
fn an_order_has_ended_when_it_is_completed_or_cancelled() {
    a_placed_order().and_ended(ORDER, false);
    a_placed_order().heard(stock_rejected()).and_ended(ORDER, false);
    a_cancelling_order().and_ended(ORDER, false);
    a_confirmed_order().and_ended(ORDER, false);
    a_completed_order().and_ended(ORDER, true);
    a_cancelled_order().and_ended(ORDER, true);
}

#[test]
fn an_order_that_was_not_placed_waits_for_it_only_if_other_services_know_of_it() {
    unknown().heard(cancel_order()).and_ended(ORDER, true);
    unknown().heard(payment_declined()).and_ended(ORDER, false);
    unknown().heard(cancel_order()).heard(payment_declined()).and_ended(ORDER, false);
}
