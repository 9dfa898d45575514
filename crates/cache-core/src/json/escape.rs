//! Escapes in strings: the parser checks them with the same function that later reads them.

use super::{JsonError, JsonErrorKind};

/// The character of the escape whose backslash is at `start`, and the offset of what follows the escape.
pub(super) fn read(text: &str, start: usize) -> Result<(char, usize), JsonError> {
    let kind = start + 1;
    let Some(escaped) = text.as_bytes().get(kind) else {
        return Err(JsonError { offset: kind, kind: JsonErrorKind::UnexpectedEnd });
    };
    let character = match escaped {
        b'"' | b'\\' | b'/' => char::from(*escaped),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return utf16(text, start),
        _ => return Err(JsonError { offset: start, kind: JsonErrorKind::BadEscape }),
    };
    Ok((character, kind + 1))
}

/// The character of the `\u` escape, or of the pair of them, that begins at `start`.
fn utf16(text: &str, start: usize) -> Result<(char, usize), JsonError> {
    let first = hex_unit(text, start)?;
    let mut end = start + UNIT_LENGTH;
    let mut second = None;
    if matches!(first, 0xd800..=0xdbff) && text[end..].starts_with("\\u") {
        second = Some(hex_unit(text, end)?);
        end += UNIT_LENGTH;
    }
    match char::decode_utf16([first].into_iter().chain(second)).next() {
        Some(Ok(character)) => Ok((character, end)),
        Some(Err(_)) | None => Err(JsonError { offset: start, kind: JsonErrorKind::LoneSurrogate }),
    }
}

/// Length of `\u` and four hex digits.
const UNIT_LENGTH: usize = 6;

/// The UTF-16 code unit of the `\u` escape that begins at `start`.
fn hex_unit(text: &str, start: usize) -> Result<u16, JsonError> {
    let bad = JsonError { offset: start, kind: JsonErrorKind::BadEscape };
    let digits = text.get(start + 2..start + UNIT_LENGTH).ok_or(bad.clone())?;
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(bad);
    }
    u16::from_str_radix(digits, 16).map_err(|_| bad)
}

/// The characters of a string in a checked text, without its escapes.
#[derive(Debug, Clone)]
pub(super) struct Unescaped<'a> {
    text: &'a str,
    /// The next byte to read.
    at: usize,
}

impl<'a> Unescaped<'a> {
    /// The rest of a string from `at`, which is behind its opening quote.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// The offset of the next character.
    pub(super) fn offset(&self) -> usize {
        self.at
    }
}

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let (character, next) = match self.text.as_bytes().get(self.at)? {
            b'"' => return None,
            b'\\' => read(self.text, self.at).expect("the parser has checked every escape"),
            _ => {
                let character = self.text[self.at..].chars().next()?;
                (character, self.at + character.len_utf8())
            }
        };
        self.at = next;
        Some(character)
    }
}
