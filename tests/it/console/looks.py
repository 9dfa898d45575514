"""Every view in light and dark, and on a phone: without barriers that axe knows, and within the width of the window.

With SCREENSHOTS=folder the views are also written there.
"""

import io
import os
import pathlib
import zipfile

from browser import Api, Console, check, expect, run

AXE = pathlib.Path(os.environ["AXE"]) if os.environ.get("AXE") else None
SHOTS = os.environ.get("SCREENSHOTS")
FOUND = ("serious", "critical")
SIZES = {"light": (1280, 800), "dark": (1280, 800), "phone": (360, 740), "wide": (2560, 1200)}


def fill():
    """A namespace with one of everything; returns the places of the views."""
    api = Api()
    for number in range(40):
        name = ["ada", "grace", "linus", "margaret"][number % 4]
        api.store("demo", "json", {"name": name, "score": number}, key=f"users/{name}/day-{number % 7}", file_id="profile")
        api.store("demo", "string", f"line {number}\n" * number, strategy="temporal") if number else None
    for score in [1, 2, 3]:
        api.store("demo", "json", {"name": "Ada", "score": score, "languages": ["analytical engine"] * score, "born": None}, key="users/ada", file_id="profile")
    with_children = api.store("demo", "json", {"title": "Q4 report", "final": True}, key="reports/q4", file_id="report", strategy="temporal_latest")
    for name in ["analysis/sentiment/v1", "analysis/v2", "notes"]:
        api.json("POST", f"/demo/cache/{with_children}/data/store/json/{name}", {"score": 0.85})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", "<h1>hi</h1>")
        archive.writestr("docs/a.txt", "the content of a\n" * 8)
    archived = api.json("POST", "/demo/key_based/zip/store/bundles/site", packed.getvalue(), content_type="application/zip")["cache_id"]
    raw = api.store("demo", "binary", bytes(range(256)) * 4)
    for namespace in ["builds", "embeddings", "sessions-2026"]:
        api.store(namespace, "string", namespace)
    api.json("POST", "/keys", {"name": "nightly build", "note": "CI", "grants": [{"namespaces": ["builds", "team-*"], "permissions": ["read", "write"]}]})
    return {
        "namespaces": "", "entries": "demo", "tree": "demo/:tree", "entry": "demo/key/key_based/users/ada/profile",
        "versions": "demo/key/key_based/users/ada/profile?tab=versions", "children": f"demo/id/{with_children}?tab=children&child=json:analysis/v2",
        "archive": f"demo/id/{archived}?tab=archive&member=docs/a.txt", "bytes": f"demo/id/{raw}", "metadata": f"demo/id/{raw}?tab=metadata",
        "references": f"demo/id/{raw}?tab=references", "upload": "demo/:upload", "delete": "demo/:delete?prefix=users/", "statistics": "demo/:statistics",
        "settings": "demo/:settings", "server": ":server", "keys": ":keys", "missing": "demo/id/00000000-0000-0000-0000-00000000dead",
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
