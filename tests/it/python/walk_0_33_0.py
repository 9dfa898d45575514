"""Walks every method of the Python client 0.33.0 that works, against the server at MGRAPH_URL.

    python walk_0_33_0.py [GROUP...]     all functions named `group_…` below, or these
"""
import os
import sys

from mgraph_ai_service_cache_client.client.cache_client.Cache__Service__Client import Cache__Service__Client
from mgraph_ai_service_cache_client.client.client_entities.Cache__Entity import Cache__Entity
from mgraph_ai_service_cache_client.client.client_entities.Cache__Entity__Json_File import Cache__Entity__Json_File
from mgraph_ai_service_cache_client.client.decorator.Cache__Decorator import cache_response
from mgraph_ai_service_cache_client.client.decorator.Decorator__Cache import Decorator__Cache
from mgraph_ai_service_cache_client.client.decorator.schemas.Schema__Cache__Decorator__Config import Schema__Cache__Decorator__Config
from mgraph_ai_service_cache_client.schemas.cache.enums.Enum__Cache__Data_Type import Enum__Cache__Data_Type as Kind
from mgraph_ai_service_cache_client.schemas.cache.enums.Enum__Cache__Store__Strategy import Enum__Cache__Store__Strategy as Strategy
from osbot_fast_api.services.registry.Fast_API__Service__Registry import fast_api__service__registry
from osbot_fast_api.services.schemas.registry.Fast_API__Service__Registry__Client__Config import Fast_API__Service__Registry__Client__Config
from osbot_fast_api.services.schemas.registry.enums.Enum__Fast_API__Service__Registry__Client__Mode import Enum__Fast_API__Service__Registry__Client__Mode

NAMESPACE = "walk-0-33-0"
TEXT      = "naïve café ✓ 😀\nsecond line"
DOCUMENT  = {"zeta": [1, 2.5, None, True], "alpha": {"é": "ü", "big": 12345678901234567890123}}
BYTES     = bytes(range(256)) * 8

# What the client's own `register_cache_service__remote` does; that module cannot be imported without the Python service.
fast_api__service__registry.register(Cache__Service__Client, Fast_API__Service__Registry__Client__Config(
    mode=Enum__Fast_API__Service__Registry__Client__Mode.REMOTE, base_url=os.environ["MGRAPH_URL"],
    api_key_name="x-api-key", api_key_value=os.environ["MGRAPH_KEY"]))
client = Cache__Service__Client()


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def new_entry(body=None, namespace=NAMESPACE):
    """A fresh JSON entry: every call has other content."""
    new_entry.count = getattr(new_entry, "count", 0) + 1
    return client.store().store__json(Strategy.DIRECT, namespace, body or {"entry": new_entry.count, "of": os.getpid()})


def check_by_id(stored, strategy, kind):
    """Every read by id, of an entry that was just stored."""
    read, at = client.retrieve(), dict(cache_id=str(stored.cache_id), namespace=NAMESPACE)
    generic = read.retrieve__cache_id(**at)
    equal(str(generic.metadata.cache_id), at["cache_id"])
    equal(str(generic.metadata.strategy), str(strategy))
    if kind == "binary":
        equal(generic.binary_url, f"/{NAMESPACE}/retrieve/{stored.cache_id}/binary")
        equal(read.retrieve__cache_id__binary(**at), BYTES)
    elif kind == "json":
        equal(generic.data, DOCUMENT)
        equal(read.retrieve__cache_id__json(**at), DOCUMENT)
    else:
        equal(generic.data, TEXT)
        equal(read.retrieve__cache_id__string(**at), TEXT)
        equal(read.retrieve__cache_id__binary(**at), TEXT.encode())


def check_about(stored, strategy):
    """Every read by id that tells something about an entry."""
    read, at = client.retrieve(), dict(cache_id=str(stored.cache_id), namespace=NAMESPACE)
    metadata = read.retrieve__cache_id__metadata(**at)
    equal(str(metadata.data.cache_hash), str(stored.cache_hash))
    refs = read.retrieve__cache_id__refs(**at)
    equal((str(refs.cache_id), str(refs.strategy)), (at["cache_id"], str(strategy)))
    assert refs.file_paths.content_files, refs.json()
    everything = read.retrieve__cache_id__refs__all(**at)
    equal(everything["by_id"]["cache_id"], at["cache_id"])
    assert everything["details"], everything
    equal(read.retrieve__cache_id__config(**at)["file_type"]["name"] in ("json", "binary"), True)


