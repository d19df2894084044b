use idempotently::idempotent;

#[derive(Clone)]
struct Bank;

impl Bank {
    #[idempotent(key = id, handle = PAY)]
    fn pay(&self, id: u64) -> u64 {
        id
    }

    #[idempotent(key = id, handle = OPEN)]
    fn open(id: u64) -> Self {
        drop(id.to_string());
        Self
    }
}

fn main() {
    let _ = Bank::open(1).pay(1);
}
