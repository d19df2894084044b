#[idempotent(kye = n, retention = "5 parsecs")]
/// Stays as it was written.
fn charge(n: u8) -> u8 {
    n
}

// Becomes:

::core::compile_error! {
    "unknown argument `kye`: did you mean `key`?"
}
::core::compile_error! {
    "`parsecs` is not a unit of time: write whole numbers with a unit, such as `\"24h\"` or `\"1h 30m\"`; the units are `ms`, `s`, `m`, `h`, `d` and `w`"
}
/// Stays as it was written.
fn charge(n: u8) -> u8 {
    n
}
