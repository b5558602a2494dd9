//! Orders, accounts and stock.

use std::thread;

use e2e::{http::Http, topics::ORDERS_COMMANDS, wait};
use serde_json::{Value, json};

use super::{shop, tea, tea_as};

#[test]
fn an_order_is_placed_followed_and_accounted_for() {
    let (program, saga, http) = shop(&[]);
    let placed = http.post("/orders", &tea()).is(202);
    let order = placed.json()["order_id"].as_str().expect("an id").to_owned();
    assert_eq!(placed.headers["location"], format!("/orders/{order}"));
    // Read-your-writes: it is there at once, wherever it stands.
    let found = http.get(&placed.headers["location"]).is(200).json();
    assert_eq!(found["order_id"], json!(order));
    assert_eq!(saga.ended(&order), "completed");

    let ended = http.post_with("/orders", &[("prefer", "wait=20")], tea_as("o-2").to_string().as_bytes());
    assert_eq!(ended.headers["preference-applied"], "wait=20");
    let ended = ended.is(200).json();
    assert!(ended["updated_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{ended}");
    let expected = json!({"order_id": "o-2", "status": "completed", "customer_id": "ada", "total": 4998,
        "currency": "EUR", "updated_at": ended["updated_at"]});
    assert_eq!(ended, expected);
    assert_eq!(http.get("/orders/o-2").is(200).json(), expected);

    let account = http.get("/accounts/ada").is(200).json();
    let sums = json!({"customer_id": "ada", "currency": "EUR", "deposited": 50_000, "available": 40_004,
        "held": 0, "captured": 9_996});
    assert_eq!(account, sums);
    let stock = http.get("/stock/tea").is(200).json();
    assert_eq!(stock, json!({"sku": "tea", "received": 100, "available": 96, "reserved": 0, "committed": 4}));

    let mut refused = tea_as("o-3");
    refused["destination"]["country"] = json!("AQ");
    let ended = http.post_with("/orders", &[("prefer", "wait=20")], refused.to_string().as_bytes()).is(200);
    assert_eq!(
        (&ended.json()["status"], &ended.json()["reason"]),
        (&json!("cancelled"), &json!("shipment_refused"))
    );
    saga.adds_up();
    program.drains();
}

#[test]
fn one_key_is_one_order_however_often_and_at_once_it_is_sent() {
    let (program, saga, http) = shop(&[]);
    let place = |http: &Http, key: &str, body: &Value| {
        http.post_with("/orders", &[("idempotency-key", key)], body.to_string().as_bytes())
    };
    let ids: Vec<Value> = thread::scope(|scope| {
        // A connection each.
        let one =
            || place(&Http::at(program.http()), "checkout 1", &tea()).is(202).json()["order_id"].clone();
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(one)).collect();
        clients.into_iter().map(|client| client.join().expect("an answer")).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let order = ids[0].as_str().expect("an id").to_owned();
    assert_eq!(saga.ended(&order), "completed");
    let log = saga.log();
    assert_eq!(log.orders(), [order.as_str()], "one order");
    assert_eq!(saga.dead_letters(), []);

    // Later, too; and it is no new command where it is known.
    let commands = saga.kcat().read(ORDERS_COMMANDS).len();
    let again = place(&http, "checkout 1", &tea()).is(202).json();
    assert_eq!(again, json!({"order_id": order, "status": "completed"}));
    assert_eq!(saga.kcat().read(ORDERS_COMMANDS).len(), commands);

    let mut other = tea();
    other["items"][0]["quantity"] = json!(3);
    place(&http, "checkout 1", &other).is_problem(422, &["other content", order.as_str()]);
    place(&http, "checkout 1", &tea_as("mine")).is_problem(422, &["\"#/order_id\""]);
    place(&http, "checkout 1", &tea_as(&order)).is(202);
    place(&http, "", &tea()).is_problem(400, &["Idempotency-Key"]);
    // The same without a key, by the order's id.
    http.post("/orders", &tea_as("o-1")).is(202);
    http.post("/orders", &tea_as("o-1")).is(202);
    other["order_id"] = json!("o-1");
    http.post("/orders", &other).is_problem(422, &["'o-1' was placed with other content"]);
    // Two bodies of one key at the same moment: one of them wins, the other is told.
    let both = thread::scope(|scope| {
        let one = scope.spawn(|| place(&http, "race", &tea()).status);
        let other = scope.spawn(|| {
            let mut other = tea();
            other["items"][0]["quantity"] = json!(1);
            place(&http, "race", &other).status
        });
        let mut both = [one.join().expect("an answer"), other.join().expect("an answer")];
        both.sort_unstable();
        both
    });
    assert_eq!(both, [202, 422]);
}

#[test]
fn an_order_is_cancelled_while_it_can_be() {
    let (program, saga, http) = shop(&["--except", "shipping"]);
    http.post("/orders", &tea_as("o-1")).is(202);
    saga.heard("StockReserved", "o-1");
    let cancelled = http.post("/orders/o-1/cancel", &json!({"reason": "too late"})).is(202);
    assert_eq!(cancelled.json(), json!({"order_id": "o-1", "status": "cancelling"}));
    assert_eq!(saga.heard("OrderCancellationRequested", "o-1").text("detail"), Some("too late"));
    assert_eq!(http.get("/orders/o-1").is(200).json()["status"], "cancelling");
    http.post("/orders/o-1/cancel", &json!({})).is(202);
    saga.say(&e2e::samples::nothing_to_undo("ShipmentCancelled", "o-1"));
    assert_eq!(saga.ended("o-1"), "customer_request");
    http.post("/orders/o-1/cancel", &json!({})).is_problem(409, &["'o-1' is cancelled already"]);

    http.post("/orders", &tea_as("o-2")).is(202);
    saga.heard("StockReserved", "o-2");
    saga.say(&e2e::samples::sample("ShipmentScheduled", "o-2"));
    saga.heard("OrderConfirmed", "o-2");
    http.post("/orders/o-2/cancel", &json!({})).is_problem(409, &["'o-2' is confirmed"]);
    assert_eq!(http.get("/orders/o-2").json()["status"], "confirmed");
    // Without a body; of an order that nobody placed; of what is no order's id.
    http.post_with("/orders/o-2/cancel", &[], b"").is_problem(409, &[]);
    http.post("/orders/nobody/cancel", &json!({})).is_problem(404, &["nobody"]);
    http.post("/orders/a%20b/cancel", &json!({})).is_problem(404, &[]);

    // Who waits for an end that does not come is told how it stands; and a drain waits for nobody.
    let waited = http.post_with("/orders", &[("prefer", "wait=1")], tea_as("o-3").to_string().as_bytes());
    assert_eq!(waited.is(202).json(), json!({"order_id": "o-3", "status": "placed"}));
    let patient = thread::spawn(move || {
        http.post_with("/orders", &[("prefer", "wait=30")], tea_as("o-4").to_string().as_bytes())
    });
    saga.heard("StockReserved", "o-4");
    program.drains();
    let told = patient.join().expect("an answer").is(202).json();
    assert_eq!(told, json!({"order_id": "o-4", "status": "placed"}));
}

#[test]
fn what_can_not_be_used_is_a_problem_that_names_the_field() {
    let (_program, saga, http) = shop(&[]);
    let post = |body: &[u8]| http.post_with("/orders", &[], body);
    for malformed in [&b"{"[..], b"", b"\xff", b"{\"a\":1} x", b"nonsense"] {
        post(malformed).is_problem(400, &["the body is not"]);
    }
    post(b"[]").is_problem(422, &["not an object"]);
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = http.post_with("/orders", &[("content-type", kind)], tea().to_string().as_bytes());
        answer.is_problem(415, &["application/json"]);
    }
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.shop+json"] {
        http.post_with("/orders", &[("content-type", kind)], tea().to_string().as_bytes()).is(202);
    }
    let spelled = |number: &str| tea().to_string().replace("2499", number);
    assert!(spelled("24.99e2").contains("24.99e2"), "a price");
    post(spelled("24.99e2").as_bytes()).is(202);
    post(spelled("1e999").as_bytes()).is_problem(422, &["number out of range", "#/items/0/unit_price"]);
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(64 * 1024));
    post(large.as_bytes()).is_problem(413, &["65536"]);
    for (pointer, value, allowed) in [
        ("/customer_id", json!("A B"), "1 to 64 characters"),
        ("/order_id", json!("x".repeat(65)), "1 to 64 characters"),
        ("/currency", json!("EURO"), "ISO 4217"),
        ("/items", json!([]), "1 to 100"),
        ("/items/0/quantity", json!(0), "at least 1"),
        ("/items/0/quantity", json!(1_000_001), "1 to 1000000"),
        ("/items/0/quantity", json!(1.5), "items[0].quantity: 1.5 is not a whole number"),
        ("/items/0/quantity", json!("2"), "'2' is not a whole number"),
        ("/items/0/unit_price", json!(-1), "greater than 0"),
        ("/items/0/sku", json!(7), "sku"),
        ("/destination", json!("DE"), "object"),
        ("/destination/country", json!(null), "country"),
        ("/destination/country", json!("Germany"), "'Germany' is not a country code"),
        ("/destination/country", json!("de"), "two capital letters"),
        ("/destination/country", json!("D"), "ISO 3166-1 alpha-2"),
    ] {
        let mut body = tea_as("bad");
        *body.pointer_mut(pointer).expect("it is there") = value;
        let problem = http.post("/orders", &body).is_problem(422, &[allowed]);
        assert_eq!(problem["errors"][0]["pointer"], json!(format!("#{pointer}")), "{problem}");
        assert_eq!(problem["errors"].as_array().map(Vec::len), Some(1));
    }
    for (parent, field) in [("", "customer_id"), ("/items/0", "sku"), ("/destination", "country")] {
        let mut body = tea_as("bad");
        let parent_object = body.pointer_mut(parent).and_then(Value::as_object_mut);
        parent_object.expect("it is an object").remove(field);
        let problem = http.post("/orders", &body).is_problem(422, &["missing"]);
        assert_eq!(problem["errors"][0]["pointer"], json!(format!("#{parent}/{field}")), "{problem}");
    }
    http.post("/accounts/ada/deposits", &json!({"amount": 0, "currency": "EUR"}))
        .is_problem(422, &["#/amount"]);
    http.post("/stock/tea/receipts", &json!({"quantity": -1})).is_problem(422, &["#/quantity"]);
    http.get("/orders/bad").is_problem(404, &["bad"]);
    http.get("/orders/%FF").is_problem(400, &["UTF-8"]);
    // A page of another site, in the browser of someone who may ask here.
    let elsewhere = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
    http.post_with("/orders/bad/cancel", &elsewhere, b"").is_problem(403, &["evil.example"]);
    let here = format!("http://{}", http.address());
    http.post_with("/orders/bad/cancel", &[("origin", &here)], b"").is_problem(404, &["bad"]);
    http.get("/accounts/nobody").is_problem(404, &["nobody"]);
    http.get("/stock/nothing").is_problem(404, &["nothing"]);
    http.get("/nowhere").is_problem(404, &["/nowhere"]);
    http.get("/orders/bad/cancel").is_problem(405, &["GET"]);
    http.get("/orders?status=lost").is_problem(400, &["lost", "completed"]);
    http.get("/orders?limit=0").is_problem(400, &["limit"]);
    http.get("/orders?stuck=soon").is_problem(400, &["stuck"]);
    // Nothing of this has reached a topic.
    assert_eq!(saga.dead_letters(), []);
}