def group_store():
    """Six stores and every read by id, with every strategy."""
    store = client.store()
    for strategy in Strategy:
        plain = {"string": store.store__string(strategy, NAMESPACE, TEXT),
                 "json"  : store.store__json(strategy, NAMESPACE, DOCUMENT),
                 "binary": store.store__binary(strategy, NAMESPACE, BYTES)}
        at = dict(namespace=NAMESPACE, strategy=strategy, cache_key="a/key")
        keyed = {"string": store.store__string__cache_key(**at, body=TEXT, file_id="text"),
                 "json"  : store.store__json__cache_key(**at, body=DOCUMENT, file_id="document"),
                 "binary": store.store__binary__cache_key(**at, body=BYTES, file_id="bytes")}
        for kind in plain:
            equal(str(plain[kind].cache_hash), str(keyed[kind].cache_hash))
            for stored in (plain[kind], keyed[kind]):
                check_by_id(stored, strategy, kind)
                check_about(stored, strategy)


def group_hash():
    """Every read by hash, and the hash of one JSON field."""
    read, namespace = client.retrieve(), NAMESPACE + "-hash"
    stored = {kind: getattr(client.store(), f"store__{kind}")(Strategy.DIRECT, namespace, body)
              for kind, body in (("string", TEXT), ("json", DOCUMENT), ("binary", BYTES))}
    at = {kind: dict(cache_hash=str(answer.cache_hash), namespace=namespace) for kind, answer in stored.items()}
    equal(read.retrieve__hash__cache_hash(**at["json"]).data, DOCUMENT)
    equal(read.retrieve__hash__cache_hash(**at["binary"]).binary_url, f"/{namespace}/retrieve/hash/{stored['binary'].cache_hash}/binary")
    equal(read.retrieve__hash__cache_hash__string(**at["string"]), TEXT)
    equal(read.retrieve__hash__cache_hash__json(**at["json"]), DOCUMENT)
    equal(read.retrieve__hash__cache_hash__binary(**at["binary"]), BYTES)
    equal(str(read.retrieve__hash__cache_hash__metadata(**at["json"]).cache_id), str(stored["json"].cache_id))
    versions = read.retrieve__hash__cache_hash__refs_hash(**at["json"])
    equal((versions["latest_id"], versions["total_versions"]), (str(stored["json"].cache_id), 1))
    equal(read.retrieve__hash__cache_hash__cache_id(**at["json"])["cache_id"], str(stored["json"].cache_id))
    by_field = client.store().store__json__cache_key(namespace=namespace, strategy=Strategy.KEY_BASED, cache_key="a/key",
                                                     body={"name": TEXT}, file_id="f", json_field_path="name")
    equal(str(by_field.cache_hash), str(stored["string"].cache_hash))


def group_exists():
    exists, stored = client.exists(), new_entry()
    equal(exists.exists__cache_id(stored.cache_id, NAMESPACE).exists, True)
    equal(exists.exists__hash__cache_hash(str(stored.cache_hash), NAMESPACE).exists, True)
    equal(exists.exists__cache_id("00000000-0000-0000-0000-00000000dead", NAMESPACE).exists, False)
    equal(exists.exists__hash__cache_hash("aaaaaaaaaaaaaaaa", NAMESPACE).exists, False)


def group_delete():
    stored = new_entry()
    at = dict(cache_id=str(stored.cache_id), namespace=NAMESPACE)
    gone = client.delete().delete__cache_id(**at)
    equal((gone["status"], gone["failed_count"]), ("success", 0))
    equal(client.retrieve().retrieve__cache_id(**at), None)
    equal(client.exists().exists__cache_id(stored.cache_id, NAMESPACE).exists, False)
    equal(client.delete().delete__cache_id(**at)["status"], "not_found")


def group_update():
    update, read = client.update(), client.retrieve()
    for kind, before, after in (("string", "before", TEXT), ("json", {"b": 1}, DOCUMENT), ("binary", b"before", BYTES)):
        stored = getattr(client.store(), f"store__{kind}")(Strategy.DIRECT, NAMESPACE, before)
        updated = getattr(update, f"update__{kind}")(stored.cache_id, NAMESPACE, after)
        equal((str(updated.cache_id), updated.updated_content), (str(stored.cache_id), True))
        equal(getattr(read, f"retrieve__cache_id__{kind}")(str(stored.cache_id), NAMESPACE), after)


