"""Runs the model: an S3-like store that fails, a scheduler that picks who goes next, and the invariants."""
import random
import re

import manifest
import manifest_protocol as protocol
from manifest import (HASHES, HOUR, KEY, MINUTE, SETTINGS, VIEW, Alias, KeyIndex, Manifest, alias_key, blob_key, child_key,
                      hash_of, is_big, live_in, manifest_key, page_key, token_of)
from manifest_protocol import DEADLINE, EXISTS, GARBAGE_AGE, MISS, REFUSED, GaveUp, Lost, Want

SIGNATURE_LIFE = 15 * MINUTE           # SigV4: what was signed earlier is refused
JUMPS = (30, 200, 20 * MINUTE, 3 * HOUR, 30 * HOUR)
TTLS = (None, None, None, 20, 60, 5000)
FOREIGN = ('f1', 'f2')
SHAS = ('s1', 's1', 's2', 'b1', 'b1', 'b2', 's3')


class World:
    """Objects as S3 keeps them, and a clock. A call may not arrive, lose its reply, or arrive late."""

    def __init__(self, rnd, faults):
        self.rnd, self.faults, self.now = rnd, faults, 0
        self.objects, self.late, self.memory = {}, [], {}
        self.head_size = rnd.choice((1, 2, 3, 99))
        self.late_view = False
        self.settings = {}                     # process: (ttl, when it was read)
        self.settings_log = [(-HOUR, None)]    # what was set, and when
        self.wanted = {}                       # nonce: what its store was asked for
        self.steps, self.listed_at = 0, {}     # the step in which a row came into the key index

    def fresh(self):
        return self.rnd.getrandbits(40) | 1

    def value(self, key):
        return self.objects[key][0] if key in self.objects else None

    def apply(self, op):
        kind, key, *rest = op
        current = self.value(key)
        if kind == 'get': return current
        if kind == 'head': return self.objects[key][1] if key in self.objects else None
        if kind == 'list': return [(k, v, t) for k, (v, t) in self.objects.items() if k[:len(key)] == key]
        if kind == 'delete': self.objects.pop(key, None); return True
        value, condition = rest
        if condition == 'create' and current is not None: return False
        if isinstance(condition, tuple) and current != condition[1]: return False
        self.objects[key] = (value, self.now)
        if key == SETTINGS: self.settings_log.append((self.now, value.ttl))
        if key == KEY: self.note_rows(current, value)
        return True

    def note_rows(self, old, new):
        for row in new.rows:
            if old and row in old.rows: continue
            self.listed_at[row.id] = self.steps
            self.check_row(row, new)

    def entries(self, h):
        """What a manifest lists, in its head and its pages."""
        m = self.value(manifest_key(h)) or Manifest()
        pages = [self.value(page_key(h, ref.name)) for ref in m.pages]
        return [e for page in pages if page for e in live_in(m, page)] + list(m.entries)

    def entry(self, cid):
        return next((e for e in self.entries(cid[0]) if e.id == cid), None)

    def call(self, op):
        x = self.rnd.random()
        if x < self.faults * .4: raise Lost()
        if x < self.faults * .7: self.apply(op); raise Lost()
        if x < self.faults and op[0] in ('put', 'delete'): self.late.append((self.now, op)); raise Lost()
        return self.apply(op)

    def arrive(self, sent, op):
        """A late call takes effect, unless its signature has expired."""
        if self.now - sent > SIGNATURE_LIFE: return
        if self.apply(op) and op[1] == VIEW: self.late_view = True

    def arrive_some(self):
        if self.late and self.rnd.random() < .15: self.arrive(*self.late.pop(self.rnd.randrange(len(self.late))))

    def arrive_all(self):
        for sent, op in self.late: self.arrive(sent, op)
        self.late.clear()


class Job:
    def __init__(self, run, kind, steps, **about):
        self.run, self.kind, self.steps, self.about = run, kind, steps, about
        self.reply = self.error = None
        if kind in ('delete', 'update'): run.first_change.setdefault(about['cid'], run.w.steps)


