//! Private servers for tests: started on a free port in a temporary folder, and ended by their handle.
//!
//! A server and its folder go with the process that started it, also when that one is killed.

mod authority;
mod chromedriver;
mod clock;
mod error;
mod folder;
mod postgres;
mod process;
mod proxy;
mod redis;

pub use authority::Authority;
pub use chromedriver::{CHROMIUM_FLAGS, Chromedriver};
pub use clock::SteppedClock;
pub use error::ServerError;
pub use postgres::Postgres;
pub use process::find;
pub use proxy::{Passing, Proxy};
pub use redis::{REDIS_PROGRAM, Redis, RedisCluster};
