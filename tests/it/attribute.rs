//! Annotated functions: what only the attribute can get wrong.

mod failing;
mod lent;
mod outcomes;
mod refusing;
mod shapes;
mod sharing;
#[cfg(feature = "durable")]
mod temporaries;
