//! What the five services are tried on: every way an order may end, a customer who cancels at any
//! moment, a deadline that passes at any moment, records that can't be used, orders that compete,
//! and false events. What must hold in all of them is in `rules.rs`.

mod false_events;
mod rules;
mod shop;
mod sums;

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use contract::{
    CancelOrder, OrderPlaced, PaymentAuthorized, PaymentDeclined, PlaceOrder, ShipmentRefused, StockRejected,
    StockReserved,
};
use saga::{
    Message, Said, Service,
    explorer::{Explorer, Report},
    map::Map,
};

use crate::{Settings, services};

pub use false_events::{false_events, pairs_of_false_events};
use shop::{ENOUGH, PLENTY, Shop, order};

/// One thing to try.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Says what it is.
    pub name: String,
    /// What the order comes to when nobody cancels it and no deadline passes.
    pub ending: Ending,
    orders: Vec<PlaceOrder>,
    set_up: Vec<Said>,
    /// Whether the orders are placed at any moment, or before everything else.
    placed_at_any_moment: bool,
    moments: Vec<(&'static str, Said)>,
    /// A service, and the type of the records that it can't read.
    pub unusable: Option<(&'static str, &'static str)>,
    /// Whether someone else may write a message, too: some of it may come to be a dead letter.
    pub is_disturbed: bool,
    /// How many of those messages are events, written in the name of a service.
    false_events: usize,
    without: Vec<&'static str>,
    patient: bool,
}

/// What an order comes to. Of orders that compete one completes, and the others come to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It completes.
    Completes,
    /// It is cancelled.
    Fails {
        /// The event that it fails with.
        event: &'static str,
        /// That event's reason.
        because: &'static str,
        /// The reason of `OrderCancelled`.
        reason: &'static str,
    },
    /// Either, depending on whether a record that nobody can use is redriven before the deadline.
    Depends,
}

/// What every run of the tests tries: one order for every outcome, with and without a customer who
/// cancels, and with a deadline that is long enough; two orders that compete; and every false event
/// about an order that would complete.
pub fn quick() -> Vec<Scenario> {
    let mut scenarios = with_and_without_cancellation(outcomes());
    scenarios.extend(outcomes().into_iter().map(Scenario::patient));
    scenarios.extend(competing().into_iter().map(|s| s.without("notification").patient()));
    scenarios.extend(false_events(&outcomes()[0]));
    scenarios
}

/// What takes some seconds: every outcome with every false event, every false event while another
/// order is under way, and orders that compete while deadlines pass.
pub fn wide() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for outcome in outcomes() {
        scenarios.push(outcome.clone().with_cancellation().with_another_cancellation());
        scenarios.extend(false_events(&outcome.with_cancellation()));
    }
    for outcome in outcomes().iter().skip(1) {
        scenarios.extend(false_events(outcome));
    }
    scenarios.extend(false_events(&beside_each_other().without("notification").patient()));
    scenarios.extend(competing().into_iter().map(|s| s.without("notification")));
    scenarios
}

/// What takes longest: two false events about one order, and all that may happen to two orders.
pub fn widest() -> Vec<Scenario> {
    let mut scenarios = competing();
    scenarios.extend(competing().into_iter().map(|s| s.with_cancellation().without("notification")));
    scenarios.extend(pairs_of_false_events());
    scenarios
}

fn with_and_without_cancellation(scenarios: Vec<Scenario>) -> Vec<Scenario> {
    scenarios.into_iter().flat_map(|s| [s.clone(), s.with_cancellation()]).collect()
}

/// One order for every business outcome; the deadline may pass at any moment.
pub fn outcomes() -> Vec<Scenario> {
    let declined =
        |because| Ending::Fails { event: PaymentDeclined::TYPE, because, reason: "payment_declined" };
    let rejected = |because| Ending::Fails { event: StockRejected::TYPE, because, reason: "out_of_stock" };
    let refused =
        |because| Ending::Fails { event: ShipmentRefused::TYPE, because, reason: "shipment_refused" };
    let unusable = |name, service, kind, ending| Scenario {
        unusable: Some((service, kind)),
        ..Scenario::of_one_order(name, &ENOUGH, ending)
    };
    vec![
        Scenario::of_one_order("completes", &ENOUGH, Ending::Completes),
        Scenario::of_one_order(
            "declined, insufficient funds",
            &Shop { funds: Some((1999, "EUR")), ..ENOUGH },
            declined("insufficient_funds"),
        ),
        Scenario::of_one_order(
            "declined, unknown customer",
            &Shop { funds: None, ..ENOUGH },
            declined("unknown_customer"),
        ),
        Scenario::of_one_order(
            "declined, currency mismatch",
            &Shop { funds: Some((2000, "USD")), ..ENOUGH },
            declined("currency_mismatch"),
        ),
        Scenario::of_one_order("out of stock", &Shop { tea: Some(1), ..ENOUGH }, rejected("out_of_stock")),
        Scenario::of_one_order("unknown SKU", &Shop { cups: None, ..ENOUGH }, rejected("unknown_sku")),
        Scenario::of_one_order(
            "shipment refused",
            &Shop { country: "AQ", ..ENOUGH },
            refused("destination_not_served"),
        ),
        unusable("unusable OrderPlaced for payment", "payment", OrderPlaced::TYPE, declined("unprocessable")),
        unusable(
            "unusable PaymentAuthorized",
            "inventory",
            PaymentAuthorized::TYPE,
            rejected("unprocessable"),
        ),
        unusable("unusable StockReserved", "shipping", StockReserved::TYPE, refused("unprocessable")),
        unusable("unusable OrderPlaced for inventory", "inventory", OrderPlaced::TYPE, Ending::Depends),
        unusable("unusable OrderPlaced for shipping", "shipping", OrderPlaced::TYPE, Ending::Depends),
    ]
}

