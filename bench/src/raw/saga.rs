//! What each service of the raw chain hears, and what it then says.

use anyhow::{Context, Result};
use e2e::topics::{INVENTORY, NOTIFICATIONS, ORDERS, ORDERS_COMMANDS, PAYMENTS, SHIPMENTS};

use crate::plan::Ending;

/// A service: as many topics and types as the program's has.
#[derive(Debug)]
pub struct Service {
    /// The topic that it writes to.
    pub writes: &'static str,
    /// The topics that it reads; a customer's and a SKU's commands are no part of the chain.
    pub reads: &'static [&'static str],
    /// The types that it hears; it skips the others by their header.
    pub hears: &'static [&'static str],
    /// How many bytes its row of an order has: as many as the program's, while the order goes on.
    pub state_bytes: usize,
    rules: &'static [Rule],
}

/// Once all of these were heard of an order, this is said: once, and where it ends so.
#[derive(Debug)]
struct Rule {
    heard: &'static [&'static str],
    says: &'static str,
    only: Option<Ending>,
    not: Option<Ending>,
}

const fn rule(heard: &'static [&'static str], says: &'static str) -> Rule {
    Rule { heard, says, only: None, not: None }
}

const fn only(ending: Ending, heard: &'static [&'static str], says: &'static str) -> Rule {
    Rule { heard, says, only: Some(ending), not: None }
}

const fn not(ending: Ending, heard: &'static [&'static str], says: &'static str) -> Rule {
    Rule { heard, says, only: None, not: Some(ending) }
}

impl Service {
    /// What is said when a type is heard; `state` has a bit for each type that was heard, in the order
    /// of `hears`, and is changed.
    pub fn decide<'s>(
        &'s self,
        state: &mut u32,
        heard: &str,
        ending: Ending,
    ) -> impl Iterator<Item = &'static str> + use<'s> {
        let before = *state;
        *state |= self.bit(heard);
        let after = *state;
        self.rules.iter().filter_map(move |rule| {
            let needs = rule.heard.iter().map(|kind| self.bit(kind)).fold(0, |all, bit| all | bit);
            let is_new = before & needs != needs && after & needs == needs;
            let fits =
                rule.only.is_none_or(|only| only == ending) && rule.not.is_none_or(|not| not != ending);
            (is_new && fits).then_some(rule.says)
        })
    }

    fn bit(&self, kind: &str) -> u32 {
        self.hears.iter().position(|heard| *heard == kind).map_or(0, |place| 1 << place)
    }
}

/// A service by its name.
///
/// # Errors
/// When there is none.
pub fn service(name: &str) -> Result<&'static Service> {
    let found = SERVICES.iter().find(|(of, _)| *of == name);
    Ok(&found.with_context(|| format!("there is no service {name}"))?.1)
}

static SERVICES: [(&str, Service); 5] = [
    (
        "order",
        Service {
            writes: ORDERS,
            reads: &[ORDERS_COMMANDS, PAYMENTS, INVENTORY, SHIPMENTS],
            hears: &[
                "PlaceOrder",
                "ShipmentScheduled",
                "PaymentCaptured",
                "StockCommitted",
                "ShipmentDispatched",
                "PaymentDeclined",
                "StockRejected",
                "ShipmentRefused",
                "PaymentVoided",
                "StockReleased",
            ],
            state_bytes: 350,
            rules: &[
                rule(&["PlaceOrder"], "OrderPlaced"),
                rule(&["ShipmentScheduled"], "OrderConfirmed"),
                rule(&["PaymentCaptured", "StockCommitted", "ShipmentDispatched"], "OrderCompleted"),
                rule(&["PaymentDeclined"], "OrderCancelled"),
                rule(&["StockRejected", "PaymentVoided"], "OrderCancelled"),
                rule(&["ShipmentRefused", "PaymentVoided", "StockReleased"], "OrderCancelled"),
            ],
        },
    ),
    (
        "payment",
        Service {
            writes: PAYMENTS,
            reads: &[ORDERS, INVENTORY, SHIPMENTS],
            hears: &["OrderPlaced", "OrderConfirmed", "StockRejected", "ShipmentRefused", "OrderCancelled"],
            state_bytes: 100,
            rules: &[
                not(Ending::Declined, &["OrderPlaced"], "PaymentAuthorized"),
                only(Ending::Declined, &["OrderPlaced"], "PaymentDeclined"),
                rule(&["OrderConfirmed"], "PaymentCaptured"),
                rule(&["StockRejected"], "PaymentVoided"),
                rule(&["ShipmentRefused"], "PaymentVoided"),
            ],
        },
    ),
    (
        "inventory",
        Service {
            writes: INVENTORY,
            reads: &[ORDERS, PAYMENTS, SHIPMENTS],
            hears: &[
                "OrderPlaced",
                "PaymentAuthorized",
                "OrderConfirmed",
                "ShipmentRefused",
                "OrderCancelled",
            ],
            state_bytes: 100,
            rules: &[
                not(Ending::OutOfStock, &["OrderPlaced", "PaymentAuthorized"], "StockReserved"),
                only(Ending::OutOfStock, &["OrderPlaced", "PaymentAuthorized"], "StockRejected"),
                rule(&["OrderConfirmed"], "StockCommitted"),
                rule(&["ShipmentRefused"], "StockReleased"),
            ],
        },
    ),
    (
        "shipping",
        Service {
            writes: SHIPMENTS,
            reads: &[ORDERS, INVENTORY],
            hears: &["OrderPlaced", "StockReserved", "OrderConfirmed", "OrderCancelled"],
            state_bytes: 100,
            rules: &[
                not(Ending::Refused, &["OrderPlaced", "StockReserved"], "ShipmentScheduled"),
                only(Ending::Refused, &["OrderPlaced", "StockReserved"], "ShipmentRefused"),
                rule(&["OrderConfirmed"], "ShipmentDispatched"),
            ],
        },
    ),
    (
        "notification",
        Service {
            writes: NOTIFICATIONS,
            reads: &[ORDERS],
            hears: &["OrderPlaced", "OrderCompleted", "OrderCancelled"],
            state_bytes: 100,
            rules: &[
                rule(&["OrderPlaced", "OrderCompleted"], "NotificationSent"),
                rule(&["OrderPlaced", "OrderCancelled"], "NotificationSent"),
            ],
        },
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::{audit::expected_types, raw::records::type_number};

    #[test]
    fn each_order_ends_with_the_program_s_events() {
        for ending in [Ending::Completed, Ending::Declined, Ending::OutOfStock, Ending::Refused] {
            let mut states = [0_u32; SERVICES.len()];
            let mut waiting = VecDeque::from(["PlaceOrder"]);
            let mut said = 0_u32;
            while let Some(kind) = waiting.pop_front() {
                for (state, (_, service)) in states.iter_mut().zip(&SERVICES) {
                    for says in service.decide(state, kind, ending) {
                        let bit = 1 << type_number(says).unwrap();
                        assert_eq!(said & bit, 0, "{says} is said once");
                        said |= bit;
                        waiting.push_back(says);
                    }
                }
            }
            assert_eq!(said, expected_types(ending, true), "{ending:?}");
        }
    }
}
