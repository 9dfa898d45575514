//! A checked text as Python's `json.dumps` writes it, bit for bit: separators `, ` and `: `, ASCII only.

use std::fmt::Write;
use std::ops::Range;

use super::escape;
use super::index::{Member, ObjectIndex, Order};
use super::tokens::{literal_end, string_end};

/// How many bytes are collected before they are written.
const BUFFER_BYTES: usize = 8 << 10;

/// Writes the value that a text consists of.
pub(super) fn render(text: &str, order: Order, write: &mut dyn FnMut(&str)) {
    let index = ObjectIndex::new(text, order);
    let out = Output { buffer: String::with_capacity(BUFFER_BYTES), write };
    let mut renderer = Renderer { text, index, position: Position::default(), open: Vec::new(), out };
    renderer.value();
    while let Some(container) = renderer.open.pop() {
        match container {
            Open::Array => renderer.next_item(),
            Open::Object(object) => renderer.next_member(object),
        }
    }
    renderer.out.flush();
}

/// A place in the text between two tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    at: usize,
    /// How many objects start before it, which is the number of the next one.
    objects: usize,
}

/// A container of which the beginning is rendered.
enum Open {
    Array,
    Object(OpenObject),
}

struct OpenObject {
    /// The entries of the members that are still to be rendered.
    entries: Range<usize>,
    is_first: bool,
    /// Of all places that were rendered, the one that is last in the text. The text's last member is always rendered, so
    /// in the end this is the place before the closing bracket.
    furthest: Position,
}

struct Renderer<'a, 'w> {
    text: &'a str,
    index: ObjectIndex,
    position: Position,
    /// The containers around the position, the outermost one first.
    open: Vec<Open>,
    out: Output<'w>,
}

impl Renderer<'_, '_> {
    /// The byte at the position. It is part of the value that is rendered, or of a container around it.
    fn peek(&self) -> u8 {
        self.text.as_bytes()[self.position.at]
    }

    /// Renders the scalar at the position, or the beginning of a container.
    fn value(&mut self) {
        match self.peek() {
            b'[' => self.begin_array(),
            b'{' => self.begin_object(),
            b'"' => self.string(self.position.at),
            _ => self.literal(),
        }
    }

    fn begin_array(&mut self) {
        self.out.push("[");
        self.position.at += 1;
        self.open.push(Open::Array);
    }

    fn begin_object(&mut self) {
        self.out.push("{");
        let entries = self.index.range(self.position.objects);
        self.position.at += 1;
        self.position.objects += 1;
        self.open.push(Open::Object(OpenObject { entries, is_first: true, furthest: self.position }));
    }

    /// Renders the next item of an array, or the array's end.
    fn next_item(&mut self) {
        match self.peek() {
            b']' => {
                self.out.push("]");
                self.position.at += 1;
                return;
            }
            b',' => {
                self.out.push(", ");
                self.position.at += 1;
            }
            _first_item => {}
        }
        self.open.push(Open::Array);
        self.value();
    }

    /// Renders the next member of an object, or the object's end.
    fn next_member(&mut self, mut object: OpenObject) {
        object.furthest = object.furthest.max(self.position);
        let Some(member) = object.entries.next().and_then(|entry| self.index.member(entry)) else {
            self.out.push("}");
            self.position = object.furthest;
            self.position.at += 1;
            return;
        };
        if !std::mem::take(&mut object.is_first) {
            self.out.push(", ");
        }
        self.open.push(Open::Object(object));
        self.member(member);
    }

    fn member(&mut self, member: Member) {
        self.string(member.key as usize);
        self.out.push(": ");
        self.position = Position { at: member.value as usize, objects: member.objects_before as usize };
        self.value();
    }

    /// Renders the string whose opening quote is at `start`, and goes on behind it.
    fn string(&mut self, start: usize) {
        let end = string_end(self.text, start);
        self.out.push("\"");
        let mut at = start + 1;
        while at < end - 1 {
            at = self.part_of_string(at, end - 1);
        }
        self.out.push("\"");
        self.position.at = end;
    }

