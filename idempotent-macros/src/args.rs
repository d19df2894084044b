//! The arguments of the attribute as they were written.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Expr, Lit, Token};

use crate::errors::Errors;
use crate::known::{self, Known, Name};

/// One argument: its word, and its value unless it is a flag.
pub(crate) struct Argument {
    name: Name,
    pub(crate) word: Ident,
    /// Absent for flags, and where it could not be read.
    pub(crate) value: Option<Expr>,
}

impl ToTokens for Argument {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.word.to_tokens(tokens);
        self.value.to_tokens(tokens);
    }
}

impl Argument {
    pub(crate) fn is(&self, name: Name) -> bool {
        self.name == name
    }

    /// Its word as the runtime knows it.
    pub(crate) fn known_word(&self) -> &'static str {
        self.name.word()
    }
}

/// What stands between the parentheses of the attribute.
#[derive(Default)]
pub(crate) struct Args {
    given: Vec<Argument>,
    /// Whether something that was not understood was probably meant as the key.
    hints_at_key: bool,
}

impl Args {
    /// Reads all that can be read and notes every mistake.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.argument(input, errors) {
                    errors.push(error);
                    skip_argument(input)?;
                }
            }
            Ok(())
        };
        let read = parser.parse2(tokens);
        errors.keep(read);
        args
    }

    pub(crate) fn find(&self, name: Name) -> Option<&Argument> {
        self.given.iter().find(|argument| argument.name == name)
    }

    pub(crate) fn value(&self, name: Name) -> Option<(&Ident, &Expr)> {
        let argument = self.find(name)?;
        Some((&argument.word, argument.value.as_ref()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Argument> {
        self.given.iter()
    }

    /// Whether a key was given, or meant.
    pub(crate) fn has_key(&self) -> bool {
        self.hints_at_key || self.find(Name::Key).is_some()
    }

    /// Whichever of the two was written later.
    pub(crate) fn later(&self, one: Name, other: Name) -> Option<&Argument> {
        self.given.iter().rfind(|argument| argument.name == one || argument.name == other)
    }

    fn argument(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let word = match word(input) {
            Ok(word) => word,
            // The hole that has no name is the mistake.
            Err(_) if self.has_empty_hole() => return skip_argument(input),
            Err(error) => {
                self.hints_at_key = true;
                return Err(error);
            }
        };
        let alone = !input.peek(Token![=]);
        let Some(known) = known::find(&word.to_string()) else {
            if alone && self.has_empty_hole() {
                return end(input);
            }
            let unknown = known::unknown(&word.to_string(), alone);
            errors.at(&word, unknown.message);
            self.hints_at_key |= unknown.hints_at_key;
            if !alone {
                input.parse::<Token![=]>()?;
                input.parse::<Expr>()?;
            }
            return end(input);
        };
        // Given from here on, so that one with a broken value is not reported as missing, too.
        self.give(known, &word, errors);
        let value = if alone {
            no_value(input, known, &word)?;
            None
        } else {
            Some(value(input, known)?)
        };
        match value {
            Some(value) if known.is_flag() => errors.at(value, no_flag_value(known)),
            value => {
                if let Some(argument) = self.given.last_mut() {
                    argument.value = value;
                }
            }
        }
        end(input)
    }

    /// Whether the key is a text with `{}` in it, as the values behind a text are for `format!`.
    fn has_empty_hole(&self) -> bool {
        let Some((_, Expr::Lit(literal))) = self.value(Name::Key) else { return false };
        match &literal.lit {
            Lit::Str(text) => text.value().replace("{{", "").replace("}}", "").contains("{}"),
            _ => false,
        }
    }

    fn give(&mut self, known: &Known, word: &Ident, errors: &mut Errors) {
        if self.find(known.name).is_some() {
            errors.at(word, format!("`{word}` is given twice: keep one of the two"));
        }
        self.given.push(Argument { name: known.name, word: word.clone(), value: None });
    }
}

/// The word that begins an argument, if what follows can belong to one.
fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    let ahead = input.fork();
    let word = ahead.call(Ident::parse_any).ok().filter(|word| {
        let goes_on = ahead.is_empty() || ahead.peek(Token![,]) || ahead.peek(Token![=]);
        goes_on || known::find(&word.to_string()).is_some()
    });
    if word.is_some() {
        return input.call(Ident::parse_any);
    }
    let key = input.fork().parse::<Expr>().map_or_else(|_| "…".to_owned(), |key| as_written(&key));
    Err(input.error(format!("expected an argument with its name; for a key write `key = {key}`")))
}

/// An expression as people write it, where its tokens have spaces between them.
pub(crate) fn as_written(value: &Expr) -> String {
    value.to_token_stream().to_string().replace(" . ", ".").replace(" :: ", "::").replace("& ", "&").replace("- ", "-")
}

/// Checks that a word without `=` is a flag and stands alone.
fn no_value(input: ParseStream<'_>, known: &Known, word: &Ident) -> syn::Result<()> {
    let alone = input.is_empty() || input.peek(Token![,]);
    let message = match (known.is_flag(), alone) {
        (true, true) => return Ok(()),
        (true, false) => no_flag_value(known),
        (false, true) => format!("`{word}` needs a value, as in `{}`", known.example),
        (false, false) => format!("write the value after `=`, as in `{}`", known.example),
    };
    Err(Error::new(word.span(), message))
}

fn no_flag_value(known: &Known) -> String {
    format!("`{0}` takes no value: write `{0}` alone", known.word)
}

fn value(input: ParseStream<'_>, known: &Known) -> syn::Result<Expr> {
    let equals: Token![=] = input.parse()?;
    if input.is_empty() || input.peek(Token![,]) {
        let message = format!("the value of `{}` is missing, as in `{}`", known.word, known.example);
        return Err(Error::new_spanned(equals, message));
    }
    input.parse()
}

/// The comma behind an argument, or nothing more.
fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}

