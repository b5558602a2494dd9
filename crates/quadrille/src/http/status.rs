//! How far each service and lane is, and how far behind what Kafka holds.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::{Json, extract::State};
use runtime::{Connection, KafkaSettings, LogEnds, Shutdown, Vitals, now_ms, rfc3339};
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
#[derive(Debug, Clone, Copy)]
pub struct Lag {
    /// How many records, those included that it will skip.
    pub records: i64,
    /// Since when, in milliseconds since 1970, if it is.
    pub since_ms: Option<i64>,
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
        let mut lags = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for vitals in services {
            let mut behind: HashMap<i32, i64> = HashMap::new();
            for ((topic, partition), next) in vitals.pulse().positions {
                let end = ends.get(&(topic, partition)).copied().unwrap_or(next);
                *behind.entry(partition).or_default() += (end - next).max(0);
            }
            for (lane, records) in behind {
                let key = (vitals.service(), lane);
                let before = lags.get(&key).and_then(|lag| lag.since_ms);
                let since_ms = (records > 0).then(|| before.unwrap_or(now_ms));
                lags.insert(key, Lag { records, since_ms });
            }
        }
        Ok(())
    }

    /// How far a lane is behind, if that is known.
    pub fn of(&self, service: &'static str, lane: i32) -> Option<Lag> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(service, lane)).copied()
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
                    "behind": lag.map(|lag| lag.records),
                    "behind_since": lag.and_then(|lag| lag.since_ms).map(rfc3339),
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
