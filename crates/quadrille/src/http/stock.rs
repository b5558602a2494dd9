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
        commands::{id_of_key, new_id, refuse_other_content, write},
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
    let is_read = write(&app, command.clone().into(), &new_id(), ServiceName::Inventory).await?;
    let mut status = "accepted";
    if is_read {
        let (store, key) = (app.store(ServiceName::Inventory)?, receipt.to_string());
        let counted = read(move || store.instance(inventory::Receipt::NAME, &key)).await?;
        // What was read and is not there was refused: there is a dead letter of it.
        status = if counted.is_some() { "counted" } else { "refused" };
        refuse_other_content(counted, &command, "receipt_id")?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({"sku": sku, "receipt_id": receipt, "status": status}))))
}
