#!/usr/bin/env python3
"""Shows what an operation costs as the store grows: benches/bench_growth.py BINARY [SECONDS]

First with 1,000 to 1,000,000 entries, in memory and then on disk; a fill that takes longer than SECONDS (300) ends the growth.
"First page of ids" is one listing of 1,000 entries, the first since the store has grown tenfold: the catalog has to learn what is
new. "The page again" finds the catalog fresh.
Then with 10 to 10,000 versions of one content, and of one key. Each figure is the median time from a request to its answer, in
microseconds, over one connection on an otherwise idle server: what counts is how a column changes on its way down.

Needs wrk on the PATH, and Python 3.8 or later. A million entries in memory take about 2 GB.
"""
import os
import re
import socket
import statistics
import sys
import tempfile
import time

from bench_tools import Load, need, peak_memory, script, server

ENTRIES = 1_000, 10_000, 100_000, 1_000_000
VERSIONS = 10, 100, 1_000, 10_000
# How often each operation is done for one figure.
TIMES = 500
# How often a page of ids is listed with a fresh catalog.
PAGES = 20
CONTENT_BYTES = 256
FILL_SECONDS = 2


def main():
    binary, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300
    need("wrk", "wrk")
    for mode in "memory", "local_disk":
        with tempfile.TemporaryDirectory() as folder, server(binary, mode, folder) as ours:
            many_entries(ours, mode, folder, seconds)
    for growing in versions_of_a_content, versions_of_a_key:
        with tempfile.TemporaryDirectory() as folder, server(binary, "memory", folder) as ours:
            growing(Connection(ours.port))


class Connection:
    """One connection, without what a client library would add to the time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=b""):
        """The time to the answer in microseconds, and the answer."""
        request = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n\r\n"
        began = time.perf_counter()
        self.socket.sendall(request.encode() + body)
        answer = self.socket.recv(65536)
        head, _, content = answer.partition(b"\r\n\r\n")
        missing = int(re.search(rb"content-length: (\d+)", head).group(1)) - len(content)
        while missing > 0:
            more = self.socket.recv(65536)
            content, missing = content + more, missing - len(more)
        took = (time.perf_counter() - began) * 1e6
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"bench: {method} {path} was answered with {answer[:300]}")
        return took, content

    def median(self, calls):
        """The median time of calls, given as method, path and body."""
        return statistics.median(self.call(*one)[0] for one in calls)


def header(title, columns):
    print(f"\n{title:28}" + "".join(f"{column:>22}" for column in columns), flush=True)


def line(count, figures):
    print(f"{count:28,}" + "".join(f"{figure:19,.0f} us" for figure in figures), flush=True)


def many_entries(ours, mode, folder, seconds):
    header(f"{mode}: entries", ["store", "store key_based", "retrieve by id", "by hash", "by key", "delete", "first page of ids", "the page again"])
    connection, filler = Connection(ours.port), script(folder, "POST", "/bench/direct/store/string", CONTENT_BYTES)
    count, began = 0, time.monotonic()
    for mark in ENTRIES:
        while count < mark:
            if time.monotonic() - began > seconds:
                print(f"left out: {mark:,} entries are not there after {seconds} s, but {count:,}")
                return
            # The first marks are reached in a fraction of a second.
            count += fill(connection, count, mark) if mark <= ENTRIES[0] else fill_fast(ours.port, filler)
        line(count, [*costs(connection, mark), *pages_of_ids(connection)])
        count += TIMES
    print(f"peak memory {peak_memory(ours.pid)}")


def fill(connection, count, mark):
    for number in range(count, mark):
        connection.call("POST", "/bench/direct/store/string", b"first-%d" % number)
    return mark - count


def fill_fast(port, filler):
    load = Load(port, "", FILL_SECONDS, "-s", filler)
    return int(load.rate * FILL_SECONDS)


def costs(connection, mark):
    """What the operations cost now. Leaves `TIMES` entries more."""
    content = [b"%d-%d" % (mark, number) for number in range(TIMES)]
    direct = [connection.call("POST", "/bench/direct/store/string", one) for one in content]
    keyed = [connection.call("POST", f"/bench/key_based/store/string/k/{one.decode()}?file_id=f", b"k" + one) for one in content]
    found = [re.search(rb'"cache_id":"([^"]+)","cache_hash":"([^"]+)"', answer).groups() for _, answer in direct]
    ids, hashes = [one.decode() for one, _ in found], [one.decode() for _, one in found]
    return [
        statistics.median(took for took, _ in direct),
        statistics.median(took for took, _ in keyed),
        connection.median(("GET", f"/bench/retrieve/{one}/string") for one in ids),
        connection.median(("GET", f"/bench/retrieve/hash/{one}/string") for one in hashes),
        connection.median(("GET", f"/bench/retrieve/key/key_based/k/{one.decode()}/f?as=string") for one in content),
        connection.median(("DELETE", f"/bench/delete/{one}") for one in ids),
    ]


def pages_of_ids(connection):
    page = "GET", "/bench/file-ids?limit=1000"
    first, answer = connection.call(*page)
    if answer.count(b"-") < 4 * 1_000:
        sys.exit(f"bench: a page of 1,000 ids is {answer[:300]}")
    return first, connection.median([page] * PAGES)


def versions_of_a_content(connection):
    header("versions of a content", ["store", "retrieve by hash", "first version", "by id"])
    store = "POST", "/bench/direct/store/string", b"again and again"
    answer, count = connection.call(*store)[1], 1
    found = re.search(rb'"cache_id":"([^"]+)","cache_hash":"([^"]+)"', answer)
    cache_id, cache_hash = found.group(1).decode(), found.group(2).decode()
    for mark in VERSIONS:
        while count < mark:
            connection.call(*store)
            count += 1
        by_hash = f"/bench/retrieve/hash/{cache_hash}/string"
        reads = by_hash, by_hash + "?version=1", f"/bench/retrieve/{cache_id}/string"
        line(count, [connection.median([store] * few(mark)), *(connection.median([("GET", path)] * TIMES) for path in reads)])
        count += few(mark)


def versions_of_a_key(connection):
    header("versions of a key", ["store", "retrieve by key", "first version", "list of versions"])
    count = 0

    def store():
        nonlocal count
        count += 1
        return "POST", "/bench/key_based/store/string/k?file_id=f", b"content %d" % count

    for mark in VERSIONS:
        while count < mark:
            connection.call(*store())
        by_key = "/bench/retrieve/key/key_based/k/f?as=string"
        reads = by_key, by_key + "&version=1", "/bench/versions/key/key_based/k/f"
        at = count
        line(at, [connection.median(store() for _ in range(few(mark))), *(connection.median([("GET", path)] * TIMES) for path in reads)])


def few(mark):
    """How many stores do not change the number of versions much."""
    return min(TIMES, max(5, mark // 10))


if __name__ == "__main__":
    main()
