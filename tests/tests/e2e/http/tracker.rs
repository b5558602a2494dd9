//! Where every order stands: timelines, what an order waits for, the list, and how services are.

use std::{fs, time::Duration};

use e2e::{
    http::Http,
    kafka::Kafka,
    program::quadrille,
    saga::Saga,
    samples::{nothing_to_undo, sample, with},
    wait,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{shop, tea_as};

const LIMIT: Duration = Duration::from_secs(20);

/// The timeline of an order, as soon as `wanted` is content with it.
#[track_caller]
fn timeline(http: &Http, order: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait::until(&format!("the timeline of {order}"), LIMIT, || {
        let answer = http.get(&format!("/orders/{order}/timeline"));
        match answer.status {
            200 if wanted(&answer.json()) => Ok(answer.json()),
            _ => Err(answer.text),
        }
    })
}

fn has<'k>(kind: &'k str) -> impl Fn(&Value) -> bool + 'k {
    move |timeline| kinds(timeline).contains(&kind)
}

fn kinds(timeline: &Value) -> Vec<&str> {
    let events = timeline["events"].as_array().into_iter().flatten();
    events.filter_map(|event| event["type"].as_str()).collect()
}

fn waits(timeline: &Value) -> Vec<String> {
    let waiting = timeline["waiting_for"].as_array().into_iter().flatten();
    let word = |w: &Value, name: &str| w[name].as_str().unwrap_or_default().to_owned();
    waiting.map(|w| format!("{} from {}", word(w, "event"), word(w, "service"))).collect()
}

#[test]
fn a_timeline_tells_what_led_to_what() {
    let (_program, saga, http) = shop(&[]);
    http.post("/orders", &tea_as("o-1")).is(202);
    let told = timeline(&http, "o-1", has("NotificationSent"));
    assert_eq!(
        (&told["order_id"], &told["status"], &told["waiting_for"]),
        (&json!("o-1"), &json!("completed"), &json!([]))
    );
    let events = told["events"].as_array().expect("events");
    let expected = [
        ("http", "PlaceOrder", ""),
        ("order", "OrderPlaced", "PlaceOrder"),
        ("payment", "PaymentAuthorized", "OrderPlaced"),
        ("inventory", "StockReserved", "PaymentAuthorized"),
        ("shipping", "ShipmentScheduled", "StockReserved"),
        ("order", "OrderConfirmed", "ShipmentScheduled"),
    ];
    for (event, (service, kind, cause)) in events.iter().zip(expected) {
        assert_eq!((&event["service"], &event["type"]), (&json!(service), &json!(kind)), "{told}");
        let by_id = events.iter().find(|e| e["id"] == event["causationid"]);
        assert_eq!(by_id.map_or("", |e| e["type"].as_str().unwrap_or_default()), cause, "{event}");
        assert_eq!(event["data"]["order_id"], "o-1");
    }
    assert_eq!(events.len(), 11, "{told}");
    // Every cause stands before what it led to.
    for (place, event) in events.iter().enumerate().skip(1) {
        assert!(events[..place].iter().any(|e| e["id"] == event["causationid"]), "{event}");
    }
    // A repeat adds nothing.
    let log = saga.log();
    let repeat = log.the("PaymentAuthorized", "o-1").record.clone();
    saga.kcat().write("payments").key("o-1").value(repeat.value.expect("a value"));
    let mut refused = tea_as("o-2");
    refused["destination"]["country"] = json!("AQ");
    http.post("/orders", &refused).is(202);
    let told = timeline(&http, "o-2", has("NotificationSent"));
    let undone = told["events"].as_array().into_iter().flatten().filter(|e| e["undoes"] == true);
    let mut undone: Vec<&str> = undone.filter_map(|e| e["type"].as_str()).collect();
    undone.sort_unstable();
    assert_eq!(undone, ["PaymentVoided", "StockReleased"]);
    assert_eq!(kinds(&timeline(&http, "o-1", |_| true)).len(), 11);
    http.get("/orders/nobody/timeline").is_problem(404, &["nobody"]);
}

