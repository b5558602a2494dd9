//! The way out of the read model, beside the thread that writes it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params, types::Type};

use crate::{
    Event, Status, Summary, Timeline,
    adding::{ORDER_COLUMNS, numbered, read_order},
    waiting::{self, Seen, waiting_for},
};

/// Of how many orders it is counted for whom they wait: each has to be looked into.
pub const MOST_COUNTED: usize = 1_000;

/// Which orders to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub status: Option<Status>,
    /// Only those of this customer.
    pub customer: Option<String>,
    /// Only those that are or were cancelled for this reason.
    pub reason: Option<String>,
    /// Only those that were placed at this time or later, in milliseconds since 1970.
    pub since_ms: Option<i64>,
    /// Only those that were placed before this time, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// Only those that have not ended, and of which nothing has happened for so many milliseconds.
    pub stuck_for_ms: Option<i64>,
    /// Only those that come after this place in the list.
    pub before: Option<Place>,
    /// How many at most: the newest.
    pub limit: usize,
}

/// The newest hundred.
impl Default for Filter {
    fn default() -> Self {
        Filter {
            status: None,
            customer: None,
            reason: None,
            since_ms: None,
            until_ms: None,
            stuck_for_ms: None,
            before: None,
            limit: 100,
        }
    }
}

/// Where an order stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    placed_ms: i64,
    number: i64,
}

/// Orders of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The orders, newest first.
    pub orders: Vec<Summary>,
    /// Whether there are more, which come after the last of these.
    pub is_cut: bool,
}

/// Reads a store, from any thread. What a batch adds is seen as a whole or not at all.
pub struct View {
    connection: Mutex<Connection>,
}

impl View {
    /// Opens the store at `path`, which [`crate::Store::open`] has made, for reading. The first time
    /// in a process, this also draws the map of the choreography, which takes a moment.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn open(path: &Path) -> Result<View> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("the store {} can't be opened for reading", path.display()))?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(16);
        // Not when the first reader waits for it.
        waiting::map();
        Ok(View { connection: Mutex::new(connection) })
    }

    /// Everything known of an order, at the time `now_ms`; `None` if that is nothing.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn timeline(&self, order_id: &str, now_ms: i64) -> Result<Option<Timeline>> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let found = transaction
            .prepare_cached(FIND)?
            .query_row([order_id], |row| Ok((numbered(row, 0, &Status::ALL)?, row.get(1)?)))
            .optional()?;
        let Some((status, number)) = found else {
            return Ok(None);
        };
        let events = events(&transaction, number, order_id)?;
        let seen: Vec<Seen> = events.iter().map(Seen::of).collect();
        let waiting_for = waiting_for(status, &seen, now_ms);
        Ok(Some(Timeline::of(order_id.to_owned(), status, events, waiting_for)))
    }

    /// Where an order stands in the list; `None` if nothing is known of it.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn place(&self, order_id: &str) -> Result<Option<Place>> {
        let connection = self.connection();
        let mut read = connection.prepare_cached(PLACE)?;
        let place =
            read.query_row([order_id], |row| Ok(Place { placed_ms: row.get(0)?, number: row.get(1)? }));
        Ok(place.optional()?)
    }

    /// The orders that pass a filter at the time `now_ms`, newest first.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn orders(&self, filter: &Filter, now_ms: i64) -> Result<Page> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let last = Place { placed_ms: i64::MAX, number: i64::MAX };
        let before = filter.before.unwrap_or(last);
        let mut read = transaction.prepare_cached(&list(filter))?;
        let mut rows = read.query(params![
            filter.status.map(|status| status as i64),
            filter.stuck_for_ms.map(|ms| now_ms.saturating_sub(ms)),
            filter.customer,
            filter.reason,
            filter.since_ms.unwrap_or(i64::MIN),
            // Where the index is entered: nothing that stands before the place is gone through.
            filter.until_ms.unwrap_or(i64::MAX).min(before.placed_ms.saturating_add(1)),
            before.placed_ms,
            before.number,
            // One more shows that there are more.
            i64::try_from(filter.limit.saturating_add(1)).unwrap_or(i64::MAX)
        ])?;
        let mut page = Page { orders: Vec::new(), is_cut: false };
        while let Some(row) = rows.next()? {
            if page.orders.len() == filter.limit {
                page.is_cut = true;
                break;
            }
            let order = read_order(row)?;
            let waiting_for = if order.status.ended() {
                Vec::new()
            } else {
                waiting_for(order.status, &seen(&transaction, row.get(9)?)?, now_ms)
            };
            page.orders.push(Summary::of(row.get(10)?, order, waiting_for));
        }
        Ok(page)
    }

    /// How many orders wait for each service: of those that have not ended, the oldest [`MOST_COUNTED`].
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn waiting(&self) -> Result<BTreeMap<&'static str, usize>> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut read = transaction.prepare_cached(OPEN)?;
        let open = read.query_map([i64::try_from(MOST_COUNTED)?], |row| {
            Ok((numbered(row, 0, &Status::ALL)?, row.get(1)?))
        })?;
        let mut waiting = BTreeMap::new();
        for order in open {
            let (status, number) = order?;
            for waited in waiting_for(status, &seen(&transaction, number)?, 0) {
                *waiting.entry(waited.service).or_default() += 1;
            }
        }
        Ok(waiting)
    }

    /// Nothing is left half done by whoever panicked with it: it only reads.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statement that lists what passes: ?1 the status, ?2 since when it is untouched, ?3 the customer,
