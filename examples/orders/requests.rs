//! What customers ask for: made up, the same for the same seed.

use idempotently::ToKey;
use serde::{Deserialize, Serialize};

/// What the shop sells.
pub(crate) const ARTICLES: [&str; 12] =
    ["bell", "bolt", "cable", "clip", "gear", "hinge", "lamp", "lever", "nut", "pulley", "rope", "spring"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Made by the customer: whoever sends an order again sends the same id.
    pub(crate) id: String,
    pub(crate) customer: String,
    /// In the order of the articles' names, each of them once.
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToKey)]
pub(crate) struct Line {
    pub(crate) article: String,
    pub(crate) count: i64,
}

/// Orders as they come in. One in three is sent twice, the second time within the next moments or at once.
pub(crate) fn incoming(dice: &mut Dice, seed: u64, orders: usize) -> Vec<Order> {
    let mut sent = Vec::new();
    for number in 0..orders {
        let mut lines: Vec<Line> = Vec::new();
        for article in ARTICLES {
            if lines.len() < 3 && dice.below(6) == 0 {
                lines.push(Line { article: article.to_owned(), count: 1 + i64::from(dice.below(3)) });
            }
        }
        if lines.is_empty() {
            lines.push(Line { article: ARTICLES[number % ARTICLES.len()].to_owned(), count: 1 });
        }
        let customer = format!("customer{}@example.com", dice.below(500));
        let order = Order { id: format!("order-{seed:x}-{number:05}"), customer, lines };
        if dice.below(3) == 0 {
            sent.push((number + usize::from(dice.below(40)), order.clone()));
        }
        sent.push((number, order));
    }
    sent.sort_by_key(|&(moment, _)| moment);
    sent.into_iter().map(|(_, order)| order).collect()
}

/// Random numbers that a seed decides (`SplitMix64`).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 on, less than `end`.
    pub(crate) fn below(&mut self, end: u16) -> u16 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u16::try_from((mixed ^ (mixed >> 31)) % u64::from(end.max(1))).unwrap_or_default()
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        let (high, low) = (self.below(u16::MAX), self.below(u16::MAX));
        (usize::from(high) * usize::from(u16::MAX) + usize::from(low)) % length.max(1)
    }
}
