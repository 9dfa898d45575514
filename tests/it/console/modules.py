"""The modules that need no page, called in the browser: hashes, differences, JSON, metrics, routes, and what is typed into the search box."""

import hashlib
import json
import random

from browser import Console, check, run


class Modules(Console):
    def __init__(self, browser):
        super().__init__(browser)
        self.open()
        self.base = self.page.locator("script").first.evaluate("script => script.src").removesuffix("app.js")

    def call(self, module, body, argument):
        """Evaluates `body` with the module as `m` and the argument as `a`."""
        return self.page.evaluate(f"async ([path, a]) => {{ const m = await import(path); return {body}; }}", [f"{self.base}lib/{module}.js", argument])


@check
def a_sha256_is_that_of_the_bytes_whatever_the_pieces(browser):
    console = Modules(browser)
    body = """a.map(([length, piece]) => {
      const bytes = Uint8Array.from({ length }, (_, at) => at * 7 % 251);
      const hash = new m.Sha256();
      for (let at = 0; at < length; at += piece) hash.update(bytes.subarray(at, at + piece));
      return hash.digest();
    })"""
    cases = [[length, piece] for length in [0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 100_000] for piece in [1, 63, 64, 65, 4096]]
    expected = [hashlib.sha256(bytes(at * 7 % 251 for at in range(length))).hexdigest() for length, _ in cases]
    assert console.call("sha256", body, cases) == expected
    console.close()


@check
def a_difference_leads_from_one_text_to_the_other(browser):
    console = Modules(browser)
    draw = random.Random(1)
    pairs = [["\n".join(draw.choices("abcd", k=draw.randrange(30))) for _ in "xy"] for _ in range(300)]
    for (before, after), lines in zip(pairs, console.call("diff", "a.map(([x, y]) => m.diffLines(x, y))", pairs)):
        assert "\n".join(line["text"] for line in lines if line["mark"] != "+") == before, (before, after, lines)
        assert "\n".join(line["text"] for line in lines if line["mark"] != "-") == after, (before, after, lines)
    [lines] = console.call("diff", "a.map(([x, y]) => m.diffLines(x, y))", [["a\nb\nc\nd\ne", "a\nx\nc\ne"]])
    assert [line["mark"] for line in lines] == [" ", "-", "+", " ", "-", " "], lines
    console.close()


@check
def json_keeps_its_numbers_and_its_order(browser):
    console = Modules(browser)
    texts = ['{"b":1.50,"2":[],"1":{"x":null},"1":true}', '"\\u00e9\\n"', "[1e400,-0,12345678901234567890]", "{}", " [ ] "]
    expected = [
        '{\n  "b": 1.50,\n  "2": [],\n  "1": {\n    "x": null\n  },\n  "1": true\n}', '"é\\n"', "[\n  1e400,\n  -0,\n  12345678901234567890\n]", "{}", "[]",
    ]
    assert console.call("json", "a.map((text) => m.pretty(m.parseJson(text)))", texts) == expected
    wrong = ["", "{", "[1,]", '{"a"}', "{a:1}", "[1] 2", "nul", "01", "'x'", '{"a":1,}', "[" * 100_000]
    refused = "a.map((text) => { try { m.parseJson(text); return false; } catch (error) { return error.name; } })"
    assert console.call("json", refused, wrong) == ["SyntaxError"] * len(wrong)
    draw = random.Random(2)

    def value(depth):
        kind = draw.randrange(6 if depth else 4)
        if kind == 4:
            return [value(depth - 1) for _ in range(draw.randrange(4))]
        if kind == 5:
            return {f"k{draw.randrange(9)}": value(depth - 1) for _ in range(draw.randrange(4))}
        return [None, True, draw.randrange(-99, 99) / 4, draw.choice(["", '"', "é\u2028", "\\"])][kind]

    values = [value(4) for _ in range(200)]
    pretty = console.call("json", "a.map((text) => m.pretty(m.parseJson(text)))", [json.dumps(one) for one in values])
    assert [json.loads(text) for text in pretty] == values
    console.close()


@check
def a_link_leads_to_the_entry_that_it_was_made_for(browser):
    console = Modules(browser)
    selectors = [
        {"cache_id": "2cf24dba-5fb0-8a30-b820-00000001cedd"}, {"cache_hash": "2cf24dba5fb0a30e", "version": 2}, {"cache_hash": "2cf24dba5fb0a30e"},
        {"strategy": "key_based", "cache_key": "users/a d a/é?&#%", "file_id": "f", "version": 7}, {"strategy": "direct", "cache_key": "a//b", "file_id": "_"},
    ]
    parsed = console.call("router", "a.map((one) => m.parse(m.entryLink('ns-1_', one)))", selectors)
    assert [route["selector"] for route in parsed] == selectors, parsed
    assert {(route["view"], route["namespace"]) for route in parsed} == {("entry", "ns-1_")}
    views = console.call("router", "a.map((hash) => m.parse(hash).view)", ["", "#/", "#/:keys", "#/:server", "#/demo", "#/demo/:tree", "#/demo/:no", "#/:no", "#/demo/id", "#/demo/id/a/b", "#/%"])
    assert views == ["namespaces", "namespaces", "keys", "server", "entries", "tree", "missing", "missing", "missing", "missing", "entries"], views
    console.close()


@check
def what_a_key_permits_is_read_as_the_service_does(browser):
    console = Modules(browser)
    who = {"kind": "key", "name": "k", "grants": [{"namespaces": ["team-*", "demo"], "permissions": ["read", "write"]}]}
    cases = [("demo", "read", True), ("demo", "create", True), ("demo", "write", True), ("demo", "delete", False), ("demo2", "read", False), ("team-a", "write", True), ("team", "read", False)]
    denied = console.call("whoami", "a[1].map(([namespace, permission]) => m.denied(a[0], namespace, permission))", [who, [case[:2] for case in cases]])
    assert [why is None for why in denied] == [case[2] for case in cases], denied
    console.close()


@check
def quantiles_come_from_the_buckets(browser):
    console = Modules(browser)
    page = 'x_total{operation="a\\"b\\\\",le="+Inf"} 3\n# HELP x\nplain 1.5e3\n'
    samples = console.call("metrics", "m.parseMetrics(a)", page)
    assert samples == [{"name": "x_total", "labels": {"operation": 'a"b\\', "le": "+Inf"}, "value": 3}, {"name": "plain", "labels": {}, "value": 1500}], samples
    buckets = [[0.001, 0], [0.01, 50], [0.1, 100]]
    assert abs(console.call("metrics", "m.quantile(a, 0.5)", buckets) - 0.01) < 1e-9
    assert abs(console.call("metrics", "m.quantile(a, 0.75)", buckets) - 0.055) < 1e-9
    assert console.call("metrics", "m.quantile(a, 0.5)", []) is None
    console.close()


run()
