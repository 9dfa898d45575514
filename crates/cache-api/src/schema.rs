//! The names as JSON Schema. A text that matches its pattern is used unchanged; other texts are sanitized or refused.
//!
//! Each pattern is the rule of the server's parser; `make fuzz-api` compares the two.

use std::borrow::Cow;

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::names::{CacheHash, CacheId, CacheKey, DataKey, FileId, KeyId, Namespace, NamespacePattern, Sha256Digest};

/// The longest namespace or file id, in characters.
const MAX_ID_CHARS: usize = 128;
/// The longest key, in characters.
const MAX_PATH_CHARS: usize = 1024;
/// Not `_` alone.
const ID_PATTERN: &str = "^(?!_+$)[A-Za-z0-9_-]+$";
/// Not `_` alone; no segment that is blank, `.` or `..`; no `/` or space at the ends.
const PATH_PATTERN: &str = r"^(?!_+$)(?!(.*/)? *\.{0,2} *(/|$))[A-Za-z0-9_.-]([A-Za-z0-9_./ -]*[A-Za-z0-9_.-])?$";

fn text(pattern: &str, description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(description))
}

fn id(description: &str) -> ObjectBuilder {
    text(ID_PATTERN, description).max_length(Some(MAX_ID_CHARS))
}

fn path(description: &str) -> ObjectBuilder {
    text(PATH_PATTERN, description).max_length(Some(MAX_PATH_CHARS))
}

macro_rules! schema {
    ($type:ident, $schema:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let schema: Object = $schema.build();
                schema.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }
    };
}

schema!(Namespace, id("An isolated namespace: nothing is shared between two namespaces"));
schema!(FileId, id("The name of a file under a key, of an entry or of child data"));
schema!(CacheKey, path("A readable path that an entry is stored under, such as users/u1"));
schema!(DataKey, path("A readable path of child data under its entry, such as analysis/sentiment"));
schema!(
    CacheHash,
    text("^[a-f0-9]{10,96}$", "The hash that contents are found by; 16 digits where this service made it")
);
schema!(
    CacheId,
    text("^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$", "The name of one stored entry, a UUID with dashes")
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
);
schema!(Sha256Digest, text("^[a-f0-9]{64}$", "A SHA-256"));
schema!(
    NamespacePattern,
    text(
        r"^([A-Za-z0-9_-]{0,128}\*|(?!_+$)[A-Za-z0-9_-]{1,128})$",
        "A namespace, or the beginning of names and `*`; `*` alone means all"
    )
);
schema!(KeyId, text("^[a-f0-9]{12}$", "Names an API key in lists and logs; it is no secret"));
