//! Money and stock add up.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    FundsDeposited, PaymentAuthorized, PaymentCaptured, PaymentVoided, StockCommitted, StockReceived,
    StockReleased, StockReserved, topics,
};
use saga::{Message, explorer::View};
use serde_json::Value;

/// The accounts and stock levels are what the services' own events add up to.
pub(super) fn add_up(view: &View) -> Result<(), String> {
    // What was put in, is set aside, and has gone.
    let mut money = [0; 3];
    let mut stock: BTreeMap<&str, [i64; 3]> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for record in view.records().filter(|r| r.by.is_some()) {
        let signs = match record.kind {
            FundsDeposited::TYPE | StockReceived::TYPE => [1, 0, 0],
            PaymentAuthorized::TYPE | StockReserved::TYPE => [0, 1, 0],
            PaymentVoided::TYPE | StockReleased::TYPE => [0, -1, 0],
            PaymentCaptured::TYPE | StockCommitted::TYPE => [0, -1, 1],
            _ => continue,
        };
        for id in ["deposit_id", "receipt_id"].iter().filter_map(|field| record.data.get(field)) {
            if !counted.insert((record.kind, id.as_str())) {
                return Err(format!("{id} counts twice"));
            }
        }
        let add = |sums: &mut [i64; 3], n: i64| (0..3).for_each(|i| sums[i] += signs[i] * n);
        if record.topic == topics::PAYMENTS {
            add(&mut money, number(&record.data, "amount"));
        } else if record.kind == StockReceived::TYPE {
            add(stock.entry(sku(&record.data)).or_default(), number(&record.data, "quantity"));
        } else {
            for line in record.data["items"].as_array().into_iter().flatten() {
                add(stock.entry(sku(line)).or_default(), number(line, "quantity"));
            }
        }
    }
    let mut accounts = [0; 3];
    for (customer, account) in view.rows("payment") {
        let fields = ["deposited", "held", "captured"].map(|field| number(account, field));
        not_negative(customer, fields)?;
        (0..3).for_each(|i| accounts[i] += fields[i]);
    }
    if accounts != money {
        return Err(format!(
            "deposited, held, captured are {accounts:?} in the accounts, but {money:?} by the events"
        ));
    }
    for (sku, level) in view.rows("inventory") {
        let fields = ["received", "reserved", "committed"].map(|field| number(level, field));
        not_negative(sku, fields)?;
        let events = stock.remove(sku.as_str()).unwrap_or_default();
        if fields != events {
            return Err(format!(
                "received, reserved, committed of {sku} are {fields:?} in stock, but {events:?} by the events"
            ));
        }
    }
    stock.keys().next().map_or(Ok(()), |sku| Err(format!("events tell of {sku}, which is not in stock")))
}

fn not_negative(what: &str, [put_in, set_aside, gone]: [i64; 3]) -> Result<(), String> {
    let available = put_in - set_aside - gone;
    if available < 0 || set_aside < 0 || gone < 0 {
        return Err(format!("{what}: {available} available, {set_aside} set aside, {gone} gone"));
    }
    Ok(())
}

/// At the end, nothing is held or reserved.
pub(super) fn nothing_set_aside(view: &View) -> Result<(), String> {
    let set_aside = |service, field| view.rows(service).iter().find(|(_, row)| number(row, field) != 0);
    match set_aside("payment", "held").or(set_aside("inventory", "reserved")) {
        Some((key, row)) => Err(format!("at the end something of {key} is still set aside: {row}")),
        None => Ok(()),
    }
}

fn sku(data: &Value) -> &str {
    data["sku"].as_str().unwrap_or("")
}

fn number(data: &Value, field: &str) -> i64 {
    data[field].as_i64().unwrap_or(0)
}
