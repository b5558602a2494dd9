//! What becomes of an order, judged by the topics alone: section 5 of the contract.

use std::collections::BTreeMap;

use super::topics::{self, Said};
use crate::run::Run;

/// A step, how it is undone and how it is closed.
const STEPS: [[&str; 3]; 3] = [
    ["PaymentAuthorized", "PaymentVoided", "PaymentCaptured"],
    ["StockReserved", "StockReleased", "StockCommitted"],
    ["ShipmentScheduled", "ShipmentCancelled", "ShipmentDispatched"],
];
/// What names a step in its events; who had nothing to undo leaves it out.
const STEP_IDS: [&str; 3] = ["payment_id", "reservation_id", "shipment_id"];
/// What is said of an order more than once.
const OFTEN: &str = "OrderCancellationRejected";

/// By order and type, what was said; only of orders.
type Orders<'s> = BTreeMap<&'s str, BTreeMap<&'s str, Vec<&'s Said>>>;

fn orders(said: &[Said]) -> Orders<'_> {
    let mut orders = Orders::new();
    for said in said.iter().filter(|said| !said.data["order_id"].is_null()) {
        orders.entry(&said.key).or_default().entry(&said.kind).or_default().push(said);
    }
    orders
}

/// Every order that was placed has ended once, and everything is undone or closed once.
///
/// # Errors
/// What is wrong with which order.
pub fn have_ended(run: &Run, said: &[Said]) -> Result<(), String> {
    let orders = orders(said);
    for (order, of) in &orders {
        if let Some((kind, all)) = of.iter().find(|(kind, all)| all.len() > 1 && **kind != OFTEN) {
            return Err(format!("{kind} of {order} was said {} times", all.len()));
        }
        let has = |kind: &str| of.contains_key(kind);
        if !has("OrderPlaced") {
            continue;
        }
        let is_completed = match (has("OrderCompleted"), has("OrderCancelled")) {
            (true, true) => return Err(format!("{order} has ended twice")),
            (false, false) => return Err(format!("{order} has not ended: {}", list(of))),
            (completed, _) => completed,
        };
        for ([done, undone, closed], id) in STEPS.into_iter().zip(STEP_IDS) {
            let undoes = of.get(undone).is_some_and(|all| !all[0].data[id].is_null());
            let is_right = match (has(done), is_completed) {
                (false, true) => false,
                (true, true) => has(closed) && !undoes,
                (true, false) => undoes && !has(closed),
                (false, false) => !undoes && !has(closed),
            };
            if !is_right {
                let ending = if is_completed { "completed" } else { "cancelled" };
                return Err(format!("{order} is {ending}, and of {done} this was said: {}", list(of)));
            }
        }
        let template = if is_completed { "order_completed" } else { "order_cancelled" };
        let told = of.get("NotificationSent").map(|all| all[0].data["template"].as_str().unwrap_or_default());
        if told != Some(template) {
            return Err(format!("the customer of {order} was told {told:?}, and it is {template}"));
        }
        let ending = if is_completed {
            "an order is completed".to_owned()
        } else {
            let reason = of["OrderCancelled"][0].data["reason"].as_str().unwrap_or_default();
            format!("an order is cancelled: {reason}")
        };
        *run.endings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(ending).or_default() +=
            1;
    }
    was_placed(run, &orders)
}

/// What people have ordered was placed, unless it may be refused.
fn was_placed(run: &Run, orders: &Orders) -> Result<(), String> {
    for order in run.ordered() {
        let placed = orders.get(order.as_str()).is_some_and(|of| of.contains_key("OrderPlaced"));
        if !placed && !run.plan.refusable.contains(&order) {
            return Err(format!("{order} was never placed"));
        }
    }
    Ok(())
}

fn list(of: &BTreeMap<&str, Vec<&Said>>) -> String {
    let mut all: Vec<&&Said> = of.values().flatten().collect();
    all.sort_by_key(|said| said.moment);
    all.iter().map(|said| said.kind.as_str()).collect::<Vec<_>>().join(", ")
}

/// A deadline fires only when all has been read that had arrived when it came due.
///
/// # Errors
/// Which order was cancelled too late.
pub fn deadlines_come_after_answers(run: &Run, said: &[Said]) -> Result<(), String> {
    let deadline_ms = i64::try_from(run.plan.deadline.as_millis()).expect("it is a minute at most");
    for (order, of) in &orders(said) {
        let (Some(placed), Some(requested)) = (of.get("OrderPlaced"), of.get("OrderCancellationRequested"))
        else {
            continue;
        };
        if requested[0].data["reason"] != "deadline_exceeded" {
            continue;
        }
        let due_ms = placed[0].time_ms + deadline_ms;
        if requested[0].time_ms < due_ms {
            return Err(format!("{order} was cancelled before its deadline"));
        }
        // Either would have ended the wait.
        let answer = of.get("ShipmentScheduled").or(of.get("PaymentDeclined"));
        let Some(answer) = answer else { continue };
        let world = run.world.lock();
        let since = placed[0].moment;
        let came_due = world.times.iter().find(|(moment, now_ms)| *moment > since && *now_ms >= due_ms);
        if came_due.is_some_and(|(moment, _)| answer[0].moment < *moment) {
            return Err(format!(
                "{order} was cancelled for its deadline, though {} had arrived before",
                answer[0].kind
            ));
        }
    }
    Ok(())
}

/// With all deadlines passed, no order waits any more for a service that is away.
///
/// # Errors
/// Which one does.
pub fn nothing_waits_past_its_deadline(run: &Run) -> Result<(), String> {
    for (order, of) in &orders(&topics::said(run)?) {
        let has = |kind: &str| of.contains_key(kind);
        let goes_on = ["OrderConfirmed", "OrderCancelled", "OrderCancellationRequested"].into_iter().any(has);
        if has("OrderPlaced") && !goes_on {
            return Err(format!("{order} waits for a service that is away, past its deadline: {}", list(of)));
        }
    }
    Ok(())
}
