//! Customers' accounts: show, deposit.

use std::sync::Arc;

use anyhow::Context;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
};
use contract::DepositFunds;
use payment::Account;
use saga::Participant;
use serde_json::{Value, json};

use crate::{
    cli::ServiceName,
    http::{
        app::{App, PathText, id, read},
        body,
        commands::{id_of_key, new_id, write_counted},
        problem::Problem,
    },
};

/// `GET /accounts/ID`.
pub async fn show(State(app): State<Arc<App>>, PathText(customer): PathText) -> Result<Json<Value>, Problem> {
    let customer = id(&customer)?;
    let store = app.store(ServiceName::Payment)?;
    let key = customer.to_string();
    let row = read(move || store.row(&key)).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("'{customer}' has no account: deposit first")))?;
    let account: Account = serde_json::from_str(&row)
        .with_context(|| format!("the account of '{customer}'"))
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(json!({
        "customer_id": customer,
        "currency": account.currency,
        "deposited": account.deposited,
        "available": account.available(),
        "held": account.held,
        "captured": account.captured,
    })))
}

/// `POST /accounts/ID/deposits`.
pub async fn deposit(
    State(app): State<Arc<App>>,
    PathText(customer): PathText,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let of_key = id_of_key(request.headers(), &format!("deposit/{customer}"))?;
    let mut fields = body::object(request).await?;
    fields.insert("customer_id".to_owned(), json!(customer));
    if fields.get("deposit_id").is_none_or(Value::is_null) {
        fields.insert("deposit_id".to_owned(), json!(of_key.unwrap_or_else(new_id)));
    }
    let command: DepositFunds = body::command(fields)?;
    let (customer, deposit) = (command.customer_id.clone(), command.deposit_id.clone());
    let counts_by = ("deposit_id", &deposit);
    let mut answer =
        write_counted(&app, &command, counts_by, ServiceName::Payment, payment::Deposit::NAME).await?;
    answer.extend([("customer_id".to_owned(), json!(customer)), ("deposit_id".to_owned(), json!(deposit))]);
    Ok((StatusCode::ACCEPTED, Json(Value::Object(answer))))
}
