#!/usr/bin/env python3
"""Measures how much memory the function needs for large JSON: benches/bench_memory.py BINARY

Sends texts of the worst shapes to every operation of /openapi.json that takes JSON, one after the other to one process with a
small Runtime API and a bucket on this machine. Prints the peak memory (VmHWM) of each shape and where it was reached; ends with 1
if one is above 128 MiB, which is the smallest function that the template allows. Lambda takes events of up to 6 MB, escapes and
all; these are larger, because 5.9 MB of JSON with many quotes are up to 11 MB as a text in an event.
Needs Linux, and Python 3.8 or later.
"""
import json
import os
import sys

from json_texts import JSON, operations_with_json, shapes
from lambda_tools import Function, event, start_bucket

TEXT_BYTES = 5_900_000
MOST_MEMORY_MIB = 128.0
SMALLEST_FUNCTION = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "RUST_LOG": "off"}


def main():
    binary = os.path.abspath(sys.argv[1])
    settings = {**SMALLEST_FUNCTION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{start_bucket()}"}
    highest = 0.0
    with Function(binary, settings) as function:
        function.wait_for_poll()
        operations = list(operations_with_json(lambda *request: call(function, *request)["body"]))
        print(f"{TEXT_BYTES / 1e6:.1f} MB of JSON to {len(operations)} operations; {function.peak_memory():.0f} MiB before\n")
        print("| shape | peak, MiB | at |\n|---|---:|---|")
        for shape, text in shapes(TEXT_BYTES):
            peak, operation, status = max(sample(function, operation, text) for operation in operations)
            print(f"| {shape} | {peak:.0f} | `{operation}` ({status}) |", flush=True)
            highest = max(highest, peak)
    verdict = "as it should be" if highest <= MOST_MEMORY_MIB else "TOO MUCH"
    print(f"\n{highest:.0f} MiB, at most {MOST_MEMORY_MIB:.0f}: {verdict}")
    sys.exit(highest > MOST_MEMORY_MIB)


def sample(function, operation, text):
    """The peak memory of one event, its operation, and the status of the answer."""
    function.reset_peak_memory()
    answer = call(function, *operation, text)
    return function.peak_memory(), " ".join(operation), answer["statusCode"]


def call(function, method, path, text=None):
    path, _, query = path.partition("?")
    return json.loads(function.invoke(event(method, path, text, JSON, query))[1])


if __name__ == "__main__":
    main()
