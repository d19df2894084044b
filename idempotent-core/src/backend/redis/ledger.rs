//! The verbs, asked of the server by the library's own thread.

use super::connection::{Line, PAUSE, Repeat};
use super::doubt::{Doubt, ServerClock, Settled};
use super::fault::{Failure, SILENT};
use super::name::Names;
use super::row::{self, Heard};
use super::script::Call;
use crate::store::{Claim, Claimed, Glimpse, Hold, Place, Standing, StoreError};
use ::redis::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How many records are asked for at once.
const MANY: usize = 64;

/// How often, and after which pauses, something is asked again that nobody waits for.
const TRIES: usize = 60;
const AGAIN: Duration = Duration::from_millis(500);

/// Where the records are, and what they are called.
pub(super) struct Ledger {
    pub(super) line: Arc<Line>,
    pub(super) names: Names,
    pub(super) clock: ServerClock,
}

/// A part of the records of a scope.
pub(super) struct Page {
    pub(super) scope: Arc<str>,
    pub(super) standing: Standing,
    pub(super) after: Option<Arc<str>>,
    pub(super) limit: usize,
}

impl Ledger {
    /// Asks for a key. The same owner asks again where an answer was lost, and is told that the key is its own. Also until
    /// when something that was lost may be carried out, by the server's clock, if something was.
    pub(super) async fn claim(&self, claim: &Claim, number: u64) -> (Result<Claimed, StoreError>, Option<u64>) {
        let deadline = self.line.deadline();
        let mut lost_until = None;
        loop {
            // After that nobody waits for the answer.
            let last = self.clock.at(deadline);
            let call = row::claim(self.names.with_last_token(&claim.place), claim, number, last);
            let mut is_lost = false;
            let answer = self.line.call_by(&call, deadline, &mut is_lost).await;
            if is_lost {
                lost_until = lost_until.max(Some(last));
            }
            match answer.map_err(StoreError::from).and_then(row::claimed) {
                Ok(Heard::Claimed(claimed)) => return (Ok(claimed), lost_until),
                Err(error) => return (Err(error), lost_until),
                Ok(Heard::Late { now }) => self.clock.hear(now),
            }
            if deadline.saturating_duration_since(Instant::now()) <= PAUSE {
                return (Err(StoreError::new(SILENT)), lost_until);
            }
        }
    }

    /// Gives back what a claim may have been granted whose answer nobody heard.
    pub(super) async fn disclaim(&self, doubt: &Doubt) -> Result<Settled, Failure> {
        let call = row::disclaim(self.names.of(&doubt.place), doubt);
        let settled = row::settled(self.line.call(&call, Repeat::Harmless).await?).map_err(Failure::lasting)?;
        if let Settled::NotYet { now, .. } = settled {
            self.clock.hear(now);
        }
        Ok(settled)
    }

    /// Asks again and again what nobody is left to ask again, until the lease ends it anyway.
    pub(super) async fn insist(&self, call: &Call) {
        for _ in 0..TRIES {
            match self.line.call(call, Repeat::Harmless).await {
                Err(failure) if failure.passing => sleep(AGAIN).await,
                _ => break,
            }
        }
    }

    pub(super) async fn renew(&self, holds: Vec<Hold>, lease: Duration) -> Result<Vec<bool>, StoreError> {
        let mut renewed = Vec::with_capacity(holds.len());
        for some in holds.chunks(MANY) {
            let calls = some.iter().map(|hold| row::renew(self.names.of(&hold.place), hold, lease)).collect();
            for answer in self.all(calls).await? {
                renewed.push(row::renewed(answer)?);
            }
        }
        Ok(renewed)
    }

    pub(super) async fn peek(&self, place: &Place) -> Result<Option<Glimpse>, StoreError> {
        let call = row::peek(self.names.of(place), place);
        row::seen(self.line.call(&call, Repeat::Harmless).await?)
    }

    pub(super) async fn forget(&self, place: &Place) -> Result<bool, StoreError> {
        let call = row::forget(self.names.of(place), place);
        row::yes(self.line.call(&call, Repeat::Misleading).await?)
    }

    pub(super) async fn resolve(
        &self,
        place: &Place,
        outcome: Vec<u8>,
        retention: Option<Duration>,
    ) -> Result<bool, StoreError> {
        let call = row::resolve(self.names.with_last_token(place), place, outcome, retention);
        row::yes(self.line.call(&call, Repeat::Misleading).await?)
    }

    pub(super) async fn list(&self, page: &Page) -> Result<Vec<Glimpse>, StoreError> {
        if page.limit == 0 {
            return Ok(Vec::new());
        }
        let is_after = |key: &str| page.after.as_deref().is_none_or(|after| key > after);
        let found = self.line.names(&self.names.pattern(&page.scope)).await?;
        let mut named: Vec<(String, Vec<u8>)> = Vec::new();
        let mut digests = Vec::new();
        for name in found {
            match self.names.key(&page.scope, &name) {
                Some(key) if is_after(&key) => named.push((key, name)),
                Some(_) => {}
                None => digests.push(name),
            }
        }
        // What stands under a digest says its key itself, so all of those are read.
        for seen in self.glimpses(digests).await? {
            if is_after(&seen.place.key) {
                named.push((seen.place.key.to_string(), self.names.of(&seen.place)));
            }
        }
        named.sort_unstable();
        named.dedup();
        let mut listed = Vec::new();
        for some in named.chunks(MANY) {
            let seen = self.glimpses(some.iter().map(|(_, name)| name.clone()).collect()).await?;
            listed.extend(
                seen.into_iter().filter(|seen| seen.standing == page.standing && seen.place.scope == page.scope),
            );
            if listed.len() >= page.limit {
                break;
            }
        }
        listed.truncate(page.limit);
        Ok(listed)
    }

    /// What stands under some names, in their order; what is gone is left out.
    async fn glimpses(&self, names: Vec<Vec<u8>>) -> Result<Vec<Glimpse>, StoreError> {
        let answers = self.all(names.into_iter().map(row::peek_at).collect()).await?;
        answers.into_iter().filter_map(|answer| row::seen(answer).transpose()).collect()
    }

    /// The answers to calls that are made beside each other, in their order.
    async fn all(&self, calls: Vec<Call>) -> Result<Vec<Value>, StoreError> {
        let mut asked = JoinSet::new();
        let mut answers: Vec<Value> = vec![Value::Nil; calls.len()];
        for (index, call) in calls.into_iter().enumerate() {
            let line = self.line.clone();
            asked.spawn(async move { (index, line.call(&call, Repeat::Harmless).await) });
        }
        while let Some(answer) = asked.join_next().await {
            let (index, answer) =
                answer.map_err(|error| StoreError::caused("a request to Redis was not made", error))?;
            if let Some(place) = answers.get_mut(index) {
                *place = answer?;
            }
        }
        Ok(answers)
    }
}
