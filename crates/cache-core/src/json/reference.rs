//! A plain tree of values to compare with: read by `serde_json`, rendered by recursion.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::index::Order;

/// A value. Keys of an object differ: of duplicates, the last value is at the place of the first.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    Literal(&'static str),
    Integer(i64),
    Float(f64),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(super) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap()
    }

    /// What `json.dumps` returns in Python.
    pub(super) fn render(&self, order: Order) -> String {
        match self {
            Self::Literal(text) => (*text).to_owned(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(float) => super::render::python_float(*float),
            Self::String(text) => quoted(text),
            Self::Array(items) => {
                format!("[{}]", items.iter().map(|item| item.render(order)).collect::<Vec<_>>().join(", "))
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if order == Order::Sorted {
                    members.sort_by_key(|(key, _)| key.chars().collect::<Vec<_>>());
                }
                let member = |(key, value): &(String, Self)| format!("{}: {}", quoted(key), value.render(order));
                format!("{{{}}}", members.into_iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The values that the keys lead to, one after the other, as far as they lead.
    pub(super) fn along(&self, keys: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        let mut value = self;
        for key in keys {
            let Self::Object(members) = value else { break };
            let Some((_, member)) = members.iter().find(|(name, _)| name == key) else { break };
            found.push(member.render(Order::Inserted));
            value = member;
        }
        found
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '\n' => "\\n".to_owned(),
        ' '..='~' => character.to_string(),
        _ => character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Literal("null"))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Literal(if value { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Tree, E> {
        i64::try_from(value).map(Tree::Integer).map_err(E::custom)
    }

    /// `serde_json` reads the integer `-0` as a float, so the tests have no float of that value.
    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(if value == 0.0 { Tree::Integer(0) } else { Tree::Float(value) })
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object: Vec<(String, Tree)> = Vec::new();
        while let Some((key, value)) = members.next_entry::<String, Tree>()? {
            match object.iter_mut().find(|(name, _)| *name == key) {
                Some((_, old)) => *old = value,
                None => object.push((key, value)),
            }
        }
        Ok(Tree::Object(object))
    }
}
