//! Follows an order to its end.

use std::{
    collections::HashSet,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    http::Client,
    order::print_order,
    read,
    table::plain,
    trace::{Event, Timeline},
};
use crate::output;

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long the tracker may take to hear of an end that the order service has told.
const TRACKER_LIMIT: Duration = Duration::from_secs(2);

/// Follows an order until it ends: tells what happens meanwhile, and how it ended on stdout.
/// Exit 0 when it is completed, 3 when it is cancelled, 4 when it has not ended in time.
pub fn follow(client: &Client, id: &str, limit: Duration, json: bool) -> Result<ExitCode> {
    let mut follower = Follower::new(client, id, json);
    let until = Instant::now() + limit;
    let mut trouble = false;
    loop {
        let looked = follower.look();
        if let Err(error) = &looked
            && !trouble
        {
            // The server may be about to start again; the order goes on without anyone who looks.
            output::message(format_args!("quadrille: {error:#}"))?;
        }
        trouble = looked.is_err();
        if follower.has_ended() {
            break;
        }
        if Instant::now() >= until {
            if looked.is_err() {
                // It has been told.
                return Ok(ExitCode::FAILURE);
            }
            follower.give_up(limit)?;
            return Ok(ExitCode::from(4));
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    follower.tell_the_rest();
    print_order(json, &follower.order)?;
    Ok(if follower.status() == "completed" { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

struct Follower<'a> {
    client: &'a Client,
    path: String,
    json: bool,
    /// As the order service told it last.
    order: Value,
    /// The last status that was told.
    told: String,
    /// The ids of the events that were told.
    seen: HashSet<String>,
    began_ms: Option<i64>,
    /// What the tracker told last, if there is one.
    timeline: Option<Timeline>,
}

impl<'a> Follower<'a> {
    fn new(client: &'a Client, id: &str, json: bool) -> Self {
        Follower {
            client,
            path: format!("/orders/{}", super::http::escaped(id)),
            json,
            // Until the order service has read the command, it knows no such order.
            order: json!({"order_id": id, "status": "accepted"}),
            told: String::new(),
            seen: HashSet::new(),
            began_ms: None,
            timeline: None,
        }
    }

    /// As the order service says, or, where that is somewhere else, the tracker.
    fn status(&self) -> &str {
        let of_order = self.order["status"].as_str().unwrap_or_default();
        match &self.timeline {
            Some(timeline) if of_order == "accepted" => &timeline.status,
            _ => of_order,
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.status(), "completed" | "cancelled")
    }

    /// Looks where the order stands, and tells what is new.
    fn look(&mut self) -> Result<()> {
        if let Some(order) = self.client.get(&self.path)?.found()? {
            self.order = order;
        }
        self.look_at_the_timeline()?;
        if self.timeline.is_none() && !self.json && self.told != self.status() {
            output::message(plain(self.status()))?;
            self.told = self.status().to_owned();
        }
        Ok(())
    }

    /// Tells each new event, if the tracker is there and knows the order.
    fn look_at_the_timeline(&mut self) -> Result<()> {
        let Some(answer) = self.client.get(&format!("{}/timeline", self.path))?.found()? else {
            return Ok(());
        };
        let timeline: Timeline = read(&answer)?;
        let mut anything_new = false;
        for (event, as_it_is) in timeline.events.iter().zip(answer["events"].as_array().into_iter().flatten())
        {
            if !self.seen.insert(event.id.clone()) {
                continue;
            }
            anything_new = true;
            if self.json {
                output::data(as_it_is)?;
            } else {
                output::message(self.line(event))?;
            }
        }
        if anything_new && !self.json {
            for waiting in &timeline.waiting_for {
                output::message(format_args!("{:>5}  waiting for {}", "", waiting.sentence()))?;
            }
        }
        self.timeline = Some(timeline);
        Ok(())
    }

    fn line(&mut self, event: &Event) -> String {
        let after = event.time_ms().map_or(0, |ms| ms - *self.began_ms.get_or_insert(ms));
        let said =
            format!("{after:>5}  {:<12}  {:>2} {}", plain(&event.service), event.mark(), plain(&event.kind));
        match event.detail() {
            detail if detail.is_empty() => said,
            detail => format!("{said}: {detail}"),
        }
    }

    /// Tells the events that led to the end. The tracker may hear of them a little later than the
    /// order service; that it does not is no failure of the order.
    fn tell_the_rest(&mut self) {
        let until = Instant::now() + TRACKER_LIMIT;
        let is_behind = |timeline: &Timeline| !matches!(timeline.status.as_str(), "completed" | "cancelled");
        while self.timeline.as_ref().is_some_and(is_behind) && Instant::now() < until {
            thread::sleep(BETWEEN_LOOKS);
            if self.look_at_the_timeline().is_err() {
                break;
            }
        }
    }

    /// Says that the order has not ended, and prints it as it stands.
    fn give_up(&self, limit: Duration) -> Result<()> {
        let waiting = self.timeline.iter().flat_map(|timeline| &timeline.waiting_for);
        let waiting: Vec<String> =
            waiting.map(|waiting| format!("waiting for {}", waiting.sentence())).collect();
        let standing = [plain(self.status())].into_iter().chain(waiting).collect::<Vec<_>>().join(", ");
        let id = self.order["order_id"].as_str().unwrap_or_default();
        output::message(format_args!(
            "quadrille: {id} has not ended within {} s: it is {standing}; look again with `quadrille trace {id}`",
            limit.as_secs()
        ))?;
        print_order(self.json, &self.order)
    }
}
