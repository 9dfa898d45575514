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
import re
import sys

from lambda_tools import Function, event, start_bucket

TEXT_BYTES = 5_900_000
MOST_MEMORY_MIB = 128.0
SMALLEST_FUNCTION = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "RUST_LOG": "off"}
MAX_DEPTH = 900
JSON = "application/json"

# What stands for a parameter of a path, besides the id of an entry.
PARAMETERS = {
    "namespace": "bench", "strategy": "key_based", "cache_key": "some/key", "cache_hash": "2cf24dba5fb0a30e",
    "data_type": "json", "data_key": "key", "data_file_id": "file", "key_id": "0123456789abcdef", "file_path": "a.json", "file_id": "file",
}


def main():
    binary = os.path.abspath(sys.argv[1])
    settings = {**SMALLEST_FUNCTION, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{start_bucket()}"}
    highest = 0.0
    with Function(binary, settings) as function:
        function.wait_for_poll()
        operations = list(operations_with_json(function))
        print(f"{TEXT_BYTES / 1e6:.1f} MB of JSON to {len(operations)} operations; {function.peak_memory():.0f} MiB before\n")
        print("| shape | peak, MiB | at |\n|---|---:|---|")
        for shape, text in shapes():
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


def operations_with_json(function):
    """Method and path of each operation that takes it. Where a field can be hashed alone, with and without."""
    entry = cache_id(call(function, "POST", "/bench/direct/store/json", '{"a":1}'))
    archive = cache_id(call(function, "POST", "/bench/direct/zip/create/some/archive"))
    described = json.loads(call(function, "GET", "/openapi.json")["body"])
    for path, methods in described["paths"].items():
        parameters = {**PARAMETERS, "cache_id": archive if "/zip/" in path else entry}
        for method, operation in methods.items():
            if JSON in operation.get("requestBody", {}).get("content", {}):
                filled_in = re.sub(r"\{(\w+)\}", lambda name: parameters[name.group(1)], path)
                yield method.upper(), filled_in
                if any(parameter["name"] == "json_field_path" for parameter in operation.get("parameters", [])):
                    yield method.upper(), filled_in + "?json_field_path=a"


def call(function, method, path, text=None):
    path, _, query = path.partition("?")
    return json.loads(function.invoke(event(method, path, text, JSON, query))[1])


def cache_id(answer):
    return json.loads(answer["body"])["cache_id"]


def shapes():
    """Texts of about `TEXT_BYTES` bytes. All but the last are objects; operations that take none refuse them."""
    yield "small numbers", filled('{"a":[%s]}', "1")
    yield "empty objects", filled('{"a":[%s]}', "{}")
    yield "objects with one empty key", filled('{"a":[%s]}', '{"":0}')
    yield "lists within each other", filled('{"a":[%s]}', "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2))
    yield "objects within each other", filled('{"a":[%s]}', '{"":' * (MAX_DEPTH - 2) + "0" + "}" * (MAX_DEPTH - 2))
    yield "many keys", "{%s}" % ",".join(f'"{number}":0' for number in range(TEXT_BYTES // 11))
    yield "many keys, the last first", "{%s}" % ",".join(f'"{number}":0' for number in range(TEXT_BYTES // 11, 0, -1))
    yield "escapes", '{"a":"%s"}' % ("\\u0041" * (TEXT_BYTES // 6))
    yield "characters to escape", '{"a":"%s"}' % ("é" * (TEXT_BYTES // 2))
    yield "operations of a batch", filled('{"operations":[%s]}', '{"action":"x","path":"a"}')
    yield "items of a batch", filled('{"items":[%s]}', '{"a":1}')
    yield "a string of escapes", '"%s"' % ("\\u0041" * (TEXT_BYTES // 6))


def filled(frame, item):
    return frame % ",".join([item] * (TEXT_BYTES // (len(item) + 1)))


if __name__ == "__main__":
    main()
