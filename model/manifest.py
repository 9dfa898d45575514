"""The objects of the storage protocol as values, and the pure changes of a manifest.

Two states with equal bytes have equal ETags, as in S3: a tuple stands for the bytes of an object and for its ETag.
A change takes a state and answers a new one; manifest_protocol.py writes it by compare-and-swap.
"""
import os
from typing import NamedTuple

BREAK = os.environ.get('BREAK', '')    # the rule that is left out
MINUTE, HOUR = 60, 3600
RECENT_LIFE = {'plain': 5 * MINUTE, 'client': 2 * HOUR, 'upload': 25 * HOUR}
KEY, VIEW, SETTINGS, CATALOG = ('key',), ('view',), ('settings',), ('catalog',)
HASHES = ('h1', 'h2')


def kept(rule):
    return BREAK != rule


# ---- Objects.

class Revision(NamedTuple):
    sha: str
    nonce: int


class Entry(NamedTuple):
    id: tuple                          # (cache_hash, version): new with every attempt
    nonce: int                         # the same for all attempts of one store
    kind: str                          # of the nonce: 'plain', 'client' (Idempotency-Key) or 'upload'
    stored_at: int
    expires: int                       # None: never
    keyed: bool
    foreign: str                       # an id that does not encode its hash, or None
    revisions: tuple


class Content(NamedTuple):
    sha: str
    token: int                         # of its blob; 0: inline
    refs: int                          # revisions in the head and in pages that resolve to this copy


class Recent(NamedTuple):
    """Tells the store of a removed entry that it had been committed."""
    nonce: int
    id: tuple
    until: int


class PageRef(NamedTuple):
    name: int
    first: int
    last: int
    lasting: int                       # entries of the page that never expire and are not removed


class Page(NamedTuple):
    entries: tuple
    contents: tuple                    # those that only entries of this page reference


class Manifest(NamedTuple):
    writes: int = 0                    # goes up with every write: an ETag never repeats
    next: int = 1
    entries: tuple = ()
    contents: tuple = ()
    pages: tuple = ()
    removed: frozenset = frozenset()   # versions of entries in pages
    recent: tuple = ()


class Row(NamedTuple):
    id: tuple
    expires: int


class Inline(NamedTuple):
    """A copy of the newest row's content, so that a read by key is one GET."""
    id: tuple
    revision: int
    sha: str


class KeyIndex(NamedTuple):
    writes: int = 0
    rows: tuple = ()
    inline: Inline = None
    refused: tuple = ()                # (nonce, until): conditional creates that got a 412


class Alias(NamedTuple):
    id: tuple
    gone: bool = False                 # a tombstone


class Settings(NamedTuple):
    writes: int
    ttl: int                           # of entries, unless the request says less


class Summary(NamedTuple):
    """A row of the catalog: what a manifest lists in the state that has this ETag."""
    etag: Manifest
    ids: frozenset
    earliest: int                      # expiry


class Intent(NamedTuple):
    """What an entry needs to be committed by anybody. Its fields are the object's name, so LIST tells them."""
    time: int
    nonce: int
    kind: str
    sha: str
    token: int
    expires: int
    keyed: bool
    foreign: str
    since: int                         # the next_version before the store's first attempt


def hash_of(sha): return 'h2' if sha in ('s3', 'b2') else 'h1'
def is_big(sha): return sha[0] == 'b'
def manifest_key(h): return ('manifest', h)
def page_key(h, name): return ('page', h, name)
def blob_key(h, token): return ('blob', h, token)
def alias_key(foreign): return ('alias', foreign)
def child_key(cid, name): return ('child', cid, name)


# ---- Pure changes of a manifest.

def token_of(contents, sha):
    return next((c.token for c in contents if c.sha == sha), None)


def referenced(contents, sha, token):
    """One more reference to an equal content that is there, else a new content."""
    old = next((c for c in contents if c.sha == sha), Content(sha, token, 0))
    return tuple(c for c in contents if c.sha != sha) + (old._replace(refs=old.refs + 1),)


def released(contents, shas):
    """One reference less for each of `shas`; a content without references goes."""
    for sha in shas:
        contents = tuple(c._replace(refs=c.refs - (c.sha == sha)) for c in contents)
    return tuple(c for c in contents if c.refs)


def shas_of(entry):
    return [r.sha for r in entry.revisions]


def written(m, now, **changes):
    """Every write counts, and drops the `recent` rows that have run out."""
    m = m._replace(**changes)
    return m._replace(writes=m.writes + kept('writes'), recent=tuple(r for r in m.recent if r.until > now))


def with_entry(m, now, intent):
    m = m or Manifest()
    entry = Entry((hash_of(intent.sha), m.next), intent.nonce, intent.kind, intent.time, intent.expires, intent.keyed,
                  intent.foreign, (Revision(intent.sha, intent.nonce),))
    contents = referenced(m.contents, intent.sha, intent.token)
    return written(m, now, next=m.next + 1, entries=m.entries + (entry,), contents=contents), entry


class Found(NamedTuple):
    """An entry in a state of its manifest; `ref` and `page` when it lies in a page."""
    manifest: Manifest
    entry: Entry
    ref: PageRef = None
    page: Page = None

    def contents(self):
        return (self.page.contents if self.page else ()) + self.manifest.contents