class Run:
    """One schedule."""

    def __init__(self, seed, faults):
        self.rnd = random.Random(seed)
        self.w = World(self.rnd, faults)
        self.out, self.jobs = [], []
        self.theme = self.rnd.choice((None, None, 'alias', 'conditional', 'key', 'blob', 'sweep'))    # what it has more of
        self.sweeps = .12 if self.theme in ('alias', 'sweep') else .03
        self.acked = {}                # id: (want, expires)
        self.revisions = {}            # (id, number): sha, acknowledged
        self.deleting, self.deleted = set(), set()
        self.by_nonce, self.repeats, self.uploads = {}, [], []
        self.gave_up = False
        self.children, self.acked_children = [], set()
        self.w.check_row = self.check_row
        self.first_change = {}         # the step in which an entry's first update or delete started
        self.seen, self.seen_gone = {}, set()
        self.dangling = self.stale = self.went_back = 0

    # -- What is asked for.

    def new_job(self):
        w, x, about = self.w, self.rnd.random(), self.before()
        if self.rnd.random() < self.sweeps: return Job(self, 'sweep', protocol.sweep(w))
        if x < .40 or not (self.acked or any(self.w.entries(h) for h in HASHES)): return self.new_store()
        cid, h, foreign = self.some_id(), self.rnd.choice(HASHES), self.rnd.choice(FOREIGN)
        child = self.rnd.choice(self.children) if self.children and self.rnd.random() < .6 else (cid, self.rnd.choice('xy'))
        if x < .50:
            self.deleting.add(cid)
            return Job(self, 'delete', protocol.delete(w, cid), cid=cid)
        if x < .66:
            sha = 'b1' if self.theme == 'blob' else self.rnd.choice(SHAS)
            return Job(self, 'update', protocol.update(w, cid, sha), cid=cid, sha=sha)
        if x < .73:
            number = self.rnd.choice((None, 1, 2))
            return Job(self, 'read', protocol.read(w, cid, number), cid=cid, number=number, **about)
        if x < .78: return Job(self, 'read by key', protocol.read_by_key(w), **about)
        if x < .82: return Job(self, 'read by hash', protocol.read_by_hash(w, h), hash=h, **about)
        if x < .84: return Job(self, 'read by alias', protocol.read_by_alias(w, foreign), foreign=foreign, **about)
        if x < .88:
            self.children.append(child)
            value = (child, w.fresh())
            return Job(self, 'store child', protocol.store_child(w, *child, value), child=child, value=value)
        if x < .91:
            about['acked'] = child in self.acked_children
            return Job(self, 'read child', protocol.read_child(w, *child), child=child, **about)
        if x < .95: return Job(self, 'list', protocol.list_ids(w), **about)
        return Job(self, 'configure', protocol.configure(self.rnd.choice(TTLS)))

    def before(self):
        """What is known when a read starts."""
        newest = {}
        for cid, n in self.revisions: newest[cid] = max(n, newest.get(cid, 0))
        return {'floor': newest, 'gone': set(self.deleted), 'acked_ids': list(self.acked), 'at': self.w.now,
                'seen': dict(self.seen), 'seen_gone': set(self.seen_gone)}

    def raced(self, cid):
        """Whether the entry was listed under its key while it was being updated or deleted.

        If that change then ends without an answer, the key index may stay behind until the sweep; and until it ends, reads
        by key may be behind reads by id.
        """
        return self.w.listed_at.get(cid, 0) > self.first_change.get(cid, self.w.steps)

    def some_id(self):
        listed = [e.id for h in HASHES for e in self.w.entries(h)]
        if listed and self.theme in ('key', 'blob') and self.rnd.random() < .4: return listed[-1]  # may still be being stored
        return self.rnd.choice(listed if listed and self.rnd.random() < .4 or not self.acked else list(self.acked))

    def new_store(self):
        rnd, sha = self.rnd, self.rnd.choice(('b1', 'b1', 's1') if self.theme == 'blob' else SHAS)
        keyed = self.theme == 'key' or rnd.random() < .5
        want = Want(sha, keyed, ttl=rnd.choice(TTLS), remembered=rnd.random() < .2, process=rnd.randrange(2))
        if self.theme == 'alias' and rnd.random() < .6:
            want = want._replace(foreign=FOREIGN[0])
            return Job(self, 'store', protocol.store(self.w, want), want=want, **self.before())
        if rnd.random() < {'conditional': .9, 'key': 0, 'blob': 0}.get(self.theme, .2):
            want = want._replace(keyed=True, only_new=True)
        x = rnd.random()
        if is_big(sha) and x < .5: want = self.upload(want)
        elif x < (.5 if self.theme == 'conditional' else .3): want = self.repeat(want)
        elif x < .4 and not want.only_new: want = want._replace(foreign=rnd.choice(FOREIGN))
        return Job(self, 'store', protocol.store(self.w, want), want=want, **self.before())

    def upload(self, want):
        if self.uploads and self.rnd.random() < .6: return self.rnd.choice(self.uploads)
        want = want._replace(upload=self.w.fresh(), only_new=False)
        self.uploads.append(want)
        put = ('put', blob_key(hash_of(want.sha), want.upload), want.sha, 'create')
        self.w.apply(put)
        if self.rnd.random() < self.w.faults: self.w.late.append((self.w.now, put))
        return want

    def repeat(self, want):
        """An Idempotency-Key is good for an hour."""
        young = [w for t, w in self.repeats if self.w.now - t < HOUR]
        if young and self.rnd.random() < .6: return self.rnd.choice(young)
        want = want._replace(nonce=self.w.fresh())
        self.repeats.append((self.w.now, want))
        return want

    # -- What is answered.

    def fault(self, seen, what):
        if seen: self.out.append(what)

    def ended(self, job, answer):
        if answer == 'BROKEN': self.out.append(f'{job.kind}: content not there'); return
        getattr(self, 'ended_' + job.kind.replace(' ', '_'))(job, answer)

    def ended_store(self, job, answer):
        if answer in (REFUSED, EXISTS): return self.check_refusal(job, answer)
        want, (cid, expires) = job.about['want'], answer
        nonce = want.nonce or want.upload
        self.fault(nonce and self.by_nonce.setdefault(nonce, cid) != cid, 'one nonce became two entries')
        self.acked.setdefault(cid, (want, expires))
        self.revisions[cid, 1] = want.sha

    def check_refusal(self, job, answer):
        """There has to be another store of the same key, or under the same foreign id."""
        want, others = job.about['want'], list(self.w.wanted.values())
        others.remove(want)
        self.fault(answer == REFUSED and not any(o.keyed for o in others), '412 without another version')
        self.fault(answer == EXISTS and not any(o.foreign == want.foreign for o in others), 'an alias was free')

    def ended_delete(self, job, answer):
        if answer == 'deleted': self.deleted.add(job.about['cid'])

    def ended_update(self, job, answer):
        cid = job.about['cid']
        if answer != MISS: self.revisions[cid, answer] = job.about['sha']
        elif self.is_due(cid): self.out.append('update: acknowledged entry not found')

    def is_due(self, cid):
        """Whether an acknowledged entry has to be there."""
        if cid not in self.acked or cid in self.deleting: return False
        expires = self.acked[cid][1]
        return expires is None or expires > self.w.now

    def due(self, job):
        return [cid for cid in job.about['acked_ids'] if self.is_due(cid)]

    def ended_read(self, job, answer):
        cid = job.about['cid']
        if answer != MISS: return self.check_content(job, answer)
        self.fault(cid in job.about['acked_ids'] and self.is_due(cid), 'read: acknowledged entry not found')
        self.seen_gone.add(cid)

    def check_content(self, job, answer):
        kind, (cid, n, sha), about = job.kind, answer, job.about
        most = about.get('number') or 99
        entry = self.w.entry(cid)
        self.fault(entry and entry.expires is not None and entry.expires <= about['at'], f'{kind}: an expired entry')
        self.fault(cid in about['gone'], f'{kind}: a deleted entry')
        self.fault(n < min(most, about['floor'].get(cid, 0)), f'{kind}: an old revision')
        if cid in about['seen_gone'] or n < min(most, about['seen'].get(cid, 0)):
            self.went_back += 1
            self.fault(not self.raced(cid), f'{kind}: older than what was read before')
        if most == 99: self.seen[cid] = max(n, self.seen.get(cid, 0))
        self.fault(self.revisions.get((cid, n), sha) != sha, f'{kind}: another content')

    def ended_read_by_key(self, job, answer):
        rows = [r.id for r in (self.w.value(KEY) or KeyIndex()).rows]
        due = [c for c in self.due(job) if self.acked[c][0].keyed]
        self.check_newest(job, answer, due, rows.index, rows)

    def ended_read_by_hash(self, job, answer):
        """Where there are pages, only an entry without expiry is found at any depth."""
        any_depth = lambda cid: self.w.head_size == 99 or self.acked[cid][1] is None
        due = [c for c in self.due(job) if c[0] == job.about['hash'] and any_depth(c)]
        self.check_newest(job, answer, due, lambda c: c[1], None)

    def check_newest(self, job, answer, due, order, among):
        if answer == MISS:
            self.fault(due, f'{job.kind}: acknowledged entry not found')
            return
        self.check_content(job, answer)
        known = lambda c: among is None or c in among
        self.fault(known(answer[0]) and any(order(c) > order(answer[0]) for c in due if known(c)),
                   f'{job.kind}: not the newest')

    def ended_read_by_alias(self, job, answer):
        due = [c for c in self.due(job) if self.acked[c][0].foreign == job.about['foreign']]
        if answer == MISS:
            self.fault(due, 'read by alias: acknowledged entry not found')
            return
        self.check_content(job, answer)
        self.fault(due and answer[0] not in due, 'read by alias: another entry')

    def ended_store_child(self, job, answer):
        child = job.about['child']
        if answer == 'stored':
            self.acked_children.add(child)
            return
        self.fault(self.is_due(child[0]), 'child of an acknowledged entry refused')
        left = self.w.value(child_key(*child)) == job.about['value']
        self.fault(left and not self.w.faults, 'a refused child is left')

    def ended_read_child(self, job, answer):
        child = job.about['child']
        if answer == MISS:
            self.fault(job.about['acked'] and self.is_due(child[0]), 'acknowledged child not found')
        elif answer[0] != child: self.out.append('another child')
        elif child[0] in job.about['gone']: self.out.append('child of a deleted entry')

    def ended_list(self, job, ids):
        self.fault(set(self.due(job)) - ids, 'list: acknowledged entry not found')
        self.fault(ids & job.about['gone'], 'list: a deleted entry')
        for cid in ids:
            entry = self.w.entry(cid)
            self.fault(entry and entry.expires is not None and entry.expires <= job.about['at'],
                       'list: an expired entry')

    def ended_configure(self, job, answer): pass

    def ended_sweep(self, job, answer): pass

    def check_row(self, row, key):
        """If-None-Match: the key has no other live entry when the entry comes into it."""
        entry = self.w.entry(row.id)
        if not entry or not self.w.wanted[entry.nonce].only_new: return
        for other in key.rows:
            live = other != row and self.w.entry(other.id) and other.id not in self.deleting
            self.fault(live and (other.expires is None or other.expires > self.w.now),
                       'a conditional create beside a live entry')

    # -- The schedule.

    def go(self, left=22):
        jobs = self.jobs
        while jobs or left:
            if left and len(jobs) < 4 and self.rnd.random() < .5:
                left -= 1
                jobs.append(self.new_job())
                self.step(jobs, jobs[-1])      # a request reads the clock when it starts
            elif jobs:
                self.w.now += self.rnd.random() < .2
                if self.rnd.random() < (.02 if self.sweeps > .1 else .01): self.time_passes(jobs)
                self.w.arrive_some()
                if jobs: self.step(jobs, self.rnd.choice(jobs))
        self.w.arrive_all()
        self.check_end()
        self.sweep_all()
        return self.out

    def sweep_all(self):
        """A day later nothing unreferenced is left, and nothing else is gone."""
        self.w.now += GARBAGE_AGE + 6 * HOUR
        steps, reply = protocol.sweep(self.w), None
        try:
            while True: reply = self.w.apply(steps.send(reply))
        except StopIteration: pass
        except GaveUp: self.out.append('sweep: gave up on its own')
        self.check_end(swept=True)
        self.check_garbage()

    def time_passes(self, jobs):
        """Machines are frozen, or crash; what is late arrives at last, or its signature expires."""
        jump = self.rnd.choice(JUMPS)
        if jump > SIGNATURE_LIFE: self.w.arrive_all()
        self.w.now += jump
        for job in jobs[:]:
            if self.rnd.random() < .6:
                self.lost(jobs, job)

    def lost(self, jobs, job):
        """A request ends without an answer."""
        jobs.remove(job)
        self.gave_up = True

    def step(self, jobs, job):
        self.w.steps += 1
        try: op = job.steps.throw(job.error) if job.error else job.steps.send(job.reply)
        except StopIteration as end:
            jobs.remove(job)
            return self.ended(job, end.value)
        except GaveUp: return self.lost(jobs, job)
        job.reply = job.error = None
        try: job.reply = self.w.call(op)
        except Lost as error: job.error = error

    # -- What holds in the end.

    def check_end(self, swept=False):
        self.listed, self.used = {}, set()
        for h in HASHES: self.check_manifest(h)
        for cid in self.acked:
            self.fault(self.is_due(cid) and cid not in self.listed, 'an acknowledged entry is not listed')
        for (cid, n), sha in self.revisions.items():
            entry = self.listed.get(cid)
            self.fault(entry and (len(entry.revisions) < n or entry.revisions[n - 1].sha != sha),
                       'an acknowledged revision is lost')
        self.fault(self.deleted & set(self.listed), 'a deleted entry came back')
        self.check_key(self.w.value(KEY) or KeyIndex(), swept)
        self.check_aliases(swept)

    def check_key(self, key, swept):
        rows = [r.id for r in key.rows if swept or r.expires is None or r.expires > self.w.now]
        for cid, (want, _) in self.acked.items():
            self.fault(self.is_due(cid) and rows.count(cid) != want.keyed,
                       f'the key lists an acknowledged entry {rows.count(cid)} times')
        for cid in rows:
            if cid in self.listed: continue
            self.dangling += 1
            self.fault(swept or cid in self.deleted or not self.raced(cid), 'the key lists an entry that is gone')
        for cid, entry in self.listed.items():
            expired = entry.expires is not None and entry.expires <= self.w.now
            self.fault(entry.keyed and cid not in rows and not expired and not self.gave_up,
                       'an entry is missing under its key')
        copy = key.inline
        if copy and copy.id in self.listed:
            newest = self.listed[copy.id].revisions
            if (copy.revision, copy.sha) != (len(newest), newest[-1].sha):
                self.stale += 1
                self.fault(swept or not self.raced(copy.id), 'the inline copy is of an old revision')
        if not swept: self.check_view(key)

    def check_aliases(self, swept):
        for foreign in FOREIGN:
            alias = self.w.value(alias_key(foreign))
            for cid, (want, _) in self.acked.items():
                self.fault(want.foreign == foreign and self.is_due(cid) and alias != Alias(cid),
                           'an alias does not name its entry')
            for cid, e in self.listed.items():
                lost = e.foreign == foreign and alias != Alias(cid) and not self.gave_up
                self.fault(lost and cid not in self.deleting and (e.expires is None or e.expires > self.w.now),
                           'an entry without its alias')
            self.fault(swept and alias and not alias.gone and alias.id not in self.listed,
                       'an alias of an entry that is gone')

    def check_garbage(self):
        """After a sweep, a day later: objects that nothing references."""
        for e in self.listed.values():
            self.fault(e.expires is not None, 'sweep: an expired entry is left')
        for key in self.w.objects:
            self.fault(key[0] == 'child' and key[1] not in self.listed, 'sweep: a child without an entry is left')
            if key[0] not in ('blob', 'page', 'intent') or not self.w.value(manifest_key(key[1])): continue
            self.fault(key[0] == 'intent' or key[2] not in self.used, f'sweep: an unreferenced {key[0]} is left')
        for h in HASHES:
            m = self.w.value(manifest_key(h))
            self.fault(m and not m.entries and any(row.until <= self.w.now for row in m.recent),
                       'sweep: a tombstone is not empty')

    def check_view(self, key):
        live = [r.id for r in key.rows if r.id in self.listed and (r.expires is None or r.expires > self.w.now)]
        if len(live) < len(key.rows): return           # it follows when the sweep removes what has expired
        want = self.listed[live[-1]].revisions[-1].sha if live else None
        self.fault(self.w.value(VIEW) != want and not self.w.late_view and not self.gave_up,
                   'the view does not show the newest')

    def check_manifest(self, h):
        m = self.w.value(manifest_key(h)) or Manifest()
        self.used |= {ref.name for ref in m.pages}
        refs, nonces, placed = {c.sha: 0 for c in m.contents}, [], []
        for place in (m,) + tuple(self.w.value(page_key(h, ref.name)) for ref in m.pages):
            if place is None: self.out.append('a page is missing'); continue
            own = () if place is m else place.contents
            placed += [c.token for c in place.contents if c.token]
            entries = place.entries if place is m else live_in(m, place)
            for e in entries:
                self.fault(e.id in self.listed, 'a version is listed twice')
                self.listed[e.id] = e
                nonces.append(e.nonce)
                self.check_expiry(e)
                for r in e.revisions:
                    token = token_of(own, r.sha)
                    if token is None:
                        token = token_of(m.contents, r.sha)
                        if token is None: self.out.append('a revision has no content'); continue
                        refs[r.sha] += 1
                    self.used.add(token)
                    self.fault(token and self.w.value(blob_key(h, token)) != r.sha, 'a blob is missing')
                    self.fault((token == 0) == is_big(r.sha), 'a content is in the wrong place')
        self.fault(len(set(nonces)) != len(nonces), 'a nonce is listed twice')
        self.fault(len(set(placed)) != len(placed), 'a blob is listed in two places')
        self.fault(refs != {c.sha: c.refs for c in m.contents}, 'a reference count is wrong')


    def check_expiry(self, e):
        """As the request and the settings say that held when the store began, or a minute before, or since."""
        log, want = self.w.settings_log, self.w.wanted[e.nonce]
        held = [ttl for i, (since, ttl) in enumerate(log) if since <= e.stored_at + DEADLINE and
                (i + 1 == len(log) or log[i + 1][0] >= e.stored_at - MINUTE)]
        allowed = [min((t for t in (want.ttl, ttl) if t is not None), default=None) for ttl in held]
        self.fault((None if e.expires is None else e.expires - e.stored_at) not in allowed, 'an expiry by old settings')


