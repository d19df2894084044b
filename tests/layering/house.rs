//! The files of one package, and the rules that they must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::Item;
use syn::visit::{self, Visit};

use crate::source::{self, Source};

/// A package: its root, and the rooms that the root declares.
pub(crate) struct House {
    sources: Vec<Source>,
}

impl House {
    pub(crate) fn read(folder: &Path) -> Self {
        let sources = source::below(folder);
        assert!(!sources.is_empty(), "nothing to look at in {}", folder.display());
        Self { sources }
    }

    /// What each room names, as the first part of a path from the root on.
    fn known(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut known = BTreeMap::<String, BTreeSet<String>>::new();
        for source in &self.sources {
            if let Some(room) = source.module().first() {
                let names = source.names().into_iter().filter_map(|name| name.into_iter().next());
                known.entry(room.clone()).or_default().extend(names.filter(|name| name != room));
            }
        }
        known
    }

    /// A room may know the rooms on the floors below its own, and must be on one.
    pub(crate) fn off_the_floors(&self, floors: &[&[&str]]) -> Vec<String> {
        let floor = |room: &str| floors.iter().position(|rooms| rooms.contains(&room));
        let mut complaints = Vec::new();
        for (room, names) in self.known() {
            let Some(own) = floor(&room) else {
                complaints.push(format!("`{room}` is on no floor: give it one, in the table of tests/layering"));
                continue;
            };
            complaints.extend(names.iter().filter_map(|name| match floor(name) {
                None => Some(format!("`{room}` takes `{name}` from the root: name the room where it is defined")),
                Some(other) if other >= own => Some(format!("`{room}` must not know `{name}`: it is not below")),
                Some(_) => None,
            }));
        }
        complaints
    }

    /// Whoever knows no room that is left, or is known by none, is in no circle and is taken away.
    pub(crate) fn circles(&self) -> Option<String> {
        let mut known = self.known();
        loop {
            let left: BTreeSet<String> = known.keys().cloned().collect();
            let named: BTreeSet<String> = known.values().flatten().cloned().collect();
            known.retain(|room, names| named.contains(room) && !names.is_disjoint(&left));
            if known.is_empty() {
                return None;
            }
            if known.len() == left.len() {
                let rooms: Vec<String> = left.into_iter().collect();
                return Some(format!("these know each other in a circle: {}", rooms.join(", ")));
            }
        }
    }

    /// The files that know each other in a circle, one line for each. That a module declares those inside it and takes
    /// what they export is no knowledge in this sense.
    pub(crate) fn circles_of_files(&self) -> Vec<String> {
        let files: BTreeSet<Vec<String>> = self.sources.iter().map(Source::module).collect();
        let mut known = BTreeMap::<Vec<String>, BTreeSet<Vec<String>>>::new();
        for source in &self.sources {
            let here = source.module();
            let names = source.names();
            let others =
                names.iter().filter_map(|name| file_of(name, &files)).filter(|other| !other.starts_with(&here));
            known.entry(here.clone()).or_default().extend(others.map(<[String]>::to_vec));
        }
        let reached: BTreeMap<&Vec<String>, BTreeSet<&Vec<String>>> =
            known.keys().map(|file| (file, reached_from(file, &known))).collect();
        let mutual = |one, other| reached[one].contains(other) && reached[other].contains(one);
        let circle = |file| known.keys().filter(|other| mutual(file, *other)).map(|file| file.join("::")).collect();
        let circles: BTreeSet<Vec<String>> =
            known.keys().map(circle).filter(|circle: &Vec<_>| circle.len() > 1).collect();
        circles.into_iter().map(|circle| circle.join(", ")).collect()
    }

    /// The files that take a hasher's seed from the standard library: it is one for each thread, and two processes that
    /// were forked from one have the same.
    pub(crate) fn guesses(&self) -> Vec<String> {
        let guesses = |source: &&Source| source.names_of("std").iter().flatten().any(|part| part == "RandomState");
        self.sources.iter().filter(guesses).map(|source| source.path.display().to_string()).collect()
    }

    /// The events and spans that a filter on the library's name would miss.
    pub(crate) fn without_the_target(&self) -> Vec<String> {
        self.sources.iter().flat_map(|source| source.events_without("idempotently")).collect()
    }

