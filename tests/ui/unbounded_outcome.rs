use idempotently::idempotent;

#[idempotent(key = n)]
fn parameter<T: Default>(n: u8) -> T {
    drop(n.to_string());
    T::default()
}

trait Pay {
    type Receipt;

    fn receipt(&self) -> Self::Receipt;

    #[idempotent(key = id)]
    fn pay(&self, id: u64) -> Self::Receipt {
        drop(id.to_string());
        self.receipt()
    }
}

fn main() {}
