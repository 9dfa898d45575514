"""Keys: the form for one, what a key may not do, and the page that manages them."""

from browser import HEADER, KEY, Api, Console, check, expect, run, wait_for


@check
def a_visitor_without_a_key_is_asked_and_stays_where_they_are(browser):
    cache_id = Api().store("access-form", "string", "hello")
    console = Console(browser, key=None)
    console.expect_errors("status of 401")
    page = console.page
    place = f"access-form/id/{cache_id}?tab=metadata"
    console.open(place)
    form = page.get_by_role("form", name="API key")
    expect(form.get_by_label("Header")).to_have_value(HEADER)
    expect(page.get_by_role("alert").filter(has_text="Request id").first).to_be_visible()
    form.get_by_label("API key").fill("wrong")
    form.get_by_role("button", name="Use this key").click()
    expect(form.get_by_role("alert")).to_contain_text("Invalid API key")
    form.get_by_label("API key").fill(KEY)
    form.get_by_role("button", name="Use this key").click()
    expect(form).to_have_count(0)
    expect(page.locator("main")).to_contain_text("SHA-256")
    console.at(place)
    assert page.context.cookies() == []
    assert page.evaluate("localStorage.length") == 0
    page.reload()
    expect(page.locator("main")).to_contain_text("SHA-256")
    page.get_by_role("button", name="root key").click()
    form.get_by_role("button", name="Forget the key").click()
    expect(form).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0
    console.close()


@check
def what_a_key_may_not_do_is_disabled_and_says_why(browser):
    api = Api()
    cache_id = api.store("access-team", "string", "hello", key="k", file_id="f")
    api.store("access-team", "string", "hello again", key="k", file_id="f")
    api.store("access-other", "string", "hello")
    made = api.json("POST", "/keys", {"name": "reader", "grants": [{"namespaces": ["access-te*"], "permissions": ["read"]}]})
    console = Console(browser, key=made["key"])
    console.expect_errors("status of 404", "status of 403")
    page = console.page
    console.open(f"access-team/id/{cache_id}")
    expect(page.get_by_role("button", name="reader")).to_be_visible()
    button = page.get_by_role("button", name="Delete", exact=True)
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "The key 'reader' has no permission 'delete' in namespace access-team.")
    console.open("access-team/key/key_based/k/f?tab=versions")
    expect(page.get_by_role("button", name="Roll back to version 1")).to_be_disabled()
    for view, permission in [("upload", "create"), ("settings", "manage"), ("delete", "delete")]:
        console.open(f"access-team/:{view}")
        expect(page.get_by_text(f"The key 'reader' has no permission '{permission}' in namespace access-team.")).to_be_visible()
    console.open(":keys")
    expect(page.get_by_role("button", name="New key")).to_be_disabled()
    console.open()
    expect(page.get_by_role("link", name="access-team", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="access-other", exact=True)).to_have_count(0)
    rate = page.get_by_role("row").filter(has=page.get_by_role("link", name="access-team", exact=True)).locator("span[title]")
    expect(rate).to_have_attribute("title", "The key 'reader' has no permission 'read' on all namespaces.")
    console.open("access-other")
    expect(page.get_by_role("alert").first).to_contain_text("404: there is no namespace 'access-other' for this API key")
    console.close()


@check
def a_key_is_made_shown_once_changed_rotated_disabled_and_deleted(browser):
    api = Api()
    console = Console(browser)
    page = console.page
    dialog = page.get_by_role("dialog")

    def named(name):
        return [key for key in api.json("GET", "/keys?limit=1000")["keys"] if key["name"] == name]

    console.open(":keys")
    page.get_by_role("button", name="New key").click()
    dialog.get_by_label("Name", exact=True).fill("access-ci")
    dialog.get_by_label("Note").fill("for the build")
    dialog.get_by_label("Expires").fill("2099-01-01T00:00")
    dialog.get_by_label("Namespaces").fill("access-ci-*, demo")
    dialog.get_by_label("write").check()
    dialog.get_by_text("Limits").click()
    dialog.get_by_label("Requests a second").fill("50")
    dialog.get_by_role("button", name="Create").click()
    secret = dialog.locator("code").inner_text()
    assert secret.startswith("mgc_"), secret
    assert Api(secret).json("GET", "/auth/whoami")["name"] == "access-ci"
    dialog.get_by_role("button", name="I have kept it").click()
    assert secret not in page.content()
    [made] = named("access-ci")
    assert made["grants"] == [{"namespaces": ["access-ci-*", "demo"], "permissions": ["read", "write"]}], made
    assert (made["note"], made["limits"]["requests_per_second"]) == ("for the build", 50), made

    page.get_by_role("button", name="Change access-ci").click()
    dialog.get_by_label("Note").fill("")
    dialog.get_by_label("write").uncheck()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    [changed] = named("access-ci")
    assert (changed.get("note") or "", changed["grants"][0]["permissions"]) == ("", ["read"]), changed

    page.get_by_role("button", name="Disable access-ci").click()
    dialog.get_by_role("button", name="Disable").click()
    expect(page.get_by_role("row", name="access-ci").get_by_text("disabled", exact=True)).to_be_visible()
    assert named("access-ci")[0]["status"] == "disabled"
    page.get_by_role("button", name="Enable access-ci").click()
    dialog.get_by_role("button", name="Enable").click()
    wait_for(lambda: named("access-ci")[0]["status"] == "active", "it is enabled", page=page)

    page.get_by_role("button", name="Rotate access-ci").click()
    dialog.get_by_label("For so many hours").fill("1.5")
    dialog.get_by_role("button", name="Rotate").click()
    expect(dialog.locator("code")).to_contain_text("mgc_")
    assert dialog.locator("code").inner_text() != secret
    dialog.get_by_role("button", name="I have kept it").click()
    expect(page.get_by_role("button", name="Delete access-ci")).to_have_count(2)
    for left in [1, 0]:
        page.get_by_role("button", name="Delete access-ci").first.click()
        dialog.get_by_label("Type access-ci to confirm").fill("access-ci")
        dialog.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("button", name="Delete access-ci")).to_have_count(left)
    assert named("access-ci") == []
    console.close()


run()
