//! `#[derive(ToKey)]`.
//!
//! ```text
//! // Input
//! #[derive(ToKey)]
//! struct Order { tenant: Tenant, number: u64 }
//!
//! // Output
//! impl ::idempotently::key::ToFingerprint for Order {
//!     fn write(&self, out: &mut ::idempotently::key::Writer<'_>) {
//!         fn component<T>(value: &T, out: &mut ::idempotently::key::Writer<'_>)
//!         where
//!             T: ::idempotently::key::ToKey + ?::core::marker::Sized,
//!         {
//!             ::idempotently::key::ToFingerprint::write(value, out);
//!         }
//!         out.sequence(|out| {
//!             component(&self.tenant, out);
//!             component(&self.number, out);
//!         });
//!     }
//! }
//! impl ::idempotently::key::ToKey for Order {}
//! ```

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Generics, Index, Path, parse_quote_spanned};

use crate::errors::Errors;
use crate::operand::{at, start};
use crate::types;

pub(crate) fn to_key(input: TokenStream) -> TokenStream {
    match syn::parse2::<DeriveInput>(input) {
        Ok(input) => try_to_key(&input).unwrap_or_else(|error| {
            // An implementation that writes nothing keeps every use from being an error too.
            let root = root(&input.attrs).unwrap_or_else(|_| default_root());
            let implementation = implement(&input, &root, &TokenStream::new());
            let errors = error.to_compile_error();
            quote!(#errors #implementation)
        }),
        Err(error) => error.to_compile_error(),
    }
}

fn try_to_key(input: &DeriveInput) -> syn::Result<TokenStream> {
    let mut errors = Errors::default();
    let root = errors.keep(root(&input.attrs));
    let fields = fields(input, &mut errors);
    errors.into_result()?;
    let root = root.unwrap_or_else(default_root);
    Ok(implement(input, &root, &write(&fields, is_packed(&input.attrs), &root)))
}

fn default_root() -> TokenStream {
    quote_spanned!(Span::mixed_site()=> ::idempotently)
}

/// `#[to_key(crate = path)]`, else the usual place.
fn root(attrs: &[Attribute]) -> syn::Result<TokenStream> {
    let mut root = default_root();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("to_key")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("`to_key` knows only `crate`, as in `#[to_key(crate = my::path)]`"));
            }
            let path: Path = meta.value()?.parse()?;
            root = path.to_token_stream();
            Ok(())
        })?;
    }
    Ok(root)
}

fn fields<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Vec<&'a Field> {
    let data = match &input.data {
        Data::Struct(data) => data,
        Data::Enum(data) => {
            errors.at(
                data.enum_token,
                "`ToKey` is derived for structs: implement `ToFingerprint` and `ToKey` by hand, \
                 or write `key::display(&value)` where the key is named",
            );
            return Vec::new();
        }
        Data::Union(data) => {
            errors.at(data.union_token, "a union cannot be a key, for nobody knows what is in it");
            return Vec::new();
        }
    };
    if data.fields.is_empty() {
        errors.at(&input.ident, "a key with nothing in it makes all calls the same: add a field");
    }
    for attr in data.fields.iter().flat_map(|field| &field.attrs) {
        if attr.path().is_ident("to_key") {
            errors.at(attr, "every field is part of the key; for another key implement `ToKey` by hand");
        }
    }
    match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unnamed(fields) => fields.unnamed.iter().collect(),
        Fields::Unit => Vec::new(),
    }
}

/// Whether it is `#[repr(packed)]`, of whatever alignment.
fn is_packed(attrs: &[Attribute]) -> bool {
    let packed = Ident::new("packed", Span::call_site());
    attrs.iter().any(|attr| attr.path().is_ident("repr") && types::mentions(attr.meta.to_token_stream(), &[&packed]))
}

