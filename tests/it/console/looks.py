"""Every view in light and dark, and on a phone: without barriers that axe knows, and within the width of the window.

With SCREENSHOTS=folder the views are also written there.
"""

import io
import os
import pathlib
import struct
import zipfile
import zlib

from browser import Api, Console, check, expect, run

AXE = pathlib.Path(os.environ["AXE"]) if os.environ.get("AXE") else None
SHOTS = os.environ.get("SCREENSHOTS")
FOUND = ("serious", "critical")
SIZES = {"light": (1280, 800), "dark": (1280, 800), "phone": (360, 740), "wide": (2560, 1200)}


LONG_KEY = "projects/atlas/experiments/2026-11-24/tokenizer-ablation-07/checkpoints/step-00120000/evaluation/metrics"
TEXT = """# Release notes

The cache answers reads of small contents in one request now.
Settings of a namespace are kept for a minute: a change is seen everywhere after two.

  - stores of known content are free
  - deletes act on what they have read, and on nothing else
"""
PROFILE = {
    "name": "Ada Lovelace", "email": "ada@example.org", "born": 1815, "languages": ["analytical engine", "français"],
    "address": {"street": "St James's Square", "city": "London", "country": None}, "active": True, "score": 0.9731,
}


def picture(side=96):
    """A PNG with a gradient."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(value for x in range(side) for value in (x * 255 // side, y * 255 // side, 160)) for y in range(side))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def fill():
    """A namespace with one of everything; returns the places of the views."""
    api = Api()
    for number in range(40):
        name = ["ada", "grace", "linus", "margaret"][number % 4]
        api.store("demo", "json", {**PROFILE, "name": name, "score": number}, key=f"users/{name}/day-{number % 7}", file_id="profile")
        api.store("demo", "string", f"{number:04} GET /users/{name} 200 {number * 7 % 90} ms\n" * number, strategy="temporal") if number else None
    for version in range(1, 4):
        profile = {**PROFILE, "score": round(PROFILE["score"] + version / 100, 4), "languages": PROFILE["languages"] + ["tabulation"] * (version // 2)}
        api.store("demo", "json", profile, key="users/ada", file_id="profile")
    with_children = api.store("demo", "json", {"title": "Q4 report", "final": True, "figures": {"revenue": 12345678901, "margin": 0.31}}, key="reports/q4", file_id="report", strategy="temporal_latest")
    for name in ["analysis/sentiment/v1", "analysis/v2", "notes"]:
        api.json("POST", f"/demo/cache/{with_children}/data/store/json/{name}", {"score": 0.85})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", "<h1>hi</h1>")
        archive.writestr("docs/a.txt", TEXT)
        archive.writestr("docs/images/logo.png", picture())
    archived = api.json("POST", "/demo/key_based/zip/store/bundles/site", packed.getvalue(), content_type="application/zip")["cache_id"]
    raw = api.store("demo", "binary", bytes(range(256)) * 4)
    ids = {
        "long": api.store("demo", "json", {"loss": 1.8437, "step": 120000}, key=LONG_KEY, file_id="tokenizer-ablation-07-metrics"),
        "text": api.store("demo", "string", TEXT, key="notes/release"),
        "image": api.store("demo", "binary", picture(), key="images/gradient.png"),
        "page": api.store("demo", "string", f"<!doctype html><title>Notes</title><body style='font-family: serif'><h1>Release notes</h1><p>{TEXT}</p>", key="notes/page.html"),
        "large": api.store("demo", "binary", bytes(range(256)) * 12_000, key="films/large.bin"),
    }
    for namespace in ["builds", "embeddings", "sessions-2026", "a-namespace-with-such-a-long-name-as-teams-like-to-give-them"]:
        api.store(namespace, "string", namespace)
    for cache_id in [*ids.values(), archived, raw, with_children] * 2 + ["00000000-0000-0000-0000-00000000dead"]:
        api.send("GET", f"/demo/retrieve/{cache_id}")
    api.json("PUT", "/builds/settings", {"ttl_hours": 168, "on_expiry": "delete"})
    api.json("POST", "/keys", {"name": "nightly build", "note": "CI of the main branch", "grants": [{"namespaces": ["builds", "team-*"], "permissions": ["read", "write"]}], "limits": {"requests_per_second": 50}})
    api.json("POST", "/keys", {"name": "pull requests", "grants": [{"namespaces": ["pr-*"], "permissions": ["read", "create"]}, {"namespaces": ["builds"], "permissions": ["read"]}], "expires_at": 4102444800000})
    disabled = api.json("POST", "/keys", {"name": "old laptop", "grants": [{"namespaces": ["*"], "permissions": ["read", "write", "delete", "manage"]}]})
    api.json("PATCH", f"/keys/{disabled['id']}", {"disabled": True})
    entry = "demo/key/key_based/users/ada/profile"
    return {
        "namespaces": "", "namespaces-none": "?filter=nothing", "entries": "demo", "entries-none": "demo?prefix=nothing/", "entries-empty": "not-there-yet", "tree": "demo/:tree",
        "entry": entry, "versions": f"{entry}?tab=versions", "children": f"demo/id/{with_children}?tab=children&child=json:analysis/v2", "children-none": f"{entry}?tab=children",
        "archive": f"demo/id/{archived}?tab=archive&member=docs/a.txt", "bytes": f"demo/id/{raw}", "metadata": f"demo/id/{ids['long']}?tab=metadata", "references": f"demo/id/{raw}?tab=references",
        **{name: f"demo/id/{cache_id}" for name, cache_id in ids.items()},
        "upload": "demo/:upload", "delete": "demo/:delete?prefix=users/", "statistics": "demo/:statistics", "settings": "demo/:settings", "server": ":server", "keys": ":keys",
        "missing": "demo/id/00000000-0000-0000-0000-00000000dead", "nowhere": "demo/no/such/view",
    }


PLACES = {}


def look(browser, size):
    scheme = "dark" if size == "dark" else "light"
    width, height = SIZES[size]
    console = Console(browser, scheme=scheme, width=width, height=height)
    page = console.page
    barriers = []
    if not PLACES:
        PLACES.update(fill())
    for name, place in PLACES.items():
        console.open(place)
        page.wait_for_load_state("networkidle")
        expect(page.locator(".loading")).to_have_count(0)
        if name == "delete":
            page.get_by_role("button", name="Dry run").click()
            expect(page.get_by_role("button", name="Delete 43 entries")).to_be_visible()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}-{size}.png")
        room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        if room[0] > room[1]:
            barriers.append(f"{name}: the page is {room[0]} wide, the window {room[1]}")
        if AXE:
            barriers += [f"{name}: {found}" for found in axe(page)]
    for name, keys in [("dialog-help", "?"), ("dialog-key", None)]:
        console.open(":keys" if keys is None else "demo")
        page.keyboard.press(keys) if keys else page.get_by_role("button", name="New key").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}-{size}.png")
        if AXE:
            barriers += [f"{name}: {found}" for found in axe(page)]
        page.keyboard.press("Escape")
    assert not barriers, "\n".join(barriers)
    console.expect_errors("status of 404")
    console.close()


def axe(page):
    # The policy of the page has no place for a script tag of ours; an evaluated text needs none.
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run({ resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })")
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes']][:3]}"
        for violation in result["violations"] if violation["impact"] in FOUND
    ]


@check
def views_have_no_barriers_in_light(browser):
    look(browser, "light")


@check
def views_have_no_barriers_in_dark(browser):
    look(browser, "dark")


@check
def views_fit_a_phone(browser):
    look(browser, "phone")


@check
def views_fit_a_wide_window(browser):
    look(browser, "wide")


run()
