//! An order's story as people read it on a terminal: who heard what and said what. The words are the
//! tracker's; here is the one layout of them.

use std::collections::HashSet;

use comfy_table::{Cell, CellAlignment, Color, ColumnConstraint, Width};
use serde::Deserialize;

use crate::client::table;

/// How wide the columns are: after, who, heard; what is said has the rest.
const WIDTHS: [u16; 3] = [6, 12, 26];
/// Between two columns.
const GAP: u16 = 2;

/// What happened to an order, as the tracker tells it.
#[derive(Deserialize)]
pub struct Timeline {
    /// The order.
    pub order_id: String,
    /// Where it stands.
    pub status: String,
    /// When its first event happened.
    pub began_at: String,
    /// Each after what led to it.
    pub events: Vec<Event>,
    /// What it can't go on without.
    pub waiting_for: Vec<Waiting>,
}

/// What somebody said.
#[derive(Deserialize)]
pub struct Event {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who said it.
    pub service: String,
    /// Its id.
    pub id: String,
    /// Whether it undoes something that was done.
    #[serde(default)]
    pub undoes: bool,
    /// The rest in words.
    pub shown: Shown,
}

/// An event in words.
#[derive(Deserialize)]
pub struct Shown {
    /// How long after the first.
    pub after: String,
    /// What led to it.
    pub heard: Vec<String>,
    /// What it says besides its type.
    pub detail: String,
}

/// What an order waits for.
#[derive(Deserialize)]
pub struct Waiting {
    /// Its type.
    pub event: String,
    /// Who would say it.
    pub service: String,
    /// `X (from SERVICE) for 12 s`, and what else would do.
    pub shown: String,
}

impl Timeline {
    /// When it began, and where it stands.
    pub fn title(&self) -> String {
        table::plain(&format!("{}: {}, began {}", self.order_id, self.status, table::time(&self.began_at)))
    }

    /// What it waits for, a line each.
    pub fn waiting(&self) -> Vec<String> {
        self.waiting_for.iter().map(Waiting::line).collect()
    }
}

impl Waiting {
    /// What is waited for.
    pub fn line(&self) -> String {
        format!("waiting for {}", table::plain(&self.shown))
    }
}

/// The columns' names, and the events, in so many columns of a terminal if there is a limit.
pub fn table(events: &[Event], width: Option<usize>) -> String {
    let events: Vec<&Event> = events.iter().collect();
    format!("{}\n{}", heading(), rows(&events, width))
}

fn heading() -> String {
    let [after, who, heard] = WIDTHS.map(usize::from);
    let gap = " ".repeat(usize::from(GAP));
    format!(
        "{:>after$}{gap}{:<who$}{gap}{:<heard$}{gap}and said (<- undoes something)",
        "after", "who", "heard"
    )
}

fn rows(events: &[&Event], width: Option<usize>) -> String {
    let rows: Vec<String> = events.iter().map(|event| row(event, width)).collect();
    rows.join("\n")
}