/// The statements that write the fields; one unnamed field stands for the whole.
fn write(fields: &[&Field], is_packed: bool, root: &TokenStream) -> TokenStream {
    let component = |(index, field): (usize, &&Field)| {
        let span = start(&field.ty);
        let member = match &field.ident {
            Some(name) => name.to_token_stream(),
            None => Index { index: u32::try_from(index).unwrap_or(u32::MAX), span: at(span) }.to_token_stream(),
        };
        if is_packed {
            // Nothing may refer to such a field, so its copy is written.
            quote_spanned!(span=> component(&{ self.#member }, out);)
        } else {
            quote_spanned!(span=> component(&self.#member, out);)
        }
    };
    let newtype = matches!(fields, [field] if field.ident.is_none());
    let components = fields.iter().enumerate().map(component);
    let components = quote!(#(#components)*);
    let components =
        if newtype { components } else { quote_spanned!(Span::mixed_site()=> out.sequence(|out| { #components });) };
    quote_spanned! {Span::mixed_site()=>
        fn component<T>(value: &T, out: &mut #root::key::Writer<'_>)
        where
            T: #root::key::ToKey + ?::core::marker::Sized,
        {
            #root::key::ToFingerprint::write(value, out);
        }
        #components
    }
}

fn implement(input: &DeriveInput, root: &TokenStream, write: &TokenStream) -> TokenStream {
    let name = &input.ident;
    let generics = with_bounds(input, root);
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        impl #parameters #root::key::ToFingerprint for #name #arguments #bounds {
            fn write(&self, out: &mut #root::key::Writer<'_>) {
                #write
            }
        }
        #[automatically_derived]
        impl #parameters #root::key::ToKey for #name #arguments #bounds {}
    }
}

/// A field whose type depends on a parameter needs its bound; all others are checked as they are. Of a field that holds the
/// struct itself, its parameters need it: the bound of the field would ask for itself.
fn with_bounds(input: &DeriveInput, root: &TokenStream) -> Generics {
    let mut generics = input.generics.clone();
    let parameters: Vec<Ident> = generics.type_params().map(|parameter| parameter.ident.clone()).collect();
    let parameters: Vec<&Ident> = parameters.iter().collect();
    let Data::Struct(data) = &input.data else { return generics };
    for Field { ty, .. } in &data.fields {
        let mentions = |names: &[&Ident]| types::mentions(ty.to_token_stream(), names);
        if mentions(&[&input.ident, &Ident::new("Self", Span::call_site())]) {
            for parameter in parameters.iter().filter(|parameter| mentions(&[parameter])) {
                let bound = parse_quote_spanned!(start(ty)=> #parameter: #root::key::ToKey);
                generics.make_where_clause().predicates.push(bound);
            }
        } else if mentions(&parameters) {
            let bound = parse_quote_spanned!(start(ty)=> #ty: #root::key::ToKey);
            generics.make_where_clause().predicates.push(bound);
        }
    }
    generics
}

#[cfg(test)]
mod tests {
    use super::try_to_key;

    #[test]
    fn points_at_each_mistake() {
        for (text, at, message) in [
            ("enum E { A }", "enum", "`ToKey` is derived for structs"),
            ("union U { a: u8 }", "union", "a union cannot be a key"),
            ("struct S;", "S", "add a field"),
            ("struct S {}", "S", "add a field"),
            ("struct S();", "S", "add a field"),
            ("struct S { #[to_key(skip)] a: u8 }", "#[to_key(skip)]", "every field is part of the key"),
            ("#[to_key(rename = \"x\")] struct S(u8);", "rename", "`to_key` knows only `crate`"),
        ] {
            let error = try_to_key(&syn::parse_str(text).unwrap()).unwrap_err();
            assert_eq!(error.span().source_text().as_deref(), Some(at), "{text}");
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn bounds_only_what_depends_on_a_parameter() {
        let input = "struct S<'a, T, const N: usize> { a: &'a str, b: [u8; N], c: Vec<T>, d: u8 }";
        let tokens = try_to_key(&syn::parse_str(input).unwrap()).unwrap().to_string();
        assert_eq!(tokens.matches("where Vec").count(), 2, "{tokens}");
        assert!(!tokens.contains("] : "), "{tokens}");
    }
}
