//! Where our service answers on purpose otherwise than the Python service did, and what is not there yet.
//!
//! Both lists name exchanges by patterns over `{note} | {method} {path}`, in which `*` stands for any text.

use crate::replay::{Exchange, Mismatch};
use crate::support::Reply;

/// Exchanges that our service cannot answer yet. They are skipped and counted; a pattern that skips none fails the test.
pub const NOT_YET: &[&str] = &[
    "* | * /*/cache/*/data/*",
    "* | * /*/update/*",
    "*after update* | *",
    "* | * /*/zip/*",
    "* | * /*/file-hashes",
    "* | * /*/file-ids",
    "* | * /*/stats",
    "* | * /namespaces/list",
    "* | * /admin/storage/*",
    "* | * /server/*",
    "* | * /test-data/*",
    "* | * /auth/*",
    "* | * /console*",
    "* | * /docs*",
    "* | * /openapi.json",
    "* | * /redoc",
];

/// Every wanted difference. The first row that names an exchange and expects our answer explains it; a row that explains
/// nothing fails the test.
pub const DIFFERENCES: &[Difference] = &[
    // JSON
    row(New, "* nan | POST /*/store/json", Refuses(400), "JSON: NaN and infinities are refused"),
    row(New, "NaN/Infinity | POST /*/store/json", Refuses(400), "JSON: NaN and infinities are refused"),
    row(New, "conv2 | POST /*/store/json", Refuses(400), "JSON: 1e400 is an infinity, and refused"),
    row(New, "*json-nan /binary | GET /*/hash/*", Refuses(404), "JSON: a NaN was refused, so there is nothing to read"),
    row(New, "*lone surrogate | POST *", Refuses(400), "JSON: lone surrogates are refused"),
    row(New, "setup surrogate json | POST *", Refuses(400), "JSON: lone surrogates are refused"),
    row(
        New,
        "*json-surrogate /binary | GET /*/hash/*",
        Refuses(404),
        "JSON: a lone surrogate was refused, so there is nothing",
    ),
    row(New, "utf-16 json | POST *", Refuses(400), "JSON: UTF-16 and UTF-32 are refused"),
    row(New, "deep json depth 500 | POST *", Refuses(400), "JSON: nesting over 128 is refused"),
    row(New, "int with 5000 digits | POST *", Answers(200), "JSON: integers of any size are kept"),
    // Body without Content-Type
    row(New, "json no content-type | POST *", Answers(200), "body without Content-Type: JSON routes parse it"),
    row(New, "pinned: * no content-type | POST /*/store/*", Answers(200), "body without Content-Type: taken raw"),
    row(
        New,
        "pinned: JSON string no content-type | POST *",
        DiffersAt(&["$.cache_hash"]),
        "body without Content-Type: taken raw",
    ),
    row(
        New,
        "pinned: null json | POST *",
        DiffersAt(&["$.detail[0].type"]),
        "validation errors: as the latest stack words them",
    ),
    // Names
    row(New, "namespace [*] | POST *", Refuses(400), "names: nothing but '_' is left of it after cleaning"),
    row(
        New,
        "key_based cache_key [*] | POST *",
        Refuses(400),
        "names: empty, '.' and '..' segments, '/' at the ends, '\\'",
    ),
    row(New, "odd key * | POST *", Refuses(400), "names: empty, '.' and '..' segments, '/' at the ends"),
    row(New, "xt B | POST *", Refuses(400), "names: a '..' segment"),
    // One copy, immutability
    row(
        New,
        "first * after overwrite | GET *",
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: an id keeps its own content when its key is overwritten",
    ),
    row(
        New,
        "first id after shared delete | GET *",
        Answers(200),
        "immutability: entries do not share their content's fate",
    ),
    row(
        New,
        "first id metadata after shared delete | GET *",
        DiffersAt(&["$.data"]),
        "immutability: each id has metadata of its own",
    ),
    row(
        New,
        "walk | GET *",
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: each id has content and metadata of its own",
    ),
    row(
        Old,
        "old | GET /*/retrieve/*",
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: each id has content of its own",
    ),
    // Storage paths, update, admin delete
    row(
        New,
        "retrieve when metadata missing | GET *",
        DiffersAt(&["$.metadata"]),
        "storage paths: no .metadata file can go missing",
    ),
    row(New, "metadata gone | GET /*/metadata", Answers(200), "storage paths: no .metadata file can go missing"),
    row(New, "metadata gone | GET *", DiffersAt(&["$.metadata"]), "storage paths: no .metadata file can go missing"),
    row(
        New,
        "metadata after admin delete | GET *",
        Answers(200),
        "admin delete: content files are not deleted by their path",
    ),
    row(New, "mf first copy gone | GET *", Answers(200), "admin delete: content files are not deleted by their path"),
    row(
        New,
        "delete when hash ref missing | DELETE *",
        DiffersAt(&["$.status", "$.failed_paths"]),
        "admin delete: index files are not deleted by their path",
    ),
    row(
        New,
        "json entry updated w/ string/string | GET *",
        DiffersAt(&["body"]),
        "update: another kind than the entry's is refused",
    ),
    // The two generations
    row(Old, "old store json key * | POST *", DiffersAt(&["$.cache_hash"]), "hash of a keyed store: of the content"),
    row(Old, "old gzip keyed | POST *", DiffersAt(&["$.cache_hash"]), "hash of a keyed store: of the content"),
    row(
        Old,
        "old json_field_path ignored | POST *",
        DiffersAt(&["$.cache_hash"]),
        "hash of a keyed store: of the named field",
    ),
    row(
        Old,
        "old retrieve /config | GET *",
        DiffersAt(&["$.file_type"]),
        "two generations: config describes the content, as in the new one",
    ),
    row(Old, "old missing /config | GET *", Refuses(404), "two generations: no config is invented for a missing id"),
    row(Old, "old preflight | OPTIONS *", Answers(204), "two generations: a preflight needs no key, as in the new one"),
    // The rest
    row(New, "trailing slash | GET *", Refuses(404), "not kept: redirects of a trailing slash"),
    row(New, "redirect with Host header | GET *", Refuses(404), "not kept: redirects of a trailing slash"),
    row(
        Any,
        "* | GET /info/versions",
        DiffersAt(&["$"]),
        "versions: of our service, which has none of the Python libraries",
    ),
    row(
        Any,
        "* | GET /config/status",
        Refuses(401),
        "auth: a path that nothing serves needs the key, as every other one",
    ),
    row(
        New,
        "after 20 concurrent * | GET *",
        Refuses(404),
        "nothing to compare: the recording lacks the stores before it",
    ),
];

