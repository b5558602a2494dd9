//! What a batch adds to the orders: its events, and where each order stands with them.

use std::collections::{HashMap, hash_map::Entry};

use anyhow::Result;
use rusqlite::{OptionalExtension, Row, Transaction, params, types::Type};

use crate::{
    Said, Status,
    mark::Marker,
    order::{Change, Order, Source},
};

/// After how many events of one order no more commands and dead letters of it are kept. A saga has
/// some 20; who sends thousands of cancellations must not fill the memory of whoever looks at it.
const MOST_EVENTS: u32 = 1_000;

/// What the columns of [`read_order`] are.
pub(crate) const ORDER_COLUMNS: &str =
    "status, customer_id, total, currency, reason, placed_ms, placed_from, updated_ms, events";

/// An order that a batch touches.
struct Touched {
    number: i64,
    /// Whether the store does not have it yet.
    is_new: bool,
    /// What is known of it now.
    order: Order,
    /// What of that the store does not know.
    change: Change,
}

/// Adds events; returns how many were new, and how many orders they touched.
pub(crate) fn add_events(
    transaction: &Transaction,
    marker: &Marker,
    events: &[Said],
) -> Result<(usize, usize)> {
    let mut find = transaction
        .prepare_cached(&format!("SELECT {ORDER_COLUMNS}, number FROM known_order WHERE order_id = ?1"))?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO event (order_number, mark, id, kind, service, cause, time_ms, data)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut last_number: i64 =
        transaction.query_row("SELECT coalesce(max(number), 0) FROM known_order", [], |row| row.get(0))?;
    let mut orders: HashMap<&str, Touched> = HashMap::new();
    let mut added = 0;
    for event in events {
        let touched = match orders.entry(&event.order) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let known =
                    find.query_row([&event.order], |row| Ok((read_order(row)?, row.get(9)?))).optional()?;
                let is_new = known.is_none();
                let (order, number) = known.unwrap_or_else(|| {
                    last_number += 1;
                    (Order::new(), last_number)
                });
                place.insert(Touched { number, is_new, order, change: Change::Nothing })
            }
        };
        if touched.order.events >= MOST_EVENTS && event.is_from_anyone() {
            continue;
        }
        let is_new = insert.execute(params![
            touched.number,
            marker.mark(&event.id, &event.kind),
            event.id,
            event.kind,
            event.service,
            event.cause,
            event.time_ms,
            event.data,
        ])? > 0;
        if is_new {
            touched.change = touched.change.max(touched.order.hear(event));
            added += 1;
        }
    }
    // In the order of the numbers: what is beside each other in the file is written together.
    let mut orders: Vec<(&str, Touched)> = orders.into_iter().collect();
    orders.sort_unstable_by_key(|(_, touched)| touched.number);
    for (order_id, touched) in &orders {
        write_order(transaction, order_id, touched)?;
    }
    Ok((added, orders.len()))
}

/// Reads what is known of an order from the first columns of a row, [`ORDER_COLUMNS`].
pub(crate) fn read_order(row: &Row) -> rusqlite::Result<Order> {
    Ok(Order {
        status: numbered(row, 0, &Status::ALL)?,
        customer_id: row.get(1)?,
        total: row.get(2)?,
        currency: row.get(3)?,
        reason: row.get(4)?,
        placed_ms: row.get(5)?,
        placed_from: numbered(row, 6, &Source::ALL)?,
        updated_ms: row.get(7)?,
        events: row.get(8)?,
    })
}

/// Reads what a column's number stands for.
pub(crate) fn numbered<T: Copy>(row: &Row, column: usize, all: &[T]) -> rusqlite::Result<T> {
    let number: u8 = row.get(column)?;
    all.get(usize::from(number)).copied().ok_or_else(|| {
        let reason = format!("{number} stands for nothing");
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, reason.into())
    })
}

fn write_order(transaction: &Transaction, order_id: &str, touched: &Touched) -> Result<()> {
    let Touched { number, is_new, order, change } = touched;
    if *is_new {
        transaction
            .prepare_cached(
                "INSERT INTO known_order (number, order_id, status, ended, customer_id, total, currency,
                     reason, placed_ms, placed_from, updated_ms, events, queued_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?11)",
            )?
            .execute(params![
                number,
                order_id,
                order.status as i64,
                order.status.ended(),
                order.customer_id,
                order.total,
                order.currency,
                order.reason,
                order.placed_ms,
                order.placed_from as i64,
                order.updated_ms,
                order.events,
            ])?;
        return Ok(());
    }
    // Most events change nothing but the time, which no index follows.
    match change {
        Change::Nothing => {}
        Change::Time => {
            transaction
                .prepare_cached("UPDATE known_order SET updated_ms = ?2, events = ?3 WHERE number = ?1")?
                .execute(params![number, order.updated_ms, order.events])?;
        }
        Change::More => {
            transaction
                .prepare_cached(
                    "UPDATE known_order SET status = ?2, ended = ?3, customer_id = ?4, total = ?5,
                         currency = ?6, reason = ?7, placed_ms = ?8, placed_from = ?9, updated_ms = ?10,
                         events = ?11 WHERE number = ?1",
                )?
                .execute(params![
                    number,
                    order.status as i64,
                    order.status.ended(),
                    order.customer_id,
                    order.total,
                    order.currency,
                    order.reason,
                    order.placed_ms,
                    order.placed_from as i64,
                    order.updated_ms,
                    order.events,
                ])?;
        }
    }
    Ok(())
}
