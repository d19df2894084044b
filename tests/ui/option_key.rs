use idempotently::idempotent;

#[idempotent(key = header)]
fn must_choose(header: Option<String>) -> Option<String> {
    header
}

#[idempotent(key = header, missing = run)]
fn not_an_option(header: String) -> String {
    header
}

fn main() {}
