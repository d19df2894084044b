//! What the macros emit, beside what they were given, in `expansions/`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Attribute, ImplItem, Item, Meta, TraitItem, parse_quote, parse2};

use super::idempotent;
use crate::derive::to_key;
use crate::validate::Features;

const BECOMES: &str = "\n// Becomes:\n\n";

#[test]
fn expansions_are_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("expansions");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let recorded = fs::read_to_string(&file).unwrap();
        let input = recorded.split(BECOMES).next().unwrap();
        let current = format!("{}\n{BECOMES}{}", input.trim_end(), expand_all(input));
        if env::var_os("UPDATE_EXPANSIONS").is_some() {
            fs::write(&file, current).unwrap();
        } else {
            let name = file.display();
            assert_eq!(current, recorded, "{name}; `UPDATE_EXPANSIONS=1` records the difference");
        }
    }
}

/// The examples of the page come in pairs, and the second of each pair is what the first becomes.
#[test]
fn the_page_shows_what_is_emitted() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/expansion.md");
    let page = fs::read_to_string(&file).unwrap();
    let mut blocks = page.split_inclusive("```rust\n");
    let mut current = blocks.next().unwrap().to_owned();
    let mut becomes: Option<String> = None;
    for block in blocks {
        let (code, text) = block.split_once("```\n").unwrap();
        let expanded = becomes.take();
        if expanded.is_none() {
            becomes = Some(expand_all(code));
        }
        current.extend([expanded.as_deref().unwrap_or(code), "```\n", text]);
    }
    assert!(becomes.is_none(), "an example without what it becomes");
    if env::var_os("UPDATE_EXPANSIONS").is_some() {
        fs::write(&file, current).unwrap();
    } else {
        assert!(current == page, "docs/expansion.md is not what is emitted; `cargo xtask docs` writes it again");
    }
}

/// The text with every annotated function, and every derive, replaced by what it becomes.
fn expand_all(input: &str) -> String {
    let mut file = syn::parse_file(input).unwrap();
    file.items = file.items.into_iter().flat_map(item).collect();
    prettyplease::unparse(&file)
}

fn item(mut item: Item) -> Vec<Item> {
    match &mut item {
        Item::Fn(function) => match take(&mut function.attrs) {
            Some(args) => items(&expand(args, function)),
            None => vec![item],
        },
        Item::Impl(block) => {
            for entry in &mut block.items {
                let ImplItem::Fn(function) = entry else { continue };
                if let Some(args) = take(&mut function.attrs) {
                    *entry = parse2(expand(args, function)).unwrap();
                }
            }
            vec![item]
        }
        Item::Trait(block) => {
            for entry in &mut block.items {
                let TraitItem::Fn(function) = entry else { continue };
                if let Some(args) = take(&mut function.attrs) {
                    *entry = parse2(expand(args, function)).unwrap();
                }
            }
            vec![item]
        }
        // The attribute's own import is gone with the attribute.
        Item::Use(_) => Vec::new(),
        Item::Struct(block) if block.attrs.is_empty() => vec![item],
        _ => items(&to_key(item.to_token_stream())),
    }
}

/// The arguments of the attribute, which is removed.
fn take(attrs: &mut Vec<Attribute>) -> Option<TokenStream> {
    let at = attrs.iter().position(|attr| attr.path().is_ident("idempotent"))?;
    match attrs.remove(at).meta {
        Meta::List(list) => Some(list.tokens),
        _ => Some(TokenStream::new()),
    }
}

fn expand(args: TokenStream, function: &impl ToTokens) -> TokenStream {
    idempotent(args, &function.to_token_stream(), Features { tokio: true, durable: true, transactions: true })
}

fn items(tokens: &TokenStream) -> Vec<Item> {
    let module: syn::ItemMod = parse_quote!(mod m { #tokens });
    let (_, items) = module.content.unwrap_or_else(|| panic!("{}", quote!(#tokens)));
    items
}
