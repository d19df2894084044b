//! The attribute `#[idempotent]` and `#[derive(ToKey)]` of `idempotently`.
//!
//! Do not depend on this crate: what it emits calls into `idempotently`, which re-exports both.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may fail where it stands"))]

mod args;
mod attribute;
mod derive;
mod duration;
mod errors;
mod expand;
mod fallback;
mod input;
mod known;
mod literal;
mod model;
mod operand;
mod types;
mod validate;
mod values;

use proc_macro::TokenStream;

/// Makes a function safe to call again: its body runs once per key, and every other call gets that outcome.
///
/// ```
/// # struct Payment { id: u64, amount: u64 }
/// # #[derive(Clone)]
/// # struct Receipt;
/// # type ChargeError = idempotently::Error;
/// # async fn ask_bank(_: &Payment) -> Result<Receipt, ChargeError> { Ok(Receipt) }
/// use idempotently::idempotent;
///
/// #[idempotent(key = payment.id, fingerprint = payment.amount)]
/// async fn charge(payment: &Payment) -> Result<Receipt, ChargeError> {
///     ask_bank(payment).await // runs once per payment.id in this process
/// }
/// ```
///
/// It goes on a free function, a method (`&self`, `&mut self`, `self` or none), a trait method with a body and the
/// implementation of a trait method; on `fn`, `async fn`, and functions that return a future by hand
/// (`impl Future`, `Pin<Box<dyn Future>>`, `BoxFuture`, what `async_trait` makes). Generics, patterns, attributes and
/// visibility stay as they are written. A function behind an alias that hides a future is refused by its type.
///
/// # Arguments
///
/// | argument | value | without it | meaning |
/// |---|---|---|---|
/// | `key` | an expression, a tuple, or a text with `{holes}` | required | who this call is; see [below](#the-key) |
/// | `missing` | `run`, `reject` | the key is always there | makes `key` an `Option`: `None` runs unprotected, or is refused |
/// | `scope` | a `&'static str` | the function's path | the name under which the records are kept |
/// | `retention` | `"24h"`, `forever`, or an expression of type `Duration` (a text is read only where it stands here) | `"24h"` | how long a kept outcome answers |
/// | `in_flight` | `wait`, `wait("10s")`, `reject` | `wait` | what a duplicate does while the first call runs |
/// | `keep` | `ok`, `all`, or a predicate such as `\|outcome\| outcome.is_final()` | `ok` for a `Result`, else `all` | which outcomes are kept; after any other the next call runs |
/// | `on_failure` | `retry`, `share` | `retry` | what those who waited do when the outcome was not kept: one of them runs next, or all get a clone of it |
/// | `fingerprint` | an expression or a tuple | nothing is compared | what must not change between two calls with one key; when it does, the call is refused |
/// | `capacity` | a whole number from 1 on, or a constant (not of `Self`, nor a parameter of the function: a static holds it) | no limit | how many records may be kept; then new keys are refused, for dropping a record would run its body again |
/// | `durable` | (none) | records live in this process | they live in the store that the program installed; see [below](#records-that-outlive-the-process) |
/// | `store` | a `&SharedStore` such as `&self.store` | the same | they live in this store |
/// | `interrupted` | `retry`, `retry(5)`, `fail` | required with a store | what is done with work whose process vanished: the next caller runs it again, at most 5 times, or nobody does |
/// | `lease` | `"30s"` | `"30s"` | with a store: how long a process that is silent is believed to be at work; with a transaction: how long it may be silent between two statements before PostgreSQL ends it |
/// | `max_run` | `"15m"` | no limit | with a store: when a body that hangs is believed no longer; not shorter than `lease` |
/// | `transaction` | the argument, or a field of `self`, that is the connection or transaction | the record lives elsewhere | it goes into the caller's own transaction; see [below](#records-in-the-callers-transaction) |
/// | `detached` | (none) | the caller drives the body | `async` with the feature `tokio`: the body runs as a task of its own, so that a caller that goes away does not stop it half way |
/// | `handle` | a name | none | makes a static of that name and the function's visibility, to forget, count and clear records by; free functions only |
/// | `crate` | a path | `::idempotently` | where the library is, when renamed or re-exported |
///
/// Lengths of time are whole numbers with the units `ms`, `s`, `m`, `h`, `d` and `w`: `"90s"`, `"1h 30m"`.
///
/// # The key
///
/// Anything that implements `ToKey` is a key: integers, texts, `bool`, tuples and sequences of keys, your types with
/// `#[derive(ToKey)]`, and any other with `key::display(&value)`. Floats and `Option` are not.
///
/// * It is evaluated before the body, from the arguments and whatever else is in scope. Nothing moves: the parts of a
///   tuple are borrowed, so `key = (order.tenant, order.number)` leaves `order` whole. `key`, `fingerprint`, `scope`,
///   `retention` and `store` are evaluated in this order, and what one of them borrows or locks is given back before the
///   next; the parts of one tuple are evaluated together.
/// * A constant key, such as `"nightly"` or `5`, is refused where the function has arguments, since all calls would get the
///   first one's outcome. Where all calls are one, write `key = ("nightly",)` or name a constant.
/// * In a text such as `"{tenant}:{order.number}"` each hole is an expression and a component of its own, so that no
///   two different values look alike. `{{` and `}}` are braces; formats such as `{x:?}` are not for keys.
/// * `self` is part of it only where it is named: `key = (self.id, order)`.
/// * Where the function returns a future by hand, it is evaluated at the first poll. So a boxed future that is `'static`
///   cannot read an argument that borrows: write `Pin<Box<dyn Future<Output = …> + '_>>`, or take the argument owned.
///   The same holds for `impl Future + 'static` and `impl Future + use<>`, and before the edition 2024 for every
///   `impl Future` that names no lifetime: write `impl Future<Output = …> + '_`.
///
/// Two functions never share a record by accident: not two `impl` blocks, two implementors of a trait's default method,
/// two instantiations of a generic function, nor two modules. So an argument of type `impl Trait` separates callers that
/// pass different types.
///
/// # The outcome
///
/// It is handed out again as a clone, so it must be `Clone + Send + Sync + 'static`; of a `Result` only the `Ok` type
/// must, unless its errors are kept or shared (`keep = all`, a predicate, `on_failure = share`). It cannot borrow; where a
/// type such as `Token` hides that it is a `Token<'_>`, the compiler says at the body that a lifetime may not live long enough.
/// Whether it is a `Result` is decided by its type and not by its spelling: an alias of `Result` is one. A predicate of
/// `keep` sees the outcome and no argument that the body takes. A panic of the predicate or of the outcome's `Clone` is a
/// panic of the body: nothing is kept, although the body has had its effect, and the next call runs it again.
///
/// Some names decide before types do: `BoxFuture`, `LocalBoxFuture` and a trait called `Future` are futures by whatever path,
/// and a type called `Vec`, `Option` or `String` is no alias of a `Result`.
///
/// `in_flight = reject`, `in_flight = wait("…")`, `missing = reject`, `fingerprint`, `capacity`, `durable`, `store` and
/// `transaction` can refuse a call. A function with one of these returns `Result<_, E>` with `E: From<idempotently::Error>`. Without them a call is refused
/// only for an empty key and for a recursive call with the key that is running: an error where the function can return
/// it, else a panic, which points at the attribute and not at the caller.
///
/// # The body
///
/// `?` and `return` leave the body and become the outcome. It runs in a closure, so `#[track_caller]` shows the callers
/// of the function, not those of the body. Waiting blocks the thread of a `fn` and the task of an `async fn`. An
/// `async fn` holds its key while its future is left alone half way; `detached` is the answer, or `in_flight = wait("…")`.
///
/// What else differs from the function without the attribute:
///
/// * The body of an `async fn` drops its arguments in the order in which it first names them, and not the last one first.
///   Where that matters, as for two guards, begin the body with `let (a, b) = (a, b);`.
/// * A recursive `async fn` with `detached` returns its future boxed by hand (`-> Pin<Box<dyn Future<Output = …> + Send>>`),
///   since the compiler cannot see that a task of itself is `Send`. Each level of recursion takes about 1.5 KiB of stack in a
///   debug build, and a chain of more than ten annotated `async fn`s may need `#![recursion_limit = "256"]`.
/// * After a `fork` the child has no timer: an async `wait("…")` that begins there does not end by itself, if the parent had
///   used one. Fork before the first call, or wait in blocking functions.
/// * Without a `scope` two operations can have one path, and then one `downstream_key` for equal keys: two functions of one
///   name in two blocks of one function, or one generic function called with two closures. Give an operation that hands a
///   `downstream_key` on a `scope`.
///
/// # Records that outlive the process
///
/// With `durable` or `store` (the feature of a store, such as `sqlite`) records live in a store: a restart remembers
/// them, and processes that share the store share the executions.
///
/// ```
/// use idempotently::backend::memory::MemoryStore;
/// use idempotently::{Error, SharedStore, idempotent};
///
/// struct Payments {
///     store: SharedStore,
/// }
///
/// impl Payments {
///     #[idempotent(key = id, store = &self.store, scope = "payments.charge", interrupted = fail)]
///     fn charge(&self, id: &str) -> Result<String, Error> {
///         Ok(format!("receipt for {id}")) // runs once per id, whichever process is asked
///     }
/// }
///
/// let payments = Payments { store: SharedStore::new(MemoryStore::new()) };
/// assert_eq!(payments.charge("pay_1")?, payments.charge("pay_1")?);
/// # Ok::<(), Error>(())
/// ```
///
/// `durable` takes the store that the program gave to `idempotently::install` when it started; without one the call is
/// refused. Two things must be said, for nothing that could be assumed is safe:
///
/// * `scope`, the name under which the records are kept. A name taken from the code changes when the code moves, and then
///   everything would run again.
/// * `interrupted`, for when a process vanishes in the body, and nobody can tell whether the body had its effect. With
///   `retry` the next caller runs it again, after the lease: right where the effect may happen twice, or what it calls
///   takes a key itself. With `retry(5)` this is done at most 5 times. With `fail` nobody runs it again, and callers are
///   refused until somebody settles the record; a panic and a dropped future count, too.
///
/// What is kept is written as JSON, so it must be `Serialize + DeserializeOwned` as well. `detached` goes together with a
/// store, too: body and recording are one task. `capacity` and `handle` are about records in this process; for those in a store there is
/// `Records::of(&store)`.
///
/// # Records in the caller's transaction
///
/// With `transaction` (the features `postgres` and `sqlx-sqlite`) the record is written through the function's own
/// connection: the effect and its record are committed together or not at all.
///
/// ```ignore
/// #[idempotent(key = order.id, transaction = tx, scope = "shop.place")]
/// async fn place(tx: &mut PgConnection, order: &Order) -> Result<i64, ShopError> {
///     insert(tx, order).await // there once per order.id, or not at all
/// }
/// ```
///
/// It names an argument (`&mut PgConnection`, `&mut Transaction<'_, Postgres>`, the same for SQLite, or `&mut C` with
/// `C: idempotently::transaction::Connection`) or a field (`self.tx`, in a method that takes `&mut self`). The body has it as
/// before: it may lend it, set savepoints and give it away. With a field, `&mut self` methods under `#[async_trait]` work as
/// native ones do; any other future that is written by hand takes the transaction as an argument. `scope` is required, and what is kept is written as JSON; there is
/// no `interrupted`, since the database takes back what is interrupted.
///
/// The caller owns begin and commit, or `idempotently::transaction` does. A duplicate waits until the first one's transaction
/// ends; `in_flight = wait("…")` ends its transaction when it has waited for so long, and `in_flight = reject` leaves it as it
/// is. After an outcome that is not kept, a panic or a dropped future the transaction can only be rolled back, whole or to a
/// savepoint that was set before the call. See the module `idempotently::transaction` for what holds.
///
/// # Mistakes
///
/// are compile errors at what is to be changed, all of one attribute together, and say what to write instead.
#[proc_macro_attribute]
pub fn idempotent(args: TokenStream, item: TokenStream) -> TokenStream {
    let features = validate::Features {
        tokio: cfg!(feature = "tokio"),
        durable: cfg!(feature = "durable"),
        transactions: cfg!(feature = "transactions"),
    };
    attribute::idempotent(args.into(), &item.into(), features).into()
}

/// Makes a struct a key: all its fields, in the order written.
///
/// ```
/// use idempotently::ToKey;
///
/// #[derive(ToKey)]
/// struct OrderId(u64);
///
/// #[derive(ToKey)]
/// struct Order<'a> {
///     tenant: &'a str,
///     id: OrderId,
/// }
/// ```
///
/// A struct with one unnamed field is the same key as that field; any other is the same key as the tuple of its fields,
/// so changing their order changes the key. Each field must be a key itself; of a field that holds the struct again, such as
/// `Vec<Tree<T>>`, the parameters must. The fields of a packed struct must be `Copy`. An enum has no derived key: say what
/// tells its values apart by implementing `ToFingerprint` and `ToKey`, or name the key as `key::display(&value)`.
///
/// `#[to_key(crate = path)]` on the struct says where the library is, when renamed or re-exported.
#[proc_macro_derive(ToKey, attributes(to_key))]
pub fn derive_to_key(input: TokenStream) -> TokenStream {
    derive::to_key(input.into()).into()
}
