//! What people write, as kcat would: bare JSON mostly, some of it twice, some of it on the wrong partition,
//! some of it rubbish.

use contract::topics::{INVENTORY_COMMANDS, ORDERS, ORDERS_COMMANDS, PAYMENTS_COMMANDS};
use runtime::Record;
use serde_json::{Value, json};

use crate::random::Random;

/// Who buys.
pub const CUSTOMERS: [&str; 3] = ["ada", "bob", "eve"];
/// What there is to buy.
pub const SKUS: [&str; 3] = ["tea", "cup", "jam"];

/// Something that a person writes.
#[derive(Debug, Clone)]
pub struct Command {
    /// The topic.
    pub topic: &'static str,
    /// The key.
    pub key: String,
    /// The partition, where it is not that of the key.
    pub partition: Option<i32>,
    /// The value.
    pub value: Vec<u8>,
    /// Its type, where the header says it.
    pub kind: Option<&'static str>,
    /// Whether a transaction's marker follows.
    pub in_transaction: bool,
}

impl Command {
    /// As a record that has no offset yet.
    pub fn record(&self, home: i32, partitions: i32) -> Record {
        let header = |kind: &&str| ("ce_type".to_owned(), Some(kind.as_bytes().to_vec()));
        Record {
            topic: self.topic.into(),
            partition: self.partition.map_or(home, |partition| partition % partitions),
            offset: 0,
            timestamp_ms: 0,
            key: Some(self.key.clone().into_bytes()),
            headers: self.kind.iter().map(header).collect(),
            value: Some(self.value.clone()),
        }
    }
}

/// Writes a command in one of the forms that are taken.
pub fn write(
    random: &mut Random,
    topic: &'static str,
    kind: &'static str,
    key: &str,
    data: Value,
) -> Command {
    let mut value = data.clone();
    let mut header = None;
    match random.below(4) {
        0 => {
            value = json!({"specversion": "1.0", "id": format!("id-{}", random.number()), "source": "/people",
                           "type": kind, "data": data});
            header = random.one_in(2).then_some(kind);
        }
        1 => {
            value["type"] = json!(kind);
            value["id"] = json!(format!("id-{}", random.number()));
        }
        _ => value["type"] = json!(kind),
    }
    Command {
        topic,
        key: key.to_owned(),
        partition: random.one_in(5).then(|| i32::try_from(random.below(3)).unwrap_or(0)),
        value: value.to_string().into_bytes(),
        kind: header,
        in_transaction: random.one_in(6),
    }
}

/// What an order asks for.
pub fn order(random: &mut Random, order_id: &str, customer: &str) -> Value {
    let items: Vec<Value> = (0..=random.below(2))
        .map(|_| {
            let (quantity, unit_price) = (1 + random.below(3), 100 * (1 + random.below(9)));
            json!({"sku": random.pick(&SKUS), "quantity": quantity, "unit_price": unit_price})
        })
        .collect();
    let country = if random.one_in(7) { "AQ" } else { "DE" };
    json!({"order_id": order_id, "customer_id": customer, "currency": "EUR", "items": items,
           "destination": {"country": country}})
}

/// Places an order.
pub fn place(random: &mut Random, order_id: &str) -> Command {
    let customer = *random.pick(&CUSTOMERS);
    let data = order(random, order_id, customer);
    write(random, ORDERS_COMMANDS, "PlaceOrder", order_id, data)
}

/// Places an order with an address that is longer than some topics take.
pub fn place_large(random: &mut Random, order_id: &str) -> Command {
    let customer = *random.pick(&CUSTOMERS);
    let mut data = order(random, order_id, customer);
    data["destination"]["city"] = json!("x".repeat(24_000));
    write(random, ORDERS_COMMANDS, "PlaceOrder", order_id, data)
}

/// Cancels an order.
pub fn cancel(random: &mut Random, order_id: &str) -> Command {
    write(random, ORDERS_COMMANDS, "CancelOrder", order_id, json!({"order_id": order_id}))
}

/// Deposits money.
pub fn deposit(random: &mut Random, deposit_id: &str, customer: &str) -> Command {
    let amount = 1_000 * (1 + random.below(12));
    let data =
        json!({"customer_id": customer, "amount": amount, "currency": "EUR", "deposit_id": deposit_id});
    write(random, PAYMENTS_COMMANDS, "DepositFunds", customer, data)
}

/// Receives stock.
pub fn receive(random: &mut Random, receipt_id: &str, sku: &str) -> Command {
    let quantity = 1 + random.below(9);
    let data = json!({"sku": sku, "quantity": quantity, "receipt_id": receipt_id});
    write(random, INVENTORY_COMMANDS, "ReceiveStock", sku, data)
}

/// Writes what nobody can read.
pub fn rubbish(random: &mut Random, token: &str) -> Command {
    let topic = *random.pick(&[ORDERS_COMMANDS, PAYMENTS_COMMANDS, INVENTORY_COMMANDS, ORDERS]);
    let kind = match topic {
        ORDERS_COMMANDS => "PlaceOrder",
        PAYMENTS_COMMANDS => "DepositFunds",
        // Whoever waits for it answers that it can't be used.
        ORDERS => "OrderPlaced",
        _ => "ReceiveStock",
    };
    Command {
        topic,
        key: token.to_owned(),
        partition: None,
        value: format!("rubbish {token}").into_bytes(),
        kind: random.one_in(2).then_some(kind),
        in_transaction: false,
    }
}

/// What a person makes of rubbish on this topic: something that can be used.
pub fn mended(topic: &str, key: &str) -> Vec<u8> {
    let value = match topic {
        ORDERS_COMMANDS => {
            json!({"type": "PlaceOrder", "order_id": key, "customer_id": "ada", "currency": "EUR",
                   "items": [{"sku": "tea", "quantity": 1, "unit_price": 100}], "destination": {"country": "DE"}})
        }
        // The key is the customer, or the SKU.
        PAYMENTS_COMMANDS => json!({"type": "DepositFunds", "customer_id": key, "amount": 1000,
                                    "currency": "EUR", "deposit_id": format!("mended-{key}")}),
        _ => {
            json!({"type": "ReceiveStock", "sku": key, "quantity": 3, "receipt_id": format!("mended-{key}")})
        }
    };
    value.to_string().into_bytes()
}
