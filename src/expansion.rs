// One of its examples is `detached`.
#![cfg_attr(feature = "tokio", doc = include_str!("../docs/expansion.md"))]
