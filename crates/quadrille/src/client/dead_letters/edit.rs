//! `quadrille dead-letters edit`: a person corrects what a record says.

use std::{
    env, fs,
    io::{Read, Write, stdin},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::{
    DeadLetter,
    act::{Deed, came_of},
};
use crate::output;
use crate::{
    cli::refuse_value,
    client::{
        http::{Client, escaped},
        read,
        table::plain,
        values,
    },
};

/// The arguments.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// The dead letter's id, from the list
    #[arg(value_parser = values::name)]
    id: String,
    /// Take the corrected value from this file, or with - from stdin, and open no editor
    #[arg(long, value_name = "FILE")]
    value_file: Option<PathBuf>,
    /// Who corrects it, as others are told
    #[arg(long, env = "USER", hide_env_values = true, value_name = "NAME", default_value = "someone")]
    by: String,
}

/// `quadrille dead-letters edit`.
pub fn run(client: &Client, args: EditArgs, json: bool) -> Result<ExitCode> {
    let path = format!("/dead-letters/{}", escaped(&args.id));
    let letter: DeadLetter = read(&client.get(&path)?.ok()?)?;
    if letter.redrivable == Some(false) {
        bail!("{} can't be edited: {} was too large to be kept", letter.id, letter.name());
    }
    let original = value_of(&letter)?;
    let (corrected, draft) = match &args.value_file {
        Some(file) => (contents(file)?, None),
        None => {
            let draft = in_editor(&original)?;
            (contents(draft.path())?, Some(draft))
        }
    };
    let corrected = without_added_newline(&original, corrected);
    if corrected == original {
        output::message("the value is as it was: nothing is done")?;
        if json {
            output::data(json!({"id": letter.id, "outcome": "unchanged"}))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let outcome = send(client, &path, corrected, &args.by);
    let is_handled = outcome.as_ref().is_ok_and(|outcome| outcome["outcome"] == "handled");
    if let Some(draft) = draft.filter(|_| !is_handled) {
        // What somebody has typed is not thrown away.
        let (_, kept) = draft.keep().context("what was edited can't be kept")?;
        output::message(format_args!("what was edited is kept in {}", kept.display()))?;
    }
    let outcome = outcome?;
    let (well, line) = came_of(Deed::Redrive, &letter, &outcome);
    if json {
        output::data(&outcome)?;
    } else {
        output::data(plain(&line))?;
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn send(client: &Client, path: &str, corrected: Vec<u8>, by: &str) -> Result<Value> {
    let by = if by.is_empty() { "someone" } else { by };
    let body = match String::from_utf8(corrected) {
        Ok(text) => json!({"value": text, "by": by}),
        Err(error) => json!({"value_base64": STANDARD.encode(error.into_bytes()), "by": by}),
    };
    client.post_once(&format!("{path}/edit"), &body)?.ok()
}

fn value_of(letter: &DeadLetter) -> Result<Vec<u8>> {
    match (&letter.value, &letter.value_base64) {
        (Some(text), _) => Ok(text.clone().into_bytes()),
        (None, Some(base64)) => STANDARD.decode(base64).context("the value can't be read"),
        (None, None) => Ok(Vec::new()),
    }
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut value = Vec::new();
        stdin().read_to_end(&mut value).context("stdin can't be read")?;
        return Ok(value);
    }
    fs::read(file).with_context(|| format!("{} can't be read", file.display()))
}

/// Lets a person edit the value in a file of their own.
fn in_editor(value: &[u8]) -> Result<NamedTempFile> {
    let set = |name| env::var(name).ok().filter(|editor| !editor.trim().is_empty());
    let Some(editor) = set("VISUAL").or_else(|| set("EDITOR")) else {
        refuse_value(
            "neither VISUAL nor EDITOR is set: set one, or give the corrected value with --value-file",
        )
    };
    let mut draft = tempfile::Builder::new().prefix("quadrille-").suffix(".json").tempfile()?;
    draft.write_all(value).and_then(|()| draft.flush()).context("the value can't be put into a file")?;
    // Through a shell: it may have arguments.
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(draft.path());
    let status = command.status().with_context(|| format!("{editor} can't be started"))?;
    if !status.success() {
        bail!("{editor} failed ({status}): nothing is done");
    }
    Ok(draft)
}

/// Editors and `echo` end a text with a new line that was not there.
fn without_added_newline(original: &[u8], mut corrected: Vec<u8>) -> Vec<u8> {
    if !original.ends_with(b"\n") && corrected.ends_with(b"\n") {
        corrected.pop();
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_line_that_an_editor_adds_is_no_change() {
        let with =
            |original: &str, corrected: &str| without_added_newline(original.as_bytes(), corrected.into());
        assert_eq!(with("{}", "{}\n"), b"{}");
        assert_eq!(with("{}\n", "{}\n"), b"{}\n");
        assert_eq!(with("{}", "[]\n\n"), b"[]\n");
    }
}
