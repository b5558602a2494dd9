//! Receipts: each counts once by its own id, so each is an instance of its own.

use contract::{ReceiveStock, StockReceived};
use saga::{Hears, Participant, Rows, Step, Stop, hears_with_id, ignore, to};

use crate::Stock;

/// One receipt, by its `receipt_id`.
pub struct Receipt;

/// What [`Receipt`] knows of a receipt: the one that counted.
pub type State = Option<ReceiveStock>;

impl Participant for Receipt {
    const NAME: &'static str = "receipt";
    type Heard = ReceiveStock;
    type State = State;
    type Row = Stock;

    fn hears() -> Vec<Hears<ReceiveStock>> {
        vec![hears_with_id(|_, receipt: ReceiveStock| (Some(receipt.receipt_id.to_string()), receipt))]
    }

    fn decide(
        &self,
        receipt_id: &str,
        counted: &State,
        receipt: &ReceiveStock,
        rows: &Rows<Stock>,
    ) -> Result<Step<Self>, Stop> {
        match counted {
            Some(counted) if counted == receipt => Ok(ignore("the receipt has counted")),
            Some(_) => {
                Err(Stop::Refuse(format!("the receipt '{receipt_id}' has counted with other content")))
            }
            None => count(receipt, rows),
        }
    }

    fn ended(counted: &State) -> bool {
        counted.is_some()
    }
}

fn count(receipt: &ReceiveStock, rows: &Rows<Stock>) -> Result<Step<Receipt>, Stop> {
    let ReceiveStock { sku, quantity, receipt_id } = receipt.clone();
    let stock = rows.get(&sku)?.unwrap_or_default();
    let received = stock.received.checked_add(quantity.get()).ok_or_else(|| {
        Stop::Refuse(format!("with this receipt, what was received of '{sku}' would not fit in 63 bits"))
    })?;
    let stock = Stock { received, ..stock };
    let available = stock.available();
    Ok(to(Some(receipt.clone())).write([(sku.to_string(), stock)]).say(StockReceived {
        sku,
        quantity,
        receipt_id,
        available,
    }))
}
