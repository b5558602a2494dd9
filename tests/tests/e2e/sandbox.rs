//! The sandbox's broker, as clients other than kcat and the services see it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use e2e::{
    kafka::jars_folder,
    kcat::Kcat,
    ports::free_port,
    process,
    program::quadrille,
    saga::sandbox,
    samples::{sample, with},
    wait,
};

const LIMIT: Duration = Duration::from_secs(30);
/// Java compiles the client first, on a machine that may have much else to do.
const JAVA_LIMIT: Duration = Duration::from_secs(180);

// Kafka's numbers of these requests.
const PRODUCE: i16 = 0;
const FETCH: i16 = 1;
const API_VERSIONS: i16 = 18;

#[test]
fn javas_client_writes_commands_and_reads_events() {
    let (_program, saga) = sandbox(&[]);
    saga.deposit("ada", 100_000);
    saga.receive("tea", 10);
    let mut java = Command::new("java");
    java.args(["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp"]).arg(jars_folder().join("*"));
    java.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/sandbox/Client.java"));
    java.args([saga.kcat().bootstrap(), "java-1", &sample("PlaceOrder", "java-1").to_string()]);
    let done = process::run(&mut java, b"", JAVA_LIMIT);
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", done.stderr);
    assert!(said.contains("OrderPlaced") && said.contains("OrderCompleted"), "{said}");
}

#[test]
fn a_clients_first_question_is_answered_as_kafka_does() {
    let (_program, saga) = sandbox(&[]);
    let mut client = Client::to(saga.kcat().bootstrap());

    // Version 4, as Java and Python begin: in the form of version 0, "I don't know that version".
    client.ask(API_VERSIONS, 4, &[&[0], &[2, b'x'], &[2, b'1'], &[0]]);
    let answer = client.answer();
    assert_eq!(answer[..2], 35_i16.to_be_bytes());
    let offered = versions(&answer[2..]);
    assert!(offered.contains(&(API_VERSIONS, 0, 2)), "{offered:?}");

    client.ask(API_VERSIONS, 2, &[]);
    let answer = client.answer();
    assert_eq!(answer[..2], 0_i16.to_be_bytes());
    let (entries, throttled) = answer[2..].split_at(answer.len() - 2 - 4);
    assert_eq!(throttled, [0; 4]);
    assert_eq!(versions(entries), offered);
}

#[test]
fn who_waits_for_news_hears_it_at_once() {
    let (_program, saga) = sandbox(&[]);
    let mut client = Client::to(saga.kcat().bootstrap());
    let has_the_news = |answer: &[u8]| answer.windows(8).any(|bytes| bytes == b"the news");

    client.fetch("notifications", LIMIT * 2);
    saga.kcat().write("notifications").partition(1).value("not the news");
    // So that it can ask for other partitions, too.
    assert!(!has_the_news(&client.answer()));

    client.fetch("notifications", LIMIT * 2);
    saga.kcat().write("notifications").partition(0).value("the news");
    let answer = client.answer();
    assert!(has_the_news(&answer), "{answer:?}");
}

#[test]
fn who_produces_without_wanting_an_answer_gets_none() {
    let (_program, saga) = sandbox(&[]);
    let mut client = Client::to(saga.kcat().bootstrap());
    let (no_transaction, no_acks) = ((-1_i16).to_be_bytes(), 0_i16.to_be_bytes());
    client.ask(PRODUCE, 3, &[&no_transaction, &no_acks, &[0; 4], &[0; 4]]);
    client.ask(API_VERSIONS, 0, &[]);
    assert!(versions(&client.answer()[2..]).contains(&(PRODUCE, 0, 8)));
}

#[test]
fn the_broker_names_itself_as_its_client_does() {
    let port = free_port();
    let _program = quadrille(["up", "--kafka-addr", &format!("0.0.0.0:{port}")]).start();
    for host in ["127.0.0.1", "127.0.0.2"] {
        let seen = Kcat::new(format!("{host}:{port}")).try_metadata().expect("it answers");
        assert!(seen.contains(&format!("broker 1 at {host}:{port}")), "{seen}");
    }
}

