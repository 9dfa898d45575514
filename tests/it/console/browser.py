"""The console in Chromium, and the API behind it to check what a click did.

A script lists its checks with @check and ends with run(). Each check has a page of its own. Whatever it does, the page may log
no error, throw none, and send no request to another origin.
"""

import json
import os
import shutil
import sys
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

from playwright.sync_api import expect, sync_playwright

URL = os.environ["MGRAPH_URL"]
HEADER, KEY = os.environ.get("MGRAPH_HEADER", "x-api-key"), os.environ["MGRAPH_KEY"]
CHECKS = []

expect.set_options(timeout=15_000)


def check(function):
    CHECKS.append(function)
    return function


class Api:
    """Calls of the service without the console."""

    def __init__(self, key=KEY):
        self.key = key

    def send(self, method, path, body=None, content_type="application/json", headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(URL + path, data=data, method=method, headers={HEADER: self.key, **(headers or {})})
        if data is not None:
            request.add_header("content-type", content_type)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def json(self, method, path, body=None, **more):
        status, answer = self.send(method, path, body, **more)
        assert status < 300, (method, path, status, answer)
        return json.loads(answer)

    def store(self, namespace, kind, body, key=None, file_id="file", strategy="key_based"):
        """Stores a content, and returns its id."""
        types = {"json": "application/json", "string": "text/plain", "binary": "application/octet-stream"}
        place = f"/{urllib.parse.quote(key)}?file_id={file_id}" if key else ""
        path = f"/{namespace}/{strategy}/store/{kind}{place}"
        return self.json("POST", path, body, content_type=types[kind])["cache_id"]

    def exists(self, namespace, cache_id):
        return self.json("GET", f"/{namespace}/exists/id/{cache_id}")["exists"]

    def ids(self, namespace):
        return self.json("GET", f"/{namespace}/file-ids")


class Console:
    """A page of the console."""

    def __init__(self, browser, key=KEY, scheme="light", width=1280, height=900):
        self.api = Api()
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True)
        if key:
            kept = json.dumps({"header": HEADER, "key": key})
            self.context.add_init_script(f"sessionStorage.setItem('mgraph-cache-key', {json.dumps(kept)})")
        self.page = self.context.new_page()
        self.errors = []
        self.foreign = []
        self.expected = ()
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.context.on("request", self._note)

    def _note(self, request):
        if not request.url.startswith((URL + "/", "blob:", "data:")):
            self.foreign.append(request.url)

    def open(self, place=""):
        """Shows a view; `place` is what stands behind `#/`."""
        self.page.goto(f"{URL}/console/#/{place}")
        expect(self.page.locator("main")).to_be_visible()

    def at(self, place):
        """Waits until the URL leads to a place, which may also be its end."""
        wait_for(lambda: self.page.url.endswith(place), f"a URL that ends with {place}", page=self.page)

    def expect_errors(self, *parts):
        """What the browser logs of its own because the check provokes it, such as a 401."""
        self.expected += parts

    def close(self):
        errors = [error for error in self.errors if not any(part in error for part in self.expected)]
        self.context.close()
        assert not errors, errors
        assert not self.foreign, self.foreign


def wait_for(condition, what, seconds=15, page=None):
    """What the API says once a click has arrived."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        # Without a pause in Playwright it learns of no event.
        page.wait_for_timeout(50) if page else time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what}{f', but {page.url}' if page else ''}")


def start(playwright):
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    # The sandbox needs another user than root.
    return playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


def run():
    """Runs the checks of the script, or those that the arguments name."""
    wanted = sys.argv[1:]
    failed = 0
    with sync_playwright() as playwright:
        browser = start(playwright)
        for function in CHECKS:
            if wanted and function.__name__ not in wanted:
                continue
            try:
                function(browser)
            except Exception:
                failed += 1
                print(f"{function.__name__} fails:\n{traceback.format_exc()}")
        browser.close()
    sys.exit(bool(failed))
