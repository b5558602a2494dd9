//! The order service: places orders, hears how they fare, and says how they end.

#![warn(clippy::wildcard_enum_match_arm)]

#[cfg(test)]
mod tests;

use std::time::Duration;

use contract::{
    Amount, CancelOrder, CancelReason, CancellationRejectReason, CancellationRequestReason, Currency, Id,
    OrderCancellationRejected, OrderCancellationRequested, OrderCancelled, OrderCompleted, OrderConfirmed,
    OrderPlaced, PaymentCaptured, PaymentDeclined, PaymentVoided, PlaceOrder, ShipmentCancelled,
    ShipmentDispatched, ShipmentRefused, ShipmentScheduled, StockCommitted, StockRejected, StockReleased,
    derived_id, topics,
};
use saga::{
    Hears, Message, Participant, Rows, Said, Service, Step, Stop, hears, hears_with_id, ignore, timer, to,
};
use serde::{Deserialize, Serialize};

/// The service, whose orders are cancelled when they have not been confirmed after `deadline`.
pub fn service(deadline: Duration) -> Service {
    Service::new("order", topics::ORDERS).with(Order { deadline })
}

/// One order.
pub struct Order {
    deadline: Duration,
}

/// How many cancellations of one order are remembered; a further one is a dead letter.
const MOST_CANCELLATIONS: usize = 100;

/// What [`Order`] knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// What was placed.
    pub placed: Option<Placed>,
    /// The first reason to cancel it that was heard.
    pub reason: Option<CancelReason>,
    /// What the other services have said of it.
    pub heard: SoFar,
    /// The ids of the `CancelOrder`s that were heard, so that each has one effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cancellations: Vec<String>,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has placed it.
    #[default]
    Unknown,
    /// It can still be cancelled; a failure may be being undone.
    Placed,
    /// A cancellation was requested, and not everyone has answered.
    Cancelling,
    /// The pivot is behind it, and not everyone has closed.
    Confirmed,
    /// The good ending.
    Completed,
    /// The other ending.
    Cancelled,
}

/// What is remembered of a `PlaceOrder`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// Stands for the whole content: the same content, the same id.
    content: Id,
    /// Whose account pays.
    pub customer_id: Id,
    /// The price of all items.
    pub total: Amount,
    /// Of the total.
    pub currency: Currency,
}

impl Placed {
    /// Whether this is what `command` asks for.
    pub fn is_of(&self, command: &PlaceOrder) -> bool {
        self.content == content(command)
    }
}

/// What the other services have said of an order, in whatever order it was heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SoFar {
    scheduled: bool,
    declined: bool,
    rejected: bool,
    refused: bool,
    voided: Answer,
    released: Answer,
    unscheduled: Answer,
    captured: bool,
    committed: bool,
    dispatched: bool,
}

/// Whether a service has undone what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Answer {
    /// Not heard.
    #[default]
    Awaited,
    /// It had done nothing.
    NothingToUndo,
    /// It has.
    Undone,
}

/// What [`Order`] listens to.
pub enum Heard {
    /// A customer places the order.
    PlaceOrder(PlaceOrder),
    /// A customer cancels the order.
    CancelOrder {
        /// The record's id.
        id: String,
        /// What the customer said.
        detail: Option<String>,
    },
    /// The order did not get far enough in time.
    DeadlinePassed,
    /// Another service says how far it is.
    Progress(Progress),
}

/// What other services say of an order.
#[derive(Debug, Clone, Copy)]
pub enum Progress {
    /// Everything before the pivot is done.
    Scheduled,
    /// Payment failed: nothing is to be undone.
    Declined,
    /// Inventory failed: payment undoes.
    Rejected,
    /// Shipping failed: payment and inventory undo.
    Refused,
    /// Payment's answer.
    Voided(Answer),
    /// Inventory's answer.
    Released(Answer),
    /// Shipping's answer.
    Unscheduled(Answer),
    /// Payment has closed.
    Captured,
    /// Inventory has closed.
    Committed,
    /// Shipping has closed.
    Dispatched,
}

impl Participant for Order {
    const NAME: &'static str = "order";
    type Heard = Heard;
    type State = State;
    type Row = ();

