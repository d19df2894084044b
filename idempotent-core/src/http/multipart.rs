//! A form of several parts without its boundary, which browsers make anew for every try.

use ::http::header::{CONTENT_TYPE, HeaderMap};

/// The parts of a form, each with its length before it; nothing where the body is not one.
pub(super) fn canonical(headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let boundary = boundary(headers.get(CONTENT_TYPE)?.to_str().ok()?)?;
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body.strip_prefix(delimiter.get(2..)?)?;
    let mut out = Vec::with_capacity(body.len());
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let end = after.windows(delimiter.len()).position(|window| window == delimiter)?;
        let (part, next) = after.split_at(end);
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
        rest = next.get(delimiter.len()..)?;
    }
    matches!(rest, b"--" | b"--\r\n").then_some(out)
}

/// The boundary that a media type names, where it is one of several parts.
fn boundary(media_type: &str) -> Option<&str> {
    let mut parts = media_type.split(';').map(str::trim);
    if !parts.next()?.get(..10)?.eq_ignore_ascii_case("multipart/") {
        return None;
    }
    let value = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim_end().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use ::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

    fn of(media_type: &'static str, body: &str) -> Option<Vec<u8>> {
        canonical(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]), body.as_bytes())
    }

    #[test]
    fn the_boundary_does_not_matter_and_the_parts_do() {
        let one = of("multipart/form-data; boundary=A", "--A\r\nx: 1\r\n\r\none\r\n--A\r\n\r\ntwo\r\n--A--\r\n");
        let two = of(
            "Multipart/form-data; charset=utf-8; Boundary=\"B\"",
            "--B\r\nx: 1\r\n\r\none\r\n--B\r\n\r\ntwo\r\n--B--",
        );
        assert!(one.is_some() && one == two);
        for other in [
            "--A\r\nx: 1\r\n\r\nONE\r\n--A\r\n\r\ntwo\r\n--A--",
            "--A\r\nx: 2\r\n\r\none\r\n--A\r\n\r\ntwo\r\n--A--",
            "--A\r\n\r\ntwo\r\n--A\r\nx: 1\r\n\r\none\r\n--A--",
            "--A\r\nx: 1\r\n\r\none\r\n\r\ntwo\r\n--A--",
        ] {
            let other = of("multipart/form-data; boundary=A", other);
            assert!(other.is_some() && other != one);
        }
    }

    #[test]
    fn what_is_no_form_is_left_to_its_bytes() {
        for (media_type, body) in [
            ("text/plain; boundary=A", "--A\r\n\r\n1\r\n--A--"),
            ("multipart/form-data", "--A\r\n\r\n1\r\n--A--"),
            ("multipart/form-data; boundary=A", "--A\r\n\r\n1\r\n--A"),
            ("multipart/form-data; boundary=A", "--A\r\n\r\n1\r\n--AB--"),
            ("multipart/form-data; boundary=A", "before\r\n--A\r\n\r\n1\r\n--A--"),
            ("multipart/form-data; boundary=A", "--A\r\n\r\n1\r\n--A--after"),
            ("multipart/form-data; boundary=A", ""),
        ] {
            assert_eq!(of(media_type, body), None, "{media_type} {body}");
        }
    }
}
