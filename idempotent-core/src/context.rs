//! Which executions the running code is inside of, per thread, and lent to a task while it is polled.

#[cfg(feature = "durable")]
use crate::clock::BootTime;
use crate::error::Error;
#[cfg(feature = "durable")]
use crate::error::ErrorKind;
use crate::key::{Key, Text};
use hmac_sha256::Hash as Sha256;
use std::cell::RefCell;
use std::fmt;
#[cfg(feature = "durable")]
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(any(feature = "durable", feature = "tokio"))]
use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::sync::Weak;
#[cfg(feature = "durable")]
use std::sync::atomic::AtomicBool;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "durable")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "durable")]
use std::time::Duration;

/// One execution, as the stack holds it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    table: usize,
    pub(crate) key: Key,
    scope: &'static str,
    attempt: u32,
    /// Zero until the body asks for it.
    token: u64,
    #[cfg(feature = "durable")]
    fence: Option<Arc<Fence>>,
    #[cfg(feature = "tokio")]
    life: Life,
}

/// How long an execution lasts, for those that it left behind in tasks of their own.
#[cfg(feature = "tokio")]
#[derive(Clone, Debug)]
enum Life {
    /// It lasts as long as its frame; the share is made when the first one asks.
    Own(Option<Arc<()>>),
    /// It lasts as long as somebody else's.
    Parents(Weak<()>),
}

/// What a store granted, and whether it still holds.
#[cfg(feature = "durable")]
pub(crate) struct Fence {
    token: u64,
    lost: AtomicBool,
    /// Until when nobody else can have the key, as far as this process knows; nothing where no lease says so.
    until: Mutex<Option<BootTime>>,
    /// What is done when the execution is given up; nothing once it was.
    given_up: Mutex<Option<Vec<WhenGivenUp>>>,
}

/// Something that is done on the thread that renews leases.
#[cfg(feature = "durable")]
type WhenGivenUp = Box<dyn FnOnce() + Send>;

#[cfg(feature = "durable")]
impl Fence {
    pub(crate) fn new(token: u64) -> Arc<Self> {
        let given_up = Mutex::new(Some(Vec::new()));
        Arc::new(Self { token, lost: AtomicBool::new(false), until: Mutex::new(None), given_up })
    }

    /// The lease was asked for at this moment, and granted.
    pub(crate) fn believe(&self, asked: BootTime, lease: Duration) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = asked.checked_add(lease);
    }

    /// Whether another caller may have the key, as far as this process knows.
    pub(crate) fn is_lost(&self) -> bool {
        let is_over =
            || self.until.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|end| end <= BootTime::now());
        self.lost.load(Ordering::Acquire) || is_over()
    }

    /// Another caller took the key over, or may have.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// The lease is not renewed any more: callers in this process wait for the execution no longer.
    pub(crate) fn give_up(&self) {
        self.lose();
        let hooks = self.given_up.lock().unwrap_or_else(PoisonError::into_inner).take();
        for hook in hooks.into_iter().flatten() {
            // It may wake a task, whose bug must not end the thread that all leases depend on.
            let _ = catch_unwind(AssertUnwindSafe(hook));
        }
    }

    /// Does something when the execution is given up, or now where it was.
    pub(crate) fn when_given_up(&self, hook: impl FnOnce() + Send + 'static) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hooks) = &mut *given_up {
            hooks.push(Box::new(hook));
            return;
        }
        drop(given_up);
        hook();
    }
}

#[cfg(feature = "durable")]
impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence").field("token", &self.token).field("lost", &self.lost).finish_non_exhaustive()
    }
}

#[cfg(not(shuttle))]
thread_local! {
    /// The executions that the running code is inside of, the innermost last; a body that runs unprotected is none.
    static STACK: RefCell<Vec<Option<Frame>>> = const { RefCell::new(Vec::new()) };
}

#[cfg(shuttle)]
shuttle::thread_local! {
    static STACK: RefCell<Vec<Option<Frame>>> = RefCell::new(Vec::new());
}

/// The next fencing token. One sequence for the process, so that no key ever sees a number twice.
fn next_token() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Frame {
    pub(crate) fn new(table: usize, key: Key, scope: &'static str, attempt: u32) -> Self {
        Self {
            table,
            key,
            scope,
            attempt,
            token: 0,
            #[cfg(feature = "durable")]
            fence: None,
            #[cfg(feature = "tokio")]
            life: Life::Own(None),
        }
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The execution is one that a store granted.
    #[cfg(feature = "durable")]
    pub(crate) fn granted(&mut self, attempt: u32, fence: Arc<Fence>) {
        self.attempt = attempt;
        self.token = fence.token;
        self.fence = Some(fence);
    }

    #[cfg(feature = "tokio")]
    fn is_alive(&self) -> bool {
        match &self.life {
            Life::Own(_) => true,
            Life::Parents(life) => life.strong_count() > 0,
        }
    }

    /// Without tasks of their own, bodies are on the stack for as long as they run.
    #[cfg(not(feature = "tokio"))]
    #[expect(clippy::unused_self, reason = "it does not matter which")]
    fn is_alive(&self) -> bool {
        true
    }

    /// The same execution, as a task sees it that may outlast it.
    #[cfg(feature = "tokio")]
    fn inherited(&mut self) -> Self {
        let life = match &mut self.life {
            Life::Own(life) => Arc::downgrade(life.get_or_insert_default()),
            Life::Parents(life) => life.clone(),
        };
        Self { life: Life::Parents(life), ..self.clone() }
    }
}

/// Puts an execution on the stack, or the absence of one, until the guard is dropped, also by a panic.
pub(crate) fn enter(frame: Option<&mut Frame>) -> Entered<'_> {
    // A thread that is being torn down has no stack any more; there the body runs without a frame.
    let _ = STACK.try_with(|stack| stack.borrow_mut().push(frame.as_deref().cloned()));
    Entered(frame)
}