KINDS = ((Kind.STRING, TEXT), (Kind.JSON, DOCUMENT), (Kind.BINARY, BYTES))


def group_child_data():
    """Nine child stores, six reads, six updates, and the questions about them."""
    store, read, update = client.data_store(), client.data().retrieve(), client.data().update()
    parent = str(new_entry().cache_id)
    for kind, body in KINDS:
        of = lambda holder, name: getattr(holder, name.format(kind.value))
        equal(of(store, "data__store_{}")(parent, NAMESPACE, body=body).data_type, kind)
        of(store, "data__store_{}__with__id")(parent, NAMESPACE, "one", body=body)
        of(store, "data__store_{}__with__id_and_key")(parent, NAMESPACE, "below/here", "two", body=body)
        equal(of(read, "data__{}__with__id")(parent, NAMESPACE, "one"), body)
        equal(of(read, "data__{}__with__id_and_key")(parent, NAMESPACE, "below/here", "two"), body)
        other = {Kind.STRING: "other", Kind.JSON: {"other": 1}, Kind.BINARY: b"other"}[kind]
        equal(of(update, "data__update_{}__with__id")(parent, NAMESPACE, "one", other).success, True)
        equal(of(update, "data__update_{}__with__id_and_key")(parent, NAMESPACE, "below/here", "two", other).success, True)
        equal(of(read, "data__{}__with__id")(parent, NAMESPACE, "one"), other)
        check_child_questions(parent, kind)


def check_child_questions(parent, kind):
    exists, listing = client.data().exists(), client.data().list()
    equal(exists.data__exists__with__id(parent, NAMESPACE, kind, "one").exists, True)
    equal(exists.data__exists__with__id(parent, NAMESPACE, kind, "absent").exists, False)
    equal(exists.data__exists__with__id_and_key(parent, NAMESPACE, kind, "below/here", "two").exists, True)
    names = lambda files: [(str(file.data_key), str(file.data_file_id)) for file in files if file.data_type == kind]
    assert ("", "one") in names(listing.data__list(parent, NAMESPACE).files)
    equal(("below/here", "two") in names(listing.data__list(parent, NAMESPACE).files), True)
    equal(("below/here", "two") in names(listing.data__list(parent, NAMESPACE, recursive=False).files), False)
    equal(names(listing.data__list__with__key(parent, NAMESPACE, "below/here").files), [("below/here", "two")])


def group_child_delete():
    delete, store, parent = client.data().delete(), client.data_store(), str(new_entry().cache_id)
    for name in ("one", "two"):
        store.data__store_string__with__id(parent, NAMESPACE, name, body=TEXT)
        store.data__store_string__with__id_and_key(parent, NAMESPACE, "below/here", name, body=TEXT)
    count = lambda: client.data().list().data__list(parent, NAMESPACE).file_count
    equal(delete.delete__data__file__with__id(parent, NAMESPACE, Kind.STRING, "one")["status"], "success")
    equal(delete.delete__data__file__with__id_and_key(parent, NAMESPACE, Kind.STRING, "below/here", "one")["status"], "success")
    equal(count(), 2)
    equal(delete.delete__all__data__files__with__key(parent, NAMESPACE, "below")["deleted_count"], 1)
    equal(delete.delete__all__data__files(parent, NAMESPACE)["deleted_count"], 1)
    equal(count(), 0)


def group_zip():
    """The three of nine methods that can work."""
    made = client.zip().zip_create(NAMESPACE, Strategy.DIRECT, "packages", "empty")
    equal((made["success"], made["file_count"], made["cache_hash"]), (True, 0, "e3b0c44298fc1c14"))
    listed = client.zip().zip_files_list(made["cache_id"], NAMESPACE)
    equal((listed["success"], listed["operation"], listed["file_list"]), (True, "list", []))
    # The client cannot put a member into an archive, so there is none that it could delete.
    client.zip().zip_file_delete(made["cache_id"], "absent.txt", NAMESPACE)


def group_namespace():
    namespace, name = client.namespace(), NAMESPACE + "-space"
    stored = [new_entry(namespace=name) for _ in range(3)]
    equal(sorted(namespace.cache_ids(name)), sorted(str(entry.cache_id) for entry in stored))
    equal(sorted(namespace.cache_hashes(name)), sorted(str(entry.cache_hash) for entry in stored))
    equal(namespace.stats(name)["namespace"], name)
    assert name in client.namespaces().list()


