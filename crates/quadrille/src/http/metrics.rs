//! Metrics, in the text format and by the naming conventions of Prometheus.

use std::{sync::Arc, time::Instant};

use anyhow::Result;
use axum::{
    extract::{MatchedPath, Request, State},
    http::{Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};
use runtime::now_ms;

use crate::http::{
    app::{App, read},
    problem::Problem,
};

/// What was asked over HTTP.
pub struct HttpMetrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// How many connections are open.
    pub connections: IntGauge,
}

impl HttpMetrics {
    /// Nothing was asked yet.
    pub fn new() -> HttpMetrics {
        let registry = Registry::new();
        let requests =
            counter("quadrille_http_requests", "Requests answered.", &["method", "route", "status"]);
        let seconds = HistogramOpts::new(
            "quadrille_http_request_duration_seconds",
            "Time until a request was answered.",
        );
        let seconds = seconds.buckets(prometheus::exponential_buckets(0.001, 2.0, 16).unwrap_or_default());
        let seconds = HistogramVec::new(seconds, &["method", "route"]).expect(NAMES_ARE_VALID);
        let connections = IntGauge::new("quadrille_http_connections", "Connections that are open.");
        let connections = connections.expect(NAMES_ARE_VALID);
        for metric in [
            Box::new(requests.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(seconds.clone()),
            Box::new(connections.clone()),
            Box::new(ProcessCollector::for_self()),
        ] {
            registry.register(metric).expect(NAMES_ARE_VALID);
        }
        HttpMetrics { registry, requests, seconds, connections }
    }
}

const NAMES_ARE_VALID: &str = "the names of metrics are valid, and each is registered once";

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(format!("{name}_total"), help), labels).expect(NAMES_ARE_VALID)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect(NAMES_ARE_VALID)
}

/// Counts a request.
pub async fn count(
    State(app): State<Arc<App>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let method = known(request.method()).to_owned();
    // Not the path itself: one for each order would never end.
    let route = path.map_or("none".to_owned(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    app.metrics.requests.with_label_values(&[&method, &route, response.status().as_str()]).inc();
    app.metrics.seconds.with_label_values(&[&method, &route]).observe(began.elapsed().as_secs_f64());
    response
}

/// The method, unless somebody has made one up: each name is counted for ever.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::DELETE
        | Method::PATCH
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// `GET /metrics`.
pub async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut metrics = app.metrics.registry.gather();
    metrics.extend(services(&app).await?.gather());
    metrics.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&metrics, &mut text).map_err(|error| Problem::internal(&error.into()))?;
    Ok(([(header::CONTENT_TYPE, encoder.format_type())], text).into_response())
}

/// How the services are at this moment.
async fn services(app: &App) -> Result<Registry, Problem> {
    let labels = &["service"];
    let counters = [
        counter("quadrille_records_heard", "Records that the service's rules heard.", labels),
        counter("quadrille_records_published", "Records that the service published.", labels),
        counter("quadrille_records_newer", "Records skipped: of a type that a newer writer has.", labels),
        counter("quadrille_dead_letters", "Records that could not be used.", labels),
        counter("quadrille_timers_heard", "Deadlines that passed.", labels),
        counter("quadrille_batches", "Transactions.", labels),
    ];
    let ready = gauge("quadrille_service_ready", "Whether the service takes work.", labels);
    let lag = gauge("quadrille_lag_records", "Records not read yet.", &["service", "lane"]);
    let kept = gauge("quadrille_dead_letters", "Dead letters that wait for a person.", labels);
    let age = gauge(
        "quadrille_dead_letter_oldest_age_seconds",
        "Age of the oldest dead letter; 0 if none.",
        labels,
    );
    let outbox = gauge("quadrille_outbox_records", "Records not known to be in Kafka yet.", labels);
    let reachable = gauge("quadrille_kafka_reachable", "Whether Kafka can be reached.", &[]);
    reachable.with_label_values::<&str>(&[]).set(i64::from(!app.watch.connection().is_lost()));
    for health in app.health() {
        let (service, state) = (health.service(), health.state());
        let counts = state.counts;
        let values =
            [counts.heard, counts.said, counts.newer, counts.dead_letters, counts.timers, counts.batches];
        for (counter, value) in counters.iter().zip(values) {
            counter.with_label_values(&[service]).inc_by(value);
        }
        ready.with_label_values(&[service]).set(i64::from(state.is_ready));
        let lanes: std::collections::BTreeSet<i32> = state.positions.keys().map(|(_, lane)| *lane).collect();
        for lane in lanes {
            if let Some(behind) = app.watch.lag(service, lane) {
                lag.with_label_values(&[service, &lane.to_string()]).set(behind.records);
            }
        }
    }
    for hosted in app.services() {
        let (service, store) = (hosted.health.service(), Arc::clone(&hosted.store));
        let ((count, oldest_ms), waiting) =
            read(move || Ok((store.dead_letter_count()?, store.outbox_length()?))).await?;
        kept.with_label_values(&[service]).set(count);
        age.with_label_values(&[service])
            .set(oldest_ms.map_or(0, |oldest| (now_ms() - oldest).max(0) / 1000));
        outbox.with_label_values(&[service]).set(waiting);
    }
    let registry = Registry::new();
    let register = |metric: Box<dyn prometheus::core::Collector>| {
        registry.register(metric).expect(NAMES_ARE_VALID);
    };
    counters.into_iter().for_each(|counter| register(Box::new(counter)));
    [ready, lag, kept, age, outbox, reachable].into_iter().for_each(|gauge| register(Box::new(gauge)));
    if let Ok(tracker) = app.tracker() {
        let gaps = counter(
            "quadrille_sequence_gaps",
            "Records that their writers' numbers say are missing.",
            &["topic"],
        );
        for (topic, missing) in tracker.gaps() {
            gaps.with_label_values(&[topic]).inc_by(missing);
        }
        register(Box::new(gaps));
    }
    Ok(registry)
}
