//! The names of an archive's members.

use std::fmt;
use std::str::FromStr;

use flate2::Crc;
use thiserror::Error;

use crate::ids::{InvalidName, MAX_PATH_CHARS, valid_member_name};

/// The name of a member, as a request gives it: a path such as `docs/readme.txt`.
///
/// Parsing sanitizes it by the rules of a [`CacheKey`](crate::ids::CacheKey), and is stricter: 1 to 1,024 characters of `A-Za-z0-9_-./ `, no empty, `.` or `..`
/// segment, no `/` at either end and no backslash. So no member that a request creates can leave the folder that the
/// archive is unpacked in.
///
/// A member of an uploaded archive may have another name. Its exact name is a `MemberName` as well, see
/// [`Archive::member_name`](super::Archive::member_name).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName(String);

impl MemberName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names a folder, which has no content.
    pub fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Resolves a name in a request: the member with exactly this name when there is one, else the sanitized name.
    pub(super) fn resolve(raw: &str, is_member: impl FnOnce(&str) -> bool) -> Result<Self, InvalidName> {
        if is_member(raw) { Ok(Self(raw.to_owned())) } else { raw.parse() }
    }
}

impl FromStr for MemberName {
    type Err = InvalidName;

    fn from_str(raw: &str) -> Result<Self, InvalidName> {
        valid_member_name(raw).map(Self)
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why the name of a member in an uploaded archive is unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UnsafeName {
    /// No name at all.
    #[error("is empty")]
    Empty,
    /// Too many characters.
    #[error("is longer than {MAX_PATH_CHARS} characters")]
    TooLong,
    /// A path from the root or a drive.
    #[error("is an absolute path: archive the files by relative paths")]
    Absolute,
    /// A `..` segment.
    #[error("has a '..' segment: archive the files from the folder that holds them all")]
    ParentFolder,
    /// A backslash, which is a separator on some systems.
    #[error("has a backslash: separate folders with '/'")]
    Backslash,
    /// A control character, such as a line feed or NUL.
    #[error("has a control character")]
    ControlCharacter,
}

/// Refuses a name that some system would unpack outside of the target folder.
pub(super) fn check_safe(name: &str) -> Result<(), UnsafeName> {
    let has_drive = matches!(name.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    if name.is_empty() {
        return Err(UnsafeName::Empty);
    }
    if name.chars().count() > MAX_PATH_CHARS {
        return Err(UnsafeName::TooLong);
    }
    if name.starts_with('/') || has_drive {
        return Err(UnsafeName::Absolute);
    }
    if name.contains('\\') {
        return Err(UnsafeName::Backslash);
    }
    if name.contains(char::is_control) {
        return Err(UnsafeName::ControlCharacter);
    }
    if name.split('/').any(|segment| segment.trim() == "..") {
        return Err(UnsafeName::ParentFolder);
    }
    Ok(())
}

/// Code page 437 from 0x80 on (below it is ASCII).
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// The text of a name as an archive spells it: UTF-8 when the entry says so, else code page 437 (APPNOTE 6.3.10, appendix D).
/// `None` for an entry that says UTF-8 and is not.
pub(super) fn decode(raw: &[u8], is_utf8: bool) -> Option<String> {
    if is_utf8 || raw.is_ascii() {
        return String::from_utf8(raw.to_vec()).ok();
    }
    let high: Vec<char> = CODE_PAGE_437.chars().collect();
    Some(raw.iter().map(|&byte| if byte < 0x80 { char::from(byte) } else { high[usize::from(byte - 0x80)] }).collect())
}

/// The name in an Info-ZIP Unicode path field (0x7075, APPNOTE 6.3.10, 4.6.9): version, CRC-32 of the raw name, and the name
/// in UTF-8. `None` when the field does not apply: it has another version, belongs to another raw name (a tool that does not
/// know the field has renamed the member), or is empty.
pub(super) fn unicode_path(field: &[u8], raw_name: &[u8]) -> Result<Option<String>, BrokenUnicodePath> {
    let [version, crc @ ..] = field.first_chunk::<5>().ok_or(BrokenUnicodePath)?;
    let mut crc_of_raw_name = Crc::new();
    crc_of_raw_name.update(raw_name);
    if *version != 1 || u32::from_le_bytes(*crc) != crc_of_raw_name.sum() {
        return Ok(None);
    }
    let name = std::str::from_utf8(&field[5..]).map_err(|_| BrokenUnicodePath)?;
    Ok(Some(name.to_owned()).filter(|name| !name.is_empty()))
}

/// A Unicode path field that is too short, or is not UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BrokenUnicodePath;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_sanitized() {
        assert_eq!(" u:é x.txt ".parse::<MemberName>().unwrap().as_str(), "u__ x.txt");
    }

    #[test]
    fn a_name_that_escapes_is_refused() {
        for raw in ["../u.txt", "a/../../b", "a/./b"] {
            assert_eq!(raw.parse::<MemberName>(), Err(InvalidName::InvalidSegment), "{raw}");
        }
        for raw in ["/etc/passwd", "a/", "a//b"] {
            assert_eq!(raw.parse::<MemberName>(), Err(InvalidName::EmptySegment), "{raw}");
        }
        assert_eq!("..\\u.txt".parse::<MemberName>(), Err(InvalidName::Backslash));
        assert_eq!(" ".parse::<MemberName>(), Err(InvalidName::Empty));
        assert!(matches!("x".repeat(1025).parse::<MemberName>(), Err(InvalidName::TooLong { .. })));
    }

    #[test]
    fn an_existing_member_is_found_by_its_exact_name() {
        let exists = |name: &str| name == "d/é.txt";
        assert_eq!(MemberName::resolve("d/é.txt", exists).unwrap().as_str(), "d/é.txt");
        assert_eq!(MemberName::resolve("e/é.txt", exists).unwrap().as_str(), "e/_.txt");
    }

    #[test]
    fn an_uploaded_name_that_escapes_is_unsafe() {
        for (name, why) in [
            ("", UnsafeName::Empty),
            ("/a", UnsafeName::Absolute),
            ("c:/a", UnsafeName::Absolute),
            ("a\\b", UnsafeName::Backslash),
            ("a/../b", UnsafeName::ParentFolder),
            ("a/.. /b", UnsafeName::ParentFolder),
            ("a\0.txt", UnsafeName::ControlCharacter),
            (&"é".repeat(1025), UnsafeName::TooLong),
        ] {
            assert_eq!(check_safe(name), Err(why), "{name}");
        }
        for name in ["./a", "a//b", "a..b", "10:30.log", "d/", "é/ü.txt"] {
            assert_eq!(check_safe(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_name_without_the_utf_8_flag_is_in_code_page_437() {
        assert_eq!(CODE_PAGE_437.chars().count(), 128);
        assert_eq!(decode(b"caf\x82 \xe1\xff", false).as_deref(), Some("café ß\u{a0}"));
        assert_eq!(decode("é".as_bytes(), true).as_deref(), Some("é"));
        assert_eq!(decode(b"\xff", true), None);
    }

    #[test]
    fn a_unicode_path_applies_to_the_raw_name_of_its_crc() {
        let raw = b"caf\x82";
        let mut crc = Crc::new();
        crc.update(raw);
        let field = |version: u8, crc: u32, name: &[u8]| [&[version][..], &crc.to_le_bytes(), name].concat();
        let sound = field(1, crc.sum(), "七.txt".as_bytes());
        assert_eq!(unicode_path(&sound, raw), Ok(Some("七.txt".to_owned())));
        assert_eq!(unicode_path(&sound, b"cafe"), Ok(None));
        assert_eq!(unicode_path(&field(2, crc.sum(), b"x"), raw), Ok(None));
        assert_eq!(unicode_path(&field(1, crc.sum(), b""), raw), Ok(None));
        assert_eq!(unicode_path(&field(1, crc.sum(), b"\xff"), raw), Err(BrokenUnicodePath));
        assert_eq!(unicode_path(&sound[..4], raw), Err(BrokenUnicodePath));
    }

    proptest! {
        #[test]
        fn every_parsed_name_is_safe_and_parses_to_itself(raw in "[a-c./\\\\ é:]{1,12}") {
            if let Ok(name) = raw.parse::<MemberName>() {
                prop_assert_eq!(check_safe(name.as_str()), Ok(()));
                prop_assert_eq!(name.to_string().parse::<MemberName>(), Ok(name));
            }
        }
    }
}