#[test]
fn an_order_that_has_not_ended_says_what_it_waits_for() {
    let (_program, saga, http) = shop(&["--except", "shipping"]);
    http.post("/orders", &tea_as("o-1")).is(202);
    let told = timeline(&http, "o-1", has("StockReserved"));
    assert_eq!(waits(&told), ["ShipmentScheduled from shipping"]);
    assert_eq!(told["waiting_for"][0]["or"], json!(["ShipmentRefused"]));
    let told = timeline(&http, "o-1", |told| told["waiting_for"][0]["for_seconds"].as_i64() >= Some(1));
    let reserved = told["events"].as_array().into_iter().flatten().find(|e| e["type"] == "StockReserved");
    assert_eq!(told["waiting_for"][0]["since"], reserved.expect("it is there")["time"]);

    // Stuck: it has not ended, and nothing has happened to it for a while.
    let stuck = |seconds: u32| http.get(&format!("/orders?stuck={seconds}")).is(200).json();
    assert_eq!(stuck(1)[0]["order_id"], "o-1");
    assert_eq!(stuck(1)[0]["waiting_for"][0]["service"], "shipping");
    assert_eq!(stuck(1_000), json!([]));

    // A person plays shipping.
    saga.say(&sample("ShipmentScheduled", "o-1"));
    let told = timeline(&http, "o-1", |told| has("PaymentCaptured")(told) && has("StockCommitted")(told));
    assert_eq!(waits(&told), ["ShipmentDispatched from shipping"]);
    assert_eq!(told["status"], "confirmed");
    saga.say(&sample("ShipmentDispatched", "o-1"));
    let told = timeline(&http, "o-1", has("NotificationSent"));
    assert_eq!((&told["status"], &told["waiting_for"]), (&json!("completed"), &json!([])));

    http.post("/orders", &tea_as("o-2")).is(202);
    saga.heard("StockReserved", "o-2");
    http.post("/orders/o-2/cancel", &json!({})).is(202);
    let told = timeline(&http, "o-2", |told| has("PaymentVoided")(told) && has("StockReleased")(told));
    assert_eq!(waits(&told), ["ShipmentCancelled from shipping"]);
    assert_eq!(told["status"], "cancelling");
    saga.say(&nothing_to_undo("ShipmentCancelled", "o-2"));
    timeline(&http, "o-2", |told| told["status"] == "cancelled");

    let listed = http.get("/orders").is(200).json();
    assert_eq!(
        (&listed[0]["order_id"], &listed[1]["order_id"]),
        (&json!("o-2"), &json!("o-1")),
        "newest first"
    );
    assert_eq!(listed[0]["reason"], "customer_request");
    let of_status = |status: &str| http.get(&format!("/orders?status={status}")).is(200).json();
    assert_eq!(of_status("completed")[0]["order_id"], "o-1");
    assert_eq!(of_status("completed").as_array().map(Vec::len), Some(1));
    assert_eq!(http.get("/orders?limit=1").json().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_list_of_orders_is_filtered_and_goes_on() {
    let (program, _saga, http) = shop(&[]);
    for i in 0..5 {
        http.post("/orders", &tea_as(&format!("o-{i}"))).is(202);
    }
    let bob = json!({"order_id": "bobs", "customer_id": "bob", "currency": "EUR", "destination": {"country": "DE"},
        "items": [{"sku": "tea", "quantity": 1, "unit_price": 1}]});
    http.post("/orders", &bob).is(202);
    timeline(&http, "bobs", has("OrderCancelled"));
    timeline(&http, "o-4", has("OrderCompleted"));
    let ids = |orders: &Value| {
        let orders = orders.as_array().into_iter().flatten();
        orders.filter_map(|order| order["order_id"].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let list = |query: &str| ids(&http.get(&format!("/orders?{query}")).is(200).json());
    let all = ["bobs", "o-4", "o-3", "o-2", "o-1", "o-0"];
    assert_eq!(list(""), all);
    assert_eq!(list("customer=bob"), ["bobs"]);
    assert_eq!(list("customer=ada&limit=2"), ["o-4", "o-3"]);
    assert_eq!(list("reason=payment_declined"), ["bobs"]);
    assert_eq!(list("reason=out_of_stock"), [""; 0]);
    assert_eq!((list("since=1h").len(), list("until=1h").len()), (6, 0));
    assert_eq!((list("since=2000-01-01").len(), list("until=2000-01-01T00:00:00Z").len()), (6, 0));
    // Page after page, as the answer says.
    let mut pages = Vec::new();
    let mut path = "/orders?customer=ada&limit=2".to_owned();
    loop {
        let answer = http.get(&path).is(200);
        pages.extend(ids(&answer.json()));
        let Some(link) = answer.headers.get("link") else { break };
        let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        path = next.expect("a link to the next page").to_owned();
    }
    assert_eq!(pages, all[1..]);
    // What is wrong, and what nobody knows, is named.
    for (path, words) in [
        ("/orders?stauts=placed", ["stauts", "status"]),
        ("/orders?status=foo", ["status", "placed"]),
        ("/orders?reason=foo", ["reason", "out_of_stock"]),
        ("/orders?since=soon", ["since", "2h"]),
        ("/orders?until=2026-13-01", ["until", "RFC 3339"]),
        ("/orders?before=nobody", ["before", "nobody"]),
        ("/orders?limit=0", ["limit", "10000"]),
        ("/orders?stuck=-1", ["stuck", "seconds"]),
        ("/orders/o-1?status=placed", ["status", "none"]),
        ("/orders/o-1/timeline?limit=1", ["limit", "none"]),
        ("/accounts/ada?currency=EUR", ["currency", "none"]),
        ("/stock/tea?x", ["x", "none"]),
        ("/status?x=1", ["x", "none"]),
        ("/readyz?x=1", ["x", "none"]),
    ] {
        http.get(path).is_problem(400, &words);
    }
    http.post("/orders?wait=5", &tea_as("o-9")).is_problem(400, &["wait"]);
    http.get("/orders/o-9").is_problem(404, &["o-9"]);

    let orders = |args: &[&str]| {
        let command = quadrille(["orders"]).env("QUADRILLE_URL", &program.http());
        args.iter().fold(command, |command, arg| command.arg(*arg)).run()
    };
    let cut = orders(&["--customer", "ada", "--limit", "2"]).exits(0);
    assert!(cut.stderr.contains("--before o-3"), "{cut:?}");
    let rest = orders(&["--customer", "ada", "--before", "o-3", "--json", "--since", "1h"]).exits(0);
    let rest: Value = serde_json::from_str(&rest.stdout).expect("JSON");
    assert_eq!(ids(&rest), all[3..]);
    orders(&["--reason", "payment_declined", "--until", "0s"]).exits(0).names(&["bobs"]);
    orders(&["--before", "nobody"]).exits(1).complains_of(&["nobody"]);
    for bad in
        [["--since", "soon"], ["--until", "1"], ["--reason", "foo"], ["--limit", "0"], ["--status", "foo"]]
    {
        orders(&bad).exits(2).complains_of(&[bad[0]]);
    }
}

#[test]
fn nobody_can_make_an_order_look_other_than_it_is() {
    let (_program, saga, http) = shop(&["--except", "shipping"]);
    http.post("/orders", &tea_as("o-1")).is(202);
    timeline(&http, "o-1", has("StockReserved"));
    let commands = |record: Value| {
        saga.kcat().write("orders.commands").key("o-1").value(record.to_string());
    };
    // Events where only commands belong; a cancellation from the future and a thousand of them; an
    // order that can't be placed; a dead letter that says of itself that it is none any more.
    commands(json!({"type": "OrderCompleted", "order_id": "o-1"}));
    commands(json!({"type": "ShipmentScheduled", "order_id": "o-1"}));
    let bad = json!({"type": "PlaceOrder", "order_id": "o-2", "items": []}).to_string();
    saga.kcat().write("orders.commands").key("o-2").header("dlq-resolved", "discarded").value(bad);
    let old = with(sample("PlaceOrder", "o-3"), "time", "2001-01-01T00:00:00Z");
    saga.say(&with(old, "id", "1"));
    saga.say(&with(with(sample("CancelOrder", "o-3"), "time", "9999-01-01T00:00:00Z"), "id", "1"));

    let told = timeline(&http, "o-3", |told| has("CancelOrder")(told) && has("PlaceOrder")(told));
    for event in told["events"].as_array().into_iter().flatten() {
        assert!(
            event["time"].as_str().is_some_and(|time| time.starts_with("20") && !time.starts_with("2001")),
            "{event}"
        );
    }
    let told = timeline(&http, "o-2", has("DeadLetter"));
    assert_eq!((kinds(&told), &told["status"]), (vec!["DeadLetter"], &json!("unknown")), "{told}");
    let place = told["events"][0]["data"].clone();
    let first = format!("orders.commands-{}-{}", place["partition"], place["offset"]);
    assert_eq!(told["events"][0]["causationid"], json!(first), "the id of a record without one");
    let told =
        timeline(&http, "o-1", |told| kinds(told).iter().filter(|kind| **kind == "DeadLetter").count() == 2);
    assert_eq!(told["status"], "placed");
    assert_eq!(waits(&told), ["ShipmentScheduled from shipping"]);
    let listed = http.get("/orders").json();
    assert!(!listed.to_string().contains("o-2"), "what can't be placed is no order: {listed}");
}

#[test]
fn the_tracker_is_rebuilt_from_the_topics() {
    let kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let start = |args: &[&str]| {
        let command =
            quadrille(args.iter().copied()).arg("--data-dir").arg(data.path().display().to_string());
        command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
    };
    let program = start(&["up"]);
    saga.deposit("ada", 50_000);
    saga.receive("tea", 100);
    saga.say(&sample("PlaceOrder", "o-1"));
    saga.say(&sample("CancelOrder", "o-1"));
    let before = timeline(&Http::at(program.http()), "o-1", has("NotificationSent"));
    program.drains();

    for suffix in ["db", "db-wal", "db-shm"] {
        let file = data.path().join(format!("tracker.{suffix}"));
        if file.exists() {
            fs::remove_file(file).expect("it can be removed");
        }
    }
    let program = start(&["serve", "tracker"]);
    let http = Http::at(program.http());
    assert_eq!(timeline(&http, "o-1", has("NotificationSent")), before);
    // Only the tracker is here.
    http.get("/orders/o-1").is_problem(404, &["order service"]);
    http.get("/accounts/ada").is_problem(404, &["payment service"]);
    // One owner.
    let second = quadrille(["serve", "tracker", "--data-dir"]).arg(data.path().display().to_string());
    let second = second.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).run();
    second.exits(1).complains_of(&["tracker.db", &program.pid().to_string()]);
    // It goes on where it was.
    program.kill();
    let program = start(&["serve", "all"]);
    let http = Http::at(program.http());
    saga.say(&sample("PlaceOrder", "o-2"));
    timeline(&http, "o-2", has("NotificationSent"));
    assert_eq!(timeline(&http, "o-1", |_| true), before);
    program.drains();
}

#[test]
fn services_say_how_they_are() {
    let (program, saga, http) = shop(&["--except", "tracker"]);
    saga.say(&json!({"type": "PlaceOrder", "order_id": "bad"}));
    http.post("/orders", &tea_as("o-1")).is(202);
    assert_eq!(saga.ended("o-1"), "completed");
    http.get("/healthz").is(200);
    assert_eq!(http.get("/readyz").is(200).json()["ready"], true);
    let status = wait::until("all to be read", LIMIT, || {
        let status = http.get("/status").is(200).json();
        let lanes = |service: &Value| service["lanes"].as_array().cloned().unwrap_or_default();
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let read =
            services.iter().flat_map(lanes).all(|lane| lane["behind"] == 0 && lane["behind_since"].is_null());
        if read { Ok(status) } else { Err(status.to_string()) }
    });
    assert_eq!(status["kafka"]["reachable"], true);
    let services: Vec<&str> =
        status["services"].as_array().into_iter().flatten().filter_map(|s| s["service"].as_str()).collect();
    assert_eq!(services, ["order", "payment", "inventory", "shipping", "notification"]);
    let order = &status["services"][0];
    assert_eq!(
        (&order["state"], &order["dead_letters"], &order["trouble"]),
        (&json!("ready"), &json!(1), &Value::Null)
    );
    assert_eq!(order["lanes"].as_array().map(Vec::len), Some(4));
    let commands: i64 =
        (0..4).filter_map(|lane| order["lanes"][lane]["positions"]["orders.commands"].as_i64()).sum();
    assert_eq!(commands, 2);

    let metrics = http.get("/metrics").is(200);
    assert!(metrics.headers["content-type"].starts_with("text/plain"), "{metrics:?}");
    for sample in [
        "quadrille_dead_letters{service=\"order\"} 1",
        "quadrille_dead_letters_total{service=\"order\"} 1",
        "quadrille_records_heard_total{service=\"notification\"} 2",
        "quadrille_service_ready{service=\"order\"} 1",
        "quadrille_lag_records{lane=\"0\",service=\"order\"} 0",
        "quadrille_outbox_records{service=\"order\"} ",
        "quadrille_kafka_reachable 1",
        "quadrille_http_requests_total{method=\"POST\",route=\"/orders\",status=\"202\"} 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.text.contains(sample), "no {sample} in:\n{}", metrics.text);
    }
    // Without the tracker there are no timelines, no list and no page.
    for path in ["/", "/orders", "/orders/o-1/timeline"] {
        http.get(path).is_problem(404, &["tracker"]);
    }
    assert!(!program.stdout().contains("Web page"), "{}", program.stdout());
    program.drains();
}

#[test]
fn the_program_says_where_everything_is() {
    let (program, _saga, http) = shop(&[]);
    let said = program.stdout();
    let line =
        |start: &str| said.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{said}"));
    assert!(line("Kafka: ").starts_with("Kafka: 127.0.0.1:"));
    assert_eq!(line("HTTP: "), format!("HTTP: http://{}", http.address()));
    assert_eq!(line("Web page: "), format!("Web page: http://{}/", http.address()));
    assert!(line("Try: ").contains("kcat -b 127.0.0.1:"));
    let page = http.get("/").is(200);
    assert!(page.headers["content-type"].starts_with("text/html"), "{page:?}");

    let taken = quadrille(["up", "--kafka-addr", "127.0.0.1:0", "--http-addr", http.address()]).run();
    taken.exits(1).complains_of(&[http.address(), "--http-addr"]);
    http.get("/readyz").is(200);
}
