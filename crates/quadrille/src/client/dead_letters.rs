//! `quadrille dead-letters`: input that could not be used.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    http::{Client, Server, escaped, list},
    print, read,
    table::{self, cell, plain},
    values,
};
use crate::output;

/// The arguments.
#[derive(Debug, Args)]
pub struct DeadLettersArgs {
    #[command(subcommand)]
    command: DeadLettersCommand,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Subcommand)]
enum DeadLettersCommand {
    /// List the dead letters, oldest first
    #[command(after_help = "Example:\n  quadrille dead-letters list")]
    List,
    /// Show a dead letter: why it is one, its headers and its content
    #[command(after_help = "Example:\n  quadrille dead-letters show ID")]
    Show {
        /// The dead letter's id, from the list
        #[arg(value_parser = values::name)]
        id: String,
    },
    /// Hand dead letters to the services that refused them, as if they had just arrived
    #[command(after_help = "\
Without --yes, it only says what it would do.

Examples:
  quadrille dead-letters redrive ID
  quadrille dead-letters redrive --all --yes")]
    Redrive {
        /// The dead letters' ids, from the list
        #[arg(value_name = "ID", required_unless_present = "all", value_parser = values::name)]
        ids: Vec<String>,
        /// Every dead letter
        #[arg(long, conflicts_with = "ids")]
        all: bool,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Give dead letters up: the services that refused them do without them for good
    #[command(after_help = "\
Without --yes, it only says what it would do, and who would lose what.

Example:
  quadrille dead-letters discard ID --yes")]
    Discard {
        /// The dead letters' ids, from the list
        #[arg(value_name = "ID", required = true, value_parser = values::name)]
        ids: Vec<String>,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
}

/// `quadrille dead-letters`.
pub fn run(letters: DeadLettersArgs, json: bool) -> Result<ExitCode> {
    let client = letters.server.client();
    match letters.command {
        DeadLettersCommand::List => {
            let answer = client.get("/dead-letters")?.ok()?;
            if answer == json!([]) && !json {
                output::message("no dead letters")?;
            }
            print(json, &answer, |letters: Vec<DeadLetter>| table_of(&letters, table::is_terminal()))?;
        }
        DeadLettersCommand::Show { id } => {
            let answer = client.get(&format!("/dead-letters/{}", escaped(&id)))?.ok()?;
            print(json, &answer, |letter| text(&letter, table::is_terminal()))?;
        }
        DeadLettersCommand::Redrive { ids, all, yes } => {
            let letters = if all { every(&client)? } else { named(&client, ids)? };
            return work(&client, Deed::Redrive, letters, yes, json);
        }
        DeadLettersCommand::Discard { ids, yes } => {
            return work(&client, Deed::Discard, named(&client, ids)?, yes, json);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A dead letter; the last three fields are only there where one is shown.
#[derive(Deserialize)]
struct DeadLetter {
    id: String,
    service: String,
    time: String,
    topic: String,
    partition: i64,
    offset: i64,
    key: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    reason: String,
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
    value: Option<String>,
    value_base64: Option<String>,
    redrivable: Option<bool>,
}

impl DeadLetter {
    /// `PaymentAuthorized of order-42 (payments, partition 2, offset 17)`.
    fn name(&self) -> String {
        let what = self.kind.as_deref().unwrap_or("record");
        let of = self.key.as_ref().map(|key| format!(" of {key}")).unwrap_or_default();
        format!("{what}{of} ({}, partition {}, offset {})", self.topic, self.partition, self.offset)
    }
}

fn table_of(letters: &[DeadLetter], terminal: bool) -> String {
    let headings = ["id", "service", "when", "topic", "partition", "offset", "key", "type", "reason"];
    let mut table = table::table(&headings, terminal);
    for letter in letters {
        table.add_row([
            cell(&letter.id),
            cell(&letter.service),
            cell(table::time(&letter.time)),
            cell(&letter.topic),
            cell(letter.partition.to_string()),
            cell(letter.offset.to_string()),
            cell(letter.key.as_deref().unwrap_or_default()),
            cell(letter.kind.as_deref().unwrap_or_default()),
            cell(&letter.reason),
        ]);
    }
    table::to_the_right(&mut table, &[4, 5]);
    table::text(table)
}

fn text(letter: &DeadLetter, terminal: bool) -> String {
    let mut pairs = vec![
        ("id", cell(&letter.id)),
        ("service", cell(&letter.service)),
        ("when", cell(table::time(&letter.time))),
        ("record", cell(letter.name())),
        ("reason", cell(&letter.reason)),
    ];
    if letter.redrivable == Some(false) {
        pairs.push(("redrive", cell("not possible: it was too large to be kept")));
    }
    let headers = letter.headers.iter();
    let headers =
        headers.map(|(name, value)| cell(format!("{name}: {}", value.as_deref().unwrap_or("none"))));
    pairs.extend(headers.enumerate().map(|(i, header)| (if i == 0 { "headers" } else { "" }, header)));
    match (&letter.value, &letter.value_base64) {
        (Some(value), _) => pairs.push(("value", cell(value))),
        (None, Some(value)) => pairs.push(("base64", cell(value))),
        (None, None) => pairs.push(("value", cell("none"))),
    }
    table::pairs(pairs, terminal)
}

/// What is done with a dead letter.
#[derive(Clone, Copy)]
enum Deed {
    Redrive,
    Discard,
}

impl Deed {
    fn name(self) -> &'static str {
        match self {
            Deed::Redrive => "redrive",
            Deed::Discard => "discard",
        }
    }

    /// What would be done.
    fn plan(self, letter: &DeadLetter) -> String {
        let (id, service, name) = (&letter.id, &letter.service, letter.name());
        match self {
            Deed::Redrive if letter.redrivable == Some(false) => {
                format!("{id}: can't be handed to {service} again: {name} was too large to be kept")
            }
            Deed::Redrive => {
                format!("{id}: would hand to {service} again: {name}, which was refused: {}", letter.reason)
            }
            Deed::Discard => {
                format!("{id}: {service} would lose {name} for good, refused: {}", letter.reason)
            }
        }
    }
}

/// Every dead letter, as listed.
fn every(client: &Client) -> Result<Vec<Result<Value>>> {
    Ok(list(client.get("/dead-letters")?.ok()?)?.into_iter().map(Ok).collect())
}

/// The dead letters with these ids, as far as they are there.
fn named(client: &Client, ids: Vec<String>) -> Result<Vec<Result<Value>>> {
    let show = |id: String| Ok(client.get(&format!("/dead-letters/{}", escaped(&id)))?.ok());
    ids.into_iter().map(show).collect()
}

/// Does it to each, or only says what it would do. One that fails does not keep the rest from it.
fn work(client: &Client, deed: Deed, letters: Vec<Result<Value>>, yes: bool, json: bool) -> Result<ExitCode> {
    let mut outcomes = Vec::new();
    let mut all_well = true;
    for letter in letters {
        let worked =
            letter.and_then(|letter| if yes { act(client, deed, letter) } else { plan(deed, letter) });
        match worked {
            Ok(Worked { well, line, outcome }) => {
                all_well &= well;
                if !json {
                    output::data(plain(&line))?;
                }
                outcomes.push(outcome);
            }
            Err(error) => {
                all_well = false;
                output::message(format_args!("quadrille: {error:#}"))?;
            }
        }
    }
    if json {
        output::data(Value::Array(outcomes))?;
    } else if outcomes.is_empty() && all_well {
        output::message("no dead letters")?;
    } else if !yes && !outcomes.is_empty() {
        output::message("nothing is done yet: --yes does it")?;
    }
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What came of one dead letter.
struct Worked {
    /// It is none any more, or could be so.
    well: bool,
    /// For people.
    line: String,
    /// For programs.
    outcome: Value,
}

fn plan(deed: Deed, mut letter: Value) -> Result<Worked> {
    let line = deed.plan(&read(&letter)?);
    letter["outcome"] = json!(format!("would_{}", deed.name()));
    Ok(Worked { well: true, line, outcome: letter })
}

fn act(client: &Client, deed: Deed, letter: Value) -> Result<Worked> {
    let letter: DeadLetter = read(&letter)?;
    let path = format!("/dead-letters/{}/{}", escaped(&letter.id), deed.name());
    let answer = client.post_once(&path).map_err(anyhow::Error::from).and_then(super::http::Answer::ok);
    let outcome = answer.with_context(|| format!("can't {} {}", deed.name(), letter.id))?;
    let (id, service, name) = (&letter.id, &letter.service, letter.name());
    let (well, line) = match (deed, outcome["outcome"].as_str()) {
        (Deed::Redrive, Some("handled")) => (true, format!("{id}: {service} has handled {name}")),
        (Deed::Redrive, _) => {
            let reason = outcome["reason"].as_str().unwrap_or(&letter.reason);
            (false, format!("{id}: {service} has refused {name} again: {reason}"))
        }
        (Deed::Discard, _) => (true, format!("{id}: discarded; {service} has lost {name} for good")),
    };
    Ok(Worked { well, line, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter() -> Value {
        json!({"id": "payment-payments-2-17", "service": "inventory", "time": "2026-11-21T10:00:00.123Z",
            "topic": "payments", "partition": 2, "offset": 17, "key": "order-42", "type": "PaymentAuthorized",
            "reason": "amount: 0 is not an amount"})
    }

    #[test]
    fn the_list_is_a_table() {
        let mut unknown = letter();
        unknown.as_object_mut().unwrap().retain(|name, _| name != "key" && name != "type");
        unknown["reason"] = json!("not JSON");
        assert_eq!(
            table_of(&read::<Vec<DeadLetter>>(&json!([letter(), unknown])).unwrap(), false),
            "\
id                     service    when                     topic     partition  offset  key       type               reason
payment-payments-2-17  inventory  2026-11-21 10:00:00 UTC  payments          2      17  order-42  PaymentAuthorized  amount: 0 is not an amount
payment-payments-2-17  inventory  2026-11-21 10:00:00 UTC  payments          2      17                               not JSON"
        );
    }

    #[test]
    fn one_is_shown_with_its_headers_and_its_value() {
        let mut letter = letter();
        letter["headers"] = json!({"ce_type": "PaymentAuthorized", "dlq-service": "inventory"});
        letter["value"] = json!("{\"amount\":0}\u{1b}[2J");
        letter["redrivable"] = json!(true);
        assert_eq!(
            text(&read(&letter).unwrap(), false),
            "\
id       payment-payments-2-17
service  inventory
when     2026-11-21 10:00:00 UTC
record   PaymentAuthorized of order-42 (payments, partition 2, offset 17)
reason   amount: 0 is not an amount
headers  ce_type: PaymentAuthorized
         dlq-service: inventory
value    {\"amount\":0}\\u{1b}[2J"
        );
    }

    #[test]
    fn what_would_be_done_says_who_would_lose_what() {
        let planned = |deed, letter| plan(deed, letter).unwrap();
        let discard = planned(Deed::Discard, letter());
        assert_eq!(
            discard.line,
            "payment-payments-2-17: inventory would lose PaymentAuthorized of order-42 (payments, partition 2, \
             offset 17) for good, refused: amount: 0 is not an amount"
        );
        assert_eq!(discard.outcome["outcome"], "would_discard");
        let redrive = planned(Deed::Redrive, letter());
        assert!(
            redrive.line.contains("would hand to inventory again: PaymentAuthorized"),
            "{}",
            redrive.line
        );
        let mut too_large = letter();
        too_large["redrivable"] = json!(false);
        assert!(planned(Deed::Redrive, too_large).line.contains("was too large to be kept"));
    }
}
