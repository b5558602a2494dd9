use contract::*;
use saga::{
    Said,
    testing::{Given, given},
};

use super::{COUNTRIES, Shipment, service};

const ORDER: &str = "order-42";

// What shipping hears.

fn order_placed() -> Said {
    order_placed_to("DE")
}

fn order_placed_to(country: &str) -> Said {
    OrderPlaced {
        order_id: id(ORDER),
        customer_id: id("ada"),
        currency: "EUR".try_into().unwrap(),
        items: vec![Item {
            sku: id("tea"),
            quantity: 2.try_into().unwrap(),
            unit_price: 2499.try_into().unwrap(),
        }],
        destination: to(country),
        total: 4998.try_into().unwrap(),
    }
    .into()
}

fn stock_reserved() -> Said {
    let items = vec![Line { sku: id("tea"), quantity: 2.try_into().unwrap() }];
    StockReserved { order_id: id(ORDER), reservation_id: id("r"), items }.into()
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

/// Every message that shipping listens to.
fn everything() -> [Said; 5] {
    [order_placed(), stock_reserved(), cancellation_requested(), order_confirmed(), order_cancelled()]
}

// What shipping says.

fn scheduled() -> Said {
    let shipment_id = derived_id("shipment", ORDER);
    ShipmentScheduled { order_id: id(ORDER), shipment_id, destination: to("DE") }.into()
}

fn refused(reason: RefuseReason) -> Said {
    ShipmentRefused { order_id: id(ORDER), reason }.into()
}

fn cancelled() -> Said {
    let shipment_id = Some(derived_id("shipment", ORDER));
    ShipmentCancelled { order_id: id(ORDER), shipment_id, destination: Some(to("DE")) }.into()
}

fn nothing_to_cancel() -> Said {
    ShipmentCancelled { order_id: id(ORDER), shipment_id: None, destination: None }.into()
}

fn dispatched() -> Said {
    let (shipment_id, tracking_number) = (derived_id("shipment", ORDER), derived_id("tracking", ORDER));
    ShipmentDispatched { order_id: id(ORDER), shipment_id, tracking_number }.into()
}

fn id(text: &str) -> Id {
    text.try_into().unwrap()
}

fn to(country: &str) -> Destination {
    let city = Some("Bonn".to_owned());
    Destination { country: country.try_into().unwrap(), postal_code: None, city, line1: None }
}

// Where a shipment may stand. Only Germany and France are served.

fn new() -> Given {
    given(Shipment { countries: ["DE", "FR"].map(str::to_owned).into() })
}

fn known() -> Given {
    new().heard(order_placed())
}

fn reserved() -> Given {
    new().heard(stock_reserved())
}

fn planned() -> Given {
    known().heard(stock_reserved())
}

fn failed() -> Given {
    new().heard(order_placed_to("JP")).heard(stock_reserved())
}

fn gone() -> Given {
    planned().heard(order_confirmed())
}

// StockReserved, and OrderPlaced for the destination: schedules the shipment, or refuses it.

#[test]
fn it_schedules_the_shipment_when_it_knows_where_to_and_stock_is_reserved() {
    new().silent_on([order_placed()]).when(stock_reserved()).then([scheduled()]);
}

#[test]
fn stock_reserved_may_come_before_order_placed() {
    new().silent_on([stock_reserved()]).when(order_placed()).then([scheduled()]);
}

#[test]
fn a_country_that_is_not_served_is_refused_in_either_order() {
    for country in ["JP", "AQ", "ZZ"] {
        let no = || refused(RefuseReason::DestinationNotServed);
        new().heard(order_placed_to(country)).when(stock_reserved()).then([no()]);
        new().heard(stock_reserved()).when(order_placed_to(country)).then([no()]);
    }
}

#[test]
fn unless_told_otherwise_it_serves_the_eu_the_eea_and_four_more() {
    let eu = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK";
    let mut expected: Vec<_> =
        eu.split(' ').chain(["IS", "LI", "NO"]).chain(["CH", "GB", "US", "CA"]).collect();
    let mut served = COUNTRIES;
    assert!(served.iter().all(|country| Country::try_from(*country).is_ok()));
    expected.sort_unstable();
    served.sort_unstable();
    assert_eq!(served.as_slice(), expected);
}

#[test]
fn a_stock_reserved_that_can_not_be_used_is_refused_as_unprocessable() {
    for order in [new(), known()] {
        order
            .when_unusable::<StockReserved>(ORDER)
            .then([refused(RefuseReason::Unprocessable)])
            .silent_on([order_placed(), stock_reserved()]);
    }
}

#[test]
fn nothing_else_that_can_not_be_used_is_answered() {
    let service = service([].into());
    let answered: Vec<_> = service
        .hears()
        .filter(|subscription| subscription.answers_unusable)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(answered, ["StockReserved"]);
}

#[test]
fn only_order_placed_opens_an_order() {
    let service = service([].into());
    let opening: Vec<_> = service
        .hears()
        .filter(|subscription| subscription.opens)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(opening, ["OrderPlaced"]);
}

// OrderConfirmed: dispatches.

#[test]
fn order_confirmed_dispatches_the_shipment() {
    planned().when(order_confirmed()).then([dispatched()]);
}

#[test]
fn what_is_scheduled_after_order_confirmed_goes_at_once() {
    for early in [[order_confirmed(), order_placed()], [order_placed(), order_confirmed()]] {
        new()
            .silent_on(early)
            .when(stock_reserved())
            .then([scheduled(), dispatched()])
            .and_ended(ORDER, true)
            .silent_on(everything());
    }
    new()
        .silent_on([stock_reserved(), order_confirmed()])
        .when(order_placed())
        .then([scheduled(), dispatched()]);
}

#[test]
fn order_confirmed_dispatches_nothing_of_what_was_refused() {
    failed().silent_on([order_confirmed()]);
}

// OrderCancellationRequested: undoes, and answers.

#[test]
fn a_requested_cancellation_cancels_the_shipment() {
    planned().when(cancellation_requested()).then([cancelled()]);
}

#[test]
fn a_requested_cancellation_is_answered_also_when_there_is_no_shipment() {
    for order in [new(), known(), reserved(), failed()] {
        order
            .when(cancellation_requested())
            .then([nothing_to_cancel()])
            .silent_on([cancellation_requested()]);
    }
}

#[test]
fn what_is_closed_before_it_is_scheduled_is_never_scheduled() {
    for close in [cancellation_requested(), order_cancelled()] {
        for order in [new(), known(), reserved()] {
            order.heard(close.clone()).silent_on(everything());
        }
    }
}

// OrderCancelled: a safety net.

#[test]
fn order_cancelled_cancels_a_shipment_that_is_still_scheduled() {
    planned().when(order_cancelled()).then([cancelled()]);
}

#[test]
fn order_cancelled_is_silent_where_nothing_is_scheduled() {
    for order in [new(), known(), reserved(), failed(), planned().heard(cancellation_requested())] {
        order.silent_on([order_cancelled()]).silent_on(everything());
    }
}

// Repeats.

#[test]
fn repeats_of_what_is_waited_for_do_nothing() {
    known().silent_on([order_placed()]).when(stock_reserved()).then([scheduled()]);
    reserved().silent_on([stock_reserved()]).when(order_placed()).then([scheduled()]);
}

#[test]
fn repeats_of_what_led_to_a_shipment_or_a_refusal_do_nothing() {
    for order in [planned(), failed()] {
        order
            .silent_on([order_placed(), stock_reserved()])
            .when_unusable::<StockReserved>(ORDER)
            .then_nothing();
    }
}

#[test]
fn nothing_that_comes_after_the_dispatch_does_anything() {
    gone().silent_on(everything()).when_unusable::<StockReserved>(ORDER).then_nothing();
}

#[test]
fn nothing_that_comes_after_a_cancellation_does_anything() {
    for close in [cancellation_requested(), order_cancelled()] {
        let order = planned().heard(close).silent_on(everything());
        order.when_unusable::<StockReserved>(ORDER).then_nothing();
    }
}

// The end.

#[test]
fn a_shipment_has_ended_when_it_is_dispatched_or_closed() {
    for order in [new(), known(), reserved(), planned(), failed(), known().heard(order_confirmed())] {
        order.and_ended(ORDER, false);
    }
    gone().and_ended(ORDER, true);
    for close in [cancellation_requested(), order_cancelled()] {
        for order in [new(), known(), reserved(), planned(), failed()] {
            order.heard(close.clone()).and_ended(ORDER, true);
        }
    }
}
