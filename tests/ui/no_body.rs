use idempotently::idempotent;

trait Pay {
    #[idempotent(key = id)]
    fn pay(&self, id: u64) -> u64;
}

impl Pay for u8 {
    fn pay(&self, id: u64) -> u64 {
        id
    }
}

fn main() {
    let _ = 1_u8.pay(1);
}
