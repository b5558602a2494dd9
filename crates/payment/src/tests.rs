use contract::*;
use saga::{
    Said,
    testing::{Given, given},
};

use super::{Account, Deposit, Payment, service};

const ORDER: &str = "order-42";
const TOTAL: i64 = 4998;

// What ada's account is: what was paid in, what is held, what is captured.
fn account(deposited: i64, held: i64, captured: i64) -> Account {
    Account { currency: eur(), deposited, held, captured }
}

// What payment hears.

fn order_placed() -> Said {
    placed(eur()).into()
}

fn order_placed_in_dollars() -> Said {
    placed(Currency::try_from("USD").unwrap()).into()
}

fn placed(currency: Currency) -> OrderPlaced {
    OrderPlaced {
        order_id: id(ORDER),
        customer_id: id("ada"),
        currency,
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
        total: TOTAL.try_into().unwrap(),
    }
}

fn stock_rejected() -> Said {
    StockRejected { order_id: id(ORDER), reason: RejectReason::OutOfStock, shortages: Vec::new() }.into()
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

/// What asks payment to undo, each with an answer.
fn each_reason_to_undo() -> [Said; 3] {
    [stock_rejected(), shipment_refused(), cancellation_requested()]
}

/// Every message that payment listens to.
fn everything() -> [Said; 6] {
    let [rejected, refused, requested] = each_reason_to_undo();
    [order_placed(), rejected, refused, requested, order_confirmed(), order_cancelled()]
}

// What payment says.

fn authorized() -> Said {
    let (payment_id, amount) = (derived_id("payment", ORDER), TOTAL.try_into().unwrap());
    PaymentAuthorized { order_id: id(ORDER), payment_id, amount, currency: eur() }.into()
}

fn declined(reason: DeclineReason) -> Said {
    PaymentDeclined { order_id: id(ORDER), reason }.into()
}

fn voided() -> Said {
    let payment_id = Some(derived_id("payment", ORDER));
    PaymentVoided { order_id: id(ORDER), payment_id, amount: TOTAL, currency: Some(eur()) }.into()
}

fn nothing_to_void() -> Said {
    PaymentVoided { order_id: id(ORDER), payment_id: None, amount: 0, currency: None }.into()
}

fn captured() -> Said {
    let (payment_id, amount) = (derived_id("payment", ORDER), TOTAL.try_into().unwrap());
    PaymentCaptured { order_id: id(ORDER), payment_id, amount, currency: eur() }.into()
}

fn id(text: &str) -> Id {
    text.try_into().unwrap()
}

fn eur() -> Currency {
    "EUR".try_into().unwrap()
}

// Where a payment may stand. Ada has 6000.

fn new() -> Given {
    given(Payment).row("ada", &account(6000, 0, 0))
}

fn held() -> Given {
    new().heard(order_placed())
}

fn refused() -> Given {
    given(Payment).row("ada", &account(100, 0, 0)).heard(order_placed())
}

fn paid() -> Given {
    held().heard(order_confirmed())
}

// OrderPlaced: holds the total of the customer's funds.

#[test]
fn order_placed_holds_the_total() {
    new().when(order_placed()).then([authorized()]).and_row("ada", &account(6000, TOTAL, 0));
}

#[test]
fn exactly_the_total_is_enough() {
    given(Payment)
        .row("ada", &account(TOTAL, 0, 0))
        .when(order_placed())
        .then([authorized()])
        .and_row("ada", &account(TOTAL, TOTAL, 0));
}

#[test]
fn one_cent_less_than_the_total_is_not_enough() {
    given(Payment)
        .row("ada", &account(TOTAL - 1, 0, 0))
        .when(order_placed())
        .then([declined(DeclineReason::InsufficientFunds)])
        .and_row("ada", &account(TOTAL - 1, 0, 0));
}

#[test]
fn what_other_orders_hold_or_have_cost_can_not_be_spent_again() {
    for account in [account(6000, 1003, 0), account(6000, 0, 1003), account(6000, 1000, 3)] {
        given(Payment)
            .row("ada", &account)
            .when(order_placed())
            .then([declined(DeclineReason::InsufficientFunds)])
            .and_row("ada", &account);
    }
}

#[test]
fn what_other_orders_hold_stays_held() {
    given(Payment)
        .row("ada", &account(9000, 1000, 2000))
        .when(order_placed())
        .then([authorized()])
        .and_row("ada", &account(9000, 1000 + TOTAL, 2000))
        .when(cancellation_requested())
        .then([voided()])
        .and_row("ada", &account(9000, 1000, 2000));
}

#[test]
fn a_customer_with_no_deposit_is_unknown() {
    given(Payment).when(order_placed()).then([declined(DeclineReason::UnknownCustomer)]).and_no_row("ada");
}

#[test]
fn an_order_in_another_currency_than_the_account_is_declined() {
    new()
        .when(order_placed_in_dollars())
        .then([declined(DeclineReason::CurrencyMismatch)])
        .and_row("ada", &account(6000, 0, 0));
}

#[test]
fn an_order_placed_that_can_not_be_used_is_declined_as_unprocessable() {
    new()
        .when_unusable::<OrderPlaced>(ORDER)
        .then([declined(DeclineReason::Unprocessable)])
        .silent_on([order_placed()])
        .and_row("ada", &account(6000, 0, 0));
}

#[test]
fn nothing_else_that_can_not_be_used_is_answered() {
    let answered: Vec<_> = service()
        .hears()
        .filter(|subscription| subscription.answers_unusable)
        .map(|subscription| subscription.kind)
        .collect();
    assert_eq!(answered, ["OrderPlaced"]);
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

// OrderConfirmed: captures.

#[test]
fn order_confirmed_captures_what_is_held() {
    held().when(order_confirmed()).then([captured()]).and_row("ada", &account(6000, 0, TOTAL));
}

#[test]
fn order_confirmed_captures_nothing_where_nothing_is_held() {
    new().silent_on([order_confirmed()]);
    refused().silent_on([order_confirmed()]);
}

// StockRejected, ShipmentRefused, OrderCancellationRequested: undoes, and answers.

#[test]
fn each_reason_to_undo_voids_what_is_held() {
    for reason in each_reason_to_undo() {
        held().when(reason).then([voided()]).and_row("ada", &account(6000, 0, 0));
    }
}

#[test]
fn each_reason_to_undo_is_answered_also_when_nothing_was_heard_of_the_order() {
    for reason in each_reason_to_undo() {
        new().when(reason).then([nothing_to_void()]);
    }
}

#[test]
fn each_reason_to_undo_is_answered_also_when_the_payment_was_declined() {
    for reason in each_reason_to_undo() {
        refused().when(reason).then([nothing_to_void()]);
    }
}

#[test]
fn what_is_undone_before_it_is_done_never_happens() {
    for reason in each_reason_to_undo() {
        new().heard(reason).silent_on(everything()).and_row("ada", &account(6000, 0, 0));
    }
}

#[test]
fn it_answers_once_for_an_order_whatever_the_reasons() {
    for first in each_reason_to_undo() {
        for second in each_reason_to_undo() {
            held().when(first.clone()).then([voided()]).when(second.clone()).then_nothing();
            new().when(first.clone()).then([nothing_to_void()]).when(second.clone()).then_nothing();
            refused().when(first.clone()).then([nothing_to_void()]).when(second).then_nothing();
        }
    }
}

// OrderCancelled: a safety net.

#[test]
fn order_cancelled_voids_what_is_still_held() {
    held().when(order_cancelled()).then([voided()]).and_row("ada", &account(6000, 0, 0));
}

#[test]
fn order_cancelled_is_silent_where_nothing_is_held() {
    new().when(order_cancelled()).then_nothing().silent_on(everything());
    refused().when(order_cancelled()).then_nothing().silent_on(everything());
    held().heard(stock_rejected()).when(order_cancelled()).then_nothing();
}

// Repeats.

#[test]
fn repeats_of_what_led_to_a_hold_do_nothing() {
    held().silent_on([order_placed()]).when_unusable::<OrderPlaced>(ORDER).then_nothing();
}

#[test]
fn repeats_of_what_led_to_a_decline_do_nothing() {
    refused().silent_on([order_placed()]).when_unusable::<OrderPlaced>(ORDER).then_nothing();
}

#[test]
fn a_declined_payment_stays_declined_when_there_is_money_later() {
    refused().row("ada", &account(6000, 0, 0)).silent_on([order_placed()]);
}

#[test]
fn nothing_that_comes_after_a_capture_does_anything() {
    paid()
        .silent_on(everything())
        .and_row("ada", &account(6000, 0, TOTAL))
        .when_unusable::<OrderPlaced>(ORDER)
        .then_nothing();
}

#[test]
fn nothing_that_comes_after_a_void_does_anything() {
    for reason in [stock_rejected(), shipment_refused(), cancellation_requested(), order_cancelled()] {
        held()
            .heard(reason)
            .silent_on(everything())
            .and_row("ada", &account(6000, 0, 0))
            .when_unusable::<OrderPlaced>(ORDER)
            .then_nothing();
    }
}

// The end.

#[test]
fn a_payment_has_ended_when_it_is_captured_or_closed() {
    new().and_ended(ORDER, false);
    held().and_ended(ORDER, false);
    refused().and_ended(ORDER, false);
    paid().and_ended(ORDER, true);
    for reason in [stock_rejected(), shipment_refused(), cancellation_requested(), order_cancelled()] {
        new().heard(reason.clone()).and_ended(ORDER, true);
        held().heard(reason.clone()).and_ended(ORDER, true);
        refused().heard(reason).and_ended(ORDER, true);
    }
}

// DepositFunds.

fn deposit(deposit_id: &str, amount: i64) -> DepositFunds {
    DepositFunds {
        customer_id: id("ada"),
        amount: amount.try_into().unwrap(),
        currency: eur(),
        deposit_id: id(deposit_id),
    }
}

fn deposited(deposit_id: &str, amount: i64, available: i64) -> Said {
    let DepositFunds { customer_id, amount, currency, deposit_id } = deposit(deposit_id, amount);
    FundsDeposited { customer_id, amount, currency, deposit_id, available }.into()
}

#[test]
fn the_first_deposit_opens_the_account_in_its_currency() {
    given(Deposit)
        .when(deposit("d-1", 100))
        .then([deposited("d-1", 100, 100)])
        .and_row("ada", &account(100, 0, 0))
        .and_ended("d-1", true);
}

#[test]
fn deposits_add_up() {
    given(Deposit)
        .when(deposit("d-1", 100))
        .then([deposited("d-1", 100, 100)])
        .when(deposit("d-2", 50))
        .then([deposited("d-2", 50, 150)])
        .and_row("ada", &account(150, 0, 0));
}

#[test]
fn what_is_available_after_a_deposit_leaves_out_what_is_held_or_captured() {
    given(Deposit)
        .row("ada", &account(100, 30, 20))
        .when(deposit("d-1", 5))
        .then([deposited("d-1", 5, 55)])
        .and_row("ada", &account(105, 30, 20));
}

#[test]
fn a_deposit_counts_once_however_often_and_late_it_comes() {
    given(Deposit)
        .heard(deposit("d-1", 100))
        .silent_on([deposit("d-1", 100).into()])
        .heard(deposit("d-2", 50))
        .silent_on([deposit("d-1", 100).into(), deposit("d-2", 50).into()])
        .and_row("ada", &account(150, 0, 0));
}

#[test]
fn other_content_under_the_id_of_a_deposit_is_refused() {
    let dollars = Currency::try_from("USD").unwrap();
    for other in [
        deposit("d-1", 101),
        DepositFunds { customer_id: id("bob"), ..deposit("d-1", 100) },
        DepositFunds { currency: dollars, ..deposit("d-1", 100) },
    ] {
        given(Deposit)
            .heard(deposit("d-1", 100))
            .when(other)
            .then_refused("'d-1' has counted with other content")
            .and_row("ada", &account(100, 0, 0))
            .and_no_row("bob");
    }
}

#[test]
fn a_deposit_in_another_currency_than_the_account_is_refused() {
    let dollars = Currency::try_from("USD").unwrap();
    given(Deposit)
        .heard(deposit("d-1", 100))
        .when(DepositFunds { currency: dollars, ..deposit("d-2", 100) })
        .then_refused("the account of 'ada' is in EUR, the deposit in USD")
        .and_row("ada", &account(100, 0, 0))
        .and_ended("d-2", false);
}

#[test]
fn a_sum_of_deposits_may_fill_63_bits_but_not_leave_them() {
    given(Deposit)
        .row("ada", &account(i64::MAX - 1, 0, 0))
        .when(deposit("d-1", 2))
        .then_refused("63 bits")
        .and_row("ada", &account(i64::MAX - 1, 0, 0))
        .when(deposit("d-2", 1))
        .then([deposited("d-2", 1, i64::MAX)])
        .and_row("ada", &account(i64::MAX, 0, 0));
}

#[test]
fn what_was_captured_counts_towards_63_bits_too() {
    given(Deposit)
        .row("ada", &account(i64::MAX, 0, i64::MAX))
        .when(deposit("d-1", 1))
        .then_refused("63 bits");
}