    /// Renders the plain text at `at`, or else one character. Returns where the string goes on.
    fn part_of_string(&mut self, at: usize, end: usize) -> usize {
        let rest = &self.text[at..end];
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
        let plain = rest.bytes().position(|byte| !is_plain(&byte)).unwrap_or(rest.len());
        if plain > 0 {
            self.out.push(&rest[..plain]);
            return at + plain;
        }
        let (character, next) = if rest.starts_with('\\') {
            escape::read(self.text, at).expect("the parser has checked every escape")
        } else {
            let character = rest.chars().next().expect("the string has not ended");
            (character, at + character.len_utf8())
        };
        self.out.push_character(character);
        next
    }

    /// Renders a number, a boolean or null.
    fn literal(&mut self) {
        let end = literal_end(self.text, self.position.at);
        let literal = &self.text[self.position.at..end];
        self.position.at = end;
        match literal {
            "true" | "false" | "null" => self.out.push(literal),
            "-0" => self.out.push("0"),
            float if float.contains(['.', 'e', 'E']) => {
                let float = float.parse().expect("the parser has checked every number");
                self.out.push(&python_float(float));
            }
            integer => self.out.push(integer),
        }
    }
}

/// Collects small parts of the output.
struct Output<'w> {
    buffer: String,
    write: &'w mut dyn FnMut(&str),
}

impl Output<'_> {
    fn push(&mut self, part: &str) {
        self.make_room(part.len());
        if part.len() > BUFFER_BYTES {
            (self.write)(part);
        } else {
            self.buffer.push_str(part);
        }
    }

    /// Writes a character of a string with the escape that Python gives it.
    fn push_character(&mut self, character: char) {
        match character {
            '"' => self.push("\\\""),
            '\\' => self.push("\\\\"),
            '\n' => self.push("\\n"),
            '\r' => self.push("\\r"),
            '\t' => self.push("\\t"),
            '\u{8}' => self.push("\\b"),
            '\u{c}' => self.push("\\f"),
            ' '..='~' => self.push(character.encode_utf8(&mut [0; 4])),
            _ => self.push_utf16_escapes(character),
        }
    }

    fn push_utf16_escapes(&mut self, character: char) {
        self.make_room(2 * r"\u0000".len());
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(self.buffer, "\\u{unit:04x}");
        }
    }

    fn make_room(&mut self, bytes: usize) {
        if self.buffer.len() + bytes > BUFFER_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        (self.write)(&self.buffer);
        self.buffer.clear();
    }
}

/// A float as Python's `repr` writes it.
///
/// Rust's `Debug` has as many digits and the same limits of the exponent form (below 1e-4, and from 1e16). The exponent
/// itself differs: Python gives it a sign and at least two digits.
pub(super) fn python_float(float: f64) -> String {
    let shortest = format!("{float:?}");
    let Some((mantissa, _)) = shortest.split_once('e') else {
        let even = format!("{float:.*}", decimals(&shortest));
        return reading_back(float, even, shortest);
    };
    let even = format!("{float:.*e}", decimals(mantissa));
    let text = reading_back(float, even, shortest);
    match text.split_once('e').map(|(mantissa, exponent)| (mantissa, exponent.parse::<i32>())) {
        Some((mantissa, Ok(exponent))) => format!("{mantissa}e{exponent:+03}"),
        _ => text,
    }
}

fn decimals(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, decimals)| decimals.len())
}

/// The text rounded half to even, as Python does it, where Rust's shortest text is rounded half up: 934710456761454.25 is
/// `…454.2` in Python and `…454.3` in Rust. Next to a power of two the nearest text of that length can belong to another
/// float; then it is the shortest one in Python, too.
fn reading_back(float: f64, even: String, shortest: String) -> String {
    if even == shortest || even.parse() == Ok(float) { even } else { shortest }
}
