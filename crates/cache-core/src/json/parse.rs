//! Text to [`Document`]: checks the grammar and leaves white space out, without a call or an allocation for each value.

use bytes::Bytes;

use super::{Document, JsonError, JsonErrorKind, MAX_BYTES, MAX_DEPTH, escape};

pub(super) fn parse(source: &Bytes) -> Result<Document, JsonError> {
    let text = utf8(source)?;
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { source: text, at: start, open: Vec::new(), minified: Vec::new(), kept_until: start };
    parser.skip_white_space();
    if parser.peek().is_none() {
        return Err(parser.error(JsonErrorKind::Empty));
    }
    parser.value()?;
    let end = parser.at;
    parser.pass_white_space();
    if parser.peek().is_some() {
        return Err(parser.error(JsonErrorKind::TrailingText));
    }
    Ok(Document { text: parser.finish(source, end) })
}

fn utf8(source: &[u8]) -> Result<&str, JsonError> {
    // The first two characters of a JSON text are ASCII or, within a string, anything but NUL. So a zero among the first
    // two bytes is half of a wider unit.
    if matches!(source, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err(JsonError { offset: 0, kind: JsonErrorKind::WideEncoding });
    }
    if source.len() > MAX_BYTES {
        return Err(JsonError { offset: MAX_BYTES, kind: JsonErrorKind::TooLong });
    }
    std::str::from_utf8(source).map_err(|err| JsonError { offset: err.valid_up_to(), kind: JsonErrorKind::InvalidUtf8 })
}

/// What holds other values.
#[derive(Debug, Clone, Copy)]
enum Container {
    Array,
    Object,
}

impl Container {
    fn end(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }

    fn expected_end(self) -> JsonErrorKind {
        match self {
            Self::Array => JsonErrorKind::ExpectedItemEnd,
            Self::Object => JsonErrorKind::ExpectedMemberEnd,
        }
    }
}

struct Parser<'a> {
    source: &'a str,
    /// The next byte to read.
    at: usize,
    /// The containers around the next byte, the outermost one first.
    open: Vec<Container>,
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
    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { offset: self.at, kind }
    }

    /// An error at the next byte; when there is none, the text ends too early.
    fn expected(&self, kind: JsonErrorKind) -> JsonError {
        self.error(if self.peek().is_none() { JsonErrorKind::UnexpectedEnd } else { kind })
    }

    fn pass_white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Passes white space and leaves it out of the minified text.
    fn skip_white_space(&mut self) {
        let start = self.at;
        self.pass_white_space();
        if self.at > start {
            self.keep(start);
            self.kept_until = self.at;
        }
    }

    /// Takes the source from `kept_until` to `end` over into the minified text.
    fn keep(&mut self, end: usize) {
        if self.minified.capacity() == 0 && end > self.kept_until {
            // All at once: growing would take twice as much.
            self.minified.reserve_exact(self.source.len());
        }
        self.minified.extend_from_slice(&self.source.as_bytes()[self.kept_until..end]);
    }

    /// The minified text of a value that ends at `end`. It shares the source's memory when that has no white space inside.
    fn finish(mut self, source: &Bytes, end: usize) -> Bytes {
        if self.minified.is_empty() {
            return source.slice(self.kept_until..end);
        }
        self.keep(end);
        self.minified.shrink_to_fit();
        self.minified.into()
    }

    /// Reads the value that starts at the next byte, with all that is in it.
    fn value(&mut self) -> Result<(), JsonError> {
        loop {
            let complete = self.begin_value()?;
            if complete && !self.next_value()? {
                return Ok(());
            }
        }
    }

    /// Reads a scalar or an empty container and returns `true`, or steps into a container, up to the first value in it, and
    /// returns `false`.
    fn begin_value(&mut self) -> Result<bool, JsonError> {
        match self.peek() {
            Some(b'{') => return self.begin_container(Container::Object),
            Some(b'[') => return self.begin_container(Container::Array),
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(b'N' | b'I') => return Err(self.not_finite_or(JsonErrorKind::ExpectedValue)),
            _ => return Err(self.expected(JsonErrorKind::ExpectedValue)),
        }
        Ok(true)
    }

    fn begin_container(&mut self, container: Container) -> Result<bool, JsonError> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.error(JsonErrorKind::TooDeep));
        }
        self.at += 1;
        self.skip_white_space();
        if self.eat(container.end()) {
            return Ok(true);
        }
        self.open.push(container);
        self.begin_item(container)?;
        Ok(false)
    }

    /// Steps from the end of a value to the next one, out of all containers that end in between. `false` when the outermost
    /// value has ended.
    fn next_value(&mut self) -> Result<bool, JsonError> {
        while let Some(&container) = self.open.last() {
            self.skip_white_space();
            if self.eat(b',') {
                self.skip_white_space();
                self.begin_item(container)?;
                return Ok(true);
            }
            if !self.eat(container.end()) {
                return Err(self.expected(container.expected_end()));
            }
            self.open.pop();
        }
        Ok(false)
    }

    /// Steps over what stands before a value in a container: the key in an object.
    fn begin_item(&mut self, container: Container) -> Result<(), JsonError> {
        match container {
            Container::Array => Ok(()),
            Container::Object => self.key(),
        }
    }

    fn key(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.expected(JsonErrorKind::ExpectedKey));
        }
        self.string()?;
        self.skip_white_space();
        if !self.eat(b':') {
            return Err(self.expected(JsonErrorKind::ExpectedColon));
        }
        self.skip_white_space();
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        if !self.source[self.at..].starts_with(word) {
            return Err(self.error(JsonErrorKind::ExpectedValue));
        }
        self.at += word.len();
        Ok(())
    }

    fn not_finite_or(&self, kind: JsonErrorKind) -> JsonError {
        let rest = &self.source[self.at..];
        let not_finite = rest.starts_with("NaN") || rest.starts_with("Infinity");
        if not_finite { self.error(JsonErrorKind::NotFinite) } else { self.expected(kind) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        if self.eat(b'-') && self.peek() == Some(b'I') {
            return Err(self.not_finite_or(JsonErrorKind::ExpectedDigit));
        }
        if self.eat(b'0') {
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return Err(JsonError { offset: start, kind: JsonErrorKind::LeadingZero });
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
        let is_integer = self.at == integer_end;
        if is_integer || self.source[start..self.at].parse().is_ok_and(f64::is_finite) {
            return Ok(());
        }
        Err(JsonError { offset: start, kind: JsonErrorKind::NumberTooLarge })
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected(JsonErrorKind::ExpectedDigit)) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => (_, self.at) = escape::read(self.source, self.at)?,
                Some(0..=0x1f) => return Err(self.error(JsonErrorKind::ControlCharacter)),
                Some(_) => self.at += 1,
                None => return Err(self.error(JsonErrorKind::UnexpectedEnd)),
            }
        }
    }
}
