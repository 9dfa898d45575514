"""Each action of the console does what it says: the API is asked after the click."""

import io
import pathlib
import tempfile
import zipfile

from browser import URL, Api, Console, check, expect, run, wait_for


@check
def an_entry_is_deleted_once_confirmed(browser):
    api = Api()
    cache_id = api.store("actions-delete", "string", "to be deleted")
    console = Console(browser)
    console.open(f"actions-delete/id/{cache_id}")
    page = console.page
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert api.exists("actions-delete", cache_id)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    console.at("#/actions-delete")
    assert not api.exists("actions-delete", cache_id)
    console.open(f"actions-delete/id/{cache_id}")
    expect(page.get_by_text("There is no such entry in actions-delete.")).to_be_visible()
    console.close()


@check
def many_entries_are_deleted_by_prefix_after_a_dry_run(browser):
    api = Api()
    for number in range(30):
        api.store("actions-bulk", "string", f"{number}", key=f"old/{number}")
    kept = api.store("actions-bulk", "string", "kept", key="new/one")
    console = Console(browser)
    page = console.page
    console.open("actions-bulk/:delete?prefix=old/")
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("30 entries of 31 looked at would be deleted.")).to_be_visible()
    assert len(api.ids("actions-bulk")) == 31
    page.get_by_role("button", name="Delete 30 entries").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete 30")).to_be_disabled()
    dialog.get_by_label("Type 30 to confirm").fill("30")
    dialog.get_by_role("button", name="Delete 30").click()
    expect(page.get_by_role("region", name="Deleting")).to_contain_text("30 of 30 entries deleted")
    wait_for(lambda: api.ids("actions-bulk") == [kept], "one entry is left")
    console.close()


@check
def a_rollback_makes_a_new_version(browser):
    api = Api()
    for text in ["one", "two"]:
        api.store("actions-rollback", "string", text, key="k", file_id="f")
    console = Console(browser)
    page = console.page
    console.open("actions-rollback/key/key_based/k/f?tab=versions")
    page.get_by_role("button", name="Roll back to version 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_role("link", name="Version 3")).to_be_visible()
    assert api.send("GET", "/actions-rollback/retrieve/key/key_based/k/f?as=string")[1] == b"one"
    console.close()


@check
def child_data_are_added_read_and_deleted(browser):
    api = Api()
    cache_id = api.store("actions-children", "json", {"a": 1})
    base = f"/actions-children/cache/{cache_id}/data"
    console = Console(browser)
    page = console.page
    console.open(f"actions-children/id/{cache_id}?tab=children")
    for name in ["reports/one", "reports/two", "top"]:
        page.get_by_role("button", name="Add", exact=True).first.click()
        form = page.get_by_role("form", name="Add child data")
        form.get_by_label("Path").fill(name)
        form.get_by_label("Or text").fill(f"content of {name}")
        form.get_by_role("button", name="Add").click()
        expect(form).to_have_count(0)
    assert api.send("GET", f"{base}/string/reports/two")[1] == b"content of reports/two"
    tree = page.get_by_role("region", name="Child data")
    tree.get_by_role("button", name="two").click()
    expect(page.get_by_role("region", name="Content")).to_contain_text("content of reports/two")
    page.get_by_role("region", name="Child", exact=True).get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(tree.get_by_role("button", name="two")).to_have_count(0)
    assert api.json("GET", f"{base}/list")["file_count"] == 2
    tree.get_by_role("button", name="Delete all in reports/").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    wait_for(lambda: api.json("GET", f"{base}/list")["file_count"] == 1, "one is left", page=page)
    page.get_by_role("button", name="Delete all", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("This entry has no child data.")).to_be_visible()
    assert api.json("GET", f"{base}/list")["file_count"] == 0
    console.close()


@check
def members_of_an_archive_are_added_renamed_and_deleted(browser):
    api = Api()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "A")
    made = api.json("POST", "/actions-zip/direct/zip/store/bundles/site", packed.getvalue(), content_type="application/zip")
    console = Console(browser)
    page = console.page

    def members():
        cache_id = page.url.split("/id/")[1].split("?")[0]
        return sorted(api.json("GET", f"/actions-zip/zip/{cache_id}/files/list")["file_list"])

    console.open(f"actions-zip/id/{made['cache_id']}?tab=archive")
    page.get_by_role("button", name="Add", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name in the archive").fill("docs/b.txt")
    dialog.get_by_label("Or text").fill("content of b")
    dialog.get_by_role("button", name="Add").click()
    expect(page.get_by_role("region", name="Content")).to_contain_text("content of b")
    assert members() == ["a.txt", "docs/b.txt"]
    page.get_by_role("button", name="Rename").click()
    dialog.get_by_label("Name in the archive").fill("docs/c.txt")
    dialog.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("region", name="Members").get_by_role("button", name="c.txt")).to_be_visible()
    assert members() == ["a.txt", "docs/c.txt"]
    page.get_by_role("region", name="Members").get_by_role("button", name="a.txt").click()
    page.get_by_role("region", name="Member", exact=True).get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("region", name="Members").get_by_role("button", name="a.txt")).to_have_count(0)
    assert members() == ["docs/c.txt"]
    page.get_by_role("button", name="Add", exact=True).click()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "bytes.bin")
        file.write_bytes(b"\x00\x01")
        dialog.get_by_label("File").set_input_files(file)
        dialog.get_by_role("button", name="Add").click()
        expect(page.get_by_role("region", name="Members").get_by_role("button", name="bytes.bin")).to_be_visible()
    assert members() == ["bytes.bin", "docs/c.txt"]
    assert api.exists("actions-zip", made["cache_id"])
    console.close()


