//! A participant: a pure function from what it knows and what it hears to what it knows next and
//! what it says.

use std::{marker::PhantomData, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use crate::{Hears, RowCache, Said};

/// One party to a saga. It holds no state of its own beyond its settings: what it knows of an
/// instance is handed in, and what it knows next is handed back.
///
/// It must stand repeats, and records of different topics in any order, by its state alone. A
/// failure of the business is something it says, never an error.
pub trait Participant: Sized + Send + Sync + 'static {
    /// Its name among the participants of its service; names its states in the store.
    const NAME: &'static str;
    /// What it listens to. A fired timer and an unusable record are variants like any other.
    type Heard: Send + 'static;
    /// What it knows of one instance (an order); the default is "nothing yet".
    type State: Default + Serialize + DeserializeOwned;
    /// A row that instances compete for: an account, a stock level. `()` where there is none.
    type Row: Clone + Serialize + DeserializeOwned;

    /// Everything it listens to. Subscription, decoding and the map all come from this list.
    fn hears() -> Vec<Hears<Self::Heard>>;

    /// What follows from hearing `heard` about `instance`.
    ///
    /// # Errors
    /// [`Stop::Missing`] asks for rows first; [`Stop::Refuse`] makes the record a dead letter.
    fn decide(
        &self,
        instance: &str,
        state: &Self::State,
        heard: &Self::Heard,
        rows: &Rows<Self::Row>,
    ) -> Result<Step<Self>, Stop>;

    /// Whether this instance waits for nothing any more, so that it may be forgotten in time.
    fn ended(state: &Self::State) -> bool;
}

/// Why a participant did not decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// These rows have to be fetched first; then it is asked again.
    Missing(Vec<String>),
    /// It can't be: the record becomes a dead letter, with this reason.
    Refuse(String),
}

/// The rows that have been fetched. One that was not fetched can't be mistaken for one that does
/// not exist: asking for it stops the decision with [`Stop::Missing`].
pub struct Rows<'a, R> {
    cache: &'a RowCache,
    row: PhantomData<R>,
}

impl<'a, R: DeserializeOwned> Rows<'a, R> {
    pub(crate) fn new(cache: &'a RowCache) -> Self {
        Rows { cache, row: PhantomData }
    }

    /// One row; `None` where there is no such row.
    ///
    /// # Errors
    /// [`Stop::Missing`] when it was not fetched yet.
    pub fn get(&self, key: &str) -> Result<Option<R>, Stop> {
        Ok(self.get_all([key])?.pop().flatten())
    }

    /// Several rows, in the order of the keys.
    ///
    /// # Errors
    /// [`Stop::Missing`] with all those that were not fetched yet.
    pub fn get_all<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> Result<Vec<Option<R>>, Stop> {
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for key in keys {
            match self.cache.get(key) {
                None => missing.push(key.to_owned()),
                Some(None) => found.push(None),
                Some(Some(json)) => found.push(Some(
                    serde_json::from_str(json)
                        .map_err(|e| Stop::Refuse(format!("the stored row '{key}' can't be read: {e}")))?,
                )),
            }
        }
        if missing.is_empty() { Ok(found) } else { Err(Stop::Missing(missing)) }
    }
}

/// What becomes of an instance's timer. An instance has at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// As it was.
    Keep,
    /// Fires after this time.
    Start(Duration),
    /// Does not fire any more.
    Cancel,
}

/// What follows from something heard.
pub struct Step<P: Participant> {
    pub(crate) next: Option<P::State>,
    pub(crate) said: Vec<Said>,
    pub(crate) rows: Vec<(String, P::Row)>,
    pub(crate) timer: Timer,
    pub(crate) ignored: Option<&'static str>,
}

/// A step to what is known next.
pub fn to<P: Participant>(next: P::State) -> Step<P> {
    Step { next: Some(next), said: Vec::new(), rows: Vec::new(), timer: Timer::Keep, ignored: None }
}

/// Nothing follows, for this reason.
pub fn ignore<P: Participant>(reason: &'static str) -> Step<P> {
    Step { next: None, said: Vec::new(), rows: Vec::new(), timer: Timer::Keep, ignored: Some(reason) }
}

impl<P: Participant> Step<P> {
    /// Says a message. Those of one step are published in this order.
    #[must_use]
    pub fn say(mut self, message: impl Into<Said>) -> Self {
        self.said.push(message.into());
        self
    }

    /// Writes rows.
    #[must_use]
    pub fn write(mut self, rows: impl IntoIterator<Item = (String, P::Row)>) -> Self {
        self.rows.extend(rows);
        self
    }

    /// Starts the instance's timer: after this time it is heard, unless it is cancelled before.
    #[must_use]
    pub fn start_timer(mut self, after: Duration) -> Self {
        self.timer = Timer::Start(after);
        self
    }

    /// Cancels the instance's timer.
    #[must_use]
    pub fn cancel_timer(mut self) -> Self {
        self.timer = Timer::Cancel;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched() -> RowCache {
        [("ada", Some("7")), ("bob", None), ("eve", Some("seven"))]
            .map(|(key, json)| (key.to_owned(), json.map(str::to_owned)))
            .into()
    }

    #[test]
    fn rows_that_were_fetched_are_found_in_the_order_asked_for() {
        let cache = fetched();
        let rows = Rows::<u8>::new(&cache);
        assert_eq!(rows.get("ada"), Ok(Some(7)));
        assert_eq!(rows.get("bob"), Ok(None));
        assert_eq!(rows.get_all(["bob", "ada", "ada"]), Ok(vec![None, Some(7), Some(7)]));
    }

    #[test]
    fn a_row_that_was_not_fetched_is_not_taken_for_one_that_does_not_exist() {
        let cache = fetched();
        let rows = Rows::<u8>::new(&cache);
        assert_eq!(rows.get("zoe"), Err(Stop::Missing(vec!["zoe".to_owned()])));
    }

    #[test]
    fn all_rows_that_were_not_fetched_are_asked_for_at_once() {
        let cache = fetched();
        let rows = Rows::<u8>::new(&cache);
        let missing = vec!["zoe".to_owned(), "max".to_owned()];
        assert_eq!(rows.get_all(["zoe", "ada", "max", "bob"]), Err(Stop::Missing(missing)));
    }

    #[test]
    fn a_stored_row_that_can_not_be_read_is_named() {
        let cache = fetched();
        let Err(Stop::Refuse(reason)) = Rows::<u8>::new(&cache).get("eve") else { panic!("it was read") };
        assert!(reason.contains("'eve'"), "{reason}");
    }
}
