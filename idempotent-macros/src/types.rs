//! What can be told from how a type is written.

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, CapturedParam, GenericArgument, GenericParam, Ident, Lifetime, ParenthesizedGenericArguments, Path,
    PathArguments, PathSegment, Token, TraitBound, Type, TypeFnPtr, TypeParamBound, TypeReference, parse_quote_spanned,
};

/// A function's return type that is a future.
pub(crate) struct Future<'a> {
    /// Whether it is a `Pin<Box<…>>`.
    pub(crate) boxed: bool,
    /// Whether it borrows nothing: boxed and `'static`, or an `impl` that says so.
    pub(crate) lasts: bool,
    /// What it yields, where that is written.
    pub(crate) output: Option<&'a Type>,
}

/// Without the invisible groups that `macro_rules` leaves, and without parentheses.
pub(crate) fn bare(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// `impl Future`, `Pin<Box<dyn Future>>`, `BoxFuture` and `LocalBoxFuture`, by whatever path.
pub(crate) fn future(ty: &Type) -> Option<Future<'_>> {
    match bare(ty) {
        Type::ImplTrait(opaque) => {
            let future = future_bound(&opaque.bounds)?;
            Some(Future { boxed: false, lasts: captures_nothing(&opaque.bounds), output: output(future) })
        }
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
                let lasts = lifetime_argument(last).is_some_and(|lifetime| lifetime.ident == "static");
                return Some(Future { boxed: true, lasts, output: type_arguments(last).next_back() });
            }
            let boxed = first_argument(last, "Pin")?;
            let Type::Path(boxed) = bare(boxed) else { return None };
            let (bounds, lasts) = match bare(first_argument(boxed.path.segments.last()?, "Box")?) {
                Type::TraitObject(object) => (&object.bounds, is_static(&object.bounds)),
                Type::ImplTrait(opaque) => (&opaque.bounds, false),
                _ => return None,
            };
            Some(Future { boxed: true, lasts, output: output(future_bound(bounds)?) })
        }
        _ => None,
    }
}

/// The first bound that is a `Future`.
fn future_bound(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&PathSegment> {
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| last.ident == "Future"),
        _ => None,
    })
}

/// Whether an `impl` says that no lifetime is part of it, with `'static` or with `use<>`.
fn captures_nothing(bounds: &Punctuated<TypeParamBound, Token![+]>) -> bool {
    bounds.iter().any(|bound| match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        TypeParamBound::PreciseCapture(capture) => {
            !capture.params.iter().any(|parameter| matches!(parameter, CapturedParam::Lifetime(_)))
        }
        _ => false,
    })
}

/// A trait object in a box is `'static` unless another lifetime stands there.
fn is_static(bounds: &Punctuated<TypeParamBound, Token![+]>) -> bool {
    bounds.iter().all(|bound| match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        _ => true,
    })
}

fn output(future: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &future.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(item) if item.ident == "Output" => Some(&item.ty),
        _ => None,
    })
}

fn first_argument<'a>(segment: &'a PathSegment, name: &str) -> Option<&'a Type> {
    if segment.ident == name { type_arguments(segment).next() } else { None }
}

fn type_arguments(segment: &PathSegment) -> impl DoubleEndedIterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(arguments.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn lifetime_argument(segment: &PathSegment) -> Option<&Lifetime> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Lifetime(lifetime) => Some(lifetime),
        _ => None,
    })
}

const NEVER_A_RESULT: [&str; 20] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "f32", "f64", "bool",
    "char", "str", "String", "Option", "Vec",
];

/// Whether no alias can make a `Result` of it; all else is left to the types.
pub(crate) fn plainly_no_result(ty: &Type) -> bool {
    match bare(ty) {
        Type::Array(_)
        | Type::FnPtr(_)
        | Type::Never(_)
        | Type::Ptr(_)
        | Type::Reference(_)
        | Type::Slice(_)
        | Type::TraitObject(_)
        | Type::Tuple(_) => true,
        Type::Path(path) if path.qself.is_none() => {
            path.path.segments.last().is_some_and(|last| NEVER_A_RESULT.iter().any(|name| last.ident == name))
        }
        _ => false,
    }
}

/// As much of it as can be written inside a function: `_` for every `impl Trait`.
pub(crate) fn inferred(ty: &Type) -> Type {
    let ty = bare(ty);
    let mut written = ty.clone();
    match &mut written {
        Type::ImplTrait(opaque) => return parse_quote_spanned!(opaque.impl_token.span=> _),
        Type::Array(array) => *array.elem = inferred(&array.elem),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| *elem = inferred(elem)),
        Type::Slice(slice) => *slice.elem = inferred(&slice.elem),
        Type::Reference(reference) => *reference.elem = inferred(&reference.elem),
        Type::Path(path) => infer_arguments(&mut path.path),
        Type::TraitObject(object) => object.bounds.iter_mut().for_each(|bound| {
            if let TypeParamBound::Trait(bound) = bound {
                infer_arguments(&mut bound.path);
            }
        }),
        _ => {}
    }
    written
}