def rules():
    """The rules in the table on top of the protocol."""
    return re.findall(r'^\| `(\w+)`', protocol.__doc__, re.M)


def one(seed, index):
    run = Run(seed * 1_000_003 + index, (0, .05, .25)[index % 3])
    return run, run.go()


def main(args):
    if args[:1] == ['rules']: return measure_rules(args[1:])
    runs, seed = int((args[:1] or [20000])[0]), int((args[1:2] or [1])[0])
    bad = stores = deletes = revisions = dangling = stale = back = 0
    kinds = {}
    for i in range(runs):
        run, out = one(seed, i)
        stores, deletes, revisions = stores + len(run.acked), deletes + len(run.deleted), revisions + len(run.revisions)
        dangling, stale, back = dangling + run.dangling, stale + run.stale, back + run.went_back
        for line in set(out): kinds[line] = kinds.get(line, 0) + 1
        if out:
            bad += 1
            if bad <= 5: print('seed', seed * 1_000_003 + i, sorted(set(out))[:3])
    for line, n in sorted(kinds.items(), key=lambda x: -x[1]): print(f'{n:7} {line}')
    print(f'{runs} schedules: {stores} stores, {revisions - stores} updates and {deletes} deletes acknowledged; '
          f'{dangling} rows and {stale} copies for the sweep, {back} reads by key behind; {bad} schedules with violations')
    return int(bad > 0)


def measure_rules(args):
    """Says within how many schedules it shows that a rule is left out: `checks.py rules [RUNS] [SEEDS] [rule …]`."""
    runs, seeds, names = int((args[:1] or [20000])[0]), int((args[1:2] or [1])[0]), args[2:] or rules()
    for manifest.BREAK in names:
        found = []
        for seed in range(1, seeds + 1):
            for i in range(runs):
                _, out = one(seed, i)
                if out: found.append((i + 1, out[0])); break
            else: found.append((None, 'not seen'))
        print(f'{manifest.BREAK:14}', found, flush=True)
    return 0


if __name__ == '__main__':
    import sys
    sys.exit(main(sys.argv[1:]))
