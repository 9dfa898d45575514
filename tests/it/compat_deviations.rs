//! Where our service answers on purpose otherwise than the Python service did.
//!
//! The list names exchanges by patterns over `{note} | {method} {path}`, in which `*` stands for any text.

use crate::replay::{Exchange, Mismatch};
use crate::support::Reply;

/// Every wanted difference. The first row that names an exchange and expects our answer explains it; a pattern that
/// names none fails the test.
pub const DEVIATIONS: &[Deviation] = &[
    // JSON
    row(
        New,
        &["* nan | POST /*/store/json", "NaN/Infinity | POST /*/store/json"],
        Refuses(400),
        "JSON: NaN and infinities are refused",
    ),
    row(New, &["conv2 | POST /*/store/json"], Refuses(400), "JSON: 1e400 is an infinity, and refused"),
    row(
        New,
        &["*json-nan /binary | GET /*/hash/*"],
        Refuses(404),
        "JSON: a NaN was refused, so there is nothing to read",
    ),
    row(
        New,
        &["*lone surrogate | POST *", "setup surrogate json | POST *"],
        Refuses(400),
        "JSON: lone surrogates are refused",
    ),
    row(
        New,
        &["*json-surrogate /binary | GET /*/hash/*"],
        Refuses(404),
        "JSON: a lone surrogate was refused, so there is nothing",
    ),
    row(New, &["utf-16 json | POST *"], Refuses(400), "JSON: UTF-16 and UTF-32 are refused"),
    row(New, &["int with 5000 digits | POST *"], Answers(200), "JSON: integers of any size are kept"),
    // Body without Content-Type
    row(New, &["json no content-type | POST *"], Answers(200), "body without Content-Type: JSON routes parse it"),
    row(New, &["pinned: * no content-type | POST /*/store/*"], Answers(200), "body without Content-Type: taken raw"),
    row(
        New,
        &["pinned: JSON string no content-type | POST *"],
        DiffersAt(&["$.cache_hash"]),
        "body without Content-Type: taken raw",
    ),
    row(
        New,
        &["pinned: null json | POST *"],
        DiffersAt(&["$.detail[0].type", "$.detail[0].msg"]),
        "validation errors: as the latest stack words them",
    ),
    // Names
    row(
        New,
        &["namespace [*] | POST *", "data_file_id * | *"],
        Refuses(400),
        "names: nothing but '_' is left of it after cleaning",
    ),
    row(
        New,
        &["key_based cache_key [*] | POST *", "odd key * | POST *", "data_key * | *"],
        Refuses(400),
        "names: '.' and '..' segments",
    ),
    row(New, &["xt B | POST *"], Refuses(400), "names: a '..' segment"),
    // One copy, immutability
    row(
        New,
        &["first * after overwrite | GET *"],
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: an id keeps its own content when its key is overwritten",
    ),
    row(
        New,
        &["first id after shared delete | GET *"],
        Answers(200),
        "immutability: entries do not share their content's fate",
    ),
    row(
        New,
        &["first id metadata after shared delete | GET *"],
        DiffersAt(&["$.data"]),
        "immutability: each id has metadata of its own",
    ),
    row(
        New,
        &["walk | GET *"],
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: each id has content and metadata of its own",
    ),
    row(
        Old,
        &["old | GET /*/retrieve/*"],
        DiffersAt(&["$.data", "$.metadata"]),
        "immutability: each id has content of its own",
    ),
    // Storage paths, update, admin delete
    row(
        New,
        &["retrieve when metadata missing | GET *", "metadata gone | GET *"],
        DiffersAt(&["$.metadata"]),
        "storage paths: no .metadata file can go missing",
    ),
    row(New, &["metadata gone | GET /*/metadata"], Answers(200), "storage paths: no .metadata file can go missing"),
    row(
        New,
        &["delete when hash ref missing | DELETE *"],
        DiffersAt(&["$.status", "$.failed_paths"]),
        "admin delete: index files are not deleted by their path",
    ),
    row(
        New,
        &["route precedence | GET */retrieve/hash/*"],
        DiffersAt(&["$.detail[0].msg"]),
        "two generations: what follows retrieve/hash is a hash, also if it is called as a form of reading",
    ),
    // The two generations
    row(
        Old,
        &["old underscore key | POST *"],
        DiffersAt(&["$.detail[0].msg"]),
        "two generations: a cache key is called as in the new one",
    ),
    row(
        Old,
        &["old store json key * | POST *", "old gzip keyed | POST *"],
        DiffersAt(&["$.cache_hash"]),
        "hash of a keyed store: of the content",
    ),
    row(
        Old,
        &["old json_field_path ignored | POST *"],
        DiffersAt(&["$.cache_hash"]),
        "hash of a keyed store: of the named field",
    ),
    row(
        Old,
        &["old retrieve /config | GET *"],
        DiffersAt(&["$.file_type"]),
        "two generations: config describes the content, as in the new one",
    ),
    row(Old, &["old missing /config | GET *"], Refuses(404), "two generations: no config is invented for a missing id"),
    row(
        Old,
        &["old preflight | OPTIONS *"],
        Answers(204),
        "two generations: a preflight needs no key, as in the new one",
    ),
    // ZIP
    row(
        New,
        &["zip add odd path a//b | POST *", "z9 lead | POST *"],
        Refuses(400),
        "names: empty, '.' and '..' segments, '/' at the ends, of members too",
    ),
    row(New, &["zip delete missing file | DELETE *"], Refuses(404), "ZIP: deleting an absent member is 404"),
    row(
        New,
        &["refs of batch* | GET *"],
        DiffersAt(&["$.cache_hash", "$.strategy"]),
        "ZIP: results keep the original's strategy, and hashes are content-based always",
    ),
    row(
        New,
        &["batch: remove pattern with * | POST *"],
        DiffersAt(&["$.success", "$.cache_id", "$.operation_results", "$.error_message"]),
        "ZIP: patterns are those of a shell, with '?' and '[]'",
    ),
    row(
        New,
        &["batch: rename onto existing | POST *", "z9 rename dup | POST *"],
        DiffersAt(&["$.success", "$.operation_results", "$.files_modified", "$.error_message"]),
        "ZIP: a rename onto an existing name fails",
    ),
    row(
        New,
        &["list with duplicate | GET *"],
        DiffersAt(&["$.message"]),
        "ZIP: adding an existing name replaces the member, so there are fewer",
    ),
    row(
        New,
        &["z9 add dup | POST *"],
        DiffersAt(&["$.files_added"]),
        "ZIP: adding an existing name replaces the member",
    ),
    row(
        Old,
        &["old batch * | POST *"],
        Answers(200),
        "two generations: the fields of a batch are optional, as in the new one",
    ),
    row(
        New,
        &["zip bomb * | POST *"],
        Refuses(400),
        "nothing to compare: the recording holds only the beginning of the archive",
    ),
    // Child data
    row(
        Any,
        &[
            "child get binary/* | GET *",
            "missing parent | GET /*/data/binary/*",
            "old child get /* | GET *",
            "admin file/html | GET *",
            "admin html empty path | GET *",
        ],
        Refuses(404),
        "errors: every error body is JSON",
    ),
    row(New, &["u3 | GET /*/data/string/e"], Answers(200), "child data: what was stored empty is read as empty"),
    row(
        New,
        &["data_key get %20 | GET *"],
        Refuses(404),
        "names: its store was refused, for a '.' segment of the data_key",
    ),
    row(
        New,
        &["data_key exists %20 | GET *"],
        DiffersAt(&["$.exists"]),
        "names: its store was refused, for a '.' segment of the data_key",
    ),
    row(New, &["data_key *a%0Ab | GET *"], Answers(200), "names: a line break is cleaned as any other character"),
    row(
        New,
        &["trailing slash /store/* | POST *", "trailing slash | GET *"],
        Refuses(404),
        "not kept: redirects of a trailing slash",
    ),
    row(
        Any,
        &["*delete all* | DELETE */delete/all*"],
        DiffersAt(&["$.message"]),
        "nothing to compare: the recording lacks stores and deletes before it, so the counts differ",
    ),
    // Update
    row(New, &["update missing | POST *", "u3 missing | POST *"], Refuses(404), "update: a missing entry is 404"),
    row(
        New,
        &["update * entry with * | POST *"],
        Refuses(400),
        "update: bytes for a JSON document or a string are refused",
    ),
    // Namespaces and test data
    row(Old, &["old /stats | GET *"], DiffersAt(&["$.error"]), "two generations: stats are counted, as in the new one"),
    row(
        New,
        &["blank ns | GET *", "test-data clear empty namespace | DELETE *"],
        Refuses(400),
        "names: a blank namespace is refused",
    ),
    row(
        New,
        &["blank ns after clear | GET *"],
        DiffersAt(&["$.files"]),
        "names: a blank namespace was refused, so it left nothing at the root",
    ),
    row(
        New,
        &["create test fixtures again | GET *"],
        DiffersAt(&["$.metadata.cache_hash"]),
        "ids: the list of fixtures, whose hash it is, names other ids",
    ),
    row(
        New,
        &["*clear * | DELETE /test-data/clear/*"],
        DiffersAt(&["$.message"]),
        "nothing to compare: the recording lacks stores before it, so the counts differ",
    ),
    // Admin
    row(New, &["file bytes | GET *.json.metadata"], Refuses(404), "storage paths: there are no .metadata files"),
    row(
        New,
        &["file bytes | GET */refs/by-id/44/*", "file bytes | GET */refs/by-hash/*"],
        Refuses(404),
        "nothing to compare: the recording lacks its store",
    ),
    row(
        Old,
        &["old files | GET *"],
        Refuses(404),
        "storage paths: there are no .config and .metadata files, and other hashes",
    ),
    row(Old, &["old | GET /admin/*"], Refuses(404), "hash of a keyed store: of the content"),
    row(
        New,
        &["admin file/exists | GET */dk/b.bin"],
        DiffersAt(&["$.exists"]),
        "nothing to compare: the recording does not tell the path of this child",
    ),
    row(
        New,
        &["admin file/* | GET */dk/b.bin"],
        Refuses(404),
        "nothing to compare: the recording does not tell the path of this child",
    ),
    row(
        Any,
        &["admin file/bytes | GET *", "admin empty path | GET */file/bytes/", "old admin /file/bytes/nope | GET *"],
        Refuses(404),
        "errors: a missing file is 404, not empty",
    ),
    row(
        New,
        &["refs/all after admin delete content | GET *"],
        Refuses(404),
        "admin delete: the path of a view deletes the entry",
    ),
    row(New, &["delete hash ref | DELETE *"], Refuses(409), "admin delete: index files are not deleted by their path"),
    row(New, &["mf child* | *"], Refuses(404), "admin delete: the path of a view deleted the entry"),
    row(
        New,
        &["mf | DELETE */delete/all"],
        DiffersAt(&["$.deleted_files", "$.message"]),
        "admin delete: the path of a view deleted the entry",
    ),
    row(
        New,
        &["redirect /admin/storage/folders | GET *", "new: old * path | GET *"],
        Answers(200),
        "two generations: the old admin paths are there",
    ),
    // The rest
    row(Any, &["root | GET /", "old / auth=* | GET /"], Answers(200), "home: the root is a page that leads to the API"),
    row(New, &["HEAD * | HEAD *"], Answers(200), "HEAD: served wherever GET is"),
    row(New, &["redirect with Host header | GET *"], Refuses(400), "errors: every error body is JSON"),
    row(New, &["/console auth=False | GET *"], Answers(308), "console: the page needs no key, only what it shows"),
    row(New, &["/console/ auth=False | GET *"], Answers(200), "console: the page needs no key, only what it shows"),
    row(Old, &["old /console auth=True | GET *"], Answers(308), "console: the older service had none"),
    row(New, &["/console/index.html auth=True | GET *"], Refuses(404), "console: its page is /console/"),
    row(New, &["HEAD /console/index.html * | HEAD *"], Answers(404), "console: its page is /console/"),
    row(New, &["/redoc auth=True | GET *"], Refuses(404), "not kept: /redoc"),
    row(New, &["/docs/oauth2-redirect auth=True | GET *"], Refuses(404), "not kept: /docs/oauth2-redirect"),
    row(New, &["* | OPTIONS /docs"], Answers(204), "CORS: a preflight of a public path is answered as any other"),
    row(
        New,
        &["after 20 concurrent * | GET *"],
        Refuses(404),
        "nothing to compare: the recording lacks the stores before it",
    ),
];

/// One wanted difference.
#[derive(Debug)]
pub struct Deviation {
    generation: Generation,
    /// The patterns of its exchanges.
    pub exchanges: &'static [&'static str],
    /// How ours answers.
    pub ours: Ours,
    /// The reason: the topic of the contract, and its text.
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

const fn row(
    generation: Generation,
    exchanges: &'static [&'static str],
    ours: Ours,
    reason: &'static str,
) -> Deviation {
    Deviation { generation, exchanges, ours, reason }
}

impl Deviation {
    /// The pattern that this exchange is named by, if the row is about it.
    pub fn pattern_of(&self, exchange: &Exchange) -> Option<&'static str> {
        let is_old = exchange.service.starts_with("v0.5");
        let right_generation = match self.generation {
            Any => true,
            Old => is_old,
            New => !is_old,
        };
        let title = exchange.title();
        self.exchanges.iter().copied().find(|pattern| right_generation && matches(pattern, &title))
    }
}

impl Ours {
    /// Whether our response is the one in the row.
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
