"""A namespace of many entries is shown within a second, with few elements in the document."""

import concurrent.futures
import os
import time

from browser import Api, Console, check, expect, run

ENTRIES = int(os.environ.get("ENTRIES", "100000"))
FIRST_VIEW_SECONDS = 1.0
MAX_ELEMENTS = 1500


def fill(namespace):
    """Stores the entries over a few connections that stay open."""
    import http.client
    import urllib.parse

    from browser import HEADER, KEY, URL

    def part(worker, workers):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(URL).netloc)
        for number in range(worker, ENTRIES, workers):
            target = f"/{namespace}/direct/store/string"
            connection.request("POST", target, f"{number}", {HEADER: KEY, "content-type": "text/plain"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda worker: part(worker, 4), range(4)))


@check
def the_first_view_of_many_entries_comes_within_a_second(browser):
    fill("many")
    # The first list of a namespace makes its catalog, whoever asks for it.
    Api().json("GET", "/many/file-ids?limit=1")
    console = Console(browser)
    page = console.page
    console.open()
    page.wait_for_load_state("networkidle")
    begun = time.monotonic()
    page.evaluate("location.hash = '#/many'")
    expect(page.locator(".vbody [role=row]").first).to_be_visible()
    took = time.monotonic() - begun
    print(f"first view of {ENTRIES} entries: {took:.2f} s")
    assert took < FIRST_VIEW_SECONDS, took
    for _ in range(20):
        page.locator(".vbody").evaluate("body => body.scrollTo(0, body.scrollHeight)")
        page.wait_for_load_state("networkidle")
    shown = page.evaluate("document.querySelectorAll('*').length")
    assert shown < MAX_ELEMENTS, shown
    expect(page.locator(".vtable")).not_to_have_attribute("aria-rowcount", "201")
    console.close()


run()