@check
def files_and_folders_are_uploaded(browser):
    api = Api()
    console = Console(browser)
    page = console.page
    console.open("actions-upload/:upload?prefix=site")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name, "public")
        (folder / "img").mkdir(parents=True)
        (folder / "index.html").write_text("<h1>hi</h1>")
        (folder / "data.json").write_text('{"a": 1.50}')
        (folder / "img" / "dot.bin").write_bytes(b"\x89\x00")
        page.locator("input[aria-label=Folder]").set_input_files(folder)
        expect(page.get_by_text("3 of 3 files stored")).to_be_visible()
    read = lambda key, form: api.send("GET", f"/actions-upload/retrieve/key/key_based/site/public/{key}/file?as={form}")[1]
    assert read("index.html", "string") == b"<h1>hi</h1>"
    assert read("data.json", "json") == b'{"a":1.50}'
    assert read("img/dot.bin", "binary") == b"\x89\x00"
    page.get_by_role("button", name="Clear the list").click()
    page.get_by_text("Type a content").click()
    form = page.get_by_role("form", name="Type a content")
    form.get_by_label("Name").fill("note.txt")
    form.get_by_label("Content").fill("typed")
    form.get_by_role("button", name="Store").click()
    page.get_by_role("link", name="note.txt").click()
    expect(page.get_by_role("region", name="Content")).to_contain_text("typed")
    console.close()


@check
def a_dropped_file_is_uploaded_without_a_key(browser):
    api = Api()
    console = Console(browser)
    page = console.page
    console.open("actions-drop/:upload?keys=none&strategy=temporal")
    page.evaluate("""() => {
      const transfer = new DataTransfer();
      transfer.items.add(new File(['dropped'], 'dropped.txt'));
      document.querySelector('.drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }""")
    expect(page.get_by_text("1 of 1 file stored")).to_be_visible()
    [cache_id] = api.ids("actions-drop")
    metadata = api.json("GET", f"/actions-drop/retrieve/{cache_id}")["metadata"]
    assert (metadata["strategy"], metadata["cache_key"]) == ("temporal", ""), metadata
    assert api.send("GET", f"/actions-drop/retrieve/{cache_id}/string")[1] == b"dropped"
    console.close()


