//! The thread that rewrites the archive.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use cache_core::clock::Clock;
use cache_core::storage::{ObjectKey, PutMode, Version};
use rustix::fs::fstatvfs;

use super::archive::{Archive, Member};
use super::error::ZipError;
use super::format::{LOCAL_BYTES, MAX_END_BYTES, bytes_of, list_and_end, local};
use super::lock::{Lock, beside};
use super::packed::Packed;
use super::{Current, ZipConfig};
use crate::reserve::MAX_RESERVED_GROWTH;
use crate::store_file::{folder_of, free_bytes};
use crate::system::SystemClock;
use crate::write_queue::{Change, Committer, Write};

/// The ending of the archive that is being written.
pub(super) const UNFINISHED: &str = ".new";
/// The most that is kept free for updates that hardly grow.
const MAX_RESERVED: u64 = 1 << 20;

/// Rewrites the archive.
pub(super) struct Writer {
    path: PathBuf,
    max_bytes: u64,
    current: Current,
    _lock: Lock,
}

impl Writer {
    pub(super) fn new(config: &ZipConfig, current: Current, lock: Lock) -> Self {
        Self { path: config.path.clone(), max_bytes: config.max_bytes, current, _lock: lock }
    }

    /// Writes the archive with these changes, which then is the current one.
    fn publish(&self, changes: Changes) -> Result<(), ZipError> {
        let mut unfinished = Unfinished::create(&self.path)?;
        let archive = changes.write(&mut unfinished, &self.path)?;
        {
            // Readers see the file and its index change together.
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            current.check()?;
            unfinished.rename(&self.path)?;
            *current = Arc::new(archive);
        }
        sync_folder(&self.path).map_err(ZipError::NotDurable)
    }

    /// Applies what the limit and the preconditions allow, in one rewrite.
    fn commit_together(&self, writes: &[Write<Packed>]) -> Vec<Result<Option<u64>, ZipError>> {
        let base = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut changes = Changes::of(base, self.max_bytes);
        let outcomes: Vec<_> = writes.iter().map(|write| changes.apply(write)).collect();
        if !changes.is_changed {
            return outcomes;
        }
        match self.publish(changes) {
            Ok(()) => outcomes,
            Err(err) => fail_all(outcomes, err),
        }
    }
}

impl Committer<Packed> for Writer {
    fn commit(&mut self, writes: Vec<Write<Packed>>) {
        let outcomes = self.commit_together(&writes);
        let is_full = outcomes.iter().any(|outcome| outcome.as_ref().is_err_and(ZipError::is_full));
        // On a full disk, deletes may still fit without the stores beside them.
        let (deletes, puts): (Vec<_>, Vec<_>) = writes
            .into_iter()
            .zip(outcomes)
            .partition(|(write, outcome)| is_full && outcome.is_err() && matches!(write.change, Change::Delete));
        for (write, outcome) in puts {
            answer(write, outcome);
        }
        if !deletes.is_empty() {
            let deletes: Vec<_> = deletes.into_iter().map(|(write, _)| write).collect();
            let outcomes = self.commit_together(&deletes);
            deletes.into_iter().zip(outcomes).for_each(|(write, outcome)| answer(write, outcome));
        }
    }
}

fn answer(write: Write<Packed>, outcome: Result<Option<u64>, ZipError>) {
    let key = write.key.to_string();
    let version = |version: u64| Version::new(version.to_string());
    write.answer(outcome.map(|number| number.map(version)).map_err(|err| err.into_storage_error(&key)));
}

/// What would have been written shares the fate of the rewrite; what was refused stays refused.
fn fail_all(outcomes: Vec<Result<Option<u64>, ZipError>>, err: ZipError) -> Vec<Result<Option<u64>, ZipError>> {
    let err = Arc::new(err);
    outcomes.into_iter().map(|outcome| outcome.and_then(|_| Err(ZipError::Shared(err.clone())))).collect()
}