/// Goes on behind the next comma after which another argument seems to begin.
fn skip_argument(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.parse::<Option<Token![,]>>()?.is_some() {
            if input.is_empty() || word(&input.fork()).is_ok() {
                break;
            }
        } else {
            input.parse::<TokenTree>()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Args;
    use crate::errors::Errors;
    use crate::known::Name;

    /// Every mistake as the text it points at and its message.
    fn mistakes(text: &str) -> Vec<(String, String)> {
        let mut errors = Errors::default();
        Args::parse(text.parse().unwrap(), &mut errors);
        let Err(all) = errors.into_result() else { return Vec::new() };
        all.into_iter().map(|error| (error.span().source_text().unwrap_or_default(), error.to_string())).collect()
    }

    #[test]
    fn reads_values_flags_and_a_trailing_comma() {
        let mut errors = Errors::default();
        let text = "key = (a, b::<C, D>()), keep = |o, p| o, detached, crate = x::y,";
        let args = Args::parse(text.parse().unwrap(), &mut errors);
        assert!(errors.into_result().is_ok());
        for name in [Name::Key, Name::Keep, Name::Crate] {
            assert!(args.value(name).is_some(), "{name:?}");
        }
        assert!(args.find(Name::Detached).is_some());
        assert!(args.find(Name::Scope).is_none());
    }

    #[test]
    fn points_at_each_mistake() {
        for (text, at, message) in [
            ("retenton = \"1h\"", "retenton", "did you mean `retention`?"),
            ("kye = a", "kye", "did you mean `key`?"),
            ("ttl = 5", "ttl", "here it is `retention`, as in `retention = \"24h\"`"),
            ("timeout = 5", "timeout", "here it is `in_flight`"),
            ("zzz = 5", "zzz", "the arguments are `key`, `missing`"),
            ("order_id", "order_id", "for a key write `key = order_id`"),
            ("id", "id", "for a key write `key = id`"),
            ("id = 5", "id", "here it is `key`, as in `key = payment.id`"),
            ("name", "name", "here it is `scope`, as in `scope = \"payments.charge\"`; for a key write `key = name`"),
            ("spawn", "spawn", "here it is `detached`, as in `detached`"),
            ("payment.id", "payment", "for a key write `key = payment.id`"),
            ("\"{id}\"", "\"{id}\"", "for a key write `key = \"{id}\"`"),
            ("in_flight(reject)", "in_flight", "as in `in_flight = reject`"),
            ("key", "key", "`key` needs a value, as in `key = payment.id`"),
            ("key =", "=", "the value of `key` is missing"),
            ("key = , keep = ok", "=", "the value of `key` is missing"),
            ("key = a, key = b", "key", "`key` is given twice"),
            ("detached = true", "true", "`detached` takes no value"),
            ("key = a keep = ok", "keep", "expected `,`"),
            ("key == a", "=", "expected an expression"),
            ("detached(true)", "detached", "`detached` takes no value"),
            ("durable = true", "true", "`durable` takes no value"),
            ("store", "store", "`store` needs a value, as in `store = &self.store`"),
            ("transaction", "transaction", "`transaction` needs a value, as in `transaction = tx`"),
        ] {
            let found = mistakes(text);
            let [(place, said)] = found.as_slice() else { panic!("{text}: {found:?}") };
            assert_eq!(place, at, "{text}");
            assert!(said.contains(message), "{text}: {said}");
        }
    }

    #[test]
    fn goes_on_after_a_mistake() {
        let found = mistakes("key = 1 +, ttl = 5, keep ok, a.b.c, retenton = 5");
        let places: Vec<_> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(places, [",", "ttl", "keep", "retenton"], "{found:?}");
    }
}
