//! The notification service: tells the customer, once, how the order ended.

#![warn(clippy::wildcard_enum_match_arm)]

#[cfg(test)]
mod tests;

use contract::{Id, NotificationSent, OrderCancelled, OrderCompleted, OrderPlaced, Template, topics};
use saga::{Hears, Participant, Rows, Service, Step, Stop, hears, ignore, to};
use serde::{Deserialize, Serialize};

/// The service.
pub fn service() -> Service {
    Service::new("notification", topics::NOTIFICATIONS).with(Notification)
}

/// The notification about one order.
pub struct Notification;

/// What [`Notification`] knows of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// Nothing yet.
    #[default]
    New,
    /// Whom to tell, but not yet what.
    Placed(Id),
    /// What to tell, but not yet whom.
    Ended(Template),
    /// The customer knows.
    Sent,
}

/// What [`Notification`] listens to.
pub enum Heard {
    /// Says whom to tell.
    OrderPlaced(OrderPlaced),
    /// The order ended: says what to tell.
    Ended(Template),
}

impl Participant for Notification {
    const NAME: &'static str = "notification";
    type Heard = Heard;
    type State = State;
    type Row = ();

    fn hears() -> Vec<Hears<Heard>> {
        vec![
            hears(Heard::OrderPlaced).opens(),
            hears(|_: OrderCompleted| Heard::Ended(Template::OrderCompleted)),
            hears(|_: OrderCancelled| Heard::Ended(Template::OrderCancelled)),
        ]
    }

    fn decide(&self, order: &str, state: &State, heard: &Heard, _: &Rows<()>) -> Result<Step<Self>, Stop> {
        let order_id = Id::try_from(order).map_err(Stop::Refuse)?;
        Ok(match state {
            State::New => match heard {
                Heard::OrderPlaced(placed) => to(State::Placed(placed.customer_id.clone())),
                Heard::Ended(template) => to(State::Ended(*template)),
            },
            State::Placed(customer_id) => match heard {
                Heard::Ended(template) => send(order_id, customer_id.clone(), *template),
                Heard::OrderPlaced(_) => ignore("the customer is known already"),
            },
            State::Ended(template) => match heard {
                Heard::OrderPlaced(placed) => send(order_id, placed.customer_id.clone(), *template),
                Heard::Ended(_) => ignore("the ending is known already"),
            },
            State::Sent => ignore("the customer knows already"),
        })
    }

    fn ended(state: &State) -> bool {
        matches!(state, State::Sent)
    }
}

fn send(order_id: Id, customer_id: Id, template: Template) -> Step<Notification> {
    to(State::Sent).say(NotificationSent { order_id, customer_id, template, channel: "email".to_owned() })
}
