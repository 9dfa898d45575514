"""Each view shows what the API says, under a URL of its own."""

import io
import zipfile

from browser import URL, Api, Console, check, expect, run, wait_for

HASH = "2cf24dba5fb0a30e"
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@check
def namespaces_are_listed_with_their_counts(browser):
    api = Api()
    for number in range(3):
        api.store("views-counted", "string", f"text {number}")
    console = Console(browser)
    console.open()
    row = console.page.locator("tr", has=console.page.get_by_role("link", name="views-counted", exact=True))
    expect(row.locator("td.number").first).to_have_text("3")
    expect(row).to_contain_text("1 day")
    console.page.get_by_label("Filter namespaces").fill("no such")
    expect(console.page.get_by_text("No namespace has such a name.")).to_be_visible()
    console.page.get_by_label("Filter namespaces").fill("VIEWS-C")
    row.get_by_role("link", name="views-counted", exact=True).click()
    console.at("views-counted")
    console.page.go_back()
    expect(console.page.get_by_label("Filter namespaces")).to_have_value("VIEWS-C")
    console.close()


@check
def the_hit_rate_of_each_namespace_is_that_of_its_reads(browser):
    api = Api()
    api.store("views-read", "string", "hello")
    api.store("views-unread", "string", "hello")
    for _ in range(3):
        api.send("GET", f"/views-read/retrieve/hash/{HASH}")
    api.send("GET", "/views-read/retrieve/hash/0123456789abcdef")
    console = Console(browser)
    console.open()
    rows = console.page.get_by_role("row")
    rate = rows.filter(has=console.page.get_by_role("link", name="views-read", exact=True)).get_by_title("3 hits and 1 miss since this process started")
    expect(rate).to_have_text("75.0 %")
    unread = rows.filter(has=console.page.get_by_role("link", name="views-unread", exact=True)).get_by_title("Nothing was read since")
    expect(unread).to_have_text("–")
    console.close()


@check
def a_function_has_no_hit_rates_and_says_where_they_are(browser):
    Api().store("views-lambda", "string", "hello")
    console = Console(browser)
    asked = []
    console.page.on("request", lambda request: asked.append(request.url.removeprefix(URL)))
    console.page.route("**/info/status", lambda route: route.fulfill(json={"environment": "aws-lambda"}))
    console.open()
    row = console.page.get_by_role("row").filter(has=console.page.get_by_role("link", name="views-lambda", exact=True))
    expect(row.get_by_title("In AWS Lambda, hits and misses are in CloudWatch")).to_have_text("–")
    assert "/info/status" in asked and "/metrics" not in asked, asked
    console.close()


@check
def entries_are_filtered_and_sorted_by_the_url(browser):
    api = Api()
    api.store("views-entries", "json", {"n": 1}, key="a/one")
    api.store("views-entries", "string", "longer than the others, by far", key="a/two")
    api.store("views-entries", "binary", b"\x00\x01", key="b/three", strategy="temporal_latest")
    console = Console(browser)
    rows = console.page.locator(".vbody [role=row]")
    console.open("views-entries?sort=-size")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("a/two")
    console.page.get_by_label("Strategy").select_option("temporal_latest")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("b/three")
    console.at("views-entries?sort=-size&strategy=temporal_latest")
    console.page.reload()
    expect(rows).to_have_count(1)
    console.page.get_by_role("button", name="Clear").click()
    console.page.get_by_label("Kind").select_option("json")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("a/one")
    console.open("views-entries?prefix=a/&from=2001-01-01T00:00&to=2001-01-02T00:00")
    expect(console.page.get_by_text("No entry passes the filter.")).to_be_visible()
    console.open("views-entries?prefix=b/")
    expect(rows).to_have_count(1)
    console.close()


