//! A crowd of tasks that wait for one key: from the moment that the body may end until the last task has its outcome.

use crate::measure::{Contender, Effort, Results, Turn, compete, exact};
use crate::subjects::body;
use crate::table::{Budget, Table};
use idempotently::idempotent;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, OnceCell};

const OURS: &str = "tasks that join";
const OURS_TENTH: &str = "a tenth of the tasks that join";
const CELL: &str = "tokio OnceCell";
const CELL_TENTH: &str = "tokio OnceCell, a tenth";

/// How far from ten times as long ten times as many may be: the crowd's own memory leaves the processor's caches.
const LINEAR: f64 = 1.5;

pub(super) fn measure(effort: &Effort) -> Table {
    let mut table = Table::of_ratios(&format!("Wake-up of {} tasks on one u64 key, ns per task", effort.tasks));
    let runtimes = [
        ("one thread", Builder::new_current_thread().build()),
        ("two threads", { Builder::new_multi_thread().worker_threads(2).build() }),
    ];
    for (threads, runtime) in runtimes {
        let Ok(runtime) = runtime else { continue };
        let results = on(&runtime, effort);
        let mut compare = |one, other, budget| {
            let nanos = (results.nanos(one), results.nanos(other));
            table.ratio((&format!("{one}, {threads}"), nanos.0), (other, nanos.1), results.ratio(one, other), budget);
        };
        compare(OURS, CELL, Budget::AtMost(1.2));
        compare(OURS, OURS_TENTH, Budget::AtMost(LINEAR));
        compare(CELL, CELL_TENTH, Budget::Open);
    }
    table
}

fn on(runtime: &Runtime, effort: &Effort) -> Results {
    let (all, tenth) = (effort.tasks, effort.tasks / 10);
    let per_task = |name, tasks: u64, wake: fn(&Runtime, u64) -> Duration| {
        // A turn is one wake-up; what it took is spread over its tasks.
        Contender::timed(name, move |_| wake(runtime, tasks).div_f64(exact(tasks)))
    };
    compete(
        vec![
            per_task(OURS, all, wake_ours),
            per_task(CELL, all, wake_cell),
            per_task(OURS_TENTH, tenth, wake_ours),
            per_task(CELL_TENTH, tenth, wake_cell),
        ],
        effort.heavy_rounds * 4,
        Turn::Calls(1),
    )
}

/// What a body and its crowd have in common.
#[derive(Default)]
struct Meeting {
    executions: AtomicU64,
    waiting: AtomicU64,
    answered: AtomicU64,
    begun: Notify,
    may_end: Notify,
    done: Notify,
}

impl Meeting {
    async fn body(&self, id: u64) -> u64 {
        self.executions.fetch_add(1, Ordering::Relaxed);
        self.begun.notify_one();
        self.may_end.notified().await;
        body(id)
    }

    /// Awaits `call`, and says that it waits once it has been polled, and that it is answered once it is.
    async fn attend(&self, call: impl Future<Output = u64>, tasks: u64) {
        let mut call = pin!(call);
        let mut polled = false;
        let answer = std::future::poll_fn(|cx| {
            let answer = call.as_mut().poll(cx);
            if answer.is_pending() && !polled {
                polled = true;
                self.waiting.fetch_add(1, Ordering::AcqRel);
            }
            answer
        })
        .await;
        std::hint::black_box(answer);
        if self.answered.fetch_add(1, Ordering::AcqRel) + 1 == tasks {
            self.done.notify_one();
        }
    }
}

#[idempotent(key = id)]
async fn ours(id: u64, meeting: &Meeting) -> u64 {
    meeting.body(id).await
}

fn wake_ours(runtime: &Runtime, tasks: u64) -> Duration {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    wake(runtime, tasks, move |meeting| async move { ours(id, &meeting).await })
}

fn wake_cell(runtime: &Runtime, tasks: u64) -> Duration {
    let cell = Arc::new(OnceCell::new());
    wake(runtime, tasks, move |meeting| {
        let cell = cell.clone();
        async move { *cell.get_or_init(|| meeting.body(7)).await }
    })
}

/// One body, and a crowd that waits for it: how long the crowd takes from the moment that the body may end.
fn wake<F>(runtime: &Runtime, tasks: u64, call: impl Fn(Arc<Meeting>) -> F) -> Duration
where
    F: Future<Output = u64> + Send + 'static,
{
    let meeting = Arc::new(Meeting::default());
    runtime.block_on(async {
        let attend = |meeting: &Arc<Meeting>| {
            let (call, meeting) = (call(meeting.clone()), meeting.clone());
            tokio::spawn(async move { meeting.attend(call, tasks).await })
        };
        // The handles keep the tasks' memory: giving that back is no part of waking up.
        let leader = attend(&meeting);
        meeting.begun.notified().await;
        let followers: Vec<_> = (1..tasks).map(|_| attend(&meeting)).collect();
        std::future::poll_fn(|cx| {
            if meeting.waiting.load(Ordering::Acquire) == tasks {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        let start = Instant::now();
        meeting.may_end.notify_one();
        meeting.done.notified().await;
        let took = start.elapsed();
        drop((leader, followers));
        assert_eq!(meeting.executions.load(Ordering::Relaxed), 1, "one execution, however many wait");
        took
    })
}
