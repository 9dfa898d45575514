use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Document, InvalidJson> {
    Document::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

#[track_caller]
fn check_refused(source: &[u8], offset: usize, reason: JsonFault) {
    let refused = Document::parse(&Bytes::copy_from_slice(source));
    assert_eq!(refused, Err(InvalidJson { offset, reason }), "{}", String::from_utf8_lossy(source));
}

#[track_caller]
fn check_root(text: &str, root: Json) {
    assert_eq!(parse(text).unwrap().root(), &root, "{text}");
}

#[test]
fn a_broken_text_is_refused_where_it_breaks() {
    for (text, offset, reason) in [
        ("", 0, JsonFault::Empty),
        (" \n", 2, JsonFault::Empty),
        ("{", 1, JsonFault::UnexpectedEnd),
        ("[1", 2, JsonFault::UnexpectedEnd),
        ("\"abc", 4, JsonFault::UnexpectedEnd),
        ("\"\\", 2, JsonFault::UnexpectedEnd),
        ("[1,]", 3, JsonFault::ExpectedValue),
        ("[tru]", 1, JsonFault::ExpectedValue),
        ("'a'", 0, JsonFault::ExpectedValue),
        ("{a:1}", 1, JsonFault::ExpectedKey),
        ("{\"a\":1,}", 7, JsonFault::ExpectedKey),
        ("{\"a\" 1}", 5, JsonFault::ExpectedColon),
        ("[1 2]", 3, JsonFault::ExpectedItemEnd),
        ("[1}", 2, JsonFault::ExpectedItemEnd),
        ("{\"a\":1]", 6, JsonFault::ExpectedMemberEnd),
        ("1 2", 2, JsonFault::TrailingText),
        ("{}]", 2, JsonFault::TrailingText),
        ("\u{feff}x", 3, JsonFault::ExpectedValue),
    ] {
        check_refused(text.as_bytes(), offset, reason);
    }
}

#[test]
fn a_number_that_is_none_is_refused() {
    for (text, offset, reason) in [
        ("NaN", 0, JsonFault::NotFinite),
        ("[Infinity]", 1, JsonFault::NotFinite),
        ("-Infinity", 1, JsonFault::NotFinite),
        ("Nan", 0, JsonFault::ExpectedValue),
        ("-Inf", 1, JsonFault::ExpectedDigit),
        ("[1e400]", 1, JsonFault::NumberTooLarge),
        ("-1e400", 0, JsonFault::NumberTooLarge),
        ("1e99999999999999999999", 0, JsonFault::NumberTooLarge),
        ("01", 0, JsonFault::LeadingZero),
        ("[-00]", 1, JsonFault::LeadingZero),
        ("-", 1, JsonFault::UnexpectedEnd),
        ("1.", 2, JsonFault::UnexpectedEnd),
        ("[1.]", 3, JsonFault::ExpectedDigit),
        ("[.5]", 1, JsonFault::ExpectedValue),
        ("[1e+-2]", 4, JsonFault::ExpectedDigit),
        ("+1", 0, JsonFault::ExpectedValue),
        ("0x10", 1, JsonFault::TrailingText),
    ] {
        check_refused(text.as_bytes(), offset, reason);
    }
}

#[test]
fn a_string_that_is_none_is_refused() {
    for (text, offset, reason) in [
        ("\"a\nb\"", 2, JsonFault::ControlCharacter),
        ("[\"\u{1f}\"]", 2, JsonFault::ControlCharacter),
        (r#""a\x""#, 2, JsonFault::BadEscape),
        (r#""\é""#, 1, JsonFault::BadEscape),
        (r#""\u12g4""#, 1, JsonFault::BadEscape),
        (r#""\u+123""#, 1, JsonFault::BadEscape),
        (r#""\u12é""#, 1, JsonFault::BadEscape),
        (r#""\u12"#, 1, JsonFault::BadEscape),
        (r#""\ud83d\u12""#, 7, JsonFault::BadEscape),
        (r#""\ud83d""#, 1, JsonFault::LoneSurrogate),
        (r#""\ud83dx""#, 1, JsonFault::LoneSurrogate),
        (r#""\ud83d\n""#, 1, JsonFault::LoneSurrogate),
        (r#""\ud83d\u0041""#, 1, JsonFault::LoneSurrogate),
        (r#""\ud83d\ud83d\ude00""#, 1, JsonFault::LoneSurrogate),
        (r#"["\ude00"]"#, 2, JsonFault::LoneSurrogate),
    ] {
        check_refused(text.as_bytes(), offset, reason);
    }
}

#[test]
fn only_utf8_is_read() {
    check_refused(b"\"\xff\"", 1, JsonFault::InvalidUtf8);
    check_refused(b"\"\xed\xa0\xbd\"", 1, JsonFault::InvalidUtf8);
    for wide in [&b"{\0}\0"[..], b"\0{\0}", b"\xff\xfe{\0}\0", b"\xfe\xff\0{\0}", b"{\0\0\0}\0\0\0", b"\0\0\0{\0\0\0}"]
    {
        check_refused(wide, 0, JsonFault::WideEncoding);
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let document = parse(&nested(MAX_DEPTH)).unwrap();
        assert_eq!(parse(&document.root().canonical()).unwrap().root(), document.root());
        let refused = InvalidJson { offset: open.len() * MAX_DEPTH, reason: JsonFault::TooDeep };
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(refused.clone()));
        assert_eq!(parse(&nested(1_000_000)), Err(refused));
    }
}

#[test]
fn numbers_keep_their_kind_and_every_digit() {
    let integer = |text: &str| Json::Integer(text.to_owned());
    check_root("-0", integer("0"));
    check_root("-12", integer("-12"));
    check_root(&"9".repeat(5000), integer(&"9".repeat(5000)));
    check_root("1.0", Json::Float(1.0));
    check_root("1e-99999999999999999999", Json::Float(0.0));
    assert_eq!(parse("-0e3").unwrap().root().dumps(), "-0.0");
}

#[test]
fn a_float_is_written_as_python_writes_it() {
    for (text, python) in [
        ("9999999999999998.0", "9999999999999998.0"),
        ("1e16", "1e+16"),
        ("1e-4", "0.0001"),
        ("0.00001", "1e-05"),
        ("-1.5E300", "-1.5e+300"),
        // Half-way between two shortest texts, the even one.
        ("934710456761454.25", "934710456761454.2"),
        ("934710456761454.75", "934710456761454.8"),
        // 2^-44: the nearest text of 16 digits, which ends in 801, is another float.
        ("5.684341886080801486968994140625e-14", "5.684341886080802e-14"),
    ] {
        assert_eq!(parse(text).unwrap().root().dumps(), python);
    }
}

#[test]
fn the_last_of_duplicate_keys_counts_at_the_place_of_the_first() {
    let document = parse(r#"{"b":1,"a":2,"\u0062":3,"c":4,"a":5,"b":{"x":0,"x":6}}"#).unwrap();
    assert_eq!(document.root().dumps(), r#"{"b": {"x": 6}, "a": 5, "c": 4}"#);
    assert_eq!(document.text().len(), 54, "the text keeps them all");
}

/// With a comparison of each key to each other this would take minutes.
#[test]
fn a_hundred_thousand_keys_are_no_trouble() {
    let members: Vec<String> = (0..200_000).map(|n| format!("\"{}\":{n}", n % 100_000)).collect();
    let document = parse(&format!("{{{}}}", members.join(","))).unwrap();
    let Json::Object(members) = document.root() else { panic!("not an object") };
    assert_eq!(members.len(), 100_000);
    assert_eq!(members[7], ("7".to_owned(), Json::Integer("100007".to_owned())));
}

#[test]
fn the_text_loses_white_space_and_the_byte_order_mark_only() {
    for (source, text) in [
        (
            "\u{feff} {\r\n\t\"a b\" : [ 1.50 , -0 , 1E+2 ] , \"\\u00e9\" : \" \\/ é \" } \n",
            r#"{"a b":[1.50,-0,1E+2],"\u00e9":" \/ é "}"#,
        ),
        (r#"{"z":1,"a":{},"z":[]}"#, r#"{"z":1,"a":{},"z":[]}"#),
        (" { } ", "{}"),
        ("\ttrue", "true"),
    ] {
        assert_eq!(parse(source).unwrap().text(), text);
    }
}

#[test]
fn an_error_says_where_and_what_to_do() {
    let refused = parse("{\"a\":NaN}").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "not readable as JSON at byte 5: NaN and Infinity are not JSON: use null or a string"
    );
    let refused = parse("{\"a\":1").unwrap_err();
    assert_eq!(refused.to_string(), "not readable as JSON at byte 6: the text ends in the middle of a value");
}

#[test]
fn a_field_path_is_cleaned_or_refused() {
    let path = |text: &str| text.parse::<FieldPath>();
    assert_eq!(path("user.full name.é").unwrap().as_str(), "user.full_name._");
    assert_eq!(path(""), Err(InvalidFieldPath::Empty));
    assert_eq!(path("a..b"), Err(InvalidFieldPath::ConsecutiveDots));
    assert_eq!(path(".a"), Err(InvalidFieldPath::OuterDot));
    assert_eq!(path("a."), Err(InvalidFieldPath::OuterDot));
    assert_eq!(path(&"é".repeat(257)), Err(InvalidFieldPath::TooLong { was: 257 }));
    assert!(path(&"é".repeat(256)).is_ok());
}

#[test]
fn a_field_is_rendered_for_its_hash() {
    let document = parse(r#"{"a":{"s":"hé","t":true,"f":-0.0,"i":12,"o":{"z":1,"b":[false]},"e":[]}}"#).unwrap();
    for (path, text) in [
        ("a.s", "hé"),
        ("a.t", "True"),
        ("a.f", "-0.0"),
        ("a.i", "12"),
        ("a.o", r#"{"b": [false], "z": 1}"#),
        ("a.o.b", "[false]"),
        ("a.e", "[]"),
    ] {
        assert_eq!(document.root().field_text(&path.parse().unwrap()).unwrap(), text, "{path}");
    }
}

#[test]
fn an_unusable_field_is_named_with_the_reason() {
    let document = parse(r#"{"list":[{"b":1}],"n":null,"e":"","o":{"n":null,"num":7}}"#).unwrap();
    for (path, message) in [
        ("x", "the content has no field 'x'"),
        ("o.x.y", "the content has no field 'o.x'"),
        ("list.b", "the content has no field 'list.b': 'list' is a list, not an object"),
        ("list.0.b", "the content has no field 'list.0.b': 'list' is a list, not an object"),
        ("o.num.a", "the content has no field 'o.num.a': 'o.num' is a number, not an object"),
        ("n.a", "the content has no field 'n.a': 'n' is null, not an object"),
        ("n", "the field 'n' is null: hash another field, or give it a value"),
        ("o.n", "the field 'o.n' is null: hash another field, or give it a value"),
        ("e", "the field 'e' is an empty string: hash another field, or give it a value"),
    ] {
        let refused = document.root().field_text(&path.parse().unwrap()).unwrap_err();
        assert_eq!(refused.to_string(), message);
    }
    let refused = parse("[1]").unwrap().root().field_text(&"a".parse().unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "the content has no field 'a': the content is a list, not an object");
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

proptest! {
    #[test]
    fn what_is_rendered_reads_back_as_the_same(value in value()) {
        let document = parse(&value.to_string()).unwrap();
        let again = parse(&document.root().dumps()).unwrap();
        prop_assert_eq!(again.root(), document.root());
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
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Document::parse(&bytes.into());
    }

    #[test]
    fn json_like_text_is_judged_as_serde_judges_it(text in "[\\[\\]{},:\"\\\\u0-2e.\\- ta]{0,12}") {
        let serde = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        prop_assert_eq!(parse(&text).is_ok(), serde, "{}", text);
    }
}
