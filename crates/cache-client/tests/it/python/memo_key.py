"""The key of a memoised call in Python, as docs/memo.md describes it.

Reads the vectors from the file that is its argument, and fails if a key is another one.
"""

import hashlib
import json
import sys


def number(value):
    """A number as ECMAScript writes it (RFC 8785, 3.2.2.3)."""
    if isinstance(value, int):
        if abs(value) > 2**53 - 1:
            raise ValueError(f"{value} is not exact in every language: pass it as text")
        value = float(value)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("NaN and infinities have no form in JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).rstrip("0")
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{'+' if power >= 0 else '-'}{abs(power)}"


def canonical(value):
    """JSON as RFC 8785 writes it."""
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    by_utf16 = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
    return "{" + ",".join(canonical(name) + ":" + canonical(item) for name, item in by_utf16) + "}"


def call_key(function, version, arguments):
    """The key of a call: SHA-256 in hex digits."""
    call = canonical({"memo": 1, "fn": function, "version": version, "args": arguments})
    return call, hashlib.sha256(call.encode()).hexdigest()


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        vectors = json.load(file)
    for vector in vectors:
        canonical_call, key = call_key(vector["fn"], vector["version"], vector["args"])
        if key != vector["key"] or canonical_call != vector.get("canonical", canonical_call):
            sys.exit(f"{canonical_call!a} has the key {key}, which should be that of {vector!a}")
    print(f"{len(vectors)} vectors")
