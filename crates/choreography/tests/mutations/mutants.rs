//! Services that are wrong in one small way.

use contract::{
    CancelReason, CancellationRejectReason, Id, OrderCancellationRejected, OrderCancelled, OrderCompleted,
};
use saga::{Outcome, Said, Stop, Timer};
use serde_json::{Value, json};

/// Something that a participant is about to decide.
pub struct Question<'a> {
    pub decide: &'a dyn Fn(Option<&str>) -> Result<Outcome, Stop>,
    pub state: Option<&'a str>,
}

pub type Decided = Result<Outcome, Stop>;

/// A participant that is wrong in one small way.
pub struct Mutant {
    pub name: &'static str,
    pub service: &'static str,
    /// Its place among those of its service.
    pub participant: usize,
    pub decide: fn(&Question) -> Decided,
}

fn mutant(service: &'static str, name: &'static str, decide: fn(&Question) -> Decided) -> Mutant {
    Mutant { name, service, participant: 0, decide }
}

impl Question<'_> {
    /// What the participant that is not wrong decides.
    fn right(&self) -> Decided {
        (self.decide)(self.state)
    }

    /// What it would decide if it knew this instead.
    fn knowing(&self, state: Option<&str>) -> Decided {
        (self.decide)(state)
    }

    /// Whether its state has this in it.
    fn knows(&self, words: &str) -> bool {
        self.state.is_some_and(|state| state.contains(words))
    }

    /// What it would decide if its state had `new` where it has `old`.
    fn mistaking(&self, old: &str, new: &str) -> Decided {
        (self.decide)(self.state.map(|state| state.replace(old, new)).as_deref())
    }
}

fn says(outcome: &Outcome, kind: &str) -> bool {
    outcome.said.iter().any(|said| said.kind == kind)
}

/// Does not say this.
fn silent(mut outcome: Outcome, kind: &str) -> Outcome {
    outcome.said.retain(|said| said.kind != kind);
    outcome
}

/// Does nothing where it would say this.
fn idle(outcome: Outcome, kind: &str) -> Outcome {
    if says(&outcome, kind) { nothing() } else { outcome }
}

/// Says this, too.
fn also(mut outcome: Outcome, message: impl Into<Said>) -> Outcome {
    outcome.said.push(message.into());
    outcome
}

/// Whether it decides something, and knows all of this then.
fn comes_to(outcome: &Outcome, words: &[&str]) -> bool {
    outcome.next.as_ref().is_some_and(|(next, _)| words.iter().all(|words| next.contains(words)))
}

fn order_1() -> Id {
    Id::try_from("order-1").expect("it is an id")
}

fn cancelled() -> OrderCancelled {
    let reason = CancelReason::CustomerRequest;
    OrderCancelled { order_id: order_1(), reason, compensated: Vec::new() }
}

fn nothing() -> Outcome {
    let (said, rows) = (Vec::new(), Vec::new());
    Outcome { next: None, said, rows, timer: Timer::Keep, ignored: Some("wrongly") }
}

/// Writes rows in which this field is larger by so much.
fn miscounted(mut outcome: Outcome, field: &str, by: i64) -> Outcome {
    for (_, row) in &mut outcome.rows {
        let mut changed: Value = serde_json::from_str(row).expect("rows are JSON");
        changed[field] = json!(changed[field].as_i64().expect("the field is a number") + by);
        *row = changed.to_string();
    }
    outcome
}

/// Whether payment is asked about `OrderCancelled`: who knows nothing closes then, and says nothing.
fn hears_order_cancelled(question: &Question) -> Result<bool, Stop> {
    let fresh = question.knowing(None)?;
    Ok(fresh.said.is_empty() && fresh.next.is_some_and(|(next, _)| next == "\"Closed\""))
}

pub fn mutants() -> Vec<Mutant> {
    let mut mutants = of_order();
    mutants.extend(of_payment());
    mutants.extend(of_inventory());
    mutants.extend(of_shipping_and_notification());
    mutants
}

