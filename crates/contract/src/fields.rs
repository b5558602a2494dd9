//! What the fields of messages hold. A value that exists is a valid one.

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, IntoDeserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};
use uuid::Uuid;

/// An id: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(String);

impl TryFrom<String> for Id {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            return Ok(Id(text));
        }
        let shown: String = text.chars().take(64).collect();
        Err(format!(
            "'{}' is not an id, which is 1 to 64 characters of A-Z a-z 0-9 . _ : -",
            shown.escape_debug()
        ))
    }
}

impl TryFrom<&str> for Id {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        Id::try_from(text.to_owned())
    }
}

impl Deref for Id {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An id that follows from another: the same whenever it is asked for, so that a repeat of a step
/// names the same payment. A UUID of version 5 (RFC 9562, section 5.5).
pub fn derived_id(what: &str, of: &str) -> Id {
    Id(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{what}/{of}").as_bytes()).to_string())
}

/// Money in the currency's minor unit, greater than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Amount(i64);

impl TryFrom<i64> for Amount {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        if number > 0 {
            Ok(Amount(number))
        } else {
            Err(format!("{number} is not an amount, which is greater than 0"))
        }
    }
}

impl Amount {
    /// In minor units.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// How many: at least 1. Commands allow at most [`Quantity::MOST_IN_A_COMMAND`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64")]
pub struct Quantity(i64);

impl Quantity {
    /// The largest quantity in one field of a command.
    pub const MOST_IN_A_COMMAND: i64 = 1_000_000;

    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }

    pub(crate) fn check_in_command(self, field: &str) -> Result<(), String> {
        if self.0 <= Self::MOST_IN_A_COMMAND {
            return Ok(());
        }
        Err(format!("{field}: {} is not a quantity, which is 1 to {}", self.0, Self::MOST_IN_A_COMMAND))
    }
}

impl TryFrom<i64> for Quantity {
    type Error = String;
    fn try_from(number: i64) -> Result<Self, String> {
        if number > 0 {
            Ok(Quantity(number))
        } else {
            Err(format!("{number} is not a quantity, which is at least 1"))
        }
    }
}

/// An active currency code of ISO 4217.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Currency(&'static str);

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Currency::try_from(String::deserialize(deserializer)?.as_str()).map_err(D::Error::custom)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl TryFrom<&str> for Currency {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        ISO_4217.binary_search(&text).map(|place| Currency(ISO_4217[place])).map_err(|_| {
            let shown: String = text.chars().take(16).collect();
            format!("'{}' is not a currency code of ISO 4217, such as EUR", shown.escape_debug())
        })
    }
}

/// List one of ISO 4217: the codes of active currencies and funds, in alphabetical order.
#[rustfmt::skip]
const ISO_4217: [&str; 179] = [
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD",
    "BIF", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE",
    "CHF", "CHW", "CLF", "CLP", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP",
    "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ",
    "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD", "JPY",
    "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL",
    "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV",
    "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR",
    "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP",
    "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY",
    "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW", "UZS", "VED", "VES", "VND",
    "VUV", "WST", "XAD", "XAF", "XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XCD", "XCG", "XDR", "XOF",
    "XPD", "XPF", "XPT", "XSU", "XTS", "XUA", "XXX", "YER", "ZAR", "ZMW", "ZWG",
];

/// A country code in the form of ISO 3166-1 alpha-2: two capital letters. Whether there is such a
/// country, and goods go there, is shipping's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Country(String);

impl TryFrom<String> for Country {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Ok(Country(text));
        }
        let shown: String = text.chars().take(16).collect();
        Err(format!(
            "'{}' is not a country code of ISO 3166-1 alpha-2, which is two capital letters, such as DE",
            shown.escape_debug()
        ))
    }
}

impl TryFrom<&str> for Country {
    type Error = String;
    fn try_from(text: &str) -> Result<Self, String> {
        Country::try_from(text.to_owned())
    }
}

impl Deref for Country {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// One item of an order as the customer wrote it; a SKU may stand in several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What.
    pub sku: Id,
    /// How many.
    pub quantity: Quantity,
    /// For how much each.
    pub unit_price: Amount,
}

/// The price of all items.
///
/// # Errors
/// When it does not fit in 63 bits.
pub fn total(items: &[Item]) -> Result<Amount, String> {
    items
        .iter()
        .try_fold(0_i64, |sum, item| sum.checked_add(item.quantity.0.checked_mul(item.unit_price.0)?))
        .ok_or_else(|| "items: the total is larger than 63 bits hold".to_owned())
        .and_then(Amount::try_from)
}

