use idempotently::{Error, idempotent};

struct Shop;

impl Shop {
    const MOST: usize = 3;

    #[idempotent(key = id, capacity = Self::MOST)]
    fn capacity_of_self(id: u64) -> Result<u64, Error> {
        Ok(id)
    }

    #[idempotent(key = id, handle = SHOP)]
    fn handle_of_self(id: u64) -> u64 {
        id + Self::MOST as u64
    }
}

#[idempotent(key = id, capacity = MOST)]
fn capacity_of_a_parameter<const MOST: usize>(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[idempotent(key = self.id)]
fn key_of_self(id: u64) -> u64 {
    id
}

#[idempotent(key = id, scope = name)]
fn scope_of_an_argument(id: u64, name: &str) -> usize {
    name.len() + id as usize
}

#[idempotent(key = id, scope = name)]
fn scope_of_an_owned_argument(id: u64, name: String) -> usize {
    name.len() + id as usize
}

fn main() {}