/// The next state of the archive.
struct Changes {
    base: Arc<Archive>,
    members: BTreeMap<Arc<str>, Member>,
    /// What is not in the file yet.
    fresh: HashMap<Arc<str>, Packed>,
    next_version: u64,
    /// Size of the archive with these members.
    bytes: u64,
    max_bytes: u64,
    /// Bytes that the disk has for this archive, those of the present one included.
    room: u64,
    is_changed: bool,
}

impl Changes {
    fn of(base: Arc<Archive>, max_bytes: u64) -> Self {
        let members = base.members.clone();
        let bytes = members.iter().map(|(name, member)| bytes_of(name, u64::from(member.packed))).sum::<u64>();
        let next_version = base.next_version;
        let bytes = bytes + MAX_END_BYTES;
        let free = free_bytes(fstatvfs(&base.file)).unwrap_or(u64::MAX / 2);
        let room = free.saturating_add(bytes);
        Self { base, members, fresh: HashMap::new(), next_version, bytes, max_bytes, room, is_changed: false }
    }

    /// Applies a change to the list of members. `Some` is the version of what was put.
    fn apply(&mut self, write: &Write<Packed>) -> Result<Option<u64>, ZipError> {
        let found = self.members.get(write.key.as_str()).copied();
        match &write.change {
            Change::Delete => {
                if let Some(found) = found {
                    self.members.remove(write.key.as_str());
                    self.fresh.remove(write.key.as_str());
                    self.bytes -= bytes_of(write.key.as_str(), u64::from(found.packed));
                    self.is_changed = true;
                }
                Ok(None)
            }
            Change::Put { content, mode } => {
                let allowed = match mode {
                    PutMode::Overwrite => true,
                    PutMode::Create => found.is_none(),
                    PutMode::Update(version) => found.is_some_and(|found| found.version() == *version),
                };
                if !allowed {
                    return Err(ZipError::Precondition);
                }
                self.reserve(&write.key, found.as_ref(), content)?;
                Ok(Some(self.put(&write.key, content.clone())))
            }
        }
    }

    /// Makes room for a content, in the place of this member.
    fn reserve(&mut self, key: &ObjectKey, found: Option<&Member>, content: &Packed) -> Result<(), ZipError> {
        let before = found.map_or(0, |found| bytes_of(key.as_str(), u64::from(found.packed)));
        let after = bytes_of(key.as_str(), content.bytes.len() as u64);
        let needed = self.bytes - before + after;
        let is_reserved_for = found.is_some() && after <= before + MAX_RESERVED_GROWTH;
        if after > before {
            let reserved = if is_reserved_for { 0 } else { MAX_RESERVED.min(self.max_bytes / 16) };
            if needed + reserved > self.max_bytes {
                return Err(ZipError::LimitReached { max_bytes: self.max_bytes, needed: needed + reserved });
            }
            // After this rewrite there must be room for another one, or nothing could be deleted any more.
            let room_needed = 2 * needed + MAX_RESERVED;
            if !is_reserved_for && room_needed > self.room {
                return Err(ZipError::LittleRoom { room: self.room, needed: room_needed });
            }
        }
        self.bytes = needed;
        Ok(())
    }

    fn put(&mut self, key: &ObjectKey, content: Packed) -> u64 {
        let (version, name) = (self.next_version, Arc::<str>::from(key.as_str()));
        let member = Member {
            version,
            modified: SystemClock.now(),
            start: 0,
            content: 0,
            // Within the limit of the archive, so both fit.
            packed: content.bytes.len() as u32,
            size: content.size,
            method: content.method,
            crc: content.crc,
        };
        self.next_version += 1;
        self.members.insert(name.clone(), member);
        self.fresh.insert(name, content);
        self.is_changed = true;
        version
    }

    /// Writes and flushes the archive, which is not yet in its place.
    fn write(mut self, unfinished: &mut Unfinished, path: &Path) -> Result<Archive, ZipError> {
        let file = &mut unfinished.file;
        let mut offset = copy_kept(&self.base.file, file, &mut self.members, &self.fresh)?;
        // Small members are written together.
        let mut out = io::BufWriter::with_capacity(1 << 20, file);
        for (name, content) in &self.fresh {
            let Some(member) = self.members.get_mut(name) else { continue };
            member.start = position(offset)?;
            member.content = position(offset + LOCAL_BYTES + name.len() as u64)?;
            out.write_all(&local(name, member))?;
            out.write_all(&content.bytes)?;
            offset = member.end();
        }
        let members = self.members.iter().map(|(name, member)| (&**name, member));
        out.write_all(&list_and_end(members, offset, self.next_version))?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Archive::new(path, file.try_clone()?, self.members, self.next_version)
    }
}