/// An event: a line, or more where it has several causes or much to say. A word that is longer than
/// its column moves what is behind it.
fn row(event: &Event, width: Option<usize>) -> String {
    let after = table::plain(&event.shown.after);
    let who = table::plain(&event.service);
    let heard: Vec<String> = event.shown.heard.iter().map(|kind| table::plain(kind)).collect();
    let heard = heard.join(",\n");
    let widths = [&after, &who, &heard].map(|text| longest(text.lines()));
    let widths = [0, 1, 2].map(|i| usize::from(WIDTHS[i]).max(widths[i]) + usize::from(GAP));
    let room = width.map(|width| width.saturating_sub(widths.iter().sum()));
    let said = said(event, room);
    let room = room.map(|room| room.max(longest(said.split_whitespace())));
    let cell = match event.kind.as_str() {
        kind if kind.starts_with("DeadLetter") => Cell::new(said).fg(Color::Red),
        _ if event.undoes => Cell::new(said).fg(Color::Yellow),
        _ => Cell::new(said),
    };
    let mut row = table::table(&[], false);
    if table::is_terminal() {
        row.enforce_styling();
    }
    row.add_row([
        Cell::new(after).set_alignment(CellAlignment::Right),
        Cell::new(who),
        Cell::new(heard),
        cell,
    ]);
    let widths = widths.map(Some).into_iter().chain([room]);
    for (i, (column, width)) in row.column_iter_mut().zip(widths).enumerate() {
        column.set_padding((0, if i < WIDTHS.len() { GAP } else { 0 }));
        if let Some(width) = width.and_then(|width| u16::try_from(width).ok()) {
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    row.trim_fmt()
}

fn longest<'t>(texts: impl Iterator<Item = &'t str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or_default()
}

/// What an event says; its details begin a line where they do not fit beside its type.
fn said(event: &Event, room: Option<usize>) -> String {
    let mark = if event.undoes { "<- " } else { "" };
    let kind = table::plain(&format!("{mark}{}", event.kind));
    let detail = table::plain(&event.shown.detail);
    match room {
        _ if detail.is_empty() => kind,
        Some(room) if kind.chars().count() + 2 + detail.chars().count() > room => {
            format!("{kind}:\n{detail}")
        }
        _ => format!("{kind}: {detail}"),
    }
}

/// Tells a story while it happens.
pub struct Teller {
    width: Option<usize>,
    has_begun: bool,
    /// The ids of what is there.
    known: HashSet<String>,
    /// The ids of what was told.
    told: HashSet<String>,
}

impl Teller {
    /// Has told nothing yet; it tells in so many columns if there is a limit.
    pub fn new(width: Option<usize>) -> Self {
        Teller { width, has_begun: false, known: HashSet::new(), told: HashSet::new() }
    }

    /// What is to be told now, by its place in the timeline: what was there at the last look, too, so
    /// that what has led to it had time to arrive from other topics; or all that is there.
    pub fn news(&mut self, timeline: &Timeline, all: bool) -> Vec<usize> {
        let mut news = Vec::new();
        for (place, event) in timeline.events.iter().enumerate() {
            let was_there = !self.known.insert(event.id.clone());
            if (was_there || all) && self.told.insert(event.id.clone()) {
                news.push(place);
            }
        }
        news
    }

    /// The text of these events.
    pub fn text(&mut self, timeline: &Timeline, news: &[usize]) -> String {
        let events: Vec<&Event> = news.iter().map(|place| &timeline.events[*place]).collect();
        let rows = rows(&events, self.width);
        match std::mem::replace(&mut self.has_begun, true) {
            false => format!("{}\n{rows}", heading()),
            true => rows,
        }
    }

    /// Whether an event of this type was told.
    pub fn has_told(&self, timeline: &Timeline, kind: &str) -> bool {
        timeline.events.iter().any(|event| event.kind == kind && self.told.contains(&event.id))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client::read;

    fn event(after: &str, service: &str, kind: &str, heard: &[&str], detail: &str) -> Value {
        json!({"type": kind, "service": service, "id": format!("id-{kind}"),
            "shown": {"after": after, "heard": heard, "detail": detail}})
    }

    fn events() -> Vec<Event> {
        let mut voided = event(
            "61 s",
            "payment",
            "PaymentVoided",
            &["OrderCancellationRequested"],
            "49.98 EUR no longer held",
        );
        voided["undoes"] = json!(true);
        let letter = "not JSON; id notification-orders.commands-12-999999";
        let events = json!([
            event("0 ms", "http", "PlaceOrder", &[], "2 tea to DE"),
            event("3 ms", "order", "OrderPlaced", &["PlaceOrder"], "2 tea for 49.98 EUR"),
            event(
                "12 ms",
                "inventory",
                "StockReserved",
                &["OrderPlaced", "PaymentAuthorized"],
                "2 tea set aside"
            ),
            event(
                "1 min",
                "order",
                "OrderCancellationRequested",
                &["(the deadline passed)"],
                "deadline exceeded"
            ),
            voided,
            event("2 h", "notification", "DeadLetter", &["OrderCancelled"], letter),
        ]);
        read(&events).unwrap()
    }

    #[test]
    fn nothing_is_wrapped_in_the_middle_of_a_word() {
        assert_eq!(
            table(&events(), Some(80)),
            "\x20after  who           heard                       and said (<- undoes something)
  0 ms  http                                      PlaceOrder: 2 tea to DE
  3 ms  order         PlaceOrder                  OrderPlaced:
                                                  2 tea for 49.98 EUR
 12 ms  inventory     OrderPlaced,                StockReserved: 2 tea set aside
                      PaymentAuthorized
 1 min  order         (the deadline passed)       OrderCancellationRequested:
                                                  deadline exceeded
  61 s  payment       OrderCancellationRequested  <- PaymentVoided:
                                                  49.98 EUR no longer held
   2 h  notification  OrderCancelled              DeadLetter:
                                                  not JSON; id
                                                  notification-orders.commands-12-999999"
        );
    }

    #[test]
    fn without_a_limit_only_causes_have_lines_of_their_own() {
        let text = table(&events(), None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8);
        assert_eq!(
            lines[6],
            "  61 s  payment       OrderCancellationRequested  <- PaymentVoided: 49.98 EUR no longer held"
        );
    }

    #[test]
    fn what_somebody_wrote_does_not_reach_the_terminal_as_it_is() {
        let event = event("0 ms", "x\u{7}", "CancelOrder\r", &["a\u{7}"], "a_b\u{1b}[2J\nc");
        let text = rows(&[&read(&event).unwrap()], None);
        assert_eq!(
            text,
            "  0 ms  x\\u{7}        a\\u{7}                      CancelOrder\\r: a_b\\u{1b}[2J\\nc"
        );
    }

    #[test]
    fn an_event_is_told_once_and_not_before_what_led_to_it_had_time_to_arrive() {
        let timeline = |kinds: &[&str]| -> Timeline {
            let events: Vec<Value> = kinds.iter().map(|kind| event("0 ms", "order", kind, &[], "")).collect();
            read(&json!({"order_id": "o", "status": "placed", "began_at": "", "events": events,
                "waiting_for": []}))
            .unwrap()
        };
        let mut teller = Teller::new(None);
        assert!(teller.news(&timeline(&["OrderCompleted"]), false).is_empty());
        let both = timeline(&["StockCommitted", "OrderCompleted"]);
        assert_eq!(teller.news(&both, false), [1]);
        assert_eq!(teller.news(&both, false), [0]);
        assert!(teller.news(&both, true).is_empty());
        assert!(teller.has_told(&both, "StockCommitted") && !teller.has_told(&both, "OrderPlaced"));
        let more = timeline(&["StockCommitted", "OrderCompleted", "NotificationSent"]);
        assert_eq!(teller.news(&more, true), [2]);
        assert!(teller.text(&more, &[0]).starts_with(" after"));
        assert_eq!(
            teller.text(&more, &[2]),
            "  0 ms  order                                     NotificationSent"
        );
    }
}
