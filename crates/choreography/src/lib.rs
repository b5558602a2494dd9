//! The five services together, still pure: what the program hosts, the explorer tries and the map
//! draws.

pub mod scenarios;

use std::{collections::BTreeSet, time::Duration};

use saga::Service;
pub use scenarios::map;

/// What the services' rules depend on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an order may take to be confirmed.
    pub order_deadline: Duration,
    /// Where shipping ships to (ISO 3166-1 alpha-2).
    pub shipping_countries: BTreeSet<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            order_deadline: Duration::from_secs(60),
            shipping_countries: shipping::COUNTRIES.into_iter().map(str::to_owned).collect(),
        }
    }
}

/// Every service, in the order of the saga. Where several read a topic, the first of them here is
/// the one that answers for records of no known type.
pub fn services(settings: &Settings) -> [Service; 5] {
    [
        order::service(settings.order_deadline),
        payment::service(),
        inventory::service(),
        shipping::service(settings.shipping_countries.clone()),
        notification::service(),
    ]
}
