use contract::*;
use saga::{
    Said,
    testing::{Given, given},
};

use super::{Receipt, Reservation, Stock, service};

const ORDER: &str = "order-42";

/// A stock level: what was received, what is reserved, what is committed.
fn stock(received: i64, reserved: i64, committed: i64) -> Stock {
    Stock { received, reserved, committed }
}

// What inventory hears.

/// The order is for 2 tea and 3 cups.
fn order_placed() -> Said {
    order_placed_for(&[("tea", 2), ("cup", 3)])
}

fn order_placed_for(items: &[(&str, i64)]) -> Said {
    let unit_price = 1.try_into().unwrap();
    OrderPlaced {
        order_id: id(ORDER),
        customer_id: id("ada"),
        currency: eur(),
        items: lines(items)
            .into_iter()
            .map(|Line { sku, quantity }| Item { sku, quantity, unit_price })
            .collect(),
        destination: Destination {
            country: "DE".try_into().unwrap(),
            postal_code: None,
            city: None,
            line1: None,
        },
        total: 5.try_into().unwrap(),
    }
    .into()
}

fn payment_authorized() -> Said {
    let amount = 5.try_into().unwrap();
    PaymentAuthorized { order_id: id(ORDER), payment_id: id("p"), amount, currency: eur() }.into()
}

fn shipment_refused() -> Said {
    ShipmentRefused { order_id: id(ORDER), reason: RefuseReason::DestinationNotServed }.into()
}

fn cancellation_requested() -> Said {
    let reason = CancellationRequestReason::CustomerRequest;
    OrderCancellationRequested { order_id: id(ORDER), reason, detail: None }.into()
}

fn order_confirmed() -> Said {
    OrderConfirmed { order_id: id(ORDER) }.into()
}

fn order_cancelled() -> Said {
    let (reason, compensated) = (CancelReason::CustomerRequest, Vec::new());
    OrderCancelled { order_id: id(ORDER), reason, compensated }.into()
}

/// What asks inventory to undo, each with an answer.
fn each_reason_to_undo() -> [Said; 2] {
    [shipment_refused(), cancellation_requested()]
}

/// What ends an order that is not to be, each for itself.
fn each_way_to_close() -> [Said; 3] {
    [shipment_refused(), cancellation_requested(), order_cancelled()]
}

/// Every message that a reservation listens to.
fn everything() -> [Said; 6] {
    let [refused, requested] = each_reason_to_undo();
    [order_placed(), payment_authorized(), refused, requested, order_confirmed(), order_cancelled()]
}

// What inventory says.

fn reserved(items: &[(&str, i64)]) -> Said {
    StockReserved {
        order_id: id(ORDER),
        reservation_id: derived_id("reservation", ORDER),
        items: lines(items),
    }
    .into()
}

fn rejected(reason: RejectReason, shortages: &[(&str, i64, i64)]) -> Said {
    let shortages = shortages.iter().map(|&(sku, requested, available)| Shortage {
        sku: id(sku),
        requested: requested.try_into().unwrap(),
        available,
    });
    StockRejected { order_id: id(ORDER), reason, shortages: shortages.collect() }.into()
}

fn released() -> Said {
    let reservation_id = Some(derived_id("reservation", ORDER));
    StockReleased { order_id: id(ORDER), reservation_id, items: lines(&WANTED) }.into()
}

fn nothing_to_release() -> Said {
    StockReleased { order_id: id(ORDER), reservation_id: None, items: Vec::new() }.into()
}

fn committed() -> Said {
    let reservation_id = derived_id("reservation", ORDER);
    StockCommitted { order_id: id(ORDER), reservation_id, items: lines(&WANTED) }.into()
}

/// What the order is for, as inventory says it: one line for each SKU.
const WANTED: [(&str, i64); 2] = [("cup", 3), ("tea", 2)];

fn lines(items: &[(&str, i64)]) -> Vec<Line> {
    items.iter().map(|&(sku, n)| Line { sku: id(sku), quantity: n.try_into().unwrap() }).collect()
}

fn id(text: &str) -> Id {
    text.try_into().unwrap()
}

fn eur() -> Currency {
    "EUR".try_into().unwrap()
}

// Where a reservation may stand. There are 10 tea and 10 cups.

fn new() -> Given {
    given(Reservation).row("tea", &stock(10, 0, 0)).row("cup", &stock(10, 0, 0))
}

fn known() -> Given {
    new().heard(order_placed())
}

