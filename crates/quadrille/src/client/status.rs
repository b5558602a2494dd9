//! `quadrille status`: each service and lane, and the last trouble.

use std::{collections::BTreeMap, process::ExitCode, thread, time::Duration};

use anyhow::Result;
use clap::Args;
use comfy_table::Color;
use serde::Deserialize;

use super::{
    http::{Client, Server},
    print,
    table::{self, cell},
};
use crate::output::{self, NobodyReads};

const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
A lane is a partition of every topic, for one service. Its position is how far it has read each topic.

Example:
  quadrille status --watch")]
pub struct StatusArgs {
    /// Show it again every second
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

/// `quadrille status`.
pub fn run(status: StatusArgs, json: bool) -> Result<ExitCode> {
    let client = status.server.client();
    loop {
        match show(&client, json, status.watch) {
            // It may be about to start again, and who watches wants to see that.
            Err(error) if status.watch && !error.is::<NobodyReads>() => {
                output::message(format_args!("quadrille: {error:#}"))?;
            }
            shown => shown?,
        }
        if !status.watch {
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// Prints it; on a terminal that is watched, instead of what was there.
fn show(client: &Client, json: bool, watch: bool) -> Result<()> {
    let terminal = table::is_terminal();
    let clear = if watch && terminal && !json { "\x1b[H\x1b[J" } else { "" };
    let answer = client.get("/status")?.ok()?;
    print(json, &answer, |status| format!("{clear}{}", text(&status, terminal)))
}

#[derive(Deserialize)]
struct Status {
    kafka: Kafka,
    services: Vec<Service>,
    #[serde(default)]
    hosted_nowhere: Vec<Nowhere>,
}

#[derive(Deserialize)]
struct Kafka {
    servers: String,
    reachable: bool,
}

#[derive(Deserialize)]
struct Service {
    service: String,
    state: String,
    trouble: Option<Trouble>,
    #[serde(default)]
    dead_letters: u64,
    #[serde(default)]
    lanes: Vec<Lane>,
}

/// A service of the saga.
#[derive(Deserialize)]
pub struct Nowhere {
    shown: String,
}

impl Nowhere {
    /// Which, and how many orders wait for it.
    pub fn line(&self) -> String {
        table::plain(&self.shown)
    }
}

#[derive(Deserialize)]
struct Trouble {
    what: String,
    at: String,
}

#[derive(Deserialize)]
struct Lane {
    lane: u64,
    behind: Option<u64>,
    behind_since: Option<String>,
    #[serde(default)]
    positions: BTreeMap<String, i64>,
}

fn text(status: &Status, terminal: bool) -> String {
    let reachable = if status.kafka.reachable { "reachable" } else { "not reachable" };
    let mut text = table::plain(&format!("Kafka: {}, {reachable}", status.kafka.servers));
    let headings = ["service", "state", "lane", "behind", "behind since", "position"];
    let mut table = table::table(&headings, terminal);
    for service in &status.services {
        let state = match service.state.as_str() {
            "ready" => cell("ready").fg(Color::Green),
            state => cell(state).fg(Color::Yellow),
        };
        if service.lanes.is_empty() {
            table.add_row([cell(&service.service), state.clone()]);
        }
        for lane in &service.lanes {
            let positions: Vec<String> =
                lane.positions.iter().map(|(topic, position)| format!("{topic} {position}")).collect();
            table.add_row([
                cell(&service.service),
                state.clone(),
                cell(lane.lane.to_string()),
                cell(lane.behind.map(|behind| behind.to_string()).unwrap_or_default()),
                cell(lane.behind_since.as_deref().map(table::time).unwrap_or_default()),
                cell(positions.join(", ")),
            ]);
        }
    }
    table::to_the_right(&mut table, &[2, 3]);
    text += &format!("\n{}", table::text(table));
    for service in &status.services {
        if let Some(trouble) = &service.trouble {
            let line =
                format!("{}: last trouble {}: {}", service.service, table::time(&trouble.at), trouble.what);
            text += &format!("\n{}", table::plain(&line));
        }
        if service.dead_letters > 0 {
            let line = format!(
                "{}: {} dead letters (quadrille dead-letters list)",
                service.service, service.dead_letters
            );
            text += &format!("\n{}", table::plain(&line));
        }
    }
    for missing in &status.hosted_nowhere {
        text += &format!("\n{}", missing.line());
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::read;

    #[test]
    fn each_lane_is_shown_and_below_what_needs_a_person() {
        let status = json!({"kafka": {"servers": "127.0.0.1:9092", "reachable": true}, "services": [
            {"service": "order", "state": "ready", "trouble": null, "dead_letters": 0, "lanes": [
                {"lane": 0, "behind": 0, "behind_since": null, "positions": {"orders.commands": 12, "payments": 9}},
                {"lane": 1, "behind": 1234, "behind_since": "2026-11-21T10:00:00.123Z", "positions": {}}]},
            {"service": "payment", "state": "starting", "dead_letters": 2,
             "trouble": {"what": "the disk is full", "at": "2026-11-21T10:00:01.000Z"}, "lanes": []}],
            "hosted_nowhere": [{"service": "shipping", "orders_waiting": 3,
             "shown": "shipping: hosted nowhere that I know of; 3 orders wait for it"}]});
        assert_eq!(
            text(&read(&status).unwrap(), false),
            "\
Kafka: 127.0.0.1:9092, reachable
service  state     lane  behind  behind since             position
order    ready        0       0                           orders.commands 12, payments 9
order    ready        1    1234  2026-11-21 10:00:00 UTC
payment  starting
payment: last trouble 2026-11-21 10:00:01 UTC: the disk is full
payment: 2 dead letters (quadrille dead-letters list)
shipping: hosted nowhere that I know of; 3 orders wait for it"
        );
    }
}
