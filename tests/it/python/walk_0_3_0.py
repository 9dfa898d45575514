"""Walks every method of the Python client 0.3.0 that works, against the server at MGRAPH_URL.

    python walk_0_3_0.py [GROUP...]     all functions named `group_…` below, or these
"""
import os
import sys

from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client import Service__Fast_API__Client
from mgraph_ai_service_cache_client.client_contract.Service__Fast_API__Client__Config import Service__Fast_API__Client__Config
from mgraph_ai_service_cache_client.schemas.cache.enums.Enum__Cache__Store__Strategy import Enum__Cache__Store__Strategy as Strategy

NAMESPACE = "walk-0-3-0"
TEXT      = "naïve café ✓ 😀\nsecond line"
DOCUMENT  = {"zeta": [1, 2.5, None, True], "alpha": {"é": "ü", "big": 12345678901234567890123}}
BYTES     = bytes(range(256)) * 8

client = Service__Fast_API__Client(config=Service__Fast_API__Client__Config(
    base_url=os.environ["MGRAPH_URL"], api_key=os.environ["MGRAPH_KEY"], api_key_header="X-API-Key"))


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def check_three_reads(text, document, binary):
    """What went in as text, JSON and bytes comes back as that."""
    read = client.retrieve()
    for stored in (text, document, binary):
        equal(stored["namespace"], NAMESPACE)
        equal(len(stored["cache_hash"]), 16)
        assert stored["size"] > 0 and all(stored["paths"][kind] for kind in ("data", "by_hash", "by_id")), stored
    equal(read.retrieve__cache_id__string(text["cache_id"], NAMESPACE), TEXT)
    equal(read.retrieve__cache_id__json(document["cache_id"], NAMESPACE), DOCUMENT)
    equal(list(read.retrieve__cache_id__json(document["cache_id"], NAMESPACE)), list(DOCUMENT))
    equal(read.retrieve__cache_id__binary(binary["cache_id"], NAMESPACE), BYTES)


def group_store():
    """Six stores and three reads, with every strategy."""
    store = client.store()
    for strategy in Strategy:
        check_three_reads(store.store__string(strategy, NAMESPACE, TEXT),
                          store.store__json(strategy, NAMESPACE, DOCUMENT),
                          store.store__binary(strategy, NAMESPACE, BYTES))
        at = dict(namespace=NAMESPACE, strategy=strategy, cache_key="a/key")
        check_three_reads(store.store__string__cache_key(**at, body=TEXT, file_id=""),
                          store.store__json__cache_key(**at, body=DOCUMENT, file_id=""),
                          store.store__binary__cache_key(**at, body=BYTES, file_id=""))
        check_three_reads(store.store__string__cache_key(**at, body=TEXT, file_id="text"),
                          store.store__json__cache_key(**at, body=DOCUMENT, file_id="document"),
                          store.store__binary__cache_key(**at, body=BYTES, file_id="bytes"))


def group_child_data():
    """Nine child stores and six child reads."""
    store, read = client.data_store(), client.data().retrieve()
    parent = client.store().store__json(Strategy.DIRECT, NAMESPACE, {"a": "parent"})["cache_id"]
    kinds = (("string", TEXT), ("json", DOCUMENT), ("binary", BYTES))
    for kind, body in kinds:
        method = lambda holder, name: getattr(holder, name.format(kind))
        stored = method(store, "data__store_{}")(parent, NAMESPACE, body=body)
        equal((stored["cache_id"], stored["data_type"], stored["data_key"]), (parent, kind, ""))
        equal(method(read, "data__{}__with__id")(parent, NAMESPACE, stored["file_id"]), body)
        stored = method(store, "data__store_{}__with__id")(parent, NAMESPACE, "one", body=body)
        equal(stored["file_id"], "one")
        equal(method(read, "data__{}__with__id")(parent, NAMESPACE, "one"), body)
        stored = method(store, "data__store_{}__with__id_and_key")(parent, NAMESPACE, "below/here", "two", body=body)
        equal((stored["data_key"], stored["file_id"]), ("below/here", "two"))
        equal(method(read, "data__{}__with__id_and_key")(parent, NAMESPACE, "below/here", "two"), body)
    equal(read.data__json__with__id(parent, NAMESPACE, "absent")["detail"]["error_type"], "NOT_FOUND")


def group_info():
    info = client.info()
    equal(info.health(), {"status": "ok"})
    assert {"server_id", "server_name", "server_instance_id", "server_boot_time"} <= set(info.server())
    equal(info.status()["status"], "operational")
    assert info.versions()["mgraph_ai_service_cache"], info.versions()


def group_server():
    equal(client.server().storage__info()["ttl_hours"], 24)


def group_fixtures():
    fixtures = client.server().create__test_fixtures()["data"]["fixtures"]
    equal(len(fixtures), 9)
    stored = fixtures["string_simple"]["cache_id"]
    assert client.retrieve().retrieve__cache_id__string(stored, "default")


def group_admin():
    client.store().store__string(Strategy.DIRECT, NAMESPACE, TEXT)
    admin = client.admin_storage()
    assert admin.bucket_name()["bucket-name"]
    # The arguments of these two are never sent: they list the root, in which there are namespaces and no files.
    assert NAMESPACE in [folder.strip("/") for folder in admin.folders()], admin.folders()
    equal(admin.files__parent_path(), "[]")


for name in [f"group_{group}" for group in sys.argv[1:]] or [name for name in globals() if name.startswith("group_")]:
    globals()[name]()
