//! The annotated function. Its body stays raw tokens: what is wrong in it is the compiler's to say.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, LitStr, ReturnType, Signature, Token, Type, Visibility};

use crate::operand::at;
use crate::types;

pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    /// `default`, as specialization has it.
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) sig: Signature,
    /// Attributes written inside the body, `#![…]`.
    pub(crate) inner_attrs: TokenStream,
    /// The body with its braces, without those attributes.
    pub(crate) body: Group,
}

/// How a function gives its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `fn`
    Direct,
    /// `async fn`
    Async,
    /// `fn … -> impl Future`
    Future,
    /// `fn … -> Pin<Box<dyn Future>>`
    BoxedFuture,
}

impl Function {
    /// The type after `->`.
    pub(crate) fn returns(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(types::bare(ty)),
        }
    }

    fn future(&self) -> Option<types::Future<'_>> {
        if self.sig.asyncness.is_some() {
            return None;
        }
        self.returns().and_then(types::future)
    }

    pub(crate) fn answer(&self) -> Answer {
        match self.future() {
            Some(future) if future.boxed => Answer::BoxedFuture,
            Some(_) => Answer::Future,
            None if self.sig.asyncness.is_some() => Answer::Async,
            None => Answer::Direct,
        }
    }

    /// The type of an outcome, which for a future is what it yields; `None` when it is not written.
    pub(crate) fn outcome(&self) -> Option<&Type> {
        match self.future() {
            Some(future) => future.output.map(types::bare),
            None => self.returns(),
        }
    }

    /// Whether the way it is written rules out that an outcome is a `Result`.
    pub(crate) fn cannot_fail(&self) -> bool {
        match self.outcome() {
            Some(ty) => types::plainly_no_result(ty),
            None => self.returns().is_none(),
        }
    }
}

impl Function {
    /// The body with another name where the attribute `async_trait` hands `self` to the future that it makes, or nothing
    /// where it made none.
    pub(crate) fn with_lent_self(&self) -> Option<Group> {
        if self.answer() != Answer::BoxedFuture {
            return None;
        }
        let mut count = 0;
        let stream = with_lent_self(self.body.stream(), &mut count);
        let mut body = Group::new(Delimiter::Brace, stream);
        body.set_span(self.body.span());
        (count == 1).then_some(body)
    }
}

/// What `self` is called where it is lent to a future.
pub(crate) fn lent_self(span: Span) -> Ident {
    Ident::new("lent_self", at(span))
}

/// Replaces the last token of `__self = self`, and counts.
fn with_lent_self(tokens: TokenStream, count: &mut usize) -> TokenStream {
    let mut before = [String::new(), String::new()];
    let replaced = tokens.into_iter().map(|token| {
        let token = match token {
            TokenTree::Ident(name) if name == "self" && before == ["__self", "="] => {
                *count += 1;
                TokenTree::Ident(lent_self(name.span()))
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), with_lent_self(group.stream(), count));
                inner.set_span(group.span());
                TokenTree::Group(inner)
            }
            token => token,
        };
        before.rotate_left(1);
        before[1] = match &token {
            TokenTree::Group(_) => String::new(),
            token => token.to_string(),
        };
        token
    });
    replaced.collect()
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        refuse_other_items(input)?;
        let defaultness = input.parse()?;
        let sig: Signature = input.parse()?;
        if input.peek(Token![;]) {
            return Err(Error::new(
                sig.ident.span(),
                format!(
                    "`{}` has no body here: put `#[idempotent]` on the function that does the work, \
                     in the `impl` or as the trait's default",
                    sig.ident
                ),
            ));
        }
        let body = braces(input)?;
        if !input.is_empty() {
            return Err(input.error("expected nothing after the function"));
        }
        let (inner_attrs, body) = split_inner_attrs(&body);
        Ok(Self { attrs, vis, defaultness, sig, inner_attrs, body })
    }
}

impl ToTokens for Function {
    /// The function as it was written.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, vis, defaultness, sig, inner_attrs, body } = self;
        let mut inside = inner_attrs.clone();
        inside.extend(body.stream());
        let mut whole = Group::new(Delimiter::Brace, inside);
        whole.set_span(body.span());
        for attr in attrs {
            attr.to_tokens(tokens);
        }
        vis.to_tokens(tokens);
        defaultness.to_tokens(tokens);
        sig.to_tokens(tokens);
        whole.to_tokens(tokens);
    }
}

/// The body; `macro_rules` may have put an invisible group around it.
fn braces(input: ParseStream<'_>) -> syn::Result<Group> {
    let missing = input.error("expected the body of the function");
    let mut next = input.parse().ok();
    while let Some(TokenTree::Group(group)) = next {
        match group.delimiter() {
            Delimiter::Brace => return Ok(group),
            Delimiter::None => next = group.stream().into_iter().next(),
            Delimiter::Parenthesis | Delimiter::Bracket => break,
        }
    }
    Err(missing)
}

