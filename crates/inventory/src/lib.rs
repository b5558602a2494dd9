//! The inventory service: reserves every item of an order or none, and commits or releases them.

#![warn(clippy::wildcard_enum_match_arm)]

mod receipt;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use contract::{
    Id, Line, OrderCancellationRequested, OrderCancelled, OrderConfirmed, OrderPlaced, PaymentAuthorized,
    Quantity, RejectReason, ShipmentRefused, Shortage, StockCommitted, StockRejected, StockReleased,
    StockReserved, derived_id, topics,
};
use saga::{Hears, Participant, Rows, Service, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

pub use receipt::Receipt;

/// The service: reservations, and the receipts that they are served from.
pub fn service() -> Service {
    Service::new("inventory", topics::INVENTORY).with(Reservation).with(Receipt)
}

/// The stock level of a SKU. At any time, received = available + reserved + committed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stock {
    /// All that ever came.
    pub received: i64,
    /// What is set aside for orders.
    pub reserved: i64,
    /// What has left for orders.
    pub committed: i64,
}

impl Stock {
    /// What can be reserved.
    pub fn available(&self) -> i64 {
        self.received - self.reserved - self.committed
    }
}

/// The reservation of one order.
pub struct Reservation;

/// What [`Reservation`] knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not all that it takes to reserve has been heard.
    Waiting(Waiting),
    /// Every item is set aside.
    Reserved(Vec<Line>),
    /// There was not enough; what comes may still ask for an answer.
    Rejected,
    /// Undone, or never to be done: the tombstone.
    Closed,
    /// The items have left.
    Committed,
}

impl Default for State {
    fn default() -> Self {
        State::Waiting(Waiting::default())
    }
}

/// What has been heard before the reservation, in whatever order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waiting {
    items: Option<Vec<Line>>,
    authorized: bool,
    confirmed: bool,
}

/// What [`Reservation`] listens to.
pub enum Heard {
    /// Says which items.
    OrderPlaced(OrderPlaced),
    /// Asks for them.
    PaymentAuthorized,
    /// `PaymentAuthorized` can't be read.
    Unusable,
    /// The saga failed, or is to be cancelled: undo, and answer.
    Undo,
    /// The pivot: close.
    OrderConfirmed,
    /// The end of a cancelled order: a safety net.
    OrderCancelled,
}