@check
def the_tree_shows_keys_as_folders(browser):
    api = Api()
    for key in ["users/ada/day", "users/grace/day", "zzz"]:
        api.store("views-tree", "string", key, key=key)
    console = Console(browser)
    console.open("views-tree/:tree")
    tree = console.page.get_by_role("region", name="Keys")
    expect(tree).to_contain_text("3 entries under keys")
    tree.get_by_role("button", name="ada/").click()
    tree.get_by_role("button", name="day/").click()
    tree.get_by_role("link", name="file", exact=True).first.click()
    expect(console.page.get_by_role("region", name="Content")).to_contain_text("users/ada/day")
    console.open("views-tree/:tree")
    tree.get_by_role("link", name="List users/ada/").click()
    expect(console.page.locator(".vbody [role=row]")).to_have_count(1)
    console.close()


@check
def the_search_box_understands_every_name(browser):
    api = Api()
    cache_id = api.store("views-search", "string", "hello", key="users/ada", file_id="profile")
    cases = [
        (cache_id, f"id/{cache_id}"),
        (HASH, f"hash/{HASH}"),
        (SHA256, f"hash/{HASH}"),
        ("users/ada/profile", "key/key_based/users/ada/profile"),
        (f"views-search:{cache_id}", f"id/{cache_id}"),
        (f"views-search:#{HASH}@1", f"hash/{HASH}?v=1"),
        ("views-search:key@key_based/users/ada/profile@1", "key/key_based/users/ada/profile?v=1"),
    ]
    console = Console(browser)
    for text, place in cases:
        console.open("views-search")
        console.page.keyboard.press("/")
        console.page.keyboard.type(text)
        console.page.keyboard.press("Enter")
        console.at(f"views-search/{place}")
        expect(console.page.get_by_role("region", name="Content")).to_contain_text("hello")
    console.open("views-search")
    console.page.get_by_label("Search").fill("users/a")
    console.page.keyboard.press("Enter")
    console.at("views-search?prefix=users%2Fa")
    console.page.get_by_label("Search").fill("00000000-0000-0000-0000-00000000dead")
    console.page.keyboard.press("Enter")
    expect(console.page.get_by_text("Nothing found.")).to_be_visible()
    console.close()


@check
def contents_are_shown_as_what_they_are(browser):
    api = Api()
    pixel = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082")
    console = Console(browser)
    content = console.page.get_by_role("region", name="Content")
    # Stored as it is written: neither the order of members nor a number is changed.
    json_id = api.store("views-content", "json", '{"b": 1.50, "2": [true, null], "1": "x", "big": 12345678901234567890}')
    console.open(f"views-content/id/{json_id}")
    expect(content).to_contain_text("big: 12345678901234567890")
    assert content.inner_text().index("b: 1.50") < content.inner_text().index('1: "x"')
    content.get_by_role("button", name="Text").click()
    console.at("?form=text")
    expect(content.locator("pre")).to_contain_text('"b": 1.50')
    image_id = api.store("views-content", "binary", pixel)
    console.open(f"views-content/id/{image_id}")
    expect(content.locator("img")).to_have_js_property("naturalWidth", 1)
    content.get_by_role("button", name="Bytes").click()
    expect(content.get_by_label("Bytes", exact=True)).to_contain_text("00000000  89 50 4e 47")
    text_id = api.store("views-content", "string", "plain\ntext")
    console.open(f"views-content/id/{text_id}")
    expect(content.locator("pre")).to_have_text("plain\ntext")
    large_id = api.store("views-content", "string", "é" * 1_500_000)
    console.open(f"views-content/id/{large_id}")
    expect(content).to_contain_text("The first 2.0 MiB of 2.9 MiB")
    with console.page.expect_download() as download:
        console.page.get_by_role("button", name="Download").click()
    assert download.value.path().read_text() == "é" * 1_500_000
    console.close()


@check
def versions_are_compared(browser):
    api = Api()
    for score in [1, 2, 3]:
        api.store("views-versions", "json", {"name": "Ada", "score": score}, key="ada", file_id="profile")
    console = Console(browser)
    console.open("views-versions/key/key_based/ada/profile?tab=versions")
    changed = console.page.get_by_role("region", name="Changed lines")
    expect(changed.locator(".del")).to_contain_text('"score": 2')
    expect(changed.locator(".add")).to_contain_text('"score": 3')
    console.page.get_by_label("Compare from version 1").check()
    expect(changed.locator(".del")).to_contain_text('"score": 1')
    console.page.get_by_role("link", name="Version 2").click()
    console.at("views-versions/key/key_based/ada/profile?v=2")
    expect(console.page.get_by_role("region", name="Content")).to_contain_text("score: 2")
    console.close()


