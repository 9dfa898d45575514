#!/usr/bin/env python3
"""Measures a cold start as Lambda sees it: benches/bench_cold.py BINARY HELLO [RUNS]

Starts the binary with a small Runtime API on this machine and S3 as its storage, beside a Lambda function that only says
hello, in turn. The function that says hello costs what every function in Rust does; what comes on top is ours.

  init          from the start of the process until it asks for the first event; the S3 client is made by then
  processor     what of it the main thread spent on a processor: the same on a busy machine
  first event   a retrieve by id, from a bucket on this machine
  later events  the same again, and a store
  peak memory   VmHWM after all of them

Without an endpoint the client gets ready for AWS itself, with TLS; nothing answers there, so only the init is measured.
Needs Linux, and Python 3.8 or later.
"""
import json
import os
import statistics
import sys

from lambda_tools import Function, event, start_bucket

LATER_EVENTS = 20
MOST_INIT, MOST_MEMORY_MIB, MOST_BINARY_MB = 3.0, 16.0, 12.0


def main():
    binary, hello = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    bucket = start_bucket()
    local = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{bucket}"}
    path = store_one(binary, local)
    columns = {"hello": [], "S3 at AWS": [], "S3 at an endpoint": []}
    for _ in range(runs):
        columns["hello"].append(measure(hello, {}, "/"))
        columns["S3 at AWS"].append(measure(binary, {}, None))
        columns["S3 at an endpoint"].append(measure(binary, local, path))
    report(columns, os.path.getsize(binary) / 1e6, os.path.getsize(hello) / 1e6, runs)


def report(columns, binary_mb, hello_mb, runs):
    """Medians in a table, and what they are to be at most."""
    names = ["init", "processor", "first event", "later retrieve", "later store", "peak memory"]
    medians = {title: {name: median(all, name) for name in names} for title, all in columns.items()}
    print(f"medians of {runs} starts on {os.cpu_count()} cores; binary {binary_mb:.1f} MB, hello {hello_mb:.1f} MB\n")
    print(f"{'':20}" + "".join(f"{name:>16}" for name in names))
    for title, values in medians.items():
        print(f"{title:20}" + "".join(f"{shown(name, values[name]):>16}" for name in names))
    print()
    for name in "init", "processor":
        times = max(values[name] for values in medians.values()) / medians["hello"][name]
        goal(name, f"{times:.1f} times hello's", times, MOST_INIT)
    memory = max(values["peak memory"] for values in medians.values())
    goal("peak memory", f"{memory:.1f} MiB", memory, MOST_MEMORY_MIB)
    goal("binary", f"{binary_mb:.1f} MB", binary_mb, MOST_BINARY_MB)


def median(samples, name):
    found = [sample[name] for sample in samples if name in sample]
    return statistics.median(found) if found else None


def shown(name, value):
    if value is None:
        return "-"
    return f"{value:.1f} MiB" if name == "peak memory" else f"{value * 1000:.2f} ms"


def goal(name, text, value, limit):
    print(f"{name:12} {text}, at most {limit:g}: {'as it should be' if value <= limit else 'TOO MUCH'}")


def measure(binary, settings, path):
    """One start, and when there is a path one event that reads it and several after that."""
    with Function(binary, settings) as function:
        sample = {"init": function.wait_for_poll() - function.started, "processor": function.processor_time()}
        if path is not None:
            read, write = event("GET", path), event("POST", "/bench/direct/store/string", "hello again")
            sample["first event"] = function.invoke(read)[0]
            sample["later retrieve"] = statistics.median(function.invoke(read)[0] for _ in range(LATER_EVENTS))
            sample["later store"] = statistics.median(function.invoke(write)[0] for _ in range(LATER_EVENTS))
        sample["peak memory"] = function.peak_memory()
        return sample


def store_one(binary, settings):
    """Stores an entry; the path under which it is found."""
    with Function(binary, settings) as function:
        function.wait_for_poll()
        answer = json.loads(function.invoke(event("POST", "/bench/direct/store/string", "hello"))[1])
        stored = json.loads(answer["body"])
        if "cache_id" not in stored:
            sys.exit(f"bench: the store was answered with {answer}")
        return f"/bench/retrieve/{stored['cache_id']}/string"


if __name__ == "__main__":
    main()