@check
def a_large_file_is_announced_and_arrives_whole(browser):
    api = Api()
    content = bytes(range(256)) * 40_000
    console = Console(browser)
    page = console.page
    announced = []
    page.on("request", lambda request: announced.append(request.method + " " + request.url.split("?")[0].removeprefix(URL)))
    console.open("actions-large/:upload")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "film.bin")
        file.write_bytes(content)
        page.locator("input[aria-label=Files]").set_input_files(file)
        expect(page.get_by_text("1 of 1 file stored")).to_be_visible(timeout=60_000)
    assert api.send("GET", "/actions-large/retrieve/key/key_based/film.bin/file?as=binary")[1] == content
    # A storage of another origin takes no content from the page; a server on a machine takes it in one request.
    upload = {"data_type": "binary", "sha256": "0" * 64, "size": 5}
    is_own = api.json("POST", "/actions-large/direct/upload", upload)["url"].startswith(URL)
    sent = "upload/complete" if is_own else "store/binary/film.bin"
    assert f"POST /actions-large/key_based/{sent}" in announced, announced
    console.close()


@check
def an_upload_is_cancelled_and_a_failed_one_is_sent_again(browser):
    api = Api()
    console = Console(browser)
    page = console.page
    held = []
    page.route("**/actions-retry/**/store/**", lambda route: held.append(route))
    console.open("actions-retry/:upload")
    page.locator("input[aria-label=Files]").set_input_files([{"name": name, "mimeType": "text/plain", "buffer": b"content"} for name in ["a.txt", "b.txt"]])
    wait_for(lambda: len(held) == 2, "both are on their way", page=page)
    page.get_by_role("button", name="Cancel a.txt").click()
    expect(page.get_by_role("row", name="a.txt")).to_contain_text("cancelled")
    next(route for route in held if "b.txt" in route.request.url).abort()
    expect(page.get_by_role("row", name="b.txt")).to_contain_text("The service cannot be reached")
    expect(page.get_by_role("row", name="a.txt").locator(".badge")).to_have_text("cancelled")
    assert api.ids("actions-retry") == []
    page.unroute("**/actions-retry/**/store/**")
    page.get_by_role("button", name="Retry b.txt").click()
    expect(page.get_by_role("row", name="b.txt")).to_contain_text("stored")
    page.get_by_role("button", name="Retry a.txt").click()
    expect(page.get_by_role("row", name="a.txt")).to_contain_text("stored")
    assert len(api.ids("actions-retry")) == 2
    console.expect_errors("net::ERR_FAILED")
    console.close()


@check
def settings_are_saved(browser):
    api = Api()
    api.store("actions-settings", "string", "x")
    console = Console(browser)
    page = console.page
    console.open("actions-settings/:settings")
    page.get_by_label("Lifetime in hours").fill("48")
    page.get_by_label("After that").select_option("delete")
    page.get_by_label("all", exact=True).uncheck()
    page.get_by_label("temporal versioned").uncheck()
    page.get_by_label("At most so many entries").fill("5")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Entries live 2 days now.")).to_be_visible()
    saved = api.json("GET", "/actions-settings/settings")
    assert (saved["ttl_hours"], saved["on_expiry"]) == (48, "delete"), saved
    assert (saved["max_entries"], saved["max_bytes"]) == (5, None), saved
    assert saved["strategies"] == ["direct", "temporal", "temporal_latest", "key_based"], saved
    page.get_by_label("Lifetime in hours").fill("")
    page.get_by_label("all", exact=True).check()
    page.get_by_role("button", name="Save").click()
    wait_for(lambda: api.json("GET", "/actions-settings/settings")["strategies"] is None, "they are unset", page=page)
    console.close()


@check
def a_read_is_copied_for_other_tools(browser):
    api = Api()
    cache_id = api.store("actions-copy", "string", "hello", key="it's", file_id="f")
    console = Console(browser)
    page = console.page
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.open(f"actions-copy/id/{cache_id}")
    expect(page.get_by_role("region", name="Content")).to_contain_text("hello")
    page.keyboard.press("c")
    wait_for(lambda: page.evaluate("navigator.clipboard.readText()") == f"actions-copy:{cache_id}", "the reference", page=page)
    page.get_by_role("button", name="Copy as…").click()
    page.get_by_role("button", name="Copy as curl").click()
    copied = wait_for(lambda: (text := page.evaluate("navigator.clipboard.readText()")).startswith("curl") and text, "the call", page=page)
    assert f"/actions-copy/retrieve/{cache_id}/string" in copied and "test-key" not in copied, copied
    console.close()


run()