    /// The root declares rooms and re-exports names, and defines no more than functions with one of these attributes.
    pub(crate) fn defined_in_the_root(&self, attributes: &[&str]) -> Vec<String> {
        let roots = self.sources.iter().filter(|source| source.module().is_empty());
        let items = roots.flat_map(|root| &root.file.items);
        items
            .filter(|item| !may_stand_in_a_root(item, attributes))
            .map(|_| "the root defines something".to_owned())
            .collect()
    }

    /// What no file does: be called `mod.rs`, import all there is, be unsafe.
    pub(crate) fn bad_habits(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for source in &self.sources {
            let mut habits = Habits { path: &source.path, complaints: &mut complaints };
            if source.path.ends_with("mod.rs") {
                habits.complain("is called mod.rs: call it as its module, one folder up");
            }
            habits.visit_file(&source.file);
        }
        complaints
    }
}

/// The file in which a name is found.
fn file_of<'name>(name: &'name [String], files: &BTreeSet<Vec<String>>) -> Option<&'name [String]> {
    (1..=name.len()).rev().map(|end| &name[..end]).find(|path| files.contains(*path))
}

/// What a file knows, and what that knows, and so on.
fn reached_from<'known>(
    file: &Vec<String>,
    known: &'known BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
) -> BTreeSet<&'known Vec<String>> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&Vec<String>> = known[file].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(known.get(file).into_iter().flatten());
        }
    }
    reached
}

fn may_stand_in_a_root(item: &Item, attributes: &[&str]) -> bool {
    match item {
        Item::Use(_) => true,
        Item::Mod(module) => {
            let inside = module.content.iter().flat_map(|(_, items)| items);
            inside.into_iter().all(|item| may_stand_in_a_root(item, &[]))
        }
        Item::Fn(function) => {
            function.attrs.iter().any(|attribute| attributes.iter().any(|allowed| attribute.path().is_ident(allowed)))
        }
        _ => false,
    }
}

struct Habits<'house> {
    path: &'house Path,
    complaints: &'house mut Vec<String>,
}

impl Habits<'_> {
    fn complain(&mut self, what: &str) {
        self.complaints.push(format!("{} {what}", self.path.display()));
    }
}