fn authorized() -> Given {
    new().heard(payment_authorized())
}

fn held() -> Given {
    known().heard(payment_authorized())
}

fn refused() -> Given {
    given(Reservation).heard(order_placed()).heard(payment_authorized())
}

fn left() -> Given {
    held().heard(order_confirmed())
}

// PaymentAuthorized, and OrderPlaced for the items: reserves every item or none.

#[test]
fn it_reserves_every_item_when_it_knows_them_and_the_payment_is_authorized() {
    new()
        .silent_on([order_placed()])
        .when(payment_authorized())
        .then([reserved(&WANTED)])
        .and_row("tea", &stock(10, 2, 0))
        .and_row("cup", &stock(10, 3, 0));
}

#[test]
fn payment_authorized_may_come_before_order_placed() {
    new()
        .silent_on([payment_authorized()])
        .when(order_placed())
        .then([reserved(&WANTED)])
        .and_row("tea", &stock(10, 2, 0))
        .and_row("cup", &stock(10, 3, 0));
}

#[test]
fn several_items_of_one_sku_are_one_line() {
    new()
        .heard(order_placed_for(&[("tea", 2), ("cup", 1), ("tea", 3)]))
        .when(payment_authorized())
        .then([reserved(&[("cup", 1), ("tea", 5)])])
        .and_row("tea", &stock(10, 5, 0));
}

#[test]
fn several_items_of_one_sku_that_are_too_many_together_are_rejected() {
    new()
        .heard(order_placed_for(&[("tea", 6), ("tea", 6)]))
        .when(payment_authorized())
        .then([rejected(RejectReason::OutOfStock, &[("tea", 12, 10)])])
        .and_row("tea", &stock(10, 0, 0));
}

#[test]
fn exactly_what_is_there_can_be_reserved_and_not_one_more() {
    new()
        .heard(order_placed_for(&[("tea", 10)]))
        .when(payment_authorized())
        .then([reserved(&[("tea", 10)])])
        .and_row("tea", &stock(10, 10, 0));
    new()
        .heard(order_placed_for(&[("tea", 11)]))
        .when(payment_authorized())
        .then([rejected(RejectReason::OutOfStock, &[("tea", 11, 10)])]);
}

#[test]
fn what_other_orders_reserved_or_took_is_not_there_and_stays_theirs() {
    for tea in [stock(10, 9, 0), stock(10, 0, 9), stock(10, 4, 5)] {
        given(Reservation)
            .row("tea", &tea)
            .row("cup", &stock(10, 0, 0))
            .heard(order_placed())
            .when(payment_authorized())
            .then([rejected(RejectReason::OutOfStock, &[("tea", 2, 1)])])
            .and_row("tea", &tea);
    }
    given(Reservation)
        .row("tea", &stock(10, 4, 4))
        .row("cup", &stock(10, 0, 0))
        .heard(order_placed())
        .when(payment_authorized())
        .then([reserved(&WANTED)])
        .and_row("tea", &stock(10, 6, 4))
        .when(cancellation_requested())
        .then([released()])
        .and_row("tea", &stock(10, 4, 4));
}

#[test]
fn when_one_item_is_short_none_is_reserved_and_the_shortage_is_named() {
    given(Reservation)
        .row("tea", &stock(10, 0, 0))
        .row("cup", &stock(2, 0, 0))
        .heard(order_placed())
        .when(payment_authorized())
        .then([rejected(RejectReason::OutOfStock, &[("cup", 3, 2)])])
        .and_row("tea", &stock(10, 0, 0))
        .and_row("cup", &stock(2, 0, 0));
}

#[test]
fn when_several_items_are_short_each_shortage_is_named() {
    given(Reservation)
        .row("tea", &stock(1, 0, 0))
        .row("cup", &stock(2, 2, 0))
        .heard(order_placed())
        .when(payment_authorized())
        .then([rejected(RejectReason::OutOfStock, &[("cup", 3, 0), ("tea", 2, 1)])]);
}

#[test]
fn a_sku_that_was_never_received_is_unknown() {
    given(Reservation)
        .row("tea", &stock(10, 0, 0))
        .heard(order_placed())
        .when(payment_authorized())
        .then([rejected(RejectReason::UnknownSku, &[("cup", 3, 0)])])
        .and_row("tea", &stock(10, 0, 0))
        .and_no_row("cup");
}

