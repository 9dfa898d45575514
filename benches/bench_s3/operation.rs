//! The measured operations, their budgets, and their setup.

use std::fmt;

use super::support::{Client, Request};

/// The namespace of the measurements.
const NAMESPACE: &str = "bench";

/// An operation. Each repetition has contents and keys of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Of a content that is not there.
    StoreNew(&'static str),
    /// Of a content that is there.
    StoreKnown(&'static str),
    /// Of new content under a key with a file id.
    StoreKeyed(&'static str),
    /// Of a content that was deleted.
    StoreDeleted,
    /// Of an entry without a key.
    Of(EntryOperation),
    ByKey,
    /// The only version of a key.
    DeleteKeyed,
    /// The newest of several versions of a key, so that the one before takes its place.
    DeleteNewest,
    /// With a key and a file id.
    UpdateKeyed,
    Ids,
    Stats,
}

/// An operation of one entry without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryOperation {
    ById,
    ByHash,
    /// The newest one, by its number.
    ByVersion,
    /// By the id of an entry that was updated.
    Updated,
    Metadata,
    References,
    Config,
    Exists,
    AllReferences,
    StoreChild,
    RetrieveChild,
    Delete,
    Update,
}

/// An operation with its budget.
pub struct Measured {
    pub operation: Operation,
    pub most_calls: usize,
    pub most_rounds: usize,
    /// How long it may take at most, if that is promised.
    pub promise: Option<Promise>,
}

/// How long an operation may take, in times of one bare call.
#[derive(Debug, Clone, Copy)]
pub enum Promise {
    OfPut(f64),
    OfGet(f64),
}

const fn within(operation: Operation, most_calls: usize, most_rounds: usize) -> Measured {
    Measured { operation, most_calls, most_rounds, promise: None }
}

const fn puts(most: f64, measured: Measured) -> Measured {
    Measured { promise: Some(Promise::OfPut(most)), ..measured }
}

const fn gets(most: f64, measured: Measured) -> Measured {
    Measured { promise: Some(Promise::OfGet(most)), ..measured }
}

/// All that is measured. `crates/cache-core/tests/budget.rs` holds the use cases to the same figures.
pub const MEASURED: [Measured; 29] = [
    puts(1.15, within(Operation::StoreNew("direct"), 2, 1)),
    within(Operation::StoreKnown("direct"), 3, 2),
    puts(1.15, within(Operation::StoreNew("temporal"), 3, 1)),
    puts(1.15, within(Operation::StoreNew("temporal_latest"), 3, 1)),
    puts(1.15, within(Operation::StoreNew("temporal_versioned"), 3, 1)),
    puts(1.15, within(Operation::StoreNew("key_based"), 3, 1)),
    within(Operation::StoreDeleted, 3, 2),
    puts(3.3, within(Operation::StoreKeyed("direct"), 4, 2)),
    puts(3.3, within(Operation::StoreKeyed("temporal_latest"), 8, 3)),
    puts(3.3, within(Operation::StoreKeyed("key_based"), 7, 3)),
    gets(1.1, within(Operation::Of(EntryOperation::ById), 1, 1)),
    gets(1.1, within(Operation::Of(EntryOperation::ByHash), 1, 1)),
    within(Operation::Of(EntryOperation::ByVersion), 1, 1),
    gets(1.1, within(Operation::ByKey, 1, 1)),
    within(Operation::Of(EntryOperation::Updated), 1, 1),
    within(Operation::Of(EntryOperation::Metadata), 1, 1),
    within(Operation::Of(EntryOperation::References), 1, 1),
    within(Operation::Of(EntryOperation::Config), 1, 1),
    within(Operation::Of(EntryOperation::Exists), 1, 1),
    within(Operation::Of(EntryOperation::AllReferences), 2, 2),
    puts(1.15, within(Operation::Of(EntryOperation::StoreChild), 2, 1)),
    within(Operation::Of(EntryOperation::RetrieveChild), 2, 1),
    puts(2.2, within(Operation::Of(EntryOperation::Delete), 3, 2)),
    within(Operation::DeleteKeyed, 8, 6),
    within(Operation::DeleteNewest, 10, 7),
    puts(2.2, within(Operation::Of(EntryOperation::Update), 2, 2)),
    within(Operation::UpdateKeyed, 8, 6),
    // Of fewer entries than there are repetitions, none of them in a catalog yet.
    within(Operation::Ids, 40, 2),
    within(Operation::Stats, 80, 3),
];

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StoreNew(strategy) => write!(f, "store {strategy}, new content"),
            Self::StoreKnown(strategy) => write!(f, "store {strategy}, known content"),
            Self::StoreKeyed(strategy) => write!(f, "store {strategy} under a key"),
            Self::StoreDeleted => f.write_str("store direct, deleted content"),
            Self::Of(operation) => write!(f, "{operation}"),
            Self::ByKey => f.write_str("retrieve by key"),
            Self::DeleteKeyed => f.write_str("delete with a key"),
            Self::DeleteNewest => f.write_str("delete, newest of a key"),
            Self::UpdateKeyed => f.write_str("update with a key"),
            Self::Ids => f.write_str("list of ids"),
            Self::Stats => f.write_str("stats"),
        }
    }
}

