//! What must be true in the end, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

/// How much of an item there is at first, and how many items there are.
pub(crate) const STOCK: i64 = 1_000_000;
pub(crate) const ITEMS: i64 = 16;

/// What a run left behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The keys that were called with.
    pub(crate) keys: BTreeSet<i64>,
    /// The effects: key and the random name of the effect.
    pub(crate) orders: Vec<(i64, String)>,
    /// How much of each item is left.
    pub(crate) stock: Vec<(i64, i64)>,
    /// What the record of a key replays.
    pub(crate) records: BTreeMap<i64, String>,
    /// All replies that any process gave.
    pub(crate) replies: Vec<(i64, String)>,
    /// Transactions that nobody ended.
    pub(crate) open: i64,
}

/// All that is wrong with it.
pub(crate) fn check(seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut effects: BTreeMap<i64, Vec<&str>> = seen.keys.iter().map(|&key| (key, Vec::new())).collect();
    for (key, id) in &seen.orders {
        effects.entry(*key).or_default().push(id);
    }
    for (key, ids) in &effects {
        match ids.as_slice() {
            [id] if seen.records.get(key).is_some_and(|kept| kept == id) => {}
            [id] => wrong.push(format!("{key}: the effect is {id}, the record {:?}", seen.records.get(key))),
            ids => wrong.push(format!("{key}: {} effects", ids.len())),
        }
        if !seen.keys.contains(key) {
            wrong.push(format!("{key}: nobody asked for it"));
        }
    }
    let mut answered = BTreeSet::new();
    for (key, reply) in &seen.replies {
        answered.insert(*key);
        if seen.records.get(key) != Some(reply) {
            wrong.push(format!("{key}: the reply was {reply}, the record is {:?}", seen.records.get(key)));
        }
    }
    wrong.extend(seen.keys.difference(&answered).map(|key| format!("{key}: never answered")));
    for item in 0..ITEMS {
        let sold = seen.orders.iter().filter(|(key, _)| key % ITEMS == item).count();
        let left: Vec<i64> = seen.stock.iter().filter(|(of, _)| *of == item).map(|(_, left)| *left).collect();
        let expected = STOCK - i64::try_from(sold).unwrap_or(i64::MAX);
        if left != [expected] {
            wrong.push(format!("item {item}: {sold} were sold, and {left:?} are left of {STOCK}"));
        }
    }
    if seen.open != 0 {
        wrong.push(format!("{} transactions are open", seen.open));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::{ITEMS, STOCK, Seen, check};

    fn right() -> Seen {
        let named = |key: i64| (key, format!("id {key}"));
        let sold = |item| i64::from([7, 8].contains(&item));
        Seen {
            keys: [7, 8].into(),
            orders: [7, 8].map(named).to_vec(),
            stock: (0..ITEMS).map(|item| (item, STOCK - sold(item))).collect(),
            records: [7, 8].map(named).into(),
            replies: [7, 8, 7].map(named).to_vec(),
            open: 0,
        }
    }

    #[track_caller]
    fn finds(what: &str, spoil: impl FnOnce(&mut Seen)) {
        let mut seen = right();
        spoil(&mut seen);
        let wrong = check(&seen);
        assert!(wrong.iter().any(|wrong| wrong.contains(what)), "{wrong:?}");
    }

    #[test]
    fn nothing_is_wrong_with_what_is_right() {
        assert_eq!(check(&right()), Vec::<String>::new());
    }

    #[test]
    fn everything_that_is_wrong_is_found() {
        finds("7: 2 effects", |seen| seen.orders.push((7, "another".into())));
        finds("8: 0 effects", |seen| drop(seen.orders.pop()));
        finds("8: the effect is another", |seen| seen.orders[1].1 = "another".into());
        finds("9: nobody asked", |seen| seen.orders.push((9, "id 9".into())));
        finds("the record None", |seen| drop(seen.records.remove(&7)));
        finds("7: the reply was another", |seen| seen.replies[2].1 = "another".into());
        finds("8: never answered", |seen| seen.replies.retain(|(key, _)| *key != 8));
        finds("item 7: 1 were sold", |seen| seen.stock[7].1 = STOCK);
        finds("1 transactions are open", |seen| seen.open = 1);
    }
}