impl Participant for Reservation {
    const NAME: &'static str = "reservation";
    type Heard = Heard;
    type State = State;
    type Row = Stock;

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::OrderPlaced).opens(),
            hears(|_: PaymentAuthorized| Heard::PaymentAuthorized).if_unusable(|| Heard::Unusable),
            hears(|_: ShipmentRefused| Heard::Undo),
            hears(|_: OrderCancellationRequested| Heard::Undo),
            hears(|_: OrderConfirmed| Heard::OrderConfirmed),
            hears(|_: OrderCancelled| Heard::OrderCancelled),
        ]
    }

    fn decide(
        &self,
        order: &str,
        state: &State,
        heard: &Heard,
        rows: &Rows<Stock>,
    ) -> Result<Step<Self>, Stop> {
        let order_id = Id::try_from(order).map_err(Stop::Refuse)?;
        Ok(match state {
            State::Waiting(waiting) => match heard {
                Heard::OrderPlaced(_) if waiting.items.is_some() => ignore("the items are known already"),
                Heard::OrderPlaced(placed) => {
                    let items = Some(lines(placed).map_err(Stop::Refuse)?);
                    reserve_when_ready(order_id, Waiting { items, ..*waiting }, rows)?
                }
                Heard::PaymentAuthorized => {
                    reserve_when_ready(order_id, Waiting { authorized: true, ..waiting.clone() }, rows)?
                }
                Heard::OrderConfirmed => to(State::Waiting(Waiting { confirmed: true, ..waiting.clone() })),
                Heard::Unusable if waiting.authorized => ignore("what can't be used has been heard before"),
                Heard::Unusable => reject(StockRejected {
                    order_id,
                    reason: RejectReason::Unprocessable,
                    shortages: Vec::new(),
                }),
                Heard::Undo => to(State::Closed).say(nothing_to_release(order_id)),
                Heard::OrderCancelled => to(State::Closed),
            },
            State::Reserved(items) => match heard {
                Heard::Undo | Heard::OrderCancelled => release(order_id, items, rows)?,
                Heard::OrderConfirmed => commit(order_id, items, rows)?,
                Heard::OrderPlaced(_) | Heard::PaymentAuthorized | Heard::Unusable => {
                    ignore("the items are reserved already")
                }
            },
            State::Rejected => match heard {
                Heard::Undo => to(State::Closed).say(nothing_to_release(order_id)),
                Heard::OrderCancelled => to(State::Closed),
                Heard::OrderPlaced(_) | Heard::PaymentAuthorized | Heard::Unusable => {
                    ignore("the items are rejected already")
                }
                Heard::OrderConfirmed => ignore("the items were rejected"),
            },
            State::Closed => ignore("the reservation is closed"),
            State::Committed => ignore("the items have left"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Closed | State::Committed)
    }
}

/// The items of an order, one line for each SKU, in the order of the SKUs.
fn lines(placed: &OrderPlaced) -> Result<Vec<Line>, String> {
    let mut sums = BTreeMap::new();
    for item in &placed.items {
        *sums.entry(&item.sku).or_insert(0) += item.quantity.get();
    }
    sums.into_iter()
        .map(|(sku, sum)| Ok(Line { sku: sku.clone(), quantity: Quantity::try_from(sum)? }))
        .collect()
}

fn reserve_when_ready(order_id: Id, waiting: Waiting, rows: &Rows<Stock>) -> Result<Step<Reservation>, Stop> {
    match waiting {
        Waiting { items: Some(items), authorized: true, confirmed } => {
            reserve(order_id, items, confirmed, rows)
        }
        Waiting { .. } => Ok(to(State::Waiting(waiting))),
    }
}

fn reserve(
    order_id: Id,
    items: Vec<Line>,
    confirmed: bool,
    rows: &Rows<Stock>,
) -> Result<Step<Reservation>, Stop> {
    let stocks = rows.get_all(items.iter().map(|line| &*line.sku))?;
    let shortages: Vec<Shortage> = items
        .iter()
        .zip(&stocks)
        .map(|(line, stock)| (line, stock.as_ref().map_or(0, Stock::available)))
        .filter(|(line, available)| *available < line.quantity.get())
        .map(|(line, available)| Shortage { sku: line.sku.clone(), requested: line.quantity, available })
        .collect();
    if !shortages.is_empty() {
        let unknown = stocks.iter().any(Option::is_none);
        let reason = if unknown { RejectReason::UnknownSku } else { RejectReason::OutOfStock };
        return Ok(reject(StockRejected { order_id, reason, shortages }));
    }
    let reserved = StockReserved {
        reservation_id: reservation_id(&order_id),
        order_id: order_id.clone(),
        items: items.clone(),
    };
    // Confirmed before it was reserved: what is set aside leaves at once.
    let state = if confirmed { State::Committed } else { State::Reserved(items.clone()) };
    let step = to(state)
        .write(items.iter().zip(stocks.into_iter().flatten()).map(|(line, stock)| {
            let quantity = line.quantity.get();
            let stock = if confirmed {
                Stock { committed: stock.committed + quantity, ..stock }
            } else {
                Stock { reserved: stock.reserved + quantity, ..stock }
            };
            (line.sku.to_string(), stock)
        }))
        .say(reserved);
    Ok(if confirmed { step.say(committed(order_id, items)) } else { step })
}

fn reject(rejected: StockRejected) -> Step<Reservation> {
    to(State::Rejected).say(rejected)
}

fn release(order_id: Id, items: &[Line], rows: &Rows<Stock>) -> Result<Step<Reservation>, Stop> {
    let stocks =
        set_aside(items, rows, |stock, quantity| Stock { reserved: stock.reserved - quantity, ..stock })?;
    Ok(to(State::Closed).write(stocks).say(StockReleased {
        reservation_id: Some(reservation_id(&order_id)),
        order_id,
        items: items.to_vec(),
    }))
}

fn nothing_to_release(order_id: Id) -> StockReleased {
    StockReleased { order_id, reservation_id: None, items: Vec::new() }
}

fn commit(order_id: Id, items: &[Line], rows: &Rows<Stock>) -> Result<Step<Reservation>, Stop> {
    let stocks = set_aside(items, rows, |stock, quantity| Stock {
        reserved: stock.reserved - quantity,
        committed: stock.committed + quantity,
        ..stock
    })?;
    Ok(to(State::Committed).write(stocks).say(committed(order_id, items.to_vec())))
}

fn committed(order_id: Id, items: Vec<Line>) -> StockCommitted {
    StockCommitted { reservation_id: reservation_id(&order_id), order_id, items }
}

/// The stock levels of items that are set aside, each changed.
fn set_aside(
    items: &[Line],
    rows: &Rows<Stock>,
    change: impl Fn(Stock, i64) -> Stock,
) -> Result<Vec<(String, Stock)>, Stop> {
    items
        .iter()
        .zip(rows.get_all(items.iter().map(|line| &*line.sku))?)
        .map(|(line, stock)| {
            let stock = stock.ok_or_else(|| {
                Stop::Refuse(format!("the stock level of '{}', which is set aside, is gone", line.sku))
            })?;
            Ok((line.sku.to_string(), change(stock, line.quantity.get())))
        })
        .collect()
}

fn reservation_id(order_id: &Id) -> Id {
    derived_id("reservation", order_id)
}