/// Tries these on the five services, as many at a time as there are processors; `tell` hears of each
/// when it is done: its report, and how long it took.
pub fn explore(scenarios: &[Scenario], tell: impl Fn(&Scenario, &Report, Duration) + Sync) {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let report = scenario.explorer(services(&Settings::default())).explore();
            tell(scenario, &report, start.elapsed());
        }
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|threads| {
        for _ in 0..processors {
            threads.spawn(work);
        }
    });
}

/// Who reacts to what with what, in the normal course: nobody writes a false event, and every
/// record can be read.
pub fn map() -> Map {
    let services = || services(&Settings::default());
    let mut map = Map::of(&services());
    for scenario in outcomes().into_iter().filter(|s| s.unusable.is_none()) {
        for scenario in [scenario.clone(), scenario.with_cancellation()] {
            map.learn(&scenario.explorer(services()).without_repeats().with_answers().explore());
        }
    }
    map
}

/// Two orders of one customer, and enough of everything but one thing for both.
pub fn competing() -> Vec<Scenario> {
    let last_item =
        Ending::Fails { event: StockRejected::TYPE, because: "out_of_stock", reason: "out_of_stock" };
    let last_funds = Ending::Fails {
        event: PaymentDeclined::TYPE,
        because: "insufficient_funds",
        reason: "payment_declined",
    };
    vec![
        Scenario::of_two_orders("two orders, the last item", &Shop { tea: Some(3), ..PLENTY }, last_item),
        Scenario::of_two_orders(
            "two orders, the last funds",
            &Shop { funds: Some((3999, "EUR")), ..PLENTY },
            last_funds,
        ),
    ]
}

/// Two orders of one customer, and enough of everything for both.
fn beside_each_other() -> Scenario {
    Scenario::of_two_orders("two orders", &PLENTY, Ending::Completes)
}

impl Scenario {
    fn of_one_order(name: &str, shop: &Shop, ending: Ending) -> Self {
        Scenario {
            name: name.to_owned(),
            ending,
            orders: vec![order("order-1", shop)],
            set_up: shop.set_up(),
            placed_at_any_moment: false,
            moments: Vec::new(),
            unusable: None,
            is_disturbed: false,
            false_events: 0,
            without: Vec::new(),
            patient: false,
        }
    }

    fn of_two_orders(name: &str, shop: &Shop, ending: Ending) -> Self {
        let mut scenario = Scenario::of_one_order(name, shop, ending);
        scenario.orders.push(order("order-2", shop));
        scenario
    }

    /// How many events about this order may be written by someone who is not their service.
    fn false_events_about(&self, order_id: &str) -> usize {
        if *self.orders[0].order_id == *order_id { self.false_events } else { 0 }
    }

    /// The customer may cancel the first order at any moment, also before it is placed.
    #[must_use]
    pub fn with_cancellation(mut self) -> Self {
        self.name += ", customer cancels";
        self.placed_at_any_moment = true;
        let reason = Some("changed my mind".to_owned());
        let cancel = CancelOrder { order_id: self.orders[0].order_id.clone(), reason };
        self.moments.push(("cancellation", cancel.into()));
        self
    }

    /// And once more, as another command.
    #[must_use]
    pub fn with_another_cancellation(mut self) -> Self {
        self.name += ", twice";
        let cancel = CancelOrder { order_id: self.orders[0].order_id.clone(), reason: None };
        self.moments.push(("another-cancellation", cancel.into()));
        self
    }

    /// Someone may give this command at any moment; it may save an order that fails.
    #[must_use]
    fn with_another_command(self, command: Said) -> Self {
        let ending = match self.ending {
            Ending::Fails { .. } | Ending::Depends => Ending::Depends,
            Ending::Completes => Ending::Completes,
        };
        Scenario { ending, ..self }.disturbed_by("another", command)
    }

    /// Someone may write this about the first order at any moment, also before it is placed.
    #[must_use]
    fn with_false_event(self, event: Said) -> Self {
        Scenario { false_events: self.false_events + 1, ..self }.disturbed_by("false", event)
    }

    fn disturbed_by(mut self, what: &str, message: Said) -> Self {
        self.name += &format!(", {what} {}", message.kind);
        self.placed_at_any_moment = true;
        self.is_disturbed = true;
        self.moments.push(("someone-elses", message));
        self
    }

    /// The deadline is long: it passes only when nothing else can happen.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.name += ", patient";
        self.patient = true;
        self
    }

    /// This service, which only listens, is left out.
    #[must_use]
    pub fn without(mut self, service: &'static str) -> Self {
        self.name += &format!(", without {service}");
        self.without.push(service);
        self
    }

    /// Sets the exploration of these services up: what there is, what may happen, what must hold.
    pub fn explorer(&self, services: impl IntoIterator<Item = Service>) -> Explorer<'_> {
        let services = services.into_iter().filter(|s| !self.without.contains(&s.name));
        let mut explorer = Explorer::new(services);
        for message in &self.set_up {
            explorer = explorer.set_up(message.clone());
        }
        for order in &self.orders {
            explorer = if self.placed_at_any_moment {
                explorer.moment(&order.order_id, order.clone())
            } else {
                explorer.start(&order.order_id, order.clone())
            };
        }
        for (id, message) in &self.moments {
            explorer = explorer.moment(id, message.clone());
        }
        if let Some((service, kind)) = self.unusable {
            explorer = explorer.unusable(service, kind);
        }
        if self.patient {
            explorer = explorer.patient();
        }
        if self.false_events > 0 {
            explorer = explorer.waiting_is_fine();
        }
        explorer.always(|view| rules::always(self, view)).at_rest(|view| rules::at_rest(self, view))
    }
}
