//! `quadrille dead-letters`: input that could not be used.

mod act;
mod edit;

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use self::act::Deed;
use super::{
    http::{Server, escaped, list},
    print, read,
    table::{self, cell, plain},
    values,
};
use crate::{cli::ServiceName, output};

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
    #[command(after_help = "\
TIME is one of RFC 3339, a date (its beginning, in UTC), or how long ago it was, such as 2h.

Examples:
  quadrille dead-letters list
  quadrille dead-letters list --service payment --reason currency --limit 20")]
    List {
        #[command(flatten)]
        filter: Filter,
    },
    /// Show a dead letter: why it is one, its key, its headers and its content
    #[command(after_help = "Example:\n  quadrille dead-letters show ID")]
    Show {
        /// The dead letter's id, from the list
        #[arg(value_parser = values::name)]
        id: String,
    },
    /// Hand dead letters to the services that refused them, as if they had just arrived
    #[command(after_help = "\
The oldest comes first, and records of one key in the order of their offsets. Without --yes, it only
says what it would do. Exit code 1: some were refused again.

Examples:
  quadrille dead-letters redrive ID
  quadrille dead-letters redrive --service payment --type DepositFunds
  quadrille dead-letters redrive --all --yes")]
    Redrive(Chosen),
    /// Give dead letters up: the services that refused them do without them for good
    #[command(after_help = "\
Without --yes, it only says what it would do, and who would lose what.

Examples:
  quadrille dead-letters discard ID --yes
  quadrille dead-letters discard --reason 'not JSON' --before 7d --yes")]
    Discard(Chosen),
    /// Correct the value of a dead letter, and hand it to the service that refused it
    #[command(after_help = "\
Opens the value in $VISUAL or $EDITOR; nothing happens if it is left as it is. If the service
refuses what was corrected, the dead letter stays as it was. Who corrected it, and to what, is told
on the topic dead-letters, where the original stays.

Examples:
  quadrille dead-letters edit ID
  quadrille dead-letters edit ID --value-file corrected.json
  quadrille dead-letters show ID --json | jq -r .value | sed s/much/500/ |
    quadrille dead-letters edit ID --value-file -")]
    Edit(edit::EditArgs),
}

/// Which dead letters.
#[derive(Debug, Args)]
struct Filter {
    /// Only those that this service refused
    #[arg(long)]
    service: Option<ServiceName>,
    /// Only those of records on this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only those of records of this type
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Only those whose reason has this text in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only those that were refused (for the first time) before then
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    before: Option<Timestamp>,
    /// Only those that come after this place in the list: how to go on with one that was cut
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// How many at most: the oldest
    #[arg(long, value_name = "N", value_parser = values::limit)]
    limit: Option<u64>,
}

impl Filter {
    fn is_given(&self) -> bool {
        let Filter { service, topic, kind, reason, before, after, limit } = self;
        let texts = [topic, kind, reason, after];
        service.is_some() || before.is_some() || limit.is_some() || texts.into_iter().any(Option::is_some)
    }

    fn query(&self, limit: Option<u64>, after: Option<&str>) -> String {
        values::query([
            ("service", self.service.map(|service| service.to_string())),
            ("topic", self.topic.clone()),
            ("type", self.kind.clone()),
            ("reason", self.reason.clone()),
            ("before", self.before.map(|time| time.to_string())),
            ("after", after.map(str::to_owned)),
            ("limit", limit.map(|limit| limit.to_string())),
        ])
    }
}

/// With which dead letters something is done.
#[derive(Debug, Args)]
struct Chosen {
    /// The dead letters' ids, from the list
    #[arg(
        value_name = "ID",
        value_parser = values::name,
        conflicts_with_all = ["all", "service", "topic", "kind", "reason", "before", "after", "limit"]
    )]
    ids: Vec<String>,
    /// Every dead letter, or every one that the other options leave
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: Filter,
    /// Do it
    #[arg(long)]
    yes: bool,
}

/// `quadrille dead-letters`.
pub fn run(letters: DeadLettersArgs, json: bool) -> Result<ExitCode> {
    let client = letters.server.client();
    match letters.command {
        DeadLettersCommand::List { filter } => {
            let query = filter.query(filter.limit, filter.after.as_deref());
            let answer = client.get(&format!("/dead-letters{query}"))?;
            let is_cut = answer.is_cut;
            let listed = answer.ok()?;
            if listed == json!([]) && !json {
                output::message("no dead letters")?;
            }
            print(json, &listed, |letters: Vec<DeadLetter>| table_of(&letters, table::is_terminal()))?;
            if is_cut {
                say_how_to_go_on(&list(listed)?)?;
            }
        }
        DeadLettersCommand::Show { id } => {
            let answer = client.get(&format!("/dead-letters/{}", escaped(&id)))?.ok()?;
            print(json, &answer, |letter| text(&letter, table::is_terminal()))?;
        }
        DeadLettersCommand::Redrive(chosen) => return act::run(&client, Deed::Redrive, chosen, json),
        DeadLettersCommand::Discard(chosen) => return act::run(&client, Deed::Discard, chosen, json),
        DeadLettersCommand::Edit(edit) => return edit::run(&client, edit, json),
    }
    Ok(ExitCode::SUCCESS)
}

fn say_how_to_go_on(letters: &[Value]) -> Result<()> {
    if let Some(last) = letters.last() {
        let last: DeadLetter = read(last)?;
        output::message(format_args!("there are more: --after {} goes on with them", plain(&last.cursor())))?;
    }
    Ok(())
}

/// A dead letter; the last five fields are only there where one is shown.
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
    key_base64: Option<String>,
    redrivable: Option<bool>,
}

impl DeadLetter {
    /// Its place in the list.
    fn cursor(&self) -> String {
        format!("{},{}", self.time, self.id)
    }

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
    let key = letter.key.as_deref().map(cell).or_else(|| letter.key_base64.as_deref().map(bytes));
    pairs.push(("key", key.unwrap_or_else(|| cell("none"))));
    if letter.redrivable == Some(false) {
        pairs.push(("redrive", cell("not possible: it was too large to be kept")));
    }
    let headers = letter.headers.iter();
    let headers =
        headers.map(|(name, value)| cell(format!("{name}: {}", value.as_deref().unwrap_or("none"))));
    pairs.extend(headers.enumerate().map(|(i, header)| (if i == 0 { "headers" } else { "" }, header)));
    match (&letter.value, &letter.value_base64) {
        (Some(value), _) => pairs.push(("value", cell(value))),
        (None, Some(value)) => pairs.push(("value", bytes(value))),
        (None, None) => pairs.push(("value", cell("none"))),
    }
    table::pairs(pairs, terminal)
}

/// A cell with what is not text: ASCII as it is, the rest escaped as in `\xff`.
fn bytes(base64: &str) -> Cell {
    match STANDARD.decode(base64) {
        Ok(bytes) => cell(bytes.escape_ascii().to_string()),
        Err(_) => cell(base64),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub fn letter() -> Value {
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
key      order-42
headers  ce_type: PaymentAuthorized
         dlq-service: inventory
value    {\"amount\":0}\\u{1b}[2J"
        );
    }

    #[test]
    fn what_is_not_text_is_shown_escaped() {
        let mut letter = letter();
        letter.as_object_mut().unwrap().remove("key");
        letter["key_base64"] = json!("/wA=");
        letter["value_base64"] = json!("/2FiCg==");
        let text = text(&read(&letter).unwrap(), false);
        assert!(text.contains("key      \\xff\\x00\n"), "{text}");
        assert!(text.ends_with("value    \\xffab\\n"), "{text}");
    }
}
