//! What the commands print, word by word: `TRYCMD=overwrite cargo test -p quadrille --test commands`
//! writes it anew, which then stands in the review.

use std::{env, process::Command};

/// Set in the process that has no other variables.
const ALONE: &str = "QUADRILLE_TESTS_ALONE";

/// The commands must not see the variables of whoever runs the tests, and trycmd hands its own on: so
/// it runs in a process that has none.
#[test]
fn commands_print_what_is_written_down() {
    if env::var_os(ALONE).is_none() {
        let mut again = Command::new(env::current_exe().expect("a test has a file"));
        again
            .args(["--exact", "commands_print_what_is_written_down", "--nocapture"])
            .env_clear()
            .env(ALONE, "1");
        if let Some(mode) = env::var_os("TRYCMD") {
            again.env("TRYCMD", mode);
        }
        let status = again.status().expect("a test can be started");
        assert!(status.success(), "see above");
        return;
    }
    trycmd::TestCases::new()
        .register_bin("quadrille", std::path::PathBuf::from(env!("CARGO_BIN_EXE_quadrille")))
        .case("tests/cmd/*.trycmd");
}