/// Wrong only where two events are false, and those two.
pub fn mutants_for_pairs() -> Vec<([&'static str; 2], Mutant)> {
    vec![
        (
            ["StockRejected", "ShipmentRefused"],
            mutant("order", "cancels a confirmed order that fails twice", |q| {
                let right = q.right()?;
                let fails = [r#""status":"confirmed""#, r#""rejected":true"#, r#""refused":true"#];
                Ok(if comes_to(&right, &fails) { also(right, cancelled()) } else { right })
            }),
        ),
        (
            ["PaymentCaptured", "StockCommitted"],
            mutant("order", "completes an order that is to be cancelled when two have closed", |q| {
                let right = q.right()?;
                let closes = [r#""status":"cancelling""#, r#""captured":true"#, r#""committed":true"#];
                let completed = OrderCompleted { order_id: order_1() };
                Ok(if comes_to(&right, &closes) { also(right, completed) } else { right })
            }),
        ),
        (
            ["PaymentVoided", "StockReleased"],
            mutant("order", "takes two answers for a cancellation that nobody asked for", |q| {
                let right = q.right()?;
                let answers = [r#""status":"placed""#, r#""voided":"Undone""#, r#""released":"Undone""#];
                Ok(if comes_to(&right, &answers) { also(right, cancelled()) } else { right })
            }),
        ),
    ]
}

fn of_order() -> Vec<Mutant> {
    vec![
        mutant("order", "confirms after a cancellation was requested", |q| {
            let confirms = q.mistaking("cancelling", "placed")?;
            if says(&confirms, "OrderConfirmed") { Ok(confirms) } else { q.right() }
        }),
        mutant("order", "ends before the last answer", |q| {
            q.mistaking(r#""unscheduled":"Awaited""#, r#""unscheduled":"NothingToUndo""#)
        }),
        mutant("order", "ends on a failure before it is undone", |q| {
            q.mistaking(r#""voided":"Awaited""#, r#""voided":"NothingToUndo""#)
        }),
        mutant("order", "completes before all three have closed", |q| {
            q.mistaking(r#""dispatched":false"#, r#""dispatched":true"#)
        }),
        mutant("order", "ignores an answer that is heard before the failure", |q| {
            let right = q.right()?;
            let placed =
                q.knows(r#""placed""#) && !q.knows(r#""rejected":true"#) && !q.knows(r#""refused":true"#);
            let voided = right.next.as_ref().is_some_and(|(next, _)| !next.contains(r#""voided":"Awaited""#));
            Ok(if placed && voided && right.said.is_empty() { nothing() } else { right })
        }),
        mutant("order", "ignores the deadline", |q| {
            let right = q.right()?;
            let deadline = right.said.iter().any(|said| said.data.contains("deadline_exceeded"));
            Ok(if deadline { nothing() } else { right })
        }),
        mutant("order", "answers the same CancelOrder twice", |q| {
            let right = q.right()?;
            if right.ignored != Some("this cancellation was answered before") {
                return Ok(right);
            }
            q.mistaking(r#""cancellations":["cancellation"]"#, r#""cancellations":[]"#)
        }),
        mutant("order", "places the same order twice", |q| {
            let right = q.right()?;
            if right.ignored == Some("the order is placed already") { q.knowing(None) } else { Ok(right) }
        }),
        mutant("order", "ends twice when the last answer is repeated", |q| {
            let right = q.right()?;
            if right.ignored != Some("the order has ended") {
                return Ok(right);
            }
            q.mistaking(r#""status":"cancelled""#, r#""status":"cancelling""#)
        }),
        mutant("order", "does not say who compensated", |q| {
            let mut right = q.right()?;
            for said in &mut right.said {
                let mut data: Value = serde_json::from_str(&said.data).expect("what is said is JSON");
                if said.kind == "OrderCancelled" {
                    data["compensated"] = json!([]);
                    said.data = data.to_string();
                }
            }
            Ok(right)
        }),
        mutant("order", "gives a reason that did not happen", |q| {
            let mut right = q.right()?;
            for said in right.said.iter_mut().filter(|said| said.kind == "OrderCancelled") {
                said.data = said.data.replace("payment_declined", "out_of_stock");
            }
            Ok(right)
        }),
        mutant("order", "never cancels once a shipment was scheduled", |q| {
            let right = q.right()?;
            if says(&right, "OrderCancelled") && q.knows(r#""scheduled":true"#) {
                return Ok(nothing());
            }
            Ok(right)
        }),
        mutant("order", "rejects a cancellation that nobody asked for", |q| {
            let right = q.right()?;
            let (order_id, reason) = (order_1(), CancellationRejectReason::AlreadyConfirmed);
            let fails_late = comes_to(&right, &[r#""status":"confirmed""#, r#""rejected":true"#]);
            let rejected = OrderCancellationRejected { order_id, reason };
            Ok(if fails_late { also(right, rejected) } else { right })
        }),
        mutant("order", "starts no deadline", |q| Ok(Outcome { timer: Timer::Keep, ..q.right()? })),
    ]
}

fn of_payment() -> Vec<Mutant> {
    vec![
        mutant("payment", "keeps the hold when it says that it voids", |q| {
            let right = q.right()?;
            let voids = says(&right, "PaymentVoided");
            Ok(if voids { Outcome { rows: Vec::new(), ..right } } else { right })
        }),
        mutant("payment", "does not answer when there is nothing to undo", |q| {
            let right = q.right()?;
            Ok(if right.rows.is_empty() { silent(right, "PaymentVoided") } else { right })
        }),
        mutant("payment", "ignores StockRejected, ShipmentRefused and OrderCancellationRequested", |q| {
            Ok(idle(q.right()?, "PaymentVoided"))
        }),
        mutant("payment", "acts after the tombstone", |q| {
            if q.state == Some("\"Closed\"") { q.knowing(None) } else { q.right() }
        }),
        mutant("payment", "holds again on a repeat", |q| {
            let right = q.right()?;
            if right.ignored == Some("the payment is authorized already") {
                q.knowing(None)
            } else {
                Ok(right)
            }
        }),
        mutant("payment", "captures again on a repeat", |q| {
            let right = q.right()?;
            if right.ignored != Some("the payment is captured") {
                return Ok(right);
            }
            q.knowing(Some(r#"{"Held":{"customer":"ada","amount":2000,"currency":"EUR"}}"#))
        }),
        mutant("payment", "captures without a hold", |q| {
            let right = q.right()?;
            if right.ignored != Some("nothing is held for this order") {
                return Ok(right);
            }
            q.knowing(Some(r#"{"Held":{"customer":"ada","amount":2000,"currency":"EUR"}}"#))
        }),
        mutant("payment", "voids more than was held", |q| {
            let right = q.right()?;
            Ok(if says(&right, "PaymentVoided") { miscounted(right, "held", -1) } else { right })
        }),
        mutant("payment", "never declines", |q| Ok(idle(q.right()?, "PaymentDeclined"))),
        mutant("payment", "holds although it declines", |q| {
            let mut right = q.right()?;
            if says(&right, "PaymentDeclined") {
                let row = r#"{"currency":"EUR","deposited":1999,"held":2000,"captured":0}"#;
                right.rows.push(("ada".to_owned(), row.to_owned()));
            }
            Ok(right)
        }),
        mutant("payment", "keeps the hold when a cancelled order ends", |q| {
            Ok(if q.knows("Held") && hears_order_cancelled(q)? { nothing() } else { q.right()? })
        }),
        mutant("payment", "still waits when a declined order ends", |q| {
            Ok(if q.knows("Declined") && hears_order_cancelled(q)? { nothing() } else { q.right()? })
        }),
        Mutant { participant: 1, ..mutant("payment", "counts a deposit twice", |q| q.knowing(None)) },
    ]
}

fn of_inventory() -> Vec<Mutant> {
    vec![
        mutant("inventory", "does not remember an early cancellation", |q| {
            let right = q.right()?;
            let early = q.knows("Waiting") && says(&right, "StockReleased");
            Ok(if early { Outcome { next: None, ..right } } else { right })
        }),
        Mutant { participant: 1, ..mutant("inventory", "counts a receipt twice", |q| q.knowing(None)) },
        mutant("inventory", "does not answer a PaymentAuthorized that it can't read", |q| {
            let right = q.right()?;
            let unprocessable = right.said.iter().any(|said| said.data.contains("unprocessable"));
            Ok(if unprocessable { nothing() } else { right })
        }),
        mutant("inventory", "forgets to release", |q| {
            let right = q.right()?;
            Ok(if q.knows("Reserved") { idle(right, "StockReleased") } else { right })
        }),
        mutant("inventory", "releases more than was reserved", |q| {
            let right = q.right()?;
            Ok(if says(&right, "StockReleased") { miscounted(right, "reserved", -1) } else { right })
        }),
        mutant("inventory", "answers twice", |q| {
            let right = q.right()?;
            let again = q.knowing(Some("\"Rejected\""))?;
            Ok(if q.knows("Closed") && says(&again, "StockReleased") { again } else { right })
        }),
        mutant("inventory", "loses PaymentAuthorized when it comes before OrderPlaced", |q| {
            let right = q.right()?;
            let lost = |next: &str| next.contains(r#""items":null,"authorized":true"#);
            Ok(if right.next.as_ref().is_some_and(|(next, _)| lost(next)) { nothing() } else { right })
        }),
        mutant("inventory", "keeps the items when it is rejected halfway", |q| {
            let right = q.right()?;
            if says(&right, "StockRejected") {
                let row = r#"{"received":1,"reserved":1,"committed":0}"#;
                return Ok(Outcome { rows: vec![("cup".to_owned(), row.to_owned())], ..right });
            }
            Ok(right)
        }),
        mutant("inventory", "commits without taking from what was reserved", |q| {
            let right = q.right()?;
            Ok(if says(&right, "StockCommitted") { miscounted(right, "reserved", 1) } else { right })
        }),
    ]
}

fn of_shipping_and_notification() -> Vec<Mutant> {
    vec![
        mutant("shipping", "does not remember an early cancellation", |q| {
            let right = q.right()?;
            let early = !q.knows("Scheduled") && says(&right, "ShipmentCancelled");
            Ok(if early { Outcome { next: None, ..right } } else { right })
        }),
        mutant("shipping", "says that nothing was scheduled when something was", |q| {
            let right = q.right()?;
            let cancels = says(&right, "ShipmentCancelled");
            if cancels { q.knowing(Some("\"Refused\"")) } else { Ok(right) }
        }),
        mutant("shipping", "never dispatches", |q| Ok(idle(q.right()?, "ShipmentDispatched"))),
        mutant("shipping", "dispatches without being told", |q| {
            q.mistaking(r#""confirmed":false"#, r#""confirmed":true"#)
        }),
        mutant("notification", "tells the customer twice", |q| {
            if q.knows("Sent") { q.knowing(Some(r#"{"Placed":"ada"}"#)) } else { q.right() }
        }),
        mutant("notification", "never tells of a cancellation", |q| {
            let right = q.right()?;
            let cancelled = right.said.iter().any(|said| said.data.contains("order_cancelled"));
            Ok(if cancelled { nothing() } else { right })
        }),
    ]
}