impl fmt::Display for EntryOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ById => "retrieve by id",
            Self::ByHash => "retrieve by hash",
            Self::ByVersion => "retrieve by hash and version",
            Self::Updated => "retrieve by id, updated entry",
            Self::Metadata => "metadata",
            Self::References => "refs",
            Self::Config => "config",
            Self::Exists => "exists by id",
            Self::AllReferences => "refs/all",
            Self::StoreChild => "child store",
            Self::RetrieveChild => "child retrieve",
            Self::Delete => "delete",
            Self::Update => "update",
        })
    }
}

/// The setup, by another process that does not use the proxy.
pub struct Fixtures {
    client: Client,
}

impl Fixtures {
    /// Made through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Makes ready for a repetition, and returns the request to be measured.
    pub async fn prepare(&self, operation: Operation, number: usize) -> Request {
        let text = format!("{operation} {number}");
        match operation {
            Operation::StoreNew(strategy) => store(strategy, "", &text),
            Operation::StoreKnown(strategy) => {
                self.send(store(strategy, "", &text)).await;
                store(strategy, "", &text)
            }
            Operation::StoreKeyed(strategy) => store(strategy, &keyed(number), &text),
            Operation::StoreDeleted => {
                let (id, _) = self.send(store("direct", "", &text)).await;
                self.client.send(Request::delete(&place(&format!("delete/{id}")))).await;
                store("direct", "", &text)
            }
            Operation::Ids => self.about_few("file-ids", &text).await,
            Operation::Stats => self.about_few("stats", &text).await,
            Operation::DeleteKeyed => {
                let (id, _) = self.send(store("key_based", &format!("/only{number}?file_id=f"), &text)).await;
                Request::delete(&place(&format!("delete/{id}")))
            }
            Operation::DeleteNewest => {
                self.send(store("key_based", &keyed(number), &format!("{text} before"))).await;
                let (id, _) = self.send(store("key_based", &keyed(number), &text)).await;
                Request::delete(&place(&format!("delete/{id}")))
            }
            Operation::UpdateKeyed => {
                let (id, _) = self.send(store("key_based", &keyed(number), &text)).await;
                Request::post(&place(&format!("update/{id}/string"))).text("updated")
            }
            Operation::ByKey => {
                self.send(store("key_based", &keyed(number), &text)).await;
                get(&format!("retrieve/key/key_based/k{number}/f"))
            }
            Operation::Of(operation) => {
                let (id, hash) = self.send(store("direct", "", &text)).await;
                self.about(operation, &id, &hash).await
            }
        }
    }

    /// A request about a namespace of no more entries than there are repetitions.
    async fn about_few(&self, what: &str, text: &str) -> Request {
        self.send(Request::post("/few/direct/store/string").text(text)).await;
        Request::get(&format!("/few/{what}"))
    }

    /// A request about an entry.
    async fn about(&self, operation: EntryOperation, id: &str, hash: &str) -> Request {
        let child = |name: &str| Request::post(&place(&format!("cache/{id}/data/store/string/{name}"))).text("child");
        match operation {
            EntryOperation::ById => get(&format!("retrieve/{id}/string")),
            EntryOperation::ByHash => get(&format!("retrieve/hash/{hash}/string")),
            EntryOperation::ByVersion => get(&format!("retrieve/hash/{hash}/string?version=1")),
            EntryOperation::Updated => {
                self.send(Request::post(&place(&format!("update/{id}/string"))).text("updated")).await;
                get(&format!("retrieve/{id}/string"))
            }
            EntryOperation::Metadata => get(&format!("retrieve/{id}/metadata")),
            EntryOperation::References => get(&format!("retrieve/{id}/refs")),
            EntryOperation::Config => get(&format!("retrieve/{id}/config")),
            EntryOperation::Exists => get(&format!("exists/id/{id}")),
            EntryOperation::AllReferences => get(&format!("retrieve/{id}/refs/all")),
            EntryOperation::StoreChild => child("new"),
            EntryOperation::RetrieveChild => {
                self.client.send(child("known")).await;
                get(&format!("cache/{id}/data/string/known"))
            }
            EntryOperation::Delete => Request::delete(&place(&format!("delete/{id}"))),
            EntryOperation::Update => Request::post(&place(&format!("update/{id}/string"))).text("updated"),
        }
    }

    /// Sends what makes or changes an entry, and returns its id and hash.
    async fn send(&self, request: Request) -> (String, String) {
        let reply = self.client.send(request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        (reply.field("cache_id"), reply.field("cache_hash"))
    }
}

fn place(below: &str) -> String {
    format!("/{NAMESPACE}/{below}")
}

fn get(below: &str) -> Request {
    Request::get(&place(below))
}

/// The end of a route that stores under a key of this repetition.
fn keyed(number: usize) -> String {
    format!("/k{number}?file_id=f")
}

fn store(strategy: &str, key: &str, text: &str) -> Request {
    Request::post(&place(&format!("{strategy}/store/string{key}"))).text(text)
}
