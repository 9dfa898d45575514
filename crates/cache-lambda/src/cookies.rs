//! Cookies as the Python clients and servers write them: a value with special characters stands in quotes, in which
//! `\"`, `\\` and three octal digits after a backslash each mean one byte.

use http::{HeaderMap, header};

/// The characters that need no quotes, in addition to letters and digits.
const PLAIN: &[u8] = b"!#$%&'*+-.^_`|~:";
/// What may stand in quotes as it is.
const PLAIN_IN_QUOTES: &[u8] = b" ()/<=>?@[]{}";

/// The value of the first cookie of this name that has one.
pub fn find(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let pairs = headers.get_all(header::COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let value =
        pairs.map(<[u8]>::trim_ascii).find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    Some(unquote(value)).filter(|value| !value.is_empty())
}

/// A value as it stands in a header.
pub fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if value.bytes().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            _ if is_plain(byte) || PLAIN_IN_QUOTES.contains(&byte) => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\{byte:03o}")),
        }
    }
    quoted + "\""
}

fn unquote(value: &[u8]) -> Vec<u8> {
    let Some(quoted) = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let (mut plain, mut rest) = (Vec::with_capacity(quoted.len()), quoted);
    while let Some((&first, after)) = rest.split_first() {
        let (byte, left) = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', left @ ..]) => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), left)
            }
            (b'\\', [escaped, left @ ..]) => (*escaped, left),
            _ => (first, after),
        };
        plain.push(byte);
        rest = left;
    }
    plain
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn found(cookies: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookies).unwrap())]);
        find(&headers, "key").map(|value| String::from_utf8(value).unwrap())
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for (cookies, value) in [("a=b; key=v", Some("v")), ("key=\"v\"", Some("v")), ("key=", None), ("keys=v", None)]
        {
            assert_eq!(found(cookies).as_deref(), value);
        }
    }

    #[test]
    fn special_characters_are_quoted() {
        assert_eq!(quote("plain-1"), "plain-1");
        assert_eq!(quote("a b;c=\"d\""), "\"a b\\073c=\\\"d\\\"\"");
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_is_found_again(value in ".+") {
            prop_assert_eq!(found(&format!("x=1; key={}; y=2", quote(&value))), Some(value));
        }
    }
}
