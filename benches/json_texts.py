"""JSON that takes the most memory for its size, and the operations that take JSON."""
import json
import re

MAX_DEPTH = 900
JSON = "application/json"

# What stands for a parameter of a path, besides the id of an entry.
PARAMETERS = {
    "namespace": "bench", "strategy": "key_based", "cache_key": "some/key", "cache_hash": "2cf24dba5fb0a30e",
    "data_type": "json", "data_key": "key", "data_file_id": "file", "key_id": "0123456789abcdef", "file_path": "a.json", "file_id": "file",
}


def operations_with_json(call):
    """Method and path of each operation of /openapi.json that takes JSON. Where a field can be hashed alone, with and without.

    `call` sends a method, a path and a text, and returns the body of the response."""
    entry = json.loads(call("POST", "/bench/direct/store/json", '{"a":1}'))["cache_id"]
    archive = json.loads(call("POST", "/bench/direct/zip/create/some/archive"))["cache_id"]
    for path, methods in json.loads(call("GET", "/openapi.json"))["paths"].items():
        parameters = {**PARAMETERS, "cache_id": archive if "/zip/" in path else entry}
        for method, operation in methods.items():
            if JSON in operation.get("requestBody", {}).get("content", {}):
                filled_in = re.sub(r"\{(\w+)\}", lambda name: parameters[name.group(1)], path)
                yield method.upper(), filled_in
                if any(parameter["name"] == "json_field_path" for parameter in operation.get("parameters", [])):
                    yield method.upper(), filled_in + "?json_field_path=a"


def shapes(size):
    """Texts of about `size` bytes. All but the last are objects; operations that take none refuse them."""
    yield "small numbers", filled(size, '{"a":[%s]}', "1")
    yield "empty objects", filled(size, '{"a":[%s]}', "{}")
    yield "objects with one empty key", filled(size, '{"a":[%s]}', '{"":0}')
    yield "lists within each other", filled(size, '{"a":[%s]}', "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2))
    yield "objects within each other", filled(size, '{"a":[%s]}', '{"":' * (MAX_DEPTH - 2) + "0" + "}" * (MAX_DEPTH - 2))
    yield "many keys", "{%s}" % ",".join(f'"{number}":0' for number in range(size // 11))
    yield "many keys, the last first", "{%s}" % ",".join(f'"{number}":0' for number in range(size // 11, 0, -1))
    yield "escapes", '{"a":"%s"}' % ("\\u0041" * (size // 6))
    yield "characters to escape", '{"a":"%s"}' % ("é" * (size // 2))
    yield "operations of a batch", filled(size, '{"operations":[%s]}', '{"action":"x","path":"a"}')
    yield "items of a batch", filled(size, '{"items":[%s]}', '{"a":1}')
    yield "a string of escapes", '"%s"' % ("\\u0041" * (size // 6))


def filled(size, frame, item):
    return frame % ",".join([item] * (size // (len(item) + 1)))
