//! Every kind of method, with not one lint.

#![deny(warnings)]
#![forbid(unsafe_code)]

use std::sync::Arc;

use idempotently::idempotent;

#[derive(Clone, Debug)]
pub struct Bank<T> {
    pub name: String,
    pub balance: T,
}

impl<T: Clone + Send + Sync + 'static> Bank<T> {
    const SCOPE: &'static str = "bank";

    #[idempotent(key = (self.name, id))]
    fn by_reference(&self, id: u64) -> T {
        let _ = id;
        self.balance.clone()
    }

    #[idempotent(key = (self.name, id))]
    async fn by_reference_async(&self, id: u64) -> T {
        std::future::ready(id).await;
        self.balance.clone()
    }

    #[idempotent(key = id)]
    fn by_exclusive_reference(&mut self, id: u64, balance: T) -> Self {
        self.balance = balance;
        self.name = id.to_string();
        self.clone()
    }

    #[idempotent(key = id)]
    async fn by_exclusive_reference_async(&mut self, id: u64, balance: T) -> Self {
        self.balance = balance;
        self.name = std::future::ready(id).await.to_string();
        self.clone()
    }

    #[idempotent(key = self.name)]
    fn by_value(self) -> Self {
        self
    }

    #[idempotent(key = self.name)]
    async fn by_value_async(mut self) -> Self {
        self.name = std::future::ready(String::new()).await;
        self
    }

    #[idempotent(key = self.name)]
    fn by_arc(self: Arc<Self>) -> Arc<Self> {
        self
    }

    #[idempotent(key = self.name)]
    async fn by_arc_async(self: Arc<Self>) -> Arc<Self> {
        std::future::ready(self).await
    }

    #[idempotent(key = name, scope = Self::SCOPE)]
    fn associated(name: &str, balance: T) -> Self {
        Self { name: name.to_owned(), balance }
    }

    #[idempotent(key = name, scope = Self::SCOPE)]
    async fn associated_async(name: &str, balance: T) -> Self {
        Self { name: std::future::ready(name).await.to_owned(), balance }
    }
}

trait Pay {
    type Receipt: Clone + Send + Sync + 'static;

    fn receipt(&self) -> Self::Receipt;

    #[idempotent(key = id)]
    fn pay(&self, id: u64) -> Self::Receipt {
        drop(id.to_string());
        self.receipt()
    }

    #[idempotent(key = id)]
    fn pay_by_value(self, id: u64) -> Self::Receipt
    where
        Self: Sized,
    {
        drop(id.to_string());
        self.receipt()
    }

    fn charge(&self, id: u64) -> Result<u64, idempotently::Error>;

    #[allow(async_fn_in_trait)]
    async fn charge_async(&self, id: u64) -> Result<u64, idempotently::Error>;
}

impl Pay for Bank<u64> {
    type Receipt = String;

    fn receipt(&self) -> String {
        self.name.clone()
    }

    #[idempotent(key = id, in_flight = reject)]
    fn charge(&self, id: u64) -> Result<u64, idempotently::Error> {
        Ok(id + self.balance)
    }

    #[idempotent(key = id, fingerprint = self.balance)]
    async fn charge_async(&self, id: u64) -> Result<u64, idempotently::Error> {
        Ok(std::future::ready(id).await + self.balance)
    }
}

fn futures_are_send(bank: &mut Bank<u64>) {
    const fn send<T: Send>(_: &T) {}
    send(&bank.by_reference_async(1));
    send(&bank.by_exclusive_reference_async(1, 2));
    send(&bank.clone().by_value_async());
    send(&Arc::new(bank.clone()).by_arc_async());
    send(&Bank::associated_async("a", 1));
    send(&bank.charge_async(1));
}

fn main() {
    let mut bank = Bank { name: "a".to_owned(), balance: 5_u64 };
    assert_eq!(bank.by_reference(1), 5);
    assert_eq!(bank.by_exclusive_reference(3, 4).balance, 4);
    assert_eq!(bank.clone().by_value().name, "3");
    assert_eq!(Arc::new(bank.clone()).by_arc().balance, 4);
    assert_eq!(Bank::associated("b", 1).name, "b");
    assert_eq!(bank.pay(1), "3");
    assert_eq!(bank.clone().pay_by_value(2), "3");
    assert_eq!(bank.charge(1).ok(), Some(5));
    futures_are_send(&mut bank);
}
