"""Hostile content is shown as text: nothing that is stored runs, wherever it is shown.

What runs would set `window.ran`, or ask for /ran.
"""

import io
import json
import urllib.parse
import zipfile

from browser import URL, Api, Console, check, expect, run

SCRIPT = "<img src=x onerror=\"window.ran=1;fetch('/ran')\"><script>window.ran=1</script>"
SVG = "<svg xmlns='http://www.w3.org/2000/svg' onload='window.ran=1'><script>window.ran=1</script><image href='/ran'/><text>svg</text></svg>"
PAGE = f"<!doctype html><html><body><h1>hostile</h1>{SCRIPT}<a href='javascript:window.ran=1'>a</a><iframe src='/ran'></iframe><form action='/ran'></form></body></html>"


class Watched(Console):
    """A page in which nothing stored may run."""

    def __init__(self, browser, **more):
        super().__init__(browser, **more)
        self.asked = []
        self.context.on("request", lambda request: request.url.endswith("/ran") and self.asked.append(request.url))

    def show(self, place):
        """Opens a view anew, and waits until it has all that it asks for: what is not shown yet cannot run."""
        self.page.goto(f"{URL}/info/ready")
        self.open(place)
        self.page.wait_for_load_state("networkidle")
        expect(self.page.locator(".loading, .boot")).to_have_count(0)

    def nothing_ran(self):
        self.page.wait_for_timeout(200)
        assert self.page.evaluate("window.ran") is None
        assert not self.asked, self.asked
        assert self.page.locator("main script, main [onerror], main [onload]").count() == 0


@check
def a_page_is_shown_in_a_sandbox_without_permissions(browser):
    cache_id = Api().store("hostile-page", "string", PAGE)
    console = Watched(browser)
    # The sandbox says in the log what it refuses.
    console.expect_errors("Blocked script execution", "Content Security Policy", "violates the following", "Refused to", "sandboxed")
    console.open(f"hostile-page/id/{cache_id}")
    expect(console.page.get_by_role("region", name="Content").locator("pre")).to_have_text(PAGE)
    console.page.get_by_role("button", name="Page").click()
    frame = console.page.locator("iframe")
    assert frame.get_attribute("sandbox") == ""
    expect(console.page.frame_locator("iframe").get_by_role("heading", name="hostile")).to_be_visible()
    console.nothing_ran()
    for inner in console.page.frames[1:]:
        assert inner.url.startswith("blob:") or inner.url in ("about:blank", "", "chrome-error://chromewebdata/"), inner.url
    console.close()


@check
def an_svg_is_an_image_without_scripts(browser):
    cache_id = Api().store("hostile-svg", "binary", SVG.encode())
    console = Watched(browser)
    console.open(f"hostile-svg/id/{cache_id}")
    expect(console.page.get_by_role("img", name="The stored image")).to_be_visible()
    console.nothing_ran()
    console.page.get_by_role("button", name="Text").click()
    expect(console.page.get_by_role("region", name="Content").locator("pre")).to_have_text(SVG)
    console.nothing_ran()
    console.close()


@check
def json_is_text_in_names_and_values(browser):
    cache_id = Api().store("hostile-json", "json", json.dumps({SCRIPT: SCRIPT, "__proto__": {"polluted": SCRIPT}, "constructor": [SCRIPT]}))
    console = Watched(browser)
    console.open(f"hostile-json/id/{cache_id}")
    tree = console.page.get_by_label("JSON", exact=True)
    expect(tree).to_contain_text(SCRIPT)
    expect(tree).to_contain_text("polluted")
    assert console.page.evaluate("({}).polluted") is None
    for form in ["Text", "Bytes"]:
        console.page.get_by_role("button", name=form).click()
        console.nothing_ran()
    console.close()


