//! The crates that are built: the same functions, with one attribute, another, or none.

use std::fmt::Write as _;

/// Which attribute the functions have.
#[derive(Clone, Copy)]
pub(super) enum Flavor {
    Plain,
    Ours,
    Cached,
}

impl Flavor {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::Ours, Self::Cached];

    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Ours => "ours",
            Self::Cached => "cached",
        }
    }

    fn attribute(self, key: &str) -> String {
        match self {
            Self::Plain => String::new(),
            Self::Ours => format!("#[idempotently::idempotent(key = {key})]\n"),
            Self::Cached => "#[cached::proc_macro::cached(sync_writes = \"by_key\")]\n".to_owned(),
        }
    }
}

/// Whether the functions are awaited.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Sync,
    Async,
}

impl Kind {
    pub(super) const ALL: [Self; 2] = [Self::Sync, Self::Async];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

pub(super) fn name(flavor: Flavor, kind: Kind) -> String {
    format!("{}-{}", flavor.word(), kind.word())
}

pub(super) fn manifest(flavor: Flavor, kind: Kind) -> String {
    let repository = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let dependency = match (flavor, kind) {
        (Flavor::Plain, _) => String::new(),
        (Flavor::Ours, _) => format!("idempotently = {{ path = {repository:?} }}\n"),
        (Flavor::Cached, Kind::Sync) => "cached = \"4.1\"\n".to_owned(),
        (Flavor::Cached, Kind::Async) => "cached = { version = \"4.1\", features = [\"async\"] }\n".to_owned(),
    };
    let name = name(flavor, kind);
    format!("[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}")
}

/// A library of that many functions, which return one of that many types: every second type inside a `Result`. Every
/// second function has a number as its key, the others a text.
pub(super) fn text(flavor: Flavor, kind: Kind, functions: usize, types: usize) -> String {
    let mut text = head(flavor, kind);
    for number in 0..types {
        let _ = write!(
            text,
            "\n#[derive(Clone, Debug)]\npub struct Outcome{number} {{\n    pub id: u64,\n    pub name: String,\n}}\n"
        );
    }
    for number in 0..functions {
        text.push_str(&function(flavor, kind, number, number % types, (number / types).is_multiple_of(2)));
    }
    text
}

fn head(flavor: Flavor, kind: Kind) -> String {
    let mut text = match kind {
        Kind::Sync => String::new(),
        Kind::Async => "use std::future::Future;\nuse std::pin::Pin;\n\n\
             pub async fn step(id: u64) -> u64 {\n    std::future::ready(id).await + 1\n}\n"
            .to_owned(),
    };
    let (refused, from) = match flavor {
        Flavor::Plain | Flavor::Cached => ("", ""),
        Flavor::Ours => (
            "    Refused(idempotently::Error),\n",
            "\nimpl From<idempotently::Error> for Failure {\n    \
             fn from(error: idempotently::Error) -> Self {\n        Self::Refused(error)\n    }\n}\n",
        ),
    };
    let _ = write!(text, "\n#[derive(Clone, Debug)]\npub enum Failure {{\n    Declined(u64),\n{refused}}}\n{from}");
    text
}

fn function(flavor: Flavor, kind: Kind, number: usize, ty: usize, by_number: bool) -> String {
    let (key, argument, id) =
        if by_number { ("id", "id: u64", "id") } else { ("name", "name: &str", "name.len() as u64") };
    let (returns, end) = if ty.is_multiple_of(2) {
        (format!("Outcome{ty}"), format!("    Outcome{ty} {{ id, name }}\n"))
    } else {
        let decline = "    if id == 0 {\n        return Err(Failure::Declined(id));\n    }\n";
        (format!("Result<Outcome{ty}, Failure>"), format!("{decline}    Ok(Outcome{ty} {{ id, name }})\n"))
    };
    let name = if by_number { "id.to_string()" } else { "name.to_owned()" };
    let attribute = flavor.attribute(key);
    match kind {
        Kind::Sync => format!(
            "\n{attribute}pub fn work_{number}({argument}) -> {returns} {{\n    \
             let id = {id} + {number};\n    let name = {name};\n{end}}}\n"
        ),
        // A library contains the code of an async function only where somebody awaits it, or boxes it.
        Kind::Async => format!(
            "\n{attribute}pub async fn work_{number}({argument}) -> {returns} {{\n    \
             let id = step({id}).await + {number};\n    let name = {name};\n    step(id).await;\n{end}}}\n\n\
             pub fn boxed_{number}({boxed}) -> Pin<Box<dyn Future<Output = {returns}> + Send{bound}>> {{\n    \
             Box::pin(work_{number}({key}))\n}}\n",
            boxed = argument,
            bound = if by_number { "" } else { " + '_" },
        ),
    }
}
