//! The verbs as scripts, which the server runs one after the other: each is one command, on one record.

use ::redis::{Cmd, cmd};
use once_cell::sync::Lazy;

macro_rules! script {
    ($name:ident, guarded, $file:literal) => {
        pub(super) static $name: Lazy<Script> = Lazy::new(|| {
            Script::new(concat!(
                include_str!("script/record.lua"),
                include_str!("script/guard.lua"),
                include_str!($file)
            ))
        });
    };
    ($name:ident, $file:literal) => {
        pub(super) static $name: Lazy<Script> =
            Lazy::new(|| Script::new(concat!(include_str!("script/record.lua"), include_str!($file))));
    };
}

script!(CLAIM, guarded, "script/claim.lua");
script!(RENEW, guarded, "script/renew.lua");
script!(COMPLETE, guarded, "script/complete.lua");
script!(ADOPT, guarded, "script/adopt.lua");
script!(RELEASE, guarded, "script/release.lua");
script!(FORGET, "script/forget.lua");
script!(DISCLAIM, "script/disclaim.lua");
script!(RESOLVE, guarded, "script/resolve.lua");
script!(PEEK, guarded, "script/peek.lua");

/// Lets a server that is full write nevertheless. Servers before 7.0 do not know it.
const ALLOW_OOM: &str = "#!lua flags=allow-oom\n";

/// The same for those: they refuse only the first write of a script, and only if it needs memory. This one needs none,
/// and does nothing to a record, which is no set.
const BEGUN: &str = "redis.pcall('SREM', KEYS[1], '')\n";

/// One verb, as text and as the digest by which the server knows it.
pub(super) struct Script {
    plain: Text,
    /// For what must be written down also when the server is full, since it has happened already.
    forced: Text,
    /// The same for a server that knows no flags.
    begun: Text,
}

struct Text {
    code: String,
    digest: String,
}

impl Text {
    fn new(code: String) -> Self {
        let digest = ::redis::Script::new(&code).get_hash().to_owned();
        Self { code, digest }
    }
}

/// What is asked: a verb, the record's name, and what the verb has to know.
pub(super) struct Call {
    pub(super) script: &'static Script,
    pub(super) name: Vec<u8>,
    /// Where the last token is, for a verb that may take the next one: in the same slot of a cluster as the record.
    pub(super) last_token: Option<Vec<u8>>,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) forced: bool,
}

impl Script {
    fn new(code: &str) -> Self {
        Self {
            plain: Text::new(code.to_owned()),
            forced: Text::new(format!("{ALLOW_OOM}{code}")),
            begun: Text::new(format!("{BEGUN}{code}")),
        }
    }
}

impl Call {
    /// A request, by digest or with the whole text.
    pub(super) fn command(&self, whole: bool, knows_flags: bool) -> Cmd {
        let text = match (self.forced, knows_flags) {
            (false, _) => &self.script.plain,
            (true, true) => &self.script.forced,
            (true, false) => &self.script.begun,
        };
        let mut command = if whole { cmd("EVAL") } else { cmd("EVALSHA") };
        command
            .arg(if whole { &text.code } else { &text.digest })
            .arg(1 + usize::from(self.last_token.is_some()))
            .arg(&self.name)
            .arg(&self.last_token);
        for argument in &self.arguments {
            command.arg(argument);
        }
        command
    }
}