/// ?4 the reason, ?5 and ?6 the times between which it was placed, ?7 and ?8 the place before it, ?9 how
/// many. It names its index, so that it is refused rather than slow.
fn list(filter: &Filter) -> String {
    let (index, condition) = match filter {
        Filter { customer: Some(_), .. } => ("listed_customer", "customer_id = ?3"),
        Filter { reason: Some(_), .. } => ("listed_reason", "reason = ?4"),
        Filter { status: None, stuck_for_ms: None, .. } => ("listed", "TRUE"),
        Filter { status: Some(status), stuck_for_ms: None, .. } if status.ended() => {
            ("listed_ended", "ended = 1 AND status = ?1")
        }
        Filter { .. } => ("listed_open", "ended = 0"),
    };
    format!(
        "SELECT {ORDER_COLUMNS}, number, order_id FROM known_order INDEXED BY {index}
         WHERE status > 0 AND {condition} AND (?1 IS NULL OR status = ?1)
           AND (?2 IS NULL OR ended = 0 AND updated_ms <= ?2) AND (?4 IS NULL OR reason = ?4)
           AND placed_ms >= ?5 AND placed_ms < ?6 AND (placed_ms, number) < (?7, ?8)
         ORDER BY placed_ms DESC, number DESC LIMIT ?9"
    )
}

fn events(transaction: &Transaction, number: i64, order_id: &str) -> Result<Vec<Event>> {
    let mut read = transaction.prepare_cached(EVENTS)?;
    let events = read.query_map([number], |row| {
        let data: String = row.get(5)?;
        Ok(Event {
            id: row.get(0)?,
            kind: row.get(1)?,
            service: row.get(2)?,
            cause: row.get(3)?,
            time_ms: row.get(4)?,
            order: order_id.to_owned(),
            data: serde_json::from_str(&data)
                .map_err(|e| rusqlite::Error::FromSqlConversionFailure(5, Type::Text, e.into()))?,
        })
    })?;
    Ok(events.collect::<rusqlite::Result<_>>()?)
}

/// What `waiting_for` needs of an order's events.
fn seen(transaction: &Transaction, number: i64) -> Result<Vec<Seen>> {
    let mut read = transaction.prepare_cached(SEEN)?;
    let seen = read.query_map([number], |row| {
        Ok(Seen {
            id: row.get(0)?,
            kind: row.get(1)?,
            service: row.get(2)?,
            cause: row.get(3)?,
            time_ms: row.get(4)?,
            dead_letter: row.get(5)?,
        })
    })?;
    Ok(seen.collect::<rusqlite::Result<_>>()?)
}

const FIND: &str = "SELECT status, number FROM known_order WHERE order_id = ?1";
const OPEN: &str = "SELECT status, number FROM known_order INDEXED BY listed_open
     WHERE ended = 0 AND status > 0 ORDER BY placed_ms LIMIT ?1";
const PLACE: &str = "SELECT placed_ms, number FROM known_order WHERE order_id = ?1";
const EVENTS: &str = "SELECT id, kind, service, cause, time_ms, data FROM event WHERE order_number = ?1";
const SEEN: &str = "SELECT id, kind, service, cause, time_ms,
        CASE WHEN kind GLOB 'DeadLetter*' THEN json_extract(data, '$.dead_letter') END
     FROM event WHERE order_number = ?1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Store, forgetting::NEXT};

    #[test]
    fn no_statement_scans_a_table_or_sorts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tracker.db");
        let _store = Store::open(&path).unwrap();
        let view = View::open(&path).unwrap();
        let all = Filter::default;
        let text = || Some("text".to_owned());
        let between = "(placed_ms>? AND placed_ms<?)";
        let along = |index: &str| format!("SEARCH known_order USING INDEX {index} {between}");
        let of = |index: &str, column: &str| {
            format!(
                "SEARCH known_order USING INDEX {index} ({column}=? AND {})",
                &between[1..between.len() - 1]
            )
        };
        let placed = Some(Status::Placed);
        for (statement, plan) in [
            (list(&all()), along("listed")),
            (list(&Filter { status: Some(Status::Completed), ..all() }), of("listed_ended", "status")),
            (list(&Filter { stuck_for_ms: Some(1), ..all() }), along("listed_open")),
            (list(&Filter { status: placed, stuck_for_ms: Some(1), ..all() }), along("listed_open")),
            (
                list(&Filter { customer: text(), status: placed, ..all() }),
                of("listed_customer", "customer_id"),
            ),
            (list(&Filter { reason: text(), ..all() }), of("listed_reason", "reason")),
            (
                PLACE.to_owned(),
                "SEARCH known_order USING INDEX sqlite_autoindex_known_order_1 (order_id=?)".to_owned(),
            ),
            (
                FIND.to_owned(),
                "SEARCH known_order USING INDEX sqlite_autoindex_known_order_1 (order_id=?)".to_owned(),
            ),
            (OPEN.to_owned(), "SCAN known_order USING INDEX listed_open".to_owned()),
            (EVENTS.to_owned(), "SEARCH event USING INDEX event_of_order (order_number=?)".to_owned()),
            (SEEN.to_owned(), "SEARCH event USING INDEX event_of_order (order_number=?)".to_owned()),
            (NEXT.to_owned(), "SEARCH known_order USING INDEX untouched (queued_ms<?)".to_owned()),
        ] {
            let connection = view.connection();
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
            let nothing = rusqlite::params_from_iter(vec![rusqlite::types::Null; explain.parameter_count()]);
            let steps: Vec<String> = explain
                .query_map(nothing, |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            assert_eq!(steps, [plan], "of {statement}");
        }
    }
}