impl<'ast> Visit<'ast> for Habits<'_> {
    fn visit_use_glob(&mut self, _: &'ast syn::UseGlob) {
        self.complain("imports with `*`: name what it needs");
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.complain("has an unsafe block");
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        if matches!(signature.safety, syn::Safety::Unsafe(_)) {
            self.complain("has an unsafe function");
        }
        visit::visit_signature(self, signature);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.complain("has an unsafe impl");
        }
        visit::visit_item_impl(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::House;
    use crate::source::Source;

    const FLOORS: [&[&str]; 2] = [&["cellar"], &["attic"]];

    /// A house with two floors, the lower of which is `cellar`.
    fn house(cellar: &str) -> House {
        let sources = vec![
            Source::parse("lib.rs", "mod attic; mod cellar;"),
            Source::parse("attic.rs", "use crate::cellar::Wine;"),
            Source::parse("cellar.rs", cellar),
        ];
        House { sources }
    }

    fn root(text: &str) -> House {
        House { sources: vec![Source::parse("lib.rs", text)] }
    }

    #[test]
    fn a_room_may_know_itself_and_what_is_below() {
        for cellar in [
            "",
            "// crate::attic\n/// crate::attic\nstruct Wine;",
            "const ATTIC: &str = \"crate::attic\";",
            "pub(crate) struct Wine; mod rack { pub(super) use super::Wine; use crate::cellar; }",
            "#[cfg(test)] mod tests { use crate::attic::Trunk; }",
        ] {
            assert_eq!(house(cellar).off_the_floors(&FLOORS), Vec::<String>::new(), "{cellar}");
        }
    }

    #[test]
    fn a_room_that_knows_one_above_is_found_however_it_says_so() {
        for cellar in [
            "use crate::attic::Trunk;",
            "use crate::{attic::Trunk};",
            "use crate::{cellar::{Wine, Rack}, attic::{Trunk, Moth}};",
            "use super::attic;",
            "mod rack { use super::super::attic; }",
            "fn open() -> crate::attic::Trunk { loop {} }",
            "fn open() { println!(\"{}\", crate::attic::NAME); }",
            "macro_rules! open { () => { $crate::attic::open() } }",
            "#[cfg(not(test))] mod rack { use crate::attic; }",
        ] {
            let complaints = house(cellar).off_the_floors(&FLOORS);
            assert_eq!(complaints, ["`cellar` must not know `attic`: it is not below"], "{cellar}");
        }
    }

    #[test]
    fn a_name_taken_from_the_root_is_found() {
        for cellar in ["use crate::Wine;", "use super::Wine;", "use crate::*;", "fn f(_: crate::Wine) {}"] {
            assert_eq!(house(cellar).off_the_floors(&FLOORS).len(), 1, "{cellar}");
        }
    }

    #[test]
    fn a_room_without_a_floor_is_found() {
        assert_eq!(house("").off_the_floors(&[&["cellar"]]).len(), 1);
    }

    #[test]
    fn a_seed_of_the_standard_library_is_found() {
        for text in [
            "use std::hash::RandomState;",
            "use std::hash::{BuildHasher, RandomState};",
            "fn f() -> u64 { std::collections::hash_map::RandomState::new().hash_one(1) }",
            "fn f() { use std::hash::{self, RandomState as Seed}; }",
        ] {
            assert_eq!(root(text).guesses().len(), 1, "{text}");
        }
        assert!(root("use foldhash::fast::RandomState; use std::hash::BuildHasher;").guesses().is_empty());
    }

    #[test]
    fn an_event_of_another_target_is_found() {
        for text in [
            "fn f() { tracing::warn!(\"{x}\"); }",
            "fn f() { info!(operation = x, \"{x}\"); }",
            "fn f() { tracing::event!(Level::INFO, \"x\"); }",
            "fn f() { info_span!(target: \"other\", \"x\"); }",
            "macro_rules! say { () => { tracing::error!(\"x\") } }",
        ] {
            assert_eq!(root(text).without_the_target().len(), 1, "{text}");
        }
        let fine = "fn f() { tracing::warn!(target: \"idempotently\", \"{x}\"); panic!(\"x\"); }";
        assert!(root(fine).without_the_target().is_empty());
    }

    #[test]
    fn a_circle_is_found() {
        assert_eq!(house("").circles(), None);
        assert!(house("use crate::attic::Trunk;").circles().is_some());
    }

    #[test]
    fn a_circle_of_files_in_one_room_is_found() {
        let house = |shelf: &str, rack: &str| House {
            sources: vec![
                Source::parse("cellar.rs", "mod rack; mod shelf; use rack::Rack; pub struct Wine;"),
                Source::parse("cellar/rack.rs", rack),
                Source::parse("cellar/shelf.rs", shelf),
            ],
        };
        assert_eq!(house("use super::Wine;", "use super::shelf::Shelf;").circles_of_files(), [""; 0]);
        let circle = ["cellar::rack, cellar::shelf"];
        assert_eq!(house("use super::rack::Rack;", "use super::shelf::Shelf;").circles_of_files(), circle);
        assert_eq!(house("fn f() { crate::cellar::rack::f() }", "use super::shelf::f;").circles_of_files(), circle);
    }

    #[test]
    fn a_definition_in_the_root_is_found() {
        for text in ["struct A;", "fn a() {}", "impl A {}", "a!();", "mod a { struct B; }"] {
            assert_eq!(root(text).defined_in_the_root(&[]).len(), 1, "{text}");
        }
        let re_exports = "//! Docs.\nmod a; pub use a::B; pub mod c { pub use crate::a::B; }";
        assert!(root(re_exports).defined_in_the_root(&[]).is_empty());
        assert!(root("#[proc_macro] pub fn a() {}").defined_in_the_root(&["proc_macro"]).is_empty());
    }

    #[test]
    fn bad_habits_are_found() {
        for text in [
            "use crate::cellar::*;",
            "use a::{b, c::*};",
            "unsafe fn f() {}",
            "fn f() { unsafe {} }",
            "unsafe impl A for B {}",
        ] {
            assert_eq!(root(text).bad_habits().len(), 1, "{text}");
        }
        assert!(root("fn unsafely() { let many = 2 * 3; }").bad_habits().is_empty());
        let house = House { sources: vec![Source::parse("backend/mod.rs", "")] };
        assert_eq!(house.bad_habits().len(), 1);
    }

    #[test]
    fn a_long_function_is_found() {
        let lines = |lines: usize| format!("impl A {{ fn a() {{{}}} }}", "\n".repeat(lines - 1));
        assert!(Source::parse("a.rs", &lines(80)).long_functions().is_empty());
        assert_eq!(Source::parse("a.rs", &lines(81)).long_functions().len(), 1);
    }
}
