//! `quadrille trace`: what happened to an order, across all services.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use contract::Id;

use super::{follow, http::Server, print, table, values};
use crate::story::{self, Timeline};

/// The arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
The columns: how long after the first event; who; heard what, all that the decision had waited for;
and said what (<- undoes something).

Examples:
  quadrille trace order-42
  quadrille trace order-42 --follow            until it ends")]
pub struct TraceArgs {
    /// The order
    #[arg(value_parser = values::id)]
    id: Id,
    /// Go on telling what happens until it has ended
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    server: Server,
}

/// `quadrille trace`.
pub fn run(trace: TraceArgs, json: bool) -> Result<ExitCode> {
    let client = trace.server.client();
    if trace.follow {
        return follow::watch(&client, &trace.id, json);
    }
    let answer = client.get(&format!("/orders/{}/timeline", trace.id))?.ok()?;
    print(json, &answer, |timeline| text(&timeline, table::width()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(timeline: &Timeline, width: Option<usize>) -> String {
    let mut lines = vec![timeline.title(), story::table(&timeline.events, width)];
    lines.extend(timeline.waiting());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::read;

    #[test]
    fn an_order_that_waits_says_since_when_it_is_there_and_for_what_it_waits() {
        let timeline = json!({"order_id": "order-42", "status": "placed",
            "began_at": "2026-11-21T10:00:00.123Z", "events": [
                {"type": "PlaceOrder", "service": "http", "id": "1",
                 "shown": {"after": "0 ms", "heard": [], "detail": "2 tea to DE"}}], "waiting_for": [
                {"event": "OrderPlaced", "service": "order", "shown": "OrderPlaced (from order) for 12 s"}]});
        assert_eq!(
            text(&read(&timeline).unwrap(), None),
            "\
order-42: placed, began 2026-11-21 10:00:00 UTC
 after  who           heard                       and said (<- undoes something)
  0 ms  http                                      PlaceOrder: 2 tea to DE
waiting for OrderPlaced (from order) for 12 s"
        );
    }
}
