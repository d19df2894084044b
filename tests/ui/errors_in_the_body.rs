use idempotently::idempotent;

#[idempotent(key = n)]
fn wrong_type(n: u8) -> u64 {
    if n == 0 {
        return "zero";
    }
    n
}

#[idempotent(key = n)]
async fn wrong_type_async(n: u8) -> u64 {
    if n == 0 {
        return "zero";
    }
    n
}

#[idempotent(key = n)]
fn no_value(n: u8) -> u64 {
    drop(n);
}

#[idempotent(key = n)]
fn question_mark(n: u8) -> u64 {
    let value: u64 = n.to_string().parse()?;
    value
}

#[idempotent(key = name)]
fn moved_twice(name: String) -> String {
    drop(name);
    name
}

#[idempotent(key = n)]
fn unsafe_call(n: u8) -> u8 {
    at(&raw const n)
}

unsafe fn at(pointer: *const u8) -> u8 {
    // SAFETY: promised by the caller.
    unsafe { *pointer }
}

fn main() {}
