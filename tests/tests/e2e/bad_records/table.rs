//! The records, each with what must become of it. [`ID`] stands for an id that no other record has;
//! it is the record's key, unless the table says otherwise.

use e2e::{
    samples::{items, nothing_to_undo, sample, with, without},
    topics::{
        INVENTORY, INVENTORY_COMMANDS, ORDERS, ORDERS_COMMANDS, PAYMENTS, PAYMENTS_COMMANDS, SHIPMENTS,
        topic_of,
    },
};
use serde_json::{Value, json};

/// An id of its own for every record.
pub const ID: &str = "case-###";
/// An order that was placed, with the customer `ada` and the items that everyone orders.
pub const KNOWN_ORDER: &str = "known-order";
/// A deposit of ada's that counted: 1 EUR.
pub const KNOWN_DEPOSIT: &str = "known-deposit";
/// A receipt of tea that counted: 1 packet.
pub const KNOWN_RECEIPT: &str = "known-receipt";

/// The most that a record may have, in bytes.
pub const MOST_BYTES: usize = 256 * 1024;
/// The header by which each record is found again. It counts as well.
pub const MARK: &str = "x-case";

/// Who reads what; of no known type, the topic's first reader.
const ORDER: &[&str] = &["order"];
const PAYMENT: &[&str] = &["payment"];
const INVENTORY_ONLY: &[&str] = &["inventory"];
const SHIPPING: &[&str] = &["shipping"];
const NOTIFICATION: &[&str] = &["notification"];
const READ_ORDER_PLACED: &[&str] = &["payment", "inventory", "shipping", "notification"];
const READ_ORDER_CONFIRMED: &[&str] = &["payment", "inventory", "shipping"];
const READ_ORDER_CANCELLED: &[&str] = &["payment", "inventory", "shipping", "notification"];
const READ_STOCK_REJECTED: &[&str] = &["order", "payment"];
const READ_SHIPMENT_REFUSED: &[&str] = &["order", "payment", "inventory"];

/// A record, and what must become of it.
pub struct Case {
    pub what: &'static str,
    pub topic: &'static str,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub value: Option<Vec<u8>>,
    /// Not on the partition of its key.
    pub astray: bool,
    pub becomes: Becomes,
}

/// What must become of a record.
#[derive(Clone, Copy)]
pub enum Becomes {
    /// A dead letter of each of these services, for this reason, and nothing else.
    DeadLetter { by: &'static [&'static str], because: &'static str },
    /// And the service that waited for it says this.
    Failure { by: &'static [&'static str], because: &'static str, says: &'static str },
    /// An order that completes.
    Order,
    /// Nothing.
    Nothing,
}

/// Records that can't be used, and what has nobody to use it.
pub fn bad() -> Vec<Case> {
    let topics = [
        (ORDERS_COMMANDS, ORDER),
        (PAYMENTS_COMMANDS, PAYMENT),
        (INVENTORY_COMMANDS, INVENTORY_ONLY),
        (ORDERS, PAYMENT),
        (PAYMENTS, ORDER),
        (INVENTORY, ORDER),
        (SHIPMENTS, ORDER),
    ];
    let mut all: Vec<Case> = topics.into_iter().flat_map(|(topic, by)| of_no_type(topic, by)).collect();
    all.extend(misplaced());
    all.extend(in_a_wrong_form());
    all.extend(too_much());
    all.extend(orders_without_a_field());
    all.extend(orders_with_a_wrong_type());
    all.extend(orders_out_of_range());
    all.extend(other_commands());
    all.extend(what_a_step_waits_for());
    all.extend(other_events());
    all.extend(astray());
    all
}

