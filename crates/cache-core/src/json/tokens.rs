//! Tokens of a checked, minified text.

/// One token. Commas and colons are left out: the order of the others says as much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    /// The key of a member. The member's value is what follows.
    Key,
    /// A string, number, boolean or null.
    Scalar,
}

/// The tokens of a text, each with its offset.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The offset behind the last token. After a key it is the offset of the value.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// The token of one byte that is next.
    fn bracket(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn string(&mut self) -> Token {
        self.at = string_end(self.text, self.at);
        if self.text.as_bytes().get(self.at) == Some(&b':') { self.bracket(Token::Key) } else { Token::Scalar }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (usize, Token);

    fn next(&mut self) -> Option<(usize, Token)> {
        let bytes = self.text.as_bytes();
        self.at += usize::from(bytes.get(self.at) == Some(&b','));
        let start = self.at;
        let token = match bytes.get(start)? {
            b'{' => self.bracket(Token::ObjectStart),
            b'}' => self.bracket(Token::ObjectEnd),
            b'[' => self.bracket(Token::ArrayStart),
            b']' => self.bracket(Token::ArrayEnd),
            b'"' => self.string(),
            _ => {
                self.at = literal_end(self.text, start);
                Token::Scalar
            }
        };
        Some((start, token))
    }
}

/// The offset behind the closing quote of the string whose opening quote is at `start`.
pub(super) fn string_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The offset behind the number, boolean or null at `start`.
pub(super) fn literal_end(text: &str, start: usize) -> usize {
    let rest = &text.as_bytes()[start..];
    start + rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}')).unwrap_or(rest.len())
}

/// The offset behind the value at `start`.
pub(super) fn value_end(text: &str, start: usize) -> usize {
    let mut tokens = Tokens { text, at: start };
    let mut depth = 0_usize;
    for (_, token) in tokens.by_ref() {
        match token {
            Token::ObjectStart | Token::ArrayStart => depth += 1,
            Token::ObjectEnd | Token::ArrayEnd => depth -= 1,
            Token::Key | Token::Scalar => {}
        }
        if depth == 0 {
            break;
        }
    }
    tokens.at
}
