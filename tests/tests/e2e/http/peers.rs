//! Services in several processes behind one address.

use std::{fs, time::Duration};

use e2e::{
    http::Http,
    kafka::Kafka,
    ports::free_port,
    program::{Program, quadrille},
    saga::Saga,
    wait,
};
use serde_json::json;
use tempfile::TempDir;

use super::tea_as;

#[test]
fn one_process_answers_for_all() {
    let kafka = Kafka::start();
    let saga = Saga::on(kafka.kcat());
    let data = TempDir::new().expect("a temporary directory can be made");
    quadrille(["topics", "apply"]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).run().exits(0);
    let tokens = data.path().join("tokens");
    fs::write(&tokens, "one act\n").expect("a temporary file can be written");
    let start = |services: &[&str], args: &[&str]| -> Program {
        let command = quadrille(["serve"].iter().chain(services).chain(args).copied());
        let command = command.arg("--data-dir").arg(data.path().display().to_string());
        let command = command.env("HTTP_TOKEN_FILE", &tokens.display().to_string());
        command.env("KAFKA_BOOTSTRAP_SERVERS", kafka.address()).start()
    };
    let address = || format!("127.0.0.1:{}", free_port());
    let (payment_at, inventory_at, tracker_at) = (address(), address(), address());
    let payment = start(&["payment"], &["--http-addr", &payment_at]);
    let _inventory = start(&["inventory"], &["--http-addr", &inventory_at]);
    let _tracker = start(&["tracker"], &["--http-addr", &tracker_at]);
    let peers =
        format!("payment=http://{payment_at},inventory=http://{inventory_at},tracker=http://{tracker_at}");
    let front = start(&["order", "shipping", "notification"], &["--http-peers", &peers]);
    // Its token is what the other processes ask for, too.
    let http = Http::at(front.http()).with_token("one");

    http.post("/accounts/ada/deposits", &json!({"amount": 50_000, "currency": "EUR"})).is(202);
    http.post("/stock/tea/receipts", &json!({"quantity": 100})).is(202);
    let ended = http.post_with("/orders", &[("prefer", "wait=20")], tea_as("o-1").to_string().as_bytes());
    assert_eq!(ended.is(200).json()["status"], "completed");
    assert_eq!(http.get("/accounts/ada").is(200).json()["captured"], 4_998);
    assert_eq!(http.get("/stock/tea").is(200).json()["committed"], 2);
    wait::until("the tracker to list it", Duration::from_secs(20), || {
        let listed = http.get("/orders?status=completed").is(200).json();
        if listed[0]["order_id"] == "o-1" { Ok(()) } else { Err(listed.to_string()) }
    });
    http.get("/orders/o-1/timeline").is(200);
    assert!(http.get("/").is(200).text.contains("<title>"));
    http.get("/accounts/nobody").is_problem(404, &["nobody"]);

    // Dead letters and how services are: of all processes together.
    saga.say(&json!({"type": "DepositFunds", "customer_id": "ada"}));
    saga.say(&json!({"type": "PlaceOrder", "order_id": "o-2"}));
    let ids: Vec<String> = wait::until("two dead letters", Duration::from_secs(20), || {
        let letters = http.get("/dead-letters").is(200).json().as_array().cloned().unwrap_or_default();
        let ids: Vec<String> = letters.iter().filter_map(|l| l["id"].as_str()).map(str::to_owned).collect();
        if ids.len() == 2 { Ok(ids) } else { Err(format!("{ids:?}")) }
    });
    let cut = http.get("/dead-letters?limit=1").is(200);
    assert_eq!(cut.json().as_array().map(Vec::len), Some(1));
    assert!(cut.headers["link"].contains("after="), "{cut:?}");
    let listed = http.get("/dead-letters?service=payment").is(200).json();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["service"]), (Some(1), &json!("payment")));
    let outcomes = http.post("/dead-letters/redrive", &json!({"ids": ids})).is(200).json();
    for (i, id) in ids.iter().enumerate() {
        assert_eq!((&outcomes[i]["id"], &outcomes[i]["outcome"]), (&json!(id), &json!("dead_letter")));
    }
    let of_payment = ids.iter().find(|id| id.starts_with("payment-")).expect("one is payment's");
    http.get(&format!("/dead-letters/{of_payment}")).is(200);
    http.post(&format!("/dead-letters/{of_payment}/discard"), &json!({})).is(200);
    let states = || {
        let status = http.get("/status").is(200).json();
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let mut states: Vec<String> =
            services.iter().map(|s| format!("{} {}", s["service"], s["state"]).replace('"', "")).collect();
        states.sort_unstable();
        states
    };
    let ready = ["inventory", "notification", "order", "payment", "shipping", "tracker"];
    assert_eq!(states(), ready.map(|name| format!("{name} ready")));

    // Where that is another, nothing is left out unsaid.
    fs::write(&tokens, "another read\n").expect("a temporary file can be written");
    payment.hangs_up();
    wait::until("payment to know another token", Duration::from_secs(10), || {
        let answer = http.get("/accounts/ada");
        if answer.status == 401 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    http.get("/dead-letters").is_problem(503, &["payment", "401", "HTTP_TOKEN_FILE"]);
    payment.drains();
    http.get("/accounts/ada").is_problem(503, &["payment", &payment_at]);
    http.get("/dead-letters").is_problem(503, &["payment"]);
    assert!(states().contains(&"payment unreachable".to_owned()), "{:?}", states());
    http.get("/readyz").is(200);
    front.drains();
}