/// What is unusable on any topic.
fn of_no_type(topic: &'static str, by: &'static [&'static str]) -> [Case; 14] {
    let bytes = |value: &[u8]| record(topic, value);
    let fields = |fields: Value| record(topic, fields.to_string());
    [
        bytes(b"{\"type\":\"\xff\xfe\"}").dead("is not UTF-8", by, "UTF-8"),
        bytes(b"").dead("is empty", by, "JSON"),
        bytes(b"").no_value().dead("has no value", by, "no value"),
        bytes(b"2 x tea for ada").dead("is not JSON", by, "JSON"),
        bytes(br#"{"type":"PlaceOrder","order_id":"case-###","cust"#).dead("is cut off", by, "JSON"),
        bytes(b"\xef\xbb\xbf{\"type\":\"PlaceOrder\"}").dead("has a byte order mark", by, "JSON"),
        bytes(b"42").dead("is a number", by, "object"),
        bytes(b"null").dead("is null", by, "object"),
        bytes(br#"[{"type":"PlaceOrder"}]"#).dead("is a list", by, "object"),
        fields(json!({"order_id": ID})).dead("names no type", by, "type"),
        fields(json!({"type": "", "order_id": ID})).dead("has an empty type", by, "type"),
        fields(json!({"type": 7, "order_id": ID})).dead("has a number for its type", by, "type"),
        fields(json!({"type": "Nonsense", "order_id": ID})).dead("has an unknown type", by, "Nonsense"),
        bytes(b"{}").header("ce_type", "Nonsense").dead("has an unknown type, binary", by, "Nonsense"),
    ]
}

/// Types that are good elsewhere, or from someone else.
fn misplaced() -> Vec<Case> {
    let on = |topic, kind| record(topic, sample(kind, ID).to_string());
    let blessed = |topic, source: &str| {
        let fields = json!({"specversion": "1.0", "id": ID, "source": source, "type": "Blessed", "data": {}});
        record(topic, fields.to_string()).header("content-type", "application/cloudevents+json")
    };
    vec![
        on(PAYMENTS_COMMANDS, "PlaceOrder").dead("an order among deposits", PAYMENT, "PlaceOrder"),
        on(INVENTORY_COMMANDS, "DepositFunds").dead(
            "a deposit among receipts",
            INVENTORY_ONLY,
            "DepositFunds",
        ),
        on(ORDERS_COMMANDS, "ReceiveStock").dead("a receipt among orders", ORDER, "ReceiveStock"),
        on(ORDERS_COMMANDS, "OrderPlaced").dead("an event among commands", ORDER, "OrderPlaced"),
        on(ORDERS, "PlaceOrder").dead("a command among events", PAYMENT, "PlaceOrder"),
        on(ORDERS, "PaymentAuthorized").dead("payment's event on orders", PAYMENT, "PaymentAuthorized"),
        on(PAYMENTS, "OrderConfirmed").dead("order's event on payments", ORDER, "OrderConfirmed"),
        on(INVENTORY, "ShipmentScheduled").dead("shipping's event on inventory", ORDER, "ShipmentScheduled"),
        on(SHIPMENTS, "StockReserved").dead("inventory's event on shipments", ORDER, "StockReserved"),
        on(ORDERS, "NotificationSent").dead("notification's event on orders", PAYMENT, "NotificationSent"),
        record(ORDERS, without(sample("PaymentAuthorized", ID), "type").to_string())
            .header("ce_type", "PaymentAuthorized")
            .dead("payment's event on orders, by its header", PAYMENT, "PaymentAuthorized"),
        blessed(PAYMENTS, "/quadrille/shipping").dead(
            "an unknown type from another writer",
            ORDER,
            "Blessed",
        ),
        blessed(ORDERS, "").dead("an unknown type from nobody", PAYMENT, "Blessed"),
        blessed(ORDERS_COMMANDS, "/quadrille/order").dead("an unknown command from order", ORDER, "Blessed"),
    ]
}

/// Orders in a form that is none, and attributes that can't be.
fn in_a_wrong_form() -> Vec<Case> {
    let data = || without(sample("PlaceOrder", ID), "type");
    let structured = |field: &str, value: Value| {
        let event =
            json!({"specversion": "1.0", "id": ID, "source": "/shop", "type": "PlaceOrder", "data": data()});
        record(ORDERS_COMMANDS, with(event, field, value).to_string())
            .header("content-type", "application/cloudevents+json")
    };
    let event = |event: Value| {
        record(ORDERS_COMMANDS, event.to_string()).header("content-type", "application/cloudevents+json")
    };
    let encoded = |data: Value| {
        event(
            json!({"specversion": "1.0", "id": ID, "source": "/shop", "type": "PlaceOrder", "data_base64": data}),
        )
    };
    let binary =
        |value: &[u8]| record(ORDERS_COMMANDS, value).header("ce_type", "PlaceOrder").header("ce_id", ID);
    let long = || json!("x".repeat(1025));
    let bare = |field: &str| say(with(sample("PlaceOrder", ID), field, long()));
    vec![
        structured("specversion", json!("0.3")).dead("CloudEvents 0.3", ORDER, "0.3"),
        structured("specversion", json!("2.0")).dead("CloudEvents 2.0", ORDER, "2.0"),
        binary(data().to_string().as_bytes()).header("ce_specversion", "0.3").dead(
            "CloudEvents 0.3, binary",
            ORDER,
            "0.3",
        ),
        structured("data", json!(null)).dead("data is null", ORDER, "data"),
        structured("data", json!([data()])).dead("data is a list", ORDER, "data"),
        structured("data", json!(data().to_string())).dead("data is JSON in a string", ORDER, "data"),
        structured("data", json!({})).dead("data is empty", ORDER, "order_id"),
        structured("data_base64", json!("e30=")).dead("data twice", ORDER, "both data and data_base64"),
        encoded(json!("{}")).dead("no Base64", ORDER, "data_base64: not Base64"),
        encoded(json!("bm8=")).dead("no JSON in Base64", ORDER, "not JSON"),
        event(json!({"specversion": "1.0", "id": ID, "source": "/shop", "type": "PlaceOrder"})).dead(
            "data is missing",
            ORDER,
            "order_id",
        ),
        event(data()).header("ce_type", "PlaceOrder").dead("structured, it says, but binary", ORDER, "type"),
        record(ORDERS_COMMANDS, json!([sample("PlaceOrder", ID)]).to_string())
            .header("content-type", "application/cloudevents-batch+json")
            .dead("a batch of events", ORDER, "object"),
        binary(b"{}").dead("binary, empty", ORDER, "order_id"),
        binary(b"order_id=case-###").dead("binary, not JSON", ORDER, "JSON"),
        binary(b"\xff").dead("binary, not UTF-8", ORDER, "UTF-8"),
        binary(b"").no_value().dead("binary, no value", ORDER, "no value"),
        record(ORDERS_COMMANDS, data().to_string()).header("ce_type", b"Place\xffOrder").dead(
            "a type that is not UTF-8",
            ORDER,
            "type",
        ),
        binary(b"[]")
            .header("dlq-topic", "orders")
            .header("dlq-offset", "0")
            .header("dlq-reason", "mine")
            .dead("says of itself where it was dead", ORDER, "object"),
        // BUG: the dead letter lacks that header, though the contract has the original headers in it (the
        // client library has no name for it that is not UTF-8).
        // binary(b"[]").header(b"x-\xff", "1").dead("has a header whose name is not UTF-8", ORDER, "object"),
        binary(b"[]").header("x-twice", "1").header("x-twice", "2").header("x-twice", "").dead(
            "has a header three times",
            ORDER,
            "object",
        ),
        bare("id").dead("an id of 1,025 bytes", ORDER, "1025"),
        bare("source").dead("a source of 1,025 bytes", ORDER, "1025"),
        bare("correlationid").dead("a correlationid of 1,025 bytes", ORDER, "1024"),
        binary(data().to_string().as_bytes()).header("ce_correlationid", "x".repeat(1025)).dead(
            "a correlationid of 1,025 bytes, binary",
            ORDER,
            "correlationid",
        ),
    ]
}

/// Too large, too deep.
fn too_much() -> Vec<Case> {
    let order = || sample("PlaceOrder", ID);
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let with_note = |note: &str| {
        let order = with(order(), "note", "NOTE").to_string();
        record(ORDERS_COMMANDS, order.replace("\"NOTE\"", note))
    };
    let one_byte_more = with_note(&format!("\"{}\"", "x".repeat(room_for_a_note() + 1)));
    vec![
        // The order itself is the first level.
        with_note(&deep(32)).dead("33 levels deep", ORDER, "32"),
        // Where the parser gives up, it still says so in some words of its own.
        with_note(&deep(5000)).dead("5,001 levels deep", ORDER, "deeper than 32"),
        one_byte_more.dead("1 byte over 256 KiB", ORDER, "262145"),
        say(order())
            .header("x-large", "y".repeat(100_000))
            .header("x-larger", "z".repeat(100_000))
            .header("x-largest", "z".repeat(100_000))
            .dead("over 256 KiB with its headers", ORDER, "262144"),
        record(PAYMENTS_COMMANDS, "x".repeat(300_000)).dead("300,000 bytes of nothing", PAYMENT, "262144"),
        record(INVENTORY, "x".repeat(300_000)).header("ce_type", "StockReserved").fails(
            "a reservation over 256 KiB",
            SHIPPING,
            "262144",
            "ShipmentRefused",
        ),
    ]
}

fn orders_without_a_field() -> Vec<Case> {
    let mut all = Vec::new();
    for field in ["order_id", "customer_id", "currency", "items", "destination"] {
        all.push(say(without(sample("PlaceOrder", ID), field)).dead(
            "an order without a field",
            ORDER,
            field,
        ));
        let null = with(sample("PlaceOrder", ID), field, json!(null));
        all.push(say(null).dead("an order with a null field", ORDER, field));
    }
    for field in ["sku", "quantity", "unit_price"] {
        let item = without(json!({"sku": "tea", "quantity": 2, "unit_price": 2499}), field);
        let order = with(sample("PlaceOrder", ID), "items", json!([item]));
        all.push(say(order).dead("an item without a field", ORDER, field));
    }
    all.push(order("destination", json!({})).dead("a destination without a country", ORDER, "country"));
    all
}

fn orders_with_a_wrong_type() -> Vec<Case> {
    vec![
        order("order_id", json!(7)).dead("the order is a number", ORDER, "order_id"),
        order("customer_id", json!(true)).dead("the customer is true", ORDER, "customer_id"),
        order("currency", json!(978)).dead("the currency is a number", ORDER, "currency"),
        order("items", json!("2 tea")).dead("the items are text", ORDER, "items"),
        order("items", json!({"sku": "tea", "quantity": 2, "unit_price": 1}))
            .dead("one item", ORDER, "items"),
        order("items", json!([["tea", 2, 2499]])).dead("an item is a list", ORDER, "items[0]"),
        order("items", json!([null])).dead("an item is null", ORDER, "items[0]"),
        order("destination", json!("DE")).dead("the destination is text", ORDER, "destination"),
        order("destination", json!(["DE"])).dead("the destination is a list", ORDER, "destination"),
        order("destination", json!({"country": 49})).dead(
            "the country is a number",
            ORDER,
            "destination.country",
        ),
        order("destination", json!({"country": "Germany"})).dead(
            "a country by its name",
            ORDER,
            "destination.country: 'Germany'",
        ),
        order("destination", json!({"country": "de"})).dead(
            "a country in small letters",
            ORDER,
            "ISO 3166-1",
        ),
        order("destination", json!({"country": "DE", "postal_code": 53111})).dead(
            "the postal code is a number",
            ORDER,
            "destination.postal_code",
        ),
        order("destination", json!({"country": "DE", "city": ["Bonn"]})).dead(
            "the city is a list",
            ORDER,
            "destination.city",
        ),
        order("destination", json!({"country": "DE", "line1": {}})).dead(
            "the street is an object",
            ORDER,
            "destination.line1",
        ),
        item("sku", "7").dead("the SKU is a number", ORDER, "items[0].sku"),
        item("quantity", "\"2\"").dead("the quantity is text", ORDER, "items[0].quantity"),
        item("quantity", "true").dead("the quantity is true", ORDER, "items[0].quantity"),
        item("unit_price", "\"24.99\"").dead("the price is text", ORDER, "items[0].unit_price"),
        item("unit_price", "[2499]").dead("the price is a list", ORDER, "items[0].unit_price"),
    ]
}

fn orders_out_of_range() -> Vec<Case> {
    let list = |count: usize| vec![json!({"sku": "tea", "quantity": 1, "unit_price": 1}); count];
    let large = i64::MAX / 1_000_000;
    vec![
        item("quantity", "0").dead("no pieces", ORDER, "items[0].quantity: 0"),
        item("quantity", "-1").dead("-1 pieces", ORDER, "items[0].quantity: -1"),
        item("quantity", "1000001").dead("more than a million pieces", ORDER, "1000001"),
        item("quantity", "1.5").dead("half a piece", ORDER, "1.5"),
        item("quantity", "15e-1").dead("15e-1 pieces", ORDER, "1.5 is not a whole number"),
        item("quantity", "9223372036854775808").dead("2^63 pieces", ORDER, "9223372036854775808"),
        item("quantity", &"9".repeat(40)).dead("a quantity of 40 digits", ORDER, "items[0].quantity"),
        item("quantity", "1e999").dead("a number that nobody can hold", ORDER, "number out of range"),
        item("unit_price", "0").dead("for nothing", ORDER, "items[0].unit_price: 0"),
        item("unit_price", "-2499").dead("a negative price", ORDER, "items[0].unit_price: -2499"),
        item("unit_price", "24.99").dead("a price with cents", ORDER, "24.99"),
        item("unit_price", "18446744073709551616").dead("2^64 cents", ORDER, "items[0].unit_price"),
        item("unit_price", &i64::MAX.to_string()).dead("a product over 63 bits", ORDER, "63 bits"),
        order("items", items([("tea", 1_000_000, large), ("tea", 1_000_000, 1)])).dead(
            "a sum over 63 bits",
            ORDER,
            "63 bits",
        ),
        order("items", json!([])).dead("no items", ORDER, "not 0"),
        order("items", list(101).into()).dead("101 items", ORDER, "not 101"),
        order("order_id", json!("")).dead("an empty order id", ORDER, "order_id"),
        order("order_id", json!("case 1")).dead("an order id with a space", ORDER, "case 1"),
        order("order_id", json!("x".repeat(65))).dead("an order id of 65 characters", ORDER, "1 to 64"),
        order("customer_id", json!("shop/ada")).dead("a customer with a slash", ORDER, "shop/ada"),
        order("customer_id", json!("Ådå")).dead("a customer with a ring", ORDER, "customer_id: 'Ådå'"),
        order("customer_id", json!("ada\n\u{1b}[31m\u{0}")).dead("control characters", ORDER, "ada\\n"),
        item("sku", "\"te a\"").dead("a SKU with a space", ORDER, "items[0].sku: 'te a'"),
        item("sku", "\"\\ud800\"").dead("half a character", ORDER, "JSON"),
        order("currency", json!("EURO")).dead("a currency of four letters", ORDER, "currency: 'EURO'"),
        order("currency", json!("eur")).dead("a currency in small letters", ORDER, "ISO 4217"),
        order("currency", json!("ABC")).dead("a currency that is none", ORDER, "ABC"),
        order("currency", json!("")).dead("an empty currency", ORDER, "currency"),
    ]
}

fn other_commands() -> Vec<Case> {
    let deposit = |field: &str, value: Value| say(with(sample("DepositFunds", ID), field, value));
    let receipt = |field: &str, value: Value| say(with(sample("ReceiveStock", ID), field, value));
    let mut all = vec![
        say(with(sample("PlaceOrder", KNOWN_ORDER), "customer_id", "bob")).dead(
            "a known order with another customer",
            ORDER,
            "other content",
        ),
        say(with(sample("PlaceOrder", KNOWN_ORDER), "items", items([("tea", 3, 2499)]))).dead(
            "a known order with other items",
            ORDER,
            KNOWN_ORDER,
        ),
        say(sample("PlaceOrder", KNOWN_ORDER)).nothing("a known order again"),
        say(without(sample("CancelOrder", ID), "order_id")).dead("cancels nothing", ORDER, "order_id"),
        say(with(sample("CancelOrder", ID), "reason", 7)).dead("cancels for 7", ORDER, "reason"),
        say(with(sample("CancelOrder", ID), "reason", json!(["too", "late"]))).dead(
            "cancels for a list",
            ORDER,
            "reason",
        ),
        deposit("amount", json!(0)).dead("deposits nothing", PAYMENT, "amount: 0"),
        deposit("amount", json!(-5)).dead("deposits less than nothing", PAYMENT, "amount: -5"),
        deposit("amount", json!(0.5)).dead("deposits half a cent", PAYMENT, "amount"),
        deposit("amount", json!("500")).dead("deposits text", PAYMENT, "amount"),
        deposit("amount", json!(i64::MAX)).dead("deposits more than 63 bits hold", PAYMENT, "63 bits"),
        deposit("amount", json!(1_u64 << 63)).dead("deposits 2^63", PAYMENT, "9223372036854775808"),
        deposit("currency", json!("USD")).dead("deposits dollars with euros", PAYMENT, "EUR"),
        deposit("currency", json!("usd")).dead("deposits no currency", PAYMENT, "currency"),
        deposit("customer_id", json!("Ada Lovelace")).dead("deposits for nobody", PAYMENT, "customer_id"),
        deposit("deposit_id", json!("")).dead("deposits without a name", PAYMENT, "deposit_id"),
        say(with(sample("DepositFunds", KNOWN_DEPOSIT), "amount", 2)).dead(
            "a known deposit of another amount",
            PAYMENT,
            "other content",
        ),
        say(with(sample("DepositFunds", KNOWN_DEPOSIT), "customer_id", "bob")).dead(
            "a known deposit for another customer",
            PAYMENT,
            KNOWN_DEPOSIT,
        ),
        say(with(sample("DepositFunds", KNOWN_DEPOSIT), "amount", 1)).nothing("a known deposit again"),
        receipt("quantity", json!(0)).dead("receives nothing", INVENTORY_ONLY, "quantity: 0"),
        receipt("quantity", json!(1_000_001)).dead("receives too much", INVENTORY_ONLY, "1000001"),
        receipt("quantity", json!("10")).dead("receives text", INVENTORY_ONLY, "quantity"),
        receipt("sku", json!("a/b")).dead("receives a slash", INVENTORY_ONLY, "sku: 'a/b'"),
        receipt("receipt_id", json!(7)).dead("receives by number", INVENTORY_ONLY, "receipt_id"),
        say(with(sample("ReceiveStock", KNOWN_RECEIPT), "quantity", 2)).dead(
            "a known receipt of another quantity",
            INVENTORY_ONLY,
            "other content",
        ),
        say(with(sample("ReceiveStock", KNOWN_RECEIPT), "quantity", 1)).nothing("a known receipt again"),
    ];
    for field in ["customer_id", "amount", "currency", "deposit_id"] {
        let deposit = without(sample("DepositFunds", ID), field);
        all.push(say(deposit).dead("a deposit without a field", PAYMENT, field));
    }
    for field in ["sku", "quantity", "receipt_id"] {
        let receipt = without(sample("ReceiveStock", ID), field);
        all.push(say(receipt).dead("a receipt without a field", INVENTORY_ONLY, field));
    }
    all
}

/// Where the step that waits for it must fail, so that the order does not hang.
fn what_a_step_waits_for() -> Vec<Case> {
    let placed = |field: &str, value: Value| say(with(sample("OrderPlaced", ID), field, value));
    let authorized = |field: &str, value: Value| say(with(sample("PaymentAuthorized", ID), field, value));
    let reserved = |field: &str, value: Value| say(with(sample("StockReserved", ID), field, value));
    let by_header = |kind: &str, value: &[u8]| record(topic_of(kind), value).header("ce_type", kind);
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let endless = sample("PaymentAuthorized", ID).to_string().replace("4998", "1e999");
    vec![
        say(without(sample("OrderPlaced", ID), "customer_id")).fails(
            "an order placed by nobody",
            READ_ORDER_PLACED,
            "customer_id",
            "PaymentDeclined",
        ),
        placed("items", json!([["tea", 2, 2499]])).fails(
            "an order placed with a list",
            READ_ORDER_PLACED,
            "items[0]",
            "PaymentDeclined",
        ),
        placed("total", json!(0)).fails(
            "an order placed for nothing",
            READ_ORDER_PLACED,
            "total",
            "PaymentDeclined",
        ),
        placed("items", items([("tea", 1_000_001, 1)])).fails(
            "an order placed of too many",
            READ_ORDER_PLACED,
            "1000001",
            "PaymentDeclined",
        ),
        placed("note", deep.clone()).fails(
            "an order placed too deep",
            READ_ORDER_PLACED,
            "32",
            "PaymentDeclined",
        ),
        placed("order_id", json!("a b")).fails(
            "an order placed under no id, but a key",
            READ_ORDER_PLACED,
            "order_id",
            "PaymentDeclined",
        ),
        placed("order_id", json!("a b")).key(b"").dead(
            "an order placed under no id and no key",
            READ_ORDER_PLACED,
            "order_id",
        ),
        by_header("OrderPlaced", b"{").fails(
            "an order placed by its header",
            READ_ORDER_PLACED,
            "JSON",
            "PaymentDeclined",
        ),
        by_header("OrderPlaced", b"").no_value().fails(
            "an order placed with no value",
            READ_ORDER_PLACED,
            "no value",
            "PaymentDeclined",
        ),
        say(without(sample("PaymentAuthorized", ID), "amount")).fails(
            "an authorization of nothing",
            INVENTORY_ONLY,
            "amount",
            "StockRejected",
        ),
        authorized("amount", json!("much")).fails(
            "an authorization of much",
            INVENTORY_ONLY,
            "amount",
            "StockRejected",
        ),
        authorized("currency", json!("EURO")).fails(
            "an authorization in no currency",
            INVENTORY_ONLY,
            "EURO",
            "StockRejected",
        ),
        authorized("id", json!("x".repeat(1025))).fails(
            "an authorization with a long id",
            INVENTORY_ONLY,
            "1024",
            "StockRejected",
        ),
        record(PAYMENTS, endless).fails(
            "an authorization of what nobody can hold",
            INVENTORY_ONLY,
            "number out of range",
            "StockRejected",
        ),
        by_header("PaymentAuthorized", b"\xff").fails(
            "an authorization that is not UTF-8",
            INVENTORY_ONLY,
            "UTF-8",
            "StockRejected",
        ),
        authorized("amount", json!(0)).key(b"case\xff").dead(
            "an authorization whose key is not UTF-8",
            INVENTORY_ONLY,
            "amount: 0",
        ),
        reserved("items", json!("tea")).fails("a reservation of text", SHIPPING, "items", "ShipmentRefused"),
        reserved("items", json!([["tea", 2]])).fails(
            "a reservation of a list",
            SHIPPING,
            "items[0]",
            "ShipmentRefused",
        ),
        reserved("reservation_id", json!("r".repeat(65))).fails(
            "a reservation with a long name",
            SHIPPING,
            "reservation_id",
            "ShipmentRefused",
        ),
        by_header("StockReserved", b"[]").fails(
            "a reservation that is a list",
            SHIPPING,
            "object",
            "ShipmentRefused",
        ),
        // It can't be told whether that order was handled long ago.
        placed("time", json!("2020-02-29T12:00:00Z")).dead("a very old order", READ_ORDER_PLACED, "older"),
        record(ORDERS, without(sample("OrderPlaced", ID), "type").to_string())
            .header("ce_type", "OrderPlaced")
            .header("ce_time", "1999-12-31T23:59:59+01:00")
            .dead("a very old order, binary", READ_ORDER_PLACED, "older"),
    ]
}

/// Events that nobody waits for in vain; the order's deadline sees to them.
fn other_events() -> Vec<Case> {
    let event = |kind: &str, field: &str, value: Value| say(with(sample(kind, ID), field, value));
    vec![
        say(without(sample("OrderConfirmed", ID), "order_id")).dead(
            "confirms nothing",
            READ_ORDER_CONFIRMED,
            "order_id",
        ),
        event("OrderCancellationRequested", "reason", json!("because")).dead(
            "is to be cancelled because",
            READ_ORDER_CONFIRMED,
            "because",
        ),
        event("OrderCancellationRequested", "detail", json!(7)).dead(
            "is to be cancelled for 7",
            READ_ORDER_CONFIRMED,
            "detail",
        ),
        event("OrderCompleted", "order_id", json!(7)).dead("completes 7", NOTIFICATION, "order_id"),
        event("OrderCancelled", "reason", json!("bad_luck")).dead(
            "is cancelled by bad luck",
            READ_ORDER_CANCELLED,
            "bad_luck",
        ),
        event("OrderCancelled", "compensated", json!("PaymentVoided")).dead(
            "is cancelled with text",
            READ_ORDER_CANCELLED,
            "compensated",
        ),
        say(without(sample("PaymentDeclined", ID), "reason")).dead("declined for nothing", ORDER, "reason"),
        event("PaymentDeclined", "reason", json!("mood")).dead("declined for mood", ORDER, "mood"),
        event("PaymentDeclined", "reason", json!("bad\nluck\u{1b}[2J")).dead(
            "declined in two lines",
            ORDER,
            "reason: 'bad\\nluck",
        ),
        event("PaymentVoided", "amount", json!(-1)).dead("voids less than nothing", ORDER, "amount: -1"),
        say(with(nothing_to_undo("PaymentVoided", ID), "amount", 5)).dead(
            "voids no payment",
            ORDER,
            "payment_id",
        ),
        event("PaymentCaptured", "payment_id", json!("p/1")).dead("captures a slash", ORDER, "payment_id"),
        say(without(sample("StockRejected", ID), "reason")).dead(
            "rejected for nothing",
            READ_STOCK_REJECTED,
            "reason",
        ),
        event("StockRejected", "shortages", json!([["tea", 2, 1]])).dead(
            "rejected with a list",
            READ_STOCK_REJECTED,
            "shortages[0]",
        ),
        say(without(sample("StockReleased", ID), "reservation_id")).dead(
            "releases no reservation",
            ORDER,
            "reservation_id",
        ),
        event("StockCommitted", "items", json!(null)).dead("commits null", ORDER, "items"),
        event("ShipmentScheduled", "shipment_id", json!(7)).dead("schedules 7", ORDER, "shipment_id"),
        event("ShipmentScheduled", "destination", json!(["DE"])).dead(
            "schedules to a list",
            ORDER,
            "destination",
        ),
        event("ShipmentRefused", "reason", json!("weather")).dead(
            "refused for the weather",
            READ_SHIPMENT_REFUSED,
            "weather",
        ),
        event("ShipmentCancelled", "destination", json!("DE")).dead("cancels to text", ORDER, "destination"),
        event("ShipmentDispatched", "tracking_number", json!("a b")).dead(
            "dispatches a space",
            ORDER,
            "tracking_number",
        ),
        record(SHIPMENTS, "{").header("ce_type", "ShipmentDispatched").dead("dispatches {", ORDER, "JSON"),
        record(ORDERS, "{").header("ce_type", "OrderConfirmed").dead(
            "confirms {",
            READ_ORDER_CONFIRMED,
            "JSON",
        ),
        // Nobody reads these.
        event("OrderCancellationRejected", "reason", json!(7)).nothing("a rejection that nobody reads"),
        event("FundsDeposited", "amount", json!("much")).nothing("a deposit that nobody reads"),
        event("StockReceived", "quantity", json!(-1)).nothing("a receipt that nobody reads"),
        record(INVENTORY, "{").header("ce_type", "StockReceived").nothing("a receipt that nobody can read"),
    ]
}

/// On a partition that is not their key's.
fn astray() -> Vec<Case> {
    let event = |kind: &str| say(sample(kind, ID)).astray();
    vec![
        event("OrderPlaced").dead("an order placed astray", READ_ORDER_PLACED, "partition"),
        event("OrderConfirmed").dead("confirmed astray", READ_ORDER_CONFIRMED, "partition"),
        event("PaymentAuthorized").dead("authorized astray", INVENTORY_ONLY, "partition"),
        event("PaymentCaptured").dead("captured astray", ORDER, "partition"),
        event("StockReserved").dead("reserved astray", SHIPPING, "partition"),
        event("StockRejected").dead("rejected astray", READ_STOCK_REJECTED, "partition"),
        event("ShipmentScheduled").dead("scheduled astray", ORDER, "partition"),
        event("ShipmentRefused").dead("refused astray", READ_SHIPMENT_REFUSED, "partition"),
        event("ShipmentScheduled").no_key().dead("scheduled astray and without a key", ORDER, "partition"),
        // Unusable besides: no order of this partition is to fail for it.
        say(with(sample("OrderPlaced", ID), "total", "much")).astray().dead(
            "an unusable order placed astray",
            READ_ORDER_PLACED,
            "total",
        ),
        // A command that can't be read is not forwarded either.
        say(with(sample("PlaceOrder", ID), "items", json!([]))).astray().dead(
            "an order astray that has no items",
            ORDER,
            "not 0",
        ),
    ]
}

/// Odd records that must be used all the same.
pub fn odd() -> Vec<Case> {
    let order = || sample("PlaceOrder", ID);
    let data = || without(order(), "type");
    let text = |value: String| record(ORDERS_COMMANDS, value);
    let rest = data().to_string().trim_start_matches('{').to_owned();
    let deep = (0..31).fold(json!(1), |inner, _| json!([inner]));
    let planet = json!({"name": "Earth"});
    let destination =
        json!({"country": "DE", "postal_code": null, "city": null, "line1": null, "planet": planet});
    vec![
        text(format!(r#"{{"type":"Nonsense","type":"PlaceOrder","order_id":"x y","order_id":7,{rest}"#))
            .order("the last of equal keys counts"),
        say(with(with(order(), "gift", true), "coupon", json!([{"x": null}]))).order("unknown fields"),
        say(with(order(), "destination", destination)).order("null and unknown fields of the destination"),
        text(json!({"type": "PlaceOrder", "data": data()}).to_string())
            .header("content-type", "Application/CloudEvents+JSON; charset=UTF-8")
            .order("structured, in capitals, without id and specversion"),
        text(json!({"type": "PlaceOrder", "data": data()}).to_string())
            .order("structured, without any header"),
        say(order()).header("content-type", "application/cloudevents+json").order("structured, but bare"),
        text(data().to_string())
            .header("ce_type", "PlaceOrder")
            .order("binary, but for all other attributes"),
        text(data().to_string())
            .header("ce_type", "CancelOrder")
            .header("ce_type", "PlaceOrder")
            .order("the last of equal headers counts"),
        text(data().to_string())
            .header("ce_type", "PlaceOrder")
            .header("ce_id", b"\xff")
            .header("x-bytes", b"\x01\xff")
            .order("headers that are not UTF-8"),
        say(order()).header(b"x-\xff", "1").order("the name of a header that is not UTF-8"),
        item("quantity", "2.0").order("2.0 pieces"),
        item("quantity", "0.02E+2").order("0.02E+2 pieces"),
        item("unit_price", "24990e-1").order("a price of 24990e-1"),
        text(order().to_string().replacen('{', "{\"note\":1e999,", 1)).order("a number that nobody can hold"),
        say(with(order(), "id", "")).order("an empty id"),
        say(with(order(), "id", 7)).order("an id that is a number"),
        say(with(order(), "id", "x".repeat(1024))).order("an id of 1,024 bytes"),
        say(with(order(), "time", "yesterday")).order("a time that is none"),
        say(with(order(), "time", "1999-12-31T23:59:59Z")).order("an order that took its time"),
        say(with(order(), "traceparent", "00-xyz")).order("a trace that is none"),
        say(with(order(), "correlationid", json!({}))).order("a correlation that is none"),
        text(format!("\r\n\t {}\n\n", order())).order("white space"),
        text(order().to_string().replace("tea", "\\u0074e\\u0061")).order("escaped letters"),
        say(with(order(), "note", "\u{0}\u{1b}\u{202e} \u{10ffff}")).order("strange characters"),
        say(order()).key(b"somebody-else").order("a key that is not the order's"),
        say(order()).key(b"").order("an empty key"),
        say(order()).key(b"\xff\xfe").order("a key that is not UTF-8"),
        say(order()).no_key().order("no key, but the right partition"),
        say(order()).astray().order("on another partition"),
        say(order()).astray().no_key().order("on another partition, without a key"),
        say(with(order(), "note", deep)).order("32 levels deep"),
        say(with(order(), "note", "x".repeat(room_for_a_note()))).order("256 KiB"),
        say(with(order(), "items", items([("tea", 1, 1); 100]))).order("100 items of one SKU"),
        say(with(order(), "order_id", format!("{ID}{}", "-".repeat(56)))).order("an id of 64 characters"),
    ]
}

/// So much of a note fits into an order of exactly 256 KiB of key, value and headers.
fn room_for_a_note() -> usize {
    let rest = with(sample("PlaceOrder", ID), "note", "").to_string();
    MOST_BYTES - rest.len() - ID.len() - MARK.len() - ID.len()
}

fn order(field: &str, value: Value) -> Case {
    say(with(sample("PlaceOrder", ID), field, value))
}

/// An order whose only item has this for a field, whatever it is.
fn item(field: &str, json: &str) -> Case {
    let item = with(json!({"sku": "tea", "quantity": 2, "unit_price": 2499}), field, "THIS");
    let order = with(sample("PlaceOrder", ID), "items", json!([item])).to_string();
    record(ORDERS_COMMANDS, order.replace("\"THIS\"", json))
}

/// Bare JSON on its topic.
fn say(fields: Value) -> Case {
    record(topic_of(fields["type"].as_str().unwrap_or_default()), fields.to_string())
}

fn record(topic: &'static str, value: impl AsRef<[u8]>) -> Case {
    Case {
        what: "",
        topic,
        key: Some(ID.into()),
        headers: Vec::new(),
        value: Some(value.as_ref().to_vec()),
        astray: false,
        becomes: Becomes::Nothing,
    }
}

impl Case {
    fn key(self, key: &[u8]) -> Self {
        Case { key: Some(key.to_vec()), ..self }
    }

    fn no_key(self) -> Self {
        Case { key: None, ..self }
    }

    fn no_value(self) -> Self {
        Case { value: None, ..self }
    }

    fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    fn astray(self) -> Self {
        Case { astray: true, ..self }
    }

    fn dead(self, what: &'static str, by: &'static [&'static str], because: &'static str) -> Self {
        Case { what, becomes: Becomes::DeadLetter { by, because }, ..self }
    }

    fn fails(
        self,
        what: &'static str,
        by: &'static [&'static str],
        because: &'static str,
        says: &'static str,
    ) -> Self {
        Case { what, becomes: Becomes::Failure { by, because, says }, ..self }
    }

    fn order(self, what: &'static str) -> Self {
        Case { what, becomes: Becomes::Order, ..self }
    }

    fn nothing(self, what: &'static str) -> Self {
        Case { what, ..self }
    }
}