fn infer_arguments(path: &mut Path) {
    for segment in &mut path.segments {
        let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else { continue };
        for argument in &mut arguments.args {
            match argument {
                GenericArgument::Type(ty) => *ty = inferred(ty),
                GenericArgument::AssocType(item) => item.ty = inferred(&item.ty),
                _ => {}
            }
        }
    }
}

/// A boxed future that borrows nothing: `'static` where its lifetime stands.
pub(crate) fn lasting(ty: &Type) -> Type {
    with_lifetime(ty, "'static")
}

/// A boxed future that lives as long as it happens to.
pub(crate) fn passing(ty: &Type) -> Type {
    with_lifetime(ty, "'_")
}

/// A boxed future with `name` where its lifetime stands.
fn with_lifetime(ty: &Type, name: &str) -> Type {
    let ty = bare(ty);
    let mut lasting = ty.clone();
    match &mut lasting {
        Type::TraitObject(object) => object.bounds.iter_mut().for_each(|bound| {
            if let TypeParamBound::Lifetime(lifetime) = bound {
                *lifetime = Lifetime::new(name, lifetime.span());
            }
        }),
        Type::Path(path) => {
            let arguments = path.path.segments.last_mut().map(|last| &mut last.arguments);
            let Some(PathArguments::AngleBracketed(arguments)) = arguments else { return lasting };
            for argument in &mut arguments.args {
                match argument {
                    GenericArgument::Lifetime(lifetime) => *lifetime = Lifetime::new(name, lifetime.span()),
                    GenericArgument::Type(ty) => *ty = with_lifetime(ty, name),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    lasting
}

/// Whether one of `names` stands anywhere in `tokens`.
pub(crate) fn mentions(tokens: TokenStream, names: &[&Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => names.iter().any(|name| ident == **name),
        TokenTree::Group(group) => mentions(group.stream(), names),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether any name stands in `tokens`.
pub(crate) fn mentions_any(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Group(group) => mentions_any(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// Whether it is `String`, by whatever path.
pub(crate) fn is_string(ty: &Type) -> bool {
    matches!(bare(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"))
}

/// Whether it borrows from a caller: a lifetime that is neither `'static` nor of its own binding.
pub(crate) fn borrows(ty: &Type) -> bool {
    let mut search = Borrows { found: false, bound: Vec::new(), inside_signature: 0 };
    search.visit_type(ty);
    search.found
}

struct Borrows<'ast> {
    found: bool,
    bound: Vec<&'ast Ident>,
    inside_signature: usize,
}

impl<'ast> Borrows<'ast> {
    fn binding(&mut self, lifetimes: Option<&'ast BoundLifetimes>, inner: impl FnOnce(&mut Self)) {
        let outer = self.bound.len();
        for parameter in lifetimes.iter().flat_map(|bound| &bound.lifetimes) {
            if let GenericParam::Lifetime(parameter) = parameter {
                self.bound.push(&parameter.lifetime.ident);
            }
        }
        inner(self);
        self.bound.truncate(outer);
    }

    /// In `fn(&str) -> &str` and `Fn(&str) -> &str` an elided lifetime is the signature's own.
    fn signature(&mut self, inner: impl FnOnce(&mut Self)) {
        self.inside_signature += 1;
        inner(self);
        self.inside_signature -= 1;
    }
}

impl<'ast> Visit<'ast> for Borrows<'ast> {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.found |= reference.lifetime.is_none() && self.inside_signature == 0;
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        let free = if lifetime.ident == "_" {
            self.inside_signature == 0
        } else {
            lifetime.ident != "static" && !self.bound.contains(&&lifetime.ident)
        };
        self.found |= free;
    }

    fn visit_bound_lifetimes(&mut self, _: &'ast BoundLifetimes) {}

    fn visit_type_fn_ptr(&mut self, pointer: &'ast TypeFnPtr) {
        self.binding(pointer.lifetimes.as_ref(), |search| {
            search.signature(|search| visit::visit_type_fn_ptr(search, pointer));
        });
    }

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        self.binding(bound.lifetimes.as_ref(), |search| visit::visit_trait_bound(search, bound));
    }

    fn visit_parenthesized_generic_arguments(&mut self, arguments: &'ast ParenthesizedGenericArguments) {
        self.signature(|search| {
            visit::visit_parenthesized_generic_arguments(search, arguments);
        });
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::{Type, parse_str};

    use super::{borrows, future, inferred, plainly_no_result};

    fn ty(text: &str) -> Type {
        parse_str(text).unwrap()
    }

    #[test]
    fn tells_futures_by_their_spelling() {
        for (text, expected) in [
            ("impl Future<Output = u8>", Some((false, Some("u8")))),
            ("(impl Send + core::future::Future<Output = u8>)", Some((false, Some("u8")))),
            ("Pin<Box<dyn Future<Output = R> + Send + 'a>>", Some((true, Some("R")))),
            ("::std::pin::Pin<::std::boxed::Box<dyn Future<Output = R>>>", Some((true, Some("R")))),
            ("BoxFuture<'_, R>", Some((true, Some("R")))),
            ("futures::future::LocalBoxFuture<'static, R>", Some((true, Some("R")))),
            ("Pin<Box<u8>>", None),
            ("Pin<&mut dyn Future<Output = R>>", None),
            ("Box<dyn Iterator<Item = u8>>", None),
            ("impl Iterator<Item = u8>", None),
        ] {
            let parsed = ty(text);
            let found =
                future(&parsed).map(|found| (found.boxed, found.output.map(|ty| ty.to_token_stream().to_string())));
            let expected = expected.map(|(boxed, output)| (boxed, output.map(str::to_owned)));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn tells_which_futures_borrow_nothing() {
        for text in [
            "Pin<Box<dyn Future<Output = R>>>",
            "Pin<Box<dyn Future<Output = &'a u8> + Send>>",
            "Pin<Box<dyn Future<Output = R> + 'static>>",
            "BoxFuture<'static, R>",
            "impl Future<Output = R> + 'static",
            "impl Future<Output = R> + use<>",
            "impl Future<Output = R> + use<T>",
        ] {
            assert!(future(&ty(text)).unwrap().lasts, "{text}");
        }
        for text in [
            "Pin<Box<dyn Future<Output = R> + '_>>",
            "Pin<Box<dyn Future<Output = R> + Send + 'a>>",
            "Pin<Box<impl Future<Output = R>>>",
            "BoxFuture<'_, R>",
            "BoxFuture<R>",
            "impl Future<Output = R>",
            "impl Future<Output = R> + use<'a>",
        ] {
            assert!(!future(&ty(text)).unwrap().lasts, "{text}");
        }
    }

    #[test]
    fn tells_what_borrows() {
        for text in [
            "&str",
            "&'a str",
            "Cow<'_, str>",
            "Vec<Token<'a>>",
            "Option<&u8>",
            "Box<dyn Fn() + 'a>",
            "fn(&'a str)",
            "impl Iterator<Item = u8> + '_",
            "impl Iterator<Item = u8> + use<'a>",
            "(u8, [&u8; 2])",
        ] {
            assert!(borrows(&ty(text)), "{text}");
        }
        for text in [
            "&'static str",
            "Cow<'static, str>",
            "String",
            "fn(&str) -> &str",
            "Box<dyn Fn(&str) -> Cow<'_, str>>",
            "for<'a> fn(&'a str) -> &'a str",
            "Box<dyn for<'a> Visitor<'a>>",
            "impl FnOnce(&u8)",
        ] {
            assert!(!borrows(&ty(text)), "{text}");
        }
    }

    #[test]
    fn tells_what_is_no_result() {
        for text in ["u8", "()", "(u8, u8)", "Option<u8>", "&'static str", "[u8; 2]", "Vec<u8>"] {
            assert!(plainly_no_result(&ty(text)), "{text}");
        }
        for text in ["Result<u8, u8>", "io::Result<()>", "Reply", "T", "T::Out", "<T as A>::B"] {
            assert!(!plainly_no_result(&ty(text)), "{text}");
        }
    }

    #[test]
    fn makes_boxed_futures_last() {
        for (text, lasting) in [
            ("Pin<Box<dyn Future<Output = R> + Send + 'a>>", "Pin<Box<dyn Future<Output = R> + Send + 'static>>"),
            ("BoxFuture<'_, R>", "BoxFuture<'static, R>"),
            ("Pin<Box<dyn Future<Output = &'a u8>>>", "Pin<Box<dyn Future<Output = &'a u8>>>"),
        ] {
            let tokens = super::lasting(&ty(text)).to_token_stream().to_string();
            assert_eq!(tokens, ty(lasting).to_token_stream().to_string(), "{text}");
        }
    }

    #[test]
    fn leaves_to_inference_what_cannot_be_written() {
        for (text, written) in [
            ("impl Clone", "_"),
            ("Result<impl Clone, (impl Send, E)>", "Result < _ , (_ , E) >"),
            ("[impl Clone; 2]", "[_ ; 2]"),
            ("Option<Box<dyn Clone>>", "Option < Box < dyn Clone > >"),
            ("Arc<[impl Clone]>", "Arc < [_] >"),
            ("Arc<dyn Source<Out = impl Display> + Send>", "Arc < dyn Source < Out = _ > + Send >"),
            ("&'static impl Clone", "& 'static _"),
        ] {
            assert_eq!(inferred(&ty(text)).to_token_stream().to_string(), written, "{text}");
        }
    }
}
