#![doc = include_str!("../docs/expansion.md")]
