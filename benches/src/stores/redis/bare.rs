//! A client without the library: one connection that all callers share, and the library's own scripts.

use crate::stores::caller::Peer;
use crate::stores::must;
use crate::stores::ours::{Known, LEASE, NEVER_LATE, OUTCOME, RETENTION, SCOPE, micros, owner, place};
use idempotently::backend::redis::redis::aio::MultiplexedConnection;
use idempotently::backend::redis::redis::{AsyncConnectionConfig, Client, Cmd, Script, Value, cmd};
use idempotently::store::Place;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

macro_rules! script {
    ($begin:literal, $verb:literal) => {
        Script::new(concat!(
            $begin,
            include_str!("../../../../idempotent-core/src/backend/redis/script/record.lua"),
            include_str!("../../../../idempotent-core/src/backend/redis/script/guard.lua"),
            include_str!(concat!("../../../../idempotent-core/src/backend/redis/script/", $verb)),
        ))
    };
}

static CLAIM: LazyLock<Script> = LazyLock::new(|| script!("", "claim.lua"));
static COMPLETE: LazyLock<Script> = LazyLock::new(|| script!("#!lua flags=allow-oom\n", "complete.lua"));

/// The name of the last token, as the store's.
const LAST_TOKEN: &str = "idempotently/last_token";

/// How many requests may queue for a connection, as with the store's.
const QUEUE: usize = 1024;

/// By what the server knows the script of a claim.
pub(super) fn digest_of_claim() -> &'static str {
    CLAIM.get_hash()
}

#[derive(Clone)]
pub(super) struct Bare {
    connection: MultiplexedConnection,
    known: Known,
    names: Arc<str>,
}

impl Bare {
    pub(super) fn connect(runtime: &Runtime, url: &str, known: Known) -> Self {
        let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(QUEUE);
        let connection = runtime.block_on(async {
            let client = must("no client", Client::open(url));
            let mut connection =
                must("not connected", client.get_multiplexed_async_connection_with_config(&config).await);
            for script in [&*CLAIM, &*COMPLETE] {
                must("not loaded", script.prepare_invoke().load_async(&mut connection).await);
            }
            connection
        });
        Self { connection, known, names: format!("idempotently/{SCOPE}/").into() }
    }

    /// The beginning of a request. A claim takes a token, and names where the last one is.
    fn evaluate(&self, script: &Script, place: &Place) -> Cmd {
        let mut command = cmd("EVALSHA");
        let takes_token = script.get_hash() == CLAIM.get_hash();
        command.arg(script.get_hash()).arg(1 + usize::from(takes_token));
        command.arg(format!("{}{}", self.names, place.key));
        if takes_token {
            command.arg(LAST_TOKEN);
        }
        command.arg(&*place.scope).arg(&*place.key);
        command
    }

    async fn ask(&mut self, command: &Cmd) -> Vec<Value> {
        let answer = must("no answer", command.query_async(&mut self.connection).await);
        let Value::Array(answer) = answer else { panic!("no answer of a script: {answer:?}") };
        answer
    }

    async fn claim(&mut self, place: &Place, random: u64) -> Vec<Value> {
        let mut command = self.evaluate(&CLAIM, place);
        command.arg(owner(random).as_slice()).arg(0).arg([0_u8; 16].as_slice()).arg(micros(LEASE)).arg(-1).arg(random);
        command.arg(NEVER_LATE);
        self.ask(&command).await
    }
}

impl Peer for Bare {
    async fn replay(mut self, random: u64) {
        let known = self.known.clone();
        let answer = self.claim(known.pick(random), random).await;
        let [_, Value::BulkString(outcome)] = answer.as_slice() else { panic!("a known key is {answer:?}") };
        assert_eq!(outcome.len(), OUTCOME.len());
    }

    async fn fresh(mut self, random: u64) {
        let place = place(random);
        let answer = self.claim(&place, random).await;
        let [_, Value::Int(token), _] = answer.as_slice() else { panic!("a new key is {answer:?}") };
        let mut command = self.evaluate(&COMPLETE, &place);
        command.arg(*token).arg(OUTCOME.as_slice()).arg(micros(RETENTION)).arg(0).arg([0_u8; 16].as_slice());
        let answer = self.ask(&command).await;
        assert!(matches!(answer.as_slice(), [Value::BulkString(word)] if word == b"done"), "{answer:?}");
    }
}
