//! Settings, exit codes, and what the program says at its start.

use std::net::TcpListener;

use e2e::{kcat::Kcat, program::quadrille, saga::sandbox};

#[test]
fn a_wrong_setting_exits_2_with_its_name_and_value() {
    quadrille(["up"]).env("ORDER_DEADLINE", "soon").run().exits(2).complains_of(&["ORDER_DEADLINE", "soon"]);
    quadrille(["up", "--order-deadline", "7"]).run().exits(2).complains_of(&["--order-deadline", "7"]);
    quadrille(["up", "--kafka-addr", "nowhere"]).run().exits(2).complains_of(&["--kafka-addr", "nowhere"]);
    quadrille(["up", "--except", "nobody"]).run().exits(2).complains_of(&["--except", "nobody", "shipping"]);
    quadrille(["up"]).env("SHIPPING_COUNTRIES", "Germany").run().exits(2).complains_of(&["Germany"]);
    quadrille(["up"]).env("LOG_FORMAT", "xml").run().exits(2).complains_of(&["LOG_FORMAT", "xml", "json"]);
    quadrille(["up"])
        .env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        .env("DATABASE_URL", "mysql://db")
        .run()
        .exits(2)
        .complains_of(&["DATABASE_URL", "mysql", "sqlite://"]);
    quadrille(["serve", "nobody"]).run().exits(2).complains_of(&["nobody", "payment"]);
    quadrille(["serve", "payment"]).run().exits(2).complains_of(&["KAFKA_BOOTSTRAP_SERVERS"]);
    quadrille(["fly"]).run().exits(2).complains_of(&["fly"]);
}

#[test]
fn help_and_version_are_data() {
    assert!(quadrille(["--version"]).run().exits(0).stdout.starts_with("quadrille "));
    let help = quadrille(["--help"]).run().exits(0).stdout;
    for command in ["up", "serve", "demo", "topics", "map"] {
        assert!(help.contains(command), "{command} is missing in:\n{help}");
    }
}

#[test]
fn a_taken_address_exits_1_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let done = quadrille(["up", "--kafka-addr", &address]).run();
    done.exits(1).complains_of(&[&address, "--kafka-addr"]);
}

#[test]
fn the_sandbox_says_where_it_is_and_how_to_try_it() {
    let (program, saga) = sandbox(&[]);
    let stdout = program.stdout();
    let address = saga.kcat().bootstrap();
    assert!(stdout.lines().any(|line| line == format!("Kafka: {address}")), "{stdout}");
    assert!(stdout.contains("kcat "), "a command to try: {stdout}");
    assert!(Kcat::new(address).try_metadata().is_ok(), "kcat can use it");
    program.drains();
}
