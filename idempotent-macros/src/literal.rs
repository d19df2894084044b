//! Key literals: `"{tenant}:{payment.id}"`.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use syn::{Error, Expr, LitStr};

/// A part of a key literal, in the order written.
pub(crate) enum Part {
    Text(String),
    Hole(Box<Expr>),
}

/// Splits a literal into text and holes, leaving out texts that are empty.
pub(crate) fn parse(literal: &LitStr) -> syn::Result<Vec<Part>> {
    let value = literal.value();
    let fail = |message: String| Error::new(literal.span(), message);
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = value.as_str();
    while let Some(found) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(found);
        text.push_str(before);
        if let Some(after) = brace.strip_prefix("{{") {
            text.push('{');
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            text.push('}');
            rest = after;
        } else if let Some(after) = brace.strip_prefix('{') {
            let end =
                end_of_hole(after).ok_or_else(|| fail("a `{` is never closed; a brace as text is `{{`".to_owned()))?;
            push_text(&mut parts, &mut text);
            parts.push(Part::Hole(hole(&after[..end], literal.span())?));
            rest = &after[end + 1..];
        } else {
            return Err(fail("a `}` was never opened; a brace as text is `}}`".to_owned()));
        }
    }
    text.push_str(rest);
    push_text(&mut parts, &mut text);
    Ok(parts)
}

fn push_text(parts: &mut Vec<Part>, text: &mut String) {
    if !text.is_empty() {
        parts.push(Part::Text(std::mem::take(text)));
    }
}

/// Where the brace is that closes the hole, which may hold braces itself.
fn end_of_hole(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            '}' if depth == 0 => return Some(at),
            '{' => depth += 1,
            '}' => depth -= 1,
            '"' | '\'' => at += length_of_quoted(&text[at..]).unwrap_or(0),
            _ => {}
        }
        at += letter.len_utf8();
    }
    None
}

/// How far behind its begin the quotation mark stands that ends what `text` begins with: a string, or a character and
/// not a lifetime.
fn length_of_quoted(text: &str) -> Option<usize> {
    let mark = text.chars().next()?;
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == mark && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    })?;
    let is_character = text[..end.0].chars().count() == 2 || text[1..].starts_with('\\');
    (mark == '"' || is_character).then_some(end.0)
}

fn hole(text: &str, span: Span) -> syn::Result<Box<Expr>> {
    let trimmed = text.trim();
    if trimmed.chars().all(|letter| letter.is_ascii_digit()) {
        return Err(Error::new(
            span,
            format!("`{{{text}}}` names nothing: write the value into the hole, as in `{{payment.id}}`"),
        ));
    }
    if let Some(at) = format_spec(trimmed) {
        let value = trimmed[..at].trim();
        return Err(Error::new(
            span,
            format!(
                "`{{{text}}}` asks for a format, and a key has none: write `{{{value}}}`, or make the \
                 value a key with `key::display(&{value})` or `key::serde(&{value})`"
            ),
        ));
    }
    let unreadable = || Error::new(span, format!("`{{{text}}}` is not an expression"));
    let tokens: TokenStream = trimmed.parse().map_err(|_| unreadable())?;
    syn::parse2(respan(tokens, span)).map(Box::new).map_err(|_| unreadable())
}

/// Where a single `:` stands outside all brackets; `::` belongs to a path.
fn format_spec(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b':' if bytes.get(at + 1) == Some(&b':') => at += 1,
            b':' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Names in a hole mean what they mean where the literal is written.
fn respan(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(group) => {
                let mut group = Group::new(group.delimiter(), respan(group.stream(), span));
                group.set_span(span);
                TokenTree::Group(group)
            }
            mut other => {
                other.set_span(span);
                other
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use quote::ToTokens;
    use syn::LitStr;

    use super::{Part, parse};

    fn split(text: &str) -> Result<Vec<String>, String> {
        let parts = parse(&LitStr::new(text, Span::call_site())).map_err(|error| error.to_string())?;
        Ok(parts
            .into_iter()
            .map(|part| match part {
                Part::Text(text) => format!("{text:?}"),
                Part::Hole(expr) => expr.to_token_stream().to_string(),
            })
            .collect())
    }

    #[test]
    fn splits_text_and_holes() {
        for (text, parts) in [
            ("", &[] as &[&str]),
            ("nightly", &["\"nightly\""]),
            ("{id}", &["id"]),
            ("{tenant}:{id}", &["tenant", "\":\"", "id"]),
            ("{a}{b}", &["a", "b"]),
            ("a{ b . c }d", &["\"a\"", "b . c", "\"d\""]),
            ("{{{id}}}", &["\"{\"", "id", "\"}\""]),
            ("{{}}", &["\"{}\""]),
            ("{T::NAME}", &["T :: NAME"]),
            ("{f(\"a:b\")}", &["f (\"a:b\")"]),
            ("{if a { b } else { c }}", &["if a { b } else { c }"]),
            ("{s.find('}')}", &["s . find ('}')"]),
            ("{s.find(\"}{\")}-", &["s . find (\"}{\")", "\"-\""]),
            ("{a::<'b>('c', '\\'')}", &["a :: < 'b > ('c' , '\\'')"]),
        ] {
            let expected: Vec<_> = parts.iter().map(ToString::to_string).collect();
            assert_eq!(split(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, message) in [
            ("{id:?}", "asks for a format"),
            ("{x:>5}", "`key::display(&x)`"),
            ("{}", "`{}` names nothing"),
            ("{0}", "`{0}` names nothing"),
            ("{id", "a `{` is never closed"),
            ("id}", "a `}` was never opened"),
            ("{a b}", "`{a b}` is not an expression"),
            ("{(a}", "`{(a}` is not an expression"),
        ] {
            let error = split(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
