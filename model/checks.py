"""Runs the model: an S3-like store that fails, a scheduler that picks who goes next, and the invariants."""
import random
import re

import manifest_protocol as protocol
from manifest_protocol import (CATALOG, DEADLINE, EXISTS, HOUR, KEY, MINUTE, MISS, REFUSED, SETTINGS, VIEW, GaveUp, KeyIndex,
                               Lost, Manifest, Want, blob_key, hash_of, is_big, manifest_key, page_key, token_of)

SIGNATURE_LIFE = 15 * MINUTE           # SigV4: what was signed earlier is refused
JUMPS = (30, 200, 20 * MINUTE, 3 * HOUR, 30 * HOUR)
SHAS = ('s1', 's1', 's2', 'b1', 'b1', 'b2', 's3')


class World:
    """Objects as S3 keeps them, and a clock. A call may not arrive, lose its reply, or arrive late."""

    def __init__(self, rnd, faults):
        self.rnd, self.faults, self.now = rnd, faults, 0
        self.objects, self.late, self.memory = {}, [], {}
        self.head_size = rnd.choice((1, 2, 3, 99))
        self.late_view = False
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
        if key == KEY: self.note_rows(current, value)
        return True

    def note_rows(self, old, new):
        for row in new.rows:
            if not old or row not in old.rows: self.listed_at[row.id] = self.steps

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
        self.out = []
        self.acked = {}                # id: (sha, expires, keyed)
        self.revisions = {}            # (id, number): sha, acknowledged
        self.deleting, self.deleted = set(), set()
        self.by_nonce, self.repeats, self.uploads = {}, [], []
        self.gave_up = False
        self.first_change = {}         # the step in which an entry's first update or delete started
        self.seen, self.seen_gone = {}, set()
        self.dangling = self.stale = self.went_back = 0

    # -- What is asked for.

    def new_job(self):
        x = self.rnd.random()
        if x < .45 or not self.acked: return self.new_store()
        cid = self.some_id()
        if x < .60:
            self.deleting.add(cid)
            return Job(self, 'delete', protocol.delete(self.w, cid), cid=cid)
        if x < .80:
            sha = self.rnd.choice(SHAS)
            return Job(self, 'update', protocol.update(self.w, cid, sha), cid=cid, sha=sha)
        if x < .90: return Job(self, 'read by key', protocol.read_by_key(self.w), **self.before())
        number = self.rnd.choice((None, 1, 2))
        return Job(self, 'read', protocol.read(self.w, cid, number), cid=cid, number=number, **self.before())

    def before(self):
        """What is known when a read starts."""
        newest = {}
        for cid, n in self.revisions: newest[cid] = max(n, newest.get(cid, 0))
        return {'floor': newest, 'gone': set(self.deleted), 'seen': dict(self.seen), 'seen_gone': set(self.seen_gone), 'keyed': [c for c, (_, _, keyed) in self.acked.items() if keyed]}

    def raced(self, cid):
        """Whether the entry was listed under its key while it was being updated or deleted. If that change then ends without an answer, the
        key index may stay behind until the sweep, and until it ends, reads by key may be behind reads by id."""
        return self.w.listed_at.get(cid, 0) > self.first_change.get(cid, self.w.steps)

    def some_id(self):
        listed = [e.id for h in ('h1', 'h2') for e in (self.w.value(manifest_key(h)) or Manifest()).entries]
        return self.rnd.choice(listed if listed and self.rnd.random() < .4 else list(self.acked))

    def new_store(self):
        rnd, sha = self.rnd, self.rnd.choice(SHAS)
        want = Want(sha, keyed=rnd.random() < .5, remembered=rnd.random() < .2)
        x = rnd.random()
        if is_big(sha) and x < .5: want = self.upload(want)
        elif x < .3: want = self.repeat(want)
        return Job(self, 'store', protocol.store(self.w, want), want=want)

    def upload(self, want):
        if self.uploads and self.rnd.random() < .6: return self.rnd.choice(self.uploads)
        want = want._replace(upload=self.w.fresh())
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

    def ended(self, job, answer):
        if answer == 'BROKEN': self.out.append(f'{job.kind}: content not there'); return
        getattr(self, 'ended_' + job.kind.replace(' ', '_'))(job, answer)

    def ended_store(self, job, answer):
        want, (cid, expires) = job.about['want'], answer
        nonce = want.nonce or want.upload
        if nonce and self.by_nonce.setdefault(nonce, cid) != cid: self.out.append('one nonce became two entries')
        self.acked.setdefault(cid, (want.sha, expires, want.keyed))
        self.revisions[cid, 1] = want.sha

    def ended_delete(self, job, answer):
        if answer == 'deleted': self.deleted.add(job.about['cid'])

    def ended_update(self, job, answer):
        cid = job.about['cid']
        if answer != MISS: self.revisions[cid, answer] = job.about['sha']
        elif cid in self.acked and cid not in self.deleting: self.out.append('update: acknowledged entry not found')

    def ended_read(self, job, answer):
        cid, number, floor = job.about['cid'], job.about['number'], job.about['floor'].get(job.about['cid'], 0)
        if answer == MISS:
            if floor and cid not in self.deleting: self.out.append('read: acknowledged entry not found')
            self.seen_gone.add(cid)
            return
        self.check_content(job, answer)

    def check_content(self, job, answer):
        kind, (cid, n, sha), about = job.kind, answer, job.about
        if cid in about['gone']: self.out.append(f'{kind}: a deleted entry')
        if n < min(about.get('number') or 99, about['floor'].get(cid, 0)): self.out.append(f'{kind}: an old revision')
        if cid in about['seen_gone'] or n < min(about.get('number') or 99, about['seen'].get(cid, 0)):
            self.went_back += 1
            if not self.raced(cid): self.out.append(f'{kind}: older than what was read before')
        if not about.get('number'): self.seen[cid] = max(n, self.seen.get(cid, 0))
        if self.revisions.get((cid, n), sha) != sha: self.out.append(f'{kind}: another content')

    def ended_read_by_key(self, job, answer):
        rows = [r.id for r in (self.w.value(KEY) or KeyIndex()).rows]
        due = [c for c in job.about['keyed'] if c not in self.deleting]
        if answer == MISS:
            if due: self.out.append('read by key: acknowledged entry not found')
            return
        cid = answer[0]
        if cid in rows and any(c in rows and rows.index(c) > rows.index(cid) for c in due): self.out.append('read by key: not the newest')
        self.check_content(job, answer)

    # -- The schedule.

    def go(self, left=18):
        jobs = []
        while jobs or left:
            if left and len(jobs) < 4 and self.rnd.random() < .5:
                left -= 1
                jobs.append(self.new_job())
                self.step(jobs, jobs[-1])      # a request reads the clock when it starts
            elif jobs:
                self.w.now += self.rnd.random() < .2
                if self.rnd.random() < .01: self.time_passes(jobs)
                self.w.arrive_some()
                if jobs: self.step(jobs, self.rnd.choice(jobs))
        self.w.arrive_all()
        self.check_end()
        return self.out

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

    def check_end(self):
        key, self.listed = self.w.value(KEY) or KeyIndex(), {}
        for h in ('h1', 'h2'): self.check_manifest(h)
        rows = [r.id for r in key.rows]
        for cid, (sha, expires, keyed) in self.acked.items():
            if cid in self.deleting: continue
            if cid not in self.listed: self.out.append('an acknowledged entry is not listed'); continue
            if rows.count(cid) != keyed: self.out.append(f'the key lists an acknowledged entry {rows.count(cid)} times')
        for (cid, n), sha in self.revisions.items():
            entry = self.listed.get(cid)
            if entry and (len(entry.revisions) < n or entry.revisions[n - 1].sha != sha): self.out.append('an acknowledged revision is lost')
        for cid in self.deleted:
            if cid in self.listed: self.out.append('a deleted entry came back')
        for cid in rows:
            if cid in self.listed: continue
            self.dangling += 1
            if cid in self.deleted or not self.raced(cid): self.out.append('the key lists an entry that is gone')
        copy = key.inline
        if copy and copy.id in self.listed:
            newest = self.listed[copy.id].revisions
            old = (copy.revision, copy.sha) != (len(newest), newest[-1].sha)
            if old and not self.raced(copy.id): self.out.append('the inline copy is of an old revision')
            self.stale += old
        self.check_view(key)

    def check_view(self, key):
        live = [r.id for r in key.rows if r.id in self.listed]
        want = self.listed[live[-1]].revisions[-1].sha if live else None
        if self.w.value(VIEW) != want and not self.w.late_view and not self.gave_up: self.out.append('the view does not show the newest')

    def check_manifest(self, h):
        m = self.w.value(manifest_key(h)) or Manifest()
        refs, nonces = {c.sha: 0 for c in m.contents}, []
        for place in (m,) + tuple(self.w.value(page_key(h, ref.name)) for ref in m.pages):
            if place is None: self.out.append('a page is missing'); continue
            own = () if place is m else place.contents
            entries = place.entries if place is m else protocol.live_in(m, place)
            for e in entries:
                if e.id in self.listed: self.out.append('a version is listed twice')
                self.listed[e.id] = e
                nonces.append(e.nonce)
                for r in e.revisions:
                    token = token_of(own, r.sha)
                    if token is None:
                        token = token_of(m.contents, r.sha)
                        if token is None: self.out.append('a revision has no content'); continue
                        refs[r.sha] += 1
                    if token and self.w.value(blob_key(h, token)) != r.sha: self.out.append('a blob is missing')
                    if (token == 0) == is_big(r.sha): self.out.append('a content is in the wrong place')
        if len(set(nonces)) != len(nonces): self.out.append('a nonce is listed twice')
        if refs != {c.sha: c.refs for c in m.contents}: self.out.append('a reference count is wrong')


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
    for protocol.BREAK in names:
        found = []
        for seed in range(1, seeds + 1):
            for i in range(runs):
                _, out = one(seed, i)
                if out: found.append((i + 1, out[0])); break
            else: found.append((None, 'not seen'))
        print(f'{protocol.BREAK:14}', found, flush=True)
    return 0


if __name__ == '__main__':
    import sys
    sys.exit(main(sys.argv[1:]))
