use super::*;

fn parse(text: &str) -> Result<Document, JsonError> {
    Document::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

#[track_caller]
fn check_refused(source: &[u8], offset: usize, kind: JsonErrorKind) {
    let refused = Document::parse(&Bytes::copy_from_slice(source));
    assert_eq!(refused, Err(JsonError { offset, kind }), "{}", String::from_utf8_lossy(source));
}

#[track_caller]
fn check_dumps(text: &str, python: &str) {
    assert_eq!(parse(text).unwrap().root().dumps(), python, "{text}");
}

#[test]
fn a_broken_text_is_refused_where_it_breaks() {
    for (text, offset, kind) in [
        ("", 0, JsonErrorKind::Empty),
        (" \n", 2, JsonErrorKind::Empty),
        ("{", 1, JsonErrorKind::UnexpectedEnd),
        ("[1", 2, JsonErrorKind::UnexpectedEnd),
        ("\"abc", 4, JsonErrorKind::UnexpectedEnd),
        ("\"\\", 2, JsonErrorKind::UnexpectedEnd),
        ("[1,]", 3, JsonErrorKind::ExpectedValue),
        ("[tru]", 1, JsonErrorKind::ExpectedValue),
        ("'a'", 0, JsonErrorKind::ExpectedValue),
        ("{a:1}", 1, JsonErrorKind::ExpectedKey),
        ("{\"a\":1,}", 7, JsonErrorKind::ExpectedKey),
        ("{\"a\" 1}", 5, JsonErrorKind::ExpectedColon),
        ("[1 2]", 3, JsonErrorKind::ExpectedItemEnd),
        ("[1}", 2, JsonErrorKind::ExpectedItemEnd),
        ("{\"a\":1]", 6, JsonErrorKind::ExpectedMemberEnd),
        ("1 2", 2, JsonErrorKind::TrailingText),
        ("{}]", 2, JsonErrorKind::TrailingText),
        ("\u{feff}x", 3, JsonErrorKind::ExpectedValue),
    ] {
        check_refused(text.as_bytes(), offset, kind);
    }
}

#[test]
fn a_number_that_is_none_is_refused() {
    for (text, offset, kind) in [
        ("NaN", 0, JsonErrorKind::NotFinite),
        ("[Infinity]", 1, JsonErrorKind::NotFinite),
        ("-Infinity", 1, JsonErrorKind::NotFinite),
        ("Nan", 0, JsonErrorKind::ExpectedValue),
        ("-Inf", 1, JsonErrorKind::ExpectedDigit),
        ("[1e400]", 1, JsonErrorKind::NumberTooLarge),
        ("-1e400", 0, JsonErrorKind::NumberTooLarge),
        ("1e99999999999999999999", 0, JsonErrorKind::NumberTooLarge),
        ("01", 0, JsonErrorKind::LeadingZero),
        ("[-00]", 1, JsonErrorKind::LeadingZero),
        ("-", 1, JsonErrorKind::UnexpectedEnd),
        ("1.", 2, JsonErrorKind::UnexpectedEnd),
        ("[1.]", 3, JsonErrorKind::ExpectedDigit),
        ("[.5]", 1, JsonErrorKind::ExpectedValue),
        ("[1e+-2]", 4, JsonErrorKind::ExpectedDigit),
        ("+1", 0, JsonErrorKind::ExpectedValue),
        ("0x10", 1, JsonErrorKind::TrailingText),
    ] {
        check_refused(text.as_bytes(), offset, kind);
    }
}

#[test]
fn a_string_that_is_none_is_refused() {
    for (text, offset, kind) in [
        ("\"a\nb\"", 2, JsonErrorKind::ControlCharacter),
        ("[\"\u{1f}\"]", 2, JsonErrorKind::ControlCharacter),
        (r#""a\x""#, 2, JsonErrorKind::BadEscape),
        (r#""\é""#, 1, JsonErrorKind::BadEscape),
        (r#""\u12g4""#, 1, JsonErrorKind::BadEscape),
        (r#""\u+123""#, 1, JsonErrorKind::BadEscape),
        (r#""\u12é""#, 1, JsonErrorKind::BadEscape),
        (r#""\u12"#, 1, JsonErrorKind::BadEscape),
        (r#""\ud83d\u12""#, 7, JsonErrorKind::BadEscape),
        (r#""\ud83d""#, 1, JsonErrorKind::LoneSurrogate),
        (r#""\ud83dx""#, 1, JsonErrorKind::LoneSurrogate),
        (r#""\ud83d\n""#, 1, JsonErrorKind::LoneSurrogate),
        (r#""\ud83d\u0041""#, 1, JsonErrorKind::LoneSurrogate),
        (r#""\ud83d\ud83d\ude00""#, 1, JsonErrorKind::LoneSurrogate),
        (r#"["\ude00"]"#, 2, JsonErrorKind::LoneSurrogate),
    ] {
        check_refused(text.as_bytes(), offset, kind);
    }
}

#[test]
fn only_utf8_is_read() {
    check_refused(b"\"\xff\"", 1, JsonErrorKind::InvalidUtf8);
    check_refused(b"\"\xed\xa0\xbd\"", 1, JsonErrorKind::InvalidUtf8);
    for wide in [&b"{\0}\0"[..], b"\0{\0}", b"\xff\xfe{\0}\0", b"\xfe\xff\0{\0}", b"{\0\0\0}\0\0\0", b"\0\0\0{\0\0\0}"]
    {
        check_refused(wide, 0, JsonErrorKind::WideEncoding);
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        let document = parse(&nested(MAX_DEPTH)).unwrap();
        assert_eq!(document.root().canonical().replace(": ", ":"), nested(MAX_DEPTH));
        let refused = JsonError { offset: open.len() * MAX_DEPTH, kind: JsonErrorKind::TooDeep };
        assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(refused.clone()));
        assert_eq!(parse(&nested(1_000_000)), Err(refused));
    }
}

/// On a thread whose stack has room for a few calls only.
#[test]
fn nesting_does_not_use_the_call_stack() {
    let nested = format!("{}1{}", "{\"a\":[".repeat(MAX_DEPTH / 2), "]}".repeat(MAX_DEPTH / 2));
    let path: FieldPath = "a.a".parse().unwrap();
    let read = move || {
        let document = parse(&nested).unwrap();
        document.root().field_text(&path).unwrap_err();
        document.root().canonical().len()
    };
    let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(read).unwrap();
    assert_eq!(thread.join().unwrap(), MAX_DEPTH / 2 * "{\"a\": []}".len() + 1);
}

#[test]
fn numbers_keep_their_kind_and_every_digit() {
    check_dumps("-0", "0");
    check_dumps("-12", "-12");
    check_dumps(&"9".repeat(5000), &"9".repeat(5000));
    check_dumps("1.0", "1.0");
    check_dumps("1e-99999999999999999999", "0.0");
    check_dumps("-0e3", "-0.0");
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

#[test]
fn keys_are_sorted_by_their_characters_without_escapes() {
    let document = parse(r#"{"\ud800\udc00":1,"b":2,"\uffff":3,"a\"":4,"\u0061":5,"":6,"a!":7,"é":8,"ab":9}"#).unwrap();
    let canonical =
        r#"{"": 6, "a": 5, "a!": 7, "a\"": 4, "ab": 9, "b": 2, "\u00e9": 8, "\uffff": 3, "\ud800\udc00": 1}"#;
    assert_eq!(document.root().canonical(), canonical);
}

/// The last member in the text is not the last one that is rendered, so the way back to the array is not the text's.
#[test]
fn what_follows_a_reordered_object_is_rendered_once() {
    let document = parse(r#"[{"c":{"z":[{"y":1,"x":{}}],"a":2},"b":{},"a":[3]},{"c":4},5]"#).unwrap();
    let canonical = r#"[{"a": [3], "b": {}, "c": {"a": 2, "z": [{"x": {}, "y": 1}]}}, {"c": 4}, 5]"#;
    assert_eq!(document.root().canonical(), canonical);
}

/// With a comparison of each key to each other this would take minutes.
#[test]
fn a_hundred_thousand_keys_are_sorted_in_time() {
    let members: Vec<String> = (0..200_000).map(|n| format!("\"{}\":{n}", n % 100_000)).collect();
    let document = parse(&format!("{{{}}}", members.join(","))).unwrap();
    assert!(document.root().dumps().starts_with(r#"{"0": 100000, "1": 100001, "2": 100002"#));
    assert!(document.root().canonical().starts_with(r#"{"0": 100000, "1": 100001, "10": 100010"#));
    assert_eq!(document.root().dumps().matches(": ").count(), 100_000);
    assert_eq!(document.root().member("7").unwrap().text(), "100007");
}

#[test]
fn the_index_takes_at_most_3_2_bytes_per_byte_of_text() {
    for (open, item, close) in [
        ("[", "{}".to_owned(), "]"),
        ("[", "1".to_owned(), "]"),
        ("[", r#"{"":0}"#.to_owned(), "]"),
        ("[", format!("{}{{}}{}", r#"{"":"#.repeat(898), "}".repeat(898)), "]"),
        ("[", format!("{}{}", "[".repeat(899), "]".repeat(899)), "]"),
        ("{", r#""":0"#.to_owned(), "}"),
        ("{", r#""":{}"#.to_owned(), "}"),
        ("{", r#""":[]"#.to_owned(), "}"),
        ("{", r#""\u00e9{:":"{:\"{:""#.to_owned(), "}"),
    ] {
        let text = format!("{open}{}{close}", vec![item; 1000].join(","));
        let document = parse(&text).unwrap();
        let index = index::ObjectIndex::new(document.root().text(), Order::Sorted);
        assert!(
            index.heap_bytes() * 10 <= text.len() * 32,
            "{} of {}: {}",
            index.heap_bytes(),
            text.len(),
            &text[..20]
        );
    }
}

#[test]
fn a_text_without_inner_white_space_is_not_copied() {
    let source = Bytes::from_static(b"\xef\xbb\xbf \n{\"a\":[1,2]}\r\n\t");
    let document = Document::parse(&source).unwrap();
    assert_eq!(document.text().as_ptr(), source[5..].as_ptr());
    assert_eq!(document.text(), "{\"a\":[1,2]}");
}

#[test]
fn a_value_has_a_kind_and_a_string_its_characters() {
    for (text, kind, string) in [
        ("null", JsonKind::Null, None),
        ("false", JsonKind::Bool, None),
        ("-1.5", JsonKind::Number, None),
        (r#""""#, JsonKind::String, Some("")),
        (r#""a\\\"\u00e9é""#, JsonKind::String, Some("a\\\"éé")),
        (r#"["a"]"#, JsonKind::Array, None),
        (r#"{"a":"b"}"#, JsonKind::Object, None),
    ] {
        let document = parse(text).unwrap();
        assert_eq!((document.root().kind(), document.root().as_string().as_deref()), (kind, string), "{text}");
    }
}

#[test]
fn a_member_is_found_by_its_key() {
    let document = parse(r#"{"a":{"b":1},"\u0062":"x","c":[{"d":2}],"a":3}"#).unwrap();
    for (key, value) in [("a", Some("3")), ("b", Some(r#""x""#)), ("c", Some(r#"[{"d":2}]"#)), ("d", None), ("", None)]
    {
        assert_eq!(document.root().member(key).map(JsonValue::text), value, "{key}");
    }
    assert_eq!(parse("[1]").unwrap().root().member("a"), None);
}

#[test]
fn the_items_of_an_array_come_in_their_order() {
    let items = |text: &str| -> Vec<String> {
        parse(text).unwrap().root().items().map(|item| item.text().to_owned()).collect()
    };
    assert_eq!(items(r#"[1, "]", [2, [3]], {"a": [4]}, null]"#), ["1", r#""]""#, "[2,[3]]", r#"{"a":[4]}"#, "null"]);
    for without in ["[]", "{}", r#"{"a":[1]}"#, "1", r#""[1]""#] {
        assert!(items(without).is_empty(), "{without}");
    }
}

#[test]
fn a_path_follows_the_last_of_duplicate_keys() {
    let document = parse(r#"{"a":{"b":{"x":1},"b":{"c":[{"c":0}],"c":7}},"z":{"a":{"b":{"c":9}}}}"#).unwrap();
    assert_eq!(document.root().field_text(&"a.b.c".parse().unwrap()).unwrap(), "7");
    let refused = document.root().field_text(&"a.b.x".parse().unwrap()).unwrap_err();
    assert_eq!(refused, UnusableField::Missing { at: "a.b.x".to_owned() });
    let document = parse(r#"{"a":{"b":1},"a":[{"b":2}]}"#).unwrap();
    let refused = document.root().field_text(&"a.b".parse().unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "the content has no field 'a.b': 'a' is a list, not an object");
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
fn a_field_path_is_sanitized_or_refused() {
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
