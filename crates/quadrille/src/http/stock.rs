//! Stock: show, receive.

use std::sync::Arc;

use anyhow::Context;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
};
use contract::ReceiveStock;
use inventory::Stock;
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

/// `GET /stock/SKU`.
pub async fn show(State(app): State<Arc<App>>, PathText(sku): PathText) -> Result<Json<Value>, Problem> {
    let sku = id(&sku)?;
    let store = app.store(ServiceName::Inventory)?;
    let key = sku.to_string();
    let row = read(move || store.row(&key)).await?;
    let row = row.ok_or_else(|| Problem::not_found(format!("'{sku}' was never received")))?;
    let stock: Stock = serde_json::from_str(&row)
        .with_context(|| format!("the stock of '{sku}'"))
        .map_err(|error| Problem::internal(&error))?;
    Ok(Json(json!({
        "sku": sku,
        "received": stock.received,
        "available": stock.available(),
        "reserved": stock.reserved,
        "committed": stock.committed,
    })))
}

/// `POST /stock/SKU/receipts`.
pub async fn receive(
    State(app): State<Arc<App>>,
    PathText(sku): PathText,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let of_key = id_of_key(request.headers(), &format!("receipt/{sku}"))?;
    let mut fields = body::object(request).await?;
    fields.insert("sku".to_owned(), json!(sku));
    if fields.get("receipt_id").is_none_or(Value::is_null) {
        fields.insert("receipt_id".to_owned(), json!(of_key.unwrap_or_else(new_id)));
    }
    let command: ReceiveStock = body::command(fields)?;
    let (sku, receipt) = (command.sku.clone(), command.receipt_id.clone());
    let counts_by = ("receipt_id", &receipt);
    let mut answer =
        write_counted(&app, &command, counts_by, ServiceName::Inventory, inventory::Receipt::NAME).await?;
    answer.extend([("sku".to_owned(), json!(sku)), ("receipt_id".to_owned(), json!(receipt))]);
    Ok((StatusCode::ACCEPTED, Json(Value::Object(answer))))
}