def group_admin():
    admin, parent = client.admin_storage(), str(new_entry().cache_id)
    path = str(client.data_store().data__store_json__with__id(parent, NAMESPACE, "file", body=DOCUMENT).data_files_created[0])
    folder, _, name = path.rpartition("/")
    assert admin.bucket_name()["bucket-name"]
    equal(admin.file__exists(path)["exists"], True)
    equal(admin.file__json(path), DOCUMENT)
    assert admin.file__bytes(path).startswith(b"{")
    assert any(found.endswith(name) for found in admin.files__in__path(folder))
    equal(admin.files__in__path(folder, return_full_path=True, recursive=True), [path])
    assert path in [str(file) for file in admin.files__all__path(NAMESPACE).files]
    assert {"data", "refs"} <= {found.strip("/").rpartition("/")[2] for found in admin.folders(NAMESPACE)}
    equal(admin.file__delete(path)["deleted"], True)
    equal(admin.file__exists(path)["exists"], False)


def group_info():
    info = client.info()
    equal(client.health(), True)
    equal(info.health(), {"status": "ok"})
    assert {"server_id", "server_name", "server_instance_id", "server_boot_time"} <= set(info.server())
    equal(info.status()["status"], "operational")
    assert info.versions()["mgraph_ai_service_cache"]


def group_server():
    equal(client.server().storage__info()["ttl_hours"], 24)


def group_fixtures():
    equal(len(client.server().create__test_fixtures()["data"]["fixtures"]), 9)


def group_entity():
    stored = new_entry(DOCUMENT, NAMESPACE + "-entity")
    entity = Cache__Entity(cache_client=client, cache_id=stored.cache_id, namespace=NAMESPACE + "-entity")
    equal(entity.entry__json(), DOCUMENT)
    equal(entity.entry__with_metadata().data, DOCUMENT)
    equal(str(entity.metadata().data.cache_id), str(stored.cache_id))
    equal(str(entity.refs().cache_id), str(stored.cache_id))
    equal(str(entity.cache__hash()), str(stored.cache_hash))
    equal(entity.cache__file__hash()["latest_id"], str(stored.cache_id))
    equal(entity.exists(), True)
    equal(entity.delete(), True)
    equal(entity.exists(), False)


def group_entity_files():
    stored = new_entry()
    bound = dict(cache_client=client, cache_id=stored.cache_id, namespace=NAMESPACE)
    entity, file = Cache__Entity(**bound), Cache__Entity__Json_File(**bound, data_key="below/here", data_file_id="file")
    assert file.store(DOCUMENT)
    equal(file.exists(), True)
    equal(file.retrieve(), DOCUMENT)
    equal(file.update({"other": 1}), True)
    equal(entity.data__json("below/here", "file"), {"other": 1})
    entity.data__store_string("below/here", "text", TEXT)
    equal(entity.data__string("below/here", "text"), TEXT)
    equal(entity.data__update_string("below/here", "text", "other"), True)
    equal(len(entity.data__files__paths()), 2)
    text = entity.data_file("below/here", "text")
    equal((text.string(), text.exists__string(), text.exists__json()), ("other", True, False))
    equal(text.update__string(TEXT), True)
    equal(entity.data__string("below/here", "text"), TEXT)
    equal(entity.data__delete("below/here", "text", Kind.STRING), True)
    equal(len(entity.data__files().files), 1)
    equal(file.delete(), True)
    equal(file.exists(), False)


def group_decorator():
    """The second call of a decorated method is answered from the cache."""
    class Reports:
        decorator__cache = Decorator__Cache(cache_service_client=client)
        calls            = 0

        @cache_response(Schema__Cache__Decorator__Config(namespace=NAMESPACE + "-decorator"))
        def report(self, region: str) -> dict:
            Reports.calls += 1
            return {"region": region, "of": os.getpid()}

    first = Reports().report("north")
    equal(Reports().report("north"), first)
    equal(Reports.calls, 1)
    Reports().report("south")
    equal(Reports.calls, 2)


for name in [f"group_{group}" for group in sys.argv[1:]] or [name for name in globals() if name.startswith("group_")]:
    globals()[name]()
