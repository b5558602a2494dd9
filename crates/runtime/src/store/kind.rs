//! What every kind of store has to do.

use anyhow::Result;

use super::{DeadLetter, DueTimer, Instance, Standing, Taken};
use crate::decide::changes::Changes;

/// Where a service keeps what it knows. What a batch needs is read, and all that it changes is written,
/// in one transaction.
pub trait Store: Send {
    /// A remembered fact about the store, such as the cluster that it belongs to.
    ///
    /// # Errors
    /// When the store can't be read.
    fn meta(&self, name: &str) -> Result<Option<String>>;

    /// Remembers a fact about the store.
    ///
    /// # Errors
    /// When the store can't be written.
    fn set_meta(&self, name: &str, value: &str) -> Result<()>;

    /// Becomes the owner of these lanes: from here on, whoever owned them before can't commit.
    ///
    /// # Errors
    /// When the store can't be read or written.
    fn take_over(&mut self, lanes: &[i32]) -> Result<Taken>;

    /// When the next timer is due, in milliseconds since 1970.
    ///
    /// # Errors
    /// When the store can't be read.
    fn next_due_ms(&self) -> Result<Option<i64>>;

    /// The lanes that have timers which are due at this time, each with the time of its oldest.
    ///
    /// # Errors
    /// When the store can't be read.
    fn due_lanes(&self, at_ms: i64) -> Result<Vec<(i32, i64)>>;

    /// Up to `limit` timers of a lane that are due at this time, the oldest first.
    ///
    /// # Errors
    /// When the store can't be read.
    fn due_timers(&self, lane: i32, at_ms: i64, limit: usize) -> Result<Vec<DueTimer>>;

    /// Where a dead letter stands among those of the service, if it is there.
    ///
    /// # Errors
    /// When the store can't be read.
    fn standing(&self, dead_letter: &str) -> Result<Option<Standing>>;

    /// Begins the transaction of a batch. Dropped without [`Transaction::write`], nothing has happened.
    ///
    /// # Errors
    /// When the store can't be written.
    fn begin(&mut self) -> Result<Box<dyn Transaction + '_>>;
}

/// The transaction of a batch.
pub trait Transaction {
    /// What participants know of these instances, each named by its participant and its id; in the
    /// order asked for.
    ///
    /// # Errors
    /// When the store can't be read.
    fn instances(&mut self, ids: &[(&str, &str)]) -> Result<Vec<Option<Instance>>>;

    /// Rows that instances compete for, in the order asked for, which is that of their keys.
    ///
    /// # Errors
    /// When the store can't be read.
    fn rows(&mut self, keys: &[String]) -> Result<Vec<Option<String>>>;

    /// Dead letters of these ids, in the order asked for.
    ///
    /// # Errors
    /// When the store can't be read.
    fn dead_letters(&mut self, ids: &[String]) -> Result<Vec<Option<DeadLetter>>>;

    /// Writes all of it and commits; the last act before that moves each lane on from the version that
    /// its owner knows, if it is still there.
    ///
    /// # Errors
    /// When a lane has another owner, or the store can't be written. Whether it has happened need not be
    /// known then: the lanes are to be taken over anew.
    fn write(self: Box<Self>, changes: &Changes) -> Result<()>;
}
