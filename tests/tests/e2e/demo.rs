//! The first thing that a stranger sees.

use std::time::Duration;

use e2e::program::quadrille;

#[test]
fn the_demo_shows_every_ending() {
    let done = quadrille(["demo"]).run().exits(0);
    assert!(done.took < Duration::from_secs(20), "it took {:?}", done.took);
    for line in done.stdout.lines().chain(done.stderr.lines()) {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
        assert!(!line.contains('\x1b'), "colours only on a terminal: {line:?}");
    }
    let said = done.stdout.to_lowercase().replace('_', " ");
    for ending in [
        &["completed"][..],
        &["payment declined", "declined"],
        &["out of stock"],
        &["shipment refused", "shipping refused"],
        &["customer request", "cancelled by the customer"],
        &["deadline exceeded", "deadline passed"],
    ] {
        assert!(ending.iter().any(|name| said.contains(name)), "{ending:?} is missing in:\n{}", done.stdout);
    }
}
