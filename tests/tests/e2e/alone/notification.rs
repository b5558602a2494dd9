//! `serve notification`.

use e2e::{
    lanes::names_in,
    samples::{sample, with},
};

use super::{Alone, serve};

#[test]
fn notification_alone() {
    let alone = serve("notification");
    let mut orders = names_in(1, "order");
    let mut next = || orders.next().expect("there is always a next name");

    it_tells_the_customer_once(&alone, &next(), "OrderCompleted", "order_completed");
    it_tells_the_customer_once(&alone, &next(), "OrderCancelled", "order_cancelled");
    it_hears_the_end_before_the_order(&alone, &next(), &next());
    alone.finish();
}

fn it_tells_the_customer_once(alone: &Alone, order: &str, end: &str, template: &str) {
    alone.say(&with(sample("OrderPlaced", order), "customer_id", "bob"));
    alone.say(&sample(end, order));
    let told = alone.heard("NotificationSent", order);
    assert_eq!((told.text("customer_id"), told.text("template")), (Some("bob"), Some(template)));
    assert!(told.text("channel").is_some_and(|channel| !channel.is_empty()));
    for kind in [end, "OrderPlaced", "OrderCompleted", "OrderCancelled"] {
        alone.say(&sample(kind, order));
    }
    let behind = format!("{order}-behind");
    let behind = names_in(1, &behind).next().expect("there is always a next name");
    tell(alone, &behind);
    alone.has_said(order, &["NotificationSent"]);
}

fn it_hears_the_end_before_the_order(alone: &Alone, order: &str, behind: &str) {
    alone.say(&sample("OrderCancelled", order));
    tell(alone, behind);
    alone.has_said(order, &[]);
    alone.say(&sample("OrderPlaced", order));
    alone.heard("NotificationSent", order);
}

/// The good course; when it is over, all that stood before it in its lane has been heard.
#[track_caller]
fn tell(alone: &Alone, order: &str) {
    alone.say(&sample("OrderPlaced", order));
    alone.say(&sample("OrderCompleted", order));
    alone.heard("NotificationSent", order);
}
