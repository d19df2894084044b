//! Who buys what, and what a request for its payment looks like on the wire.

use serde_json::json;

use super::random::Random;

/// The morning on which it all happens, in milliseconds since 1970: 2025-11-28T09:00:00Z.
const OPENING_MS: u64 = 1_764_320_400_000;

const FIRST_NAMES: [&str; 24] = [
    "Ada", "Amara", "Aoife", "Björn", "Chen", "Daniel", "Elif", "Fatou", "Giulia", "Hana", "Ines", "Jonas", "Kenji",
    "Leila", "Mateo", "Nadia", "Oskar", "Priya", "Rosa", "Samuel", "Tomás", "Yara", "Zeynep", "Zoë",
];
const LAST_NAMES: [&str; 22] = [
    "Andersson",
    "Bianchi",
    "Costa",
    "Diallo",
    "Demir",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kowalska",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "Novák",
    "Okafor",
    "O'Brien",
    "Patel",
    "Silva",
    "Tanaka",
    "Weber",
    "Zhang",
];
/// What is sold, and for how many euro cents.
const ITEMS: [(&str, u64); 14] = [
    ("Trail shoes, size 42", 12_990),
    ("Espresso machine", 34_900),
    ("Wool scarf", 3_450),
    ("Noise-cancelling headphones", 24_900),
    ("Chef's knife, 20 cm", 8_900),
    ("Desk lamp \"Arc\"", 5_999),
    ("Board game", 4_250),
    ("Running watch", 19_900),
    ("Rain jacket", 14_900),
    ("Cast-iron pan", 6_490),
    ("Paperback, three for two", 2_380),
    ("Children's bicycle", 22_900),
    ("Gift card", 5_000),
    ("Coffee beans, 1 kg", 2_190),
];
/// A currency, the price of one euro cent in its smallest unit (in thousandths), and how often it is used.
const CURRENCIES: [(&str, u64); 8] = [
    ("EUR", 1_000),
    ("EUR", 1_000),
    ("EUR", 1_000),
    ("USD", 1_160),
    ("USD", 1_160),
    ("GBP", 880),
    ("SEK", 11_000),
    ("JPY", 1_800),
];
const GOOD_CARDS: [&str; 3] = ["tok_visa", "tok_mastercard", "tok_amex"];

/// What one customer means to pay, once.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) start: u64,
    pub(super) customer: String,
    pub(super) item: &'static str,
    pub(super) amount: u64,
    pub(super) currency: &'static str,
    pub(super) card: &'static str,
}

/// One message that asks for it.
#[derive(Debug)]
pub(super) struct Request {
    /// Milliseconds since the shop opened.
    pub(super) at: u64,
    pub(super) payment: Payment,
    pub(super) attempt: u32,
}

/// The next customer's payment, begun at any time up to `last`.
pub(super) fn payment(random: &mut Random, last: u64) -> Payment {
    let start = random.between(0, last);
    let (item, cents) = random.pick(&ITEMS);
    let (currency, price) = random.pick(&CURRENCIES);
    let declined = random.between(0, 100) == 0;
    Payment {
        id: id(random, start),
        start,
        customer: format!("{} {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES)),
        item,
        amount: cents * random.between(1, 4) * price / 1_000,
        currency,
        card: if declined { "tok_declined" } else { random.pick(&GOOD_CARDS) },
    }
}

/// A ULID behind a prefix: ten characters of time, sixteen of chance.
fn id(random: &mut Random, start: u64) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let time = OPENING_MS + start;
    let mut id = "pay_".to_owned();
    id.extend((0..10).rev().map(|place| char::from(DIGITS[(time >> (5 * place) & 31) as usize])));
    id.extend((0..16).map(|_| char::from(random.pick(DIGITS))));
    id
}

impl Request {
    /// As it stands in the log, without the end of the line.
    pub(super) fn line(&self) -> String {
        let Payment { id, customer, item, amount, currency, card, .. } = &self.payment;
        let (seconds, milliseconds) = (self.at / 1_000, self.at % 1_000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let at = format!("2025-11-28T09:{minutes:02}:{seconds:02}.{milliseconds:03}Z");
        // Written field by field: the order is part of what makes a log readable.
        format!(
            r#"{{"at":"{at}","id":"{id}","customer":{},"item":{},"amount":{amount},"currency":"{currency}","card":"{card}","attempt":{}}}"#,
            json!(customer),
            json!(item),
            self.attempt,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::{Request, payment};

    #[test]
    fn a_line_is_one_json_object_with_the_fields_of_a_request() {
        let payment = payment(&mut Random::new(1), 1);
        let line = Request { at: 61_007, payment, attempt: 2 }.line();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        assert_eq!(value["at"], "2025-11-28T09:01:01.007Z");
        assert_eq!(value["attempt"], 2);
        assert_eq!(value["id"].as_str().map(str::len), Some("pay_01KB5000000000000000000000".len()));
    }
}
