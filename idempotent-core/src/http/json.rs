//! JSON in one form: members sorted by name, no white space. Numbers stay as they are written, so that two bodies that
//! agree here mean the same to every reader.

use serde::de::IgnoredAny;

/// Deeper values are compared by their bytes.
const DEEPEST: usize = 64;

/// The one form of a body, without the members that these paths name; nothing where it is no JSON, or where readers may
/// disagree about what it says (a member that is there twice).
pub(super) fn canonical(body: &[u8], without: &[Vec<String>]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut scan = Scan { text, at: 0, without, path: Vec::new() };
    let mut out = Vec::with_capacity(body.len());
    scan.value(&mut out, 0)?;
    Some(out)
}

/// The parts of a JSON pointer (RFC 6901).
pub(super) fn pointer(text: &str) -> Vec<String> {
    text.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

/// A way through a text that is known to be JSON.
struct Scan<'a> {
    text: &'a str,
    at: usize,
    without: &'a [Vec<String>],
    path: Vec<String>,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    /// Goes past one byte of punctuation.
    fn step(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(out, depth),
            b'[' => self.array(out, depth),
            b'"' => write(&self.string()?, out),
            _ => {
                out.extend_from_slice(self.token().as_bytes());
                Some(())
            }
        }
    }

    /// A number or a word.
    fn token(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest.find([',', '}', ']', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn string(&mut self) -> Option<String> {
        self.peek()?;
        let rest = self.text.get(self.at..)?;
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        let quoted = rest.get(..end + 2)?;
        self.at += quoted.len();
        serde_json::from_str(quoted).ok()
    }

    fn array(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        self.step()?;
        out.push(b'[');
        if self.peek()? == b']' {
            self.step()?;
        } else {
            for at in 0_usize.. {
                self.element(out, depth, at)?;
                if self.step()? == b']' {
                    break;
                }
                out.push(b',');
            }
        }
        out.push(b']');
        Some(())
    }

    fn element(&mut self, out: &mut Vec<u8>, depth: usize, at: usize) -> Option<()> {
        if self.without.is_empty() {
            return self.value(out, depth + 1);
        }
        let before = out.len();
        self.path.push(at.to_string());
        self.value(out, depth + 1)?;
        if self.without.contains(&self.path) {
            // Its place stays, so that the others keep theirs; no value of JSON is written like this.
            out.truncate(before);
            out.push(b'-');
        }
        self.path.pop();
        Some(())
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize) -> Option<()> {
        let mut members = Vec::new();
        self.step()?;
        if self.peek()? == b'}' {
            self.step()?;
        } else {
            loop {
                let name = self.string()?;
                self.step()?;
                self.path.push(name.clone());
                let mut value = Vec::new();
                self.value(&mut value, depth + 1)?;
                let is_left_out = self.without.contains(&self.path);
                self.path.pop();
                members.push((name, value, is_left_out));
                if self.step()? == b'}' {
                    break;
                }
            }
        }
        members.sort_unstable_by(|one, two| one.0.cmp(&two.0));
        if members.windows(2).any(|pair| matches!(pair, [one, two] if one.0 == two.0)) {
            return None;
        }
        out.push(b'{');
        for (at, (name, value, _)) in members.iter().filter(|(.., is_left_out)| !is_left_out).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write(name, out)?;
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        Some(())
    }
}

fn write(string: &str, out: &mut Vec<u8>) -> Option<()> {
    serde_json::to_writer(out, string).ok()
}

#[cfg(test)]
mod tests {
    use super::{canonical, pointer};

    fn same(body: &str, without: &[&str]) -> Option<String> {
        let without: Vec<_> = without.iter().map(|path| pointer(path)).collect();
        canonical(body.as_bytes(), &without).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn order_and_white_space_do_not_matter() {
        let body = " {\"b\" : [1, 2.50,\n{\"y\":null,\"x\":\"\\u0061 \\\" \\\\\"}] , \"a\":{}, \"c\":[ ]} ";
        let golden = r#"{"a":{},"b":[1,2.50,{"x":"a \" \\","y":null}],"c":[]}"#;
        assert_eq!(same(body, &[]).as_deref(), Some(golden));
        assert_eq!(same(golden, &[]).as_deref(), Some(golden));
    }

    #[test]
    fn what_is_written_otherwise_is_not_taken_for_the_same() {
        for (one, two) in [
            ("1", "1.0"),
            ("12345678901234567890123", "12345678901234567890124"),
            ("0.1", "0.10000000000000000001"),
            ("[1,2]", "[2,1]"),
            ("\"1\"", "1"),
            ("{\"a\":null}", "{}"),
            ("{\"a\":\"x\"}", "{\"a\":\"X\"}"),
            ("{\"a\":\"x\"}", "{\"a\":\"x \"}"),
            ("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}"),
        ] {
            assert_ne!(same(one, &[]), same(two, &[]), "{one} {two}");
            assert!(same(one, &[]).is_some() && same(two, &[]).is_some(), "{one} {two}");
        }
    }

    #[test]
    fn what_readers_disagree_about_is_left_to_its_bytes() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for body in ["", "{", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":1}", "\"\\ud800\"", "a=1", "{} {}", &deep] {
            assert_eq!(same(body, &[]), None, "{body}");
        }
        assert_eq!(canonical(b"\"\xff\"", &[]), None);
    }

    #[test]
    fn members_can_be_left_out() {
        let body = r#"{"id":1,"sent":"now","meta":{"sent":2,"a/b":3}}"#;
        assert_eq!(same(body, &["/sent", "/meta/a~1b"]).as_deref(), Some(r#"{"id":1,"meta":{"sent":2}}"#));
        assert_eq!(same(r#"{"sent":1}"#, &["/sent"]).as_deref(), Some("{}"));
    }

    #[test]
    fn an_element_is_named_by_its_index() {
        let body = r#"{"x":[{"y":1,"z":2},{"y":3}],"n":[1,2]}"#;
        assert_eq!(same(body, &["/x/y"]).as_deref(), Some(r#"{"n":[1,2],"x":[{"y":1,"z":2},{"y":3}]}"#));
        assert_eq!(same(body, &["/x/0/y", "/n/1"]).as_deref(), Some(r#"{"n":[1,-],"x":[{"z":2},{"y":3}]}"#));
        assert_ne!(same("[1]", &["/0"]), same("[]", &["/0"]));
    }
}