#[test]
fn a_sku_that_was_received_and_is_gone_is_out_of_stock() {
    given(Reservation)
        .row("tea", &stock(10, 0, 10))
        .row("cup", &stock(10, 0, 0))
        .heard(order_placed())
        .when(payment_authorized())
        .then([rejected(RejectReason::OutOfStock, &[("tea", 2, 0)])]);
}

#[test]
fn a_payment_authorized_that_can_not_be_used_is_rejected_as_unprocessable() {
    for order in [new(), known()] {
        order
            .when_unusable::<PaymentAuthorized>(ORDER)
            .then([rejected(RejectReason::Unprocessable, &[])])
            .silent_on([order_placed(), payment_authorized()])
            .and_row("tea", &stock(10, 0, 0));
    }
}

#[test]
fn nothing_else_that_can_not_be_used_is_answered() {
    let answered: Vec<_> = service()
        .hears()
        .filter(|subscription| subscription.answers_unusable)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(answered, ["PaymentAuthorized"]);
}

#[test]
fn only_order_placed_opens_an_order() {
    let opening: Vec<_> = service()
        .hears()
        .filter(|subscription| subscription.opens)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(opening, ["OrderPlaced"]);
}

// OrderConfirmed: commits.

#[test]
fn order_confirmed_commits_what_is_reserved() {
    held()
        .when(order_confirmed())
        .then([committed()])
        .and_row("tea", &stock(10, 0, 2))
        .and_row("cup", &stock(10, 0, 3));
}

#[test]
fn what_is_reserved_after_order_confirmed_leaves_at_once() {
    for early in [[order_confirmed(), order_placed()], [order_placed(), order_confirmed()]] {
        new()
            .silent_on(early)
            .when(payment_authorized())
            .then([reserved(&WANTED), committed()])
            .and_row("tea", &stock(10, 0, 2))
            .and_row("cup", &stock(10, 0, 3))
            .and_ended(ORDER, true)
            .silent_on(everything());
    }
    new()
        .silent_on([payment_authorized(), order_confirmed()])
        .when(order_placed())
        .then([reserved(&WANTED), committed()])
        .and_row("tea", &stock(10, 0, 2));
}

#[test]
fn order_confirmed_commits_nothing_of_what_was_rejected() {
    refused().silent_on([order_confirmed()]);
}

// ShipmentRefused, OrderCancellationRequested: undoes, and answers.

#[test]
fn each_reason_to_undo_releases_what_is_reserved() {
    for reason in each_reason_to_undo() {
        held()
            .when(reason)
            .then([released()])
            .and_row("tea", &stock(10, 0, 0))
            .and_row("cup", &stock(10, 0, 0));
    }
}

#[test]
fn each_reason_to_undo_is_answered_also_when_there_is_nothing_to_undo() {
    for reason in each_reason_to_undo() {
        for order in [new(), known(), authorized(), refused()] {
            order.when(reason.clone()).then([nothing_to_release()]);
        }
    }
}

#[test]
fn what_is_closed_before_it_is_reserved_is_never_reserved() {
    for close in each_way_to_close() {
        for order in [new(), known(), authorized()] {
            order.heard(close.clone()).silent_on(everything()).and_row("tea", &stock(10, 0, 0));
        }
    }
}

#[test]
fn it_answers_once_for_an_order_whatever_the_reasons() {
    for first in each_reason_to_undo() {
        held().when(first.clone()).then([released()]).silent_on(each_reason_to_undo());
        new().when(first.clone()).then([nothing_to_release()]).silent_on(each_reason_to_undo());
        refused().when(first).then([nothing_to_release()]).silent_on(each_reason_to_undo());
    }
}

// OrderCancelled: a safety net.

#[test]
fn order_cancelled_releases_what_is_still_reserved() {
    held()
        .when(order_cancelled())
        .then([released()])
        .and_row("tea", &stock(10, 0, 0))
        .and_row("cup", &stock(10, 0, 0));
}

#[test]
fn order_cancelled_is_silent_where_nothing_is_reserved() {
    for order in [new(), known(), authorized(), refused(), held().heard(shipment_refused())] {
        order.silent_on([order_cancelled()]).silent_on(everything());
    }
}

// Repeats.

#[test]
fn repeats_of_what_is_waited_for_do_nothing() {
    known().silent_on([order_placed()]).when(payment_authorized()).then([reserved(&WANTED)]);
    authorized().silent_on([payment_authorized()]).when(order_placed()).then([reserved(&WANTED)]);
}

