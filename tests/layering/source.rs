//! One file of Rust, and what it says.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod};

/// A longer function has more than one thing to say.
const MOST_LINES: usize = 80;

/// A file, without the tests in it: those may know the whole house.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) file: syn::File,
}

/// The files of Rust below a folder, but for those that are not meant to compile.
pub(crate) fn below(folder: &Path) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("tests/ui") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                sources.push(Source::parse(path.strip_prefix(folder).unwrap_or(&path), &text));
            }
        }
    }
    sources
}

impl Source {
    pub(crate) fn parse(path: impl AsRef<Path>, text: &str) -> Self {
        let path = path.as_ref().to_owned();
        let mut file = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        drop_tests(&mut file.items);
        Self { path, file }
    }

    /// Where it is in the crate: `backend/memory.rs` is `backend`, `memory`; the root is nowhere.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        parts.filter(|part| part != "lib").collect()
    }

    /// The paths within the crate that it names, each from the root on.
    pub(crate) fn names(&self) -> Vec<Vec<String>> {
        let mut names = Vec::new();
        collect(self.file.to_token_stream(), &self.module(), &mut names);
        names
    }

    /// The paths of another crate that it names.
    pub(crate) fn names_of(&self, other: &str) -> Vec<Vec<String>> {
        let mut names = Vec::new();
        collect_of(other, self.file.to_token_stream(), &mut names);
        names
    }

    /// The events and spans of `tracing` whose target is not this one.
    pub(crate) fn events_without(&self, target: &str) -> Vec<String> {
        let mut found = Vec::new();
        collect_events(self.file.to_token_stream(), &format!("target : {target:?}"), &mut found);
        found.into_iter().map(|event| format!("{}: {event} has another target", self.path.display())).collect()
    }

    pub(crate) fn long_functions(&self) -> Vec<String> {
        let mut functions = Functions { path: &self.path, long: Vec::new() };
        functions.visit_file(&self.file);
        functions.long
    }
}

fn drop_tests(items: &mut Vec<Item>) {
    items.retain(|item| !matches!(item, Item::Mod(module) if module.attrs.iter().any(is_for_tests)));
    for item in items {
        if let Item::Mod(ItemMod { content: Some((_, items)), .. }) = item {
            drop_tests(items);
        }
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
}

/// Reads tokens and not syntax, since what stands in a macro is only tokens.
fn collect(tokens: TokenStream, here: &[String], names: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            let module = index.checked_sub(2).filter(|&before| is(&tokens[before], "mod"));
            let inside = module.map(|before| tokens[before + 1].to_string());
            let here: Vec<String> = here.iter().cloned().chain(inside).collect();
            collect(group.stream(), &here, names);
        } else if is(token, "crate") || is(token, "super") && !follows_a_path(&tokens[..index]) {
            follow(&tokens[index..], here.to_vec(), names);
        }
    }
}

fn collect_of(other: &str, tokens: TokenStream, names: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            collect_of(other, group.stream(), names);
        } else if is(token, other) && !follows_a_path(&tokens[..index]) {
            follow(&tokens[index..], Vec::new(), names);
        }
    }
}

/// What `tracing` calls its macros.
const EVENTS: [&str; 12] = [
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "event",
    "trace_span",
    "debug_span",
    "info_span",
    "warn_span",
    "error_span",
    "span",
];

fn collect_events(tokens: TokenStream, target: &str, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        if let Some([name, bang]) = index.checked_sub(2).map(|before| [&tokens[before], &tokens[before + 1]])
            && is(bang, "!")
            && EVENTS.iter().any(|event| is(name, event))
            && !group.stream().to_string().starts_with(target)
        {
            found.push(format!("`{name}!`"));
        }
        collect_events(group.stream(), target, found);
    }
}

/// Follows a path, and every branch of it where it ends in braces, from `at` to the names that it ends in.
fn follow(tokens: &[TokenTree], mut at: Vec<String>, names: &mut Vec<Vec<String>>) {
    match tokens.first() {
        Some(TokenTree::Group(group)) => {
            let branches: Vec<TokenTree> = group.stream().into_iter().collect();
            for branch in branches.split(|token| is(token, ",")) {
                follow(branch, at.clone(), names);
            }
            return;
        }
        Some(token) if is(token, "crate") => at.clear(),
        Some(token) if is(token, "super") => drop(at.pop()),
        Some(token) => at.push(token.to_string()),
        None => return,
    }
    match &tokens[1..] {
        [first, second, rest @ ..] if is(first, ":") && is(second, ":") => follow(rest, at, names),
        _ => names.push(at),
    }
}

/// Whether the tokens so far end in `::`, so that what comes next was already followed.
fn follows_a_path(before: &[TokenTree]) -> bool {
    matches!(before, [.., one, two] if is(one, ":") && is(two, ":"))
}

fn is(token: &TokenTree, text: &str) -> bool {
    !matches!(token, TokenTree::Group(_)) && token.to_string() == text
}

struct Functions<'file> {
    path: &'file Path,
    long: Vec<String>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > MOST_LINES {
            let (path, name) = (self.path.display(), &signature.ident);
            self.long.push(format!("{path}:{first}: `{name}` has {lines} lines, over {MOST_LINES}"));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}
