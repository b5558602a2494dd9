//! Which orders a run places, and how each of them has to end.

use std::collections::HashMap;

use clap::ValueEnum;
use serde_json::{Value, json};

/// How many customers the orders are spread over.
const CUSTOMERS: usize = 100;
/// How many SKUs.
const SKUS: usize = 10;
/// The SKU of which there is less than anyone orders.
const SCARCE: &str = "scarce";

/// How orders end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Mix {
    /// All are completed.
    Happy,
    /// 75 % are completed, 10 % declined, 10 % out of stock, 5 % refused by shipping.
    S1,
}

/// The order of the orders' ids, which are keys of every table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Ids {
    /// Counted up.
    Ordered,
    /// Spread over all that there could be.
    Random,
}

/// How one order ends. It is the last letter of its id, so that the raw chain, which has no rules,
/// ends it in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// `OrderCompleted`.
    Completed,
    /// `OrderCancelled`, since the customer has no account.
    Declined,
    /// `OrderCancelled`, since there is too little stock.
    OutOfStock,
    /// `OrderCancelled`, since shipping does not go there.
    Refused,
}

impl Ending {
    /// By the id of an order, if it is one of a bench.
    pub fn of(order: &str) -> Option<Ending> {
        match order.as_bytes().last()? {
            b'h' => Some(Ending::Completed),
            b'd' => Some(Ending::Declined),
            b's' => Some(Ending::OutOfStock),
            b'r' => Some(Ending::Refused),
            _ => None,
        }
    }

    /// The reason in `OrderCancelled`, where it is cancelled.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Ending::Completed => None,
            Ending::Declined => Some("payment_declined"),
            Ending::OutOfStock => Some("out_of_stock"),
            Ending::Refused => Some("shipment_refused"),
        }
    }

    /// How many records stand on the topic `orders` for it in the end.
    fn records_on_orders(self) -> i64 {
        if self == Ending::Completed { 3 } else { 2 }
    }

    fn letter(self) -> char {
        match self {
            Ending::Completed => 'h',
            Ending::Declined => 'd',
            Ending::OutOfStock => 's',
            Ending::Refused => 'r',
        }
    }

    fn of_place(mix: Mix, index: usize) -> Ending {
        match (mix, index % 20) {
            (Mix::S1, 4 | 13) => Ending::Declined,
            (Mix::S1, 8 | 19) => Ending::OutOfStock,
            (Mix::S1, 16) => Ending::Refused,
            _ => Ending::Completed,
        }
    }
}

/// The orders of a run.
#[derive(Debug)]
pub struct Plan {
    ids: Vec<String>,
    endings: Vec<Ending>,
}

impl Plan {
    /// So many orders.
    pub fn new(orders: usize, mix: Mix, ids: Ids) -> Plan {
        let endings: Vec<Ending> = (0..orders).map(|index| Ending::of_place(mix, index)).collect();
        let ids = (0..orders).map(|index| id(index, ids, endings[index])).collect();
        Plan { ids, endings }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Their ids, in the order in which they are placed.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// The place of each id.
    pub fn places(&self) -> HashMap<&str, usize> {
        self.ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect()
    }

    /// How many records stand on the topic `orders` once all of them have ended.
    pub fn records_on_orders(&self) -> i64 {
        self.endings.iter().map(|ending| ending.records_on_orders()).sum()
    }

    /// The `PlaceOrder` of one of them: bare JSON, as a person types it.
    pub fn command(&self, place: usize) -> String {
        let (id, ending) = (&self.ids[place], self.endings[place]);
        let customer = match ending {
            Ending::Declined => "nobody".to_owned(),
            _ => customer(place % CUSTOMERS),
        };
        let sku = if ending == Ending::OutOfStock { SCARCE.to_owned() } else { sku(place % SKUS) };
        let country = if ending == Ending::Refused { "AQ" } else { "DE" };
        format!(
            r#"{{"type":"PlaceOrder","order_id":"{id}","customer_id":"{customer}","currency":"EUR","items":[{{"sku":"{sku}","quantity":2,"unit_price":2499}}],"destination":{{"country":"{country}"}}}}"#
        )
    }
}

/// The deposits that any plan needs, each with its key.
pub fn deposits() -> Vec<(String, Value)> {
    let deposit = |n| {
        let customer = customer(n);
        let value = json!({"type": "DepositFunds", "deposit_id": format!("deposit-{n}"), "customer_id": customer,
            "amount": 1_000_000_000_000_i64, "currency": "EUR"});
        (customer, value)
    };
    (0..CUSTOMERS).map(deposit).collect()
}

/// The receipts of stock that any plan needs, each with its key.
pub fn receipts() -> Vec<(String, Value)> {
    let receipt = |sku: String, quantity: i64| {
        let value = json!({"type": "ReceiveStock", "receipt_id": format!("receipt-{sku}"), "sku": sku,
            "quantity": quantity});
        (sku, value)
    };
    (0..SKUS).map(|n| receipt(sku(n), 1_000_000)).chain([receipt(SCARCE.to_owned(), 1)]).collect()
}

fn customer(n: usize) -> String {
    format!("customer-{n:03}")
}

fn sku(n: usize) -> String {
    format!("sku-{n:02}")
}

fn id(index: usize, ids: Ids, ending: Ending) -> String {
    // An id has 8 hexadecimal digits: more orders than that are never placed.
    let number = index as u32;
    let number = match ids {
        Ids::Ordered => number,
        Ids::Random => spread(number),
    };
    format!("o-{number:08x}-{}", ending.letter())
}

/// Another number for each number, without any order.
fn spread(number: u32) -> u32 {
    let mut x = number.wrapping_mul(0x9E37_79B1) ^ 0x5bd1_e995;
    x ^= x >> 15;
    x = x.wrapping_mul(0x85eb_ca6b);
    x ^ (x >> 13)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_all_different_and_tell_the_ending() {
        for ids in [Ids::Ordered, Ids::Random] {
            let plan = Plan::new(20_000, Mix::S1, ids);
            assert_eq!(plan.ids().iter().collect::<HashSet<_>>().len(), 20_000);
            for (id, ending) in plan.ids.iter().zip(&plan.endings) {
                assert_eq!(Ending::of(id), Some(*ending));
            }
        }
    }

    #[test]
    fn the_mix_has_the_shares_that_it_says() {
        let plan = Plan::new(2_000, Mix::S1, Ids::Ordered);
        let count = |ending| plan.endings.iter().filter(|e| **e == ending).count();
        let shares = [Ending::Completed, Ending::Declined, Ending::OutOfStock, Ending::Refused].map(count);
        assert_eq!(shares, [1_500, 200, 200, 100]);
    }
}
