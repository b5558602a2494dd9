//! HTTP, as CONTRACT section 6 has it.

mod access;
mod dead_letters;
mod limits;
mod orders;
mod peers;
mod tracker;

use e2e::{
    http::Http,
    program::Program,
    saga::{Saga, sandbox},
};
use serde_json::{Value, json};

/// A sandbox in which ada has 500.00 EUR, and the shop 100 packets of tea.
#[track_caller]
fn shop(args: &[&str]) -> (Program, Saga, Http) {
    let (program, saga) = sandbox(args);
    let http = Http::at(program.http());
    http.post("/accounts/ada/deposits", &json!({"amount": 50_000, "currency": "EUR"})).is(202);
    http.post("/stock/tea/receipts", &json!({"quantity": 100})).is(202);
    (program, saga, http)
}

/// Two packets of tea for ada, to Germany.
fn tea() -> Value {
    json!({
        "customer_id": "ada", "currency": "EUR", "destination": {"country": "DE"},
        "items": [{"sku": "tea", "quantity": 2, "unit_price": 2499}]
    })
}

/// The same under this id.
fn tea_as(order_id: &str) -> Value {
    let mut order = tea();
    order["order_id"] = json!(order_id);
    order
}
