//! The command line, asking over TLS and with a token.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    process::{Command, Output},
    sync::{Arc, mpsc},
    thread,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring::default_provider};
use tempfile::TempDir;

const ANSWER: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 75\r\n\r\n\
    {\"sku\":\"tea\",\"received\":7,\"available\":7,\"reserved\":0,\"committed\":0        }";

#[test]
fn a_server_is_asked_over_https_if_its_authority_is_trusted() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let (address, heads) = serve(folder.path());
    let url = format!("https://{address}");
    let authority = folder.path().join("ca.pem").display().to_string();
    let show = ["stock", "show", "tea", "--json"];

    let done = quadrille(&show, &[("QUADRILLE_URL", &url), ("QUADRILLE_CA_FILE", &authority)]);
    assert!(done.status.success() && text(&done.stdout).contains("\"available\":7"), "{done:?}");
    let head = heads.recv().expect("a request came");
    assert!(!head.to_lowercase().contains("authorization:"), "{head}");

    let with_token = [("QUADRILLE_URL", url.as_str()), ("QUADRILLE_TOKEN", "look.1="), ("RUST_LOG", "trace")];
    let done = quadrille(&[&show[..], &["--ca-file", &authority]].concat(), &with_token);
    assert!(done.status.success(), "{done:?}");
    assert!(!text(&done.stderr).contains("look.1"), "the token is told: {}", text(&done.stderr));
    let head = heads.recv().expect("a request came");
    assert!(head.to_lowercase().contains("\r\nauthorization: bearer look.1=\r\n"), "{head}");

    let file = folder.path().join("token").display().to_string();
    fs::write(&file, "from-a-file\n").expect("a temporary file can be written");
    let arguments = [&show[..], &["--ca-file", &authority, "--token-file", &file]].concat();
    assert!(quadrille(&arguments, &with_token).status.success());
    let head = heads.recv().expect("a request came");
    assert!(head.to_lowercase().contains("\r\nauthorization: bearer from-a-file\r\n"), "{head}");

    // Of an authority that nobody here knows; under another name; where nobody speaks TLS.
    let port = address.rsplit(':').next().expect("a port");
    let plain = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let nowhere = format!("https://{}", plain.local_addr().expect("it has an address"));
    thread::spawn(move || {
        plain.incoming().for_each(|client| drop(client.map(|mut c| c.write_all(b"HTTP/1.1 400 x\r\n\r\n"))))
    });
    for (url, authority, expected) in [
        (url.as_str(), None, "QUADRILLE_CA_FILE"),
        (&format!("https://127.0.0.1:{port}"), Some(&authority), "can't be trusted"),
        (&nowhere, Some(&authority), "no TLS connection"),
    ] {
        let mut arguments = [&show[..], &["--url", url]].concat();
        arguments.extend(authority.iter().flat_map(|authority| ["--ca-file", authority.as_str()]));
        let done = quadrille(&arguments, &[("SSL_CERT_FILE", "/dev/null")]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        assert!(text(&done.stderr).contains(expected), "{done:?}");
    }
}

#[test]
fn what_can_not_be_used_is_refused_and_no_token_told() {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a temporary file can be written");
        folder.path().join(name).display().to_string()
    };
    let (empty, two) = (file("empty", ""), file("two", "secret read\nsecret2 act\n"));
    let missing = folder.path().join("missing").display().to_string();
    for (arguments, variable, expected) in [
        (["--ca-file", &empty], ("QUADRILLE_URL", "https://localhost:1"), "no certificate"),
        (["--ca-file", &missing], ("QUADRILLE_URL", "https://localhost:1"), "can't be read"),
        (["--token-file", &two], ("A", ""), "one bearer token"),
        (["--token-file", &missing], ("A", ""), "can't be read"),
        (["--token-file", &empty], ("A", ""), "one bearer token"),
        (["--url", "http://localhost:1"], ("QUADRILLE_TOKEN", "a secret"), "QUADRILLE_TOKEN is set"),
    ] {
        let done = quadrille(&[&["status"], &arguments[..]].concat(), &[variable]);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        let said = text(&done.stderr);
        assert!(said.contains(expected) && !said.contains("secret"), "{arguments:?}: {said}");
    }
}

/// Answers each request at `https://localhost:PORT`, and tells the requests' heads. Its own
/// certificate, which is its authority's, too, is then in `ca.pem`.
fn serve(folder: &Path) -> (String, mpsc::Receiver<String>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    fs::write(folder.join("ca.pem"), cert.pem()).expect("a temporary file can be written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("it has protocols")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("the key is the certificate's");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let (tell, heads) = mpsc::channel();
    thread::spawn(move || {
        for client in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("it has what it takes");
            let mut stream = BufReader::new(StreamOwned::new(connection, client.expect("a client comes")));
            let mut head = String::new();
            // Some do not trust it, and hang up.
            while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
            if head.ends_with("\r\n\r\n") && stream.get_mut().write_all(ANSWER.as_bytes()).is_ok() {
                stream.get_mut().conn.send_close_notify();
                let _ = stream.get_mut().flush();
                let _ = tell.send(head);
            }
        }
    });
    (format!("localhost:{port}"), heads)
}

/// Runs it with these variables alone.
fn quadrille(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quadrille"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.output().expect("the program can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