pub(crate) fn check_items(items: &[Item]) -> Result<(), String> {
    if !(1..=100).contains(&items.len()) {
        return Err(format!("items: an order has 1 to 100 items, not {}", items.len()));
    }
    for (i, item) in items.iter().enumerate() {
        item.quantity.check_in_command(&format!("items[{i}].quantity"))?;
    }
    total(items).map(|_| ())
}

/// Reads the name of a variant from a string only; serde's derived code also takes `{"name": null}`.
pub(crate) fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Reads a struct from an object only; serde's derived code also takes a list, by position.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|object| object.0)
}

/// Reads a struct that may be absent, from an object only.
pub(crate) fn optional_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Option::<Object<T>>::deserialize(deserializer).map(|object| object.map(|object| object.0))
}

/// Reads a list of structs, each from an object only.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Vec::<Object<T>>::deserialize(deserializer).map(|list| list.into_iter().map(|object| object.0).collect())
}

struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FromMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FromMap<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(FromMap(PhantomData)).map(Object)
    }
}

/// How many of one SKU: the items of an order, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What.
    pub sku: Id,
    /// How many.
    pub quantity: Quantity,
}

/// Where an order goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The country.
    pub country: Country,
    /// The postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// The city.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Street and number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line1: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_1_to_64_plain_characters() {
        for good in ["a", "order-42", "A.b_c:d-9", &"x".repeat(64)] {
            assert!(Id::try_from(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "é", "a/b", "a\n", &"x".repeat(65)] {
            assert!(Id::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn currencies_are_those_of_iso_4217() {
        assert!(Currency::try_from("EUR").is_ok());
        assert!(ISO_4217.is_sorted(), "it is searched by halves");
        for bad in ["eur", "EURO", "ABC", "", "EUR USD", " "] {
            assert!(Currency::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn countries_are_two_capital_letters() {
        for good in ["DE", "AQ", "ZZ"] {
            assert_eq!(&*Country::try_from(good).unwrap(), good);
        }
        for bad in ["", "D", "de", "De", "DEU", "D1", "DE ", " DE", "D\n", "\u{c4}", "Germany"] {
            assert!(Country::try_from(bad).is_err(), "{bad}");
        }
        let germany =
            "'Germany' is not a country code of ISO 3166-1 alpha-2, which is two capital letters, such as DE";
        assert_eq!(Country::try_from("Germany"), Err(germany.to_owned()));
    }

    #[test]
    fn a_total_that_leaves_63_bits_is_an_error() {
        let item = |quantity: i64, price: i64| Item {
            sku: Id::try_from("tea").unwrap(),
            quantity: quantity.try_into().unwrap(),
            unit_price: price.try_into().unwrap(),
        };
        assert_eq!(total(&[item(2, 2499), item(1, 2)]).unwrap().get(), 5000);
        assert_eq!(total(&[item(1, i64::MAX)]).unwrap().get(), i64::MAX);
        assert!(total(&[item(2, i64::MAX / 2 + 1)]).is_err());
        assert!(total(&[item(1, i64::MAX), item(1, 1)]).is_err());
    }

    #[test]
    fn derived_ids_are_ids_and_stay_the_same() {
        assert_eq!(derived_id("payment", "order-42"), derived_id("payment", "order-42"));
        assert_ne!(derived_id("payment", "order-42"), derived_id("shipment", "order-42"));
        assert!(Id::try_from(derived_id("payment", "order-42").to_string()).is_ok());
        // From one version of the program to the next, too: this is Python's
        // uuid.uuid5(uuid.NAMESPACE_OID, "payment/order-42").
        assert_eq!(&*derived_id("payment", "order-42"), "bb6fe47d-66be-53f9-aed9-67d0096078b2");
    }

    #[test]
    fn amounts_are_greater_than_0_and_fit_in_63_bits() {
        assert_eq!(Amount::try_from(1).unwrap().get(), 1);
        assert_eq!(Amount::try_from(i64::MAX).unwrap().get(), i64::MAX);
        for bad in [0, -1, i64::MIN] {
            assert!(Amount::try_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn quantities_are_at_least_1_and_at_most_a_million_in_a_command() {
        let in_a_command = |number| Quantity::try_from(number)?.check_in_command("quantity");
        for good in [1, 1_000_000] {
            assert_eq!(in_a_command(good), Ok(()));
        }
        for bad in [i64::MIN, -1, 0, 1_000_001, i64::MAX] {
            assert!(in_a_command(bad).is_err(), "{bad}");
        }
        assert!(Quantity::try_from(1_000_001).is_ok());
    }

    #[test]
    fn what_is_not_an_id_is_shown_in_a_way_that_fits_a_line() {
        assert!(Id::try_from("a\nb").unwrap_err().starts_with("'a\\nb' is not an id"));
        assert!(Id::try_from("x".repeat(1_000_000)).unwrap_err().len() < 200);
    }
}
