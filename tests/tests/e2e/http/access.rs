//! Who may ask: by which name of the server, from which page, with which token.

use std::{fs, time::Duration};

use e2e::{http::Http, program::quadrille, saga::sandbox, wait};
use serde_json::json;
use tempfile::NamedTempFile;

use super::{tea, tea_as};

#[test]
fn only_a_name_of_the_server_is_answered() {
    let (program, _saga) = sandbox(&["--http-hosts", "shop.example,quadrille"]);
    let http = Http::at(program.http());
    let evil = [("host", "evil.example"), ("origin", "http://evil.example")];
    let order = tea_as("o-1").to_string();
    for path in [
        "/",
        "/orders",
        "/accounts/ada",
        "/status",
        "/dead-letters",
        "/metrics",
        "/healthz",
        "/readyz",
        "/no",
    ] {
        http.get_with(path, &evil).is_problem(403, &["evil.example", "HTTP_HOSTS"]);
    }
    http.post_with("/orders", &evil, order.as_bytes()).is_problem(403, &["evil.example"]);
    http.get("/orders/o-1").is(404);
    for host in [http.address(), "localhost", "127.0.0.1:1", "[::1]", "Shop.Example:443", "quadrille"] {
        http.get_with("/orders", &[("host", host)]).is(200);
    }
    // The page of a site acts there, and nowhere else.
    let page = [("host", "shop.example"), ("origin", "https://shop.example")];
    http.post_with("/orders", &page, order.as_bytes()).is(202);
    let other = [("host", "shop.example"), ("origin", "http://quadrille")];
    http.post_with("/orders", &other, order.as_bytes()).is_problem(403, &["http://quadrille"]);
    assert!(!program.stderr().contains("HTTP_TOKEN_FILE"), "{}", program.stderr());
    for wrong in ["shop.example:443", "http://shop.example", "a,,b", "*"] {
        quadrille(["up", "--http-hosts", wrong]).run().exits(2).complains_of(&["--http-hosts"]);
    }
}

#[test]
fn a_token_says_who_may_ask_and_who_may_act() {
    let file = NamedTempFile::new().expect("a temporary file can be made");
    let path = file.path().display().to_string();
    let write = |text: &str| fs::write(&path, text).expect("a temporary file can be written");
    write("# the page\nlook-1 read\n\nsecret-1 act\n");
    let (program, _saga) = sandbox(&["--http-token-file", &path, "--rust-log", "trace,librdkafka=off"]);
    let nobody = Http::at(program.http());
    let [look, act] = ["look-1", "secret-1"].map(|token| nobody.clone().with_token(token));

    for path in ["/healthz", "/readyz"] {
        nobody.get(path).is(200);
    }
    for path in ["/", "/orders", "/accounts/ada", "/status", "/dead-letters", "/metrics", "/nowhere"] {
        for who in [&nobody, &nobody.clone().with_token("look-2")] {
            let answer = who.get(path);
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{path}");
            answer.is_problem(401, &["token"]);
        }
    }
    for path in ["/", "/orders", "/status", "/dead-letters", "/metrics"] {
        look.get(path).is(200);
    }
    nobody.post("/orders", &tea()).is_problem(401, &["token"]);
    for path in ["/orders", "/orders/o-1/cancel", "/stock/tea/receipts", "/dead-letters/x/redrive"] {
        look.post(path, &json!({"quantity": 1})).is_problem(403, &["may read"]);
    }
    act.post("/stock/tea/receipts", &json!({"quantity": 1})).is(202);
    assert_eq!(act.get("/stock/tea").is(200).json()["received"], 1);

    // The command line.
    let show = || quadrille(["stock", "show", "tea", "--url", &program.http()]);
    show().run().exits(1).complains_of(&["QUADRILLE_TOKEN", "--token-file"]);
    show().env("QUADRILLE_TOKEN", "look-1").run().exits(0);
    let receive = ["stock", "receive", "tea", "1", "--url", &program.http()];
    quadrille(receive).env("QUADRILLE_TOKEN", "look-1").run().exits(1).complains_of(&["may read"]);

    // Other tokens; then what are none.
    let status = |http: &Http, expected: u16| {
        wait::until(&format!("{expected}"), Duration::from_secs(10), || match http.get("/orders").status {
            status if status == expected => Ok(()),
            status => Err(status.to_string()),
        });
    };
    write("look-2 read");
    program.hangs_up();
    status(&look, 401);
    status(&nobody.clone().with_token("look-2"), 200);
    write("look-1 everything");
    program.hangs_up();
    wait::until("it to say so", Duration::from_secs(10), || match program.stderr() {
        log if log.contains("the tokens stay as they were") && log.contains("line 1") => Ok(()),
        log => Err(log),
    });
    status(&nobody.clone().with_token("look-2"), 200);
    status(&look, 401);

    let said = format!("{}{}", program.stdout(), program.stderr());
    assert!(!["look-1", "look-2", "secret-1"].iter().any(|token| said.contains(token)), "a token: {said}");
    let refused = quadrille(["up", "--http-token-file", &path]).run().exits(2);
    let refused = refused.complains_of(&["HTTP_TOKEN_FILE", &path, "line 1"]);
    assert!(!refused.said().contains("look-1"), "{}", refused.said());
    program.drains();
}

#[test]
fn who_can_be_reached_from_elsewhere_and_asks_for_no_token_says_so() {
    let (program, _saga) = sandbox(&["--http-addr", "0.0.0.0:0"]);
    assert!(program.stderr().contains("HTTP_TOKEN_FILE"), "{}", program.stderr());
    let http = Http::at(program.http().replace("0.0.0.0", "127.0.0.1"));
    // It can't know its addresses, and no page has an address for a name.
    http.get_with("/readyz", &[("host", "192.0.2.1:8080")]).is(200);
    http.get_with("/readyz", &[("host", "evil.example")]).is_problem(403, &["evil.example"]);
}
