//! Names that differ between the recording and our server: ids, hashes, storage paths.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::exchange::RecordedRequest;

/// Recorded names and ours in their place.
#[derive(Debug, Default)]
pub struct Names {
    /// Ids and hashes.
    words: HashMap<String, String>,
    paths: HashMap<String, String>,
    /// Ids of entries that our server refused to make.
    missing: HashSet<String>,
}

/// Whether a word looks like an id: a UUID.
pub fn is_id(word: &str) -> bool {
    let is_right = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    word.len() == 36 && word.bytes().enumerate().all(is_right)
}

fn is_hash(word: &str) -> bool {
    word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_path(text: &str) -> bool {
    text.contains('/') && !text.contains(char::is_whitespace)
}

/// Every id in a text.
pub fn ids_in(text: &str) -> Vec<String> {
    words(text).filter(|word| is_id(word)).map(str::to_owned).collect()
}

fn is_word_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character| !is_word_char(character))
}

impl Names {
    /// Takes over that the recording's `theirs` is `ours` here. The first one stays: a name never changes its meaning.
    pub fn remember(&mut self, theirs: &str, ours: &str) {
        self.words.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
    }

    /// Our word for a recorded id or hash, when it is known.
    pub fn ours(&self, theirs: &str) -> Option<&str> {
        self.words.get(theirs).map(String::as_str)
    }

    /// Notes ids for which our server has no entry.
    pub fn never_made<'a>(&mut self, ids: impl IntoIterator<Item = &'a String>) {
        let unknown = ids.into_iter().filter(|id| !self.words.contains_key(*id)).cloned();
        self.missing.extend(unknown);
    }

    /// Whether a request speaks of an entry that our server never made.
    pub fn depends_on_missing(&self, request: &RecordedRequest) -> bool {
        let mut texts = [Some(&request.path), request.body.as_ref()].into_iter().flatten();
        texts.any(|text| words(text).any(|word| self.missing.contains(word)))
    }

    /// Learns from two answers: strings at the same place name the same thing.
    pub fn learn(&mut self, theirs: &Value, ours: &Value) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                let common = theirs.iter().filter_map(|(key, value)| Some((value, ours.get(key)?)));
                common.for_each(|(theirs, ours)| self.learn(theirs, ours));
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                theirs.iter().zip(ours).for_each(|(theirs, ours)| self.learn(theirs, ours));
            }
            (Value::String(theirs), Value::String(ours)) => self.learn_string(theirs, ours),
            _ => {}
        }
    }

    fn learn_string(&mut self, theirs: &str, ours: &str) {
        if (is_id(theirs) && is_id(ours)) || (is_hash(theirs) && is_hash(ours)) {
            self.remember(theirs, ours);
        } else if is_path(theirs) && is_path(ours) {
            self.paths.entry(theirs.to_owned()).or_insert_with(|| ours.to_owned());
        }
    }

    /// A recorded text in our words.
    pub fn in_text(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        for piece in text.split_inclusive(|character| !is_word_char(character)) {
            let word = piece.trim_end_matches(|character| !is_word_char(character));
            result.push_str(self.words.get(word).map_or(word, String::as_str));
            result.push_str(&piece[word.len()..]);
        }
        result
    }

    /// A recorded request target in our words. Storage paths, which only the admin routes take, are replaced as a
    /// whole.
    pub fn in_target(&self, target: &str) -> String {
        let known = self.paths.iter().filter(|_| target.starts_with("/admin/"));
        let ending = known.filter(|(theirs, _)| target.ends_with(&format!("/{theirs}")));
        match ending.max_by_key(|(theirs, _)| theirs.len()) {
            Some((theirs, ours)) => format!("{}{ours}", &target[..target.len() - theirs.len()]),
            None => self.in_text(target),
        }
    }
}