def live_in(m, page):
    return tuple(e for e in page.entries if e.id[1] not in m.removed)


def page_without(m, page):
    """The page as it is rewritten: without removed entries, and without contents that only those referenced."""
    entries = live_in(m, page)
    used = {s for e in entries for s in shas_of(e)}
    return Page(entries, tuple(c for c in page.contents if c.sha in used))


def ref_to(name, old, page):
    return PageRef(name, old.first, old.last, sum(e.expires is None for e in page.entries))


def replaced(pages, old, new):
    return tuple(p for p in (new if p == old else p for p in pages) if p)


def without_entry(found, now):
    """The manifest without an entry."""
    m, e, ref, page = found
    row = Recent(e.nonce, e.id, e.stored_at + RECENT_LIFE[e.kind])
    recent = m.recent + ((row,) if kept('recent') else ())
    if not page:
        entries = tuple(x for x in m.entries if x != e)
        first = {} if kept('tombstone') or entries or m.pages else {'next': 1}
        return written(m, now, entries=entries, contents=released(m.contents, shas_of(e)), recent=recent, **first)
    in_head = [s for s in shas_of(e) if token_of(page.contents, s) is None]
    m2 = m._replace(removed=m.removed | {e.id[1]})
    left = live_in(m2, page)
    new = ref._replace(lasting=sum(x.expires is None for x in left)) if left else None
    removed = m2.removed if left else m2.removed - {x.id[1] for x in page.entries}
    return written(m2, now, removed=removed, contents=released(m.contents, in_head), pages=replaced(m.pages, ref, new),
                   recent=recent)


def with_revision(found, now, revision, token, name):
    """The manifest with one more revision of an entry, and the page that is then needed under a new name, or None."""
    m, e, ref, page = found
    newer = e._replace(revisions=e.revisions + (revision,))
    if not page:
        entries = tuple(newer if x == e else x for x in m.entries)
        return written(m, now, entries=entries, contents=referenced(m.contents, revision.sha, token)), None
    gone = {x.id[1] for x in page.entries} & m.removed
    page = page_without(m, page)
    page = page._replace(entries=tuple(newer if x == e else x for x in page.entries))
    contents = m.contents
    if token_of(page.contents, revision.sha) is None:
        if token_of(contents, revision.sha) is not None: contents = referenced(contents, revision.sha, token)
        else: page = page._replace(contents=page.contents + (Content(revision.sha, token, 0),))
    pages = replaced(m.pages, ref, ref_to(name, ref, page))
    return written(m, now, contents=contents, pages=pages, removed=m.removed - gone), page


def rolled(m, now, name, keep, last):
    """The manifest whose entries but the newest `keep` lie in a page, merged with `last`, the last page, if it is given."""
    ref, page = (m.pages[-1], page_without(m, last)) if last else (None, Page((), ()))
    moved = m.entries[:len(m.entries) - keep]
    contents, head = page.contents, m.contents
    resolved = [s for e in page.entries for s in shas_of(e) if token_of(page.contents, s) is None]
    resolved += [s for e in moved for s in shas_of(e)]             # what resolves to contents of the head so far
    for sha in sorted(set(resolved)):
        there = next(c for c in head if c.sha == sha)
        mine = there.refs == resolved.count(sha)
        # The head's own entries, or another page's, reference it too.
        if not mine and token_of(contents, sha) is None: continue
        if token_of(contents, sha) is None: contents += (there._replace(refs=0),)
        head = released(head, [sha] * resolved.count(sha))
    new = Page(page.entries + moved, contents)
    first = ref.first if ref else moved[0].id[1]
    new_ref = ref_to(name, PageRef(name, first, moved[-1].id[1], 0), new)
    gone = {x.id[1] for x in last.entries} & m.removed if last else set()
    pages = (m.pages[:-1] if last else m.pages) + (new_ref,)
    return written(m, now, entries=m.entries[len(moved):], contents=head, pages=pages, removed=m.removed - gone), new


def tokens(*contents):
    return {c.token for cs in contents for c in cs if c.token}


def expired(x, now):
    return x.expires is not None and x.expires <= now


def is_hidden(x, now):
    """Whether a read takes the entry for a miss."""
    return expired(x, now) and kept('expiry')


# ---- Pure changes of the key index.

def row_of(key, cid):
    return next((row for row in key.rows if row.id == cid), None) if key else None


def bumped(key, **changes):
    """A write that only counts refuses whatever is on its way to an older state."""
    key = key or KeyIndex()
    return key._replace(writes=key.writes + kept('writes'), **changes)


def with_row(key, entry):
    """The key index with a new newest row. Only this, a store's write, puts an inline copy in."""
    n, sha = len(entry.revisions), entry.revisions[-1].sha
    inline = None if is_big(sha) else Inline(entry.id, n, sha)
    return bumped(key, rows=(key.rows if key else ()) + (Row(entry.id, entry.expires),), inline=inline)


def is_refused(key, nonce):
    return key is not None and any(n == nonce for n, _ in key.refused) and kept('refusal')
