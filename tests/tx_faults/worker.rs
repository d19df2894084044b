//! What the other processes do: some callers at once place the orders of a list, each until it has its reply.

use crate::failure::Failure;
use crate::orders::{place, place_in_file};
use crate::process::{JOB, MARK};
use crate::sqlite::Hooks;
use idempotently::backend::postgres::sqlx::postgres::PgPoolOptions;
use idempotently::backend::postgres::sqlx::{self, AssertSqlSafe, PgPool, query};
use idempotently::backend::sqlite::sqlx::SqlitePool;
use idempotently::{ErrorKind, How, observe_async, transaction};
use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

/// Who begins and commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Form {
    Caller,
    Library,
    /// The library, and nobody sees what others commit meanwhile.
    Serializable,
}

impl Form {
    const ALL: [(Self, &str); 3] =
        [(Self::Caller, "caller"), (Self::Library, "library"), (Self::Serializable, "serializable")];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(form, _)| *form == self).unwrap().1
    }
}

/// What one process is told.
pub(crate) struct Job {
    pub(crate) url: String,
    pub(crate) form: Form,
    pub(crate) callers: usize,
    /// Where it is to say that it can be killed; empty for nowhere.
    pub(crate) trap: String,
    pub(crate) keys: Vec<i64>,
}

impl Job {
    pub(crate) fn text(&self) -> String {
        let Self { url, form, callers, trap, keys } = self;
        let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
        [url, form.name(), &callers.to_string(), trap, &keys.join(",")].join("\n")
    }

    fn read(text: &str) -> Self {
        let words: Vec<&str> = text.split('\n').collect();
        let [url, form, callers, trap, keys] = words.as_slice() else { panic!("not a job: {text}") };
        Self {
            url: (*url).into(),
            form: Form::ALL.into_iter().find(|(_, name)| name == form).unwrap().0,
            callers: callers.parse().unwrap(),
            trap: (*trap).into(),
            keys: keys.split(',').map(|key| key.parse().unwrap()).collect(),
        }
    }
}

impl Failure {
    /// Whether whoever calls is to call again.
    fn passes(&self) -> bool {
        match self {
            Self::Refused(error) => {
                matches!(error.kind(), ErrorKind::Contended | ErrorKind::Store | ErrorKind::OutcomeUnknown)
            }
            Self::Database(_) => true,
            Self::Declined => false,
        }
    }
}

/// Does what the environment says; without it, this is no worker.
#[test]
fn worker() {
    let Ok(job) = std::env::var(JOB) else { return };
    let job = Job::read(&job);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(path) = job.url.strip_prefix("sqlite:") {
            let hooks = Hooks::read(&job.trap);
            let pool = crate::sqlite::open(path, job.callers, &hooks);
            call_all(&job, async |key, declines| order_in_file(&pool, job.form, key, declines, &hooks).await).await;
        } else {
            let most = u32::try_from(job.callers).unwrap();
            let patience = Duration::from_secs(30);
            let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(patience);
            let pool = pool.connect_lazy(&job.url).unwrap();
            call_all(&job, async |key, declines| order(&pool, job.form, key, declines).await).await;
        }
    });
}

pub(crate) fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{line}").and_then(|()| out.flush()).unwrap();
}

/// How often a caller calls again before it says that this does not pass.
const MOST_TRIES: usize = 500;

/// Whether a key's body is to fail once, after which its caller commits as if it had not.
fn is_careless(key: i64) -> bool {
    key % 7 == 0
}

async fn call_all(job: &Job, order: impl AsyncFn(i64, bool) -> Result<(String, How), Failure>) {
    // Some keys have two callers at once.
    let keys = job.keys.iter().flat_map(|&key| std::iter::repeat_n(key, if key % 3 == 0 { 2 } else { 1 }));
    let keys: Mutex<VecDeque<i64>> = Mutex::new(keys.collect());
    let caller = async || {
        loop {
            let Some(key) = keys.lock().unwrap().pop_front() else { break };
            call(key, job.form == Form::Caller && is_careless(key), &order).await;
        }
    };
    let mut callers: Vec<_> = (0..job.callers).map(|_| Box::pin(caller())).collect();
    // They share a task, and not their connections.
    std::future::poll_fn(|cx| {
        callers.retain_mut(|caller| caller.as_mut().poll(cx).is_pending());
        if callers.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

async fn call(key: i64, mut declines: bool, order: &impl AsyncFn(i64, bool) -> Result<(String, How), Failure>) {
    for tries in 0.. {
        match order(key, declines).await {
            Ok((id, how)) => return tell(&format!("reply {key} {id} {}", how.as_str())),
            Err(Failure::Declined) if declines => declines = false,
            Err(failure) if failure.passes() && tries < MOST_TRIES => {
                tell(&format!("again {key} {failure:?}"));
                // Nothing tells when a server is back.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(failure) => return tell(&format!("broken {key} {failure:?}")),
        }
    }
}

/// A caller that does not look at what its call came to commits; whether that was refused.
fn tell_careless(key: i64, committed: &Result<(), sqlx::Error>) {
    match committed {
        Ok(()) => tell(&format!("broken {key} a call that had failed was committed")),
        Err(sqlx::Error::Database(_)) => tell(&format!("careless {key}")),
        Err(_) => {}
    }
}

async fn order(pool: &PgPool, form: Form, key: i64, declines: bool) -> Result<(String, How), Failure> {
    let seen = match form {
        Form::Caller => {
            let mut tx = pool.begin().await?;
            let seen = observe_async(place(&mut tx, key, declines)).await;
            match seen.value {
                Ok(_) => tx.commit().await?,
                Err(Failure::Declined) => tell_careless(key, &tx.commit().await),
                Err(_) => tx.rollback().await?,
            }
            seen
        }
        Form::Library => observe_async(transaction(pool, move |tx| Box::pin(place(tx, key, false)))).await,
        Form::Serializable => {
            let call = transaction(pool, move |tx| {
                Box::pin(async move {
                    query(AssertSqlSafe("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")).execute(&mut *tx).await?;
                    place(tx, key, false).await
                })
            });
            observe_async(call).await
        }
    };
    Ok((seen.value?, seen.how))
}

async fn order_in_file(
    pool: &SqlitePool,
    form: Form,
    key: i64,
    declines: bool,
    hooks: &Hooks,
) -> Result<(String, How), Failure> {
    let seen = if form == Form::Caller {
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        let seen = observe_async(place_in_file(&mut tx, key, declines)).await;
        match seen.value {
            Ok(_) => tx.commit().await?,
            Err(Failure::Declined) => tell_careless(key, &tx.commit().await),
            Err(_) => tx.rollback().await?,
        }
        seen
    } else {
        observe_async(transaction(pool, move |tx| Box::pin(place_in_file(tx, key, false)))).await
    };
    let id = seen.value?;
    if seen.how == How::Executed {
        hooks.committed();
    }
    Ok((id, seen.how))
}
