//! Properties of all texts, compared with `serde_json` and with a tree of values.

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Document, JsonError> {
    Document::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

/// Values as `serde_json` makes them, so that its text is a second opinion.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::hash_map(".{0,3}", inner, 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The text of a value, with white space and duplicate keys here and there.
fn text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "-0", "1.5", "-2e3"]).prop_map(str::to_owned),
        any::<i64>().prop_map(|integer| integer.to_string()),
        string(),
    ];
    leaf.prop_recursive(6, 80, 6, |inner| {
        let member =
            (string(), "[ \n]?", inner.clone()).prop_map(|(key, space, value)| format!("{key}{space}:{space}{value}"));
        let joined = |open: &'static str, close: &'static str| {
            move |(space, items): (String, Vec<String>)| format!("{open}{space}{}{space}{close}", items.join(","))
        };
        prop_oneof![
            1 => ("[ \t]?", prop::collection::vec(inner, 0..6)).prop_map(joined("[", "]")),
            2 => ("[ \t]?", prop::collection::vec(member, 0..6)).prop_map(joined("{", "}")),
        ]
    })
}

/// A string literal out of few characters, each in several spellings.
fn string() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        "a",
        r"\u0061",
        "b",
        "!",
        r#"\""#,
        r"\\",
        r"\/",
        "/",
        "é",
        r"\u00E9",
        "\u{7f}",
        "\u{ffff}",
        r"\n",
        "😀",
        r"\ud83d\ude00",
    ]);
    prop::collection::vec(character, 0..3).prop_map(|characters| format!("\"{}\"", characters.concat()))
}

proptest! {
    #[test]
    fn rendering_agrees_with_a_tree(text in text()) {
        let document = parse(&text).unwrap();
        let tree = reference::Tree::parse(&text);
        prop_assert_eq!(document.root().canonical(), tree.render(Order::Sorted));
        prop_assert_eq!(document.root().dumps(), tree.render(Order::Inserted));
    }

    #[test]
    fn a_path_leads_where_it_leads_in_a_tree(text in text(), keys in prop::collection::vec("[ab]{0,2}", 1..4)) {
        let document = parse(&text).unwrap();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let found = field::find(document.root().text(), &keys);
        let found: Vec<String> = found.iter().map(|&start| document.root().value_at(start).dumps()).collect();
        prop_assert_eq!(found, reference::Tree::parse(&text).along(&keys));
    }

    #[test]
    fn what_is_rendered_reads_back_as_the_same(value in value()) {
        let document = parse(&value.to_string()).unwrap();
        let again = parse(&document.root().dumps()).unwrap();
        prop_assert_eq!(again.root().dumps(), document.root().dumps());
        prop_assert_eq!(again.root().canonical(), document.root().canonical());
        let canonical = document.root().canonical();
        prop_assert_eq!(parse(&canonical).unwrap().root().dumps(), canonical);
    }

    #[test]
    fn minifying_gives_the_shortest_spelling_and_is_stable(value in value()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let document = parse(&pretty).unwrap();
        prop_assert_eq!(document.text(), &value.to_string());
        prop_assert_eq!(&Document::parse(document.text()).unwrap(), &document);
    }

    #[test]
    fn the_items_of_an_array_are_those_of_a_tree(values in prop::collection::vec(value(), 0..5)) {
        let document = parse(&serde_json::Value::from(values.clone()).to_string()).unwrap();
        let items: Vec<&str> = document.root().items().map(JsonValue::text).collect();
        prop_assert_eq!(items, values.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Document::parse(&bytes.into());
    }

    #[test]
    fn json_like_text_is_judged_as_serde_judges_it(text in "[\\[\\]{},:\"\\\\u0-2e.\\- ta]{0,12}") {
        let serde = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(parse(&text).is_ok(), serde, "{}", text);
    }
}
