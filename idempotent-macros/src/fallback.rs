//! What is emitted beside errors, so that no follow-up errors appear and editors keep working.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Error;

/// The item as it was written, without the attribute, and every error.
pub(crate) fn item(item: &TokenStream, error: &Error) -> TokenStream {
    let errors = error.to_compile_error();
    quote!(#errors #item)
}
