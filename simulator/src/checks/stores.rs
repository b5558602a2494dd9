//! What the stores hold when all is quiet.

use std::collections::BTreeMap;

use serde_json::Value;

use super::topics::Said;
use crate::{party::Party, run::Run};

/// Nothing waits to be published, no timer runs, everything is read, and the service is ready.
///
/// # Errors
/// What is left, and where.
pub fn are_done(run: &Run) -> Result<(), String> {
    for party in &run.parties {
        let name = party.name();
        let ask = |sql: &str| party.cell.lock().ask(sql).map_err(|error| error.to_string());
        if let Some(left) =
            ask("SELECT lane || ', places ' || first_place || '-' || last_place FROM outbox")?.first()
        {
            return Err(format!("the outbox of {name} still holds lane {left}"));
        }
        if let Some(left) = ask("SELECT instance FROM instance WHERE due_ms IS NOT NULL")?.first() {
            return Err(format!("{name} has a timer for {left}, which has ended"));
        }
        if !party.is_ready() {
            return Err(format!("{name} is not ready, though nothing goes wrong"));
        }
        for topic in &party.reads {
            for partition in 0..i32::try_from(run.plan.partitions).expect("there are few") {
                let (next, _) = run.positions(topic, partition)[&party.index];
                let end = run.world.lock().partition_mut(topic, partition).end();
                let told = party.positions_told(topic, partition);
                if told != Some(next) {
                    return Err(format!(
                        "{name} says that it has read {topic}[{partition}] up to {told:?}, and it is {next}"
                    ));
                }
                if next != end {
                    return Err(format!(
                        "{name} has read {topic}[{partition}] up to {next}, and it ends at {end}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// What was reported is what the store has.
///
/// # Errors
/// Where it is not.
pub fn what_was_reported(run: &Run, party: &Party) -> Result<(), String> {
    let group = format!("quadrille-{}", party.name());
    for topic in &party.reads {
        for partition in 0..i32::try_from(run.plan.partitions).expect("there are few") {
            let (next, _) = run.positions(topic, partition)[&party.index];
            let place = ((*topic).to_owned(), partition);
            let reported = run.world.lock().reported.get(&(group.clone(), place)).map(|r| r.offset);
            if reported.unwrap_or(0) != next {
                return Err(format!(
                    "{group} has read {topic}[{partition}] up to {next}, and told {reported:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Money and stock add up, row by row, to what the topics tell.
///
/// # Errors
/// Whose do not.
pub fn sums(run: &Run, said: &[Said]) -> Result<(), String> {
    let mut accounts: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    let mut stock: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    let mut customers: BTreeMap<&str, String> = BTreeMap::new();
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for said in said.iter().filter(|said| said.kind == "OrderPlaced") {
        customers.insert(&said.key, text(&said.data["customer_id"]));
    }
    let mut counted = BTreeMap::new();
    for Said { kind, key, data, .. } in said {
        match kind.as_str() {
            "FundsDeposited" => {
                accounts.entry(key.clone()).or_default()[0] += number(&data["amount"]);
                if let Some(other) = counted.insert(text(&data["deposit_id"]), key) {
                    return Err(format!("{} has counted twice, for {other} and {key}", data["deposit_id"]));
                }
            }
            "StockReceived" => {
                stock.entry(key.clone()).or_default()[0] += number(&data["quantity"]);
                if let Some(other) = counted.insert(text(&data["receipt_id"]), key) {
                    return Err(format!("{} has counted twice, for {other} and {key}", data["receipt_id"]));
                }
            }
            "PaymentCaptured" => {
                let customer = customers.get(key.as_str()).cloned().unwrap_or_default();
                accounts.entry(customer).or_default()[2] += number(&data["amount"]);
            }
            "StockCommitted" => {
                for item in data["items"].as_array().into_iter().flatten() {
                    stock.entry(text(&item["sku"])).or_default()[2] += number(&item["quantity"]);
                }
            }
            _ => {}
        }
    }
    compare(&run.parties[1], ["deposited", "held", "captured"], &accounts)?;
    compare(&run.parties[2], ["received", "reserved", "committed"], &stock)
}

fn compare(party: &Party, fields: [&str; 3], told: &BTreeMap<String, [i64; 3]>) -> Result<(), String> {
    let sql = "SELECT key || '|' || value FROM shared_row ORDER BY key";
    let rows = party.cell.lock().ask(sql).map_err(|error| error.to_string())?;
    let mut kept = BTreeMap::new();
    for row in &rows {
        let (key, value) = row.split_once('|').ok_or("a row has no key")?;
        let value: Value =
            serde_json::from_str(value).map_err(|error| format!("a row is no JSON: {error}"))?;
        kept.insert(key.to_owned(), fields.map(|field| value[field].as_i64().unwrap_or(i64::MIN)));
    }
    if kept != *told {
        return Err(format!(
            "the sums of {} ({fields:?}) are {kept:?}, and its topic tells {told:?}",
            party.name()
        ));
    }
    Ok(())
}
