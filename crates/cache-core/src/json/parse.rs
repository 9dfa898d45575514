//! Text to [`Document`]: a recursive descent over bytes that have been checked to be UTF-8.

use bytes::Bytes;

use super::{Document, InvalidJson, Json, JsonFault, MAX_DEPTH};

pub(super) fn parse(source: &Bytes) -> Result<Document, InvalidJson> {
    let text = utf8(source)?;
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { source: text, at: start, minified: Vec::new(), kept_until: start };
    parser.skip_white_space();
    if parser.peek().is_none() {
        return Err(parser.fault(JsonFault::Empty));
    }
    let root = parser.value(0)?;
    parser.skip_white_space();
    if parser.peek().is_some() {
        return Err(parser.fault(JsonFault::TrailingText));
    }
    Ok(Document { text: parser.finish(source), root })
}

fn utf8(source: &[u8]) -> Result<&str, InvalidJson> {
    // The first two characters of a JSON text are ASCII or, within a string, anything but NUL. So a zero among the first
    // two bytes is half of a wider unit.
    if matches!(source, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err(InvalidJson { offset: 0, reason: JsonFault::WideEncoding });
    }
    std::str::from_utf8(source).map_err(|err| InvalidJson { offset: err.valid_up_to(), reason: JsonFault::InvalidUtf8 })
}

