//! What the command line of a benchmark says.

/// What is to be measured.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only enough to see that it works.
    pub quick: bool,
    names: Vec<String>,
}

impl Options {
    /// The arguments of this process.
    pub fn read() -> Self {
        Self::of(std::env::args().skip(1))
    }

    /// These arguments.
    pub fn of(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut options = Self { quick: true, names: Vec::new() };
        let mut asked = false;
        for argument in arguments {
            match argument.as_str() {
                // `cargo bench` says this and `cargo test` does not, which only wants to see it work.
                "--bench" => options.quick = asked,
                "--quick" => (asked, options.quick) = (true, true),
                _ => options.names.push(argument),
            }
        }
        options
    }

    /// What stands above figures that mean nothing.
    pub fn note(&self) -> &'static str {
        if self.quick { "Quick: this shows that it works; the figures mean nothing.\n" } else { "" }
    }

    /// Whether this one of `group` was named, or none of them was.
    pub fn chosen(&self, name: &str, group: &[&str]) -> bool {
        let named = |name: &str| self.names.iter().any(|chosen| chosen == name);
        named(name) || !group.iter().any(|name| named(name))
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn options(arguments: &str) -> Options {
        Options::of(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_test_run_is_quick_and_a_benchmark_is_not() {
        assert!(options("").quick);
        assert!(!options("--bench").quick);
        assert!(options("--quick --bench").quick && options("--bench --quick").quick);
    }

    #[test]
    fn names_choose() {
        let group = ["hot", "text"];
        assert!(options("--bench").chosen("hot", &group));
        assert!(options("hot --bench").chosen("hot", &group));
        assert!(!options("hot --bench").chosen("text", &group));
        assert!(options("hot --bench").chosen("sync", &["sync", "async"]));
    }
}