    fn hears() -> Vec<Hears<Heard>> {
        use Progress::*;
        vec![
            hears(Heard::PlaceOrder),
            hears_with_id(|id, c: CancelOrder| {
                (None, Heard::CancelOrder { id: id.to_owned(), detail: c.reason })
            }),
            timer("DeadlinePassed", || Heard::DeadlinePassed),
            hears(|_: ShipmentScheduled| Heard::Progress(Scheduled)),
            hears(|_: PaymentDeclined| Heard::Progress(Declined)),
            hears(|_: StockRejected| Heard::Progress(Rejected)),
            hears(|_: ShipmentRefused| Heard::Progress(Refused)),
            hears(|m: PaymentVoided| Heard::Progress(Voided(Answer::of(m.amount > 0)))),
            hears(|m: StockReleased| Heard::Progress(Released(Answer::of(!m.items.is_empty())))),
            hears(|m: ShipmentCancelled| Heard::Progress(Unscheduled(Answer::of(m.shipment_id.is_some())))),
            hears(|_: PaymentCaptured| Heard::Progress(Captured)),
            hears(|_: StockCommitted| Heard::Progress(Committed)),
            hears(|_: ShipmentDispatched| Heard::Progress(Dispatched)),
        ]
    }

    fn decide(&self, order: &str, state: &State, heard: &Heard, _: &Rows<()>) -> Result<Step<Self>, Stop> {
        let order_id = Id::try_from(order).map_err(Stop::Refuse)?;
        match heard {
            Heard::PlaceOrder(command) => self.place(order_id, state, command),
            Heard::CancelOrder { id, detail } => cancel(order_id, state, id, detail.clone()),
            Heard::DeadlinePassed => Ok(match state.status {
                Status::Placed => {
                    request(order_id, state.clone(), CancellationRequestReason::DeadlineExceeded, None)
                }
                Status::Unknown
                | Status::Cancelling
                | Status::Confirmed
                | Status::Completed
                | Status::Cancelled => ignore("the deadline is of no consequence any more"),
            }),
            Heard::Progress(progress) => Ok(match state.status {
                Status::Completed | Status::Cancelled => ignore("the order has ended"),
                Status::Unknown | Status::Placed | Status::Cancelling | Status::Confirmed => {
                    let (next, said) = settle(&order_id, state.with(*progress), Vec::new());
                    let left_placed = state.status == Status::Placed && next.status != Status::Placed;
                    let step = step(next, said);
                    if left_placed { step.cancel_timer() } else { step }
                }
            }),
        }
    }

    fn ended(state: &State) -> bool {
        match state.status {
            Status::Completed | Status::Cancelled => true,
            // Known only for cancellations that were rejected: nothing is awaited.
            Status::Unknown => state.heard == SoFar::default(),
            Status::Placed | Status::Cancelling | Status::Confirmed => false,
        }
    }
}

impl Order {
    fn place(&self, order_id: Id, state: &State, command: &PlaceOrder) -> Result<Step<Self>, Stop> {
        let content = content(command);
        match &state.placed {
            Some(placed) if placed.content == content => return Ok(ignore("the order is placed already")),
            Some(_) => {
                return Err(Stop::Refuse(format!("the order '{order_id}' was placed with other content")));
            }
            None => {}
        }
        let PlaceOrder { customer_id, currency, items, destination, .. } = command.clone();
        let total = contract::total(&items).map_err(Stop::Refuse)?;
        let placed = Placed { content, customer_id: customer_id.clone(), total, currency };
        let said =
            OrderPlaced { order_id: order_id.clone(), customer_id, currency, items, destination, total };
        let state = State { status: Status::Placed, placed: Some(placed), ..state.clone() };
        // What was heard before counts now, so this may be the end already.
        let (state, said) = settle(&order_id, state, vec![said.into()]);
        let placed = state.status == Status::Placed;
        let step = step(state, said);
        Ok(if placed { step.start_timer(self.deadline) } else { step })
    }
}

/// Stands for everything that `command` says: the same content, the same id.
pub fn content(command: &PlaceOrder) -> Id {
    derived_id("content", &Said::from(command.clone()).data)
}

fn cancel(order_id: Id, state: &State, id: &str, detail: Option<String>) -> Result<Step<Order>, Stop> {
    if state.cancellations.iter().any(|known| known == id) {
        return Ok(ignore("this cancellation was answered before"));
    }
    if state.cancellations.len() == MOST_CANCELLATIONS {
        return Err(Stop::Refuse(format!(
            "the order '{order_id}' has {MOST_CANCELLATIONS} cancellations already"
        )));
    }
    let mut state = state.clone();
    state.cancellations.push(id.to_owned());
    let reject =
        |state, reason| Ok(to(state).say(OrderCancellationRejected { order_id: order_id.clone(), reason }));
    match state.status {
        Status::Placed => Ok(request(order_id, state, CancellationRequestReason::CustomerRequest, detail)),
        Status::Cancelling => Ok(to(state)),
        Status::Unknown => reject(state, CancellationRejectReason::UnknownOrder),
        Status::Confirmed => reject(state, CancellationRejectReason::AlreadyConfirmed),
        Status::Completed | Status::Cancelled => reject(state, CancellationRejectReason::AlreadyEnded),
    }
}