#[test]
fn a_deposit_and_a_receipt_count_once_by_their_ids() {
    let (_program, saga, http) = shop(&[]);
    for _ in 0..2 {
        let deposit = json!({"amount": 1, "currency": "EUR", "deposit_id": "d-1"});
        let answer = http.post("/accounts/ada/deposits", &deposit).is(202).json();
        assert_eq!(answer, json!({"customer_id": "ada", "deposit_id": "d-1", "status": "counted"}));
        let receipt = json!({"quantity": 1});
        let answer = http.post_with(
            "/stock/tea/receipts",
            &[("idempotency-key", "r")],
            receipt.to_string().as_bytes(),
        );
        assert_eq!(answer.is(202).json()["sku"], "tea");
    }
    // Another content under an id that has counted; and a key is one customer's own.
    let more = json!({"amount": 2, "currency": "EUR", "deposit_id": "d-1"});
    http.post("/accounts/ada/deposits", &more).is_problem(422, &["\"#/deposit_id\"", "other content"]);
    let more = json!({"quantity": 2}).to_string();
    let answer = http.post_with("/stock/tea/receipts", &[("idempotency-key", "r")], more.as_bytes());
    answer.is_problem(422, &["\"#/receipt_id\""]);
    let one = json!({"amount": 1, "currency": "EUR"}).to_string();
    for customer in ["bob", "kim"] {
        let path = format!("/accounts/{customer}/deposits");
        http.post_with(&path, &[("idempotency-key", "k")], one.as_bytes()).is(202);
        assert_eq!(http.get(&format!("/accounts/{customer}")).is(200).json()["deposited"], 1);
    }
    wait::until("both to count", std::time::Duration::from_secs(10), || {
        let seen = (
            http.get("/accounts/ada").json()["deposited"].clone(),
            http.get("/stock/tea").json()["received"].clone(),
        );
        if seen == (json!(50_001), json!(101)) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    saga.adds_up();
}