/// What it learned on the stack goes back to the execution.
pub(crate) struct Entered<'a>(Option<&'a mut Frame>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let popped = STACK.try_with(|stack| stack.borrow_mut().pop()).ok().flatten().flatten();
        if let (Some(frame), Some(popped)) = (&mut self.0, popped) {
            frame.token = popped.token;
            #[cfg(feature = "tokio")]
            {
                frame.life = popped.life;
            }
        }
    }
}

/// Whether the running code is inside the execution of this key in this table.
pub(crate) fn is_inside(table: usize, text: &Text<'_>) -> bool {
    let is_it = |frame: &Frame| frame.table == table && frame.key.matches(text) && frame.is_alive();
    STACK.try_with(|stack| stack.borrow().iter().flatten().any(is_it)).unwrap_or(false)
}

/// The executions that a task inherits from the code that spawns it.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct Ancestors(Vec<Option<Frame>>);

#[cfg(feature = "tokio")]
impl Ancestors {
    /// Those that are still running: a chain of tasks that outlast each other inherits nothing that grows.
    pub(crate) fn of_here() -> Self {
        let inherit = |frame: &mut Frame| frame.is_alive().then(|| Some(frame.inherited()));
        let inherited = STACK.try_with(|stack| stack.borrow_mut().iter_mut().flatten().filter_map(inherit).collect());
        Self(inherited.unwrap_or_default())
    }

    /// Puts them below whatever the task pushes, until the guard is dropped.
    pub(crate) fn enter(&self) -> impl Drop {
        struct Below(usize);
        impl Drop for Below {
            fn drop(&mut self) {
                let _ = STACK.try_with(|stack| stack.borrow_mut().truncate(self.0));
            }
        }
        let below = STACK.try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let below = stack.len();
            stack.extend_from_slice(&self.0);
            below
        });
        Below(below.unwrap_or(0))
    }
}

/// The execution whose body is running, as the body sees it.
///
/// ```
/// use idempotently::{current, idempotent};
///
/// #[idempotent(key = order, scope = "docs.current")]
/// fn charge(order: u64) -> String {
///     let execution = current().expect("inside a body");
///     assert_eq!((execution.scope(), execution.attempt()), ("docs.current", 1));
///     execution.downstream_key("bank")
/// }
///
/// assert_eq!(charge(7).len(), 32);
/// assert!(current().is_none());
/// ```
#[derive(Clone)]
pub struct Execution {
    frame: Frame,
}

/// The execution whose body is running, in sync and async code, across `.await`; `None` outside, and in a body that runs
/// unprotected because it has no key.
///
/// A thread that the body starts is outside, and so is a task on another thread, unless it is the body's own (`detached`).
#[must_use]
pub fn current() -> Option<Execution> {
    STACK
        .try_with(|stack| {
            let mut stack = stack.borrow_mut();
            let frame = stack.last_mut()?.as_mut()?;
            if frame.token == 0 {
                frame.token = next_token();
            }
            Some(Execution { frame: frame.clone() })
        })
        .ok()
        .flatten()
}

impl Execution {
    /// The operation's name.
    #[must_use]
    pub fn scope(&self) -> &'static str {
        self.frame.scope
    }

    /// Which attempt this is at the work that callers wait for: 1 for the first; one more each time that a waiting
    /// caller took over from one that failed, panicked or was dropped.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.frame.attempt
    }

    /// The fencing token: the executions of one key that ask for it see ever larger numbers.
    ///
    /// In process it orders the executions of this process only.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.frame.token
    }

    /// A key to hand to another system, which is the same in every attempt: 32 hexadecimal digits that depend on the
    /// scope, the key and `system`, and give none of them away.
    ///
    /// Give the operation a `scope`: without one it is the function's path, and the key changes when the function is
    /// renamed or moved. Two functions can also have one path, and so one key here: those of one name in two blocks of one
    /// function, and a generic function that is called with two closures.
    ///
    /// They are the first half of the SHA-256 of `idempotently/1`, `system`, the scope and the key's text, each after
    /// its length in bytes; this is frozen per major version.
    #[must_use]
    pub fn downstream_key(&self, system: &str) -> String {
        let mut digest = Sha256::new();
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        part(b"idempotently/1");
        part(system.as_bytes());
        part(self.frame.scope.as_bytes());
        self.frame.key.with_bytes(&mut part);
        crate::key::hexadecimal(&digest.finalize()[..16])
    }

    /// Does something when the library gives the execution up, though its body still runs.
    #[cfg(feature = "http")]
    pub(crate) fn when_given_up(&self, hook: impl FnOnce() + Send + 'static) {
        if let Some(fence) = &self.frame.fence {
            fence.when_given_up(hook);
        }
    }

    /// Whether this execution still owns its key. In a store, that is known until the lease ends that was granted last: a
    /// process that was stopped for longer hears of it here at once, without asking the store.
    ///
    /// # Errors
    /// [`LeaseLost`](crate::error::ErrorKind::LeaseLost) when another caller took it over, or may have, because the lease
    /// could not be renewed in time. Neither can happen in process. The outcome is recorded nevertheless where nobody took
    /// over.
    pub fn check(&self) -> Result<(), Error> {
        #[cfg(feature = "durable")]
        if self.frame.fence.as_ref().is_some_and(|fence| fence.is_lost()) {
            return Err(Error::new(ErrorKind::LeaseLost, self.frame.scope));
        }
        Ok(())
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Execution")
            .field("scope", &self.frame.scope)
            .field("key", &self.frame.key)
            .field("attempt", &self.frame.attempt)
            .field("token", &self.frame.token)
            .finish()
    }
}
