//! The loop of a raw service.

use std::{fmt::Write as _, path::Path};

use anyhow::{Context, Result};
use rdkafka::Message as _;
use serde::Deserialize;

use super::{
    Synchronous,
    clients::{Publisher, Reader, kind},
    records::{TYPES, Writer, type_number},
    saga::Service,
    store::{Positions, Said, Store},
    topic,
};
use crate::plan::Ending;

/// What a service reads of a record: of an envelope, or of bare JSON.
#[derive(Deserialize)]
pub struct Heard<'r> {
    /// The record's id, where it has one.
    #[serde(borrow)]
    pub id: Option<&'r str>,
    #[serde(borrow)]
    order_id: Option<&'r str>,
    #[serde(borrow)]
    data: Option<About<'r>>,
}

#[derive(Deserialize)]
struct About<'r> {
    order_id: Option<&'r str>,
}

impl<'r> Heard<'r> {
    /// Reads a record.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn of(value: &'r [u8]) -> Result<Heard<'r>> {
        serde_json::from_slice(value).context("a record is not JSON")
    }

    /// The order that it is about.
    ///
    /// # Errors
    /// When it is about none.
    pub fn order(&self) -> Result<&'r str> {
        let order = self.order_id.or(self.data.as_ref().and_then(|data| data.order_id));
        order.context("a record is about no order")
    }
}

/// Runs a service until it fails.
///
/// # Errors
/// Why.
pub fn run(
    service: &Service,
    servers: &str,
    file: &Path,
    synchronous: Synchronous,
    is_ready: impl FnOnce(),
) -> Result<()> {
    let mut store = Store::open(file, synchronous)?;
    let mut positions = store.positions()?;
    let (name, topics): (_, Vec<String>) =
        (service.writes, service.reads.iter().map(|name| topic(name)).collect());
    let mut reader = Reader::new(servers, name, &topics, &positions)?;
    let publisher = Publisher::new(servers, name)?;
    let home = topic(service.writes);
    publisher.publish(&home, &store.outbox()?)?;
    let mut is_ready = Some(is_ready);
    let mut writer = Writer::default();
    loop {
        let batch = reader.take()?;
        let published_up_to = publisher.published_up_to()?;
        if !batch.is_empty() {
            let said = handle(service, &mut store, &batch, &mut positions, published_up_to, &mut writer)?;
            drop(batch);
            publisher.publish(&home, &said)?;
        } else {
            drop(batch);
        }
        if reader.has_heard_from_all()
            && let Some(is_ready) = is_ready.take()
        {
            is_ready();
        }
    }
}

fn handle(
    service: &Service,
    store: &mut Store,
    batch: &[rdkafka::message::BorrowedMessage],
    positions: &mut Positions,
    published_up_to: i64,
    writer: &mut Writer,
) -> Result<Vec<Said>> {
    let transaction = store.begin()?;
    let mut said = Vec::new();
    let mut text = String::new();
    for message in batch {
        positions.read(message.topic(), message.partition(), message.offset());
        let kind = kind(message).unwrap_or("PlaceOrder");
        if !service.hears.contains(&kind) {
            continue;
        }
        let heard = Heard::of(message.payload().unwrap_or_default())?;
        let order = heard.order()?;
        let ending = Ending::of(order).with_context(|| format!("{order} is no order of a bench"))?;
        let mut state = transaction.state(order)?.map_or(Ok(0), |state| read_state(&state))?;
        for kind in service.decide(&mut state, kind, ending) {
            let type_number = type_number(kind).context("a rule says a type that there is not")?;
            // As long as the program's number; nobody looks at it.
            let value = writer.record(type_number, order, message.offset() + 1).to_vec();
            let partition = message.partition();
            let id = transaction.say(partition, order, TYPES[type_number], &value)?;
            said.push(Said { id, partition, order: order.to_owned(), type_number, value });
        }
        text.clear();
        // A few digits, and as many bytes more as the program's state has.
        write!(text, "{state:08x}{:width$}", "", width = service.state_bytes - 8)?;
        transaction.set_state(order, &text)?;
    }
    transaction.commit(positions, published_up_to)?;
    Ok(said)
}

fn read_state(text: &str) -> Result<u32> {
    let digits = text.get(..8).context("a state is too short")?;
    u32::from_str_radix(digits, 16).context("a state is no number")
}
