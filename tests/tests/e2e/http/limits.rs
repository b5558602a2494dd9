//! Who is slow, many or without Kafka.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use e2e::{http::Http, kafka::Kafka, program::quadrille, saga::Saga, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{shop, tea_as};

#[test]
fn slow_clients_and_a_thousand_connections_keep_nobody_out() {
    let (program, saga, http) = shop(&[]);
    let connect = || TcpStream::connect(http.address()).expect("a connection");
    // Some say nothing, some begin a head, some begin a body.
    let mut slow: Vec<TcpStream> = (0..1_000).map(|_| connect()).collect();
    for (i, client) in slow.iter_mut().enumerate() {
        match i % 3 {
            0 => {}
            1 => {
                client.write_all(b"POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-").expect("it is sent")
            }
            _ => {
                let head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
                client.write_all(head.as_bytes()).expect("it is sent");
            }
        }
    }
    let ended = http.post_with("/orders", &[("prefer", "wait=20")], tea_as("o-1").to_string().as_bytes());
    assert_eq!(ended.is(200).json()["status"], "completed");
    // A head that is too large, and one that is none.
    for request in
        [format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000)), "nonsense\r\n\r\n".to_owned()]
    {
        let mut client = connect();
        // It may have hung up before all is sent.
        let _ = client.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    // And none of them waits for ever: whoever does not say all that it has to say is cut off.
    for client in &mut slow[1..3] {
        client.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).expect("it is cut off");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert_eq!(http.get("/orders/o-1").is(200).json()["status"], "completed");
    saga.adds_up();
    program.drains();
}

#[test]
fn a_thousand_clients_at_once_are_all_served() {
    let (program, saga, http) = shop(&[]);
    http.post("/accounts/ada/deposits", &json!({"amount": 100_000_000, "currency": "EUR"})).is(202);
    http.post("/stock/tea/receipts", &json!({"quantity": 10_000})).is(202);
    let answers: Vec<Value> = thread::scope(|scope| {
        let http = &http;
        let clients: Vec<_> = (0..1_000)
            .map(|i| {
                let client = move || {
                    let own = Http::at(format!("http://{}", http.address()));
                    own.post("/orders", &tea_as(&format!("o-{i}"))).is(202).json()
                };
                thread::Builder::new().stack_size(256 * 1024).spawn_scoped(scope, client).expect("a thread")
            })
            .collect();
        clients.into_iter().map(|client| client.join().expect("an answer")).collect()
    });
    assert_eq!(answers.len(), 1_000);
    saga.all_ended(1_000, Duration::from_secs(60));
    for i in 0..1_000 {
        assert_eq!(http.get(&format!("/orders/o-{i}")).is(200).json()["status"], "completed");
    }
    program.drains();
}

#[test]
fn without_kafka_there_is_a_prompt_503_and_what_was_accepted_ends() {
    let mut kafka = Kafka::start();
    let data = TempDir::new().expect("a temporary directory can be made");
    let saga = Saga::on(kafka.kcat());
    let up = || {
        let data = data.path().display().to_string();
        quadrille(["up", "--data-dir", &data]).env("KAFKA_BOOTSTRAP_SERVERS", kafka.address())
    };
    let program = up().start();
    let http = Http::at(program.http());
    http.post("/accounts/ada/deposits", &json!({"amount": 50_000, "currency": "EUR"})).is(202);
    http.post("/stock/tea/receipts", &json!({"quantity": 100})).is(202);
    http.get("/readyz").is(200);
    for i in 0..3 {
        http.post("/orders", &tea_as(&format!("before-{i}"))).is(202);
    }

    kafka.stop();
    for order in ["away-1", "away-2"] {
        let asked = Instant::now();
        let answer = http.post("/orders", &tea_as(order));
        let took = asked.elapsed();
        assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
        let problem = answer.is_problem(503, &["Kafka"]);
        assert_eq!(problem["order_id"], order);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    http.get("/healthz").is(200);
    wait::until("readyz to say why not", Duration::from_secs(20), || {
        let answer = http.get("/readyz");
        if answer.status == 503 && answer.text.contains("Kafka") {
            Ok(())
        } else {
            Err(format!("{answer:?}"))
        }
    });
    // What can be told without Kafka is told.
    http.get("/orders/before-0").is(200);
    kafka.start_again();
    wait::until("it to be ready again", Duration::from_secs(40), || {
        let answer = http.get("/readyz");
        if answer.status == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    });
    // To repeat is safe.
    for order in ["away-1", "away-2"] {
        http.post("/orders", &tea_as(order)).is(202);
    }
    for order in ["before-0", "before-1", "before-2", "away-1", "away-2"] {
        assert_eq!(saga.ended(order), "completed", "{order}");
    }
    assert_eq!(saga.log().orders().len(), 5);
    saga.adds_up();
    program.drains();
}
