//! A shop with a "Pay now" button that may be pressed as often as one likes.
//!
//! `cargo run --example shop`, and open the address that it prints; `-- --help` says what else it does. There are two
//! shops on the page. They have the same handler (`payments.rs`), the same bank and the same bad network, and differ in
//! one layer, in `shops` below.
//!
//! Every charge is a line in the shop's ledger (`ledger.rs`), from which the page takes what it shows. Ctrl-C, or even
//! `kill -9`, and start it again: the ledger and the answers are still there.

mod arguments;
mod home;
mod journal;
mod ledger;
mod network;
mod page;
mod payments;

use std::error::Error;
use std::io::{self, Write as _};
use std::iter;
use std::net::Ipv4Addr;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use arguments::{Options, Task};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use home::Home;
use idempotently::http::{Caller, IdempotencyLayer};
use idempotently::{InFlight, SharedStore, shutdown};
use journal::Journal;
use ledger::Ledger;
use network::{Cord, Lines};
use payments::{Shop, pay};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

fn main() -> ExitCode {
    let done = match arguments::parse() {
        Ok(Task::Help) => tell(arguments::HELP).map_err(Into::into),
        Ok(Task::Open(options)) => run(&options),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "shop: {}", chain(&*error));
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let home = Home::find(options)?;
    let store = home.store()?;
    let ledger = Arc::new(Ledger::open(home.ledger())?);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(open(options.port, &home, store, ledger))
}

/// Opens the shops until Ctrl-C.
async fn open(port: u16, home: &Home, store: SharedStore, ledger: Arc<Ledger>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .map_err(|error| format!("port {port}: {error}; choose another with --port"))?;
    tell(&format!(
        "The shop is open: http://{}/\n  answers  {}\n  ledger   {}\nCtrl-C closes it; started again, it remembers both.",
        listener.local_addr()?,
        home.records(),
        home.ledger().display(),
    ))?;
    let journal = Arc::new(Journal::default());
    let app = page::routes(&journal, &ledger).merge(shops(&journal, &ledger, &store));
    let app = app.into_make_service_with_connect_info::<Cord>();
    axum::serve(Lines::of(listener), app)
        .with_graceful_shutdown(async move {
            let _ = ctrl_c().await;
            // The page listens to the journal as long as there is one.
            journal.close();
            // Who cannot wait until the last request is answered presses again.
            tokio::spawn(async {
                let _ = ctrl_c().await;
                exit(130);
            });
        })
        .await?;
    shutdown(Duration::from_secs(10)).await;
    Ok(())
}

/// Two shops that differ in one layer, behind one bad network.
fn shops(journal: &Arc<Journal>, ledger: &Arc<Ledger>, store: &SharedStore) -> Router {
    // Nobody logs in here, and whoever has the number of an order may see its receipt. Where somebody does, the caller is
    // `Caller::extension::<Account>()`.
    let layer = IdempotencyLayer::builder(Caller::shared())
        .required()
        .store(store)
        .scope("shop.payments")
        .in_flight(InFlight::Wait)
        .lease(Duration::from_secs(5))
        .build();
    let shop = |name| Router::new().route(&format!("/{name}/payments"), post(pay)).with_state(Shop::new(name, ledger));
    let with = shop("with").layer(layer);
    let without = shop("without");
    with.merge(without).layer(from_fn_with_state(journal.clone(), network::carry))
}

fn tell(words: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{words}").and_then(|()| out.flush())
}

/// What went wrong, and why.
fn chain(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}
