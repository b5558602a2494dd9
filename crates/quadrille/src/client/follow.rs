//! Follows an order to its end.

use std::{
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    http::{Client, escaped},
    order::print_order,
    read, table,
    table::plain,
    tick::Tick,
};
use crate::{
    output::{self, NobodyReads},
    story::{Teller, Timeline},
};

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// How long the tracker may take to hear of an end that the order service has told, and of what
/// follows from it.
const TRACKER_LIMIT: Duration = Duration::from_secs(2);

/// Follows an order until it ends: tells what happens meanwhile, and how it ended on stdout.
/// Exit 0 when it is completed, 3 when it is cancelled, 4 when it has not ended in time.
pub fn follow(client: &Client, id: &str, limit: Duration, json: bool) -> Result<ExitCode> {
    let mut follower = Follower::new(client, id, Told::Beside, json);
    let until = Instant::now() + limit;
    let mut trouble = false;
    loop {
        let looked = follower.look();
        trouble = follower.say_once(looked, trouble)?;
        if follower.has_ended() {
            break;
        }
        if Instant::now() >= until {
            follower.tick.clear();
            if trouble {
                // It has been told.
                return Ok(ExitCode::FAILURE);
            }
            follower.give_up(limit)?;
            return Ok(ExitCode::from(4));
        }
        follower.pause();
    }
    follower.tell_until(|timeline| is_end(&timeline.status));
    print_order(json, &follower.order)?;
    Ok(if follower.status() == "completed" { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Tells an order's story on stdout while it happens, until it has ended and the customer was told.
///
/// # Errors
/// When there is no such order, or nobody who knows.
pub fn watch(client: &Client, id: &str, json: bool) -> Result<ExitCode> {
    let mut follower = Follower::new(client, id, Told::OnStdout, json);
    follower.look_at_the_timeline(Look::Asked)?;
    let mut trouble = false;
    while !follower.timeline.as_ref().is_some_and(|timeline| is_end(&timeline.status)) {
        follower.tell_what_is_awaited()?;
        follower.pause();
        let looked = follower.look_at_the_timeline(Look::Asked);
        trouble = follower.say_once(looked, trouble)?;
    }
    follower
        .tell_until(|timeline| timeline.events.iter().any(|event| event.kind.starts_with("Notification")));
    if let Some(timeline) = follower.timeline.filter(|_| !json) {
        output::data(timeline.title())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn is_end(status: &str) -> bool {
    matches!(status, "completed" | "cancelled")
}

/// Where the story is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is what was asked for.
    OnStdout,
    /// How it ends is what was asked for.
    Beside,
}

/// At a timeline.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Where there is none, that is all right: the tracker may be somewhere else.
    InPassing,
    /// There has to be one.
    Asked,
    /// For what was not told yet.
    Last,
}

struct Follower<'a> {
    client: &'a Client,
    path: String,
    told: Told,
    json: bool,
    /// As the order service told it last.
    order: Value,
    /// The last status that was told.
    told_status: String,
    teller: Teller,
    /// What it waited for at the last look, and whether that was told.
    waiting: (Vec<String>, bool),
    /// What the tracker told last, if there is one.
    timeline: Option<Timeline>,
    began: Instant,
    tick: Tick,
}

impl<'a> Follower<'a> {
    fn new(client: &'a Client, id: &str, told: Told, json: bool) -> Self {
        Follower {
            client,
            path: format!("/orders/{}", escaped(id)),
            told,
            json,
            // Until the order service has read the command, it knows no such order.
            order: json!({"order_id": id, "status": "accepted"}),
            told_status: String::new(),
            teller: Teller::new(table::width()),
            waiting: (Vec::new(), false),
            timeline: None,
            began: Instant::now(),
            tick: Tick::new(),
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
        is_end(self.status())
    }

    /// Says what is wrong, unless that is so for some time; returns whether something is.
    fn say_once(&mut self, looked: Result<()>, trouble: bool) -> Result<bool> {
        match looked {
            Ok(()) => return Ok(false),
            Err(error) if error.is::<NobodyReads>() => return Err(error),
            Err(error) if !trouble => {
                // The server may be about to start again; the order goes on without anyone who looks.
                self.tick.clear();
                output::message(format_args!("quadrille: {error:#}"))?;
            }
            Err(_) => {}
        }
        Ok(true)
    }

    /// Lets time pass, and shows that it does.
    fn pause(&mut self) {
        let waiting = match self.timeline.as_ref().and_then(|timeline| timeline.waiting_for.first()) {
            Some(waiting) => {
                format!("waiting for {} (from {})", plain(&waiting.event), plain(&waiting.service))
            }
            None => plain(self.status()),
        };
        self.tick.show(&format!("{:>6}  {waiting}", format!("{} s", self.began.elapsed().as_secs())));
        thread::sleep(BETWEEN_LOOKS);
    }

    /// Tells on stdout what the order waits for, once it has for two looks; a terminal shows it anyway.
    fn tell_what_is_awaited(&mut self) -> Result<()> {
        let Some(timeline) = self.timeline.as_ref().filter(|_| !self.json && !self.tick.is_terminal()) else {
            return Ok(());
        };
        let awaited = timeline.waiting_for.iter().map(|waiting| waiting.event.clone()).collect();
        if self.waiting.0 != awaited {
            self.waiting = (awaited, false);
        } else if !std::mem::replace(&mut self.waiting.1, true) {
            timeline.waiting().iter().try_for_each(output::data)?;
        }
        Ok(())
    }

    /// Looks where the order stands, and tells what is new.
    fn look(&mut self) -> Result<()> {
        if let Some(order) = self.client.get(&self.path)?.found()? {
            self.order = order;
        }
        self.look_at_the_timeline(Look::InPassing)?;
        if self.timeline.is_none() && !self.json && self.told_status != self.status() {
            self.tick.clear();
            output::message(plain(self.status()))?;
            self.told_status = self.status().to_owned();
        }
        Ok(())
    }

    /// Tells each new event, if the tracker is there and knows the order.
    fn look_at_the_timeline(&mut self, look: Look) -> Result<()> {
        let answer = self.client.get(&format!("{}/timeline", self.path))?;
        let answer = if look == Look::Asked { Some(answer.ok()?) } else { answer.found()? };
        let Some(answer) = answer else { return Ok(()) };
        let timeline: Timeline = read(&answer)?;
        let news = self.teller.news(&timeline, look == Look::Last);
        if !news.is_empty() {
            self.tick.clear();
            if self.json {
                for place in news {
                    output::data(&answer["events"][place])?;
                }
            } else {
                let text = self.teller.text(&timeline, &news);
                match self.told {
                    Told::OnStdout => output::data(text)?,
                    Told::Beside => output::message(text)?,
                }
            }
        }
        self.timeline = Some(timeline);
        Ok(())
    }

    /// Tells the rest: what led to the end, and what follows from it. The tracker may hear of it a
    /// little later than the order service; that it does not is no failure of the order.
    fn tell_until(&mut self, is_all: impl Fn(&Timeline) -> bool) {
        let until = Instant::now() + TRACKER_LIMIT;
        while self.timeline.as_ref().is_some_and(|timeline| !is_all(timeline)) && Instant::now() < until {
            thread::sleep(BETWEEN_LOOKS);
            if self.look_at_the_timeline(Look::InPassing).is_err() {
                break;
            }
        }
        // What can't be told any more is no failure of the order either.
        let _ = self.look_at_the_timeline(Look::Last);
        self.tick.clear();
    }

    /// Says that the order has not ended, and prints it as it stands.
    fn give_up(&mut self, limit: Duration) -> Result<()> {
        let _ = self.look_at_the_timeline(Look::Last);
        let waiting = self.timeline.iter().flat_map(Timeline::waiting);
        let standing = [plain(self.status())].into_iter().chain(waiting).collect::<Vec<_>>().join(", ");
        let id = self.order["order_id"].as_str().unwrap_or_default();
        output::message(format_args!(
            "quadrille: {id} has not ended within {} s: it is {standing}; look again with `quadrille trace {id}`",
            limit.as_secs()
        ))?;
        print_order(self.json, &self.order)
    }
}
