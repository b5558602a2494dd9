//! The commands that talk to a running Quadrille over HTTP.

pub mod account;
pub mod dead_letters;
mod follow;
mod http;
pub mod order;
pub mod orders;
pub mod status;
pub mod stock;
pub mod table;
mod tick;
pub mod trace;
mod values;

use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::output;

/// Prints an answer on stdout: with `--json` as it is, else as what a person reads.
fn print<T: DeserializeOwned>(json: bool, answer: &Value, text: impl FnOnce(T) -> String) -> Result<()> {
    if json { output::data(answer) } else { output::data(text(read(answer)?)) }
}

/// Reads an answer.
pub fn read<T: DeserializeOwned>(answer: &Value) -> Result<T> {
    T::deserialize(answer)
        .context("the answer can't be read: is it from a Quadrille of this version? --json shows it as it is")
}

/// Of what was handed over to its service: 1 where the service has refused it, and says so.
fn exit_code(answer: &Value) -> Result<ExitCode> {
    if answer["status"] != "refused" {
        return Ok(ExitCode::SUCCESS);
    }
    let text = |name: &str| answer[name].as_str().map(table::plain);
    match (text("reason"), text("dead_letter")) {
        (Some(reason), Some(id)) => {
            output::message(format_args!("quadrille: it was refused: {reason} (dead letter {id})"))?;
        }
        _ => output::message("quadrille: it was refused; `quadrille dead-letters list` says why")?,
    }
    Ok(ExitCode::FAILURE)
}
