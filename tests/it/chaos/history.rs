//! The history of requested and acknowledged operations, and the checks of every response against it.
//!
//! Time is a counter. An operation whose outcome is unknown may have taken effect or not, or may do so at any later
//! time. A read has to find the entries that were acknowledged before it began and whose delete was not requested
//! before it ended.

use std::collections::BTreeMap;

use serde_json::Value;

/// A moment: how many events the history had seen.
pub type Moment = u64;

/// A key with its file, as in `key_based/reports/daily/summary`: the end of its routes.
pub type Key = String;

/// Everything that happened.
#[derive(Debug, Default)]
pub struct History {
    now: Moment,
    pub entries: BTreeMap<String, Entry>,
    pub attempts: Vec<Attempt>,
    pub violations: Vec<String>,
    /// The number of operations by outcome.
    pub outcomes: BTreeMap<String, usize>,
}

/// An entry whose store was acknowledged.
#[derive(Debug, Clone)]
pub struct Entry {
    pub hash: String,
    pub version: u64,
    pub key: Option<(Key, u64)>,
    stored: Moment,
    /// The stored content, and then the contents of all requested updates.
    contents: Vec<Version>,
    deletes_asked: usize,
    deleted: Option<Moment>,
}

/// A content of an entry.
#[derive(Debug, Clone)]
struct Version {
    content: Value,
    asked: Moment,
    acknowledged: Option<Moment>,
}

/// A store that was requested.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub content: Value,
    pub hash: String,
    pub key: Option<Key>,
    pub acknowledged: bool,
}

/// Which entries a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// This one.
    Id(String),
    /// The newest of a hash.
    Hash(String),
    /// The newest under a key.
    Key(Key),
}

impl Entry {
    /// Whether a question that began then has to find it.
    pub fn is_certain(&self, began: Moment) -> bool {
        self.stored < began && self.deletes_asked == 0
    }

    /// Whether a question that began then must not find it.
    pub fn is_gone(&self, began: Moment) -> bool {
        self.deleted.is_some_and(|at| at < began)
    }

    /// Whether it may have this content for a read that began then: no other was acknowledged in between.
    fn may_hold(&self, content: &Value, began: Moment) -> bool {
        let replaced = |version: &Version| {
            let later = |other: &Version| version.acknowledged.is_some_and(|at| at < other.asked);
            self.contents.iter().any(|other| later(other) && other.acknowledged.is_some_and(|at| at < began))
        };
        self.contents.iter().any(|version| version.content == *content && !replaced(version))
    }

    /// Whether it is a JSON object, and not a text.
    pub fn holds_object(&self) -> bool {
        self.contents.iter().any(|version| version.content.is_object())
    }

    fn number(&self, which: &Which) -> Option<u64> {
        match which {
            Which::Id(_) => None,
            Which::Hash(hash) => (self.hash == *hash).then_some(self.version),
            Which::Key(key) => self.key.as_ref().filter(|(own, _)| own == key).map(|(_, version)| *version),
        }
    }
}

impl Attempt {
    fn is_about(&self, which: &Which) -> bool {
        match which {
            Which::Id(_) => false,
            Which::Hash(hash) => self.hash == *hash,
            Which::Key(key) => self.key.as_ref() == Some(key),
        }
    }
}

impl History {
    /// The next moment.
    pub fn tick(&mut self) -> Moment {
        self.now += 1;
        self.now
    }

    /// Counts the outcome of an operation.
    pub fn count(&mut self, outcome: &str) {
        *self.outcomes.entry(outcome.to_owned()).or_default() += 1;
    }