/// Asks everyone to undo what they did; those who have answered already are not asked twice.
fn request(
    order_id: Id,
    state: State,
    reason: CancellationRequestReason,
    detail: Option<String>,
) -> Step<Order> {
    let first = state.reason.unwrap_or(reason.into());
    let state = State { status: Status::Cancelling, reason: Some(first), ..state };
    let said = OrderCancellationRequested { order_id: order_id.clone(), reason, detail };
    let (state, said) = settle(&order_id, state, vec![said.into()]);
    step(state, said).cancel_timer()
}

/// Draws the conclusion from all that is known: the order goes on as far as it can.
fn settle(order_id: &Id, mut state: State, mut said: Vec<Said>) -> (State, Vec<Said>) {
    let failure_is_undone = state.status == Status::Placed && state.heard.failure_is_undone();
    let cancellation_is_done = state.status == Status::Cancelling && state.heard.everyone_answered();
    if let Some(reason) = state.reason.filter(|_| failure_is_undone || cancellation_is_done) {
        state.status = Status::Cancelled;
        let compensated = state.heard.compensated();
        said.push(OrderCancelled { order_id: order_id.clone(), reason, compensated }.into());
    }
    if state.status == Status::Placed && state.heard.scheduled && !state.heard.failed() {
        state.status = Status::Confirmed;
        said.push(OrderConfirmed { order_id: order_id.clone() }.into());
    }
    if state.status == Status::Confirmed && state.heard.everyone_closed() {
        state.status = Status::Completed;
        said.push(OrderCompleted { order_id: order_id.clone() }.into());
    }
    (state, said)
}

fn step(state: State, said: Vec<Said>) -> Step<Order> {
    said.into_iter().fold(to(state), Step::say)
}

impl State {
    fn with(&self, progress: Progress) -> State {
        let mut state = self.clone();
        let heard = &mut state.heard;
        let mut failure = None;
        match progress {
            Progress::Scheduled => heard.scheduled = true,
            Progress::Captured => heard.captured = true,
            Progress::Committed => heard.committed = true,
            Progress::Dispatched => heard.dispatched = true,
            Progress::Declined => {
                heard.declined = true;
                failure = Some(CancelReason::PaymentDeclined);
            }
            Progress::Rejected => {
                heard.rejected = true;
                failure = Some(CancelReason::OutOfStock);
            }
            Progress::Refused => {
                heard.refused = true;
                failure = Some(CancelReason::ShipmentRefused);
            }
            Progress::Voided(answer) => heard.voided = heard.voided.or(answer),
            Progress::Released(answer) => heard.released = heard.released.or(answer),
            Progress::Unscheduled(answer) => heard.unscheduled = heard.unscheduled.or(answer),
        }
        // After the pivot a failure has no consequence, so it is no reason either.
        if state.status != Status::Confirmed {
            state.reason = state.reason.or(failure);
        }
        state
    }
}

impl Answer {
    fn of(undone: bool) -> Self {
        if undone { Answer::Undone } else { Answer::NothingToUndo }
    }

    fn or(self, other: Self) -> Self {
        if self == Answer::Awaited { other } else { self }
    }

    fn heard(self) -> bool {
        self != Answer::Awaited
    }
}

impl SoFar {
    fn failed(&self) -> bool {
        self.declined || self.rejected || self.refused
    }

    /// A service that failed did nothing; the services before it undo what they did.
    fn failure_is_undone(&self) -> bool {
        self.declined
            || self.rejected && self.voided.heard()
            || self.refused && self.voided.heard() && self.released.heard()
    }

    fn everyone_answered(&self) -> bool {
        self.voided.heard() && self.released.heard() && self.unscheduled.heard()
    }

    fn everyone_closed(&self) -> bool {
        self.captured && self.committed && self.dispatched
    }

    fn compensated(&self) -> Vec<String> {
        [
            (self.voided, PaymentVoided::TYPE),
            (self.released, StockReleased::TYPE),
            (self.unscheduled, ShipmentCancelled::TYPE),
        ]
        .into_iter()
        .filter(|(answer, _)| *answer == Answer::Undone)
        .map(|(_, name)| name.to_owned())
        .collect()
    }
}
