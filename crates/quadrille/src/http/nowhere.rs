//! Services of the saga that are hosted nowhere that this process knows of: what orders wait for them.

use serde_json::{Value, json};
use tracker::MOST_COUNTED;

use crate::{
    cli::ServiceName,
    http::{
        app::{App, read},
        problem::Problem,
    },
};

/// Each service of the saga that is not in this process; with the orders that wait for it, where the
/// tracker is.
///
/// # Errors
/// 500 when the tracker's store can't be read.
pub async fn not_here(app: &App) -> Result<Vec<Value>, Problem> {
    // The tracker takes no part: nothing waits for it.
    let missing = ServiceName::all().filter(|name| *name != ServiceName::Tracker);
    let missing = missing.filter(|name| app.service(*name).is_none() && !app.is_at_a_peer(*name));
    let missing: Vec<String> = missing.map(|name| name.to_string()).collect();
    let waiting = match app.tracker() {
        Ok(tracker) if !missing.is_empty() => Some(read(move || tracker.view().waiting()).await?),
        _ => None,
    };
    let is_cut = waiting.as_ref().is_some_and(|waiting| waiting.values().sum::<usize>() >= MOST_COUNTED);
    let of_service = |service: &String| {
        let orders = waiting.as_ref().map(|waiting| waiting.get(service.as_str()).copied().unwrap_or(0));
        json!({
            "service": service,
            "orders_waiting": orders,
            "or_more": is_cut,
            "shown": sentence(service, orders, is_cut),
        })
    };
    Ok(missing.iter().map(of_service).collect())
}

fn sentence(service: &str, orders: Option<usize>, is_cut: bool) -> String {
    let orders = match orders {
        None => String::new(),
        Some(1) if !is_cut => "; 1 order waits for it".to_owned(),
        Some(orders) if is_cut => format!("; {orders} orders or more wait for it"),
        Some(orders) => format!("; {orders} orders wait for it"),
    };
    format!("{service}: hosted nowhere that I know of{orders}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_many_orders_wait_where_that_is_known() {
        let nowhere = "shipping: hosted nowhere that I know of";
        assert_eq!(sentence("shipping", None, false), nowhere);
        assert_eq!(sentence("shipping", Some(0), false), format!("{nowhere}; 0 orders wait for it"));
        assert_eq!(sentence("shipping", Some(1), false), format!("{nowhere}; 1 order waits for it"));
        assert_eq!(
            sentence("shipping", Some(900), true),
            format!("{nowhere}; 900 orders or more wait for it")
        );
    }
}
