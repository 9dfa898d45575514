#!/usr/bin/env python3
"""Measures a server on this machine: benches/bench_local.py BINARY [SECONDS]

Start-up time, requests per second of stores and retrieves over 16 connections, peak memory and room on the disk, of each storage
of one machine. And what a key with permissions costs beside the root key.
Needs wrk on the PATH, and Python 3.8 or later. The load generator shares the machine with the server.
"""
import json
import os
import statistics
import sys
import tempfile
import time

from bench_tools import CONNECTIONS, Load, call, need, peak_memory, script, server, stored_id

CONTENT_BYTES = 1024
# A machine is faster at one time than at another: the two keys are compared within two seconds, and take turns at being first.
KEY_PAIRS = 40
# As long as a scoped key.
ROOT_KEY = "root-key".ljust(42, "x")


def main():
    binary, seconds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    need("wrk", "wrk")
    print(f"binary {os.path.getsize(binary) / 1e6:.1f} MB; {CONNECTIONS} connections, {CONTENT_BYTES} bytes a content, "
          f"{seconds} s each, {os.cpu_count()} cores")
    for mode in "memory", "local_disk", "sqlite", "zip":
        with tempfile.TemporaryDirectory() as folder:
            measure(binary, mode, folder, seconds)
    with tempfile.TemporaryDirectory() as folder:
        compare_keys(binary, folder)


def measure(binary, mode, folder, seconds):
    started = time.monotonic()
    with server(binary, mode, folder) as ours:
        start_up_ms = (time.monotonic() - started) * 1000
        idle = peak_memory(ours.pid)
        cache_id = stored_id(call(ours.port, "POST", "/bench/direct/store/string", b"y" * CONTENT_BYTES))
        retrieves = Load(ours.port, f"/bench/retrieve/{cache_id}/string", seconds)
        stores = Load(ours.port, "", seconds, "-s", script(folder, "POST", "/bench/direct/store/string", CONTENT_BYTES))
        print(f"{mode:11} start-up {start_up_ms:4.0f} ms | store {stores} | retrieve {retrieves} | "
              f"peak memory {idle} after the start, {peak_memory(ours.pid)} after the load"
              f"{on_disk(folder, stores.requests)}")


def compare_keys(binary, folder):
    """Retrieves with the root key and with one that has a permission on the namespace."""
    settings = {"FAST_API__AUTH__API_KEY__NAME": "x-api-key", "FAST_API__AUTH__API_KEY__VALUE": ROOT_KEY}
    with server(binary, "memory", folder, **settings) as ours:
        as_root = {"x-api-key": ROOT_KEY}
        cache_id = stored_id(call(ours.port, "POST", "/bench/direct/store/string", b"y" * CONTENT_BYTES, headers=as_root))
        spec = json.dumps({"name": "bench", "grants": [{"namespaces": ["bench"], "permissions": ["read"]}]})
        scoped = json.loads(call(ours.port, "POST", "/keys", spec, "application/json", as_root))["key"]
        root, ratios = [], []
        for pair in range(KEY_PAIRS):
            rates = {}
            for key in (ROOT_KEY, scoped)[::1 if pair % 2 else -1]:
                load = Load(ours.port, f"/bench/retrieve/{cache_id}/string", 1, "-H", f"x-api-key: {key}")
                if load.failed:
                    sys.exit(f"bench: {load.failed} requests failed")
                rates[key] = load.rate
            root.append(rates[ROOT_KEY])
            ratios.append(rates[scoped] / rates[ROOT_KEY])
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"keys        retrieve with a scoped key has {middle:.3f} of the requests of the root key "
              f"({statistics.median(root):,.0f}/s; {KEY_PAIRS} pairs of a second each, quartiles {low:.3f} and {high:.3f})")


def on_disk(folder, entries):
    """What an entry takes, as text: in blocks of the file system, so that small files count as what they take."""
    blocks = sum(os.lstat(os.path.join(path, name)).st_blocks
                 for path, folders, files in os.walk(os.path.join(folder, "store")) for name in folders + files)
    return f" | {blocks * 512 / entries:,.0f} bytes on disk an entry" if blocks else ""


if __name__ == "__main__":
    main()