/// One wanted difference.
#[derive(Debug)]
pub struct Difference {
    generation: Generation,
    exchange: &'static str,
    /// How ours answers.
    pub ours: Ours,
    /// Why: the topic of the contract, and what it says.
    pub reason: &'static str,
}

/// Which recordings of the Python service a row is about.
#[derive(Clone, Copy, Debug)]
enum Generation {
    Any,
    Old,
    New,
}
use Generation::{Any, New, Old};

/// How our service answers instead.
#[derive(Debug)]
pub enum Ours {
    /// With this status, and a JSON error that has a message.
    Refuses(u16),
    /// With this other status.
    Answers(u16),
    /// Alike, but for these places of the answer and all below them.
    DiffersAt(&'static [&'static str]),
}
use Ours::{Answers, DiffersAt, Refuses};

const fn row(generation: Generation, exchange: &'static str, ours: Ours, reason: &'static str) -> Difference {
    Difference { generation, exchange, ours, reason }
}

/// The pattern of [`NOT_YET`] that an exchange falls under.
pub fn not_yet(title: &str) -> Option<&'static str> {
    NOT_YET.iter().copied().find(|pattern| matches(pattern, title))
}

impl Difference {
    /// Whether the row is about this exchange.
    pub fn names(&self, exchange: &Exchange) -> bool {
        let is_old = exchange.service.starts_with("v0.5");
        let right_generation = match self.generation {
            Any => true,
            Old => is_old,
            New => !is_old,
        };
        right_generation && matches(self.exchange, &exchange.title())
    }
}

impl Ours {
    /// Whether our answer is the one that the row announces.
    pub fn expects(&self, reply: &Reply, mismatches: &[Mismatch]) -> bool {
        match self {
            Refuses(status) => reply.status == *status && reply.json()["message"].is_string(),
            Answers(status) => reply.status == *status && mismatches.iter().any(|mismatch| mismatch.is_below("status")),
            DiffersAt(places) => mismatches.iter().all(|mismatch| places.iter().any(|place| mismatch.is_below(place))),
        }
    }
}

/// Whether a text has the form of a pattern, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
}