@check
def member_names_and_contents_of_archives_are_text(browser):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in [f"{SCRIPT.replace('/', '')}.txt", "a.html"]:
            archive.writestr(name, PAGE)
    api = Api()
    made = api.json("POST", "/hostile-zip/direct/zip/store/a/b", packed.getvalue(), content_type="application/zip")
    console = Watched(browser)
    console.expect_errors("Blocked script execution", "Content Security Policy", "violates the following", "Refused to")
    console.open(f"hostile-zip/id/{made['cache_id']}?tab=archive")
    members = console.page.get_by_role("region", name="Members")
    expect(members).to_contain_text("onerror=")
    console.nothing_ran()
    members.get_by_role("button").first.click()
    console.nothing_ran()
    members.get_by_role("button", name="a.html").click()
    expect(console.page.get_by_role("region", name="Content")).to_contain_text("hostile")
    console.nothing_ran()
    console.close()


@check
def names_in_urls_and_lists_are_text(browser):
    api = Api()
    cache_id = api.store("hostile-names", "string", SCRIPT, key=SCRIPT.replace("/", "-"))
    base = f"/hostile-names/cache/{cache_id}/data/store/string"
    api.json("POST", f"{base}/{urllib.parse.quote(SCRIPT, safe='')}", PAGE, content_type="text/plain")
    console = Watched(browser)

    def name(route):
        """The service replaces such characters in names; another one may not."""
        answer = route.fetch()
        found = answer.json()
        for result in found["results"]:
            result["metadata"].update(cache_key=SCRIPT, file_id=SCRIPT)
        route.fulfill(response=answer, json=found)

    console.page.route("**/exists/batch", name)
    console.expect_errors("status of 4")
    quoted = urllib.parse.quote(SCRIPT, safe="")
    for place in [
        "hostile-names", "hostile-names/:tree", f"hostile-names/id/{cache_id}?tab=children", f"hostile-names/id/{cache_id}?tab=versions",
        f"hostile-names/id/{cache_id}?tab=metadata", f"hostile-names/id/{cache_id}?tab=references", "hostile-names/:statistics",
        f"hostile-names/id/{cache_id}?tab={quoted}&form={quoted}&member={quoted}&child={quoted}",
    ]:
        console.show(place)
        expect(console.page.locator("main")).to_contain_text("onerror=")
        console.nothing_ran()
    console.page.unroute("**/exists/batch")
    for place in [f"hostile-names?prefix={quoted}&strategy={quoted}&sort={quoted}&from={quoted}", f"{quoted}", f"{quoted}/:tree", f"hostile-names/id/{quoted}", f"hostile-names/key/{quoted}/{quoted}/{quoted}?v={quoted}", f":{quoted}"]:
        console.show(place)
        console.nothing_ran()
    console.close()


@check
def differences_and_errors_are_text(browser):
    api = Api()
    for text in [SCRIPT, SCRIPT + "\n" + SVG]:
        api.store("hostile-diff", "string", text, key="k", file_id="f")
    console = Watched(browser)
    console.open("hostile-diff/key/key_based/k/f?tab=versions")
    expect(console.page.get_by_role("region", name="Changed lines")).to_contain_text(SVG)
    console.nothing_ran()
    console.page.get_by_label("Search").fill(SCRIPT)
    console.page.keyboard.press("Enter")
    console.page.wait_for_load_state("networkidle")
    console.nothing_ran()
    console.page.route("**/namespaces/list", lambda route: route.fulfill(status=500, json={"message": SCRIPT}))
    console.expect_errors("status of 500", "status of 4")
    console.open()
    expect(console.page.get_by_role("alert")).to_contain_text(SCRIPT)
    console.nothing_ran()
    console.page.route("**/auth/whoami", lambda route: route.fulfill(json={"kind": "key", "name": SCRIPT, "grants": [{"namespaces": [SCRIPT], "permissions": ["read"]}]}))
    console.page.route("**/keys?*", lambda route: route.fulfill(json={"keys": [{"id": "0", "name": SCRIPT, "note": SCRIPT, "status": SCRIPT, "grants": [{"namespaces": [SCRIPT], "permissions": [SCRIPT]}]}], "next_cursor": None}))
    console.open(":keys")
    console.page.reload()
    expect(console.page.get_by_role("region", name="Keys")).to_contain_text("onerror=")
    console.nothing_ran()
    console.close()


run()