/// A closure's body cannot begin with `#![…]`, but the function's can.
fn split_inner_attrs(body: &Group) -> (TokenStream, Group) {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let inner = tokens.chunks_exact(3).take_while(|chunk| is_inner_attr(chunk)).count() * 3;
    if inner == 0 {
        // A group that is made anew has no place of its own for its closing brace, where a body that breaks off is reported.
        return (TokenStream::new(), body.clone());
    }
    let (attrs, rest) = tokens.split_at(inner);
    let mut group = Group::new(Delimiter::Brace, rest.iter().cloned().collect());
    group.set_span(body.span());
    (attrs.iter().cloned().collect(), group)
}

fn is_inner_attr(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Punct(bang), TokenTree::Group(group)] = tokens else {
        return false;
    };
    hash.as_char() == '#' && bang.as_char() == '!' && group.delimiter() == Delimiter::Bracket
}

/// What may stand before `fn`, and before other items too.
const MODIFIERS: [&str; 6] = ["const", "async", "unsafe", "extern", "default", "safe"];

/// Says where the attribute goes instead.
fn refuse_other_items(input: ParseStream<'_>) -> syn::Result<()> {
    let ahead = input.fork();
    let first = next_word(&ahead);
    let mut last = next_word(&ahead);
    while MODIFIERS.contains(&last.1.as_str()) {
        ahead.parse::<TokenTree>()?;
        ahead.parse::<Option<LitStr>>()?;
        last = next_word(&ahead);
    }
    let of_type = "not a type: put it on the function or method that does the work; \
                   to use a type as a key write `#[derive(ToKey)]`";
    let (span, instead) = match last.1.as_str() {
        "fn" => return Ok(()),
        "impl" => (last.0, "not an `impl`: put it on each method inside that is to run once"),
        "trait" => (last.0, "not a trait: put it on each method inside that has a body"),
        "mod" => (last.0, "not a module: put it on each function inside that is to run once"),
        "struct" | "enum" | "union" => (last.0, of_type),
        _ => (first.0, "nothing else"),
    };
    Err(Error::new(span, format!("`#[idempotent]` goes on a function, {instead}")))
}

fn next_word(input: ParseStream<'_>) -> (Span, String) {
    let word = match input.fork().parse() {
        Ok(TokenTree::Ident(word)) => word.to_string(),
        _ => String::new(),
    };
    (input.span(), word)
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use syn::parse_str;

    use super::{Answer, Function};

    /// Without spaces, whose number depends on where the tokens came from.
    fn plain(tokens: &impl ToString) -> String {
        tokens.to_string().replace(' ', "")
    }

    #[test]
    fn gives_back_what_it_read() {
        for text in [
            "fn f() {}",
            "/// Text.\n#[must_use] pub(in a::b) const unsafe extern \"C\" fn f<'a, T>(mut a: &'a T, (b, _): (u8, u8)) -> Result<(), T> where T: Clone { let x = 1; x }",
            "async fn f(&mut self, #[cfg(x)] a: u8) { #![allow(unused)] #![allow(dead_code)] a.await }",
            "default fn f() { not rust at all . }",
        ] {
            let function: Function = parse_str(text).unwrap();
            let expected: proc_macro2::TokenStream = text.parse().unwrap();
            assert_eq!(plain(&function.to_token_stream()), plain(&expected), "{text}");
        }
    }

    #[test]
    fn moves_inner_attributes_out_of_the_body() {
        let function: Function = parse_str("fn f() { #![allow(a)] #![b] #[c] d }").unwrap();
        assert_eq!(plain(&function.inner_attrs), "#![allow(a)]#![b]");
        assert_eq!(plain(&function.body), "{#[c]d}");
    }

    #[test]
    fn tells_how_it_answers() {
        for (text, answer) in [
            ("fn f() -> u8 {}", Answer::Direct),
            ("async fn f() -> u8 {}", Answer::Async),
            ("fn f() -> impl Future<Output = u8> {}", Answer::Future),
            ("fn f() -> (impl Future<Output = u8> + Send) {}", Answer::Future),
            ("fn f() -> Pin<Box<dyn Future<Output = u8>>> {}", Answer::BoxedFuture),
        ] {
            assert_eq!(parse_str::<Function>(text).unwrap().answer(), answer, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_function() {
        for (text, at, message) in [
            ("struct S;", "struct", "not a type"),
            ("pub enum E {}", "enum", "not a type"),
            ("union U { a: u8 }", "union", "not a type"),
            ("impl S { fn f() {} }", "impl", "on each method inside"),
            ("unsafe impl A for S {}", "impl", "on each method inside"),
            ("pub trait T {}", "trait", "not a trait"),
            ("unsafe trait T {}", "trait", "not a trait"),
            ("mod m {}", "mod", "not a module"),
            ("const X: u8 = 1;", "const", "nothing else"),
            ("static X: u8 = 1;", "static", "nothing else"),
            ("use a::b;", "use", "nothing else"),
            ("extern \"C\" { fn f(); }", "extern", "nothing else"),
            ("fn f(&self) -> u8;", "f", "`f` has no body here"),
        ] {
            let error = parse_str::<Function>(text).err().unwrap();
            assert_eq!(error.span().source_text().as_deref(), Some(at), "{text}");
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }
}
