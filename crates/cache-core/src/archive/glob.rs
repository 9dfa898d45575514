//! Glob patterns for member names, as in a shell.

use std::str::{Chars, FromStr};

use thiserror::Error;

/// The longest pattern, in characters.
pub const MAX_PATTERN_CHARS: usize = 256;

/// A glob pattern for whole names, as Python's `fnmatch` reads it: `*` stands for any characters (`/` too), `?` for one, `[a-z]` for one of these, `[!a-z]`
/// for one other. A `[` that is never closed stands for itself.
///
/// Matching takes at most as many steps as the name's length times the pattern's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobPattern(Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    AnyText,
    AnyOne,
    One(char),
    OneOf { ranges: Vec<(char, char)>, negated: bool },
}

/// Why a text is not a [`GlobPattern`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPattern {
    /// No character.
    #[error("must not be empty")]
    Empty,
    /// Too many characters.
    #[error("is longer than {MAX_PATTERN_CHARS} characters")]
    TooLong,
}

impl GlobPattern {
    /// How many steps per character of a name matching takes at most.
    pub(super) fn weight(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether the pattern stands for this whole name.
    pub fn matches(&self, name: &str) -> bool {
        let mut rest = name.chars();
        let mut at = 0;
        // Where to go on when what follows the last `*` does not fit: that `*` takes one character more. Earlier ones need
        // no second try, since the last one can take all that they could.
        let mut retry: Option<(usize, Chars<'_>)> = None;
        loop {
            match self.0.get(at) {
                Some(Token::AnyText) => {
                    at += 1;
                    retry = Some((at, rest.clone()));
                    continue;
                }
                Some(token) => match rest.next() {
                    Some(c) if token.takes(c) => {
                        at += 1;
                        continue;
                    }
                    Some(_) => {}
                    // A star that takes more leaves even less for what follows it.
                    None => return false,
                },
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((after_star, from)) = &mut retry else { return false };
            if from.next().is_none() {
                return false;
            }
            at = *after_star;
            rest = from.clone();
        }
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::AnyText | Self::AnyOne => true,
            Self::One(own) => *own == c,
            Self::OneOf { ranges, negated } => ranges.iter().any(|&(from, to)| (from..=to).contains(&c)) != *negated,
        }
    }
}

impl FromStr for GlobPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        match text.chars().count() {
            0 => Err(InvalidPattern::Empty),
            1..=MAX_PATTERN_CHARS => Ok(Self(tokens(text))),
            _ => Err(InvalidPattern::TooLong),
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '*' => Token::AnyText,
            '?' => Token::AnyOne,
            '[' => match one_of(rest.as_str()) {
                Some((token, after)) => {
                    rest = after;
                    token
                }
                None => Token::One('['),
            },
            c => Token::One(c),
        });
    }
    tokens
}

/// Reads what follows a `[`, up to its `]`, and what comes after it. A `]` in the first place stands for itself.
fn one_of(text: &str) -> Option<(Token, Chars<'_>)> {
    let inner = text.strip_prefix(['!', '^']);
    let mut rest = inner.unwrap_or(text).chars();
    let mut ranges = Vec::new();
    loop {
        let from = rest.next()?;
        if from == ']' && !ranges.is_empty() {
            return Some((Token::OneOf { ranges, negated: inner.is_some() }, rest));
        }
        ranges.push((from, range_end(&mut rest).unwrap_or(from)));
    }
}

/// The `z` of `a-z`, when a `-` and something else than the closing `]` follow.
fn range_end(rest: &mut Chars<'_>) -> Option<char> {
    let mut ahead = rest.clone();
    if ahead.next() != Some('-') {
        return None;
    }
    let end = ahead.next().filter(|&c| c != ']')?;
    *rest = ahead;
    Some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let parsed: GlobPattern = pattern.parse().unwrap();
        for name in matching {
            assert!(parsed.matches(name), "{pattern} should match {name}");
        }
        for name in others {
            assert!(!parsed.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn a_pattern_stands_for_whole_names() {
        check("*.tmp", &["a.tmp", "d/c.tmp", ".tmp"], &["a.tmp.txt", "tmp"]);
        check("d/*", &["d/c.tmp", "d/e/f", "d/"], &["d", "ad/c"]);
        check("a*b*c", &["abc", "axbxbxc"], &["ab", "acb"]);
        check("?.txt", &["a.txt", "é.txt"], &[".txt", "ab.txt"]);
        check("[ab].txt", &["a.txt", "b.txt"], &["c.txt", "[ab].txt"]);
        check("v[0-9]-[!a-y]", &["v7-z"], &["vx-z", "v7-b"]);
        check("[]x-]", &["]", "x", "-"], &["a"]);
        check("a[b", &["a[b"], &["ab"]);
    }

    #[test]
    fn an_empty_or_endless_pattern_is_refused() {
        assert_eq!("".parse::<GlobPattern>(), Err(InvalidPattern::Empty));
        assert_eq!("*".repeat(257).parse::<GlobPattern>(), Err(InvalidPattern::TooLong));
    }

    #[test]
    fn matching_many_stars_takes_linear_steps() {
        let pattern: GlobPattern = format!("{}b", "a*".repeat(127)).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(65_535)));
    }

    /// The definition: a star stands for nothing, or for one character and another star.
    fn plainly_matches(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', after @ ..], _) => {
                plainly_matches(after, name) || (!name.is_empty() && plainly_matches(pattern, &name[1..]))
            }
            (['?', after @ ..], [_, rest @ ..]) => plainly_matches(after, rest),
            ([own, after @ ..], [c, rest @ ..]) => own == c && plainly_matches(after, rest),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_follows_the_definition(pattern in "[ab*?]{1,8}", name in "[ab]{0,8}") {
            let expected = plainly_matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>());
            prop_assert_eq!(pattern.parse::<GlobPattern>().unwrap().matches(&name), expected);
        }

        #[test]
        fn no_text_breaks_the_parser(pattern in ".{1,20}", name in ".{0,20}") {
            let _ = pattern.parse::<GlobPattern>().unwrap().matches(&name);
        }
    }
}
