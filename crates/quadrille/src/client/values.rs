//! What the arguments of these commands may be.

use std::ops::RangeInclusive;

use contract::{Amount, Country, Currency, Id, Item, Quantity};
use jiff::Timestamp;

/// How many entries a list has at most, as the server allows it.
const MOST_LISTED: u64 = 10_000;

/// An id.
pub fn id(text: &str) -> Result<Id, String> {
    Id::try_from(text)
}

/// A currency code.
pub fn currency(text: &str) -> Result<Currency, String> {
    Currency::try_from(text)
}

/// Money, in the currency's minor unit.
pub fn amount(text: &str) -> Result<Amount, String> {
    text.parse::<i64>().ok().and_then(|number| Amount::try_from(number).ok()).ok_or_else(|| {
        "money is an integer in the currency's minor unit and more than 0, such as 2499 for 24.99 EUR"
            .to_owned()
    })
}

/// How many.
pub fn quantity(text: &str) -> Result<Quantity, String> {
    let most = Quantity::MOST_IN_A_COMMAND;
    text.parse::<i64>()
        .ok()
        .filter(|number| *number <= most)
        .and_then(|number| Quantity::try_from(number).ok())
        .ok_or_else(|| format!("a quantity is an integer from 1 to {most}"))
}

/// An integer of this range.
pub fn integer(text: &str, allowed: RangeInclusive<u64>) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| allowed.contains(number))
        .ok_or_else(|| format!("allowed is an integer from {} to {}", allowed.start(), allowed.end()))
}

/// `SKU:QUANTITY:UNIT_PRICE`. A SKU may hold colons, the others not.
pub fn item(text: &str) -> Result<Item, String> {
    let mut parts = text.rsplitn(3, ':');
    let (Some(price), Some(number), Some(sku)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("an item is SKU:QUANTITY:UNIT_PRICE, such as tea:2:2499".to_owned());
    };
    Ok(Item { sku: id(sku)?, quantity: quantity(number)?, unit_price: amount(price)? })
}

/// A country code.
pub fn country(text: &str) -> Result<Country, String> {
    Country::try_from(text)
}

/// A moment.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    crate::moment::moment(text, Timestamp::now())
}

/// How many entries of a list.
pub fn limit(text: &str) -> Result<u64, String> {
    integer(text, 1..=MOST_LISTED)
}

/// A query of these parameters, where they are given.
pub fn query<const N: usize>(parameters: [(&str, Option<String>); N]) -> String {
    let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    match serde_urlencoded::to_string(given.collect::<Vec<_>>()) {
        Ok(query) if !query.is_empty() => format!("?{query}"),
        // Texts can always be encoded.
        Ok(_) | Err(_) => String::new(),
    }
}

/// The name of something that the server has named.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("an id has at least 1 character".to_owned()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_a_sku_a_quantity_and_a_price() {
        let good = item("tea:2:2499").unwrap();
        assert_eq!((&*good.sku, good.quantity.get(), good.unit_price.get()), ("tea", 2, 2499));
        assert_eq!(&*item("tea:green:1000000:1").unwrap().sku, "tea:green");
        for bad in [
            "",
            "tea",
            "tea:2",
            "2:2499",
            ":2:2499",
            "tea:0:1",
            "tea:1000001:1",
            "tea:2:0",
            "tea:2:-1",
            "tea:2:24.99",
            "a b:2:1",
            "tea:two:1",
            "tea:2:9223372036854775808",
        ] {
            assert!(item(bad).is_err(), "{bad}");
        }
    }
}