    /// Records a violation unless `holds`.
    pub fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(what());
        }
    }

    /// Records the request of a store, and returns its number.
    pub fn ask_store(&mut self, content: Value, hash: String, key: Option<Key>) -> usize {
        self.attempts.push(Attempt { content, hash, key, acknowledged: false });
        self.attempts.len() - 1
    }

    /// A store was acknowledged with this answer.
    pub fn acknowledge_store(&mut self, attempt: usize, answer: &Value) {
        let now = self.tick();
        let Attempt { content, hash, key, .. } = self.attempts[attempt].clone();
        self.attempts[attempt].acknowledged = true;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        let (version, key) = (number("version"), key.map(|key| (key, number("key_version"))));
        let twice = self.entries.values().any(|entry| entry.hash == hash && entry.version == version);
        self.hold(!twice, || format!("version {version} of {hash} was acknowledged twice"));
        let twice = key.is_some() && self.entries.values().any(|entry| entry.key == key);
        self.hold(!twice, || format!("{key:?} was acknowledged twice"));
        self.hold(answer["cache_hash"] == hash.as_str(), || format!("{hash} was stored as {answer}"));
        let contents = vec![Version { content, asked: now, acknowledged: Some(now) }];
        let entry = Entry { hash, version, key, stored: now, contents, deletes_asked: 0, deleted: None };
        let id = answer["cache_id"].as_str().unwrap_or_default().to_owned();
        let before = self.entries.insert(id, entry);
        self.hold(before.is_none(), || format!("an id was given twice: {answer}"));
    }

    /// Records the request of an update, and returns its number.
    pub fn ask_update(&mut self, id: &str, content: Value) -> usize {
        let asked = self.tick();
        let Some(entry) = self.entries.get_mut(id) else { return 0 };
        entry.contents.push(Version { content, asked, acknowledged: None });
        entry.contents.len() - 1
    }

    /// An update was acknowledged, or found no entry.
    pub fn end_update(&mut self, id: &str, update: usize, began: Moment, found: bool) {
        let now = self.tick();
        let Some(entry) = self.entries.get_mut(id) else { return };
        if found {
            entry.contents[update].acknowledged = Some(now);
        }
        let (certain, gone) = (entry.is_certain(began), entry.is_gone(began));
        self.hold(found || !certain, || format!("{id} was not found by an update"));
        self.hold(!found || !gone, || format!("the deleted {id} was updated"));
    }

    /// Records the request of a delete.
    pub fn ask_delete(&mut self, id: &str) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.deletes_asked += 1;
        }
    }

    /// A delete was acknowledged, or found nothing.
    pub fn end_delete(&mut self, id: &str, found: bool) {
        let now = self.tick();
        let Some(entry) = self.entries.get_mut(id) else { return };
        if found {
            entry.deleted.get_or_insert(now);
        }
        let alone = entry.deletes_asked == 1;
        self.hold(found || !alone, || format!("{id} was not found by its only delete"));
    }

    /// Checks the response to a read that began then: id and content, or a miss.
    pub fn check_read(&mut self, which: &Which, began: Moment, found: Option<(&str, &Value)>) {
        let holds = match (found, which) {
            (None, Which::Id(id)) => !self.entries[id].is_certain(began),
            (None, Which::Hash(_) | Which::Key(_)) => self.newest_certain(which, began).is_none(),
            (Some((id, _)), Which::Id(asked)) if id != asked => false,
            (Some((id, content)), Which::Id(_) | Which::Hash(_) | Which::Key(_)) => {
                self.explains(which, began, id, content)
            }
        };
        self.hold(holds, || format!("{which:?} was read at {began} as {found:?}"));
    }

    fn explains(&self, which: &Which, began: Moment, id: &str, content: &Value) -> bool {
        let Some(entry) = self.entries.get(id) else {
            let open = |attempt: &&Attempt| !attempt.acknowledged && attempt.is_about(which);
            return self.attempts.iter().filter(open).any(|attempt| attempt.content == *content);
        };
        let newest_enough = match which {
            Which::Id(_) => true,
            Which::Hash(_) | Which::Key(_) => {
                entry.number(which).is_some() && entry.number(which) >= self.newest_certain(which, began)
            }
        };
        newest_enough && !entry.is_gone(began) && entry.may_hold(content, began)
    }

    /// The highest number of the entries that have to be there.
    fn newest_certain(&self, which: &Which, began: Moment) -> Option<u64> {
        self.entries.values().filter(|entry| entry.is_certain(began)).filter_map(|entry| entry.number(which)).max()
    }

    /// Checks a list of all versions of a hash or under a key: ids with their numbers.
    pub fn check_versions(&mut self, which: &Which, began: Moment, listed: &BTreeMap<String, u64>) {
        let mut wrong = Vec::new();
        for (id, entry) in &self.entries {
            let Some(number) = entry.number(which) else { continue };
            match listed.get(id) {
                None if entry.is_certain(began) => wrong.push(format!("{id} is missing in the list of {which:?}")),
                Some(_) if entry.is_gone(began) => wrong.push(format!("{which:?} lists the deleted {id}")),
                Some(shown) if *shown != number => wrong.push(format!("{id} is {number} of {which:?}, not {shown}")),
                _ => {}
            }
        }
        let unknown = listed.keys().filter(|id| !self.entries.contains_key(*id)).count();
        let open = self.attempts.iter().filter(|attempt| !attempt.acknowledged && attempt.is_about(which)).count();
        if unknown > open {
            wrong.push(format!("{which:?} lists {unknown} unknown entries, after {open} stores of unknown outcome"));
        }
        self.violations.append(&mut wrong);
    }

    /// Checks the response to an `exists`.
    pub fn check_exists(&mut self, id: &str, began: Moment, exists: bool) {
        let entry = &self.entries[id];
        let holds = if exists { !entry.is_gone(began) } else { !entry.is_certain(began) };
        self.hold(holds, || format!("{id} is said to exist: {exists}"));
    }

    /// The ids of some entries, in order.
    pub fn ids(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<&String> {
        self.entries.iter().filter(|(_, entry)| wanted(entry)).map(|(id, _)| id).collect()
    }
}
