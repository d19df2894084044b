// Its examples have a `detached` one, and one with a transaction.
#![cfg_attr(all(feature = "tokio", feature = "postgres"), doc = include_str!("../docs/expansion.md"))]
#![cfg_attr(
    not(all(feature = "tokio", feature = "postgres")),
    doc = "What the attribute makes of a function: the page is there with the features `tokio` and `postgres`."
)]