/// Copies the members that stay, packed as they are, without the gaps that others leave. Returns where the copy ends.
fn copy_kept(
    mut from: &File,
    to: &mut File,
    members: &mut BTreeMap<Arc<str>, Member>,
    fresh: &HashMap<Arc<str>, Packed>,
) -> Result<u64, ZipError> {
    let kept = members.iter_mut().filter(|(name, _)| !fresh.contains_key(*name)).map(|(_, member)| member);
    let mut kept: Vec<&mut Member> = kept.collect();
    kept.sort_unstable_by_key(|member| member.start);
    let (mut offset, mut run) = (0, 0..0);
    let mut copy = |run: &std::ops::Range<u64>| -> io::Result<()> {
        // Only this thread uses the position of the file; reads name theirs.
        from.seek(SeekFrom::Start(run.start))?;
        let bytes = run.end - run.start;
        let copied = io::copy(&mut from.take(bytes), to)?;
        if copied == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    };
    for member in kept {
        let (start, end) = (u64::from(member.start), member.end());
        if run.end != start {
            copy(&run)?;
            run = start..start;
        }
        run.end = end;
        let record = member.content - member.start;
        member.start = position(offset)?;
        member.content = member.start + record;
        offset = member.end();
    }
    copy(&run)?;
    Ok(offset)
}

fn position(offset: u64) -> Result<u32, ZipError> {
    u32::try_from(offset).map_err(|_| ZipError::LimitReached { max_bytes: super::MAX_BYTES, needed: offset })
}

/// Makes an empty archive.
pub(super) fn create(path: &Path) -> Result<Archive, ZipError> {
    let mut unfinished = Unfinished::create(path)?;
    unfinished.file.write_all(&list_and_end(std::iter::empty(), 0, 1))?;
    unfinished.file.sync_all()?;
    let archive = Archive::new(path, unfinished.file.try_clone()?, BTreeMap::new(), 1)?;
    unfinished.rename(path)?;
    sync_folder(path).map_err(ZipError::NotDurable)?;
    Ok(archive)
}

/// An archive that is being written. It is removed when it is dropped, unless it was renamed.
struct Unfinished {
    file: File,
    path: Option<PathBuf>,
}

impl Unfinished {
    fn create(archive: &Path) -> io::Result<Self> {
        let path = beside(archive, UNFINISHED);
        let file = File::options().create(true).truncate(true).read(true).write(true).mode(0o600).open(&path)?;
        Ok(Self { file, path: Some(path) })
    }

    fn rename(&mut self, archive: &Path) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        fs::rename(path, archive)?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What cannot be removed here is removed by the next open.
            drop(fs::remove_file(path));
        }
    }
}

fn sync_folder(archive: &Path) -> io::Result<()> {
    File::open(folder_of(archive))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use bytes::Bytes;

    use super::super::open::open;
    use super::*;

    #[test]
    fn more_members_than_16_bits_can_count_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.zip");
        let mut changes = Changes::of(Arc::new(create(&path).unwrap()), 1 << 30);
        for n in 0..70_000 {
            changes.put(&format!("ns/{n}").parse().unwrap(), Packed::of(Bytes::from(n.to_string())).unwrap());
        }
        let mut unfinished = Unfinished::create(&path).unwrap();
        let written = changes.write(&mut unfinished, &path).unwrap();
        unfinished.rename(&path).unwrap();
        let read = open(&path).unwrap();
        assert_eq!((read.members.len(), read.next_version), (70_000, 70_001));
        assert!(read.members == written.members);
        if let Ok(tested) = Command::new("unzip").arg("-tqq").arg(&path).status() {
            assert!(tested.success());
        }
    }
}
