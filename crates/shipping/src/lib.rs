//! The shipping service: schedules the shipment of an order, and dispatches or cancels it.

#![warn(clippy::wildcard_enum_match_arm)]

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use contract::{
    Destination, Id, OrderCancellationRequested, OrderCancelled, OrderConfirmed, OrderPlaced, RefuseReason,
    ShipmentCancelled, ShipmentDispatched, ShipmentRefused, ShipmentScheduled, StockReserved, derived_id,
    topics,
};
use saga::{Hears, Participant, Rows, Service, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

/// Where shipments go unless the settings say otherwise: the EU and EEA, CH, GB, US, CA.
pub const COUNTRIES: [&str; 34] = [
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE", "IT", "LV", "LT",
    "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE", "IS", "LI", "NO", "CH", "GB", "US", "CA",
];

/// The service, which ships to these countries (ISO 3166-1 alpha-2).
pub fn service(countries: BTreeSet<String>) -> Service {
    Service::new("shipping", topics::SHIPMENTS).with(Shipment { countries })
}

/// The shipment of one order.
pub struct Shipment {
    countries: BTreeSet<String>,
}

/// What [`Shipment`] knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Not all that it takes to schedule has been heard.
    Waiting(Waiting),
    /// It will go there.
    Scheduled(Destination),
    /// It can't go; what comes may still ask for an answer.
    Refused,
    /// Undone, or never to be done: the tombstone.
    Closed,
    /// It is on its way.
    Dispatched,
}

impl Default for State {
    fn default() -> Self {
        State::Waiting(Waiting::default())
    }
}

/// What has been heard before the shipment is scheduled, in whatever order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Waiting {
    destination: Option<Destination>,
    reserved: bool,
    confirmed: bool,
}

/// What [`Shipment`] listens to.
pub enum Heard {
    /// Says where to.
    OrderPlaced(OrderPlaced),
    /// Asks for it.
    StockReserved,
    /// `StockReserved` can't be read.
    Unusable,
    /// The order is to be cancelled: undo, and answer.
    Undo,
    /// The pivot: close.
    OrderConfirmed,
    /// The end of a cancelled order: a safety net.
    OrderCancelled,
}

impl Participant for Shipment {
    const NAME: &'static str = "shipment";
    type Heard = Heard;
    type State = State;
    type Row = ();

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::OrderPlaced).opens(),
            hears(|_: StockReserved| Heard::StockReserved).if_unusable(|| Heard::Unusable),
            hears(|_: OrderCancellationRequested| Heard::Undo),
            hears(|_: OrderConfirmed| Heard::OrderConfirmed),
            hears(|_: OrderCancelled| Heard::OrderCancelled),
        ]
    }

    fn decide(&self, order: &str, state: &State, heard: &Heard, _: &Rows<()>) -> Result<Step<Self>, Stop> {
        let order_id = Id::try_from(order).map_err(Stop::Refuse)?;
        Ok(match state {
            State::Waiting(waiting) => match heard {
                Heard::OrderPlaced(_) if waiting.destination.is_some() => {
                    ignore("the destination is known already")
                }
                Heard::OrderPlaced(placed) => self.schedule_when_ready(
                    order_id,
                    Waiting { destination: Some(placed.destination.clone()), ..*waiting },
                ),
                Heard::StockReserved => {
                    self.schedule_when_ready(order_id, Waiting { reserved: true, ..waiting.clone() })
                }
                Heard::OrderConfirmed => to(State::Waiting(Waiting { confirmed: true, ..waiting.clone() })),
                Heard::Unusable if waiting.reserved => ignore("what can't be used has been heard before"),
                Heard::Unusable => refuse(order_id, RefuseReason::Unprocessable),
                Heard::Undo => to(State::Closed).say(nothing_to_cancel(order_id)),
                Heard::OrderCancelled => to(State::Closed),
            },
            State::Scheduled(destination) => match heard {
                Heard::Undo | Heard::OrderCancelled => cancel(order_id, destination.clone()),
                Heard::OrderConfirmed => to(State::Dispatched).say(dispatched(order_id)),
                Heard::OrderPlaced(_) | Heard::StockReserved | Heard::Unusable => {
                    ignore("the shipment is scheduled already")
                }
            },
            State::Refused => match heard {
                Heard::Undo => to(State::Closed).say(nothing_to_cancel(order_id)),
                Heard::OrderCancelled => to(State::Closed),
                Heard::OrderPlaced(_) | Heard::StockReserved | Heard::Unusable => {
                    ignore("the shipment is refused already")
                }
                Heard::OrderConfirmed => ignore("the shipment was refused"),
            },
            State::Closed => ignore("the shipment is closed"),
            State::Dispatched => ignore("the shipment is on its way"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Closed | State::Dispatched)
    }
}

impl Shipment {
    fn schedule_when_ready(&self, order_id: Id, waiting: Waiting) -> Step<Self> {
        let Waiting { destination: Some(destination), reserved: true, confirmed } = waiting else {
            return to(State::Waiting(waiting));
        };
        if !self.countries.contains(&*destination.country) {
            return refuse(order_id, RefuseReason::DestinationNotServed);
        }
        let scheduled = ShipmentScheduled {
            shipment_id: shipment_id(&order_id),
            order_id: order_id.clone(),
            destination: destination.clone(),
        };
        // Confirmed before it was scheduled: it goes at once.
        if confirmed {
            to(State::Dispatched).say(scheduled).say(dispatched(order_id))
        } else {
            to(State::Scheduled(destination)).say(scheduled)
        }
    }
}

fn refuse(order_id: Id, reason: RefuseReason) -> Step<Shipment> {
    to(State::Refused).say(ShipmentRefused { order_id, reason })
}

fn cancel(order_id: Id, destination: Destination) -> Step<Shipment> {
    to(State::Closed).say(ShipmentCancelled {
        shipment_id: Some(shipment_id(&order_id)),
        order_id,
        destination: Some(destination),
    })
}

fn nothing_to_cancel(order_id: Id) -> ShipmentCancelled {
    ShipmentCancelled { order_id, shipment_id: None, destination: None }
}

fn dispatched(order_id: Id) -> ShipmentDispatched {
    ShipmentDispatched {
        shipment_id: shipment_id(&order_id),
        tracking_number: derived_id("tracking", &order_id),
        order_id,
    }
}

fn shipment_id(order_id: &Id) -> Id {
    derived_id("shipment", order_id)
}
