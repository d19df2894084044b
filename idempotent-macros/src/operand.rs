//! What is passed to the runtime by reference, with every part borrowed so that nothing moves.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Expr, ExprTuple, Lit, LitStr, UnOp};

use crate::errors::Errors;
use crate::literal::{self, Part};

/// The most components that a tuple may have in the runtime.
const LONGEST_TUPLE: usize = 12;

/// A key or a fingerprint.
pub(crate) enum Operand {
    Value(Expr),
    /// A text that stands for itself.
    Text(LitStr),
    /// A text between the holes of a key literal.
    Piece(LitStr),
    /// The parts of a tuple or of a key literal, which is written at the span.
    Parts(Span, Vec<Operand>),
}

/// `span`'s place, for tokens that belong to the macro.
///
/// So errors point at what the user wrote, while lints know that the user did not write it.
pub(crate) fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The place of the first token, or of the attribute when there is none.
pub(crate) fn start(tokens: impl ToTokens) -> Span {
    let first = tokens.into_token_stream().into_iter().next();
    at(first.map_or_else(Span::call_site, |token| token.span()))
}

/// The same tokens, meaning what they meant, at another place.
pub(crate) fn moved(tokens: &TokenStream, place: Span) -> TokenStream {
    tokens
        .clone()
        .into_iter()
        .map(|mut token| {
            token.set_span(token.span().located_at(place));
            token
        })
        .collect()
}

/// Without the invisible groups that `macro_rules` leaves, and without parentheses.
pub(crate) fn bare(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Group(group) => &group.expr,
            Expr::Paren(paren) => &paren.expr,
            _ => return expr,
        };
    }
}

impl Operand {
    /// Whether it is a path or a field of one: what its type refers to then outlives the call. Another expression may
    /// borrow from an argument itself, which the body wants to move.
    pub(crate) fn is_place(&self) -> bool {
        let Self::Value(expr) = self else { return false };
        let mut expr = expr;
        while let Expr::Field(field) = expr {
            expr = bare(&field.base);
        }
        matches!(expr, Expr::Path(_))
    }

    /// A key: an expression, a tuple, or a literal with holes.
    pub(crate) fn key(expr: &Expr, errors: &mut Errors) -> Option<Self> {
        let bare = bare(expr);
        match bare {
            Expr::Tuple(tuple) if tuple.elems.is_empty() => {
                errors.at(expr, "a key with nothing in it makes all calls the same: name a value");
                None
            }
            Expr::Tuple(tuple) => Self::tuple(tuple, |part| Self::key(part, errors)),
            Expr::Lit(lit) => match &lit.lit {
                Lit::Str(text) => Self::literal(text, errors),
                _ if is_float(bare) => Self::float(expr, errors),
                _ => Some(Self::Value(bare.clone())),
            },
            Expr::Unary(_) if is_float(bare) => Self::float(expr, errors),
            _ => Some(Self::Value(bare.clone())),
        }
    }

    /// A fingerprint: an expression or a tuple.
    pub(crate) fn fingerprint(expr: &Expr, errors: &mut Errors) -> Option<Self> {
        match bare(expr) {
            Expr::Tuple(tuple) if tuple.elems.is_empty() => {
                errors.at(expr, "a fingerprint with nothing in it never differs: name a value");
                None
            }
            Expr::Tuple(tuple) => Self::tuple(tuple, |part| Self::fingerprint(part, errors)),
            Expr::Lit(_) => {
                errors.at(
                    expr,
                    "a constant never differs: name the values that must not change between two \
                     calls with one key, as in `fingerprint = (payment.amount, payment.currency)`",
                );
                None
            }
            bare => Some(Self::Value(bare.clone())),
        }
    }

    /// Goes through all parts even when one is wrong, so that every mistake is shown.
    fn tuple(tuple: &ExprTuple, part: impl FnMut(&Expr) -> Option<Self>) -> Option<Self> {
        let parts: Vec<_> = tuple.elems.iter().map(part).collect();
        let span = tuple.paren_token.span.join();
        parts.into_iter().collect::<Option<_>>().map(|parts| Self::Parts(span, parts))
    }

    fn literal(text: &LitStr, errors: &mut Errors) -> Option<Self> {
        let parts = errors.keep(literal::parse(text))?;
        let same_place = |value: String| LitStr::new(&value, text.span());
        if parts.is_empty() {
            errors.at(text, "a key with nothing in it makes all calls the same: name a value");
            return None;
        }
        let alone = parts.len() == 1;
        let mut operands = Vec::new();
        for part in parts {
            operands.push(match part {
                Part::Text(value) if alone => Self::Text(same_place(value)),
                Part::Text(value) => Self::Piece(same_place(value)),
                Part::Hole(expr) => Self::key(&expr, errors)?,
            });
        }
        if alone { operands.pop() } else { Some(Self::Parts(text.span(), operands)) }
    }

    fn float(expr: &Expr, errors: &mut Errors) -> Option<Self> {
        errors.at(
            expr,
            "a float is no key, for two that look alike may differ: \
             use an integer, or `key::display(&value)`",
        );
        None
    }

    /// Whether it has more than one part, or none that could be an `Option`.
    pub(crate) fn is_composite(&self) -> bool {
        !matches!(self, Self::Value(_))
    }

