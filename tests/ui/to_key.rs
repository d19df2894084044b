use idempotently::ToKey;

#[derive(ToKey)]
enum Kind {
    One,
    Two,
}

#[derive(ToKey)]
union Bits {
    number: u64,
    bytes: [u8; 8],
}

#[derive(ToKey)]
struct Unit;

#[derive(ToKey)]
struct Empty {}

#[derive(ToKey)]
struct Float {
    name: String,
    amount: f64,
}

#[derive(ToKey)]
struct Optional(u8, Option<u8>);

#[derive(ToKey)]
struct Attribute {
    #[to_key(skip)]
    name: String,
}

#[derive(ToKey)]
#[to_key(rename = "x")]
struct Unknown {
    name: String,
}

#[derive(ToKey)]
struct Generic<T>(T);

fn is_key<T: idempotently::key::ToKey>() {}

fn main() {
    // Only the last is an error of its own: the others have been reported.
    is_key::<Kind>();
    is_key::<Unit>();
    is_key::<Float>();
    is_key::<Attribute>();
    is_key::<Generic<u8>>();
    is_key::<Generic<f64>>();
    let _ = (Kind::One, Kind::Two);
}
