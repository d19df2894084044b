//! From the attribute and its item to what replaces them.

use proc_macro2::TokenStream;

use crate::args::Args;
use crate::errors::Errors;
use crate::input::Function;
use crate::validate::Features;
use crate::{expand, fallback, validate};

pub(crate) fn idempotent(args: TokenStream, item: &TokenStream, features: Features) -> TokenStream {
    try_idempotent(args, item.clone(), features).unwrap_or_else(|error| fallback::item(item, &error))
}

fn try_idempotent(args: TokenStream, item: TokenStream, features: Features) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let function: Option<Function> = errors.keep(syn::parse2(item));
    let checked = function.and_then(|function| {
        let model = validate::check(&args, &function, features, &mut errors)?;
        Some((function, model))
    });
    errors.into_result()?;
    Ok(checked.map(|(function, model)| expand::expand(&function, &model)).unwrap_or_default())
}

#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod snapshots;