@check
def metadata_references_and_the_manifest_are_shown(browser):
    cache_id = Api().store("views-metadata", "string", "hello", key="k", file_id="f")
    console = Console(browser)
    console.open(f"views-metadata/id/{cache_id}?tab=metadata")
    expect(console.page.locator("main")).to_contain_text(SHA256)
    console.page.get_by_role("link", name="References").click()
    console.page.get_by_role("button", name="Show the manifest").click()
    expect(console.page.get_by_role("region", name="Content")).to_contain_text("hello")
    console.close()


@check
def statistics_show_sums_and_the_server_its_requests(browser):
    api = Api()
    for number in range(5):
        api.store("views-statistics", "binary", bytes(1024), strategy="temporal")
    console = Console(browser)
    console.open("views-statistics/:statistics")
    expect(console.page.get_by_role("region", name="Bytes", exact=True).locator(".big")).to_have_text("5.0 KiB")
    expect(console.page.get_by_role("img", name="Entries by strategy").first).to_have_attribute("aria-label", "Entries by strategy: direct 0, temporal 5, temporal latest 0, temporal versioned 0, key based 0")
    console.page.get_by_role("link", name="Namespaces").first.click()
    row = console.page.locator("tr", has=console.page.get_by_role("link", name="views-statistics", exact=True))
    # They share one content by their hash.
    expect(row).to_contain_text("1.0 KiB")
    console.open(":server")
    expect(console.page.get_by_role("rowheader", name="post_namespace_strategy_store_binary", exact=True)).to_be_visible()
    api.send("GET", "/views-statistics/retrieve/hash/0123456789abcdef/string")
    expect(console.page.get_by_role("region", name="Reads")).to_contain_text("misses")
    console.close()


@check
def keys_of_the_keyboard_move_through_the_console(browser):
    api = Api()
    ids = {api.store("views-keyboard", "string", f"{number}") for number in range(3)}
    console = Console(browser)
    page = console.page
    console.open("views-keyboard")
    expect(page.locator(".vbody [role=row]")).to_have_count(3)
    for key, row in [("j", "2"), ("j", "3"), ("ArrowDown", "4"), ("k", "3"), ("ArrowUp", "2"), ("ArrowDown", "3")]:
        page.keyboard.press(key)
        expect(page.locator(".row.selected")).to_have_attribute("aria-rowindex", row)
    page.keyboard.press("Enter")
    wait_for(lambda: "/id/" in page.url, "an entry", page=page)
    assert page.url.rsplit("/", 1)[1] in ids
    expect(page.get_by_role("region", name="Content")).to_be_visible()
    page.keyboard.press("2")
    console.at("tab=versions")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("u")
    console.at("views-keyboard/:upload")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("g")
    console.at("#/")
    console.open("views-keyboard/no/such/view")
    expect(page.get_by_text("This URL names no view.")).to_be_visible()
    console.close()


@check
def a_zip_archive_is_read(browser):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("docs/a.txt", "content of a")
        archive.writestr("b.json", '{"b": 1}')
    made = Api().json("POST", "/views-zip/key_based/zip/store/bundles/site", packed.getvalue(), content_type="application/zip")
    console = Console(browser)
    console.open(f"views-zip/id/{made['cache_id']}?tab=archive")
    console.page.get_by_role("button", name="a.txt").click()
    expect(console.page.get_by_role("region", name="Content")).to_contain_text("content of a")
    console.at("member=docs%2Fa.txt")
    bytes_id = Api().store("views-zip", "binary", b"\x00no archive")
    console.open(f"views-zip/id/{bytes_id}?tab=archive")
    expect(console.page.get_by_text("This content is no ZIP archive.")).to_be_visible()
    console.expect_errors("status of 4")
    console.close()


run()