#[test]
fn repeats_of_what_led_to_a_reservation_do_nothing() {
    held()
        .silent_on([order_placed(), payment_authorized()])
        .when_unusable::<PaymentAuthorized>(ORDER)
        .then_nothing()
        .and_row("tea", &stock(10, 2, 0));
}

#[test]
fn repeats_of_what_led_to_a_rejection_do_nothing_also_when_there_is_stock_later() {
    refused()
        .row("tea", &stock(10, 0, 0))
        .row("cup", &stock(10, 0, 0))
        .silent_on([order_placed(), payment_authorized()])
        .when_unusable::<PaymentAuthorized>(ORDER)
        .then_nothing();
}

#[test]
fn nothing_that_comes_after_a_commit_does_anything() {
    left()
        .silent_on(everything())
        .and_row("tea", &stock(10, 0, 2))
        .when_unusable::<PaymentAuthorized>(ORDER)
        .then_nothing();
}

#[test]
fn nothing_that_comes_after_a_release_does_anything() {
    for close in each_way_to_close() {
        held()
            .heard(close)
            .silent_on(everything())
            .and_row("tea", &stock(10, 0, 0))
            .when_unusable::<PaymentAuthorized>(ORDER)
            .then_nothing();
    }
}

// The end.

#[test]
fn a_reservation_has_ended_when_it_is_committed_or_closed() {
    for order in [new(), known(), authorized(), held(), refused(), known().heard(order_confirmed())] {
        order.and_ended(ORDER, false);
    }
    left().and_ended(ORDER, true);
    for close in each_way_to_close() {
        for order in [new(), known(), authorized(), held(), refused()] {
            order.heard(close.clone()).and_ended(ORDER, true);
        }
    }
}

// ReceiveStock.

fn receipt(receipt_id: &str, quantity: i64) -> ReceiveStock {
    ReceiveStock { sku: id("tea"), quantity: quantity.try_into().unwrap(), receipt_id: id(receipt_id) }
}

fn received(receipt_id: &str, quantity: i64, available: i64) -> Said {
    let ReceiveStock { sku, quantity, receipt_id } = receipt(receipt_id, quantity);
    StockReceived { sku, quantity, receipt_id, available }.into()
}

#[test]
fn the_first_receipt_makes_the_sku_known() {
    given(Receipt)
        .when(receipt("r-1", 100))
        .then([received("r-1", 100, 100)])
        .and_row("tea", &stock(100, 0, 0))
        .and_ended("r-1", true);
}

#[test]
fn receipts_add_up_and_available_leaves_out_what_is_reserved_or_has_left() {
    given(Receipt)
        .row("tea", &stock(100, 30, 20))
        .when(receipt("r-1", 5))
        .then([received("r-1", 5, 55)])
        .when(receipt("r-2", 5))
        .then([received("r-2", 5, 60)])
        .and_row("tea", &stock(110, 30, 20));
}

#[test]
fn a_receipt_counts_once_however_often_and_late_it_comes() {
    given(Receipt)
        .heard(receipt("r-1", 100))
        .silent_on([receipt("r-1", 100).into()])
        .heard(receipt("r-2", 50))
        .silent_on([receipt("r-1", 100).into(), receipt("r-2", 50).into()])
        .and_row("tea", &stock(150, 0, 0));
}

#[test]
fn other_content_under_the_id_of_a_receipt_is_refused() {
    for other in [receipt("r-1", 101), ReceiveStock { sku: id("cup"), ..receipt("r-1", 100) }] {
        given(Receipt)
            .heard(receipt("r-1", 100))
            .when(other)
            .then_refused("'r-1' has counted with other content")
            .and_row("tea", &stock(100, 0, 0))
            .and_no_row("cup");
    }
}

#[test]
fn a_sum_of_receipts_may_fill_63_bits_but_not_leave_them() {
    given(Receipt)
        .row("tea", &stock(i64::MAX - 1, 0, 0))
        .when(receipt("r-1", 2))
        .then_refused("63 bits")
        .and_row("tea", &stock(i64::MAX - 1, 0, 0))
        .and_ended("r-1", false)
        .when(receipt("r-2", 1))
        .then([received("r-2", 1, i64::MAX)])
        .and_row("tea", &stock(i64::MAX, 0, 0));
    given(Receipt).row("tea", &stock(i64::MAX, 0, i64::MAX)).when(receipt("r-1", 1)).then_refused("63 bits");
}