    /// `&value`, or `&(part(&first), part(&second))`, where each `part` is checked where it is written.
    pub(crate) fn borrowed(&self, root: &TokenStream, part: &str) -> TokenStream {
        match self {
            Self::Value(expr) => {
                let and = quote_spanned!(start(expr)=> &);
                if binds_tightly(expr) {
                    quote!(#and #expr)
                } else {
                    let inner = parenthesized(expr.to_token_stream(), at(expr.span()));
                    quote!(#and #inner)
                }
            }
            Self::Text(text) => quote_spanned!(at(text.span())=> &#text),
            Self::Piece(text) => {
                let span = at(text.span());
                let root = moved(root, span);
                quote_spanned!(span=> &#root::key::Piece(#text))
            }
            Self::Parts(span, parts) => {
                tuple(parts.iter().map(|operand| operand.as_part(root, part)).collect(), at(*span))
            }
        }
    }

    fn as_part(&self, root: &TokenStream, part: &str) -> TokenStream {
        let borrowed = self.borrowed(root, part);
        let Self::Value(expr) = self else { return borrowed };
        let span = start(expr);
        let (root, part) = (moved(root, span), Ident::new(part, span));
        let arguments = parenthesized(borrowed, at(expr.span()));
        quote_spanned!(span=> #root::__private::#part #arguments)
    }
}

/// A tuple by reference; what does not fit goes into a tuple of its own at the end.
fn tuple(mut parts: Vec<TokenStream>, span: Span) -> TokenStream {
    if parts.len() > LONGEST_TUPLE {
        let rest = parts.split_off(LONGEST_TUPLE - 1);
        parts.push(tuple(rest, span));
    }
    let separated = match parts.as_slice() {
        [single] => quote_spanned!(span=> #single,),
        parts => quote_spanned!(span=> #(#parts),*),
    };
    let and = quote_spanned!(span=> &);
    let group = parenthesized(separated, span);
    quote!(#and #group)
}

fn parenthesized(tokens: TokenStream, span: Span) -> Group {
    let mut group = Group::new(Delimiter::Parenthesis, tokens);
    group.set_span(span);
    group
}

pub(crate) fn is_float(expr: &Expr) -> bool {
    match bare(expr) {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Float(_) => true,
            Lit::Int(number) => number.suffix().starts_with('f'),
            _ => false,
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => is_float(&unary.expr),
        _ => false,
    }
}

/// Whether `&` in front of it takes all of it.
fn binds_tightly(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Array(_)
            | Expr::Await(_)
            | Expr::Call(_)
            | Expr::Field(_)
            | Expr::Index(_)
            | Expr::Lit(_)
            | Expr::Macro(_)
            | Expr::MethodCall(_)
            | Expr::Paren(_)
            | Expr::Path(_)
            | Expr::Reference(_)
            | Expr::Try(_)
            | Expr::Tuple(_)
            | Expr::Unary(_)
    )
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::parse_str;

    use super::Operand;
    use crate::errors::Errors;

    fn key(text: &str) -> Result<String, String> {
        let mut errors = Errors::default();
        let operand = Operand::key(&parse_str(text).unwrap(), &mut errors);
        errors.into_result().map_err(|error| error.to_string())?;
        Ok(operand.unwrap().borrowed(&quote!(r), "part").to_string().replace("r :: __private :: part", "part"))
    }

    #[test]
    fn borrows_every_part() {
        for (text, tokens) in [
            ("id", "& id"),
            ("(id)", "& id"),
            ("payment.id", "& payment . id"),
            ("a + b", "& (a + b)"),
            ("x as u64", "& (x as u64)"),
            ("*x", "& * x"),
            ("&x", "& & x"),
            ("(a, b.c)", "& (part (& a) , part (& b . c))"),
            ("(a,)", "& (part (& a) ,)"),
            ("(a, (b, c + d))", "& (part (& a) , & (part (& b) , part (& (c + d))))"),
            ("7", "& 7"),
            ("\"nightly\"", "& \"nightly\""),
            ("\"{{}}\"", "& \"{}\""),
            ("\"{id}\"", "& id"),
            ("\"{a}:{b.c}\"", "& (part (& a) , & r :: key :: Piece (\":\") , part (& b . c))"),
            ("(t, \"x{a}\")", "& (part (& t) , & (& r :: key :: Piece (\"x\") , part (& a)))"),
        ] {
            assert_eq!(key(text).as_deref(), Ok(tokens), "{text}");
        }
    }

    #[test]
    fn nests_what_is_too_long_for_a_tuple() {
        let flat = "(a, b, c, d, e, f, g, h, i, j, k, l, m)";
        let nested = "(a, b, c, d, e, f, g, h, i, j, k, (l, m))";
        assert_eq!(key(flat), key(nested));
        assert_ne!(key(flat), key("(a, b, c, d, e, f, g, h, i, j, (k, l, m))"));
    }

    #[test]
    fn refuses_what_cannot_tell_calls_apart() {
        for (text, message) in [
            ("()", "a key with nothing in it"),
            ("\"\"", "a key with nothing in it"),
            ("1.5", "a float is no key"),
            ("-1.5", "a float is no key"),
            ("1f64", "a float is no key"),
            ("(a, 2.0)", "a float is no key"),
            ("(a, ())", "a key with nothing in it"),
        ] {
            let error = key(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
