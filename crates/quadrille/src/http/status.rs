//! How far each service and lane is, and how far behind what Kafka holds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Json, extract::State};
use runtime::{Connection, KafkaSettings, LogEnds, Offsets, Shutdown, Vitals, now_ms, rfc3339};
use serde_json::{Value, json};

use crate::http::{
    app::{App, read},
    problem::Problem,
};

/// How often Kafka is asked where its topics end.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How far lanes are behind, asked of Kafka once a second.
#[derive(Clone, Default)]
pub struct Lags(Arc<Mutex<HashMap<(&'static str, i32), Lag>>>);

/// How far one lane is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// How many records, those included that it will skip.
    pub records: i64,
    /// Where its partitions ended when it was found to be behind, and when that was.
    mark: Option<(Offsets, i64)>,
}

impl Lag {
    /// Since when it has not caught up, in milliseconds since 1970.
    pub fn since_ms(&self) -> Option<i64> {
        self.mark.as_ref().map(|(_, at_ms)| *at_ms)
    }

    /// How far a lane is behind that has read up to `next`, where its partitions end at `ends`.
    fn of(next: &Offsets, ends: &Offsets, before: Option<&Lag>, now_ms: i64) -> Lag {
        let left = |next: i64, place| ends.get(place).map_or(0, |end: &i64| (end - next).max(0));
        let records = next.iter().map(|(place, next)| left(*next, place)).sum();
        // A lane that is always a little behind has still read what was there a while ago.
        let is_not_reached = |(ends, _): &&(Offsets, i64)| {
            ends.iter().any(|(place, end)| next.get(place).is_some_and(|next| next < end))
        };
        let mark = before.and_then(|lag| lag.mark.as_ref()).filter(is_not_reached).cloned();
        let mark = mark.or_else(|| (records > 0).then(|| (ends.clone(), now_ms)));
        Lag { records, mark }
    }
}

impl Lags {
    /// Asks for these services until the shutdown, on a thread of its own.
    ///
    /// # Errors
    /// When there is no thread, or the settings are not valid.
    pub fn follow(
        services: Vec<Vitals>,
        kafka: &KafkaSettings,
        connection: Connection,
        shutdown: Shutdown,
    ) -> Result<Lags> {
        let lags = Lags::default();
        let ends = LogEnds::new(kafka, connection, "quadrille-lags")?;
        let followed = lags.clone();
        let follow = move || {
            while !shutdown.is_asked() {
                if let Err(error) = followed.ask(&services, &ends) {
                    tracing::debug!("how far services are behind is not known: {error:#}");
                    followed.lock().clear();
                }
                thread::sleep(ASK_EVERY);
            }
        };
        thread::Builder::new().name("lags".to_owned()).spawn(follow).context("no thread for the lags")?;
        Ok(lags)
    }

    fn ask(&self, services: &[Vitals], ends: &LogEnds) -> Result<()> {
        let mut places: Vec<(String, i32)> =
            services.iter().flat_map(|vitals| vitals.pulse().positions.into_keys()).collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Ok(());
        }
        let ends = ends.ask(&places)?;
        let now_ms = now_ms();
        let mut lags = self.lock();
        for vitals in services {
            let mut lanes: HashMap<i32, Offsets> = HashMap::new();
            for (place, next) in vitals.pulse().positions {
                lanes.entry(place.1).or_default().insert(place, next);
            }
            for (lane, next) in lanes {
                let ends = ends.iter().filter(|(place, _)| next.contains_key(*place));
                let ends = ends.map(|(place, end)| (place.clone(), *end)).collect();
                let key = (vitals.service(), lane);
                let lag = Lag::of(&next, &ends, lags.get(&key), now_ms);
                lags.insert(key, lag);
            }
        }
        Ok(())
    }

    /// How far a lane is behind, if that is known.
    pub fn of(&self, service: &'static str, lane: i32) -> Option<Lag> {
        self.lock().get(&(service, lane)).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, i32), Lag>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `GET /status`.
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let mut services = Vec::new();
    for vitals in app.vitals() {
        let pulse = vitals.pulse();
        let mut lanes: BTreeMap<i32, BTreeMap<String, i64>> = BTreeMap::new();
        for ((topic, lane), next) in pulse.positions {
            lanes.entry(lane).or_default().insert(topic, next);
        }
        let lanes: Vec<Value> = lanes
            .into_iter()
            .map(|(lane, positions)| {
                let lag = app.lags.of(vitals.service(), lane);
                json!({
                    "lane": lane,
                    "behind": lag.as_ref().map(|lag| lag.records),
                    "behind_since": lag.as_ref().and_then(Lag::since_ms).map(rfc3339),
                    "positions": positions,
                })
            })
            .collect();
        let trouble = pulse.trouble.map(|t| json!({"what": t.what, "at": rfc3339(t.at_ms)}));
        let store = app.services().iter().find(|hosted| hosted.vitals.service() == vitals.service());
        let dead_letters = match store.map(|hosted| Arc::clone(&hosted.store)) {
            Some(store) => read(move || store.dead_letter_count()).await?.0,
            None => 0,
        };
        services.push(json!({
            "service": vitals.service(),
            "state": if pulse.is_ready { "ready" } else { "starting" },
            "trouble": trouble,
            "dead_letters": dead_letters,
            "lanes": lanes,
        }));
    }
    let kafka = json!({"servers": app.connection.servers(), "reachable": !app.connection.is_lost()});
    Ok(Json(json!({"kafka": kafka, "services": services})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_behind_since_the_time_from_which_on_it_has_not_caught_up() {
        let at = |offset: i64| -> Offsets { [(("orders".to_owned(), 0), offset)].into() };
        let lag = Lag::of(&at(7), &at(7), None, 1);
        assert_eq!((lag.records, lag.since_ms()), (0, None));
        let lag = Lag::of(&at(7), &at(9), Some(&lag), 2);
        assert_eq!((lag.records, lag.since_ms()), (2, Some(2)));
        let lag = Lag::of(&at(8), &at(20), Some(&lag), 3);
        assert_eq!((lag.records, lag.since_ms()), (12, Some(2)), "it has not read what was there then");
        let lag = Lag::of(&at(9), &at(20), Some(&lag), 4);
        assert_eq!((lag.records, lag.since_ms()), (11, Some(4)), "it has, and more has come since");
        let lag = Lag::of(&at(20), &at(20), Some(&lag), 5);
        assert_eq!((lag.records, lag.since_ms()), (0, None));
    }
}
