//! The members of every object of a text in the order in which they are rendered, as offsets into the text.
//!
//! Objects are numbered in the order in which they start. The index takes 12 bytes for each member and 4 for each object.
//! A member that holds another object takes at least 5 bytes of text (`{"":` and `}`), so the index takes at most 3.2 bytes
//! for each byte of text.

use std::cmp::Ordering;
use std::ops::Range;

use super::escape::Unescaped;
use super::tokens::{Token, Tokens};

/// The order of an object's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By key, in the order of code points, which is that of UTF-8 bytes.
    Sorted,
    /// By the first appearance of each key.
    Inserted,
}

/// One member of an object. Of duplicate keys, the last value counts at the place of the first, as in a Python `dict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Offset of the opening quote of the key where it first appears.
    pub(super) key: u32,
    /// Offset of the last value that the key has; [`Member::UNUSED`] where duplicates left an entry over.
    pub(super) value: u32,
    /// How many objects start before the value.
    pub(super) objects_before: u32,
}

impl Member {
    const UNUSED: Self = Self { key: u32::MAX, value: u32::MAX, objects_before: u32::MAX };
}

/// Where the members of each object are.
#[derive(Debug)]
pub(super) struct ObjectIndex {
    /// The members of the first object, then those of the second, and so on.
    members: Vec<Member>,
    /// For each object where its members begin, and at last where those of the last one end.
    starts: Vec<u32>,
}

impl ObjectIndex {
    /// Reads a text three times: to count its objects, to count the members of each, and to enter them. So nothing has to
    /// grow.
    pub(super) fn new(text: &str, order: Order) -> Self {
        let starts = member_starts(text);
        let total = starts.last().map_or(0, |&total| index(total));
        let mut filled = Self { members: vec![Member::UNUSED; total], starts };
        filled.fill(text, order);
        filled
    }

    /// Which entries belong to an object. The last ones may be unused.
    pub(super) fn range(&self, object: usize) -> Range<usize> {
        index(self.starts[object])..index(self.starts[object + 1])
    }

    /// The member in an entry; `None` where the entry is unused.
    pub(super) fn member(&self, entry: usize) -> Option<Member> {
        Some(self.members[entry]).filter(|member| *member != Member::UNUSED)
    }

    fn fill(&mut self, text: &str, order: Order) {
        let mut tokens = Tokens::new(text);
        let mut objects = 0;
        // The objects around the token, each with its next entry.
        let mut open: Vec<(usize, usize)> = Vec::new();
        while let Some((at, token)) = tokens.next() {
            match token {
                Token::ObjectStart => {
                    open.push((objects, self.range(objects).start));
                    objects += 1;
                }
                Token::ObjectEnd => {
                    let (object, _) = open.pop().expect("brackets are balanced");
                    let range = self.range(object);
                    arrange(text, &mut self.members[range], order);
                }
                Token::Key => {
                    let (_, next) = open.last_mut().expect("a key is within an object");
                    self.members[*next] =
                        Member { key: offset(at), value: offset(tokens.offset()), objects_before: offset(objects) };
                    *next += 1;
                }
                Token::ArrayStart | Token::ArrayEnd | Token::Scalar => {}
            }
        }
    }

    /// Heap memory in bytes.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>() + self.starts.capacity() * size_of::<u32>()
    }
}

/// [`ObjectIndex::starts`] of a text.
fn member_starts(text: &str) -> Vec<u32> {
    let objects = Tokens::new(text).filter(|(_, token)| *token == Token::ObjectStart).count();
    let mut starts: Vec<u32> = Vec::with_capacity(objects + 1);
    let mut open = Vec::new();
    for (_, token) in Tokens::new(text) {
        match token {
            Token::ObjectStart => {
                open.push(starts.len());
                starts.push(0);
            }
            Token::ObjectEnd => drop(open.pop()),
            Token::Key => starts[*open.last().expect("a key is within an object")] += 1,
            Token::ArrayStart | Token::ArrayEnd | Token::Scalar => {}
        }
    }
    let mut total = 0;
    for start in &mut starts {
        total += std::mem::replace(start, total);
    }
    starts.push(total);
    starts
}

/// Brings the members of one object, which are in the order of the text, into the wanted order, without duplicates.
fn arrange(text: &str, members: &mut [Member], order: Order) {
    // Equal keys stay in the order of the text. Sorting in place needs no memory, and no random hash seed.
    members.sort_unstable_by(|a, b| compare_keys(text, a.key, b.key).then(a.key.cmp(&b.key)));
    let mut kept = 0_usize;
    for next in 0..members.len() {
        let member = members[next];
        match kept.checked_sub(1).map(|last| &mut members[last]) {
            Some(last) if compare_keys(text, last.key, member.key).is_eq() => {
                *last = Member { key: last.key, ..member }
            }
            Some(_) | None => {
                members[kept] = member;
                kept += 1;
            }
        }
    }
    members[kept..].fill(Member::UNUSED);
    if order == Order::Inserted {
        members[..kept].sort_unstable_by_key(|member| member.key);
    }
}

/// Compares two keys by their characters, escapes undone. `a` and `b` are the offsets of their opening quotes.
fn compare_keys(text: &str, a: u32, b: u32) -> Ordering {
    let bytes = text.as_bytes();
    let (mut a, mut b) = (index(a) + 1, index(b) + 1);
    loop {
        match (bytes[a], bytes[b]) {
            // All before was equal, so both are at the beginning of a character.
            (b'\\', _) | (_, b'\\') => {
                let (mut rest_of_a, mut rest_of_b) = (Unescaped::new(text, a), Unescaped::new(text, b));
                match rest_of_a.next().cmp(&rest_of_b.next()) {
                    Ordering::Equal => (a, b) = (rest_of_a.offset(), rest_of_b.offset()),
                    unequal => return unequal,
                }
            }
            (b'"', b'"') => return Ordering::Equal,
            (b'"', _) => return Ordering::Less,
            (_, b'"') => return Ordering::Greater,
            (x, y) if x != y => return x.cmp(&y),
            _ => {
                a += 1;
                b += 1;
            }
        }
    }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("the parser refuses longer texts")
}

fn index(offset: u32) -> usize {
    usize::try_from(offset).expect("an offset is within the text")
}
