use idempotently::idempotent;

#[derive(Clone)]
struct Token<'a>(&'a str);

#[idempotent(key = text)]
#[allow(mismatched_lifetime_syntaxes)]
fn lifetime_not_written(text: &str) -> Token {
    Token(text)
}

fn main() {
    let _ = lifetime_not_written("a").0;
}
