//! Whether what was uploaded is what was announced. It is read in parts, so that it is never in memory as a whole.

use crate::digest::Sha256Hasher;
use crate::error::Error;
use crate::storage::{ObjectHead, ObjectKey};
use crate::strategy::ContentKind;

use super::super::{NamespaceCache, SWEEP_MIN_AGE};
use super::UploadRequest;

/// How old an upload may be when it is completed: half of the age at which the sweep may take it away, so that the two never
/// meet, whatever the clocks say and however long the completion takes.
const MAX_UPLOAD_AGE_DIVISOR: u32 = 2;

impl NamespaceCache {
    /// Checks what was uploaded.
    ///
    /// A blob that is not what was announced is left for the sweep: another completion may be right about it.
    pub(super) async fn check_upload(
        &self,
        request: &UploadRequest,
        blob: &ObjectKey,
        head: &ObjectHead,
    ) -> Result<(), Error> {
        let refused = |message: &str| Error::invalid("upload_id", message);
        if self.cache.now().since(head.modified) >= SWEEP_MIN_AGE / MAX_UPLOAD_AGE_DIVISOR {
            return Err(refused(
                "names an upload that is more than 12 hours old: begin a new one, without the same Idempotency-Key",
            ));
        }
        request.check_size(head.size)?;
        head.sha256.map_or(Ok(()), |sha256| request.check_digest(sha256))?;
        if head.sha256.is_some() && request.kind == ContentKind::Binary {
            return Ok(());
        }
        self.read_through(request, blob).await
    }

    /// Reads a whole content. What the storage says of its digest is not enough to know that a text is UTF-8.
    async fn read_through(&self, request: &UploadRequest, blob: &ObjectKey) -> Result<(), Error> {
        let (mut sha256, mut text) = (Sha256Hasher::default(), Utf8::default());
        let read = self.for_each_part(blob, request.size, |part| {
            if request.kind == ContentKind::String && !text.accepts(part) {
                return Err(not_utf8());
            }
            sha256.update(part);
            Ok(())
        });
        if !read.await? {
            return Err(Error::unavailable(format!("{blob} was removed: retry")));
        }
        if !text.is_complete() {
            return Err(not_utf8());
        }
        request.check_digest(sha256.finish())
    }
}

fn not_utf8() -> Error {
    let message = "is 'string', but the content is not valid UTF-8: upload it as 'binary'";
    Error::invalid("data_type", message)
}

/// A text that comes in parts, whose ends may cut a character.
#[derive(Default)]
struct Utf8 {
    /// The first bytes of the character that the last part ended in.
    rest: Vec<u8>,
}

impl Utf8 {
    /// Whether the text is UTF-8 with this part, as far as can be told.
    fn accepts(&mut self, part: &[u8]) -> bool {
        // A part that begins with a character is looked at where it is: it may be all of a large content.
        let joined = (!self.rest.is_empty()).then(|| [&self.rest, part].concat());
        let text = joined.as_deref().unwrap_or(part);
        let whole = match std::str::from_utf8(text) {
            Ok(_) => text.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        self.rest = text[whole..].to_vec();
        true
    }

    /// Whether the last character is complete.
    fn is_complete(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_utf8(bytes: &[u8], part: usize) -> bool {
        let mut text = Utf8::default();
        bytes.chunks(part).all(|part| text.accepts(part)) && text.is_complete()
    }

    #[test]
    fn a_character_may_be_cut_anywhere_but_at_the_end() {
        for part in 1..8 {
            assert!(is_utf8("a😀é\u{feff}b".as_bytes(), part));
            assert!(!is_utf8(&"a😀".as_bytes()[..4], part), "cut off");
            assert!(!is_utf8(b"a\xffb", part), "never a character");
        }
    }

    proptest! {
        #[test]
        fn parts_are_judged_as_the_whole(text in ".{0,30}", noise: Vec<u8>, part in 1..9_usize) {
            prop_assert!(is_utf8(text.as_bytes(), part));
            let mixed = [text.as_bytes(), &noise].concat();
            prop_assert_eq!(is_utf8(&mixed, part), std::str::from_utf8(&mixed).is_ok());
        }
    }
}