struct Parser<'a> {
    source: &'a str,
    /// The next byte to read.
    at: usize,
    /// The source up to `kept_until`, without white space. Empty as long as there was none to leave out.
    minified: Vec<u8>,
    kept_until: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// An error at the next byte.
    fn fault(&self, reason: JsonFault) -> InvalidJson {
        InvalidJson { offset: self.at, reason }
    }

    /// An error at the next byte; when there is none, the text ends too early.
    fn expected(&self, reason: JsonFault) -> InvalidJson {
        self.fault(if self.peek().is_none() { JsonFault::UnexpectedEnd } else { reason })
    }

    fn skip_white_space(&mut self) {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        if self.at > start {
            self.minified.extend_from_slice(&self.source.as_bytes()[self.kept_until..start]);
            self.kept_until = self.at;
        }
    }

    /// The minified text. It shares the source's memory when that had no white space inside.
    fn finish(mut self, source: &Bytes) -> Bytes {
        if self.minified.is_empty() {
            return source.slice(self.kept_until..);
        }
        self.minified.extend_from_slice(&source[self.kept_until..]);
        self.minified.into()
    }

    /// The value that starts at the next byte, within `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Result<Json, InvalidJson> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(b'N' | b'I') => Err(self.not_finite_or(JsonFault::ExpectedValue)),
            _ => Err(self.expected(JsonFault::ExpectedValue)),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, InvalidJson> {
        if !self.source[self.at..].starts_with(word) {
            return Err(self.fault(JsonFault::ExpectedValue));
        }
        self.at += word.len();
        Ok(value)
    }

    fn not_finite_or(&self, reason: JsonFault) -> InvalidJson {
        let rest = &self.source[self.at..];
        let not_finite = rest.starts_with("NaN") || rest.starts_with("Infinity");
        if not_finite { self.fault(JsonFault::NotFinite) } else { self.expected(reason) }
    }

    /// Steps into an array or object.
    fn open(&mut self, depth: usize) -> Result<(), InvalidJson> {
        if depth > MAX_DEPTH {
            return Err(self.fault(JsonFault::TooDeep));
        }
        self.at += 1;
        self.skip_white_space();
        Ok(())
    }

    /// Steps over what follows an item: `true` at a comma, `false` at the closing bracket.
    fn another(&mut self, close: u8, reason: JsonFault) -> Result<bool, InvalidJson> {
        self.skip_white_space();
        if self.eat(b',') {
            self.skip_white_space();
            return Ok(true);
        }
        if self.eat(close) { Ok(false) } else { Err(self.expected(reason)) }
    }

    fn array(&mut self, depth: usize) -> Result<Json, InvalidJson> {
        self.open(depth)?;
        let mut items = Vec::new();
        let mut more = !self.eat(b']');
        while more {
            items.push(self.value(depth)?);
            more = self.another(b']', JsonFault::ExpectedItemEnd)?;
        }
        Ok(Json::Array(items))
    }

    fn object(&mut self, depth: usize) -> Result<Json, InvalidJson> {
        self.open(depth)?;
        let mut members = Vec::new();
        let mut more = !self.eat(b'}');
        while more {
            let key = self.key()?;
            members.push((key, self.value(depth)?));
            more = self.another(b'}', JsonFault::ExpectedMemberEnd)?;
        }
        Ok(Json::Object(without_duplicates(members)))
    }

    fn key(&mut self) -> Result<String, InvalidJson> {
        if self.peek() != Some(b'"') {
            return Err(self.expected(JsonFault::ExpectedKey));
        }
        let key = self.string()?;
        self.skip_white_space();
        if !self.eat(b':') {
            return Err(self.expected(JsonFault::ExpectedColon));
        }
        self.skip_white_space();
        Ok(key)
    }

    fn number(&mut self) -> Result<Json, InvalidJson> {
        let start = self.at;
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return Err(self.not_finite_or(JsonFault::ExpectedDigit));
        }
        if self.eat(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(InvalidJson { offset: start, reason: JsonFault::LeadingZero });
            }
        } else {
            self.digits()?;
        }
        let integer_end = self.at;
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            // At most one sign: the second one is no digit.
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = &self.source[start..self.at];
        if self.at == integer_end {
            return Ok(Json::Integer(if text == "-0" { "0" } else { text }.to_owned()));
        }
        match text.parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Json::Float(float)),
            _ => Err(InvalidJson { offset: start, reason: JsonFault::NumberTooLarge }),
        }
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), InvalidJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected(JsonFault::ExpectedDigit)) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, InvalidJson> {
        self.at += 1;
        let mut text = String::new();
        let mut plain_from = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    text.push_str(&self.source[plain_from..self.at]);
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(&self.source[plain_from..self.at]);
                    text.push(self.escape()?);
                    plain_from = self.at;
                }
                Some(0..=0x1f) => return Err(self.fault(JsonFault::ControlCharacter)),
                Some(_) => self.at += 1,
                None => return Err(self.fault(JsonFault::UnexpectedEnd)),
            }
        }
    }

    fn escape(&mut self) -> Result<char, InvalidJson> {
        let start = self.at;
        self.at += 1;
        let escaped = self.peek().ok_or_else(|| self.fault(JsonFault::UnexpectedEnd))?;
        self.at += 1;
        match escaped {
            b'"' | b'\\' | b'/' => Ok(char::from(escaped)),
            b'b' => Ok('\u{8}'),
            b'f' => Ok('\u{c}'),
            b'n' => Ok('\n'),
            b'r' => Ok('\r'),
            b't' => Ok('\t'),
            b'u' => self.utf16_escape(start),
            _ => Err(InvalidJson { offset: start, reason: JsonFault::BadEscape }),
        }
    }

    /// The character of the `\u` escape, or of the pair of them, that begins at `start`.
    fn utf16_escape(&mut self, start: usize) -> Result<char, InvalidJson> {
        let first = self.hex_unit(start)?;
        let mut second = None;
        if matches!(first, 0xd800..=0xdbff) && self.source[self.at..].starts_with("\\u") {
            self.at += 2;
            second = Some(self.hex_unit(self.at - 2)?);
        }
        match char::decode_utf16([first].into_iter().chain(second)).next() {
            Some(Ok(character)) => Ok(character),
            _ => Err(InvalidJson { offset: start, reason: JsonFault::LoneSurrogate }),
        }
    }

    /// The four hex digits of the escape that begins at `start`.
    fn hex_unit(&mut self, start: usize) -> Result<u16, InvalidJson> {
        let bad = InvalidJson { offset: start, reason: JsonFault::BadEscape };
        let digits = self.source.get(self.at..self.at + 4).ok_or(bad.clone())?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(bad);
        }
        self.at += 4;
        u16::from_str_radix(digits, 16).map_err(|_| bad)
    }
}

/// Of members with one key, the last value moves to the place of the first, as in a Python `dict`.
///
/// Sorting keeps this quick for any number of duplicates, and asks for no random hash seed.
fn without_duplicates(members: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let key = |index: usize| members[index].0.as_str();
    let mut by_key: Vec<usize> = (0..members.len()).collect();
    // A stable sort: equal keys stay in the order of the text.
    by_key.sort_by(|&a, &b| key(a).cmp(key(b)));
    let same = |a: &usize, b: &usize| key(*a) == key(*b);
    let duplicates: Vec<Vec<usize>> =
        by_key.chunk_by(same).filter(|group| group.len() > 1).map(<[usize]>::to_vec).collect();
    if duplicates.is_empty() {
        return members;
    }
    let mut slots: Vec<Option<(String, Json)>> = members.into_iter().map(Some).collect();
    for group in duplicates {
        let last = group.iter().rev().find_map(|&index| slots[index].take());
        group.iter().for_each(|&index| slots[index] = None);
        slots[group[0]] = last;
    }
    slots.into_iter().flatten().collect()
}