#[test]
fn a_misspelt_topic_is_spoken_of_once() {
    let (program, saga) = sandbox(&[]);
    let command = with(sample("PlaceOrder", "lost"), "note", "to nobody");
    for _ in 0..2 {
        saga.kcat().write("orders.comands").key("lost").value(command.to_string());
    }
    let count = || program.stderr().matches("there is no topic 'orders.comands'").count();
    wait::until("a warning", LIMIT, || (count() > 0).then_some(()).ok_or_else(|| program.stderr()));
    saga.kcat().write("orders.comand").key("lost").value(command.to_string());
    wait::until("another", LIMIT, || {
        program.stderr().contains("'orders.comand'").then_some(()).ok_or_else(|| program.stderr())
    });
    assert_eq!(count(), 1);
}

/// A client that speaks Kafka's protocol byte by byte.
struct Client {
    stream: TcpStream,
    asked: i32,
    answered: i32,
}

impl Client {
    fn to(address: &str) -> Client {
        let stream = TcpStream::connect(address).expect("the sandbox listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a time-out can be set");
        Client { stream, asked: 0, answered: 0 }
    }

    /// Sends a request without waiting for its answer.
    fn ask(&mut self, api: i16, version: i16, fields: &[&[u8]]) {
        self.asked += 1;
        let (api, version, number) = (api.to_be_bytes(), version.to_be_bytes(), self.asked.to_be_bytes());
        let header = [&api[..], &version, &number, &[0, 4], b"test"].concat();
        let request = [header, fields.concat()].concat();
        let length = i32::try_from(request.len()).expect("a request is short");
        self.stream.write_all(&[&length.to_be_bytes()[..], &request].concat()).expect("it can be sent");
        // Where no answer is wanted, the next one is of the request after it.
        if api == PRODUCE.to_be_bytes() {
            self.answered += 1;
        }
    }

    /// Asks for partition 0 of a topic from its beginning, and to wait for so long if it is empty.
    fn fetch(&mut self, topic: &str, wait: Duration) {
        let wait_ms = i32::try_from(wait.as_millis()).expect("a minute or so").to_be_bytes();
        let name_length = i16::try_from(topic.len()).expect("a name is short").to_be_bytes();
        let (number, one, from) = (0_i32.to_be_bytes(), 1_i32.to_be_bytes(), 0_i64.to_be_bytes());
        let (replica, bytes) = ((-1_i32).to_be_bytes(), 1_000_000_i32.to_be_bytes());
        let request: [&[u8]; 5] = [&replica, &wait_ms, &one, &bytes, &[0]];
        let topic: [&[u8]; 7] = [&one, &name_length, topic.as_bytes(), &one, &number, &from, &bytes];
        self.ask(FETCH, 4, &[&request[..], &topic].concat());
    }

    /// The next answer's fields.
    fn answer(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("an answer comes");
        let mut answer = vec![0; i32::from_be_bytes(length).try_into().expect("a length")];
        self.stream.read_exact(&mut answer).expect("the answer comes as a whole");
        self.answered += 1;
        assert_eq!(answer[..4], self.answered.to_be_bytes(), "it is the answer to this request");
        answer.split_off(4)
    }
}

/// The requests that are offered, with their first and last version.
#[track_caller]
fn versions(bytes: &[u8]) -> Vec<(i16, i16, i16)> {
    let (count, entries) = bytes.split_at(4);
    let number = |at: &[u8]| i16::from_be_bytes([at[0], at[1]]);
    let entries: Vec<_> =
        entries.chunks_exact(6).map(|at| (number(at), number(&at[2..]), number(&at[4..]))).collect();
    assert_eq!(bytes.len(), 4 + 6 * entries.len(), "nothing follows");
    assert_eq!(count, i32::try_from(entries.len()).expect("a few").to_be_bytes());
    entries
}
