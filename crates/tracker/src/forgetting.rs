//! Orders of which nothing has happened for long are forgotten.
//!
//! The queue of those to be looked at is an index on a time that stays what it was when the order was
//! put there. So what happens to an order writes nothing into the queue; an order whose turn comes, and
//! to which something has happened meanwhile, is put into it once more.

use anyhow::Result;
use rusqlite::{Transaction, params};

/// Whose turn it is: before ?1, ?2 of them at most. Nothing can have been touched last before its turn.
pub(crate) const NEXT: &str = "SELECT number, updated_ms FROM known_order INDEXED BY untouched
     WHERE queued_ms < ?1 ORDER BY queued_ms LIMIT ?2";

/// Looks at no more than `limit` orders, and forgets those of them that nothing has touched since
/// `before_ms` (in milliseconds since 1970); returns how many.
pub(crate) fn forget_untouched(transaction: &Transaction, before_ms: i64, limit: usize) -> Result<usize> {
    let mut find = transaction.prepare_cached(NEXT)?;
    let next: Vec<(i64, i64)> = find
        .query_map(params![before_ms, i64::try_from(limit)?], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut queue = transaction.prepare_cached("UPDATE known_order SET queued_ms = ?2 WHERE number = ?1")?;
    let mut forget_events = transaction.prepare_cached("DELETE FROM event WHERE order_number = ?1")?;
    let mut forget_order = transaction.prepare_cached("DELETE FROM known_order WHERE number = ?1")?;
    let mut forgotten = 0;
    for (number, updated_ms) in next {
        if updated_ms < before_ms {
            forget_events.execute([number])?;
            forget_order.execute([number])?;
            forgotten += 1;
        } else {
            queue.execute([number, updated_ms])?;
        }
    }
    Ok(forgotten)
}
